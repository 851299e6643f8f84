//! What a target asks of a device (MS-RDPEFS 2.2.1.4, 2.2.3.3, 2.2.3.4).

use super::super::{Malformed, u32_le};
use super::wire::{Id, REQUEST, SHORT, major, u64_le};
use crate::fact::Access;

/// Where the path of a create begins.
const CREATE_PATH: usize = REQUEST + 32;
/// Where the buffer of a set information begins.
const SET_BUFFER: usize = REQUEST + 32;
/// IRP_MN_NOTIFY_CHANGE_DIRECTORY.
const NOTIFY: u32 = 2;

/// DesiredAccess (MS-SMB2 2.2.13.1): reading, executing; GENERIC_READ, GENERIC_EXECUTE, GENERIC_ALL, MAXIMUM_ALLOWED.
const READS: u32 = 0x1 | 0x20 | 0x8000_0000 | 0x2000_0000 | 0x1000_0000 | 0x0200_0000;
/// Writing, appending; GENERIC_WRITE, GENERIC_ALL, MAXIMUM_ALLOWED.
const WRITES: u32 = 0x2 | 0x4 | 0x4000_0000 | 0x1000_0000 | 0x0200_0000;
/// CreateDisposition: FILE_OPEN and FILE_OPEN_IF leave what is there.
const OPEN: u32 = 1;
const OPEN_IF: u32 = 3;
/// CreateOptions: FILE_DIRECTORY_FILE, FILE_DELETE_ON_CLOSE.
const DIRECTORY: u32 = 0x1;
const DELETE_ON_CLOSE: u32 = 0x1000;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// To be read or written; neither, if it is only looked up.
    pub access: Access,
    /// Nothing of what was there is left.
    pub empties: bool,
    /// It is made if it is not there.
    pub creates: bool,
    /// It is a folder.
    pub folder: bool,
    /// It is gone afterwards.
    pub deletes: bool,
}

impl Opening {
    /// Does it change anything by itself?
    pub fn changes(self) -> bool {
        self.creates || self.empties || self.deletes
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function<'a> {
    /// Open a file, or begin to print.
    Create(Opening, &'a [u8]),
    /// Close it.
    Close,
    /// Read so many bytes from an offset on.
    Read(u64, u32),
    /// Write so many bytes from an offset on.
    Write(u64, u32),
    /// Tell the size.
    Size,
    /// Rename it to this path.
    Rename(&'a [u8]),
    /// Have it removed when it is closed, or not.
    Remove(bool),
    /// Set the size.
    Resize(u64),
    /// Set times and attributes.
    Touch,
    /// Change something else.
    Change,
    /// List a folder: its beginning, or what follows.
    List(bool),
    /// Tell when a folder changes.
    Notify,
    /// Whatever its device understands by it.
    Control,
    /// Something that changes nothing.
    Other,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which device, and the id for the answer.
    pub id: Id,
    /// Which open file.
    pub file: u32,
    /// What is asked.
    pub function: Function<'a>,
}

/// Reads a request. Of a write the beginning is enough.
///
/// # Errors
/// If it is cut off.
pub fn read(pdu: &[u8]) -> Result<Request<'_>, Malformed> {
    let number = |at| u32_le(pdu, at).ok_or(SHORT);
    let long = |at| u64_le(pdu, at).ok_or(SHORT);
    let (device, file, id) = (number(4)?, number(8)?, number(12)?);
    let (function, minor) = (number(16)?, number(20)?);
    let function = match function {
        major::CREATE => create(pdu)?,
        major::CLOSE => Function::Close,
        major::READ => Function::Read(long(REQUEST + 4)?, number(REQUEST)?),
        major::WRITE => Function::Write(long(REQUEST + 4)?, number(REQUEST)?),
        // FileStandardInformation.
        major::QUERY_INFORMATION if number(REQUEST)? == 5 => Function::Size,
        major::SET_INFORMATION => set(pdu)?,
        major::SET_VOLUME_INFORMATION => Function::Change,
        major::DIRECTORY_CONTROL if minor == NOTIFY => Function::Notify,
        major::DIRECTORY_CONTROL => {
            let initial = pdu.get(REQUEST + 4).ok_or(SHORT)?;
            Function::List(*initial != 0)
        }
        major::DEVICE_CONTROL => Function::Control,
        _ => Function::Other,
    };
    Ok(Request {
        id: (device, id),
        file,
        function,
    })
}

fn create(pdu: &[u8]) -> Result<Function<'_>, Malformed> {
    let number = |at| u32_le(pdu, REQUEST + at).ok_or(SHORT);
    let (access, disposition, options) = (number(0)?, number(20)?, number(24)?);
    let opening = Opening {
        access: Access {
            read: access & READS != 0,
            write: access & WRITES != 0,
        },
        empties: !matches!(disposition, OPEN | OPEN_IF),
        creates: disposition == OPEN_IF,
        folder: options & DIRECTORY != 0,
        deletes: options & DELETE_ON_CLOSE != 0,
    };
    Ok(Function::Create(
        opening,
        sized(pdu, CREATE_PATH, number(28)?)?,
    ))
}

/// FsInformationClass (MS-FSCC 2.4): FileBasicInformation 4, FileRenameInformation 10, FileDispositionInformation 13,
/// FileEndOfFileInformation 20.
fn set(pdu: &[u8]) -> Result<Function<'_>, Malformed> {
    let class = u32_le(pdu, REQUEST).ok_or(SHORT)?;
    let len = u32_le(pdu, REQUEST + 4).ok_or(SHORT)?;
    Ok(match class {
        4 => Function::Touch,
        10 => {
            // ReplaceIfExists and RootDirectory, a byte each, then the length of the name.
            let len = u32_le(pdu, SET_BUFFER + 2).ok_or(SHORT)?;
            Function::Rename(sized(pdu, SET_BUFFER + 6, len)?)
        }
        // Without a buffer it is to be removed.
        13 => Function::Remove(len == 0 || pdu.get(SET_BUFFER).is_none_or(|byte| *byte != 0)),
        20 => Function::Resize(u64_le(pdu, SET_BUFFER).ok_or(SHORT)?),
        _ => Function::Change,
    })
}

fn sized(pdu: &[u8], at: usize, len: u32) -> Result<&[u8], Malformed> {
    let len = usize::try_from(len).map_err(|_| SHORT)?;
    let end = at.checked_add(len).ok_or(SHORT)?;
    pdu.get(at..end).ok_or(SHORT)
}
