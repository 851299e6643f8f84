//! The digest of a file whose parts may come in any order.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Bytes of one file that may wait for earlier ones.
pub const MAX_EARLY: usize = 16 << 20;
/// Bytes that may wait so in all files of a channel together.
pub const MAX_EARLY_TOTAL: usize = 32 << 20;
/// What a part that waits costs beside its bytes.
const PART_COST: usize = 64;
/// Neighbouring parts are joined up to this many bytes.
const JOINED: usize = 256 << 10;

/// What waits in all files of a channel, in bytes.
#[derive(Debug, Default)]
pub struct Waiting(usize);

#[cfg(test)]
impl Waiting {
    /// How many.
    pub fn bytes(&self) -> usize {
        self.0
    }
}

/// The bytes of one file that go one way, hashed by ascending offset.
///
/// Parts that come early wait, up to [`MAX_EARLY`]; beyond that the lowest of them go first and
/// leave a hole. From the first part on that comes late, or a second time, the bytes are hashed as
/// they come, and the digest says so.
#[derive(Debug)]
pub struct FileDigest {
    hash: Sha256,
    /// Offset of the first hashed byte.
    start: Option<u64>,
    /// One after the last hashed byte.
    next: u64,
    bytes: u64,
    early: BTreeMap<u64, Vec<u8>>,
    early_cost: usize,
    holes: bool,
    disordered: bool,
}

/// The result of a [`FileDigest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// Offset of the first byte.
    pub offset: u64,
    /// One after the last byte, if there are no holes and everything was in order.
    pub end: Option<u64>,
    /// All bytes, also those that came twice.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
    /// Every byte once, by ascending offset?
    pub in_order: bool,
}

impl Default for FileDigest {
    fn default() -> Self {
        Self {
            hash: Sha256::new(),
            start: None,
            next: 0,
            bytes: 0,
            early: BTreeMap::new(),
            early_cost: 0,
            holes: false,
            disordered: false,
        }
    }
}

impl FileDigest {
    /// Takes bytes of the file from `offset` on; `ahead` more of the same part are still to come.
    /// What is late is decided for the part as a whole, however the stream that carries it is cut.
    pub fn put(&mut self, offset: u64, data: &[u8], ahead: usize, waiting: &mut Waiting) {
        if data.is_empty() {
            return;
        }
        self.bytes += data.len() as u64;
        if self.disordered || self.is_late(offset, data.len() + ahead) {
            while self.take_lowest(waiting) {}
            self.disordered = true;
            self.hash.update(data);
            self.start = Some(self.start.unwrap_or(offset).min(offset));
        } else if offset == self.next {
            self.hash_at(offset, data);
            self.take_due(waiting);
        } else {
            self.keep(offset, data, waiting);
            while (self.early_cost > MAX_EARLY || waiting.0 > MAX_EARLY_TOTAL)
                && self.take_lowest(waiting)
            {
                self.take_due(waiting);
            }
        }
    }

    /// Does the part hold bytes that were hashed already, that wait, or that no file can have?
    fn is_late(&self, offset: u64, len: usize) -> bool {
        match offset.checked_add(len as u64) {
            None => true,
            Some(end) => offset < self.next || self.overlaps(offset, end),
        }
    }

    fn hash_at(&mut self, offset: u64, data: &[u8]) {
        self.holes |= self.start.is_some() && offset != self.next;
        self.start.get_or_insert(offset);
        self.hash.update(data);
        self.next = offset + data.len() as u64;
    }

    fn overlaps(&self, offset: u64, end: u64) -> bool {
        let before = self.early.range(..end).next_back();
        before.is_some_and(|(at, part)| at + part.len() as u64 > offset)
    }

    fn keep(&mut self, offset: u64, data: &[u8], waiting: &mut Waiting) {
        let before = self.early.range_mut(..offset).next_back();
        let cost = match before {
            Some((at, part))
                if at + part.len() as u64 == offset && part.len() + data.len() <= JOINED =>
            {
                part.extend_from_slice(data);
                data.len()
            }
            Some(_) | None => {
                self.early.insert(offset, data.to_vec());
                data.len() + PART_COST
            }
        };
        self.early_cost += cost;
        waiting.0 += cost;
    }

    /// Hashes what waited and is due now.
    fn take_due(&mut self, waiting: &mut Waiting) {
        while self
            .early
            .first_key_value()
            .is_some_and(|(at, _)| *at == self.next)
        {
            self.take_lowest(waiting);
        }
    }

    /// Hashes the lowest part that waits, over a hole if need be. Answers whether there was one.
    fn take_lowest(&mut self, waiting: &mut Waiting) -> bool {
        let Some((offset, part)) = self.early.pop_first() else {
            return false;
        };
        self.hash_at(offset, &part);
        let cost = part.len() + PART_COST;
        self.early_cost -= cost;
        waiting.0 -= cost;
        true
    }

    /// Up to where all bytes of the file have passed, each once and none of them early.
    pub fn reached(&self) -> Option<u64> {
        let from_start = self.start.is_none_or(|start| start == 0);
        let gapless = !self.disordered && !self.holes && self.early.is_empty();
        (from_start && gapless).then_some(self.next)
    }

    /// Nothing more comes.
    pub fn finish(mut self, waiting: &mut Waiting) -> Digested {
        while self.take_lowest(waiting) {}
        let in_order = !self.disordered;
        Digested {
            offset: self.start.unwrap_or(0),
            end: (in_order && !self.holes).then_some(self.next),
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            in_order,
        }
    }
}

/// The bytes of a stream that belong to no file.
#[derive(Debug, Default)]
pub struct Rest {
    hash: Sha256,
    bytes: u64,
}

impl Rest {
    /// Takes bytes in their order.
    pub fn put(&mut self, data: &[u8]) {
        self.hash.update(data);
        self.bytes += data.len() as u64;
    }

    /// How many, and their SHA-256; starts anew.
    pub fn take(&mut self) -> (u64, [u8; 32]) {
        let bytes = std::mem::take(&mut self.bytes);
        (bytes, self.hash.finalize_reset().into())
    }
}
