//! Files on the clipboard: which there are, and what passed of each (MS-RDPECLIP 2.2.5).

use std::sync::Arc;

use super::super::u32_le;
use super::formats::utf16;
use super::wire::Part;
use crate::digest::{FileDigest, Waiting};
use crate::fact::{Direction, Fact, Outcome, Transfer};
use crate::path::Name;

/// Files of one list whose names are kept; those beyond are called by their number.
const MOST_LISTED: usize = 4096;
/// Bytes of all names that are kept of one list.
const MOST_NAMES: usize = 512 << 10;
/// Lists that the other side may have locked.
const MOST_LOCKED: usize = 8;
/// Files of one side that may be on their way.
const MOST_OPEN: usize = 64;
/// FILEDESCRIPTORW.
const DESCRIPTOR: usize = 592;
/// FD_FILESIZE.
const HAS_SIZE: u32 = 0x40;

/// A file in a list.
#[derive(Debug)]
struct Listed {
    name: Name,
    size: Option<u64>,
}

/// The files that were copied.
#[derive(Debug, Default)]
pub struct FileList {
    files: Vec<Listed>,
    /// How many there are.
    pub count: u32,
}

impl FileList {
    /// The first names.
    pub fn names(&self, most: usize) -> Vec<Name> {
        let names = self.files.iter().take(most);
        names.map(|file| file.name.clone()).collect()
    }

    fn name(&self, index: u32) -> Name {
        let listed = usize::try_from(index).ok();
        let listed = listed.and_then(|index| self.files.get(index));
        let numbered = || Name::new(format!("file {index}").as_bytes()).ok();
        listed
            .map(|file| file.name.clone())
            .or_else(numbered)
            .unwrap_or_else(Name::empty)
    }

    fn size(&self, index: u32) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        self.files.get(index)?.size
    }
}

/// Reads a CLIPRDR_FILELIST as it passes.
#[derive(Debug, Default)]
pub struct ListReader {
    begun: bool,
    part: Vec<u8>,
    names: usize,
    list: FileList,
}

impl ListReader {
    /// More of it.
    pub fn put(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let wanted = if self.begun { DESCRIPTOR } else { 4 };
            let (taken, rest) = data.split_at(data.len().min(wanted - self.part.len()));
            self.part.extend_from_slice(taken);
            data = rest;
            if self.part.len() == wanted {
                match self.begun {
                    true => self.descriptor(),
                    false => self.list.count = u32_le(&self.part, 0).unwrap_or_default(),
                }
                self.begun = true;
                self.part.clear();
            }
        }
    }

    fn descriptor(&mut self) {
        // flags, then 68 bytes of no interest, then both halves of the size, the upper first.
        let number = |at| u64::from(u32_le(&self.part, at).unwrap_or_default());
        let has_size = number(0) & u64::from(HAS_SIZE) != 0;
        let size = has_size.then(|| number(64) << 32 | number(68));
        let name = utf16(self.part.get(72..).unwrap_or_default()).replace('\\', "/");
        self.names += name.len();
        if self.list.files.len() < MOST_LISTED
            && self.names <= MOST_NAMES
            && let Ok(name) = Name::new(name.as_bytes())
        {
            self.list.files.push(Listed { name, size });
        }
    }

    /// The list.
    pub fn finish(self) -> FileList {
        self.list
    }
}

/// A file on its way.
#[derive(Debug)]
struct Open {
    which: Which,
    size: Option<u64>,
    digest: FileDigest,
    began: u64,
}

/// The files of one side.
#[derive(Debug)]
pub struct Files {
    direction: Direction,
    current: Arc<FileList>,
    locked: Vec<(u32, Arc<FileList>)>,
    open: Vec<Open>,
    waiting: Waiting,
}

/// Names one file of one list.
#[derive(Debug, Clone)]
pub struct Which {
    list: Arc<FileList>,
    index: u32,
}

impl Which {
    /// Only its number is known from now on.
    pub fn forget(&mut self) {
        self.list = Arc::default();
    }
}

impl Files {
    /// Those that go that way.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            current: Arc::default(),
            locked: Vec::new(),
            open: Vec::new(),
            waiting: Waiting::default(),
        }
    }

    /// The side has something else to give.
    pub fn replaced(&mut self, facts: &mut Vec<Fact>) {
        self.current = Arc::default();
        self.close_orphans(facts);
    }

    /// Its files were listed.
    pub fn listed(&mut self, list: FileList) {
        let list = Arc::new(list);
        // The same files again: locks and transfers go on with the names that are known now.
        for (_, locked) in &mut self.locked {
            if Arc::ptr_eq(locked, &self.current) {
                *locked = list.clone();
            }
        }
        for open in &mut self.open {
            if Arc::ptr_eq(&open.which.list, &self.current) {
                open.which.list = list.clone();
            }
        }
        self.current = list;
    }

    /// The other side wants to keep what is listed now.
    pub fn lock(&mut self, id: u32) {
        if self.locked.len() == MOST_LOCKED {
            self.locked.remove(0);
        }
        self.locked.push((id, self.current.clone()));
    }

    /// And no longer.
    pub fn unlock(&mut self, id: u32, facts: &mut Vec<Fact>) {
        self.locked.retain(|(locked, _)| *locked != id);
        self.close_orphans(facts);
    }

    /// Which file that is.
    pub fn which(&self, lock: Option<u32>, index: u32) -> Which {
        let locked = self.locked.iter().find(|(id, _)| Some(*id) == lock);
        Which {
            list: locked.map_or(&self.current, |(_, list)| list).clone(),
            index,
        }
    }

    /// Can it still be asked for?
    pub fn knows(&self, which: &Which) -> bool {
        let locked = self.locked.iter().map(|(_, list)| list);
        let mut lists = locked.chain([&self.current]);
        lists.any(|list| Arc::ptr_eq(list, &which.list))
    }

    /// Bytes of a file pass, `ahead` more follow in the same answer.
    pub fn put(
        &mut self,
        which: &Which,
        offset: u64,
        (data, ahead): (&[u8], usize),
        now: u64,
        facts: &mut Vec<Fact>,
    ) {
        if self.place(which).is_none() {
            self.begin(which, now, facts);
        }
        let place = self.place(which);
        if let Some(open) = place.and_then(|place| self.open.get_mut(place)) {
            open.digest.put(offset, data, ahead, &mut self.waiting);
        }
    }

    /// An answer is over: `bytes` passed of what was asked for.
    pub fn answered(&mut self, which: &Which, part: Part, bytes: usize, facts: &mut Vec<Fact>) {
        let Some(place) = self.place(which) else {
            return;
        };
        let Some(open) = self.open.get_mut(place) else {
            return;
        };
        if let Part::Range(offset, asked) = part {
            let short = u32::try_from(bytes).is_ok_and(|bytes| bytes < asked);
            if short && open.size.is_none() {
                open.size = Some(offset.saturating_add(bytes as u64));
            }
            if open.size.is_some() && open.digest.reached() == open.size {
                let open = self.open.remove(place);
                self.close(open, Outcome::Done, facts);
            }
        }
    }

    /// The size of a file was told.
    pub fn sized(&mut self, which: &Which, size: u64) {
        let place = self.place(which);
        if let Some(open) = place.and_then(|place| self.open.get_mut(place)) {
            open.size = Some(size);
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, facts: &mut Vec<Fact>) {
        for open in std::mem::take(&mut self.open) {
            self.close(open, Outcome::Unfinished, facts);
        }
    }

    fn place(&self, which: &Which) -> Option<usize> {
        let same = |open: &Open| {
            Arc::ptr_eq(&open.which.list, &which.list) && open.which.index == which.index
        };
        self.open.iter().position(same)
    }

    fn begin(&mut self, which: &Which, now: u64, facts: &mut Vec<Fact>) {
        if self.open.len() == MOST_OPEN {
            let oldest = self.open.remove(0);
            self.close(oldest, Outcome::Unfinished, facts);
        }
        self.open.push(Open {
            which: which.clone(),
            size: which.list.size(which.index),
            digest: FileDigest::default(),
            began: now,
        });
    }

    /// Files of lists that nobody can ask for any more.
    fn close_orphans(&mut self, facts: &mut Vec<Fact>) {
        let open = std::mem::take(&mut self.open);
        for open in open {
            match self.knows(&open.which) {
                true => self.open.push(open),
                false => self.close(open, Outcome::Unfinished, facts),
            }
        }
    }

    fn close(&mut self, open: Open, outcome: Outcome, facts: &mut Vec<Fact>) {
        let done = open.digest.finish(&mut self.waiting);
        // Whoever has it all may have looked for more behind its end.
        if done.bytes == 0 && open.size != Some(0) {
            return;
        }
        let end = done.end.filter(|_| done.offset == 0);
        facts.push(Fact::Transferred(Box::new(Transfer {
            path: open.which.list.name(open.which.index),
            name: None,
            direction: self.direction,
            offset: done.offset,
            bytes: done.bytes,
            size: open.size,
            sha256: done.sha256,
            in_order: done.in_order,
            whole: end.is_some() && end == open.size,
            outcome,
            began: open.began,
        })));
    }
}
