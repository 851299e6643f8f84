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
    /// The count on the tape: never behind `bytes`.
    counted: u64,
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
            counted: 0,
            digest: Sha256::new(),
        }
    }

    /// Which stream it is.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Records `data`, which is about to pass. `behind` more bytes of the stream are here already:
    /// beyond the limit they are counted with it, so that one record goes before many packets.
    pub fn write(&mut self, tape: &Tape, data: &[u8], behind: usize) -> Result<(), RecordingLost> {
        self.digest.update(data);
        let room = usize::try_from(self.limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let (content, bulk) = data.split_at(room.min(data.len()));
        self.bytes += data.len() as u64;
        if bulk.is_empty() {
            return tape.write(&[self.content(content)], data.len());
        }
        if self.bytes <= self.counted {
            return Ok(());
        }
        let count = Record::Bulk {
            channel: self.channel,
            stream: self.stream,
            bytes: self.bytes + behind as u64,
        };
        let unrecorded = data.len() + behind;
        match room {
            0 => tape.write(&[count], unrecorded)?,
            _ => tape.write(&[self.content(content), count], unrecorded)?,
        }
        self.counted = self.bytes + behind as u64;
        Ok(())
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
