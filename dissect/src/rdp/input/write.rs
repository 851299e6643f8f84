//! Input as it goes to a target.

use super::{
    Character, EXTENDED, Event, Key, Locks, MOUSE, MOUSE_X, Mouse, MouseKind, RELATIVE_MOUSE,
    RELEASED, SCANCODE, SLOW_EXTENDED, SLOW_LOCKS, SLOW_MOUSE, SLOW_MOUSE_X, SLOW_RELEASED,
    SLOW_SCANCODE, SLOW_UNICODE, SYNC, UNICODE,
};

/// As many events are in one fast-path PDU: their number has four bits.
const TOGETHER: usize = 15;
/// As many in one slow-path PDU.
const SLOW_TOGETHER: usize = 64;

/// Fast-path PDUs with these events (MS-RDPBCGR 2.2.8.1.2), one behind the other. Times are left out.
pub fn fast_path(events: &[Event]) -> Vec<u8> {
    let written: Vec<Vec<u8>> = events.iter().filter_map(fast_event).collect();
    let mut out = Vec::new();
    for together in written.chunks(TOGETHER) {
        let len = 2 + together.iter().map(Vec::len).sum::<usize>();
        // At most 15 events of 7 bytes: both fit.
        let count = u8::try_from(together.len()).unwrap_or_default();
        out.extend_from_slice(&[count << 2, u8::try_from(len).unwrap_or_default()]);
        out.extend(together.iter().flatten());
    }
    out
}

fn fast_event(event: &Event) -> Option<Vec<u8>> {
    let header = |code: u8, flags: u8| code << 5 | flags;
    let released = |down: bool| if down { 0 } else { RELEASED };
    match *event {
        Event::Key(Key {
            code,
            extended,
            down,
        }) => {
            let flags = released(down) | if extended { EXTENDED } else { 0 };
            Some(vec![header(SCANCODE, flags), code])
        }
        Event::Character(Character { code, down }) => {
            let mut bytes = vec![header(UNICODE, released(down))];
            bytes.extend_from_slice(&code.to_le_bytes());
            Some(bytes)
        }
        Event::Mouse(mouse) => {
            let code = match mouse.kind {
                MouseKind::Plain => MOUSE,
                MouseKind::Extended => MOUSE_X,
                MouseKind::Relative => RELATIVE_MOUSE,
            };
            let mut bytes = vec![header(code, 0)];
            bytes.extend(fields(mouse));
            Some(bytes)
        }
        Event::Locks(Locks(flags)) => Some(vec![header(SYNC, flags)]),
        Event::Timing => None,
    }
}

fn fields(mouse: Mouse) -> Vec<u8> {
    let numbers = [mouse.flags, mouse.x, mouse.y];
    numbers.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// What stands behind the Share Data headers of slow-path PDUs with these events (MS-RDPBCGR 2.2.8.1.1.3.1). Times and
/// relative places are left out.
pub fn slow_path(events: &[Event]) -> Vec<Vec<u8>> {
    let written: Vec<Vec<u8>> = events.iter().filter_map(slow_event).collect();
    let body = |together: &[Vec<u8>]| {
        let count = u16::try_from(together.len()).unwrap_or_default();
        let mut body = count.to_le_bytes().to_vec();
        body.extend_from_slice(&[0, 0]);
        body.extend(together.iter().flatten());
        body
    };
    written.chunks(SLOW_TOGETHER).map(body).collect()
}

fn slow_event(event: &Event) -> Option<Vec<u8>> {
    let keyboard = |down: bool, extended: bool, code: u16| {
        let released = if down { 0 } else { SLOW_RELEASED };
        let flags = released | if extended { SLOW_EXTENDED } else { 0 };
        [flags, code, 0].into_iter().flat_map(u16::to_le_bytes)
    };
    let (kind, fields): (u16, Vec<u8>) = match *event {
        Event::Key(key) => (
            SLOW_SCANCODE,
            keyboard(key.down, key.extended, key.code.into()).collect(),
        ),
        Event::Character(Character { code, down }) => {
            (SLOW_UNICODE, keyboard(down, false, code).collect())
        }
        Event::Mouse(mouse) => match mouse.kind {
            MouseKind::Plain => (SLOW_MOUSE, fields(mouse)),
            MouseKind::Extended => (SLOW_MOUSE_X, fields(mouse)),
            MouseKind::Relative => return None,
        },
        Event::Locks(Locks(flags)) => (SLOW_LOCKS, vec![0, 0, flags, 0, 0, 0]),
        Event::Timing => return None,
    };
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend(fields);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{Button, events, slow_events};
    use super::*;
    use crate::rdp::share::{self, DataKind};

    /// One of each kind that can be written in both ways.
    fn all() -> Vec<Event> {
        let key = |code, extended, down| {
            Event::Key(Key {
                code,
                extended,
                down,
            })
        };
        let character = |code, down| Event::Character(Character { code, down });
        let place = (640, 480);
        let mut all = vec![
            key(0x1e, false, true),
            key(0x1e, false, false),
            key(0x1d, true, true),
            key(0x1d, true, false),
            character(0x20ac, true),
            character(0x20ac, false),
            Event::Mouse(Mouse::moved(place)),
            Event::Mouse(Mouse::wheel(120, place)),
            Event::Mouse(Mouse::wheel(-120, place)),
        ];
        all.push(Event::Locks(Locks::of(0x06)));
        for button in Button::ALL {
            all.push(Event::Mouse(Mouse::button(button, true, place)));
            all.push(Event::Mouse(Mouse::button(button, false, place)));
        }
        all
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = fast_path(&all());
        let mut rest = written.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (pdu, behind) = rest.split_at(rest[1].into());
            found.extend(events(pdu).unwrap().into_iter().map(|(event, _)| event));
            rest = behind;
        }
        assert_eq!(found, all());
        let bodies = slow_path(&all());
        assert_eq!(bodies.len(), 1);
        let pdu = share::data(DataKind::Input, 1007, 1, &bodies[0]);
        assert_eq!(slow_events(&pdu), all());
    }

    #[test]
    fn the_library_reads_the_same() {
        use ironrdp_pdu::input::fast_path::{FastPathInput, FastPathInputEvent, KeyboardFlags};
        use ironrdp_pdu::input::mouse::PointerFlags;
        let place = (640, 480);
        let pdu = fast_path(&[
            Event::Key(Key {
                code: 0x1d,
                extended: true,
                down: false,
            }),
            Event::Mouse(Mouse::button(Button::Left, true, place)),
            Event::Mouse(Mouse::wheel(-120, place)),
        ]);
        let read: FastPathInput = ironrdp_core::decode(&pdu).unwrap();
        let events = read.input_events();
        let flags = KeyboardFlags::RELEASE | KeyboardFlags::EXTENDED;
        assert_eq!(events[0], FastPathInputEvent::KeyboardEvent(flags, 0x1d));
        let FastPathInputEvent::MouseEvent(mouse) = &events[1] else {
            panic!("{events:?}");
        };
        assert_eq!((mouse.x_position, mouse.y_position), place);
        assert_eq!(mouse.flags, PointerFlags::DOWN | PointerFlags::LEFT_BUTTON);
        let FastPathInputEvent::MouseEvent(mouse) = &events[2] else {
            panic!("{events:?}");
        };
        assert_eq!(mouse.number_of_wheel_rotation_units, -120);
    }

    #[test]
    fn many_are_several_pdus() {
        let key = |down| {
            Event::Key(Key {
                code: 2,
                extended: false,
                down,
            })
        };
        let many: Vec<Event> = (0..200).map(|n| key(n % 2 == 0)).collect();
        let first = fast_path(&many);
        assert_eq!(events(&first[..first[1].into()]).unwrap().len(), TOGETHER);
        assert_eq!(slow_path(&many).len(), 4);
        assert!(fast_path(&[]).is_empty() && slow_path(&[]).is_empty());
    }
}
