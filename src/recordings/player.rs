//! `sallyport recordings replay`: a tape in this terminal.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sallyport_recorder::Screen;
use sallyport_recorder::export::{ExportError, Pace, Replay, Step, StepKind};
use serde_json::json;

use crate::failure::{Failure, OrFail as _};
use crate::output::{self, Output};
use crate::view::{Key, Painter, Terminal};

/// How far an arrow key goes.
const SEEK: Duration = Duration::from_secs(5);
/// What `i` cuts pauses to, if nothing else was said.
const IDLE: Duration = Duration::from_secs(2);
/// Slowest and fastest.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.125..=64.0;
/// How long a picture may be behind, and how often the clock in the status line moves.
const TICK: Duration = Duration::from_millis(100);

/// How to play.
pub(super) struct Options {
    pace: Pace,
    channel: Option<u32>,
}

impl Options {
    /// From what was typed.
    pub fn new(speed: f64, idle: Option<&str>, channel: Option<u32>) -> Result<Self, Failure> {
        if !SPEEDS.contains(&speed) {
            return Err(Failure::new(format!(
                "--speed is {speed}, but must be from {} to {}",
                SPEEDS.start(),
                SPEEDS.end()
            )));
        }
        let idle_limit = match idle {
            None => None,
            Some(text) => Some(humantime::parse_duration(text).or_fail(format!(
                "--idle is `{text}`, but must be a length of time, for example 2s"
            ))?),
        };
        Ok(Self {
            pace: Pace { speed, idle_limit },
            channel,
        })
    }
}

/// Plays a tape: with keys in a terminal, at once anywhere else.
pub(super) fn play(
    tape: &Path,
    options: &Options,
    plain: bool,
    output: Output,
) -> Result<(), Failure> {
    let replay = match Replay::open(tape, options.channel, options.pace) {
        Err(ExportError::Desktop) => return Err(super::not_a_terminal(tape.display())),
        other => other.or_fail(tape.display())?,
    };
    if output.json || plain || !output::is_terminal() {
        return print(replay, tape, output);
    }
    let mut terminal = Terminal::take()?;
    Player::new(replay, tape, options.pace, terminal.size()).run(&mut terminal)
}

fn print(mut replay: Replay, tape: &Path, output: Output) -> Result<(), Failure> {
    while let Some(step) = replay.next().or_fail(tape.display())? {
        if output.json {
            let line = match &step.what {
                StepKind::Output(bytes) => {
                    json!({ "at": step.at.as_secs_f64(), "type": "output", "data": String::from_utf8_lossy(bytes) })
                }
                StepKind::Resize(columns, rows) => {
                    json!({ "at": step.at.as_secs_f64(), "type": "resize", "cols": columns, "rows": rows })
                }
                StepKind::Marker(text) => {
                    json!({ "at": step.at.as_secs_f64(), "type": "marker", "text": text })
                }
            };
            output::write(format!("{line}\n").as_bytes())?;
        } else if let StepKind::Output(bytes) = &step.what {
            output::write(bytes)?;
        }
    }
    Ok(())
}

/// A step that is not yet due.
struct Pending {
    step: Step,
    due: Instant,
}

struct Player {
    replay: Replay,
    tape: PathBuf,
    pace: Pace,
    painter: Painter,
    pending: Option<Pending>,
    /// Paused, with what was left to wait.
    paused: Option<Duration>,
    ended: bool,
    position: Duration,
    note: String,
}

impl Player {
    fn new(replay: Replay, tape: &Path, pace: Pace, window: (u16, u16)) -> Self {
        let (columns, rows) = (replay.terminal().cols, replay.terminal().rows);
        Self {
            replay,
            tape: tape.to_owned(),
            pace,
            painter: Painter::new(columns, rows, window),
            pending: None,
            paused: None,
            ended: false,
            position: Duration::ZERO,
            note: String::new(),
        }
    }

    fn run(mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        loop {
            self.advance()?;
            terminal.paint(&self.painter.frame(&self.status()))?;
            let wait = match (&self.pending, self.paused) {
                (Some(pending), None) => pending
                    .due
                    .saturating_duration_since(Instant::now())
                    .min(TICK),
                (Some(_) | None, _) => TICK,
            };
            match Key::wait(wait).or_fail("reading keys")? {
                Some(Key::Quit) => return Ok(()),
                Some(Key::Resized) => self.painter.set_window(terminal.size()),
                Some(key) => self.press(key)?,
                None => {}
            }
        }
    }

    /// Plays everything that is due, but not for longer than a picture may be behind.
    fn advance(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while self.paused.is_none() && !self.ended && start.elapsed() < TICK {
            let pending = match self.pending.take() {
                Some(pending) => pending,
                None => match self.replay.next().or_fail("reading the tape")? {
                    Some(step) => Pending {
                        due: Instant::now() + step.wait,
                        step,
                    },
                    None => {
                        self.ended = true;
                        break;
                    }
                },
            };
            if pending.due > Instant::now() {
                self.pending = Some(pending);
                break;
            }
            self.position = pending.step.at;
            match pending.step.what {
                StepKind::Output(bytes) => self.painter.feed(&bytes),
                StepKind::Resize(columns, rows) => self.painter.resize(columns, rows),
                StepKind::Marker(text) => self.note = text,
            }
        }
        Ok(())
    }

    fn press(&mut self, key: Key) -> Result<(), Failure> {
        match key {
            Key::Pause => self.toggle_pause(),
            Key::Forward => self.seek(self.now().saturating_add(SEEK))?,
            Key::Back => self.seek(self.now().saturating_sub(SEEK))?,
            Key::Faster => self.set_pace(Pace {
                speed: (self.pace.speed * 2.0).min(*SPEEDS.end()),
                ..self.pace
            }),
            Key::Slower => self.set_pace(Pace {
                speed: (self.pace.speed / 2.0).max(*SPEEDS.start()),
                ..self.pace
            }),
            Key::Idle => {
                let idle_limit = if self.pace.idle_limit.is_some() {
                    None
                } else {
                    Some(IDLE)
                };
                self.set_pace(Pace {
                    idle_limit,
                    ..self.pace
                });
            }
            Key::Quit | Key::Resized => {}
        }
        Ok(())
    }

    fn toggle_pause(&mut self) {
        let now = Instant::now();
        match self.paused.take() {
            Some(left) => {
                if let Some(pending) = &mut self.pending {
                    pending.due = now + left;
                }
            }
            None => {
                let left = self
                    .pending
                    .as_ref()
                    .map(|pending| pending.due.saturating_duration_since(now));
                self.paused = Some(left.unwrap_or_default());
            }
        }
    }

    /// The new pace holds for the wait under way as well.
    fn set_pace(&mut self, pace: Pace) {
        let now = Instant::now();
        let rescale = |left: Duration| {
            let left = left.mul_f64(self.pace.speed / pace.speed);
            pace.idle_limit
                .map_or(left, |limit| left.min(limit.div_f64(pace.speed)))
        };
        if let Some(left) = &mut self.paused {
            *left = rescale(*left);
        } else if let Some(pending) = &mut self.pending {
            pending.due = now + rescale(pending.due.saturating_duration_since(now));
        }
        self.pace = pace;
        self.replay.set_pace(pace);
    }

    fn seek(&mut self, to: Duration) -> Result<(), Failure> {
        let to = to.min(self.replay.duration());
        let screen = self.replay.seek(to).or_fail("reading the tape")?;
        let (columns, rows) = self.size_at(to)?;
        self.painter.clear(columns, rows);
        self.painter.feed(&screen);
        self.position = to;
        self.note.clear();
        self.pending = None;
        self.ended = false;
        if let Some(left) = &mut self.paused {
            *left = Duration::ZERO;
        }
        Ok(())
    }

    /// The terminal's size at a time; it may have been another at the start.
    fn size_at(&self, at: Duration) -> Result<(u16, u16), Failure> {
        let channel = self.replay.terminal().channel;
        let screen = Screen::of_tape(&self.tape, channel, Some(at)).or_fail("reading the tape")?;
        Ok(screen.size())
    }

    /// Where the tape is at this moment; between two steps the clock goes on.
    fn now(&self) -> Duration {
        let Some(pending) = &self.pending else {
            return self.position;
        };
        let left = self
            .paused
            .unwrap_or_else(|| pending.due.saturating_duration_since(Instant::now()));
        // A pause that was cut short does not run backwards.
        pending
            .step
            .at
            .saturating_sub(left.mul_f64(self.pace.speed))
            .max(self.position)
    }

    fn status(&self) -> String {
        let state = match (self.ended, self.paused.is_some()) {
            (true, _) => "ended",
            (false, true) => "paused",
            (false, false) => "playing",
        };
        let idle = if self.pace.idle_limit.is_some() {
            "  idle skipped"
        } else {
            ""
        };
        format!(
            " {state} {} / {}  x{}{idle}  {} on {}  q quits  {}",
            clock(self.now()),
            clock(self.replay.duration()),
            self.pace.speed,
            self.replay.header().user,
            self.replay.header().host,
            self.note
        )
    }
}

/// `1:02:03` or `02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        for (seconds, text) in [(0, "00:00"), (65, "01:05"), (3723, "1:02:03")] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn odd_options_are_refused() {
        for (speed, idle) in [
            (0.0, None),
            (-1.0, None),
            (f64::NAN, None),
            (1000.0, None),
            (1.0, Some("soon")),
        ] {
            assert!(Options::new(speed, idle, None).is_err(), "{speed} {idle:?}");
        }
        let options = Options::new(2.0, Some("3s"), None).ok().unwrap();
        assert_eq!(
            options.pace,
            Pace {
                speed: 2.0,
                idle_limit: Some(Duration::from_secs(3))
            }
        );
    }
}
