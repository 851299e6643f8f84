//! Connections on their way into a session. Its driver waits for them: one that came up after the driver had gone would
//! be nobody's, without a deadline and deaf to every order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many are on their way.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<State>);

#[derive(Default)]
struct State {
    expected: AtomicUsize,
    fewer: Notify,
}

/// One that is on its way, until this is dropped: after the driver was told what became of it.
pub struct Arrival(Arc<State>);

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.expected.fetch_sub(1, Ordering::AcqRel);
        self.0.fewer.notify_one();
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

    /// Waits until there is one less.
    pub(super) async fn fewer(&self) {
        self.0.fewer.notified().await;
    }
}
