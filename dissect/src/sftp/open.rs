//! Open files, and what passed through each.

use std::collections::HashMap;

use super::request::Flags;
use crate::digest::{FileDigest, Waiting};
use crate::fact::{Direction, Fact, Malformed, Outcome, Transfer};
use crate::path::Name;

/// Files and folders that may be open in a channel.
const MAX_OPEN: usize = 4096;

/// Names one opening of a file: handles are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(u64);

/// An open file or folder.
#[derive(Debug)]
pub struct Opened {
    /// Its path.
    pub path: Name,
    handle: Box<[u8]>,
    /// The client has asked to close it: its handle may be given to another file.
    pub closing: bool,
    /// How it was opened; a folder has none.
    flags: Option<Flags>,
    began: u64,
    read: Option<FileDigest>,
    written: Option<FileDigest>,
    /// Size that the target told.
    pub size: Option<u64>,
    /// Size that the client set.
    pub set_size: Option<u64>,
    /// The least offset at which a read found the end.
    end_seen: Option<u64>,
    /// Its content was copied on the target, from it or to it.
    pub copied: bool,
    failed: Option<Outcome>,
}

impl Opened {
    fn flow(&mut self, direction: Direction) -> &mut FileDigest {
        match direction {
            Direction::Upload => self.written.get_or_insert_default(),
            Direction::Download => self.read.get_or_insert_default(),
        }
    }

    /// A read or a write failed; the first one counts.
    pub fn failed(&mut self, code: u32) {
        self.failed.get_or_insert(Outcome::Status(code));
    }

    /// A read at `offset` found the end of the file.
    pub fn end_at(&mut self, offset: u64) {
        let seen = self.end_seen.unwrap_or(offset);
        self.end_seen = Some(seen.min(offset));
    }

    /// Its transfers, one for each direction that was used.
    fn close(mut self, outcome: &Outcome, waiting: &mut Waiting, facts: &mut Vec<Fact>) {
        let Some(flags) = self.flags else { return };
        let untouched = self.read.is_none() && self.written.is_none();
        if untouched && !self.copied {
            // An empty file went, one way or the other.
            let write = flags.access().write;
            self.flow(if write {
                Direction::Upload
            } else {
                Direction::Download
            });
        }
        let outcome = self.failed.clone().unwrap_or_else(|| outcome.clone());
        for (direction, flow) in [
            (Direction::Download, self.read.take()),
            (Direction::Upload, self.written.take()),
        ] {
            if let Some(flow) = flow {
                let fact = self.transfer(direction, flow, flags, outcome.clone(), waiting);
                facts.push(Fact::Transferred(Box::new(fact)));
            }
        }
    }

    fn transfer(
        &self,
        direction: Direction,
        flow: FileDigest,
        flags: Flags,
        outcome: Outcome,
        waiting: &mut Waiting,
    ) -> Transfer {
        let done = flow.finish(waiting);
        let from_start = done.end.filter(|_| done.offset == 0);
        let complete = from_start.filter(|end| match direction {
            Direction::Download => {
                self.end_seen.is_some_and(|seen| seen <= *end) || self.size == Some(*end)
            }
            Direction::Upload => {
                let sized = match self.set_size {
                    Some(size) => size == *end,
                    None => flags.empties(),
                };
                sized && !self.copied && !flags.appends()
            }
        });
        Transfer {
            path: self.path.clone(),
            name: None,
            direction,
            offset: done.offset,
            bytes: done.bytes,
            size: complete.or(match direction {
                Direction::Download => self.size,
                Direction::Upload => self.set_size,
            }),
            sha256: done.sha256,
            in_order: done.in_order,
            whole: complete.is_some() && outcome == Outcome::Done,
            outcome,
            began: self.began,
        }
    }
}

/// The open files of a channel.
#[derive(Debug, Default)]
pub struct OpenFiles {
    by_handle: HashMap<Box<[u8]>, Serial>,
    files: HashMap<Serial, Opened>,
    last: u64,
    waiting: Waiting,
}

impl OpenFiles {
    /// The target opened a file, or a folder (without flags), under `handle`.
    pub fn open(
        &mut self,
        handle: &[u8],
        path: Name,
        flags: Option<Flags>,
        began: u64,
    ) -> Result<(), Malformed> {
        if self.files.len() >= MAX_OPEN {
            return Err(Malformed::TooMany("open files"));
        }
        let holder = self.by_handle.get(handle);
        let holder = holder.and_then(|serial| self.files.get(serial));
        if holder.is_some_and(|file| !file.closing) {
            return Err(Malformed::Unexpected("a handle that is in use"));
        }
        self.last += 1;
        let serial = Serial(self.last);
        let file = Opened {
            path,
            handle: handle.into(),
            closing: false,
            flags,
            began,
            read: None,
            written: None,
            size: None,
            set_size: None,
            end_seen: None,
            copied: false,
            failed: None,
        };
        self.by_handle.insert(handle.into(), serial);
        self.files.insert(serial, file);
        Ok(())
    }

    /// Which opening `handle` stands for now.
    pub fn serial(&self, handle: &[u8]) -> Option<Serial> {
        self.by_handle.get(handle).copied()
    }

    /// An open file.
    pub fn get(&mut self, serial: Serial) -> Option<&mut Opened> {
        self.files.get_mut(&serial)
    }

    /// Bytes of a file pass, `ahead` more follow in the same packet. `false` if it is no file, or
    /// not open any more.
    pub fn put(
        &mut self,
        serial: Serial,
        direction: Direction,
        offset: u64,
        data: &[u8],
        ahead: usize,
    ) -> bool {
        let file = self.files.get_mut(&serial);
        let Some(file) = file.filter(|opened| opened.flags.is_some()) else {
            return false;
        };
        let flow = file.flow(direction);
        flow.put(offset, data, ahead, &mut self.waiting);
        true
    }

    /// The target has closed a file.
    pub fn close(&mut self, serial: Serial, outcome: &Outcome, facts: &mut Vec<Fact>) {
        if let Some(file) = self.files.remove(&serial) {
            if self.by_handle.get(&file.handle) == Some(&serial) {
                self.by_handle.remove(&file.handle);
            }
            file.close(outcome, &mut self.waiting, facts);
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, facts: &mut Vec<Fact>) {
        self.by_handle.clear();
        let mut left: Vec<_> = self.files.drain().collect();
        left.sort_by_key(|(serial, _)| serial.0);
        for (_, file) in left {
            file.close(&Outcome::Unfinished, &mut self.waiting, facts);
        }
    }
}
