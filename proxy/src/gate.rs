//! The gate of a connection: open, or shut by a lock.
//!
//! A level, not an edge: whoever asks sees the present state, and nobody can miss a change. A pump
//! is *inside* while it hands one chunk on; shutting is done when everybody who entered an open
//! gate has left it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// What the gate shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// Bytes pass.
    Open,
    /// Nothing passes; terminals show this page.
    Shut(Arc<LockPage>),
}

impl GateState {
    /// Shut?
    pub fn is_shut(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Shut(_) => true,
        }
    }
}

/// What a locked terminal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPage {
    /// Headline.
    pub title: String,
    /// Text below it.
    pub message: String,
}

/// The gate of one connection.
#[derive(Debug)]
pub struct Gate {
    state: watch::Sender<GateState>,
    inside: AtomicUsize,
    left: Notify,
}

/// Somebody is handing a chunk on.
pub struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

impl Gate {
    /// An open gate.
    pub fn new() -> Self {
        Self {
            state: watch::Sender::new(GateState::Open),
            inside: AtomicUsize::new(0),
            left: Notify::new(),
        }
    }

    /// Enters if the gate is open.
    pub fn enter(&self) -> Option<Inside<'_>> {
        // Enter first, look second: shutting sets the state first and counts second, so one of the
        // two always sees the other.
        self.inside.fetch_add(1, Ordering::AcqRel);
        let inside = Inside(self);
        (!self.is_shut()).then_some(inside)
    }

    /// Shut now?
    pub fn is_shut(&self) -> bool {
        self.state.borrow().is_shut()
    }

    /// For waiting on changes.
    pub fn watch(&self) -> watch::Receiver<GateState> {
        self.state.subscribe()
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| !state.is_shut())
            .await;
    }

    /// Waits until it is shut.
    pub async fn closed(&self) {
        let _ = self.state.subscribe().wait_for(GateState::is_shut).await;
    }

    /// Shuts it; returns when nobody is inside any more, or after `patience`: a pump that waits for
    /// a peer that does not read is as good as outside, because nothing new gets past it.
    pub async fn shut(&self, page: LockPage, patience: Duration) {
        self.state.send_replace(GateState::Shut(Arc::new(page)));
        let empty = async {
            loop {
                let left = self.left.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                if self.inside.load(Ordering::Acquire) == 0 {
                    return;
                }
                left.await;
            }
        };
        let _ = tokio::time::timeout(patience, empty).await;
    }

    /// Opens it.
    pub fn open(&self) {
        self.state.send_replace(GateState::Open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> LockPage {
        LockPage {
            title: "t".into(),
            message: "m".into(),
        }
    }

    #[tokio::test]
    async fn shutting_waits_for_those_inside() {
        let gate = Arc::new(Gate::new());
        let inside = gate.enter().unwrap();
        let shutting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.shut(page(), Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        assert!(gate.enter().is_none(), "nobody enters while it shuts");
        assert!(!shutting.is_finished());
        drop(inside);
        shutting.await.unwrap();
        gate.open();
        assert!(gate.enter().is_some());
    }

    #[tokio::test]
    async fn a_stuck_pump_does_not_hold_the_lock_up() {
        let gate = Gate::new();
        let _inside = gate.enter().unwrap();
        gate.shut(page(), Duration::from_millis(20)).await;
        assert!(gate.is_shut());
    }
}
