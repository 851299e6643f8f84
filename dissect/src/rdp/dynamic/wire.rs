//! PDUs of dynamic channels (MS-RDPEDYC 2.2).

use super::super::static_channel::{CHUNK, Verdict};
use super::super::{Malformed, u16_le, u32_le};

const SHORT: Malformed = Malformed("a PDU of a dynamic channel is cut off");
/// What a client answers that does not know a channel: STATUS_UNSUCCESSFUL, as Windows does.
const NO_LISTENER: u32 = 0xc000_0001;

/// Cmd, the high four bits of the first byte.
pub mod command {
    pub const CREATE: u8 = 1;
    pub const DATA_FIRST: u8 = 2;
    pub const DATA: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const CAPABILITIES: u8 = 5;
    pub const DATA_FIRST_COMPRESSED: u8 = 6;
    pub const DATA_COMPRESSED: u8 = 7;
    pub const SOFT_SYNC_REQUEST: u8 = 8;
    pub const SOFT_SYNC_RESPONSE: u8 = 9;
}

/// The fields that PDUs of channels begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// What it is.
    pub command: u8,
    /// The channel's id.
    pub channel: u32,
    /// What follows the id.
    pub body: &'a [u8],
    /// The bytes before that.
    before: &'a [u8],
}

/// What a PDU is, by its first byte.
///
/// # Errors
/// If there is none.
pub fn command_of(pdu: &[u8]) -> Result<u8, Malformed> {
    Ok(pdu.first().ok_or(SHORT)? >> 4)
}

impl<'a> Head<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// If it is cut off.
    pub fn read(pdu: &'a [u8]) -> Result<Self, Malformed> {
        let first = *pdu.first().ok_or(SHORT)?;
        let size = size_of(first & 3);
        let (before, body) = pdu.split_at_checked(1 + size).ok_or(SHORT)?;
        Ok(Self {
            command: first >> 4,
            channel: number(&before[1..], size)?,
            body,
            before,
        })
    }

    /// Another PDU of the same channel.
    fn with(&self, command: u8, body: &[u8]) -> Vec<u8> {
        let first = self.before.first().map_or(0, |first| first & 3);
        let mut pdu = vec![command << 4 | first];
        pdu.extend_from_slice(self.before.get(1..).unwrap_or_default());
        pdu.extend_from_slice(body);
        pdu
    }
}

/// How many bytes a number takes, by the two bits that tell.
fn size_of(bits: u8) -> usize {
    match bits {
        0 => 1,
        1 => 2,
        _ => 4,
    }
}

fn number(bytes: &[u8], size: usize) -> Result<u32, Malformed> {
    let number = match size {
        1 => bytes.first().copied().map(u32::from),
        2 => u16_le(bytes, 0).map(u32::from),
        _ => u32_le(bytes, 0),
    };
    number.ok_or(SHORT)
}

/// The length of a whole message, and its first part (2.2.3.1).
///
/// # Errors
/// If it is cut off.
pub fn total<'a>(head: &Head<'a>) -> Result<(usize, &'a [u8]), Malformed> {
    let first = head.before.first().copied().unwrap_or_default();
    let size = size_of(first >> 2 & 3);
    let (length, data) = head.body.split_at_checked(size).ok_or(SHORT)?;
    let total = usize::try_from(number(length, size)?).unwrap_or(usize::MAX);
    Ok((total, data))
}

/// Does the answer to a Create Request say that there is no such channel (2.2.2.2)?
///
/// # Errors
/// If it is cut off.
pub fn has_failed(head: &Head<'_>) -> Result<bool, Malformed> {
    let status = u32_le(head.body, 0).ok_or(SHORT)?;
    // An HRESULT: negative is bad.
    Ok(status >> 31 == 1)
}

/// The answer of a client that does not know the channel.
pub fn refusal(head: &Head<'_>) -> Vec<u8> {
    head.with(command::CREATE, &NO_LISTENER.to_le_bytes())
}

/// A whole message in one PDU.
///
/// # Errors
/// If it is too long for one (2.2.3.2).
pub fn data(head: &Head<'_>, message: &[u8]) -> Result<Verdict, Malformed> {
    if message.is_empty() {
        return Ok(Verdict::Drop);
    }
    let pdu = head.with(command::DATA, message);
    match pdu.len() <= CHUNK {
        true => Ok(Verdict::Replace(pdu)),
        false => Err(Malformed("a client says too much about graphics at once")),
    }
}
