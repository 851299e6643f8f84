//! Reading a track from any place.

use std::path::Path;
use std::time::Duration;

use super::file::{Items, Next, Scan};
use super::{Item, TrackError};
use crate::TapeHeader;

/// Reads a track; it stops at the first item that is short or does not hold together.
pub struct PictureReader {
    items: Items,
    scan: Scan,
}

impl PictureReader {
    /// Opens the track of that tape at its start.
    pub fn open(path: &Path, tape: &TapeHeader) -> Result<Self, TrackError> {
        let items = Items::open(path, tape.nonce)?;
        let scan = items.new_scan();
        Ok(Self { items, scan })
    }

    /// The next item; `None` at the end of what can be read.
    #[allow(
        clippy::should_implement_trait,
        reason = "callers want `?` on the item, not on an iterator's item"
    )]
    pub fn next(&mut self) -> Result<Option<Item>, TrackError> {
        match self.items.advance()? {
            Next::Item(item) => Ok(Some(item)),
            Next::End | Next::Bad => Ok(None),
        }
    }

    /// Goes to the last keyframe at or before `at`: it is the next item. Answers its time. `None`: there is none, and
    /// the next item stays what it was.
    pub fn seek(&mut self, at: Duration) -> Result<Option<Duration>, TrackError> {
        self.items.scan(&mut self.scan, at)?;
        let keyframes = &self.scan.keyframes;
        let before = keyframes.partition_point(|(time, _)| *time <= at);
        let Some((time, offset)) = before.checked_sub(1).map(|last| keyframes[last]) else {
            return Ok(None);
        };
        self.items.go_to(offset);
        Ok(Some(time))
    }

    /// Is all of its tape on it? Answers the tape's length. Reads heads only.
    pub fn end(&mut self) -> Result<Option<Duration>, TrackError> {
        self.items.scan(&mut self.scan, Duration::MAX)?;
        Ok(self.scan.end)
    }
}
