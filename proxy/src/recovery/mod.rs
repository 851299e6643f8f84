//! What a crash left behind: tapes without an end, connections nobody closed, sessions without a driver.
//!
//! A crash in the middle of this is nothing special: every step is repeated until the store knows of it.

mod remains;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sallyport_domain::close::CloseReason;
use sallyport_domain::event::Event;
use sallyport_domain::id::ConnectionId;
use sallyport_recorder::{Finished, Shelf, Stream, TapeError, TapeReader, VerifyError};
use sallyport_store::{NewConnection, NewRecording, RecordingRow, RecordingState, StoreError};

use crate::clock;
use crate::driver::{Arrivals, Start};
use crate::node::Node;
use crate::{ProxyError, orders};
use remains::Remains;

/// Why one of them cannot be put in order.
#[derive(Debug, thiserror::Error)]
enum RecoverError {
    #[error(transparent)]
    Tape(#[from] TapeError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broken(#[from] tokio::task::JoinError),
}

/// Finishes tapes, closes lost connections and sessions with the reason, and takes up the sessions that go on.
pub async fn recover(node: &Arc<Node>) -> Result<(), ProxyError> {
    let dir = node.config.tape_dir.clone();
    let Shelf {
        finished,
        unfinished,
    } = beside(move || shelf(&dir))
        .await
        .map_err(|error| ProxyError::Recovery(error.to_string()))?;
    let mut tapes: BTreeSet<_> = unfinished.into_iter().collect();
    // The crash may have come after the tape was finished, and before the store knew: that it is, or,
    // with a database that was away, that there is one.
    let forgotten = node.store.unfinished_recordings(node.config.node).await?;
    for row in forgotten {
        let tape = node.config.tape_dir.join(&row.path);
        match is_lost(tape.clone()).await? {
            true => write_off(node, &row).await?,
            false => drop(tapes.insert(tape)),
        }
    }
    tapes.extend(unheard_of(node, finished).await?);
    for tape in tapes {
        if let Err(error) = settle(node, &tape).await {
            tracing::error!(tape = %tape.display(), %error, "what a crash left of a recording cannot be put in order");
        }
    }
    let now = clock::now();
    let lost = CloseReason::NodeLost;
    node.store
        .close_lost_connections(node.config.node, now, lost.code())
        .await?;
    take_up_sessions(node).await
}

/// Those of the tapes that the store does not know.
async fn unheard_of(node: &Node, finished: Vec<PathBuf>) -> Result<Vec<PathBuf>, StoreError> {
    let id = |tape: &PathBuf| -> Option<ConnectionId> { tape.file_stem()?.to_str()?.parse().ok() };
    let ids: Vec<ConnectionId> = finished.iter().filter_map(id).collect();
    let known = node.store.known_recordings(&ids).await?;
    let unknown = |tape: &PathBuf| id(tape).is_some_and(|id| !known.contains(&id));
    Ok(finished.into_iter().filter(unknown).collect())
}

/// Is there no tape, or not even the beginning of one? The store may reach the disk before its first second does.
async fn is_lost(tape: PathBuf) -> Result<bool, ProxyError> {
    let opened = beside(move || TapeReader::open(&tape)).await;
    match opened.map_err(|error| ProxyError::Recovery(error.to_string()))? {
        Err(TapeError::Io { source, .. }) => Ok(source.kind() == io::ErrorKind::NotFound),
        Err(TapeError::NotATape { .. }) => Ok(true),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Says that a tape is gone.
async fn write_off(node: &Node, row: &RecordingRow) -> Result<(), StoreError> {
    tracing::error!(session = %row.session, connection = %row.id, tape = %row.path, "the tape of a recording is gone");
    let now = clock::now();
    let event = Event::RecordingFailed {
        connection: row.id,
        error:
            "its tape is not there: a power cut took it in its first second, or somebody removed it"
                .to_owned(),
    };
    node.store
        .append_events(row.session, &[(now, event)])
        .await?;
    node.store
        .finish_recording(row.id, 0, "", RecordingState::Failed, now)
        .await
}

async fn take_up_sessions(node: &Arc<Node>) -> Result<(), ProxyError> {
    for stored in node.store.live_sessions(Some(node.config.node)).await? {
        let Some(mut session) = orders::restore(&stored) else {
            tracing::error!(session = %stored.session.id, "a session in the database cannot be understood");
            continue;
        };
        let actions = session.node_lost(clock::now());
        let start = Start {
            session,
            subject: orders::subject(&stored),
            actions,
            arrivals: Arrivals::default(),
        };
        node.drive(start);
    }
    Ok(())
}

/// Finishes a tape, and writes into the store what it tells.
async fn settle(node: &Node, tape: &Path) -> Result<(), RecoverError> {
    let path = tape.to_owned();
    let remains = beside(move || Remains::of(&path)).await??;
    // First: afterwards nobody would find a tape that the store does not know.
    let known = register(node, &remains, tape).await?;
    let path = tape.to_owned();
    let settled = beside(move || finish(&path)).await??;
    let (session, connection) = (remains.header.session, remains.header.connection);
    if let Some(torn) = settled.recovered {
        tracing::warn!(%session, %connection, torn, "finished a recording that a crash left behind");
    }
    if !known {
        return Ok(());
    }
    let now = clock::now();
    let mut state = RecordingState::Complete;
    if let Some(torn) = settled.recovered {
        state = RecordingState::Recovered;
        let event = Event::RecordingRecovered { connection, torn };
        node.store.append_events(session, &[(now, event)]).await?;
    }
    let root: String = settled
        .finished
        .root
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    node.store
        .close_connection(
            connection,
            remains.last(),
            CloseReason::NodeLost.code(),
            remains.bytes(&[Stream::In]),
            remains.bytes(&[Stream::Out, Stream::Err]),
        )
        .await?;
    node.store
        .finish_recording(connection, settled.finished.bytes, &root, state, now)
        .await?;
    Ok(())
}

/// Makes sure that the store knows the connection and its tape; it cannot if it does not know the session.
async fn register(node: &Node, remains: &Remains, tape: &Path) -> Result<bool, StoreError> {
    let header = &remains.header;
    let below = tape.strip_prefix(&node.config.tape_dir).unwrap_or(tape);
    let path = below.to_string_lossy().into_owned();
    let connection = NewConnection {
        id: header.connection,
        session: header.session,
        source_ip: remains.source_ip.clone(),
        client: remains.client.clone(),
        connected_at: header.started_at,
        tape: path.clone(),
    };
    let recording = NewRecording {
        connection: header.connection,
        session: header.session,
        path,
        started_at: header.started_at,
    };
    match node.store.insert_connection(&connection).await {
        Ok(()) | Err(StoreError::Exists { .. }) => {}
        Err(StoreError::Constraint { .. }) => {
            tracing::warn!(session = %header.session, "the recovered recording is of a session that is not in the database");
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    match node.store.insert_recording(&recording).await {
        Ok(()) | Err(StoreError::Exists { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A tape that is finished by now.
struct Settled {
    finished: Finished,
    /// By a recovery, this one or an earlier one: bytes of its torn end that were cut.
    recovered: Option<u64>,
}

fn finish(tape: &Path) -> Result<Settled, RecoverError> {
    let done = sallyport_recorder::recover(tape)?;
    let recovered = match done.already {
        false => Some(done.torn_bytes),
        true => sallyport_recorder::verify(tape)?
            .closing
            .filter(|closing| closing.recovered)
            .map(|closing| closing.torn_bytes),
    };
    Ok(Settled {
        finished: done.finished,
        recovered,
    })
}

fn shelf(dir: &Path) -> Shelf {
    sallyport_recorder::shelf(dir).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot look for tapes that a crash left behind");
        Shelf::default()
    })
}

/// Files are slow; the runtime has other things to do.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RecoverError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
