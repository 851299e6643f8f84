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
use sallyport_store::{
    NewConnection, NewRecording, Passed, RecordingRow, RecordingState, StoreError,
};

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
    let Shelf {
        finished,
        unfinished,
    } = look_through(node).await?;
    let mut tapes: BTreeSet<_> = finished.into_iter().chain(unfinished).collect();
    // The crash may have come after the tape was finished, and before the store knew.
    let forgotten = node.store.unfinished_recordings(node.config.node).await?;
    for row in forgotten {
        let tape = node.config.tape_dir.join(&row.path);
        match is_lost(tape.clone()).await? {
            true => write_off(node, &row).await?,
            false => drop(tapes.insert(tape)),
        }
    }
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

/// The tapes without an end, and those with one of which the store has never heard: the database may have
/// been away from their beginning to the crash. What is in order is not even opened: it may be millions.
async fn look_through(node: &Node) -> Result<Shelf, ProxyError> {
    let broken = |error: RecoverError| ProxyError::Recovery(error.to_string());
    let dir = node.config.tape_dir.clone();
    let mut tapes = beside(move || or_say(sallyport_recorder::tapes(&dir)))
        .await
        .map_err(broken)?;
    let id = |tape: &Path| -> Option<ConnectionId> { tape.file_stem()?.to_str()?.parse().ok() };
    let ids: Vec<ConnectionId> = tapes.iter().filter_map(|tape| id(tape)).collect();
    let states = node.store.recording_states(&ids).await?;
    let state = |tape: &Path| states.get(&id(tape)?).copied();
    tapes.retain(|tape| match state(tape) {
        Some(RecordingState::Complete | RecordingState::Recovered) => false,
        Some(RecordingState::Recording | RecordingState::Failed) | None => true,
    });
    let mut shelf = beside(move || or_say(sallyport_recorder::shelf(tapes)))
        .await
        .map_err(broken)?;
    shelf.finished.retain(|tape| state(tape).is_none());
    Ok(shelf)
}

/// A folder that cannot be read must not keep the program from starting.
fn or_say<T: Default>(found: Result<T, TapeError>) -> T {
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot look for tapes that a crash left behind");
        T::default()
    })
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
            &Passed {
                bytes_in: remains.bytes(&[Stream::In]),
                bytes_out: remains.bytes(&[Stream::Out, Stream::Err]),
                // Those of the last time they were kept stay.
                meters: None,
            },
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

/// Files are slow; the runtime has other things to do.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RecoverError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
