//! The end of a connection: its driver is told, and its tape finished.

use std::sync::Arc;

use sallyport_domain::event::Event;
use sallyport_domain::session::DisconnectCause;
use sallyport_store::RecordingState;

use crate::clock;
use crate::connection::Connection;
use crate::driver::Mail;
use crate::ledger::Entry;

/// Both sockets are closed.
pub async fn disconnected(connection: &Connection, cause: DisconnectCause) {
    let at = clock::now();
    connection
        .tell(Mail::Disconnected {
            connection: connection.id,
            cause,
            at,
        })
        .await;
}

/// Nothing more will be written to the tape.
pub async fn finish_tape(connection: &Arc<Connection>) {
    let id = connection.id;
    let finishing = connection.clone();
    let finished =
        tokio::task::spawn_blocking(move || finishing.tape.finish(finishing.cut_reason().as_ref()))
            .await;
    connection.grown.notify_one();
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
