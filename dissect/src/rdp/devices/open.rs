//! Files and print jobs that a target has open on a client's devices.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::request::Opening;
use crate::digest::{FileDigest, Waiting};
use crate::fact::{Act, Direction, Fact, Outcome, Transfer};
use crate::path::Name;
use crate::rdp::ChannelFact;

/// Files and jobs that may be open.
pub const MOST_OPEN: usize = 1024;

/// Names an open file: which device, and its own id for it.
pub type Key = (u32, u32);

/// An open file or folder.
#[derive(Debug)]
pub struct OpenFile {
    /// Its path, with the device's name in front.
    pub path: Name,
    opening: Opening,
    began: u64,
    /// What the target reads goes up to it.
    read: Option<FileDigest>,
    written: Option<FileDigest>,
    /// Size that the client told.
    pub size: Option<u64>,
    /// Size that the target set.
    pub set_size: Option<u64>,
    /// The least offset at which a read found the end.
    end_seen: Option<u64>,
    /// It will be removed when it is closed.
    pub removes: bool,
    /// It is known to have been listed.
    pub listed: bool,
    failed: Option<Outcome>,
}

/// What is open.
#[derive(Debug)]
pub enum Open {
    /// A file or folder of a drive.
    File(Box<OpenFile>),
    /// A job of a printer: its name, and what was printed.
    Job(Name, Sha256, u64),
    /// Something of another device.
    Other,
}

impl OpenFile {
    fn new(path: Name, opening: Opening, began: u64) -> Self {
        Self {
            path,
            opening,
            began,
            read: None,
            written: None,
            size: None,
            set_size: None,
            end_seen: None,
            removes: opening.deletes,
            listed: false,
            failed: None,
        }
    }

    /// A read or a write failed; the first one counts.
    pub fn failed(&mut self, outcome: Outcome) {
        self.failed.get_or_insert(outcome);
    }

    /// A read at `offset` found the end of the file.
    pub fn end_at(&mut self, offset: u64) {
        let seen = self.end_seen.unwrap_or(offset);
        self.end_seen = Some(seen.min(offset));
    }

    fn close(mut self, outcome: &Outcome, waiting: &mut Waiting, facts: &mut Vec<Fact>) {
        let untouched = self.read.is_none() && self.written.is_none();
        if untouched && self.opening.empties && !self.opening.folder && *outcome == Outcome::Done {
            // An empty file went to the client.
            self.written = Some(FileDigest::default());
        }
        let result = self.failed.take().unwrap_or_else(|| outcome.clone());
        for (direction, flow) in [
            (Direction::Upload, self.read.take()),
            (Direction::Download, self.written.take()),
        ] {
            if let Some(flow) = flow {
                let transfer = self.transfer(direction, flow, result.clone(), waiting);
                facts.push(Fact::Transferred(Box::new(transfer)));
            }
        }
        if self.removes && *outcome == Outcome::Done {
            let act = match self.opening.folder || self.listed {
                true => Act::RemoveFolder(self.path),
                false => Act::Remove(self.path),
            };
            let outcome = Outcome::Done;
            facts.push(Fact::Acted { act, outcome });
        }
    }

    fn transfer(
        &self,
        direction: Direction,
        flow: FileDigest,
        outcome: Outcome,
        waiting: &mut Waiting,
    ) -> Transfer {
        let done = flow.finish(waiting);
        let from_start = done.end.filter(|_| done.offset == 0);
        let complete = from_start.filter(|end| match direction {
            Direction::Upload => {
                self.end_seen.is_some_and(|seen| seen <= *end) || self.size == Some(*end)
            }
            Direction::Download => match self.set_size {
                Some(size) => size == *end,
                None => self.opening.empties,
            },
        });
        Transfer {
            path: self.path.clone(),
            name: None,
            direction,
            offset: done.offset,
            bytes: done.bytes,
            size: complete.or(match direction {
                Direction::Upload => self.size,
                Direction::Download => self.set_size,
            }),
            sha256: done.sha256,
            in_order: done.in_order,
            whole: complete.is_some() && outcome == Outcome::Done,
            outcome,
            began: self.began,
        }
    }
}

/// All that is open.
#[derive(Debug, Default)]
pub struct Opened {
    open: HashMap<Key, Open>,
    waiting: Waiting,
}

impl Opened {
    /// Is there room for one more, with so many that are about to be?
    pub fn has_room(&self, more: usize) -> bool {
        self.open.len() + more < MOST_OPEN
    }

    /// Is it open?
    pub fn has(&self, key: Key) -> bool {
        self.open.contains_key(&key)
    }

    /// A file was opened. One that has its id is closed without further ado.
    pub fn file(
        &mut self,
        key: Key,
        path: Name,
        opening: Opening,
        now: u64,
        facts: &mut Vec<ChannelFact>,
    ) {
        let file = OpenFile::new(path, opening, now);
        self.put_in(key, Open::File(Box::new(file)), facts);
    }

    /// A job was begun.
    pub fn job(&mut self, key: Key, printer: Name, facts: &mut Vec<ChannelFact>) {
        self.put_in(key, Open::Job(printer, Sha256::new(), 0), facts);
    }

    /// Something of another device was opened.
    pub fn other(&mut self, key: Key, facts: &mut Vec<ChannelFact>) {
        self.put_in(key, Open::Other, facts);
    }

    fn put_in(&mut self, key: Key, open: Open, facts: &mut Vec<ChannelFact>) {
        self.close(key, &Outcome::Unfinished, facts);
        self.open.insert(key, open);
    }

    /// An open file.
    pub fn get(&mut self, key: Key) -> Option<&mut OpenFile> {
        match self.open.get_mut(&key) {
            Some(Open::File(file)) => Some(file),
            Some(Open::Job(..) | Open::Other) | None => None,
        }
    }

    /// Bytes go from the client to the target; `ahead` more follow in the same answer.
    pub fn read(&mut self, key: Key, offset: u64, data: &[u8], ahead: usize) {
        if let Some(Open::File(file)) = self.open.get_mut(&key) {
            let flow = file.read.get_or_insert_default();
            flow.put(offset, data, ahead, &mut self.waiting);
        }
    }

    /// Bytes go from the target to the client; `ahead` more follow in the same request.
    pub fn write(&mut self, key: Key, offset: u64, data: &[u8], ahead: usize) {
        match self.open.get_mut(&key) {
            Some(Open::File(file)) => {
                let flow = file.written.get_or_insert_default();
                flow.put(offset, data, ahead, &mut self.waiting);
            }
            Some(Open::Job(_, hash, bytes)) => {
                hash.update(data);
                *bytes += data.len() as u64;
            }
            Some(Open::Other) | None => {}
        }
    }

    /// It is closed.
    pub fn close(&mut self, key: Key, outcome: &Outcome, facts: &mut Vec<ChannelFact>) {
        match self.open.remove(&key) {
            Some(Open::File(file)) => {
                let mut found = Vec::new();
                file.close(outcome, &mut self.waiting, &mut found);
                facts.extend(found.into_iter().map(ChannelFact::File));
            }
            Some(Open::Job(printer, hash, bytes)) => facts.push(ChannelFact::Printed {
                printer,
                bytes,
                sha256: hash.finalize().into(),
                whole: *outcome == Outcome::Done,
            }),
            Some(Open::Other) | None => {}
        }
    }

    /// What of it there is on that device, or on all of them, is gone.
    pub fn gone(&mut self, device: Option<u32>, facts: &mut Vec<ChannelFact>) {
        let on_it = |key: &&Key| device.is_none_or(|device| key.0 == device);
        let mut keys: Vec<Key> = self.open.keys().filter(on_it).copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.close(key, &Outcome::Unfinished, facts);
        }
    }
}
