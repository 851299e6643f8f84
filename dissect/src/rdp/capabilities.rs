//! What client and server say they can do (MS-RDPBCGR 2.2.1.13, 2.2.7), and what the gateway lets stand of it.
//!
//! Sets are rewritten one by one as they lie there: what is not known passes as it is, and nothing is encoded anew,
//! because a set that the decoder does not know must neither fail nor change.

use super::{Malformed, u16_le, u32_le};

/// Types of capability sets.
const BITMAP: u16 = 0x02;
const ORDER: u16 = 0x03;
const BITMAP_CACHE: u16 = 0x04;
const COLOR_CACHE: u16 = 0x0a;
const INPUT: u16 = 0x0d;
const GLYPH_CACHE: u16 = 0x10;
const OFFSCREEN_CACHE: u16 = 0x11;
const BITMAP_CACHE_HOST_SUPPORT: u16 = 0x12;
const BITMAP_CACHE_REV2: u16 = 0x13;
const VIRTUAL_CHANNEL: u16 = 0x14;
const DRAW_NINE_GRID_CACHE: u16 = 0x15;
const DRAW_GDI_PLUS: u16 = 0x16;
const BITMAP_CODECS: u16 = 0x1d;
const FRAME_ACKNOWLEDGE: u16 = 0x1e;

/// Bytes before the fields of a set: its type and its length.
const SET_HEADER: usize = 4;
/// TS_ORDER_CAPABILITYSET, relative to its fields: flags, the 32 bytes of orderSupport, orderSupportExFlags.
const ORDER_FLAGS: usize = 30;
const ORDER_SUPPORT: usize = 32;
const ORDER_EX_FLAGS: usize = 66;
/// orderFlags that say nothing about drawing orders: NEGOTIATEORDERSUPPORT, ZEROBOUNDSDELTASSUPPORT, COLORINDEXSUPPORT.
const ORDER_FLAGS_KEPT: u16 = 0x0002 | 0x0008 | 0x0020;
/// CODEC_GUID_REMOTEFX, as it lies on the wire (MS-RDPBCGR 2.2.7.2.10.1.1).
const REMOTEFX: [u8; 16] = [
    0x12, 0x2f, 0x77, 0x76, 0x72, 0xbd, 0x63, 0x44, 0xaf, 0xb3, 0xb7, 0x3c, 0x9c, 0x6f, 0x78, 0x86,
];
/// Frames that the target may send before it hears of the first.
const FRAMES_AHEAD: u32 = 2;
/// The widest and the highest desktop that is taken, in pixels.
const LARGEST: u16 = 8192;
/// The id that decoders take for RemoteFX, though clients may choose another.
const REMOTEFX_ID: u8 = 3;

/// inputFlags of TS_INPUT_CAPABILITYSET (MS-RDPBCGR 2.2.7.1.6).
const MOUSEX: u16 = 0x0004;
const FAST_PATH: u16 = 0x0008 | 0x0020;
const UNICODE: u16 = 0x0010;

/// Which input a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    /// Fast-path PDUs, as opposed to slow-path ones only?
    pub fast_path: bool,
    /// Characters, as opposed to keys only?
    pub characters: bool,
    /// The fourth and the fifth button of a mouse?
    pub side_buttons: bool,
}

/// A desktop as the server offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Desktop {
    /// The share's id, which all that follows carries.
    pub share: u32,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// Bits a pixel.
    pub depth: u16,
    /// What can be typed and pointed at.
    pub takes: Takes,
    /// The server wants to know of every frame that has arrived.
    pub counts_frames: bool,
}

/// What the fields of a Demand Active or Confirm Active are, up to the sets.
struct Frame {
    share: u32,
    /// Where lengthCombinedCapabilities is.
    combined_at: usize,
    /// Where numberCapabilities is.
    number_at: usize,
    /// Where the sets begin and end.
    sets: std::ops::Range<usize>,
}

const SHORT: Malformed = Malformed("capabilities are cut off");

fn frame(body: &[u8], originator: usize) -> Result<Frame, Malformed> {
    let share = u32_le(body, 0).ok_or(SHORT)?;
    let source = usize::from(u16_le(body, 4 + originator).ok_or(SHORT)?);
    let combined_at = 6 + originator;
    let combined = usize::from(u16_le(body, combined_at).ok_or(SHORT)?);
    let number_at = combined_at + 2 + source;
    let end = number_at + combined;
    if combined < 4 || end > body.len() {
        return Err(SHORT);
    }
    Ok(Frame {
        share,
        combined_at,
        number_at,
        sets: number_at + 4..end,
    })
}

/// What is between the Share Control header and the end of a Demand Active, as the client gets it: nothing in it invites
/// what the recorder could not follow. Nor is it asked to acknowledge frames: a locked client would not, and the target would
/// draw no more, nor the tape have anything. The gateway does.
///
/// # Errors
/// If it is shorter than it says.
pub fn demand_active(body: &[u8]) -> Result<(Vec<u8>, Desktop), Malformed> {
    let frame = frame(body, 0)?;
    let mut desktop = Desktop {
        share: frame.share,
        width: 0,
        height: 0,
        depth: 0,
        takes: Takes::default(),
        counts_frames: false,
    };
    let rewritten = rewrite(body, &frame, |kind, fields, out| {
        match kind {
            BITMAP => {
                desktop.depth = u16_le(fields, 0).unwrap_or_default();
                desktop.width = u16_le(fields, 8).unwrap_or_default();
                desktop.height = u16_le(fields, 10).unwrap_or_default();
                out.extend_from_slice(fields);
            }
            INPUT => {
                let flags = u16_le(fields, 0).unwrap_or_default();
                desktop.takes = Takes {
                    fast_path: flags & FAST_PATH != 0,
                    characters: flags & UNICODE != 0,
                    side_buttons: flags & MOUSEX != 0,
                };
                out.extend_from_slice(fields);
            }
            FRAME_ACKNOWLEDGE => {
                desktop.counts_frames = true;
                return false;
            }
            BITMAP_CACHE_HOST_SUPPORT => return false,
            VIRTUAL_CHANNEL => uncompressed(fields, out),
            // A server's numbers mean nothing: the client chooses them.
            BITMAP_CODECS => return codecs(fields, out, |_| true),
            _ => out.extend_from_slice(fields),
        }
        true
    })?;
    if !(1..=LARGEST).contains(&desktop.width) || !(1..=LARGEST).contains(&desktop.height) {
        return Err(Malformed("a desktop of a size that there is not"));
    }
    Ok((rewritten, desktop))
}

/// What is between the Share Control header and the end of a Confirm Active, as the target gets it: no drawing orders and no
/// caches (they would make a picture depend on what was seen before), no codec that the recorder cannot read. Frames are
/// acknowledged if the target counts them, whatever the client said.
///
/// # Errors
/// If it is shorter than it says.
pub fn confirm_active(body: &[u8], counts_frames: bool) -> Result<Vec<u8>, Malformed> {
    let frame = frame(body, 2)?;
    let end = frame.sets.end;
    let rewritten = rewrite(body, &frame, |kind, fields, out| {
        match kind {
            ORDER => no_orders(fields, out),
            BITMAP_CACHE
            | BITMAP_CACHE_REV2
            | BITMAP_CACHE_HOST_SUPPORT
            | GLYPH_CACHE
            | OFFSCREEN_CACHE
            | DRAW_NINE_GRID_CACHE
            | DRAW_GDI_PLUS
            | COLOR_CACHE
            | FRAME_ACKNOWLEDGE => return false,
            VIRTUAL_CHANNEL => uncompressed(fields, out),
            BITMAP_CODECS => return codecs(fields, out, |id| id == REMOTEFX_ID),
            _ => out.extend_from_slice(fields),
        }
        true
    })?;
    let tail = body.len() - end;
    Ok(match counts_frames {
        true => acknowledges(rewritten, &frame, tail),
        false => rewritten,
    })
}

/// Adds that frames are acknowledged (TS_FRAME_ACKNOWLEDGE_CAPABILITYSET, MS-RDPRFX 2.2.1.3) behind the last set, where
/// `tail` bytes follow.
fn acknowledges(mut body: Vec<u8>, frame: &Frame, tail: usize) -> Vec<u8> {
    let mut set = Vec::new();
    set.extend_from_slice(&FRAME_ACKNOWLEDGE.to_le_bytes());
    set.extend_from_slice(&8u16.to_le_bytes());
    set.extend_from_slice(&FRAMES_AHEAD.to_le_bytes());
    let combined = body.len() - tail - frame.number_at + set.len();
    let number = u16_le(&body, frame.number_at).unwrap_or(u16::MAX);
    // What is too long to say so would be refused anyway.
    if let (Ok(_), Some(number)) = (u16::try_from(combined), number.checked_add(1)) {
        let at = body.len() - tail;
        body.splice(at..at, set);
        put(&mut body, frame.combined_at, combined);
        put(&mut body, frame.number_at, number.into());
    }
    body
}

/// The colour depth that the client confirms, in bits a pixel.
pub fn confirmed_depth(body: &[u8]) -> Option<u16> {
    let frame = frame(body, 2).ok()?;
    let mut depth = None;
    rewrite(body, &frame, |kind, fields, _| {
        if kind == BITMAP {
            depth = u16_le(fields, 0);
        }
        false
    })
    .ok()?;
    depth
}

/// Gives every set's fields to `keep`, which appends what stands in their place, or says that the set goes.
fn rewrite(
    body: &[u8],
    frame: &Frame,
    mut keep: impl FnMut(u16, &[u8], &mut Vec<u8>) -> bool,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(body.get(..frame.sets.start).ok_or(SHORT)?);
    let mut rest = body.get(frame.sets.clone()).ok_or(SHORT)?;
    let mut number: u16 = 0;
    while !rest.is_empty() {
        let kind = u16_le(rest, 0).ok_or(SHORT)?;
        let len = usize::from(u16_le(rest, 2).ok_or(SHORT)?);
        let (set, behind) = rest.split_at_checked(len).ok_or(SHORT)?;
        let fields = set.get(SET_HEADER..).ok_or(SHORT)?;
        let start = out.len();
        out.extend_from_slice(&set[..SET_HEADER]);
        if keep(kind, fields, &mut out) {
            number = number.saturating_add(1);
            let len = out.len() - start;
            put(&mut out, start + 2, len);
        } else {
            out.truncate(start);
        }
        rest = behind;
    }
    let combined = out.len() - frame.number_at;
    put(&mut out, frame.combined_at, combined);
    put(&mut out, frame.number_at, usize::from(number));
    out.extend_from_slice(body.get(frame.sets.end..).ok_or(SHORT)?);
    Ok(out)
}

/// Writes a number that fits, because everything here came from fields of 16 bits and only got shorter.
fn put(out: &mut [u8], at: usize, value: usize) {
    if let Some(place) = out.get_mut(at..at + 2) {
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn no_orders(fields: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(fields);
    let fields = &mut out[start..];
    if let Some(flags) = u16_le(fields, ORDER_FLAGS) {
        fields[ORDER_FLAGS..ORDER_FLAGS + 2]
            .copy_from_slice(&(flags & ORDER_FLAGS_KEPT).to_le_bytes());
    }
    for place in [
        ORDER_SUPPORT..ORDER_SUPPORT + 32,
        ORDER_EX_FLAGS..ORDER_EX_FLAGS + 2,
    ] {
        if let Some(bytes) = fields.get_mut(place) {
            bytes.fill(0);
        }
    }
}

/// VCCAPS_NO_COMPR, whatever was said; the rest stays.
fn uncompressed(fields: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(fields);
    if let Some(flags) = out.get_mut(start..start + 4) {
        flags.fill(0);
    }
}

/// Leaves RemoteFX of the codecs, if its id will do; without any the set goes.
fn codecs(fields: &[u8], out: &mut Vec<u8>, will_do: impl Fn(u8) -> bool) -> bool {
    let mut rest = fields.get(1..).unwrap_or_default();
    while let Some(properties) = u16_le(rest, 17) {
        let len = 19 + usize::from(properties);
        let Some((codec, behind)) = rest.split_at_checked(len) else {
            break;
        };
        if codec[..16] == REMOTEFX && will_do(codec[16]) {
            out.push(1);
            out.extend_from_slice(codec);
            return true;
        }
        rest = behind;
    }
    false
}

#[cfg(test)]
mod tests;
