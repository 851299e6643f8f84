//! What a user types and points at (MS-RDPBCGR 2.2.8.1.1.3, 2.2.8.1.2): found out whether she does, and taken out of what
//! is recorded.

use super::{Malformed, share, u16_le};

/// The code of a fast-path event, in the high three bits of its first byte.
const SCANCODE: u8 = 0;
const MOUSE: u8 = 1;
const MOUSE_X: u8 = 2;
const SYNC: u8 = 3;
const UNICODE: u8 = 4;
const RELATIVE_MOUSE: u8 = 5;
const QOE: u8 = 6;
/// KBDFLAGS_RELEASE of a fast-path scancode event, and the bit of an extended key.
const RELEASED: u8 = 1;
const EXTENDED: u8 = 2;
/// An event of slow-path input: time, type and six bytes.
const SLOW_EVENT: usize = 12;
/// Its types.
const SLOW_SCANCODE: u16 = 4;
const SLOW_UNICODE: u16 = 5;

/// One event of fast-path input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key, by its place on the keyboard.
    Key(Key),
    /// A character.
    Character,
    /// The mouse.
    Mouse,
    /// Which of the lock keys are on.
    Sync,
    /// How fast frames were shown; nobody's doing.
    Timing,
}

/// A key that was pressed or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its scancode.
    pub code: u8,
    /// One of the extended ones?
    pub extended: bool,
    /// Pressed, as opposed to released?
    pub down: bool,
}

/// The events of a fast-path input PDU: each with where its own fields lie.
///
/// # Errors
/// If one is not known, or longer than the PDU.
pub fn events(frame: &[u8]) -> Result<Vec<(Event, usize)>, Malformed> {
    const SHORT: Malformed = Malformed("fast-path input is cut off");
    let first = *frame.first().ok_or(SHORT)?;
    if first & 0xc0 != 0 {
        return Err(Malformed("fast-path input is encrypted, inside TLS"));
    }
    let mut at = match frame.get(1).ok_or(SHORT)? & 0x80 {
        0 => 2,
        _ => 3,
    };
    let mut count = usize::from(first >> 2 & 0x0f);
    if count == 0 {
        count = usize::from(*frame.get(at).ok_or(SHORT)?);
        at += 1;
    }
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        let header = *frame.get(at).ok_or(SHORT)?;
        let code = frame.get(at + 1).copied();
        let (event, len) = match header >> 5 {
            SCANCODE => {
                let key = Key {
                    code: code.ok_or(SHORT)?,
                    extended: header & EXTENDED != 0,
                    down: header & RELEASED == 0,
                };
                (Event::Key(key), 1)
            }
            MOUSE | MOUSE_X | RELATIVE_MOUSE => (Event::Mouse, 6),
            SYNC => (Event::Sync, 0),
            UNICODE => (Event::Character, 2),
            QOE => (Event::Timing, 4),
            _ => return Err(Malformed("fast-path input of a kind that there is not")),
        };
        events.push((event, at + 1));
        at += 1 + len;
    }
    match at == frame.len() {
        true => Ok(events),
        false => Err(Malformed("fast-path input is not as long as its events")),
    }
}

/// Takes out what was typed: every key and every character becomes 0. Pointing stays.
pub fn mask(frame: &mut [u8], events: &[(Event, usize)]) {
    for (event, at) in events {
        let len = match event {
            Event::Key(_) => 1,
            Event::Character => 2,
            Event::Mouse | Event::Sync | Event::Timing => 0,
        };
        if let Some(fields) = frame.get_mut(*at..at + len) {
            fields.fill(0);
        }
    }
}

/// The same for slow-path input: a Share Data PDU of kind `Input`.
pub fn mask_slow(pdu: &mut [u8]) {
    let Some(start) = pdu.len().checked_sub(share::data_body(pdu).len()) else {
        return;
    };
    let mut at = start + 4;
    while let Some(event) = pdu.get_mut(at..at + SLOW_EVENT) {
        let kind = u16_le(event, 4);
        if kind == Some(SLOW_SCANCODE) || kind == Some(SLOW_UNICODE) {
            event[8..10].fill(0);
        }
        at += SLOW_EVENT;
    }
}

/// A fast-path PDU that releases these keys.
pub fn release(keys: &[Key]) -> Vec<u8> {
    // As many as their number has bits for.
    let keys = keys.get(..keys.len().min(15)).unwrap_or_default();
    let count = u8::try_from(keys.len()).unwrap_or_default();
    let mut pdu = vec![count << 2, 2 + 2 * count];
    for key in keys {
        pdu.extend_from_slice(&[RELEASED | if key.extended { EXTENDED } else { 0 }, key.code]);
    }
    pdu
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_taken_out_and_pointing_stays() {
        let mut frame = vec![
            4 << 2,
            0, // four events; the length comes below
            0x00,
            0x1e, // A pressed
            0x23,
            0x00,
            0x08,
            0x10,
            0x00,
            0x20,
            0x00, // moved
            0x80,
            0x41,
            0x00, // "A"
            0x61, // lock keys
        ];
        frame[1] = u8::try_from(frame.len()).unwrap();
        let found = events(&frame).unwrap();
        let key = Key {
            code: 0x1e,
            extended: false,
            down: true,
        };
        let kinds: Vec<_> = found.iter().map(|(event, _)| *event).collect();
        assert_eq!(
            kinds,
            [Event::Key(key), Event::Mouse, Event::Character, Event::Sync]
        );
        mask(&mut frame, &found);
        assert_eq!(frame[2..4], [0, 0]);
        assert_eq!(frame[4..11], [0x23, 0x00, 0x08, 0x10, 0x00, 0x20, 0x00]);
        assert_eq!(frame[11..14], [0x80, 0, 0]);
        for len in 0..frame.len() {
            assert!(events(&frame[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn more_than_fifteen_events_are_counted_apart() {
        let mut frame = vec![0, 0, 20];
        frame.extend([0x01, 0x1e].repeat(20));
        frame[1] = u8::try_from(frame.len()).unwrap();
        assert_eq!(events(&frame).unwrap().len(), 20);
    }

    #[test]
    fn keys_are_released() {
        let held = [
            Key {
                code: 0x1d,
                extended: true,
                down: true,
            },
            Key {
                code: 0x2a,
                extended: false,
                down: true,
            },
        ];
        let pdu = release(&held);
        assert_eq!(pdu[1] as usize, pdu.len());
        let up: Vec<_> = events(&pdu)
            .unwrap()
            .into_iter()
            .map(|(event, _)| event)
            .collect();
        assert_eq!(up, held.map(|key| Event::Key(Key { down: false, ..key })));
    }

    #[test]
    fn slow_path_is_masked_as_well() {
        let mut body = vec![2, 0, 0, 0];
        body.extend([1, 0, 0, 0, 4, 0, 0, 0, 0x1e, 0, 0, 0]);
        body.extend([1, 0, 0, 0, 1, 0x80, 0, 8, 7, 0, 9, 0]);
        let mut pdu = share::data(share::DataKind::Input, 1007, 1, &body);
        mask_slow(&mut pdu);
        let masked = share::data_body(&pdu);
        assert_eq!(masked[4 + 8..4 + 10], [0, 0]);
        assert_eq!(masked[16..], body[16..]);
    }
}
