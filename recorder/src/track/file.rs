//! A track's file: its head, and a cursor on its items.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::TrackError;
use super::item::{END, ITEM_HEAD, Item, ItemHead, KEYFRAME};
use crate::format::{array_at, u32_at};

const MAGIC: &[u8; 8] = b"SPPICT\x01\n";
/// Bytes of a file before its items.
const FILE_HEAD: usize = 8 + 16 + 4;

/// The head of the track of the tape with that nonce.
pub(super) fn file_head(nonce: Uuid) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(nonce.as_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// A cursor on a track: behind the items that were good so far.
pub(super) struct Items {
    file: File,
    path: PathBuf,
    offset: u64,
}

/// What is known of a track from the heads of its items.
pub(super) struct Scan {
    /// Where the scan goes on.
    offset: u64,
    /// The time and place of every keyframe so far.
    pub keyframes: Vec<(Duration, u64)>,
    /// The tape's length, if the last item so far is the end.
    pub end: Option<Duration>,
}

impl Scan {
    /// Where it goes on.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// What is at the cursor.
pub(super) enum Next {
    /// An item.
    Item(Item),
    /// Nothing whole: the file ends here, or is being written.
    End,
    /// Something that does not hold together; the cursor stays before it.
    Bad,
}

impl Items {
    /// Opens the track of the tape with that nonce.
    pub fn open(path: &Path, nonce: Uuid) -> Result<Self, TrackError> {
        let file = File::open(path).map_err(TrackError::io("open", path))?;
        let mut head = [0; FILE_HEAD];
        let not_one = || TrackError::NotATrack {
            path: path.to_owned(),
        };
        match file.read_exact_at(&mut head, 0) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(not_one()),
            Err(e) => return Err(TrackError::io("read", path)(e)),
        }
        if head[..8] != MAGIC[..] || crc32c::crc32c(&head[..24]) != u32_at(&head, 24) {
            return Err(not_one());
        }
        if array_at::<16>(&head, 8) != *nonce.as_bytes() {
            return Err(TrackError::OtherTape {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            offset: FILE_HEAD as u64,
        })
    }

    /// A scan from the start.
    pub fn new_scan(&self) -> Scan {
        Scan {
            offset: FILE_HEAD as u64,
            keyframes: Vec::new(),
            end: None,
        }
    }

    /// A scan from the cursor on.
    pub fn scan_on(&self) -> Scan {
        Scan {
            offset: self.offset,
            ..self.new_scan()
        }
    }

    /// Where the cursor is.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Moves the cursor to where an item is known to begin.
    pub fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// The head at an offset; `None` where there is no good one.
    fn head_at(&self, offset: u64) -> Result<Option<Result<ItemHead, ()>>, TrackError> {
        let mut bytes = [0; ITEM_HEAD];
        Ok(self
            .read(&mut bytes, offset)?
            .then(|| ItemHead::read(&bytes).ok_or(())))
    }

    /// Goes over the next item that this version knows.
    pub fn advance(&mut self) -> Result<Next, TrackError> {
        loop {
            let head = match self.head_at(self.offset)? {
                None => return Ok(Next::End),
                Some(Err(())) => return Ok(Next::Bad),
                Some(Ok(head)) => head,
            };
            let from = self.offset + ITEM_HEAD as u64;
            // Before there is room for it: a damaged length may say anything.
            if self.size()? < from + head.len as u64 {
                return Ok(Next::End);
            }
            let mut payload = vec![0; head.len];
            if !self.read(&mut payload, from)? {
                return Ok(Next::End);
            }
            if !head.holds(&payload) {
                return Ok(Next::Bad);
            }
            self.offset = from + head.len as u64;
            if let Some(item) = head.item(&payload) {
                return Ok(Next::Item(item));
            }
        }
    }

    /// Goes on with a scan, over whole items up to the first one behind `until`. Reads heads only.
    pub fn scan(&self, scan: &mut Scan, until: Duration) -> Result<(), TrackError> {
        let (keyframes, end) = (&mut scan.keyframes, &mut scan.end);
        scan.offset = self.heads(scan.offset, |head, offset| {
            if head.at > until {
                return false;
            }
            if head.kind == KEYFRAME {
                keyframes.push((head.at, offset));
            }
            *end = (head.kind == END).then_some(head.at);
            true
        })?;
        Ok(())
    }

    /// Shows `each` the heads of whole items and where they begin, from `offset` on, until it has enough. Answers where
    /// it stopped.
    pub fn heads(
        &self,
        mut offset: u64,
        mut each: impl FnMut(ItemHead, u64) -> bool,
    ) -> Result<u64, TrackError> {
        let size = self.size()?;
        while let Some(Ok(head)) = self.head_at(offset)? {
            let next = offset + ITEM_HEAD as u64 + head.len as u64;
            if next > size || !each(head, offset) {
                break;
            }
            offset = next;
        }
        Ok(offset)
    }

    /// The tape's length, if the file ends with the end of its tape. Looks at its last bytes only.
    pub fn closed(&self) -> Result<Option<Duration>, TrackError> {
        let Some(last) = self.size()?.checked_sub(ITEM_HEAD as u64) else {
            return Ok(None);
        };
        let head = self.head_at(last)?.and_then(Result::ok);
        let is_end = |head: &ItemHead| head.kind == END && head.len == 0;
        Ok(head.filter(is_end).map(|head| head.at))
    }

    /// The bytes of an item that `head` is of and that begins at `offset`; not checked. `None`: it has fewer.
    pub fn payload<const N: usize>(
        &self,
        head: &ItemHead,
        offset: u64,
    ) -> Result<Option<[u8; N]>, TrackError> {
        let mut bytes = [0; N];
        let whole = head.len >= N && self.read(&mut bytes, offset + ITEM_HEAD as u64)?;
        Ok(whole.then_some(bytes))
    }

    /// An error for what is at the cursor.
    pub fn broken(&self) -> TrackError {
        TrackError::Broken {
            path: self.path.clone(),
            offset: self.offset,
        }
    }

    /// The file's inode number.
    pub fn file_number(&self) -> Result<u64, TrackError> {
        let meta = self.file.metadata();
        Ok(meta.map_err(TrackError::io("read", &self.path))?.ino())
    }

    fn size(&self) -> Result<u64, TrackError> {
        let meta = self.file.metadata();
        Ok(meta.map_err(TrackError::io("read", &self.path))?.len())
    }

    /// Fills `bytes`; answers whether there were as many.
    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<bool, TrackError> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(TrackError::io("read", &self.path)(e)),
        }
    }
}
