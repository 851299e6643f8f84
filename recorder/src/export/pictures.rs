//! Pictures of a desktop's tape: one at a time, or all of them one after the other, as a film is made of them.

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::frames::Frames;
use crate::picture::{Desktop, Rect};
use crate::track::{self, Canvas, Item, PictureReader, TrackError, What};
use crate::{Entry, TapeHeader, TapeReader};

/// What a desktop's tape shows at a time, as PNG, with the pointer. It is taken from the tape's track if that is there
/// and reaches so far; the tape itself is decoded otherwise, which takes as long as it is large.
pub fn picture_at(tape: &Path, at: Duration) -> Result<Vec<u8>, TrackError> {
    let canvas = canvas_at(tape, at)?.with_pointer();
    let image = canvas.image().ok_or(TrackError::NoPicture)?;
    track::png(image, Rect::whole(image.width, image.height))
}

/// What a desktop's tape shows at a time; see [`picture_at`].
pub fn canvas_at(tape: &Path, at: Duration) -> Result<Canvas, TrackError> {
    match from_track(tape, at) {
        Ok(Some(canvas)) => return Ok(canvas),
        Ok(None) => {}
        // Whatever is wrong with the track: the tape is what counts.
        Err(error) => tracing::debug!(%error, "a picture is taken from the tape"),
    }
    from_tape(tape, at)?.ok_or(TrackError::NoPicture)
}

/// `None`: the track may not reach so far.
fn from_track(tape: &Path, at: Duration) -> Result<Option<Canvas>, TrackError> {
    let header = Frames::open(tape)?.header().clone();
    let mut reader = PictureReader::open(&track::path_of(tape), &header)?;
    let shown = reader.canvas_at(at)?;
    Ok(shown.and_then(|(canvas, reached)| reached.then_some(canvas)))
}

fn from_tape(tape: &Path, at: Duration) -> Result<Option<Canvas>, TrackError> {
    let mut reader = TapeReader::open(tape)?;
    let mut desktop: Option<Desktop> = None;
    let mut covered = false;
    while let Some(timed) = reader.next()? {
        if timed.at > at {
            break;
        }
        if let Entry::ChannelOpened { .. } = &timed.entry {
            return Err(TrackError::NotADesktop);
        } else if let Entry::DesktopBegun(begun) = &timed.entry {
            desktop = Some(Desktop::new(begun));
        } else if let Entry::Covered { shown } = timed.entry {
            covered = shown;
        } else if let Some(desktop) = &mut desktop {
            if let Entry::FromTarget { pdus } = &timed.entry {
                desktop.from_target(pdus, timed.at);
            } else if let Entry::FromClient { pdus } | Entry::FromViewer { pdus, .. } = &timed.entry
            {
                desktop.from_client(pdus, timed.at);
            }
        }
    }
    Ok(desktop.and_then(|desktop| Canvas::of(&desktop, covered)))
}

/// A picture of a film.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// When it is to be shown, since the film's start: pauses are shortened.
    pub at: Duration,
    /// When it was to be seen, since the tape's start.
    pub tape_at: Duration,
    /// The picture, without the pointer; see [`Canvas::with_pointer`].
    pub canvas: &'a Canvas,
    /// Which part of the picture changed since the one before; `None`: only what is beside it (the pointer, a cover).
    pub changed: Option<Rect>,
}

/// All pictures of a tape, one after the other: at most ten a second.
pub struct Pictures {
    reader: PictureReader,
    canvas: Canvas,
    ahead: Option<Item>,
    ended: bool,
    idle_limit: Option<Duration>,
    /// The time of the last picture on the tape, and in the film.
    tape_at: Option<Duration>,
    at: Duration,
}

impl Pictures {
    /// Opens the track of a tape, and makes it if it is not there or does not hold all of a finished tape, which takes
    /// as long as the tape is large. Where nothing changes for longer than `idle_limit`, it counts as that long.
    pub fn open(tape: &Path, idle_limit: Option<Duration>) -> Result<Self, TrackError> {
        let frames = Frames::open(tape)?;
        let path = track::path_of(tape);
        let mut there = PictureReader::open(&path, frames.header()).ok();
        if let Some(reader) = &mut there
            && reader.end()?.is_none()
            && frames.ends_finished()?
        {
            there = None;
        }
        let reader = match there {
            // Somebody may be writing the track of a tape that has no end yet: it is left alone.
            Some(reader) => reader,
            None => match track::rebuild(tape, &path) {
                Ok(_) => PictureReader::open(&path, frames.header())?,
                // Evidence may lie where nothing can be written.
                Err(TrackError::Io { .. }) => elsewhere(tape, frames.header())?,
                Err(error) => return Err(error),
            },
        };
        Ok(Self {
            reader,
            canvas: Canvas::default(),
            ahead: None,
            ended: false,
            idle_limit,
            tape_at: None,
            at: Duration::ZERO,
        })
    }

    /// The next picture; `None` behind the last one.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it gives is its own, and is drawn on with the next one"
    )]
    pub fn next(&mut self) -> Result<Option<Shown<'_>>, TrackError> {
        let first = match self.ahead.take() {
            Some(item) => Some(item),
            None => self.reader.next()?,
        };
        let Some(first) = first else {
            return Ok(None);
        };
        let tape_at = first.at;
        self.pass(tape_at);
        if first.what == What::End {
            self.ended = true;
            return Ok(None);
        }
        let mut changed = self.canvas.apply(&first.what)?;
        while let Some(item) = self.reader.next()? {
            if item.at > tape_at || item.what == What::End {
                self.ahead = Some(item);
                break;
            }
            if let Some(part) = self.canvas.apply(&item.what)? {
                changed = Some(changed.map_or(part, |before| before.union(part)));
            }
        }
        Ok(Some(Shown {
            at: self.at,
            tape_at,
            canvas: &self.canvas,
            changed,
        }))
    }

    /// How long the film is up to the last picture given; behind the last one: in all.
    pub fn length(&self) -> Duration {
        self.at
    }

    /// Where on the tape the last picture given is; behind the last one: the tape's end.
    pub fn tape_length(&self) -> Duration {
        self.tape_at.unwrap_or_default()
    }

    /// The most pixels that a row of them has, and the most rows; `None`: there are none. Reads heads only.
    pub fn size(&self) -> Result<Option<(u16, u16)>, TrackError> {
        let index = self.reader.index()?;
        Ok((index.width > 0 && index.height > 0).then_some((index.width, index.height)))
    }

    /// Behind the last picture: fails if the track broke off before the tape's end. To be asked of finished tapes only.
    pub fn require_end(&self) -> Result<(), TrackError> {
        match self.ended {
            true => Ok(()),
            false => Err(self.reader.broken()),
        }
    }

    /// The film begins with the first picture; from there on time passes, but not more than the limit at once.
    fn pass(&mut self, tape_at: Duration) {
        if let Some(before) = self.tape_at {
            let gap = tape_at.saturating_sub(before);
            self.at += self.idle_limit.map_or(gap, |limit| gap.min(limit));
        }
        self.tape_at = Some(tape_at);
    }
}

/// Makes the track of a tape in the folder for temporary files, where it has no name any more when this returns.
fn elsewhere(tape: &Path, header: &TapeHeader) -> Result<PictureReader, TrackError> {
    let name = format!("sallyport-{}", Uuid::new_v4());
    let path = std::env::temp_dir()
        .join(name)
        .with_extension(track::EXTENSION);
    track::rebuild(tape, &path)?;
    let reader = PictureReader::open(&path, header);
    let removed = std::fs::remove_file(&path);
    removed.map_err(TrackError::io("remove", &path))?;
    reader
}

#[cfg(test)]
mod tests;
