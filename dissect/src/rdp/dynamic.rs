//! Dynamic channels (MS-RDPEDYC), as far as to say which may be opened.

use super::{Malformed, u32_le};

/// The header of a chunk in a static channel: total length and flags (MS-RDPBCGR 2.2.6.1.1).
pub const CHUNK_HEADER: usize = 8;
/// CHANNEL_FLAG_FIRST, and with it CHANNEL_FLAG_LAST.
const FIRST: u32 = 1;
const WHOLE: u32 = 3;
/// Cmd of a Create Request and its answer, in the high four bits.
const CREATE: u8 = 1;
/// No listener of that name: what a client says that does not know the channel (STATUS_NOT_FOUND as Windows sends it).
const NO_LISTENER: u32 = 0xc000_0001;

/// A server wants to open a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its name.
    pub name: String,
    /// What refuses it: a chunk for the static channel.
    pub refusal: Vec<u8>,
}

/// Does a chunk from the server ask for a dynamic channel?
///
/// # Errors
/// If it does and cannot be read.
pub fn create(chunk: &[u8]) -> Result<Option<Create>, Malformed> {
    const SHORT: Malformed = Malformed("a dynamic channel's request is cut off");
    let Some((header, pdu)) = chunk.split_at_checked(CHUNK_HEADER) else {
        return Err(SHORT);
    };
    let flags = u32_le(header, 4).ok_or(SHORT)?;
    let first = *pdu.first().ok_or(SHORT)?;
    // What goes on behind a first chunk may look like anything.
    if flags & FIRST == 0 || first >> 4 != CREATE {
        return Ok(None);
    }
    if flags & WHOLE != WHOLE {
        return Err(Malformed("a dynamic channel's request in pieces"));
    }
    let id_len = match first & 3 {
        0 => 1,
        1 => 2,
        _ => 4,
    };
    let id = pdu.get(1..=id_len).ok_or(SHORT)?;
    let name = pdu.get(1 + id_len..).ok_or(SHORT)?;
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    let name = String::from_utf8_lossy(&name[..end]).into_owned();
    let mut answer = vec![CREATE << 4 | (first & 3)];
    answer.extend_from_slice(id);
    answer.extend_from_slice(&NO_LISTENER.to_le_bytes());
    let len = u32::try_from(answer.len()).unwrap_or_default();
    let mut refusal = len.to_le_bytes().to_vec();
    refusal.extend_from_slice(&WHOLE.to_le_bytes());
    refusal.extend(answer);
    Ok(Some(Create { name, refusal }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_its_name_and_can_be_refused() {
        let mut chunk = vec![0, 0, 0, 0, 3, 0, 0, 0, 0x10, 7];
        chunk.extend_from_slice(b"ECHO\0");
        let found = create(&chunk).unwrap().unwrap();
        assert_eq!(found.name, "ECHO");
        assert_eq!(
            found.refusal,
            [6, 0, 0, 0, 3, 0, 0, 0, 0x10, 7, 1, 0, 0, 0xc0]
        );
        chunk[4] = 2;
        assert_eq!(create(&chunk), Ok(None), "the end of something longer");
        chunk[4] = 1;
        assert!(create(&chunk).is_err(), "the beginning of something longer");
        chunk[4] = 0x13;
        chunk[8] = 0x30;
        assert_eq!(create(&chunk), Ok(None));
        assert!(create(&chunk[..8]).is_err());
    }
}
