//! Writes what a live session did into the store, in order, beside the session.
//!
//! The driver never waits for the database: a session ends on time also when the database is gone.
//! Entries are retried until they are written; what does not fit into the bounded queue is counted
//! (what happened is on the tape all the same), and the session's row always catches up with its latest state.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sallyport_domain::command::Outcome;
use sallyport_domain::event::Event;
use sallyport_domain::id::{CommandId, ConnectionId, SessionId};
use sallyport_domain::status::Status;
use sallyport_store::{
    Batch, Login, NewConnection, NewRecording, Passed, RecordingState, SessionUpdate, Store,
    StoreError,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backlog::Waiting;

/// Entries that may wait for the database.
const QUEUE: usize = 1024;
/// Events in one transaction, about.
const MAX_EVENTS: usize = 2048;
/// Entries of one transaction.
const TOGETHER: usize = 64;
/// How long a change of what lists show waits for others: whoever asks the API about a session whose
/// prompt she sees must find it as it is.
const SOON: Duration = Duration::from_millis(2);
/// How long a line of the log waits for others.
const LATER: Duration = Duration::from_millis(20);
/// How long what was measured waits for others: mostly it goes along with something, and costs no transaction.
const ALONG: Duration = Duration::from_secs(5);
/// Pause between two tries.
const RETRY: Duration = Duration::from_millis(250);

/// Something to write.
pub enum Entry {
    /// The session's row, its new events, and the places of those that others wait for.
    Save(
        Box<SessionUpdate>,
        Vec<(DateTime<Utc>, Event)>,
        Vec<Waiting>,
    ),
    /// What became of a command.
    Answer(CommandId, Outcome, DateTime<Utc>),
    /// A connection began.
    ConnectionOpened(Box<NewConnection>),
    /// A connection is over.
    ConnectionClosed {
        /// Which.
        id: ConnectionId,
        /// When.
        at: DateTime<Utc>,
        /// Why, in one word.
        cause: String,
        /// What has passed.
        passed: Box<Passed>,
    },
    /// What has passed so far on a connection that is not over.
    ConnectionMeasured(ConnectionId, Box<Passed>),
    /// A tape was begun.
    TapeBegun(Box<NewRecording>),
    /// A tape is finished.
    TapeFinished {
        /// Whose.
        id: ConnectionId,
        /// Size of the file.
        bytes: u64,
        /// Root of its chain, in hexadecimal.
        root: String,
        /// What it is now.
        state: RecordingState,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody was let in.
    LoggedIn(Box<Login>),
}

/// The writer of one session.
pub struct Ledger {
    queue: mpsc::Sender<Entry>,
    writer: JoinHandle<()>,
    lost: u64,
}

impl Ledger {
    /// Starts the writer.
    pub fn start(store: Store, session: SessionId) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        Self {
            queue,
            writer: tokio::spawn(write_all(store, session, entries)),
            lost: 0,
        }
    }

    /// Adds an entry; never waits.
    pub fn add(&mut self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.lost += 1;
            if self.lost.is_power_of_two() {
                tracing::error!(
                    lost = self.lost,
                    "the database does not keep up; entries are on the tape only"
                );
            }
        }
    }

    /// Writes what is left; waits for a database that is away as long as the program runs.
    pub async fn close(self) {
        drop(self.queue);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the last entries of a session were not written");
        }
    }
}

async fn write_all(store: Store, session: SessionId, mut entries: mpsc::Receiver<Entry>) {
    let mut shown = None;
    while let Some(first) = entries.recv().await {
        let together = gather(first, &mut entries, &mut shown).await;
        if write_together(&store, session, &together).await.is_err() {
            // One that the database does not take must not take the others with it.
            for entry in &together {
                write_until_done(&store, session, entry).await;
            }
        }
    }
}

/// What comes within a moment becomes one transaction, so that the disk is flushed once. What
/// somebody waits for, such as an answer, is written at once, with all that came before it.
async fn gather(
    first: Entry,
    entries: &mut mpsc::Receiver<Entry>,
    shown: &mut Option<Shown>,
) -> Vec<Entry> {
    let linger = tokio::time::sleep(patience(&first, shown));
    tokio::pin!(linger);
    let mut together = vec![first];
    while together.len() < TOGETHER && !together.iter().any(is_full) {
        let urgent = together.iter().any(is_urgent);
        tokio::select! {
            biased;
            entry = entries.recv() => match entry {
                Some(entry) => {
                    let by = Instant::now() + patience(&entry, shown);
                    if by < linger.deadline() {
                        linger.as_mut().reset(by);
                    }
                    add(&mut together, entry);
                }
                None => break,
            },
            () = std::future::ready(()), if urgent => break,
            () = &mut linger => break,
        }
    }
    together
}

/// What lists show of a session: where it stands, and until when it may last.
type Shown = (Status, Option<DateTime<Utc>>);

/// How long it may wait for others. `shown` is what came last.
fn patience(entry: &Entry, shown: &mut Option<Shown>) -> Duration {
    match entry {
        Entry::Save(update, ..) => {
            let new = (update.status, update.times.scheduled_end);
            match shown.replace(new) == Some(new) {
                true => LATER,
                false => SOON,
            }
        }
        Entry::Answer(..) | Entry::ConnectionOpened(_) | Entry::ConnectionClosed { .. } => SOON,
        Entry::TapeBegun(_) | Entry::TapeFinished { .. } | Entry::LoggedIn(_) => LATER,
        Entry::ConnectionMeasured(..) => ALONG,
    }
}

/// Does somebody wait until it is written?
fn is_urgent(entry: &Entry) -> bool {
    match entry {
        Entry::Save(_, _, waiting) => !waiting.is_empty(),
        Entry::Answer(..) => true,
        Entry::ConnectionOpened(_)
        | Entry::ConnectionClosed { .. }
        | Entry::ConnectionMeasured(..)
        | Entry::TapeBegun(_)
        | Entry::TapeFinished { .. }
        | Entry::LoggedIn(_) => false,
    }
}

/// Is a transaction with it large enough? An answer comes last in its own: it takes its turn at the
/// audit trail's end.
fn is_full(entry: &Entry) -> bool {
    match entry {
        Entry::Save(_, events, _) => events.len() >= MAX_EVENTS,
        Entry::Answer(..) => true,
        Entry::ConnectionOpened(_)
        | Entry::ConnectionClosed { .. }
        | Entry::ConnectionMeasured(..)
        | Entry::TapeBegun(_)
        | Entry::TapeFinished { .. }
        | Entry::LoggedIn(_) => false,
    }
}

/// Of a session's row only the latest state counts; its events are all written.
fn add(together: &mut Vec<Entry>, entry: Entry) {
    let Entry::Save(update, events, waiting) = entry else {
        return together.push(entry);
    };
    for earlier in together.iter_mut() {
        if let Entry::Save(before, written, waited) = earlier {
            *before = update;
            written.extend(events);
            waited.extend(waiting);
            return;
        }
    }
    together.push(Entry::Save(update, events, waiting));
}

async fn write_together(
    store: &Store,
    session: SessionId,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let mut batch = store.batch();
    for entry in entries {
        write(&mut batch, session, entry)?;
    }
    batch.commit().await
}

async fn write_until_done(store: &Store, session: SessionId, entry: &Entry) {
    let mut tries: u32 = 0;
    while let Err(error) = write_together(store, session, std::slice::from_ref(entry)).await {
        tries = tries.saturating_add(1);
        if tries.is_power_of_two() {
            tracing::error!(%session, %error, tries, "cannot write to the database; trying again");
        }
        if !is_transient(&error) {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn write(batch: &mut Batch, session: SessionId, entry: &Entry) -> Result<(), StoreError> {
    match entry {
        Entry::Save(update, events, _) => return batch.save_session(session, update, events),
        Entry::Answer(command, outcome, at) => batch.answer_command(*command, outcome.clone(), *at),
        Entry::ConnectionOpened(new) => batch.insert_connection(new),
        Entry::ConnectionClosed {
            id,
            at,
            cause,
            passed,
        } => return batch.close_connection(*id, *at, cause, passed),
        Entry::ConnectionMeasured(id, passed) => return batch.measure_connection(*id, passed),
        Entry::TapeBegun(new) => batch.insert_recording(new),
        Entry::TapeFinished {
            id,
            bytes,
            root,
            state,
            at,
        } => batch.finish_recording(*id, *bytes, root, *state, *at),
        Entry::LoggedIn(login) => batch.record_login(login),
    }
    Ok(())
}

/// Worth another try: the database failed, as opposed to what was asked of it being wrong.
fn is_transient(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(_))
}
