//! Connections on their way into a session. Its driver waits for them: one that came up after the driver had gone would
//! be nobody's, without a deadline and deaf to every order. They turn back when the session ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sallyport_domain::close::CloseReason;
use sallyport_domain::refusal::Refusal;
use tokio::sync::{Notify, watch};

/// How many are on their way.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<State>);

#[derive(Default)]
struct State {
    expected: AtomicUsize,
    fewer: Notify,
    /// What they are told, once the session is over.
    over: watch::Sender<Option<Refusal>>,
}

/// One that is on its way, until this is dropped: after the driver was told what became of it.
pub struct Arrival(Arc<State>);

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.expected.fetch_sub(1, Ordering::AcqRel);
        self.0.fewer.notify_one();
    }
}

impl Arrival {
    /// Waits until the session is over; answers what the client is told.
    pub async fn turned_away(&self) -> Refusal {
        let mut over = self.0.over.subscribe();
        loop {
            if let Some(refusal) = over.borrow_and_update().clone() {
                return refusal;
            }
            // The sender lives in `self`, so waiting cannot fail.
            if over.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl Arrivals {
    /// One more.
    pub fn another(&self) -> Arrival {
        self.0.expected.fetch_add(1, Ordering::AcqRel);
        Arrival(self.0.clone())
    }

    /// Is any on its way?
    pub(super) fn any(&self) -> bool {
        self.0.expected.load(Ordering::Acquire) > 0
    }

    /// The session is over: whoever is on the way turns back.
    pub(super) fn turn_away(&self, reason: &CloseReason) {
        let status = format!("over: {reason}");
        self.0.over.send_if_modified(|over| {
            let first = over.is_none();
            over.get_or_insert(Refusal::NotEnterable { status });
            first
        });
    }

    /// Waits until there is one less.
    pub(super) async fn fewer(&self) {
        self.0.fewer.notified().await;
    }
}
