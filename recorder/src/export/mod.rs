//! Tapes in other forms: asciicast, text, and step by step for a player.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::{TapeError, TapeHeader};

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The tape.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The place written to.
    #[error("cannot write the export: {0}")]
    Write(#[from] std::io::Error),
    /// Nothing to play.
    #[error("the tape holds no terminal channel{}", .channel.map(|n| format!(" {n}")).unwrap_or_default())]
    NoTerminal {
        /// The channel asked for, if one was.
        channel: Option<u32>,
    },
}

/// A channel with a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Which channel.
    pub channel: u32,
    /// TERM.
    pub term: String,
    /// Columns at its opening.
    pub cols: u16,
    /// Rows at its opening.
    pub rows: u16,
    /// When it was opened.
    pub opened: Duration,
}

/// All terminal channels of a tape, in the order of their opening.
#[allow(clippy::todo)]
pub fn terminals(path: &Path) -> Result<Vec<Terminal>, TapeError> {
    let _ = path;
    todo!()
}

/// Writes asciicast v2. `channel`: which one (`None`: the first with a terminal).
#[allow(clippy::todo)]
pub fn asciicast(
    path: &Path,
    channel: Option<u32>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let _ = (path, channel, out);
    todo!()
}

/// Writes a readable log: header, events, commands, and what each channel printed.
#[allow(clippy::todo)]
pub fn text(path: &Path, out: &mut dyn Write) -> Result<(), ExportError> {
    let _ = (path, out);
    todo!()
}

/// How to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// 2.0 is twice as fast.
    pub speed: f64,
    /// Waits longer than this are cut to it.
    pub idle_limit: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            speed: 1.0,
            idle_limit: None,
        }
    }
}

/// One step of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How long to wait before it, speed and idle limit applied.
    pub wait: Duration,
    /// Where on the tape it is.
    pub at: Duration,
    /// What to do.
    pub what: StepKind,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// Write these bytes to the terminal.
    Output(Vec<u8>),
    /// The recorded terminal got this size (columns, rows).
    Resize(u16, u16),
    /// Something happened, in words.
    Marker(String),
}

/// Plays one terminal channel step by step.
pub struct Replay {}

#[allow(clippy::todo, missing_docs)]
impl Replay {
    /// `channel`: which one (`None`: the first with a terminal).
    pub fn open(path: &Path, channel: Option<u32>, pace: Pace) -> Result<Self, ExportError> {
        let _ = (path, channel, pace);
        todo!()
    }
    pub fn header(&self) -> &TapeHeader {
        todo!()
    }
    pub fn terminal(&self) -> &Terminal {
        todo!()
    }
    /// From the tape's start to its last entry.
    pub fn duration(&self) -> Duration {
        todo!()
    }
    pub fn position(&self) -> Duration {
        todo!()
    }
    pub fn set_pace(&mut self, pace: Pace) {
        let _ = pace;
        todo!()
    }
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Step>, TapeError> {
        todo!()
    }
    /// Goes to a time; answers the bytes that paint the screen as it was then.
    pub fn seek(&mut self, to: Duration) -> Result<Vec<u8>, TapeError> {
        let _ = to;
        todo!()
    }
}
