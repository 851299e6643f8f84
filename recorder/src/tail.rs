//! Following a tape that is still being written.

use std::path::Path;
use std::time::Duration;

use crate::frames::{Frames, Next};
use crate::{Closing, TapeError, TapeHeader, Timed, codec};

/// How often a frame may be found damaged before it is believed to be: the writer takes torn
/// frames away again, and the file may be looked at in between.
const PATIENCE: u32 = 3;

/// Follows a live tape. It sees whole frames only.
pub struct TapeTail {
    frames: Frames,
    closing: Option<Closing>,
    position: Duration,
    bad: u32,
}

impl TapeTail {
    /// Opens a tape at its start and reads its header.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        Ok(Self {
            frames: Frames::open(path)?,
            closing: None,
            position: Duration::ZERO,
            bad: 0,
        })
    }

    /// What the tape says about itself.
    pub fn header(&self) -> &TapeHeader {
        self.frames.header()
    }

    /// Goes to the present end. What is passed over is neither read nor checked.
    pub fn skip(&mut self) -> Result<(), TapeError> {
        self.frames.skip()
    }

    /// What was written since the last call: whole frames, stopping behind the one with which
    /// `max_bytes` of file are reached. Empty: nothing new.
    pub fn poll(&mut self, max_bytes: usize) -> Result<Vec<Timed>, TapeError> {
        self.gather(max_bytes, |_| true)
    }

    /// The same of events alone; what else was written is passed over. Empty: none among what was looked at.
    pub fn poll_markers(&mut self, max_bytes: usize) -> Result<Vec<Timed>, TapeError> {
        self.gather(max_bytes, codec::is_marker)
    }

    fn gather(
        &mut self,
        max_bytes: usize,
        wanted: fn(&[u8]) -> bool,
    ) -> Result<Vec<Timed>, TapeError> {
        let mut entries = Vec::new();
        let start = self.frames.offset();
        while self.closing.is_none() && self.frames.offset() - start < max_bytes as u64 {
            match self.frames.advance()? {
                Next::Data(range) => {
                    self.bad = 0;
                    self.take(range, wanted, &mut entries)?;
                }
                Next::Final(closing) => self.closing = Some(closing),
                Next::End | Next::Short => break,
                Next::Bad(why) => {
                    self.bad += 1;
                    if self.bad >= PATIENCE && entries.is_empty() {
                        return Err(self.broken(why));
                    }
                    break;
                }
            }
        }
        if let Some(last) = entries.last() {
            self.position = last.at;
        }
        Ok(entries)
    }

    fn take(
        &self,
        range: std::ops::Range<usize>,
        wanted: fn(&[u8]) -> bool,
        entries: &mut Vec<Timed>,
    ) -> Result<(), TapeError> {
        let mut rest = self.frames.payload(range);
        while !rest.is_empty() {
            let Some(next) = codec::behind(rest) else {
                return Err(self.broken("a record in the frame before is cut off"));
            };
            if wanted(rest)
                && let Some((timed, _)) = codec::decode(rest)
            {
                entries.push(timed);
            }
            rest = next;
        }
        Ok(())
    }

    fn broken(&self, why: &str) -> TapeError {
        TapeError::Broken {
            path: self.frames.path().to_owned(),
            offset: self.frames.offset(),
            why: why.to_owned(),
        }
    }

    /// Was the final frame read? Then nothing more will come.
    pub fn finished(&self) -> bool {
        self.closing.is_some()
    }

    /// What the final frame says, once it was read.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// The time of the last entry given.
    pub fn position(&self) -> Duration {
        self.position
    }
}

#[cfg(test)]
mod tests;
