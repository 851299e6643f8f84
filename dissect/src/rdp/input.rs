//! What a user types and points at (MS-RDPBCGR 2.2.8.1.1.3, 2.2.8.1.2): found out whether she does, and taken out of what
//! is recorded. What a viewer types and points at is written here.

mod write;

pub use write::{fast_path, slow_path};

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
const SLOW_LOCKS: u16 = 0;
const SLOW_SCANCODE: u16 = 4;
const SLOW_UNICODE: u16 = 5;
const SLOW_MOUSE: u16 = 0x8001;
const SLOW_MOUSE_X: u16 = 0x8002;
/// keyboardFlags of a slow-path event: KBDFLAGS_RELEASE, KBDFLAGS_EXTENDED.
const SLOW_RELEASED: u16 = 0x8000;
const SLOW_EXTENDED: u16 = 0x0100;
/// pointerFlags (2.2.8.1.1.3.1.1.3): pressed as opposed to released; moved.
const PRESSED: u16 = 0x8000;
const MOVED: u16 = 0x0800;

/// One event of fast-path input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key, by its place on the keyboard.
    Key(Key),
    /// A character.
    Character(Character),
    /// The mouse.
    Mouse(Mouse),
    /// Which of the lock keys are on.
    Locks(Locks),
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

/// Which of the lock keys are on: the flags of a Synchronize event (2.2.8.1.1.3.1.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locks(u8);

impl Locks {
    /// Scroll, Num, Caps and Kana Lock.
    const ALL: u8 = 0x0f;

    /// Of the wire's flags.
    pub fn of(flags: u8) -> Self {
        Self(flags & Self::ALL)
    }

    /// The same after a key went down, which may be a lock key.
    pub fn after(self, key: Key) -> Self {
        let switched = match (key.code, key.extended) {
            (0x46, false) => 0x01,
            (0x45, false) => 0x02,
            (0x3a, false) => 0x04,
            _ => 0,
        };
        Self(self.0 ^ switched)
    }
}

/// A character that is typed, whatever key it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Character {
    /// A unit of UTF-16.
    pub code: u16,
    /// Pressed, as opposed to released?
    pub down: bool,
}

/// Which of the events of a mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseKind {
    /// Moved, three buttons, wheels.
    Plain,
    /// The fourth and the fifth button.
    Extended,
    /// As plain, but the place is told as a distance.
    Relative,
}

/// An event of the mouse, as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    /// Which kind.
    pub kind: MouseKind,
    /// Its pointerFlags.
    pub flags: u16,
    /// Pixels from the left.
    pub x: u16,
    /// Pixels from the top.
    pub y: u16,
}

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Button {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// The one in the middle.
    Middle,
    /// The fourth one.
    Back,
    /// The fifth one.
    Forward,
}

impl Button {
    /// Every button.
    pub const ALL: [Self; 5] = [
        Self::Left,
        Self::Right,
        Self::Middle,
        Self::Back,
        Self::Forward,
    ];

    /// In which kind of event it is, and its bit in the flags there.
    fn place(self) -> (MouseKind, u16) {
        match self {
            Self::Left => (MouseKind::Plain, 0x1000),
            Self::Right => (MouseKind::Plain, 0x2000),
            Self::Middle => (MouseKind::Plain, 0x4000),
            Self::Back => (MouseKind::Extended, 0x0001),
            Self::Forward => (MouseKind::Extended, 0x0002),
        }
    }
}

impl Mouse {
    /// The mouse goes to a place.
    pub fn moved((x, y): (u16, u16)) -> Self {
        let (kind, flags) = (MouseKind::Plain, MOVED);
        Self { kind, flags, x, y }
    }

    /// A button is pressed or released at a place.
    pub fn button(button: Button, down: bool, (x, y): (u16, u16)) -> Self {
        let (kind, bit) = button.place();
        let flags = if down { bit | PRESSED } else { bit };
        Self { kind, flags, x, y }
    }

    /// The wheel is turned away from the user (120 is a notch), or towards him. At most by 255 at a time.
    pub fn wheel(turned: i16, (x, y): (u16, u16)) -> Self {
        const WHEEL: u16 = 0x0200;
        /// Nine bits, the highest of them the sign.
        const ROTATION: u16 = 0x01ff;
        let turned = turned.clamp(-255, 255).cast_unsigned();
        let (kind, flags) = (MouseKind::Plain, WHEEL | turned & ROTATION);
        Self { kind, flags, x, y }
    }

    /// The buttons that it says something of, and whether they go down.
    pub fn buttons(&self) -> impl Iterator<Item = (Button, bool)> + '_ {
        let kind = match self.kind {
            MouseKind::Relative => MouseKind::Plain,
            kind @ (MouseKind::Plain | MouseKind::Extended) => kind,
        };
        let named = move |button: &Button| {
            let (of, bit) = button.place();
            of == kind && self.flags & bit != 0
        };
        let down = self.flags & PRESSED != 0;
        Button::ALL
            .into_iter()
            .filter(named)
            .map(move |button| (button, down))
    }

    /// Where it is, if it says so: with a wheel no place is given.
    pub fn place(&self) -> Option<(u16, u16)> {
        let placed = match self.kind {
            MouseKind::Plain => self.flags & MOVED != 0 || self.buttons().next().is_some(),
            MouseKind::Extended => true,
            MouseKind::Relative => false,
        };
        placed.then_some((self.x, self.y))
    }
}

/// Its fields: flags, then two numbers.
fn mouse(kind: MouseKind, fields: &[u8]) -> Option<Event> {
    Some(Event::Mouse(Mouse {
        kind,
        flags: u16_le(fields, 0)?,
        x: u16_le(fields, 2)?,
        y: u16_le(fields, 4)?,
    }))
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
        let fields = frame.get(at + 1..).ok_or(SHORT)?;
        let (event, len) = match header >> 5 {
            SCANCODE => {
                let key = Key {
                    code: *fields.first().ok_or(SHORT)?,
                    extended: header & EXTENDED != 0,
                    down: header & RELEASED == 0,
                };
                (Event::Key(key), 1)
            }
            MOUSE => (mouse(MouseKind::Plain, fields).ok_or(SHORT)?, 6),
            MOUSE_X => (mouse(MouseKind::Extended, fields).ok_or(SHORT)?, 6),
            RELATIVE_MOUSE => (mouse(MouseKind::Relative, fields).ok_or(SHORT)?, 6),
            SYNC => (Event::Locks(Locks::of(header)), 0),
            UNICODE => {
                let character = Character {
                    code: u16_le(fields, 0).ok_or(SHORT)?,
                    down: header & RELEASED == 0,
                };
                (Event::Character(character), 2)
            }
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
            Event::Character(_) => 2,
            Event::Mouse(_) | Event::Locks(_) | Event::Timing => 0,
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

/// The events of slow-path input that are looked at: of a Share Data PDU of kind `Input`.
pub fn slow_events(pdu: &[u8]) -> Vec<Event> {
    let body = share::data_body(pdu).get(4..).unwrap_or_default();
    let events = body.chunks_exact(SLOW_EVENT);
    events.filter_map(slow_event).collect()
}

fn slow_event(event: &[u8]) -> Option<Event> {
    let (kind, fields) = (u16_le(event, 4)?, event.get(6..)?);
    let flags = u16_le(fields, 0)?;
    let down = flags & SLOW_RELEASED == 0;
    match kind {
        // Two bytes without a meaning, then four of flags.
        SLOW_LOCKS => Some(Event::Locks(Locks::of(*fields.get(2)?))),
        SLOW_SCANCODE => Some(Event::Key(Key {
            // Two bytes, of which one is used.
            code: *fields.get(2)?,
            extended: flags & SLOW_EXTENDED != 0,
            down,
        })),
        SLOW_UNICODE => Some(Event::Character(Character {
            code: u16_le(fields, 2)?,
            down,
        })),
        SLOW_MOUSE => mouse(MouseKind::Plain, fields),
        SLOW_MOUSE_X => mouse(MouseKind::Extended, fields),
        _ => None,
    }
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
            0x20,
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
            [
                Event::Key(key),
                Event::Mouse(Mouse::moved((0x10, 0x20))),
                Event::Character(Character {
                    code: 0x41,
                    down: true
                }),
                Event::Locks(Locks::of(1))
            ]
        );
        mask(&mut frame, &found);
        assert_eq!(frame[2..4], [0, 0]);
        assert_eq!(frame[4..11], [0x20, 0x00, 0x08, 0x10, 0x00, 0x20, 0x00]);
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
