//! Following a track that is still being written.

use std::path::Path;
use std::time::Duration;

use super::file::{Items, Next};
use super::{Item, TrackError, What};
use crate::TapeHeader;

/// How often an item may be found damaged before it is believed to be: it may be looked at while it is written.
const PATIENCE: u32 = 3;

/// Follows a live track. It sees whole items only.
pub struct PictureTail {
    items: Items,
    bad: u32,
    finished: bool,
}

impl PictureTail {
    /// Opens the track of that tape at its last keyframe: what comes first is the whole picture as it was then. At its
    /// start, if it has none yet.
    pub fn open(path: &Path, tape: &TapeHeader) -> Result<Self, TrackError> {
        let mut items = Items::open(path, tape.nonce)?;
        let mut scan = items.new_scan();
        items.scan(&mut scan, Duration::MAX)?;
        if let Some((_, offset)) = scan.keyframes.last() {
            items.go_to(*offset);
        }
        Ok(Self {
            items,
            bad: 0,
            finished: false,
        })
    }

    /// What was written since the last call, stopping behind the item with which `max_bytes` of file are reached.
    /// Empty: nothing new.
    pub fn poll(&mut self, max_bytes: usize) -> Result<Vec<Item>, TrackError> {
        let mut found = Vec::new();
        let start = self.items.offset();
        while !self.finished && self.items.offset() - start < max_bytes as u64 {
            match self.items.advance()? {
                Next::Item(item) => {
                    self.bad = 0;
                    self.finished = item.what == What::End;
                    found.push(item);
                }
                Next::End => break,
                Next::Bad => {
                    self.bad += 1;
                    if self.bad >= PATIENCE && found.is_empty() {
                        return Err(self.items.broken());
                    }
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Was the end read? Then nothing more will come.
    pub fn finished(&self) -> bool {
        self.finished
    }
}
