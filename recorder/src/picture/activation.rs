//! The capability exchange (MS-RDPBCGR 1.3.1.3). Capability sets are read as type and length: one that nobody knows
//! must not hide those that are needed.

use super::wire::le16;

const BITMAP: u16 = 2;
const BITMAP_CODECS: u16 = 0x1d;
/// `CODEC_GUID_REMOTEFX` (MS-RDPBCGR 2.2.7.2.10.1.1), as it lies on the wire.
const REMOTE_FX: [u8; 16] = [
    0x12, 0x2f, 0x77, 0x76, 0x72, 0xbd, 0x63, 0x44, 0xaf, 0xb3, 0xb7, 0x3c, 0x9c, 0x6f, 0x78, 0x86,
];

/// The desktop's size in a Demand Active (2.2.1.13.1.1), from its bitmap capability set.
pub(super) fn desktop_size(demand_active: &[u8]) -> Option<(u16, u16)> {
    let set = capability_set(demand_active, 4, BITMAP)?;
    Some((le16(set, 8)?, le16(set, 10)?))
}

/// The id that the client gave to RemoteFX in its Confirm Active (2.2.1.13.2.1), if it knows it.
pub(super) fn remote_fx_id(confirm_active: &[u8]) -> Option<u8> {
    // The originator's id stands before the lengths.
    let (count, mut codecs) = capability_set(confirm_active, 6, BITMAP_CODECS)?.split_first()?;
    for _ in 0..*count {
        let guid = codecs.first_chunk::<16>()?;
        let id = *codecs.get(16)?;
        if *guid == REMOTE_FX {
            return Some(id);
        }
        let properties = usize::from(le16(codecs, 17)?);
        codecs = codecs.get(19..)?.get(properties..)?;
    }
    None
}

/// The body of the first set of a type; `lengths` is where the two lengths stand.
fn capability_set(body: &[u8], lengths: usize, wanted: u16) -> Option<&[u8]> {
    let descriptor = usize::from(le16(body, lengths)?);
    let mut sets = body.get(lengths + 4..)?.get(descriptor..)?;
    let count = le16(sets, 0)?;
    sets = sets.get(4..)?;
    for _ in 0..count {
        let length = usize::from(le16(sets, 2)?);
        let (set, rest) = sets.split_at_checked(length)?;
        let content = set.get(4..)?;
        if le16(set, 0)? == wanted {
            return Some(content);
        }
        sets = rest;
    }
    None
}
