//! Why a track could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use crate::TapeError;

/// What went wrong with a track. None of it touches the tape: a track is made again from it.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// The tape it is made from.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The system refused.
    #[error("cannot {doing} the picture track {path}: {source}")]
    Io {
        /// `create`, `write`, `open`, `read`, `remove`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no track, or its head is damaged.
    #[error("{path} is not a picture track: delete it, it is made again from its tape")]
    NotATrack {
        /// Which file.
        path: PathBuf,
    },
    /// The track was made from another tape.
    #[error("{path} belongs to another tape: delete it, it is made again from its own")]
    OtherTape {
        /// Which file.
        path: PathBuf,
    },
    /// An item in the middle does not hold together.
    #[error("{path} is damaged at byte {offset}: delete it, it is made again from its tape")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Where the bad item begins.
        offset: u64,
    },
    /// A picture cannot be turned into PNG or back.
    #[error("a picture cannot be turned into PNG or back: {0}")]
    Png(String),
    /// The tape is not of a desktop.
    #[error("the tape holds a terminal (SSH) and no desktop: export it as asciicast or text")]
    NotADesktop,
    /// The tape shows nothing at that time.
    #[error("the tape shows no picture at that time: choose a later one")]
    NoPicture,
}

impl TrackError {
    /// With the place and what was tried.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
