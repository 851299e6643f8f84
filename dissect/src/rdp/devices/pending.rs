//! Requests that the client has not answered.

use std::collections::{HashMap, VecDeque};

use super::open::Key;
use super::request::Opening;
use super::wire::Id;
use crate::path::Name;
use crate::rdp::Malformed;

/// Requests that may be outstanding.
const MOST: usize = 2048;
/// Of them, those that are answered when a folder changes: most never are.
const MOST_NOTICES: usize = 256;

/// What the answer to a request will mean.
#[derive(Debug)]
pub enum Asked {
    /// A file is open, or a job begun.
    Create(Name, Opening),
    Close(Key),
    Read {
        file: Key,
        offset: u64,
        len: u32,
    },
    Write(Key),
    Size(Key),
    Rename(Key, Name),
    Remove(Key, bool),
    Resize(Key, u64),
    Touch(Key),
    List(Key, bool),
    Other,
}

/// The outstanding requests.
#[derive(Debug, Default)]
pub struct Pending {
    asked: HashMap<Id, Asked>,
    /// Those about changes, the oldest first, each with its folder.
    notices: VecDeque<(Id, Key)>,
    creates: usize,
}

impl Pending {
    /// Is there room for one more?
    pub fn has_room(&self) -> bool {
        self.asked.len() < MOST
    }

    /// How many of them open something.
    pub fn creates(&self) -> usize {
        self.creates
    }

    /// Is no other of that id outstanding?
    ///
    /// # Errors
    /// If there is.
    pub fn is_free(&self, id: Id) -> Result<(), Malformed> {
        match self.asked.contains_key(&id) || self.notices.iter().any(|(other, _)| *other == id) {
            true => Err(Malformed("a request to a device with an id that is in use")),
            false => Ok(()),
        }
    }

    /// A request goes to the client.
    pub fn add(&mut self, id: Id, what: Asked) {
        self.creates += usize::from(matches!(what, Asked::Create(..)));
        self.asked.insert(id, what);
    }

    /// One that is answered when its folder changes. The oldest of too many is forgotten, and then its answer is none.
    pub fn add_notice(&mut self, id: Id, folder: Key) {
        if self.notices.len() == MOST_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back((id, folder));
    }

    /// Its answer is here.
    ///
    /// # Errors
    /// If nobody asked.
    pub fn take(&mut self, id: Id) -> Result<Asked, Malformed> {
        if let Some(place) = self.notices.iter().position(|(other, _)| *other == id) {
            self.notices.remove(place);
            return Ok(Asked::Other);
        }
        let asked = self.asked.remove(&id);
        let asked = asked.ok_or(Malformed("an answer of a device that nobody asked for"))?;
        self.creates -= usize::from(matches!(asked, Asked::Create(..)));
        Ok(asked)
    }

    /// A folder is closed: nobody waits for its changes.
    pub fn closed(&mut self, folder: Key) {
        self.notices.retain(|(_, other)| *other != folder);
    }

    /// A device is gone, or all of them.
    pub fn gone(&mut self, device: Option<u32>) {
        let stays = |id: &Id| device.is_some_and(|device| id.0 != device);
        self.asked.retain(|id, _| stays(id));
        self.notices.retain(|(id, _)| stays(id));
        let creates = self.asked.values();
        self.creates = creates
            .filter(|asked| matches!(asked, Asked::Create(..)))
            .count();
    }
}
