//! What a crash left behind: tapes without an end, sessions without a driver.

use std::path::Path;
use std::sync::Arc;

use crate::clock;
use sallyport_domain::event::Event;
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_recorder::{TapeError, TapeReader};
use sallyport_store::RecordingState;

use crate::driver::Start;
use crate::node::Node;
use crate::{ProxyError, orders};

/// A tape that was finished just now.
struct Found {
    session: SessionId,
    connection: ConnectionId,
    torn: u64,
    bytes: u64,
    root: String,
}

/// Finishes tapes, closes lost sessions with the reason, and takes up those that go on.
pub async fn recover(node: &Arc<Node>) -> Result<(), ProxyError> {
    let dir = node.config.tape_dir.clone();
    let found = tokio::task::spawn_blocking(move || finish_tapes(&dir))
        .await
        .map_err(|panic| ProxyError::Recovery(panic.to_string()))?;
    for tape in found {
        let Found {
            session,
            connection,
            torn,
            bytes,
            root,
        } = tape;
        tracing::warn!(%session, %connection, torn, "finished a recording that a crash left behind");
        let now = clock::now();
        let event = Event::RecordingRecovered { connection, torn };
        // A tape whose session the database never saw is kept and finished all the same.
        if let Err(error) = node.store.append_events(session, &[(now, event)]).await {
            tracing::warn!(%session, %error, "the recovered recording is not in the database");
            continue;
        }
        node.store
            .finish_recording(connection, bytes, &root, RecordingState::Recovered, now)
            .await?;
    }
    for stored in node.store.live_sessions(Some(node.config.node)).await? {
        let Some(mut session) = orders::restore(&stored) else {
            tracing::error!(session = %stored.session.id, "a session in the database cannot be understood");
            continue;
        };
        let actions = session.node_lost(clock::now());
        let start = Start {
            session,
            subject: orders::subject(&stored),
            first: None,
            actions,
        };
        node.drive(start);
    }
    Ok(())
}

fn finish_tapes(dir: &Path) -> Vec<Found> {
    let paths = match sallyport_recorder::unfinished(dir) {
        Ok(paths) => paths,
        Err(error) => {
            tracing::error!(%error, "cannot look for unfinished tapes");
            Vec::new()
        }
    };
    paths
        .into_iter()
        .filter_map(|path| match finish_tape(&path) {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::error!(tape = %path.display(), %error, "a tape cannot be finished");
                None
            }
        })
        .collect()
}

fn finish_tape(path: &Path) -> Result<Found, TapeError> {
    let recovered = sallyport_recorder::recover(path)?;
    let header = TapeReader::open(path)?.header().clone();
    Ok(Found {
        session: header.session,
        connection: header.connection,
        torn: recovered.torn_bytes,
        bytes: recovered.finished.bytes,
        root: recovered
            .finished
            .root
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    })
}
