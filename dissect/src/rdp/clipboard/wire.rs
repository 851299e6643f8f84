//! PDUs of the clipboard (MS-RDPECLIP 2.2), as far as they have to be read.

use super::super::{Malformed, u16_le, u32_le};

/// msgType (2.2.1).
pub mod kind {
    pub const MONITOR_READY: u16 = 1;
    pub const FORMAT_LIST: u16 = 2;
    pub const FORMAT_LIST_RESPONSE: u16 = 3;
    pub const DATA_REQUEST: u16 = 4;
    pub const DATA_RESPONSE: u16 = 5;
    pub const TEMPORARY_DIRECTORY: u16 = 6;
    pub const CAPABILITIES: u16 = 7;
    pub const CONTENTS_REQUEST: u16 = 8;
    pub const CONTENTS_RESPONSE: u16 = 9;
    pub const LOCK: u16 = 10;
    pub const UNLOCK: u16 = 11;
}

/// CB_RESPONSE_OK.
pub const OK: u16 = 1;
/// CB_RESPONSE_FAIL.
pub const FAIL: u16 = 2;
/// CB_ASCII_NAMES.
pub const ASCII_NAMES: u16 = 4;

/// Bytes before the data of a PDU.
pub const HEADER: usize = 8;
/// What peers append beyond the data: some send four bytes more than they say.
const PADDING: usize = 8;

/// CB_CAPSTYPE_GENERAL.
const GENERAL: u16 = 1;
/// CB_USE_LONG_FORMAT_NAMES.
pub const LONG_NAMES: u32 = 0x02;
/// CB_STREAM_FILECLIP_ENABLED.
const STREAM_FILES: u32 = 0x04;
/// The flags that are known (2.2.2.1.1.1): long names, files and their options, locks, huge files.
const KNOWN_FLAGS: u32 = 0x3e;

/// CLIPRDR_HEADER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// One of [`kind`].
    pub kind: u16,
    /// Flags.
    pub flags: u16,
    /// Bytes of data.
    pub len: usize,
}

const SHORT: Malformed = Malformed("a clipboard PDU is cut off");

/// Reads the header of a PDU of `total` bytes.
pub fn head(bytes: &[u8], total: usize) -> Result<Head, Malformed> {
    let kind = u16_le(bytes, 0).ok_or(SHORT)?;
    let flags = u16_le(bytes, 2).ok_or(SHORT)?;
    let len = u32_le(bytes, 4).ok_or(SHORT)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let behind = total
        .checked_sub(HEADER)
        .and_then(|data| data.checked_sub(len))
        .ok_or(SHORT)?;
    if behind > PADDING {
        return Err(Malformed("a clipboard PDU is longer than it says"));
    }
    Ok(Head { kind, flags, len })
}

/// The data of a whole PDU that [`head`] has accepted.
pub fn data<'a>(pdu: &'a [u8], head: &Head) -> &'a [u8] {
    pdu.get(HEADER..HEADER + head.len).unwrap_or_default()
}

/// A PDU.
pub fn pdu(kind: u16, flags: u16, data: &[u8]) -> Vec<u8> {
    let mut pdu = kind.to_le_bytes().to_vec();
    pdu.extend_from_slice(&flags.to_le_bytes());
    pdu.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    pdu.extend_from_slice(data);
    pdu
}

/// What a side says it can do, as the other side gets it, and its flags: what is not known is gone, and files are if they
/// may go neither way.
pub fn capabilities(data: &[u8], files: bool) -> Result<(Vec<u8>, u32), Malformed> {
    const SET: usize = 12;
    let count = u16_le(data, 0).ok_or(SHORT)?;
    let mut rest = data.get(4..).ok_or(SHORT)?;
    let mut general = None;
    for _ in 0..count {
        let kind = u16_le(rest, 0).ok_or(SHORT)?;
        let len = usize::from(u16_le(rest, 2).ok_or(SHORT)?);
        let (set, behind) = rest.split_at_checked(len).ok_or(SHORT)?;
        if len < 4 {
            return Err(Malformed(
                "a set of clipboard capabilities without a length",
            ));
        }
        if kind == GENERAL && len >= SET {
            let version = u32_le(set, 4).ok_or(SHORT)?;
            let flags = u32_le(set, 8).ok_or(SHORT)?;
            let kept = if files {
                KNOWN_FLAGS
            } else {
                KNOWN_FLAGS & !STREAM_FILES
            };
            general = Some((version, flags & kept));
        }
        rest = behind;
    }
    let mut out = u16::from(general.is_some()).to_le_bytes().to_vec();
    out.extend_from_slice(&[0, 0]);
    let Some((version, flags)) = general else {
        return Ok((pdu(kind::CAPABILITIES, 0, &out), 0));
    };
    out.extend_from_slice(&GENERAL.to_le_bytes());
    out.extend_from_slice(&[12, 0]);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    Ok((pdu(kind::CAPABILITIES, 0, &out), flags))
}

/// A side wants a part of a file, or its size (2.2.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentsRequest {
    /// What the answer will refer to.
    pub stream: u32,
    /// Which file of the list.
    pub index: u32,
    /// Of a list that was locked under this id.
    pub lock: Option<u32>,
    /// What of it.
    pub part: Part,
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its size.
    Size,
    /// So many bytes from there on.
    Range(u64, u32),
}

/// Reads one.
pub fn contents_request(data: &[u8]) -> Result<ContentsRequest, Malformed> {
    let number = |at| u32_le(data, at).ok_or(SHORT);
    let position = u64::from(number(16)?) << 32 | u64::from(number(12)?);
    let part = match number(8)? {
        1 => Part::Size,
        2 => Part::Range(position, number(20)?),
        _ => return Err(Malformed("neither the size nor a part of a file")),
    };
    Ok(ContentsRequest {
        stream: number(0)?,
        index: number(4)?,
        lock: u32_le(data, 24),
        part,
    })
}

/// The one number in a PDU: a format, or the id of a lock.
pub fn number(data: &[u8]) -> Result<u32, Malformed> {
    u32_le(data, 0).ok_or(SHORT)
}
