//! Tapes in other forms: asciicast, text, and step by step for a player; a desktop's in pictures and as a film.

mod asciicast;
mod film;
mod lines;
mod pictures;
mod replay;
mod text;
mod typing;
mod utf8;

use std::path::Path;
use std::time::Duration;

pub use asciicast::asciicast;
pub use film::mp4;
pub use pictures::{Pictures, Shown, canvas_at, picture_at};
pub use replay::{Pace, Replay, Step, StepKind};
pub use text::text;

use crate::track::TrackError;
use crate::{Entry, TapeError, TapeReader};

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The tape.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The place written to.
    #[error("cannot write the export: {0}")]
    Write(#[from] std::io::Error),
    /// No terminal, but a desktop.
    #[error(
        "the tape holds a desktop (RDP) and no terminal: export it as a film (mp4), pictures of it (png-at), or what happened as text"
    )]
    Desktop,
    /// Nothing to play.
    #[error("the tape holds no terminal channel{}: export it as text", .channel.map(|n| format!(" {n}")).unwrap_or_default())]
    NoTerminal {
        /// The channel asked for, if one was.
        channel: Option<u32>,
    },
    /// The tape's pictures.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// A desktop that never drew anything.
    #[error("the tape shows no picture: export what happened as text")]
    NoPictures,
    /// More pixels than a film may have.
    #[error(
        "the desktop is too large for a film ({width}x{height} with the strip below): export pictures of it (png-at)"
    )]
    FilmTooLarge {
        /// Pixels in a row.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The film's encoder or container.
    #[error("cannot make a film: {0}; export pictures of the desktop instead (png-at)")]
    Film(String),
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.into())
    }
}

/// A channel with a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Which channel.
    pub channel: u32,
    /// What runs in it: `shell`, `exec COMMAND`.
    pub what: String,
    /// TERM.
    pub term: String,
    /// Columns at its opening.
    pub cols: u16,
    /// Rows at its opening.
    pub rows: u16,
    /// When it was opened, since the tape's start.
    pub opened: Duration,
}

/// All terminal channels of a tape, in the order of their opening. Reads the whole tape.
pub fn terminals(path: &Path) -> Result<Vec<Terminal>, TapeError> {
    Ok(survey(path)?.terminals)
}

/// What is on a tape.
struct Survey {
    terminals: Vec<Terminal>,
    /// The time of the tape's end.
    end: Duration,
    /// Is it of a desktop? Then it was not looked at any further.
    is_desktop: bool,
}

fn survey(path: &Path) -> Result<Survey, TapeError> {
    let mut reader = TapeReader::open(path)?;
    let mut found = Survey {
        terminals: Vec::new(),
        end: Duration::ZERO,
        is_desktop: false,
    };
    while let Some(timed) = reader.next()? {
        found.end = timed.at;
        if let Entry::DesktopBegun(_) = timed.entry {
            found.is_desktop = true;
            return Ok(found);
        }
        if let Entry::ChannelOpened {
            channel,
            what,
            pty: Some((term, cols, rows)),
        } = timed.entry
        {
            found.terminals.push(Terminal {
                channel,
                what,
                term,
                cols,
                rows,
                opened: timed.at,
            });
        }
    }
    let closed = reader
        .closing()
        .map(|c| Duration::from_micros(c.duration_us));
    found.end = found.end.max(closed.unwrap_or_default());
    Ok(found)
}

/// The channel asked for, or the first.
fn choose(found: Survey, channel: Option<u32>) -> Result<Terminal, ExportError> {
    let is_desktop = found.is_desktop;
    found
        .terminals
        .into_iter()
        .find(|terminal| channel.is_none_or(|channel| terminal.channel == channel))
        .ok_or(match is_desktop {
            true => ExportError::Desktop,
            false => ExportError::NoTerminal { channel },
        })
}

#[cfg(test)]
mod tests;
