//! A desktop's tape as a film: MP4 with H.264, which browsers and players show.
//!
//! The film has a picture where the tape's track has one, but at most fifteen a second, and one a second where nothing
//! changes: the clock in the strip below goes on.

mod caption;
mod container;
mod encoder;
mod stage;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use self::caption::{Caption, State};
use self::container::{Container, Shape};
use self::encoder::Encoder;
use self::stage::Stage;
use super::ExportError;
use super::pictures::{Pictures, Shown};
use crate::frames::Frames;
use crate::track::{Canvas, TrackError};
use crate::{Entry, TapeHeader, TapeReader};

/// A picture that is followed by another sooner than that is not filmed: it could not be seen.
const SHORTEST: Duration = Duration::from_millis(66);
/// Where nothing changes, the clock is brought up to date so often.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause of a film that shortens none: no session takes longer, and a film must end.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Writes the film of a desktop's tape as MP4: its pictures with the pointer, and below them a strip with the time (UTC),
/// who it was, and what the picture does not tell: a cover, updates that could not be decoded. Where nothing changes for
/// longer than `idle_limit`, the film goes on after that long (`None`: it lasts as long as the session did).
///
/// The tape's track is made if it is not there, which takes as long as the tape is large. What is written up to an error
/// is no film: it lacks the index, which comes last.
pub fn mp4(
    tape: &Path,
    idle_limit: Option<Duration>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    require_desktop(tape)?;
    let limit = idle_limit.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    let mut pictures = Pictures::open(tape, Some(limit))?;
    let size = pictures.size()?.ok_or(ExportError::NoPictures)?;
    let frames = Frames::open(tape)?;
    let mut film = Film::begin(frames.header(), size, out)?;
    while let Some(shown) = pictures.next()? {
        film.show(&shown)?;
    }
    if frames.ends_finished()? {
        pictures.require_end()?;
    }
    film.finish(pictures.length(), pictures.tape_length())
}

/// Before a track is made of something that has no pictures.
fn require_desktop(tape: &Path) -> Result<(), ExportError> {
    let mut reader = TapeReader::open(tape)?;
    while let Some(timed) = reader.next()? {
        if let Entry::DesktopBegun(_) = timed.entry {
            return Ok(());
        }
        if let Entry::ChannelOpened { .. } = timed.entry {
            return Err(TrackError::NotADesktop.into());
        }
    }
    Err(ExportError::NoPictures)
}

/// A film being made.
struct Film<'a> {
    tape: &'a TapeHeader,
    stage: Stage,
    encoder: Encoder,
    container: Container<'a>,
    shape: Shape,
    /// What is on the stage and not filmed yet.
    standing: Option<Standing>,
}

/// A picture on the stage.
#[derive(Clone, Copy)]
struct Standing {
    /// Since when, in the film.
    at: Duration,
    /// Since when, on the tape.
    tape_at: Duration,
    state: State,
}

impl<'a> Film<'a> {
    fn begin(
        tape: &'a TapeHeader,
        (width, height): (u16, u16),
        out: &'a mut dyn Write,
    ) -> Result<Self, ExportError> {
        let stage = Stage::new(width, height);
        let side = |pixels: usize| {
            u16::try_from(pixels).map_err(|_| ExportError::FilmTooLarge { width, height })
        };
        let (columns, rows) = (side(stage.size().0)?, side(stage.size().1)?);
        let since_1970 = tape.started_at.timestamp().try_into().unwrap_or(0);
        Ok(Self {
            tape,
            stage,
            encoder: Encoder::new(columns, rows)?,
            container: Container::begin(out)?,
            shape: Shape {
                width: columns,
                height: rows,
                recorded: Duration::from_secs(since_1970),
            },
            standing: None,
        })
    }

    /// Puts the next picture on the stage, and films the one before.
    fn show(&mut self, shown: &Shown<'_>) -> Result<(), ExportError> {
        let mut at = shown.at;
        if let Some(before) = self.standing {
            if shown.at.saturating_sub(before.at) < SHORTEST {
                at = before.at;
            } else {
                self.film(before, shown.at, shown.tape_at)?;
            }
        }
        self.stage.put(shown.canvas, shown.changed);
        self.standing = Some(Standing {
            at,
            tape_at: shown.tape_at,
            state: state(shown.canvas),
        });
        Ok(())
    }

    /// Films what is on the stage until `until`, which is `tape_until` on the tape.
    fn film(
        &mut self,
        shown: Standing,
        until: Duration,
        tape_until: Duration,
    ) -> Result<(), ExportError> {
        let lasts = until.saturating_sub(shown.at);
        let left_out = tape_until.saturating_sub(shown.tape_at);
        let left_out = left_out.saturating_sub(lasts);
        let mut passed = Duration::ZERO;
        while passed.is_zero() || passed + SHORTEST <= lasts {
            let tape_at = shown.tape_at.saturating_add(passed);
            let caption = Caption::of(self.tape, tape_at, shown.state, left_out);
            self.stage.write(caption);
            let picture = self.encoder.encode(&self.stage.planes())?;
            self.container.add(shown.at + passed, &picture)?;
            passed += TICK;
        }
        Ok(())
    }

    /// Films the last picture, and ends the film.
    fn finish(mut self, length: Duration, tape_length: Duration) -> Result<(), ExportError> {
        let last = self.standing.ok_or(ExportError::NoPictures)?;
        // Seen for a moment also if the session ended with it.
        let end = length.max(last.at + TICK);
        self.film(last, end, tape_length)?;
        let sets = self.encoder.sets().ok_or(ExportError::NoPictures)?;
        self.container.finish(end, &self.shape, sets)
    }
}

fn state(canvas: &Canvas) -> State {
    State {
        covered: canvas.covered,
        faults: canvas.faults,
    }
}

#[cfg(test)]
mod tests;
