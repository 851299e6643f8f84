//! PDUs of redirected devices (MS-RDPEFS 2.2), as far as they have to be read.

use super::super::{Malformed, u16_le, u32_le};
use crate::fact::Outcome;
use crate::path::Name;

/// Component and PacketId (2.2.1.1), the second one in the upper half.
pub mod kind {
    pub const SERVER_ANNOUNCE: u32 = 0x496e_4472;
    pub const CLIENT_ID: u32 = 0x4343_4472;
    pub const CLIENT_NAME: u32 = 0x434e_4472;
    pub const SERVER_CAPABILITIES: u32 = 0x5350_4472;
    pub const CLIENT_CAPABILITIES: u32 = 0x4350_4472;
    pub const USER_LOGGED_ON: u32 = 0x554c_4472;
    pub const DEVICE_LIST: u32 = 0x4441_4472;
    pub const DEVICE_REPLY: u32 = 0x6472_4472;
    pub const DEVICES_REMOVED: u32 = 0x444d_4472;
    pub const REQUEST: u32 = 0x4952_4472;
    pub const COMPLETION: u32 = 0x4943_4472;
    /// Settings of a printer to be kept, and its way of printing (MS-RDPEPC 2.2.2).
    pub const PRINTER_CACHE: u32 = 0x5043_5052;
    pub const PRINTER_XPS: u32 = 0x5543_5052;
}

/// MajorFunction (2.2.1.4).
pub mod major {
    pub const CREATE: u32 = 0;
    pub const CLOSE: u32 = 2;
    pub const READ: u32 = 3;
    pub const WRITE: u32 = 4;
    pub const QUERY_INFORMATION: u32 = 5;
    pub const SET_INFORMATION: u32 = 6;
    pub const SET_VOLUME_INFORMATION: u32 = 0x0b;
    pub const DIRECTORY_CONTROL: u32 = 0x0c;
    pub const DEVICE_CONTROL: u32 = 0x0e;
}

/// Answers (MS-ERREF 2.3.1).
pub mod status {
    pub const END_OF_FILE: u32 = 0xc000_0011;
    pub const UNSUCCESSFUL: u32 = 0xc000_0001;
    pub const INVALID_HANDLE: u32 = 0xc000_0008;
    pub const ACCESS_DENIED: u32 = 0xc000_0022;
    pub const NOT_SUPPORTED: u32 = 0xc000_00bb;
    pub const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
    pub const TOO_MANY_OPENED_FILES: u32 = 0xc000_011f;
}

/// Bytes of DR_DEVICE_IOREQUEST before what its function adds.
pub const REQUEST: usize = 24;
/// Where the data of a write begin: behind length, offset and padding.
pub const WRITE_DATA: usize = REQUEST + 32;
/// Bytes of DR_DEVICE_IOCOMPLETION before what its function adds.
pub const COMPLETION: usize = 16;
/// Where the data of a read begin: behind their length.
pub const READ_DATA: usize = COMPLETION + 4;
/// Bytes before an entry's own data: type, id, name and length (2.2.1.3).
const ENTRY: usize = 20;
/// The longest unused rest that a PDU may have.
pub const PADDING: usize = 8;

/// A PDU is shorter than its fields.
pub const SHORT: Malformed = Malformed("a PDU about devices is cut off");

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A drive, or a folder shown as one.
    Drive,
    /// A printer.
    Printer,
    /// Readers of smart cards.
    SmartCard,
    /// A serial or a parallel port, or what nobody knows.
    Port,
}

impl DeviceKind {
    /// Its name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drive => "drive",
            Self::Printer => "printer",
            Self::SmartCard => "smart card",
            Self::Port => "port",
        }
    }

    fn of(kind: u32) -> Self {
        match kind {
            0x04 => Self::Printer,
            0x08 => Self::Drive,
            0x20 => Self::SmartCard,
            _ => Self::Port,
        }
    }
}

/// Component and packet id of a PDU.
pub fn kind(pdu: &[u8]) -> Result<u32, Malformed> {
    u32_le(pdu, 0).ok_or(SHORT)
}

/// An announced device.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: DeviceKind,
    /// What requests refer to.
    pub id: u32,
    /// How it is called, at most 8 bytes.
    pub name: Name,
    /// All of the entry.
    pub bytes: &'a [u8],
}

/// The devices that a client announces (2.2.2.9).
pub fn device_list(pdu: &[u8]) -> Result<Vec<Entry<'_>>, Malformed> {
    let count = u32_le(pdu, 4).ok_or(SHORT)?;
    let mut rest = pdu.get(8..).unwrap_or_default();
    let mut entries = Vec::new();
    for _ in 0..count {
        let len = u32_le(rest, 16).and_then(|len| usize::try_from(len).ok());
        let len = len.and_then(|len| len.checked_add(ENTRY)).ok_or(SHORT)?;
        let (bytes, behind) = rest.split_at_checked(len).ok_or(SHORT)?;
        let name = bytes.get(8..16).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0);
        let name = name.get(..end.unwrap_or(8)).unwrap_or_default();
        entries.push(Entry {
            kind: DeviceKind::of(u32_le(bytes, 0).ok_or(SHORT)?),
            id: u32_le(bytes, 4).ok_or(SHORT)?,
            name: Name::new(name).unwrap_or_else(|_| Name::empty()),
            bytes,
        });
        rest = behind;
    }
    Ok(entries)
}

/// An announcement of these only.
pub fn announce<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut count, mut bytes) = (0_u32, Vec::new());
    for entry in entries {
        count += 1;
        bytes.extend_from_slice(entry);
    }
    let mut pdu = kind::DEVICE_LIST.to_le_bytes().to_vec();
    pdu.extend_from_slice(&count.to_le_bytes());
    pdu.extend(bytes);
    pdu
}

/// The devices that a client takes away (2.2.3.2).
pub fn removed(pdu: &[u8]) -> Result<Vec<u32>, Malformed> {
    let count = u32_le(pdu, 4).and_then(|count| usize::try_from(count).ok());
    let ids = pdu.get(8..).unwrap_or_default().chunks_exact(4);
    let count = count.filter(|count| *count <= ids.len()).ok_or(SHORT)?;
    Ok(ids.take(count).filter_map(|id| u32_le(id, 0)).collect())
}

/// The same for these only.
pub fn remove(ids: &[u32]) -> Vec<u8> {
    let mut pdu = kind::DEVICES_REMOVED.to_le_bytes().to_vec();
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    pdu.extend_from_slice(&count.to_le_bytes());
    pdu.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    pdu
}

/// Names one request: which device, and the id that its answer refers to.
pub type Id = (u32, u32);

/// The fields that every answer has (2.2.1.5).
pub fn completion(head: &[u8]) -> Result<(Id, u32), Malformed> {
    let number = |at| u32_le(head, at).ok_or(SHORT);
    Ok(((number(4)?, number(8)?), number(12)?))
}

/// An answer that something failed. Its fields are those of any function: none of them is set.
pub fn failure((device, id): Id, status: u32) -> Vec<u8> {
    let mut pdu = kind::COMPLETION.to_le_bytes().to_vec();
    for number in [device, id, status] {
        pdu.extend_from_slice(&number.to_le_bytes());
    }
    pdu.extend_from_slice(&[0; 5]);
    pdu
}

/// Did it work?
pub fn is_success(status: u32) -> bool {
    status & 0x8000_0000 == 0
}

/// Is nothing of that name there?
pub fn is_missing(status: u32) -> bool {
    matches!(status, 0xc000_0034 | 0xc000_000f | 0xc000_003a)
}

/// How an operation ended, in words.
pub fn outcome(status: u32) -> Outcome {
    if is_success(status) {
        return Outcome::Done;
    }
    let words = match status {
        status::UNSUCCESSFUL => "failure".to_owned(),
        status::ACCESS_DENIED => "permission denied".to_owned(),
        0xc000_0034 | 0xc000_000f | 0xc000_003a => "no such file".to_owned(),
        0xc000_0035 => "there is one of that name".to_owned(),
        0xc000_0043 => "in use".to_owned(),
        0xc000_007f => "no space is left".to_owned(),
        0xc000_0101 => "the folder is not empty".to_owned(),
        0xc000_0120 => "cancelled".to_owned(),
        other => format!("status {other:#010x}"),
    };
    Outcome::Said(Name::new(words.as_bytes()).unwrap_or_else(|_| Name::empty()))
}

/// A number of 64 bits, little-endian, at `at`.
pub fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    let (low, high) = (u32_le(bytes, at)?, u32_le(bytes, at.checked_add(4)?)?);
    Some(u64::from(high) << 32 | u64::from(low))
}

/// A path below a device, as it is written in events: `drive/folder/file`.
pub fn path(device: &Name, text: &[u8]) -> Result<Name, Malformed> {
    let units = text.chunks_exact(2);
    let units: Vec<u16> = units
        .filter_map(|unit| u16_le(unit, 0))
        .take_while(|unit| *unit != 0)
        .collect();
    let path = String::from_utf16_lossy(&units).replace('\\', "/");
    let path = path.trim_start_matches('/').trim_end_matches('/');
    let joined = match path.is_empty() {
        true => Ok(device.clone()),
        false => device.join(path.as_bytes()),
    };
    joined.map_err(|_| Malformed("a path on a drive is too long"))
}
