//! A tape step by step, for a player. The player writes to the terminal and waits; this knows when.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ExportError, Terminal, choose, survey};
use crate::screen::Rebuild;
use crate::{Entry, TapeError, TapeHeader, TapeReader, Timed};

/// How to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// 2.0 is twice as fast; brought into 0.01 to 1000.
    pub speed: f64,
    /// Where nothing happens for longer than this, it counts as this (before `speed`).
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

impl Pace {
    fn wait(&self, gap: Duration) -> Duration {
        let gap = self.idle_limit.map_or(gap, |limit| gap.min(limit));
        let speed = if self.speed.is_finite() {
            self.speed
        } else {
            1.0
        };
        gap.div_f64(speed.clamp(0.01, 1000.0))
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
pub struct Replay {
    path: PathBuf,
    reader: TapeReader,
    /// Read already, not given yet.
    ahead: Option<Timed>,
    terminal: Terminal,
    duration: Duration,
    position: Duration,
    pace: Pace,
}

impl Replay {
    /// Opens a tape at its start. `channel`: which one (`None`: the first with a terminal). Reads
    /// the whole tape once, for its end.
    pub fn open(path: &Path, channel: Option<u32>, pace: Pace) -> Result<Self, ExportError> {
        let found = survey(path)?;
        let duration = found.end;
        Ok(Self {
            path: path.to_owned(),
            reader: TapeReader::open(path)?,
            ahead: None,
            terminal: choose(found, channel)?,
            duration,
            position: Duration::ZERO,
            pace,
        })
    }

    /// What the tape says about itself.
    pub fn header(&self) -> &TapeHeader {
        self.reader.header()
    }

    /// What is played.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// From the tape's start to its end.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Where on the tape the last step or seek was.
    pub fn position(&self) -> Duration {
        self.position
    }

    /// How it is played now.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Plays the steps that follow at another pace.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// The next step; `None` at the end.
    #[allow(
        clippy::should_implement_trait,
        reason = "callers want `?` on the step, not on an iterator's item"
    )]
    pub fn next(&mut self) -> Result<Option<Step>, TapeError> {
        while let Some(timed) = self.take()? {
            let Some(what) = self.step(timed.entry) else {
                continue;
            };
            let gap = timed.at.saturating_sub(self.position);
            self.position = timed.at;
            return Ok(Some(Step {
                wait: self.pace.wait(gap),
                at: timed.at,
                what,
            }));
        }
        Ok(None)
    }

    fn take(&mut self) -> Result<Option<Timed>, TapeError> {
        match self.ahead.take() {
            Some(timed) => Ok(Some(timed)),
            None => self.reader.next(),
        }
    }

    fn step(&self, entry: Entry) -> Option<StepKind> {
        let ours = |channel| channel == self.terminal.channel;
        match entry {
            Entry::Output { channel, data, .. } if ours(channel) => Some(StepKind::Output(data)),
            Entry::Resize {
                channel,
                cols,
                rows,
            } if ours(channel) => Some(StepKind::Resize(cols, rows)),
            Entry::ChannelOpened {
                channel,
                pty: Some((_, cols, rows)),
                ..
            } if ours(channel) => Some(StepKind::Resize(cols, rows)),
            Entry::Marker(event) => Some(StepKind::Marker(event.message())),
            Entry::Gap { bytes } => {
                Some(StepKind::Marker(format!("{bytes} bytes were not recorded")))
            }
            Entry::Output { .. }
            | Entry::Resize { .. }
            | Entry::ChannelOpened { .. }
            | Entry::Input { .. }
            | Entry::InputMasked { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Bulk { .. }
            | Entry::BulkDigest { .. }
            | Entry::DesktopBegun(_)
            | Entry::FromTarget { .. }
            | Entry::FromClient { .. }
            | Entry::FromViewer { .. }
            | Entry::Covered { .. }
            | Entry::Unknown { .. } => None,
        }
    }

    /// Goes to a time, forwards or back; answers the bytes that paint the screen as it was then.
    /// The next step is the first one after it.
    pub fn seek(&mut self, to: Duration) -> Result<Vec<u8>, TapeError> {
        let to = to.min(self.duration);
        self.reader = TapeReader::open(&self.path)?;
        self.ahead = None;
        let mut rebuild = Rebuild::default();
        while let Some(timed) = self.reader.next()? {
            if timed.at > to {
                self.ahead = Some(timed);
                break;
            }
            rebuild.take(self.terminal.channel, timed.entry);
        }
        self.position = to;
        Ok(rebuild.finish().repaint())
    }
}
