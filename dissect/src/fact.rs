//! What the readers find out.

use std::fmt;

use crate::path::{Name, TooLong};

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the target.
    Upload,
    /// From the target to the client.
    Download,
}

impl Direction {
    /// Its name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// Which ways are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Files may be written, changed and removed on the target.
    pub upload: bool,
    /// Files may be read from the target.
    pub download: bool,
}

impl Allowed {
    /// Both ways.
    pub const BOTH: Self = Self {
        upload: true,
        download: true,
    };

    /// This way?
    pub fn has(self, direction: Direction) -> bool {
        match direction {
            Direction::Upload => self.upload,
            Direction::Download => self.download,
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// With a status of SFTP other than SSH_FX_OK (draft-ietf-secsh-filexfer-02 section 7).
    Status(u32),
    /// With a message of one of the peers.
    Said(Name),
    /// The channel ended before it did.
    Unfinished,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Done | Self::Status(0) => "ok",
            Self::Status(1) => "end of file",
            Self::Status(2) => "no such file",
            Self::Status(3) => "permission denied",
            Self::Status(4) => "failure",
            Self::Status(5) => "bad message",
            Self::Status(6) => "no connection",
            Self::Status(7) => "connection lost",
            Self::Status(8) => "operation unsupported",
            Self::Status(other) => return write!(f, "status {other}"),
            Self::Said(message) => return write!(f, "{message}"),
            Self::Unfinished => "not finished",
        };
        f.write_str(words)
    }
}

/// What a file was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Reading.
    pub read: bool,
    /// Writing, creating, emptying or appending.
    pub write: bool,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.read, self.write) {
            (_, false) => "read",
            (false, true) => "write",
            (true, true) => "read and write",
        })
    }
}

/// The bytes of one file that went one way while it was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The file on the target.
    pub path: Name,
    /// The name that the sender gave, where it may differ from the path's last part (scp).
    pub name: Option<Name>,
    /// Which way.
    pub direction: Direction,
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// How many bytes passed.
    pub bytes: u64,
    /// Size of the whole file, if it is known.
    pub size: Option<u64>,
    /// SHA-256 of the bytes, by ascending offset; if not `in_order`, of the bytes as they passed
    /// from the point on where they went back.
    pub sha256: [u8; 32],
    /// Did each byte pass once, so that the digest is that of the bytes by ascending offset?
    pub in_order: bool,
    /// Was it the whole file, from 0 to its end, without holes, and did it succeed?
    pub whole: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began, on the clock of the caller.
    pub began: u64,
}

/// What is done to files and folders by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A folder is listed.
    List(Name),
    /// A file or folder is renamed.
    Rename {
        /// From this.
        from: Name,
        /// To this.
        to: Name,
    },
    /// A file is removed.
    Remove(Name),
    /// An empty folder is removed.
    RemoveFolder(Name),
    /// A folder is made.
    MakeFolder(Name),
    /// A link is made.
    Link {
        /// The link.
        path: Name,
        /// What it points at.
        to: Name,
        /// Symbolic, or a second name of the same file?
        symbolic: bool,
    },
    /// A symbolic link is read.
    ReadLink(Name),
    /// Size, mode, owner or times are changed.
    Change {
        /// Of which file.
        path: Name,
        /// What is set, such as `mode 0640, times`.
        change: String,
    },
    /// A file is copied on the target; its bytes do not pass.
    Copy {
        /// From this.
        from: Name,
        /// To this.
        to: Name,
    },
}

impl Act {
    /// The name it is about, and the second one if it has two.
    pub fn names(&self) -> (&Name, Option<&Name>) {
        match self {
            Self::List(path)
            | Self::Remove(path)
            | Self::RemoveFolder(path)
            | Self::MakeFolder(path)
            | Self::ReadLink(path)
            | Self::Change { path, .. } => (path, None),
            Self::Rename { from, to } | Self::Copy { from, to } => (from, Some(to)),
            Self::Link { path, to, .. } => (path, Some(to)),
        }
    }

    /// What it is called, if it changes something on the target.
    pub(crate) fn changes(&self) -> Option<&'static str> {
        match self {
            Self::List(_) | Self::ReadLink(_) => None,
            Self::Rename { .. } => Some("rename"),
            Self::Remove(_) | Self::RemoveFolder(_) => Some("remove"),
            Self::MakeFolder(_) => Some("make folder"),
            Self::Link { .. } => Some("link"),
            Self::Change { .. } => Some("change"),
            Self::Copy { .. } => Some("copy"),
        }
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A file was opened, or not.
    Opened {
        /// Which.
        path: Name,
        /// What for.
        access: Access,
        /// Was it?
        outcome: Outcome,
    },
    /// A file's bytes have passed.
    Transferred(Box<Transfer>),
    /// Something was done to a file or folder by its name, or not.
    Acted {
        /// What.
        act: Act,
        /// Was it?
        outcome: Outcome,
    },
    /// A request was refused by the gateway and has not reached the target.
    Refused {
        /// What it was, such as `open for writing`.
        what: &'static str,
        /// On which file; empty if the request names none.
        path: Name,
        /// Which direction is not allowed.
        lacks: Direction,
    },
    /// Trees were brought in line by rsync. Its streams are in [`Fact::Rest`].
    Synchronised {
        /// Which way; unknown if rsync's own daemon protocol is spoken.
        direction: Option<Direction>,
        /// On the target, as the command line has them.
        paths: Vec<Name>,
    },
    /// The bytes of a stream that are in no file, at its end: requests, answers, names.
    Rest {
        /// Towards the target, or towards the client?
        direction: Direction,
        /// How many.
        bytes: u64,
        /// SHA-256 of them in their order.
        sha256: [u8; 32],
    },
}

/// A peer does not speak the protocol, or exceeds a bound. The channel has to end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// What comes first is not this protocol at all, as when the target runs another command than it
    /// was asked to: the channel may be treated as that of any command.
    #[error("bytes that are not {0}")]
    Foreign(&'static str),
    /// A packet of impossible length.
    #[error("a packet of {0} bytes")]
    PacketLength(u32),
    /// A packet that ends before its fields do.
    #[error("a packet is shorter than its fields")]
    Truncated,
    /// A name that is too long.
    #[error(transparent)]
    Name(#[from] TooLong),
    /// Something that may not come here.
    #[error("{0}")]
    Unexpected(&'static str),
    /// More than may wait or stay open.
    #[error("too many {0}")]
    TooMany(&'static str),
}
