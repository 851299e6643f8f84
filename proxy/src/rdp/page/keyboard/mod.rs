//! From scan codes and characters to what was meant: the client's keyboard, followed key by key.

mod layouts;

use layouts::{Keys, Layout};

use super::input::Input;
use super::text::{accent_alone, accented};

/// What a key press means to a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character to be written.
    Character(char),
    Backspace,
    /// Tab with Shift.
    BackTab,
    Delete,
    Down,
    End,
    Enter,
    /// Ctrl+U.
    EraseAll,
    Escape,
    Home,
    Left,
    PageDown,
    PageUp,
    Right,
    Tab,
    Up,
}

/// What one event means: mostly one key, two where a dead key did not go with the letter after it.
type Pressed = [Option<Key>; 2];

/// What is held, locked and pending.
pub(super) struct Keyboard {
    layout: &'static Layout,
    left_shift: bool,
    right_shift: bool,
    left_control: bool,
    right_control: bool,
    left_alt: bool,
    right_alt: bool,
    caps: bool,
    /// Held, so that its repetition does not switch it back.
    caps_held: bool,
    num: bool,
    num_held: bool,
    /// A dead key that waits for its letter.
    dead: Option<char>,
    /// The first half of a character beyond 16 bits.
    half: Option<u16>,
}

impl Keyboard {
    /// For `keyboardLayout` of the client's core data, MS-RDPBCGR 2.2.1.3.2; US where the layout is unknown.
    pub fn new(layout: u32) -> Self {
        Self {
            layout: layouts::of(layout),
            left_shift: false,
            right_shift: false,
            left_control: false,
            right_control: false,
            left_alt: false,
            right_alt: false,
            caps: false,
            caps_held: false,
            num: true,
            num_held: false,
            dead: None,
            half: None,
        }
    }

    /// The layout in words.
    pub fn layout_name(&self) -> &'static str {
        self.layout.name
    }

    /// Caps Lock is on.
    pub fn has_caps(&self) -> bool {
        self.caps
    }

    /// What an event means; mouse events mean nothing here.
    pub fn take(&mut self, input: Input) -> Pressed {
        match input {
            Input::Scancode {
                code,
                extended,
                released,
            } => self.scancode(code, extended, !released),
            Input::Unicode {
                unit,
                released: false,
            } => self.unicode(unit),
            Input::Unicode { released: true, .. } => [None; 2],
            Input::Locks { caps, num } => {
                let layout = self.layout;
                *self = Self {
                    layout,
                    caps,
                    num,
                    ..Self::new(0)
                };
                [None; 2]
            }
            Input::Move { .. } | Input::Button { .. } | Input::Wheel(_) => [None; 2],
        }
    }

    fn scancode(&mut self, code: u8, extended: bool, pressed: bool) -> Pressed {
        match (code, extended) {
            (0x2a, false) => self.left_shift = pressed,
            (0x36, false) => self.right_shift = pressed,
            (0x1d, false) => self.left_control = pressed,
            (0x1d, true) => self.right_control = pressed,
            (0x38, false) => self.left_alt = pressed,
            (0x38, true) => self.right_alt = pressed,
            (0x3a, false) => {
                self.caps ^= pressed && !self.caps_held;
                self.caps_held = pressed;
            }
            (0x45, false) => {
                self.num ^= pressed && !self.num_held;
                self.num_held = pressed;
            }
            _ if pressed => return self.key(code, extended),
            _ => {}
        }
        [None; 2]
    }

    fn key(&mut self, code: u8, extended: bool) -> Pressed {
        if let Some(key) = self.named(code, extended) {
            self.dead = None;
            return [Some(key), None];
        }
        let control = self.left_control || self.right_control;
        let alt = self.left_alt || self.right_alt;
        let third_level =
            self.layout.has_third_level() && (self.right_alt || (self.left_alt && control));
        if (control || alt) && !third_level {
            let erase = control && !alt && self.layout.plain(code) == Some('u');
            return [erase.then_some(Key::EraseAll), None];
        }
        let keys = Keys {
            shift: self.left_shift || self.right_shift,
            caps: self.caps,
            third_level,
        };
        let found = match (code, extended) {
            (0x39, false) => Some(' '),
            (0x35, true) => Some('/'),
            (_, true) => None,
            (code, false) => self
                .number_pad(code)
                .or_else(|| self.layout.character(code, keys)),
        };
        match found {
            Some(found) => self.character(found),
            None => [None; 2],
        }
    }

    /// Keys that mean the same on every layout.
    fn named(&self, code: u8, extended: bool) -> Option<Key> {
        let key = match code {
            0x01 if !extended => Key::Escape,
            0x0e if !extended => Key::Backspace,
            0x0f if !extended && (self.left_shift || self.right_shift) => Key::BackTab,
            0x0f if !extended => Key::Tab,
            // The number pad has an Enter of its own.
            0x1c => Key::Enter,
            // The number pad without Num Lock is what the keys with the prefix are.
            _ if !extended && self.num => return None,
            0x47 => Key::Home,
            0x48 => Key::Up,
            0x49 => Key::PageUp,
            0x4b => Key::Left,
            0x4d => Key::Right,
            0x4f => Key::End,
            0x50 => Key::Down,
            0x51 => Key::PageDown,
            0x53 => Key::Delete,
            _ => return None,
        };
        Some(key)
    }

    fn number_pad(&self, code: u8) -> Option<char> {
        const DIGITS: &[u8] = b"789-456+1230";
        match code {
            0x37 => Some('*'),
            0x53 => Some(self.layout.decimal),
            0x47..=0x52 => DIGITS.get(usize::from(code - 0x47)).map(|&c| char::from(c)),
            _ => None,
        }
    }

    /// A character of the layout; a combining mark stands for a dead key.
    fn character(&mut self, found: char) -> Pressed {
        let is_dead = accent_alone(found).is_some();
        match self.dead.take() {
            None if is_dead => {
                self.dead = Some(found);
                [None; 2]
            }
            None => [Some(Key::Character(found)), None],
            Some(mark) => {
                let alone = accent_alone(mark).map(Key::Character);
                match accented(found, mark) {
                    Some(letter) => [Some(Key::Character(letter)), None],
                    None if found == ' ' || found == mark => [alone, None],
                    None => [
                        alone,
                        Some(Key::Character(accent_alone(found).unwrap_or(found))),
                    ],
                }
            }
        }
    }

    fn unicode(&mut self, unit: u16) -> Pressed {
        self.dead = None;
        let first = self.half.take();
        if matches!(unit, 0xd800..=0xdbff) {
            self.half = Some(unit);
            return [None; 2];
        }
        let units = first.into_iter().chain([unit]);
        // A half without the other one is dropped; what follows it is not.
        let key = char::decode_utf16(units)
            .filter_map(Result::ok)
            .last()
            .and_then(|c| match c {
                '\u{8}' => Some(Key::Backspace),
                '\t' => Some(Key::Tab),
                '\r' | '\n' => Some(Key::Enter),
                '\u{1b}' => Some(Key::Escape),
                '\u{7f}' => Some(Key::Delete),
                c if c.is_control() => None,
                c => Some(Key::Character(c)),
            });
        [key, None]
    }
}

#[cfg(test)]
mod tests;
