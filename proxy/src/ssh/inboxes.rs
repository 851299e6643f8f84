//! The channels of a leg, by their number on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::ChannelId;

use super::budget::Budget;
use super::inbox::Inbox;

/// Where the loop of a leg puts what arrives on each of its channels.
#[derive(Default)]
pub struct Inboxes {
    map: Mutex<Map>,
    budget: Arc<Budget>,
}

#[derive(Default)]
struct Map {
    inboxes: HashMap<ChannelId, Arc<Inbox>>,
    gone: bool,
}

impl Map {
    fn are_open(&self) -> LeftOpen {
        let mut open = LeftOpen::default();
        for inbox in self.inboxes.values() {
            match inbox.is_forward() {
                true => open.forwards |= !inbox.is_closed(),
                false => open.sessions |= !inbox.is_closed(),
            }
        }
        open
    }
}

/// What a leg left open when it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOpen {
    /// Sessions: shells, commands, subsystems.
    pub sessions: bool,
    /// Forwards. Whoever ends `ssh -N` does not close them first.
    pub forwards: bool,
}

impl Inboxes {
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The inbox of a channel.
    pub fn get(&self, id: ChannelId) -> Option<Arc<Inbox>> {
        self.map().inboxes.get(&id).cloned()
    }

    /// The inbox of a channel, made if there is none yet; a closed one if the leg is gone.
    ///
    /// Of a channel that we open, the loop hears first and whoever opened it later, perhaps when it
    /// is closed again: an inbox stays until it is forgotten.
    pub fn open(&self, id: ChannelId) -> Arc<Inbox> {
        let mut map = self.map();
        if map.gone {
            let inbox = Arc::<Inbox>::default();
            inbox.close();
            return inbox;
        }
        let inbox = || Arc::new(Inbox::within(&self.budget));
        map.inboxes.entry(id).or_insert_with(inbox).clone()
    }

    /// The channel is gone.
    pub fn forget(&self, id: ChannelId) {
        self.map().inboxes.remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map().inboxes.len()
    }

    /// Which channels are open?
    pub fn are_open(&self) -> LeftOpen {
        self.map().are_open()
    }

    /// The leg is gone. Which channels were still open?
    pub fn close_all(&self) -> LeftOpen {
        let mut map = self.map();
        map.gone = true;
        let open = map.are_open();
        for (_, inbox) in map.inboxes.drain() {
            inbox.close();
        }
        open
    }
}
