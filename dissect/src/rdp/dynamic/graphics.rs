//! What a client says about graphics (MS-RDPEGFX 2.2.2): which forms of pictures it takes.
//!
//! Only forms pass that the recorder can draw: H.264 is negotiated away, and so are pictures that the client has kept from
//! other sessions. What the target sends is never touched.

use super::super::{Malformed, u16_le, u32_le};

/// The longest message of a client: a full offer of kept pictures (2.2.2.16) is 64 KiB.
pub const LONGEST: usize = 128 << 10;

/// RDPGFX_HEADER (2.2.1.5): cmdId, flags, pduLength.
const HEADER: usize = 8;
const FRAME_ACKNOWLEDGE: u16 = 0x0d;
const CACHE_IMPORT_OFFER: u16 = 0x10;
const CAPABILITIES: u16 = 0x12;
const FRAME_QUALITY: u16 = 0x16;

/// Versions of capabilities (2.2.3), and what is set and cleared in their flags.
const VERSIONS: [(u32, u32, u32); 10] = [
    (0x0008_0004, SMALL_CACHE, 0),
    (0x0008_0105, SMALL_CACHE, AVC420_ENABLED),
    (0x000a_0002, SMALL_CACHE | AVC_DISABLED, 0),
    (0x000a_0200, SMALL_CACHE | AVC_DISABLED, 0),
    (0x000a_0301, AVC_DISABLED, AVC_THIN_CLIENT),
    (0x000a_0400, SMALL_CACHE | AVC_DISABLED, AVC_THIN_CLIENT),
    (0x000a_0502, SMALL_CACHE | AVC_DISABLED, AVC_THIN_CLIENT),
    (0x000a_0600, SMALL_CACHE | AVC_DISABLED, AVC_THIN_CLIENT),
    (0x000a_0601, SMALL_CACHE | AVC_DISABLED, AVC_THIN_CLIENT),
    (0x000a_0701, SMALL_CACHE | AVC_DISABLED, AVC_THIN_CLIENT),
];
/// 16 MiB of kept pictures instead of 100: the recorder holds as many.
const SMALL_CACHE: u32 = 0x02;
const AVC420_ENABLED: u32 = 0x10;
const AVC_DISABLED: u32 = 0x20;
const AVC_THIN_CLIENT: u32 = 0x40;

/// What goes on of a message; `None` if it does as it is.
///
/// # Errors
/// If it cannot be read.
pub fn from_client(message: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    const SHORT: Malformed = Malformed("a client's message about graphics is cut off");
    let mut onward = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let kind = u16_le(rest, 0).ok_or(SHORT)?;
        let length = u32_le(rest, 4).ok_or(SHORT)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (pdu, behind) = rest.split_at_checked(length).ok_or(SHORT)?;
        let body = pdu.get(HEADER..).ok_or(SHORT)?;
        rest = behind;
        match kind {
            FRAME_ACKNOWLEDGE | FRAME_QUALITY => onward.extend_from_slice(pdu),
            CAPABILITIES => onward.extend(message_of(CAPABILITIES, &capabilities(body)?)),
            CACHE_IMPORT_OFFER => {
                onward.extend(message_of(CACHE_IMPORT_OFFER, &0_u16.to_le_bytes()));
            }
            // There is no more that clients say.
            _ => {}
        }
    }
    Ok((onward != message).then_some(onward))
}

fn message_of(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = kind.to_le_bytes().to_vec();
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&length.to_le_bytes());
    message.extend_from_slice(body);
    message
}

/// RDPGFX_CAPS_ADVERTISE_PDU (2.2.2.18) without versions that are not known, and without H.264 in the others.
fn capabilities(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    const SHORT: Malformed = Malformed("a client's graphics capabilities are cut off");
    let count = u16_le(body, 0).ok_or(SHORT)?;
    let mut rest = body.get(2..).ok_or(SHORT)?;
    let mut kept = Vec::new();
    let mut left: u16 = 0;
    for _ in 0..count {
        let version = u32_le(rest, 0).ok_or(SHORT)?;
        let length = u32_le(rest, 4).ok_or(SHORT)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (data, behind) = rest
            .get(8..)
            .and_then(|data| data.split_at_checked(length))
            .ok_or(SHORT)?;
        rest = behind;
        let known = VERSIONS.iter().find(|(known, ..)| *known == version);
        // Version 10.1 has no flags: it cannot do without H.264.
        let (Some((_, set, clear)), Some(flags)) = (known, u32_le(data, 0)) else {
            continue;
        };
        let flags = (flags | set) & !clear;
        for number in [version, 4, flags] {
            kept.extend_from_slice(&number.to_le_bytes());
        }
        left += 1;
    }
    if left == 0 {
        return Err(Malformed(
            "a client has no graphics capabilities that are known",
        ));
    }
    let mut capabilities = left.to_le_bytes().to_vec();
    capabilities.extend(kept);
    Ok(capabilities)
}
