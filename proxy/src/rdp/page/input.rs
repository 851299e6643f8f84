//! What a client types and clicks, from fast-path (MS-RDPBCGR 2.2.8.1.2.2) and slow-path (2.2.8.1.1.3.1) events.

use ironrdp_pdu::input::InputEvent;
use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags, SynchronizeFlags};
use ironrdp_pdu::input::mouse::{MousePdu, PointerFlags};
use ironrdp_pdu::input::scan_code;
use ironrdp_pdu::input::sync::SyncToggleFlags;
use ironrdp_pdu::input::unicode;

/// One event of a keyboard or a mouse. It may hold a letter of a password: it has no `Debug` and belongs in no log.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Input {
    /// A key, by its place on the keyboard.
    Scancode {
        /// Of scan code set 1, without the bit for its release.
        code: u8,
        /// With the prefix 0xE0?
        extended: bool,
        /// Let go rather than pressed?
        released: bool,
    },
    /// A character, whatever key it was on.
    Unicode {
        /// Of UTF-16.
        unit: u16,
        /// Let go rather than pressed?
        released: bool,
    },
    /// How the client's locks are; no key is held.
    Locks {
        /// Caps Lock is on.
        caps: bool,
        /// Num Lock is on.
        num: bool,
    },
    /// The mouse went to a pixel of the desktop.
    Move {
        /// From the left.
        x: u16,
        /// From the top.
        y: u16,
    },
    /// The left button of the mouse.
    Button {
        /// From the left.
        x: u16,
        /// From the top.
        y: u16,
        /// Pressed rather than let go?
        pressed: bool,
    },
    /// The wheel was turned: positive is away from the user, 120 a notch.
    Wheel(i16),
}

impl Input {
    /// `None` for what pages do not use: other buttons, the Pause key, touch.
    pub fn from_fast_path(event: &FastPathInputEvent) -> Option<Self> {
        match event {
            FastPathInputEvent::KeyboardEvent(flags, code) => {
                let released = flags.contains(KeyboardFlags::RELEASE);
                let extended = flags.contains(KeyboardFlags::EXTENDED);
                (!flags.contains(KeyboardFlags::EXTENDED1)).then_some(Self::Scancode {
                    code: *code,
                    extended,
                    released,
                })
            }
            FastPathInputEvent::UnicodeKeyboardEvent(flags, unit) => Some(Self::Unicode {
                unit: *unit,
                released: flags.contains(KeyboardFlags::RELEASE),
            }),
            FastPathInputEvent::SyncEvent(flags) => Some(Self::Locks {
                caps: flags.contains(SynchronizeFlags::CAPS_LOCK),
                num: flags.contains(SynchronizeFlags::NUM_LOCK),
            }),
            FastPathInputEvent::MouseEvent(event) => Self::from_mouse(event),
            FastPathInputEvent::MouseEventEx(_)
            | FastPathInputEvent::MouseEventRel(_)
            | FastPathInputEvent::QoeEvent(_) => None,
        }
    }

    /// `None` for what pages do not use: other buttons, the Pause key.
    pub fn from_slow_path(event: &InputEvent) -> Option<Self> {
        match event {
            InputEvent::ScanCode(event) => {
                let flags = event.flags;
                let code = u8::try_from(event.key_code & 0xff).ok()?;
                let pause = flags.contains(scan_code::KeyboardFlags::EXTENDED_1);
                (!pause).then_some(Self::Scancode {
                    code,
                    extended: flags.contains(scan_code::KeyboardFlags::EXTENDED),
                    released: flags.contains(scan_code::KeyboardFlags::RELEASE),
                })
            }
            InputEvent::Unicode(event) => Some(Self::Unicode {
                unit: event.unicode_code,
                released: event.flags.contains(unicode::KeyboardFlags::RELEASE),
            }),
            InputEvent::Sync(event) => Some(Self::Locks {
                caps: event.flags.contains(SyncToggleFlags::CAPS_LOCK),
                num: event.flags.contains(SyncToggleFlags::NUM_LOCK),
            }),
            InputEvent::Mouse(event) => Self::from_mouse(event),
            InputEvent::Unused(_) | InputEvent::MouseX(_) | InputEvent::MouseRel(_) => None,
        }
    }

    fn from_mouse(event: &MousePdu) -> Option<Self> {
        let (x, y) = (event.x_position, event.y_position);
        if event.flags.contains(PointerFlags::VERTICAL_WHEEL) {
            return Some(Self::Wheel(event.number_of_wheel_rotation_units));
        }
        if event.flags.contains(PointerFlags::LEFT_BUTTON) {
            let pressed = event.flags.contains(PointerFlags::DOWN);
            return Some(Self::Button { x, y, pressed });
        }
        event
            .flags
            .contains(PointerFlags::MOVE)
            .then_some(Self::Move { x, y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(found: Option<Input>, expected: Option<Input>) {
        assert!(found == expected);
    }

    #[test]
    fn events_of_both_paths_mean_the_same() {
        let mouse = |flags, units| MousePdu {
            flags,
            number_of_wheel_rotation_units: units,
            x_position: 7,
            y_position: 9,
        };
        for (flags, units, expected) in [
            (PointerFlags::MOVE, 0, Some(Input::Move { x: 7, y: 9 })),
            (
                PointerFlags::LEFT_BUTTON | PointerFlags::DOWN,
                0,
                Some(Input::Button {
                    x: 7,
                    y: 9,
                    pressed: true,
                }),
            ),
            (
                PointerFlags::LEFT_BUTTON,
                0,
                Some(Input::Button {
                    x: 7,
                    y: 9,
                    pressed: false,
                }),
            ),
            (PointerFlags::VERTICAL_WHEEL, -120, Some(Input::Wheel(-120))),
            (PointerFlags::RIGHT_BUTTON | PointerFlags::DOWN, 0, None),
        ] {
            let fast = FastPathInputEvent::MouseEvent(mouse(flags, units));
            is(Input::from_fast_path(&fast), expected);
            is(
                Input::from_slow_path(&InputEvent::Mouse(mouse(flags, units))),
                expected,
            );
        }
    }

    #[test]
    fn keys_keep_their_prefix_and_direction() {
        let flags = KeyboardFlags::RELEASE | KeyboardFlags::EXTENDED;
        let expected = Some(Input::Scancode {
            code: 0x1c,
            extended: true,
            released: true,
        });
        is(
            Input::from_fast_path(&FastPathInputEvent::KeyboardEvent(flags, 0x1c)),
            expected,
        );
        let slow = ironrdp_pdu::input::ScanCodePdu {
            flags: scan_code::KeyboardFlags::RELEASE | scan_code::KeyboardFlags::EXTENDED,
            key_code: 0x1c,
        };
        is(Input::from_slow_path(&InputEvent::ScanCode(slow)), expected);
        let pause = FastPathInputEvent::KeyboardEvent(KeyboardFlags::EXTENDED1, 0x1d);
        is(Input::from_fast_path(&pause), None);
    }
}
