//! Static channels (MS-RDPBCGR 2.2.6.1, 3.1.5.2): PDUs of any length, in chunks.
//!
//! A [`Chunk`] is what one Send Data PDU carries. A [`Channel`] follows both directions of one channel: by the first bytes
//! of a PDU its protocol decides whether the PDU is kept until it is whole, passes as it comes, or goes nowhere.

mod channel;

pub use channel::{Channel, Course, MOST_FAULTS, Onward, Out, Passing, Protocol, Verdict};

use super::{Malformed, u32_le};

/// Bytes before the data of a chunk: CHANNEL_PDU_HEADER.
const HEADER: usize = 8;
/// CHANNEL_CHUNK_LENGTH: how much data everybody takes in one chunk.
pub const CHUNK: usize = 1600;
/// The longest PDU that is followed, in bytes.
pub const LONGEST: usize = 16 << 20;

/// CHANNEL_FLAG_FIRST.
const FIRST: u32 = 0x01;
/// CHANNEL_FLAG_LAST.
const LAST: u32 = 0x02;
/// CHANNEL_FLAG_SHOW_PROTOCOL: set on all chunks of a channel that was opened so.
const SHOW_PROTOCOL: u32 = 0x10;
/// CHANNEL_PACKET_COMPRESSED. Nobody is told that the gateway takes it.
const COMPRESSED: u32 = 0x0020_0000;

/// A part of a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Bytes of the whole PDU.
    pub total: usize,
    /// It is the first one.
    pub first: bool,
    /// It is the last one.
    pub last: bool,
    /// The channel's headers are for its ends to be seen.
    pub shown: bool,
    /// What it carries.
    pub data: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// If it is shorter than its header, compressed, or part of a PDU beyond [`LONGEST`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        const SHORT: Malformed = Malformed("a chunk is cut off");
        let (header, data) = bytes.split_at_checked(HEADER).ok_or(SHORT)?;
        let total = u32_le(header, 0).ok_or(SHORT)?;
        let flags = u32_le(header, 4).ok_or(SHORT)?;
        if flags & COMPRESSED != 0 {
            return Err(Malformed("a compressed chunk"));
        }
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > LONGEST {
            return Err(Malformed("a PDU of a channel is too long"));
        }
        Ok(Self {
            total,
            first: flags & FIRST != 0,
            last: flags & LAST != 0,
            shown: flags & SHOW_PROTOCOL != 0,
            data,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags =
            flag(self.first, FIRST) | flag(self.last, LAST) | flag(self.shown, SHOW_PROTOCOL);
        let mut bytes = Vec::with_capacity(HEADER + self.data.len());
        bytes.extend_from_slice(&u32::try_from(self.total).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(self.data);
        bytes
    }
}

/// A whole PDU, in chunks.
pub fn chunks(pdu: &[u8], shown: bool) -> Vec<Vec<u8>> {
    let part = Chunk {
        total: pdu.len(),
        first: true,
        last: true,
        shown,
        data: pdu,
    };
    cut(&part)
}

/// A part of a PDU, in chunks that everybody takes.
fn cut(part: &Chunk<'_>) -> Vec<Vec<u8>> {
    let mut parts: Vec<&[u8]> = part.data.chunks(CHUNK).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let last = parts.len() - 1;
    let parts = parts.into_iter().enumerate();
    let chunk = |(n, data)| Chunk {
        first: part.first && n == 0,
        last: part.last && n == last,
        data,
        ..*part
    };
    parts.map(|one| chunk(one).write()).collect()
}

#[cfg(test)]
mod tests;
