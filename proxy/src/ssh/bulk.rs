//! The streams of channels without a terminal: recorded up to a limit, then counted and digested.
//!
//! Bulk content is not a screen. Beyond the limit the running count is on the tape before the bytes
//! pass, and the SHA-256 of the whole stream at its end.

use sallyport_recorder::{Record, Stream};
use sha2::{Digest, Sha256};

use crate::recording::{RecordingLost, Tape};

/// Content recorded of each stream, in bytes.
const CONTENT_LIMIT: u64 = 16 << 20;

/// One stream of one channel.
pub struct BulkStream {
    channel: u32,
    stream: Stream,
    /// Content recorded of it, in bytes.
    limit: u64,
    bytes: u64,
    digest: Sha256,
}

impl BulkStream {
    /// An empty stream.
    pub fn new(channel: u32, stream: Stream) -> Self {
        Self {
            limit: CONTENT_LIMIT,
            ..Self::counted(channel, stream)
        }
    }

    /// An empty stream whose content is not recorded at all.
    pub fn counted(channel: u32, stream: Stream) -> Self {
        Self {
            channel,
            stream,
            limit: 0,
            bytes: 0,
            digest: Sha256::new(),
        }
    }

    /// Which stream it is.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Records `data`, which is about to pass.
    pub fn write(&mut self, tape: &Tape, data: &[u8]) -> Result<(), RecordingLost> {
        self.digest.update(data);
        let room = usize::try_from(self.limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let (content, bulk) = data.split_at(room.min(data.len()));
        self.bytes += data.len() as u64;
        let content = self.content(content);
        let count = Record::Bulk {
            channel: self.channel,
            stream: self.stream,
            bytes: self.bytes,
        };
        match (room, bulk.is_empty()) {
            (_, true) => tape.write(&[content], data.len()),
            (0, false) => tape.write(&[count], data.len()),
            (_, false) => tape.write(&[content, count], data.len()),
        }
    }

    /// The stream has ended: its size and digest, in hexadecimal, if it was not recorded in full.
    pub fn finish(self, tape: &Tape) -> Result<Option<(u64, String)>, RecordingLost> {
        if self.bytes <= self.limit {
            return Ok(None);
        }
        let sha256: [u8; 32] = self.digest.finalize().into();
        let Self {
            channel,
            stream,
            bytes,
            ..
        } = self;
        tape.write(
            &[Record::BulkDigest {
                channel,
                stream,
                bytes,
                sha256,
            }],
            0,
        )?;
        Ok(Some((
            bytes,
            sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        )))
    }

    fn content<'a>(&self, data: &'a [u8]) -> Record<'a> {
        match self.stream {
            Stream::In => Record::Input {
                channel: self.channel,
                data,
            },
            Stream::Out => Record::Output {
                channel: self.channel,
                stderr: false,
                data,
            },
            Stream::Err => Record::Output {
                channel: self.channel,
                stderr: true,
                data,
            },
        }
    }
}
