//! Where a PDU ends: TPKT (RFC 1006 section 6) or fast-path (MS-RDPBCGR 2.2.8.1.2, 2.2.9.1.2).

use super::{Malformed, u16_be};

/// The longest PDU there can be: TPKT counts with 16 bits, fast-path with 15.
pub const LONGEST: usize = 0xffff;
/// TPKT and X.224 data header: nothing shorter carries anything.
const TPKT_HEADER: usize = 7;

/// How a PDU is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fast-path input or output.
    FastPath,
    /// X.224 in TPKT.
    Tpkt,
}

/// The next PDU of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How it is framed.
    pub kind: Kind,
    /// Bytes of it, header included; never 0.
    pub len: usize,
}

/// The PDU that begins with `bytes`; `None` if there are too few to say.
///
/// # Errors
/// For a length that cannot be.
pub fn next(bytes: &[u8]) -> Result<Option<Frame>, Malformed> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    // The two low bits are fast-path's action; TPKT's version is 3.
    match first & 0b11 {
        0 => fast_path(bytes),
        3 if *first == 3 => tpkt(bytes),
        _ => Err(Malformed("a PDU is neither TPKT nor fast-path")),
    }
}

fn tpkt(bytes: &[u8]) -> Result<Option<Frame>, Malformed> {
    let Some(len) = u16_be(bytes, 2).map(usize::from) else {
        return Ok(None);
    };
    if len < TPKT_HEADER {
        return Err(Malformed("a TPKT is shorter than its header"));
    }
    Ok(Some(Frame {
        kind: Kind::Tpkt,
        len,
    }))
}

fn fast_path(bytes: &[u8]) -> Result<Option<Frame>, Malformed> {
    let (header, len) = match (bytes.get(1), bytes.get(2)) {
        (Some(&short), _) if short & 0x80 == 0 => (2, usize::from(short)),
        (Some(&high), Some(&low)) => (3, usize::from(high & 0x7f) << 8 | usize::from(low)),
        (Some(_) | None, _) => return Ok(None),
    };
    if len <= header {
        return Err(Malformed("a fast-path PDU is shorter than its header"));
    }
    Ok(Some(Frame {
        kind: Kind::FastPath,
        len,
    }))
}

/// The whole PDUs at the beginning of `bytes`, each with its place.
///
/// # Errors
/// As [`next`].
pub fn whole(bytes: &[u8]) -> impl Iterator<Item = Result<(usize, Frame), Malformed>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let frame = match next(bytes.get(at..)?) {
            Ok(frame) => frame?,
            Err(error) => {
                at = bytes.len();
                return Some(Err(error));
            }
        };
        let start = at;
        at = start
            .checked_add(frame.len)
            .filter(|end| *end <= bytes.len())?;
        Some(Ok((start, frame)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_are_told_apart() {
        let tpkt = |len| {
            Ok(Some(Frame {
                kind: Kind::Tpkt,
                len,
            }))
        };
        let fast = |len| {
            Ok(Some(Frame {
                kind: Kind::FastPath,
                len,
            }))
        };
        for (bytes, expected) in [
            (&[][..], Ok(None)),
            (&[3, 0, 1][..], Ok(None)),
            (&[3, 0, 1, 2][..], tpkt(0x102)),
            (&[0][..], Ok(None)),
            (&[0x44, 9][..], fast(9)),
            (&[0, 0x80][..], Ok(None)),
            (&[0, 0x81, 2][..], fast(0x102)),
            (&[0, 0xff, 0xff][..], fast(0x7fff)),
        ] {
            assert_eq!(next(bytes), expected, "{bytes:?}");
        }
        for bad in [
            &[1, 2, 3][..],
            &[7, 0, 0, 9],
            &[3, 0, 0, 6],
            &[0, 2],
            &[0, 0x80, 3],
        ] {
            assert!(next(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_whole_ones_are_given() {
        let bytes = [0, 3, 1, 3, 0, 0, 8, 2, 0xf0, 0x80, 7, 0, 4, 1];
        let found: Vec<_> = whole(&bytes).map(|one| one.unwrap().0).collect();
        assert_eq!(found, [0, 3]);
        assert_eq!(
            whole(&[0, 3, 1, 1]).count(),
            2,
            "and the mistake behind them"
        );
    }
}
