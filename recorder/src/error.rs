//! What can go wrong with a tape, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a tape could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The file system has no room left.
    #[error("no space left for the tape {path}: free space or move the tape folder")]
    Full {
        /// Which tape or folder.
        path: PathBuf,
    },
    /// The file system or folder may not be written.
    #[error("the tape {path} may not be written: make its folder writable for this process")]
    NotWritable {
        /// Which tape or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tape of that connection exists already.
    #[error("the tape {path} exists already: every connection needs an id of its own")]
    Exists {
        /// Which tape.
        path: PathBuf,
    },
    /// Any other failure of the system.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which tape or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier failure left the tape in a state in which nothing may be added.
    #[error("the tape {path} failed before ({why}): close the connection")]
    Poisoned {
        /// Which tape.
        path: PathBuf,
        /// What happened then.
        why: String,
    },
    /// More bytes than a frame holds.
    #[error("{bytes} bytes do not fit into one frame: append at most {limit} bytes at a time")]
    TooLarge {
        /// How many were given.
        bytes: usize,
        /// How many fit.
        limit: usize,
    },
    /// Less free space than new recordings need.
    #[error(
        "{free} bytes are free in {path}, new recordings need {need}: free space or lower the limit"
    )]
    LowSpace {
        /// Which folder.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes asked for.
        need: u64,
    },
    /// The file is no tape, or its header is damaged.
    #[error("{path} is not a tape: {why}")]
    NotATape {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The tape was written by a later version.
    #[error("{path} is a tape of format version {version}: use a newer program to read it")]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A frame in the middle does not hold together.
    #[error("{path} is damaged at byte {offset}: {why}")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Where the bad frame begins.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody writes the tape right now.
    #[error("the tape {path} is being written: wait for its connection to end")]
    InUse {
        /// Which tape.
        path: PathBuf,
    },
}

impl TapeError {
    /// Sorts a system error by what the reader of the message can do about it.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                if doing != "read" =>
            {
                Self::NotWritable { path, source }
            }
            _ => Self::Io {
                doing,
                path,
                source,
            },
        }
    }
}
