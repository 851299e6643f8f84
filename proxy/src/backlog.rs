//! How many events of transfers wait for the database.
//!
//! A transfer of many small files makes events faster than a database may write them. It is slowed
//! down to what the database takes, so that none is lost and few wait. A database that takes nothing
//! at all does not stop it: then the events are on the tape only, until it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Events that may wait.
const MOST: usize = 8192;
/// What a batch of events counts at least: half of the ledger's queue is left to the rest.
const BATCH: usize = 16;
/// How long the database may write nothing before transfers go on without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The events of one session that wait.
#[derive(Debug, Clone)]
pub struct Backlog(Arc<State>);

#[derive(Debug)]
struct State {
    patience: Duration,
    waiting: AtomicUsize,
    /// The database has not written for too long.
    stuck: AtomicBool,
    written: Notify,
    lost: AtomicUsize,
}

/// Events on their way to the database; they wait until this is dropped.
#[derive(Debug)]
pub struct Waiting {
    backlog: Backlog,
    events: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let state = &self.backlog.0;
        state.waiting.fetch_sub(self.events, Ordering::AcqRel);
        state.stuck.store(false, Ordering::Release);
        state.written.notify_waiters();
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Backlog {
    /// An empty one that waits so long for a database that writes nothing.
    fn with_patience(patience: Duration) -> Self {
        Self(Arc::new(State {
            patience,
            waiting: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
            written: Notify::new(),
            lost: AtomicUsize::new(0),
        }))
    }

    fn is_full(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) >= MOST
    }

    /// Waits until more may be added, or until the database is known to be stuck.
    pub async fn room(&self) {
        loop {
            let written = self.0.written.notified();
            tokio::pin!(written);
            // Registered before the look, so that no write in between is missed.
            written.as_mut().enable();
            if !self.is_full() || self.0.stuck.load(Ordering::Acquire) {
                return;
            }
            if tokio::time::timeout(self.0.patience, written)
                .await
                .is_err()
            {
                self.0.stuck.store(true, Ordering::Release);
            }
        }
    }

    /// Adds `events`; `None` if they cannot be taken.
    pub fn add(&self, events: usize) -> Option<Waiting> {
        if self.is_full() && self.0.stuck.load(Ordering::Acquire) {
            let lost = self.0.lost.fetch_add(events, Ordering::Relaxed) + events;
            tracing::error!(
                lost,
                "the database takes nothing; events are on the tape only"
            );
            return None;
        }
        let events = events.max(BATCH);
        self.0.waiting.fetch_add(events, Ordering::AcqRel);
        Some(Waiting {
            backlog: self.clone(),
            events,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_database_slows_down() {
        let backlog = Backlog::default();
        let mut waiting: Vec<Waiting> = (0..MOST / 64).filter_map(|_| backlog.add(64)).collect();
        assert_eq!(waiting.len(), MOST / 64);
        let room = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.room().await }
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!room.is_finished());
        waiting.pop();
        room.await.unwrap();
        assert!(backlog.add(64).is_some());
    }

    #[tokio::test]
    async fn a_stuck_database_does_not_stop_anything() {
        let patience = Duration::from_millis(100);
        let backlog = Backlog::with_patience(patience);
        let waiting = backlog.add(MOST);
        let before = std::time::Instant::now();
        backlog.room().await;
        assert!(before.elapsed() >= patience);
        for _ in 0..100 {
            backlog.room().await;
        }
        assert!(before.elapsed() < 50 * patience, "once is enough");
        assert!(backlog.add(1).is_none());
        drop(waiting);
        assert!(backlog.add(1).is_some());
    }
}
