//! The counterpart of [`super::bring_up`]: what is left of a connection is closed, and its tape finished.

use std::sync::Arc;
use std::time::Duration;

use sallyport_domain::event::Event;
use sallyport_domain::session::DisconnectCause;
use sallyport_store::RecordingState;

use super::enter::Joined;
use super::shared::Shared;
use crate::clock;
use crate::connection::Connection;
use crate::driver::Mail;
use crate::ledger::Entry;

/// How long a target has to take our goodbye: it has nothing to hold us up with.
const GOODBYE: Duration = Duration::from_millis(30);

/// Closes what is left of a connection, says so, and finishes its tape.
pub async fn wind_up(shared: &Shared, joined: Joined, cause: DisconnectCause) {
    let Joined { connection, target } = joined;
    let _ = tokio::time::timeout(GOODBYE, target.disconnect()).await;
    shared.cut.cancel();
    let at = clock::now();
    connection
        .tell(Mail::Disconnected {
            connection: connection.id,
            cause,
            at,
        })
        .await;
    shared.channels.close();
    shared.channels.wait().await;
    finish_tape(&connection).await;
}

async fn finish_tape(connection: &Arc<Connection>) {
    let id = connection.id;
    let finishing = connection.clone();
    let finished =
        tokio::task::spawn_blocking(move || finishing.tape.finish(finishing.cut_reason().as_ref()))
            .await;
    let at = clock::now();
    let (entry, event) = match finished {
        Ok(Some(Ok(tape))) => {
            let root: String = tape.root.iter().map(|byte| format!("{byte:02x}")).collect();
            (
                Some(Entry::TapeFinished {
                    id,
                    bytes: tape.bytes,
                    root: root.clone(),
                    state: RecordingState::Complete,
                    at,
                }),
                Some(Event::RecordingStored {
                    connection: id,
                    bytes: tape.bytes,
                    root,
                }),
            )
        }
        Ok(None) => (None, None),
        failed => {
            let error = match failed {
                Ok(Some(Err(error))) => error.to_string(),
                Ok(_) => String::new(),
                Err(panic) => panic.to_string(),
            };
            (
                Some(Entry::TapeFinished {
                    id,
                    bytes: 0,
                    root: String::new(),
                    state: RecordingState::Failed,
                    at,
                }),
                Some(Event::RecordingFailed {
                    connection: id,
                    error,
                }),
            )
        }
    };
    connection
        .tell(Mail::TapeEnded {
            connection: id,
            entry,
            event,
        })
        .await;
}
