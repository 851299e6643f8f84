//! Following a tape, late if need be.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::brush::INTERVAL;
use super::{Brush, Canvas, PictureWriter, TrackError, path_of};
use crate::{Ended, TapeHeader, TapeReader, TapeTail};

/// How far a painter came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The time of the last entry drawn.
    pub position: Duration,
    /// What there is to do.
    pub state: State,
}

/// What there is to do for a painter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// More of the tape is there already.
    Behind,
    /// All that is on the tape is drawn; more may come. Step again after a tenth of a second or later: what changed
    /// last may not be written yet.
    CaughtUp,
    /// The tape ended and all of it is on the track.
    Finished,
}

/// Makes the track of a tape while the tape is written. It works only when it is told to, and may be left alone for
/// any time: it comes late then, and loses nothing.
pub struct Painter {
    tail: TapeTail,
    brush: Brush,
    finished: bool,
    /// When the track was last brought up to date.
    written: Instant,
}

impl Painter {
    /// Begins at the tape's start, with an empty track beside it ([`path_of`]); one that is there is replaced.
    pub fn follow(tape: &Path) -> Result<Self, TrackError> {
        let tail = TapeTail::open(tape)?;
        let writer = PictureWriter::create(&path_of(tape), tail.header().nonce)?;
        Ok(Self {
            tail,
            brush: Brush::new(writer),
            finished: false,
            written: Instant::now(),
        })
    }

    /// What the tape says about itself.
    pub fn header(&self) -> &TapeHeader {
        self.tail.header()
    }

    /// Draws the next `max_bytes` of the tape or a little more. It blocks for as long as that takes: about ten
    /// milliseconds a megabyte, and as much for every picture. After an error of the track, follow anew.
    pub fn step(&mut self, max_bytes: usize) -> Result<Progress, TrackError> {
        let entries = self.tail.poll(max_bytes)?;
        for timed in &entries {
            self.brush.take(timed)?;
        }
        let mut state = State::Behind;
        if let Some(closing) = self.tail.closing() {
            if !self.finished {
                let end = Duration::from_micros(closing.duration_us);
                self.brush.finish(end)?;
                self.finished = true;
            }
            state = State::Finished;
        } else if entries.is_empty() {
            state = State::CaughtUp;
            // Nothing on the tape says when the target stopped drawing: the clock does.
            if self.brush.is_pending() && self.written.elapsed() >= INTERVAL {
                self.brush.write()?;
                self.written = Instant::now();
            }
        }
        Ok(Progress {
            position: self.brush.position(),
            state,
        })
    }

    /// A copy of the picture as far as it is drawn, for painting it on a client again; `None` before there is one.
    pub fn screen(&self) -> Option<Canvas> {
        self.brush.screen()
    }

    /// Bytes of the track.
    pub fn bytes(&self) -> u64 {
        self.brush.bytes()
    }
}

/// Makes the track of a tape anew, at `out`; whoever looks there sees the old one until the new one is whole. Of a
/// tape without an end, the track has none either. Answers how many bytes it has.
pub fn rebuild(tape: &Path, out: &Path) -> Result<u64, TrackError> {
    let mut name = out.as_os_str().to_owned();
    name.push(".new");
    let partial = Path::new(&name);
    let made = make(tape, partial).and_then(|bytes| {
        fs::rename(partial, out).map_err(TrackError::io("create", out))?;
        Ok(bytes)
    });
    if made.is_err() {
        // On a full disk it would be in the way of the tapes. It need not be there.
        let _ = fs::remove_file(partial);
    }
    made
}

fn make(tape: &Path, out: &Path) -> Result<u64, TrackError> {
    let mut reader = TapeReader::open(tape)?;
    let mut brush = Brush::new(PictureWriter::create(out, reader.header().nonce)?);
    while let Some(timed) = reader.next()? {
        brush.take(&timed)?;
    }
    match (reader.ended(), reader.closing()) {
        (Ended::Finished, Some(closing)) => {
            brush.finish(Duration::from_micros(closing.duration_us))?;
        }
        (Ended::Finished | Ended::Open | Ended::Torn { .. }, _) => brush.write()?,
    }
    Ok(brush.bytes())
}
