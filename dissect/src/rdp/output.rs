//! Fast-path output (MS-RDPBCGR 2.2.9.1.2), as far as to say where something of the gateway's own may stand between.

use super::{Malformed, u16_le};

/// The compression field says that compressionFlags follow the header of an update.
const COMPRESSED: u8 = 0x80;
/// In the compressionFlags: it is compressed indeed.
const PACKET_COMPRESSED: u8 = 0x20;
/// FASTPATH_FRAGMENT_SINGLE: it is whole.
const SINGLE: u8 = 0x0;
/// FASTPATH_FRAGMENT_FIRST and FASTPATH_FRAGMENT_NEXT: more of the update follows in another PDU.
const FIRST: u8 = 0x2;
const NEXT: u8 = 0x3;

/// An update of a fast-path output PDU.
pub(super) struct Update<'a> {
    /// What it is (updateCode).
    pub code: u8,
    /// Is it whole, or the first fragment of one?
    pub begins: bool,
    /// What is in it; `None` if it is compressed.
    pub data: Option<&'a [u8]>,
}

/// The updates of a fast-path output PDU, as far as they are whole.
pub(super) fn updates(frame: &[u8]) -> impl Iterator<Item = Update<'_>> {
    let start = match frame.get(1) {
        Some(length) if length & 0x80 != 0 => 3,
        Some(_) | None => 2,
    };
    let mut rest = frame.get(start..).unwrap_or_default();
    std::iter::from_fn(move || {
        let header = *rest.first()?;
        let has_flags = header & 0xc0 == COMPRESSED;
        let flags = has_flags.then(|| rest.get(1)).flatten();
        let size_at = 1 + usize::from(has_flags);
        let size = usize::from(u16_le(rest, size_at)?);
        let (data, behind) = rest.get(size_at + 2..)?.split_at_checked(size)?;
        rest = behind;
        let fragmentation = header >> 4 & 0x3;
        let is_compressed = flags.is_some_and(|flags| flags & PACKET_COMPRESSED != 0);
        Some(Update {
            code: header & 0xf,
            begins: fragmentation == SINGLE || fragmentation == FIRST,
            data: (!is_compressed).then_some(data),
        })
    })
}

/// Is there something in this fast-path output PDU that is painted (orders, bitmaps, surface commands), as opposed to
/// pointers and the like? `false` also if it cannot be read.
pub fn draws(frame: &[u8]) -> bool {
    const ORDERS: u8 = 0x0;
    const BITMAP: u8 = 0x1;
    const SURFACE: u8 = 0x4;
    updates(frame).any(|update| matches!(update.code, ORDERS | BITMAP | SURFACE))
}

/// Is an update unfinished at the end of this fast-path output PDU? `open`: was one before it?
///
/// # Errors
/// If an update is longer than the PDU.
pub fn stays_open(frame: &[u8], open: bool) -> Result<bool, Malformed> {
    const SHORT: Malformed = Malformed("fast-path output is cut off");
    let mut at = match frame.get(1).ok_or(SHORT)? & 0x80 {
        0 => 2,
        _ => 3,
    };
    let mut open = open;
    while at < frame.len() {
        let header = frame[at];
        let flags = usize::from(header & 0xc0 == COMPRESSED);
        let size = usize::from(u16_le(frame, at + 1 + flags).ok_or(SHORT)?);
        at = at + 3 + flags + size;
        let fragmentation = header >> 4 & 0x3;
        open = fragmentation == FIRST || fragmentation == NEXT;
    }
    match at == frame.len() {
        true => Ok(open),
        false => Err(SHORT),
    }
}

/// The beginning of a fast-path output PDU up to the end of the update that was open before it, as a PDU of its own; `None`
/// if it does not end there.
///
/// # Errors
/// As [`stays_open`].
pub fn rest_of_update(frame: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    const SHORT: Malformed = Malformed("fast-path output is cut off");
    let long = frame.get(1).ok_or(SHORT)? & 0x80 != 0;
    let start = if long { 3 } else { 2 };
    let mut at = start;
    while let Some(header) = frame.get(at) {
        let flags = usize::from(header & 0xc0 == COMPRESSED);
        let size = usize::from(u16_le(frame, at + 1 + flags).ok_or(SHORT)?);
        at = at + 3 + flags + size;
        let fragmentation = header >> 4 & 0x3;
        if fragmentation != FIRST && fragmentation != NEXT {
            let updates = frame.get(start..at).ok_or(SHORT)?;
            let total = u16::try_from(updates.len() + 3).map_err(|_| SHORT)? | 0x8000;
            let mut pdu = vec![frame[0]];
            pdu.extend_from_slice(&total.to_be_bytes());
            pdu.extend_from_slice(updates);
            return Ok(Some(pdu));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdu(updates: &[(u8, usize)]) -> Vec<u8> {
        let mut frame = vec![0, 0];
        for (fragmentation, size) in updates {
            frame.push(fragmentation << 4 | 1);
            frame.extend_from_slice(&u16::try_from(*size).unwrap().to_le_bytes());
            frame.extend(vec![7; *size]);
        }
        frame[1] = u8::try_from(frame.len()).unwrap();
        frame
    }

    #[test]
    fn an_update_is_open_until_its_last_fragment() {
        for (updates, expected) in [
            (&[(0, 4)][..], false),
            (&[(2, 4)][..], true),
            (&[(3, 4)][..], true),
            (&[(1, 4)][..], false),
            (&[(0, 4), (2, 0)][..], true),
            (&[(1, 4), (0, 4)][..], false),
        ] {
            assert_eq!(
                stays_open(&pdu(updates), false),
                Ok(expected),
                "{updates:?}"
            );
        }
        assert_eq!(stays_open(&[0, 2], true), Ok(true), "nothing in it");
        let mut compressed = vec![0, 7, 0xa1, 0x40, 2, 0, 9];
        compressed.push(9);
        compressed[1] = 8;
        assert_eq!(stays_open(&compressed, false), Ok(true));
    }

    #[test]
    fn pointers_are_not_painted() {
        // Update codes of MS-RDPBCGR 2.2.9.1.2.1.
        for (codes, expected) in [
            (&[0u8][..], true),
            (&[1], true),
            (&[2], false),
            (&[3], false),
            (&[4], true),
            (&[5, 6, 8, 9, 10, 11, 12], false),
            (&[5, 9, 4], true),
            (&[], false),
        ] {
            let mut frame = pdu(&vec![(0, 3); codes.len()]);
            for (number, code) in codes.iter().enumerate() {
                frame[2 + number * 6] = *code;
            }
            assert_eq!(draws(&frame), expected, "{codes:?}");
        }
        // A long length, and a compressed update before a bitmap.
        assert!(!draws(&[0, 0x80, 9, 0x89, 0x40, 2, 0, 7, 7]));
        assert!(draws(&[0, 0x80, 12, 0x89, 0x40, 2, 0, 7, 7, 1, 0, 0]));
        for cut_off in [&[][..], &[0], &[0, 3], &[0, 4, 5, 1]] {
            assert!(!draws(cut_off), "{cut_off:?}");
        }
    }

    #[test]
    fn only_what_was_open_is_finished() {
        let two = pdu(&[(1, 4), (0, 5), (2, 6)]);
        let rest = rest_of_update(&two).unwrap().unwrap();
        assert_eq!(rest[1..3], [0x80, 10]);
        assert_eq!(rest[3..], two[2..9]);
        assert_eq!(stays_open(&rest, true), Ok(false));
        assert_eq!(rest_of_update(&pdu(&[(3, 4)])), Ok(None));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = pdu(&[(0, 9)]);
        for len in 3..whole.len() {
            assert!(stays_open(&whole[..len], false).is_err(), "{len}");
        }
    }
}
