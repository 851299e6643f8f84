//! Reading a tape from its start.

use std::ops::Range;
use std::path::Path;

use crate::frames::{Frames, Next};
use crate::{Closing, TapeError, TapeHeader, Timed, codec};

/// How a tape ended, as far as was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With its final frame.
    Finished,
    /// Between two frames: it is still being written, or its writer was killed.
    Open,
    /// In the middle of a frame, or at one that does not hold together.
    Torn {
        /// Where the good part ends.
        offset: u64,
    },
}

/// Reads a tape, checking checksums and chain as it goes. What it gave was written; where it
/// stops, [`TapeReader::ended`] says why.
pub struct TapeReader {
    frames: Frames,
    /// What is left of the frame at hand.
    rest: Range<usize>,
    ended: Ended,
    closing: Option<Closing>,
    why: Option<&'static str>,
}

impl TapeReader {
    /// Opens a tape and reads its header.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        Ok(Self {
            frames: Frames::open(path)?,
            rest: 0..0,
            ended: Ended::Open,
            closing: None,
            why: None,
        })
    }

    /// What the tape says about itself.
    pub fn header(&self) -> &TapeHeader {
        self.frames.header()
    }

    /// The next entry; `None` at the end of what can be read. A torn or damaged end is an end
    /// ([`TapeReader::ended`]), an error is the file system's.
    #[allow(
        clippy::should_implement_trait,
        reason = "callers want `?` on the entry, not on an iterator's item"
    )]
    pub fn next(&mut self) -> Result<Option<Timed>, TapeError> {
        loop {
            if !self.rest.is_empty() {
                let bytes = self.frames.payload(self.rest.clone());
                match codec::decode(bytes) {
                    Some((timed, len)) => {
                        self.rest.start += len;
                        return Ok(Some(timed));
                    }
                    // Only a writer gone wrong does this: the checksum was right.
                    None => {
                        self.rest = 0..0;
                        return Ok(self.torn("a record in the frame before is cut off"));
                    }
                }
            }
            if self.ended != Ended::Open {
                return Ok(None);
            }
            match self.frames.advance()? {
                Next::Data(range) => self.rest = range,
                Next::Final(closing) => {
                    self.closing = Some(closing);
                    self.ended = Ended::Finished;
                }
                Next::End => return Ok(None),
                Next::Short => return Ok(self.torn("the last frame is cut off")),
                Next::Bad(why) => return Ok(self.torn(why)),
            }
        }
    }

    fn torn(&mut self, why: &'static str) -> Option<Timed> {
        self.why = Some(why);
        self.ended = Ended::Torn {
            offset: self.frames.offset(),
        };
        None
    }

    /// How it ended; [`Ended::Open`] until the end was read.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// What is wrong at a torn end.
    pub fn torn_why(&self) -> Option<&'static str> {
        self.why
    }

    /// What the final frame says, once it was read.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }
}
