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
    caught_up: bool,
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
            caught_up: false,
        })
    }

    /// Goes on at the last keyframe behind what was given, if there is one: what lies between is not worth showing any
    /// more. Whoever calls this before every [`PictureTail::poll`] is never far behind, however slowly he takes things.
    pub fn skip_to_newest(&mut self) -> Result<(), TrackError> {
        let mut scan = self.items.scan_on();
        self.items.scan(&mut scan, Duration::MAX)?;
        if let Some((_, offset)) = scan.keyframes.last() {
            self.items.go_to(*offset);
        }
        Ok(())
    }

    /// What was written since the last call, stopping behind the item with which `max_bytes` of file are reached.
    /// Empty: nothing new.
    pub fn poll(&mut self, max_bytes: usize) -> Result<Vec<Item>, TrackError> {
        let mut found = Vec::new();
        let start = self.items.offset();
        self.caught_up = false;
        while !self.finished && self.items.offset() - start < max_bytes as u64 {
            match self.items.advance()? {
                Next::Item(item) => {
                    self.bad = 0;
                    self.finished = item.what == What::End;
                    found.push(item);
                }
                Next::End => {
                    self.caught_up = true;
                    break;
                }
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

    /// Did the last [`PictureTail::poll`] give all that was there?
    pub fn caught_up(&self) -> bool {
        self.caught_up || self.finished
    }

    /// Was the end read? Then nothing more will come.
    pub fn finished(&self) -> bool {
        self.finished
    }
}
