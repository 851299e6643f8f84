//! Reading a track from any place.

use std::path::Path;
use std::time::Duration;

use super::file::{Items, Next, Scan};
use super::{Canvas, Index, Item, TrackError, What};
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

    /// The same, but believes the last bytes alone: it says nothing of what is before them.
    pub fn closed(&self) -> Result<Option<Duration>, TrackError> {
        self.items.closed()
    }

    /// Which file it is: one that is put in its place has another number.
    pub fn file_number(&self) -> Result<u64, TrackError> {
        self.items.file_number()
    }

    /// What it shows at a time, or as the last thing, if it does not reach so far: the second says which of the two.
    /// `None`: nothing yet.
    pub fn canvas_at(&mut self, at: Duration) -> Result<Option<(Canvas, bool)>, TrackError> {
        if self.seek(at)?.is_none() {
            return Ok(None);
        }
        let mut canvas = Canvas::default();
        while let Some(item) = self.next()? {
            if item.at > at {
                return Ok(Some((canvas, true)));
            }
            canvas.apply(&item.what)?;
            if item.what == What::End {
                return Ok(Some((canvas, true)));
            }
        }
        Ok(Some((canvas, false)))
    }

    /// An error for a track that cannot be read on here.
    pub(crate) fn broken(&self) -> TrackError {
        self.items.broken()
    }

    /// What a player needs to know before it shows any of it. Reads heads only, but all of them.
    pub fn index(&self) -> Result<Index, TrackError> {
        Index::of(&self.items)
    }
}
