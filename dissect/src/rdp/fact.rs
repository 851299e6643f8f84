//! What is found out about what passes in channels.

use super::Malformed;
use super::devices::DeviceKind;
use super::mcs::Sender;
use crate::fact::Fact;
use crate::path::Name;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelFact {
    /// Something was done to a file, or tried. Seen from the target: what the client gives is an upload.
    File(Fact),
    /// A side has copied something, and the other side hears of it.
    Copied {
        /// Which.
        from: Sender,
        /// In which formats it can be had, the first of them.
        formats: Vec<String>,
        /// Are there files among it?
        files: bool,
    },
    /// What a side had copied was handed over to the other side, all or in part.
    Pasted {
        /// Whose.
        from: Sender,
        /// In which format.
        format: String,
        /// How many bytes passed.
        bytes: u64,
        /// SHA-256 of them.
        sha256: [u8; 32],
        /// All there are?
        whole: bool,
    },
    /// A side has told the other one which files it had copied.
    FilesListed {
        /// Which.
        from: Sender,
        /// The first of them.
        names: Vec<Name>,
        /// How many there are.
        count: u32,
    },
    /// The client has offered a device, and the target hears of it.
    DeviceOffered {
        /// What it is.
        kind: DeviceKind,
        /// How it is called.
        name: Name,
    },
    /// The client has taken it away.
    DeviceRemoved {
        /// What it is.
        kind: DeviceKind,
        /// How it is called.
        name: Name,
    },
    /// Something was sent to a printer of the client.
    Printed {
        /// Which.
        printer: Name,
        /// How many bytes passed.
        bytes: u64,
        /// SHA-256 of them.
        sha256: [u8; 32],
        /// All of it?
        whole: bool,
    },
    /// The client has told its monitors.
    Monitors {
        /// How many.
        count: u32,
        /// Pixels from the left end of the leftmost to the right end of the rightmost.
        width: u32,
        /// The same downwards.
        height: u32,
    },
    /// The target wanted a dynamic channel that nobody may have, and did not get it. Told once for each name.
    NotOpened {
        /// How it is called.
        name: Name,
    },
    /// Something may not pass. Told once for each connection.
    Refused(Lacking),
    /// A PDU could not be read, and went nowhere.
    Dropped(Malformed),
    /// The same, once too often: nothing more passes in the channel.
    Closed(Malformed),
}

/// What no right allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// The clipboard of that side.
    Clipboard(Sender),
    /// Files on the clipboard of that side.
    ClipboardFiles(Sender),
    /// A device of that kind.
    Device(DeviceKind),
}
