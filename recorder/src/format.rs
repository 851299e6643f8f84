//! The tape's bytes, version 1. All numbers are little-endian.
//!
//! # File
//!
//! ```text
//! header   magic "SPTAPE\x01\n" [8] | len u32 | JSON [len] | crc32c u32 over all before it
//! frames   frame, frame, …, and on a finished tape one final frame, then nothing
//! ```
//!
//! The JSON is a [`TapeHeader`](crate::TapeHeader). The first chain value is
//! `SHA-256(magic | len | JSON)`.
//!
//! # Frame
//!
//! The unit of one `write(2)`, of checksum and chain, and later of sealing and compression:
//!
//! ```text
//!  0  len     u32   bytes of payload, at most 16 MiB
//!  4  kind    u8    0 data, 1 final, 2 signature*, 3 key*, 4 keyframe*
//!  5  flags   u8    1 sealed*, 2 compressed*
//!  6  zero    u16
//!  8  seq     u64   0, 1, 2, …
//! 16  crc     u32   CRC-32C over bytes 0..16, 20..52 and the payload
//! 20  chain   [32]  SHA-256(previous chain value | bytes 0..16 | payload)
//! 52  payload
//! ```
//!
//! The checksum tells a torn write from a whole one cheaply; the chain ties every frame to all
//! before it, so that nothing can be taken out, put in or exchanged without a new root.
//!
//! A data frame's payload is one or more records. A final frame's payload is a
//! [`Closing`](crate::Closing) as JSON, then a trailer of fixed size, so that a finished tape is
//! known from its last bytes without reading it all:
//!
//! ```text
//! offset u64 of the final frame | first chain value [32] | "SPTEND\x01\n" [8]
//! ```
//!
//! The first chain value covers a random nonce, so that a target cannot print a final frame into
//! a data frame and have it taken for one.
//!
//! # Record
//!
//! ```text
//! time u64 (microseconds since the tape's start, never going back) | channel u32 (u32::MAX: none)
//! | kind u8 | len u32 | payload [len]
//!
//!  1 output          bytes                 9 eof             from_client u8
//!  2 output, stderr  bytes                10 exit            has_status u8, status u32, has_signal u8, name
//!  3 input           bytes                11 channel closed
//!  4 input masked    count u32            12 marker          event as JSON
//!  5 input revealed  bytes                13 bulk            stream u8 (0 in, 1 out, 2 err), bytes u64
//!  6 input kept      count u32            14 bulk digest     stream u8, bytes u64, SHA-256 [32]
//!  7 channel opened  has_pty u8, cols u16, rows u16, n u16, TERM [n], what
//!  8 resize          cols u16, rows u16   15 gap             bytes u64
//!
//! 16 desktop begun   channels as JSON     18 from client     PDUs
//! 17 from target     PDUs                 19 covered         shown u8
//! 20 from viewer     n u16, name [n], PDUs
//! ```
//!
//! Kinds 16 to 20 are a desktop's (RDP), all without a channel. The JSON is a
//! [`DesktopBegun`](crate::DesktopBegun). PDUs are whole ones, TPKT or fast-path, as many as there are, one behind the
//! other, in the MCS ids of the leg to the target. What comes from the client was typed by the session's user, what comes
//! from a viewer by whom its record names.
//!
//! # Places kept free (marked * above)
//!
//! - Sealing: `cipher` in the header names the AEAD; flag 1 marks a sealed frame, its payload is
//!   ciphertext and tag, bytes 0..16 are the associated data, `seq` is the nonce. Checksum and chain
//!   cover the ciphertext, so that a tape is verified without any key. Wrapped keys travel in key
//!   frames.
//! - Signatures: `signer` names the public key; a signature frame holds an Ed25519 signature of the
//!   chain value before it.
//! - Compression: `compression` names it; flag 2 marks a frame whose payload was compressed before
//!   it was sealed.
//! - Keyframes: a painted screen, for seeking in long tapes; a reader may skip them.
//! - Upload: segments are cut at frame boundaries; `seq` and chain join them again.
//!
//! Any cut of a tape decodes to a prefix of what was written: a reader stops at the first frame
//! that is short or does not hold together. Readers skip frames and keep records of unknown kinds.

use sha2::{Digest, Sha256};

use crate::TapeHeader;

/// The version written.
pub const VERSION: u32 = 1;
/// The most bytes a frame's payload may have.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// How a tape's file name ends.
pub const EXTENSION: &str = "tape";

pub(crate) const MAGIC: &[u8; 8] = b"SPTAPE\x01\n";
pub(crate) const END_MAGIC: &[u8; 8] = b"SPTEND\x01\n";
/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEAD: usize = 52;
/// Bytes at the end of the final frame's payload.
pub(crate) const TRAILER: usize = 8 + 32 + 8;
/// No header is longer; a longer one is damage.
const MAX_HEADER: usize = 1 << 20;

/// A value of the chain.
pub(crate) type Chain = [u8; 32];

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Records.
    Data,
    /// The closing and the trailer.
    Final,
    /// Of a later version; skipped.
    Other(u8),
}

impl FrameKind {
    fn byte(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Final => 1,
            Self::Other(byte) => byte,
        }
    }

    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Data,
            1 => Self::Final,
            other => Self::Other(other),
        }
    }
}

/// The fields of a frame's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub len: usize,
    pub kind: FrameKind,
    pub flags: u8,
    pub seq: u64,
    crc: u32,
    pub chain: Chain,
}

/// Fills in the head of the frame in `frame`: `FRAME_HEAD` bytes of room, then the payload.
/// Answers the new chain value.
pub(crate) fn close_frame(frame: &mut [u8], kind: FrameKind, seq: u64, previous: &Chain) -> Chain {
    let (head, payload) = frame.split_at_mut(FRAME_HEAD);
    // The caller keeps payloads below MAX_PAYLOAD, which fits.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    head[0..4].copy_from_slice(&len.to_le_bytes());
    head[4..8].copy_from_slice(&[kind.byte(), 0, 0, 0]);
    head[8..16].copy_from_slice(&seq.to_le_bytes());
    let chain = next_chain(previous, &head[..16], payload);
    head[20..52].copy_from_slice(&chain);
    let crc = checksum(head, payload);
    head[16..20].copy_from_slice(&crc.to_le_bytes());
    chain
}

fn next_chain(previous: &Chain, head: &[u8], payload: &[u8]) -> Chain {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(head);
    hash.update(payload);
    hash.finalize().into()
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&head[..16]);
    let crc = crc32c::crc32c_append(crc, &head[20..FRAME_HEAD]);
    crc32c::crc32c_append(crc, payload)
}

/// Reads a head; says what is wrong if it cannot be one.
pub(crate) fn parse_head(bytes: &[u8; FRAME_HEAD]) -> Result<FrameHead, &'static str> {
    let head = FrameHead {
        len: u32_at(bytes, 0) as usize,
        kind: FrameKind::of(bytes[4]),
        flags: bytes[5],
        seq: u64_at(bytes, 8),
        crc: u32_at(bytes, 16),
        chain: array_at(bytes, 20),
    };
    if head.len > MAX_PAYLOAD {
        return Err("the length is impossible");
    }
    Ok(head)
}

/// Does the frame hold together, and follow on `previous` as number `seq`? Answers its chain value.
pub(crate) fn check_frame(
    bytes: &[u8; FRAME_HEAD],
    payload: &[u8],
    seq: u64,
    previous: &Chain,
) -> Result<Chain, &'static str> {
    let head = parse_head(bytes)?;
    if checksum(bytes, payload) != head.crc {
        return Err("the checksum does not match");
    }
    if head.seq != seq {
        return Err("the frame's number is out of order");
    }
    if next_chain(previous, &bytes[..16], payload) != head.chain {
        return Err("the chain is broken");
    }
    if head.flags != 0 {
        return Err("the frame is sealed or compressed, which this version cannot read");
    }
    Ok(head.chain)
}

/// Are the bytes one final frame, undamaged? Says nothing about the frames before it.
pub(crate) fn is_whole_final(frame: &[u8]) -> bool {
    let Some((head_bytes, payload)) = frame.split_at_checked(FRAME_HEAD) else {
        return false;
    };
    parse_head(&array_at(head_bytes, 0)).is_ok_and(|head| {
        head.kind == FrameKind::Final
            && head.len == payload.len()
            && head.crc == checksum(head_bytes, payload)
    })
}

/// The header's bytes, and the first chain value.
pub(crate) fn encode_header(header: &TapeHeader) -> Result<(Vec<u8>, Chain), serde_json::Error> {
    let json = serde_json::to_vec(header)?;
    let mut bytes = Vec::with_capacity(json.len() + 16);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&json);
    let chain = Sha256::digest(&bytes).into();
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok((bytes, chain))
}

/// What a file's first bytes turned out to be.
pub(crate) enum HeaderParse {
    /// A header: itself, its length in the file, the first chain value.
    Whole(Box<TapeHeader>, usize, Chain),
    /// A header of a version that this program does not know.
    Version(u32),
    /// The file must have at least so many bytes.
    Needs(usize),
    /// No header.
    Bad(&'static str),
}

/// Reads the header from a file's first bytes.
pub(crate) fn parse_header(bytes: &[u8]) -> HeaderParse {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return HeaderParse::Bad("it does not begin like one");
    }
    if bytes.len() < 12 {
        return HeaderParse::Needs(12);
    }
    let len = u32_at(bytes, 8) as usize;
    if len > MAX_HEADER {
        return HeaderParse::Bad("the length of its header is impossible");
    }
    let whole = 12 + len + 4;
    if bytes.len() < whole {
        return HeaderParse::Needs(whole);
    }
    if crc32c::crc32c(&bytes[..12 + len]) != u32_at(bytes, 12 + len) {
        return HeaderParse::Bad("the checksum of its header does not match");
    }
    let json = &bytes[12..12 + len];
    match serde_json::from_slice::<TapeHeader>(json) {
        Ok(header) if header.version > VERSION => HeaderParse::Version(header.version),
        Ok(header) => {
            let chain = Sha256::digest(&bytes[..12 + len]).into();
            HeaderParse::Whole(Box::new(header), whole, chain)
        }
        Err(_) => match serde_json::from_slice::<VersionOnly>(json) {
            Ok(only) if only.version > VERSION => HeaderParse::Version(only.version),
            Ok(_) | Err(_) => HeaderParse::Bad("its header lacks fields"),
        },
    }
}

#[derive(serde::Deserialize)]
struct VersionOnly {
    version: u32,
}

/// The trailer of a final frame that begins at `offset`.
pub(crate) fn trailer(offset: u64, first: &Chain) -> [u8; TRAILER] {
    let mut bytes = [0; TRAILER];
    bytes[..8].copy_from_slice(&offset.to_le_bytes());
    bytes[8..40].copy_from_slice(first);
    bytes[40..].copy_from_slice(END_MAGIC);
    bytes
}

/// Where the final frame begins, if `bytes` are the trailer of the tape with that first chain value.
pub(crate) fn parse_trailer(bytes: &[u8; TRAILER], first: &Chain) -> Option<u64> {
    (bytes[40..] == END_MAGIC[..] && bytes[8..40] == first[..]).then(|| u64_at(bytes, 0))
}

/// Reads a number; 0 where there are too few bytes (callers check lengths first).
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Reads a number; 0 where there are too few bytes (callers check lengths first).
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Reads `N` bytes; zeros where there are too few.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..at + N)
        .and_then(|slice| slice.try_into().ok())
        .unwrap_or([0; N])
}
