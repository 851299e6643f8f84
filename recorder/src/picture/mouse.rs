//! Where the client's mouse is, from its input (MS-RDPBCGR 2.2.8.1.1.3 and 2.2.8.1.2).

use super::wire::{ChannelData, Share};
use super::wire::{le16, next_share};

/// Share Data's type of input.
const INPUT: u8 = 0x1c;
/// `PTRFLAGS_MOVE` and the three buttons: with a wheel event, no position is given (2.2.8.1.1.3.1.1.3).
const AT_A_PLACE: u16 = 0x0800 | 0x1000 | 0x2000 | 0x4000;
/// The two buttons of an extended mouse event (2.2.8.1.1.3.1.1.4).
const EXTENDED_AT_A_PLACE: u16 = 0x0001 | 0x0002;

/// The last position in a fast-path input PDU, if there is one.
pub(super) fn fast_path(header: u8, body: &[u8]) -> Option<(u16, u16)> {
    const ENCRYPTED: u8 = 0xc0;
    if header & ENCRYPTED != 0 {
        return None;
    }
    let (count, mut events) = match header >> 2 & 0xf {
        0 => body.split_first().map(|(count, events)| (*count, events))?,
        count => (count, body),
    };
    let mut last = None;
    for _ in 0..count {
        let Some((event, rest)) = events.split_first() else {
            break;
        };
        let length = match event >> 5 {
            // A key; a mouse, an extended and a relative one; toggles; a character; a time stamp.
            0 => 1,
            1 | 2 | 5 => 6,
            3 => 0,
            4 => 2,
            6 => 4,
            _ => break,
        };
        let Some((content, rest)) = rest.split_at_checked(length) else {
            break;
        };
        last = match event >> 5 {
            1 => position(content, AT_A_PLACE),
            2 => position(content, EXTENDED_AT_A_PLACE),
            _ => None,
        }
        .or(last);
        events = rest;
    }
    last
}

/// The last position in slow-path input on the I/O channel, if there is one.
pub(super) fn slow_path(data: ChannelData<'_>) -> Option<(u16, u16)> {
    let mut rest = data.data;
    let mut last = None;
    while let Some((share, after)) = next_share(rest) {
        if let Share::Data {
            kind: INPUT,
            compressed: false,
            body,
        } = share
        {
            last = events(body).or(last);
        }
        rest = after;
    }
    last
}

fn events(body: &[u8]) -> Option<(u16, u16)> {
    const MOUSE: u16 = 0x8001;
    const EXTENDED: u16 = 0x8002;
    let count = usize::from(le16(body, 0)?);
    let events = body.get(4..)?.chunks_exact(12).take(count);
    events
        .filter_map(|event| match le16(event, 4)? {
            MOUSE => position(&event[6..], AT_A_PLACE),
            EXTENDED => position(&event[6..], EXTENDED_AT_A_PLACE),
            _ => None,
        })
        .next_back()
}

fn position(event: &[u8], at_a_place: u16) -> Option<(u16, u16)> {
    let placed = le16(event, 0)? & at_a_place != 0;
    placed.then_some((le16(event, 2)?, le16(event, 4)?))
}
