//! Writes what a live session did into the store, in order, beside the session.
//!
//! The driver never waits for the database: a session ends on time also when the database is gone.
//! Entries are retried until they are written; what does not fit into the bounded queue is counted
//! (the tape has it all the same), and the session's row always catches up with its latest state.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sallyport_domain::command::Outcome;
use sallyport_domain::event::Event;
use sallyport_domain::id::{CommandId, ConnectionId, SessionId};
use sallyport_store::{
    NewConnection, NewRecording, RecordingState, SessionUpdate, Store, StoreError,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::backlog::Waiting;

/// Entries that may wait for the database.
const QUEUE: usize = 1024;
/// Events in one transaction, about.
const MAX_EVENTS: usize = 2048;
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
        /// Bytes from the client.
        bytes_in: u64,
        /// Bytes to the client.
        bytes_out: u64,
    },
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
    while let Some(mut entry) = entries.recv().await {
        // Saves that wait behind each other become one transaction.
        let mut next = None;
        while let Entry::Save(update, events, waiting) = &mut entry
            && events.len() < MAX_EVENTS
        {
            match entries.try_recv() {
                Ok(Entry::Save(newer, more, others)) => {
                    *update = newer;
                    events.extend(more);
                    waiting.extend(others);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        for entry in [Some(entry), next].into_iter().flatten() {
            write_until_done(&store, session, &entry).await;
        }
    }
}

async fn write_until_done(store: &Store, session: SessionId, entry: &Entry) {
    let mut tries: u32 = 0;
    while let Err(error) = write(store, session, entry).await {
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

async fn write(store: &Store, session: SessionId, entry: &Entry) -> Result<(), StoreError> {
    match entry {
        Entry::Save(update, events, _) => store.save_session(session, update, events).await,
        Entry::Answer(command, outcome, at) => store.answer_command(*command, outcome, *at).await,
        Entry::ConnectionOpened(new) => store.insert_connection(new).await,
        Entry::ConnectionClosed {
            id,
            at,
            cause,
            bytes_in,
            bytes_out,
        } => {
            store
                .close_connection(*id, *at, cause, *bytes_in, *bytes_out)
                .await
        }
        Entry::TapeBegun(new) => store.insert_recording(new).await,
        Entry::TapeFinished {
            id,
            bytes,
            root,
            state,
            at,
        } => store.finish_recording(*id, *bytes, root, *state, *at).await,
    }
}

/// Worth another try: the database failed, as opposed to what was asked of it being wrong.
fn is_transient(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(_))
}
