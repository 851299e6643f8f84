//! How far a track is, beside its tape.

use std::path::Path;

use super::{PictureReader, TrackError, path_of};
use crate::frames::Frames;

/// How far the track of a tape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All of a finished tape is on it.
    Whole,
    /// The tape is finished, and its track is not, or is not there: it can be made again ([`rebuild`](super::rebuild)).
    Unfinished,
    /// The tape goes on, and its track with it. Somebody may be writing both: they are to be left alone.
    Growing,
    /// The tape goes on, and nothing is painted yet.
    NotBegun,
}

/// Looks how far the track of a tape is. Reads little of either.
pub fn standing(tape: &Path) -> Result<Standing, TrackError> {
    let frames = Frames::open(tape)?;
    let track = PictureReader::open(&path_of(tape), frames.header());
    // Whatever is wrong with a track: it is made again.
    let end = track.and_then(|track| track.closed());
    Ok(match (end, frames.ends_finished()?) {
        (Ok(Some(_)), _) => Standing::Whole,
        (Ok(None) | Err(_), true) => Standing::Unfinished,
        (Ok(None), false) => Standing::Growing,
        (Err(_), false) => Standing::NotBegun,
    })
}
