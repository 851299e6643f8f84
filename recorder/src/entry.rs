//! What a tape holds: [`Record`] on the way in (borrowed), [`Entry`] on the way out (owned).

use std::time::Duration;

use sallyport_domain::event::Event;

use crate::DesktopBegun;

/// Which of a channel's byte streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// From the client to the target.
    In,
    /// From the target: standard output.
    Out,
    /// From the target: standard error.
    Err,
}

impl Stream {
    /// The name in events and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Err => "err",
        }
    }
}

/// One fact to be recorded. The writer stamps the time.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// Bytes from the target.
    Output {
        /// Which channel.
        channel: u32,
        /// Standard error, as opposed to standard output?
        stderr: bool,
        /// The bytes.
        data: &'a [u8],
    },
    /// Bytes from the client, known not to be secret (a channel without a terminal).
    Input {
        /// Which channel.
        channel: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// So many bytes were typed; their content is withheld until an echo is seen.
    InputMasked {
        /// Which channel.
        channel: u32,
        /// How many.
        bytes: u32,
    },
    /// The oldest `data.len()` withheld bytes of the channel were echoed: these.
    InputRevealed {
        /// Which channel.
        channel: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// The oldest withheld bytes of the channel stay masked for good.
    InputKeptMasked {
        /// Which channel.
        channel: u32,
        /// How many.
        bytes: u32,
    },
    /// A channel got its purpose.
    ChannelOpened {
        /// Which channel.
        channel: u32,
        /// `shell`, `exec COMMAND` or `subsystem NAME`.
        what: &'a str,
        /// Its terminal, if it has one: TERM, columns, rows.
        pty: Option<(&'a str, u16, u16)>,
    },
    /// The terminal got another size.
    Resize {
        /// Which channel.
        channel: u32,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// One side will send nothing more.
    Eof {
        /// Which channel.
        channel: u32,
        /// The client, as opposed to the target?
        from_client: bool,
    },
    /// The remote program ended.
    Exit {
        /// Which channel.
        channel: u32,
        /// Its status, if it exited.
        status: Option<u32>,
        /// The signal's name, if it was killed.
        signal: Option<&'a str>,
    },
    /// The channel is closed.
    ChannelClosed {
        /// Which channel.
        channel: u32,
    },
    /// An event of the session, on the tape's own time line.
    Marker(&'a Event),
    /// Content beyond the recorded amount passes: the running count, written before what it counts. The last one of a
    /// stream holds; before the end it may be ahead by what has arrived and not passed yet.
    Bulk {
        /// Which channel.
        channel: u32,
        /// Which of its streams.
        stream: Stream,
        /// All bytes of the stream so far, the recorded ones included.
        bytes: u64,
    },
    /// The digest of a stream that was not recorded in full.
    BulkDigest {
        /// Which channel.
        channel: u32,
        /// Which of its streams.
        stream: Stream,
        /// All bytes of the stream.
        bytes: u64,
        /// SHA-256 of all of them.
        sha256: [u8; 32],
    },
    /// So many bytes passed without being recorded (`best_effort` only).
    Gap {
        /// How many.
        bytes: u64,
    },
    /// A desktop's connection stands: once, before its first PDU.
    DesktopBegun(&'a DesktopBegun),
    /// PDUs from the target as they went on to the client, in ids of the target's leg; the first is the Demand Active
    /// (MS-RDPBCGR 2.2.1.13.1).
    FromTarget {
        /// One or more whole PDUs, TPKT or fast-path, one behind the other. At most a frame's payload less the head
        /// of a record: split what is more between two PDUs.
        pdus: &'a [u8],
    },
    /// PDUs from the client to the target, in ids of the target's leg. What must not be kept is masked already.
    FromClient {
        /// As in [`Record::FromTarget`].
        pdus: &'a [u8],
    },
    /// PDUs of somebody who has taken control of the desktop, to the target; like those from the client otherwise.
    FromViewer {
        /// Who.
        viewer: &'a str,
        /// As in [`Record::FromTarget`].
        pdus: &'a [u8],
    },
    /// What the client sees from here on.
    Covered {
        /// A cover (a lock page, a notice), as opposed to the target's picture?
        shown: bool,
    },
}

/// One recorded fact, read back: the owned twin of [`Record`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// See [`Record::Output`].
    Output {
        /// Which channel.
        channel: u32,
        /// Standard error, as opposed to standard output?
        stderr: bool,
        /// The bytes.
        data: Vec<u8>,
    },
    /// See [`Record::Input`].
    Input {
        /// Which channel.
        channel: u32,
        /// The bytes.
        data: Vec<u8>,
    },
    /// See [`Record::InputMasked`].
    InputMasked {
        /// Which channel.
        channel: u32,
        /// How many.
        bytes: u32,
    },
    /// See [`Record::InputRevealed`].
    InputRevealed {
        /// Which channel.
        channel: u32,
        /// The bytes.
        data: Vec<u8>,
    },
    /// See [`Record::InputKeptMasked`].
    InputKeptMasked {
        /// Which channel.
        channel: u32,
        /// How many.
        bytes: u32,
    },
    /// See [`Record::ChannelOpened`].
    ChannelOpened {
        /// Which channel.
        channel: u32,
        /// `shell`, `exec COMMAND` or `subsystem NAME`.
        what: String,
        /// TERM, columns, rows.
        pty: Option<(String, u16, u16)>,
    },
    /// See [`Record::Resize`].
    Resize {
        /// Which channel.
        channel: u32,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// See [`Record::Eof`].
    Eof {
        /// Which channel.
        channel: u32,
        /// The client, as opposed to the target?
        from_client: bool,
    },
    /// See [`Record::Exit`].
    Exit {
        /// Which channel.
        channel: u32,
        /// Its status, if it exited.
        status: Option<u32>,
        /// The signal's name, if it was killed.
        signal: Option<String>,
    },
    /// See [`Record::ChannelClosed`].
    ChannelClosed {
        /// Which channel.
        channel: u32,
    },
    /// See [`Record::Marker`].
    Marker(Event),
    /// See [`Record::Bulk`].
    Bulk {
        /// Which channel.
        channel: u32,
        /// Which of its streams.
        stream: Stream,
        /// All bytes of the stream so far.
        bytes: u64,
    },
    /// See [`Record::BulkDigest`].
    BulkDigest {
        /// Which channel.
        channel: u32,
        /// Which of its streams.
        stream: Stream,
        /// All bytes of the stream.
        bytes: u64,
        /// SHA-256 of all of them.
        sha256: [u8; 32],
    },
    /// See [`Record::Gap`].
    Gap {
        /// How many.
        bytes: u64,
    },
    /// See [`Record::DesktopBegun`].
    DesktopBegun(DesktopBegun),
    /// See [`Record::FromTarget`].
    FromTarget {
        /// Whole PDUs.
        pdus: Vec<u8>,
    },
    /// See [`Record::FromClient`].
    FromClient {
        /// Whole PDUs.
        pdus: Vec<u8>,
    },
    /// See [`Record::FromViewer`].
    FromViewer {
        /// Who.
        viewer: String,
        /// Whole PDUs.
        pdus: Vec<u8>,
    },
    /// See [`Record::Covered`].
    Covered {
        /// A cover, as opposed to the target's picture?
        shown: bool,
    },
    /// A record of a kind (or an event) that a later version wrote; kept, not guessed at.
    Unknown {
        /// Which channel; `u32::MAX` for none.
        channel: u32,
        /// Its kind on the tape.
        kind: u8,
        /// Its payload.
        data: Vec<u8>,
    },
}

impl Entry {
    /// The channel it belongs to, if it belongs to one.
    pub fn channel(&self) -> Option<u32> {
        match self {
            Self::Output { channel, .. }
            | Self::Input { channel, .. }
            | Self::InputMasked { channel, .. }
            | Self::InputRevealed { channel, .. }
            | Self::InputKeptMasked { channel, .. }
            | Self::ChannelOpened { channel, .. }
            | Self::Resize { channel, .. }
            | Self::Eof { channel, .. }
            | Self::Exit { channel, .. }
            | Self::ChannelClosed { channel }
            | Self::Bulk { channel, .. }
            | Self::BulkDigest { channel, .. } => Some(*channel),
            Self::Unknown { channel, .. } => (*channel != u32::MAX).then_some(*channel),
            Self::Marker(_)
            | Self::Gap { .. }
            | Self::DesktopBegun(_)
            | Self::FromTarget { .. }
            | Self::FromClient { .. }
            | Self::FromViewer { .. }
            | Self::Covered { .. } => None,
        }
    }
}

/// An entry with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// Since the tape's start, to the microsecond; never goes back.
    pub at: Duration,
    /// What happened.
    pub entry: Entry,
}
