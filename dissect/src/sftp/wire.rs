//! Packets: their types, their fields, and finding their ends in a stream.

use bytes::Bytes;

use crate::fact::Malformed;
use crate::path::Name;

/// The longest packet. OpenSSH stops at 256 KiB; others carry larger reads and writes.
const MAX_PACKET: u32 = 16 << 20;
/// The longest packet that is kept until it is complete: anything but a WRITE.
const MAX_HELD: u32 = 64 << 10;
/// The longest handle (draft-ietf-secsh-filexfer-02 section 6.2).
pub const MAX_HANDLE: usize = 256;
/// Length and type.
pub const HEADER: usize = 5;

/// The types of packets (section 3).
pub mod kind {
    #![allow(missing_docs)]
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// SSH_FX_EOF.
pub const EOF: u32 = 1;
/// SSH_FX_PERMISSION_DENIED.
pub const PERMISSION_DENIED: u32 = 3;
/// SSH_FX_OP_UNSUPPORTED.
pub const OP_UNSUPPORTED: u32 = 8;

/// Reads the fields of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.0.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.0 = left;
        Ok(taken)
    }

    /// `uint32`
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// `uint64`
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    /// `string`
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u32()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// `string` that is a file name
    pub fn name(&mut self) -> Result<Name, Malformed> {
        Ok(Name::new(self.string()?)?)
    }

    /// `string` that is a handle
    pub fn handle(&mut self) -> Result<&'a [u8], Malformed> {
        let handle = self.string()?;
        match handle.len() <= MAX_HANDLE {
            true => Ok(handle),
            false => Err(Malformed::Unexpected("a handle of more than 256 bytes")),
        }
    }
}

/// The length field, checked.
fn length(bytes: &[u8], most: u32) -> Result<usize, Malformed> {
    match (Fields(bytes)).u32()? {
        0 => Err(Malformed::PacketLength(0)),
        len if len > most => Err(Malformed::PacketLength(len)),
        len => Ok(4 + len as usize),
    }
}

/// The whole length of the packet that begins with `bytes`, which are at least [`HEADER`] long.
pub fn packet_len(bytes: &[u8]) -> Result<usize, Malformed> {
    length(bytes, MAX_PACKET)
}

/// How many bytes of a request have to be seen before it is decided on, as far as `bytes` tell:
/// a WRITE up to its data, others to their end.
pub fn request_head(bytes: &[u8]) -> Result<usize, Malformed> {
    if bytes.len() < HEADER {
        return Ok(HEADER);
    }
    if bytes[4] != kind::WRITE {
        return length(bytes, MAX_HELD);
    }
    let packet = length(bytes, MAX_PACKET)?;
    // id, handle, offset and the data's length follow.
    let fixed = HEADER + 4 + 4;
    let head = match bytes.len() < fixed {
        true => fixed,
        false => fixed + handle_len(&bytes[HEADER + 4..])? + 8 + 4,
    };
    within(head, packet)
}

/// The same for an answer: its fields up to where its bulk begins.
pub fn answer_head(bytes: &[u8]) -> Result<usize, Malformed> {
    if bytes.len() < HEADER {
        return Ok(HEADER);
    }
    let packet = packet_len(bytes)?;
    let (id, word) = (HEADER + 4, HEADER + 8);
    let head = match bytes[4] {
        kind::HANDLE if bytes.len() < word => word,
        kind::HANDLE => word + handle_len(&bytes[id..])?,
        // The size comes first, if the flags say that there is one.
        kind::ATTRS if bytes.len() >= word && bytes[word - 1] & 1 != 0 => word + 8,
        kind::STATUS | kind::DATA | kind::ATTRS => word,
        _ => id,
    };
    within(head, packet)
}

fn handle_len(bytes: &[u8]) -> Result<usize, Malformed> {
    match Fields(bytes).u32()? as usize {
        len if len <= MAX_HANDLE => Ok(len),
        _ => Err(Malformed::Unexpected("a handle of more than 256 bytes")),
    }
}

fn within(head: usize, packet: usize) -> Result<usize, Malformed> {
    match head <= packet {
        true => Ok(head),
        false => Err(Malformed::Truncated),
    }
}

/// A STATUS packet of ours.
pub fn status(id: u32, code: u32, text: &str) -> Vec<u8> {
    let len = 1 + 4 + 4 + 4 + text.len() + 4;
    let mut packet = Vec::with_capacity(4 + len);
    let mut word = |word: u32| packet.extend_from_slice(&word.to_be_bytes());
    word(u32::try_from(len).unwrap_or(u32::MAX));
    packet.push(kind::STATUS);
    for word in [id, code, u32::try_from(text.len()).unwrap_or(u32::MAX)] {
        packet.extend_from_slice(&word.to_be_bytes());
    }
    packet.extend_from_slice(text.as_bytes());
    packet.extend_from_slice(&0_u32.to_be_bytes());
    packet
}

/// Collects the head of a packet over cuts of the stream.
#[derive(Debug, Default)]
pub struct Head {
    held: Vec<u8>,
}

/// A complete head.
pub enum Complete<'a> {
    /// It lies in the chunk, so many bytes of it.
    Here(usize, &'a [u8]),
    /// It began in an earlier chunk; so many bytes of this one belong to it.
    Across(usize, Vec<u8>),
}

impl Head {
    /// Nothing of a packet has come?
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A head that has begun.
    pub fn of(held: Vec<u8>) -> Self {
        Self { held }
    }

    /// What has come of it.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Adds from `data`; `None` when all of it was taken and the head is still not complete.
    pub fn take<'a>(
        &mut self,
        data: &'a [u8],
        wanted: fn(&[u8]) -> Result<usize, Malformed>,
    ) -> Result<Option<Complete<'a>>, Malformed> {
        if self.held.is_empty() {
            let want = wanted(data)?;
            if data.len() >= want {
                return Ok(Some(Complete::Here(want, &data[..want])));
            }
        }
        let mut taken = 0;
        loop {
            let want = wanted(&self.held)?;
            if self.held.len() >= want {
                return Ok(Some(Complete::Across(
                    taken,
                    std::mem::take(&mut self.held),
                )));
            }
            let more = (want - self.held.len()).min(data.len() - taken);
            if more == 0 {
                return Ok(None);
            }
            self.held.extend_from_slice(&data[taken..taken + more]);
            taken += more;
        }
    }
}

/// Which parts of a chunk go on: neighbours stay one piece, nothing is copied.
pub struct Pieces<'a> {
    chunk: &'a Bytes,
    from: usize,
    to: usize,
    out: &'a mut Vec<Bytes>,
}

impl<'a> Pieces<'a> {
    /// Nothing of `chunk` yet.
    pub fn new(chunk: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self {
            chunk,
            from: 0,
            to: 0,
            out,
        }
    }

    /// `len` bytes from `at` go on.
    pub fn pass(&mut self, at: usize, len: usize) {
        if at != self.to {
            self.flush();
            self.from = at;
        }
        self.to = at + len;
    }

    /// Other bytes go between.
    pub fn insert(&mut self, bytes: Bytes) {
        self.flush();
        self.out.push(bytes);
    }

    /// What was passed so far is complete.
    pub fn flush(&mut self) {
        if self.to > self.from {
            self.out.push(self.chunk.slice(self.from..self.to));
        }
        self.from = self.to;
    }
}
