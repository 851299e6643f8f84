//! What somebody typed on a desktop, as a reader of a log wants it: keys by what stands on a US keyboard, because a client
//! sends places, not letters.

use crate::picture::keys::Press;

/// A line gets no longer than this.
const LONGEST: usize = 160;

/// Letters of the main block by scancode, from 0x02 on: without Shift, and with.
const PLAIN: &str = "1234567890-=\u{8}\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./";
const SHIFTED: &str = "!@#$%^&*()_+\u{8}\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?";

/// Keys with a name.
const NAMED: [(u8, &str); 31] = [
    (0x01, "Esc"),
    (0x0e, "Backspace"),
    (0x0f, "Tab"),
    (0x1c, "Enter"),
    (0x3b, "F1"),
    (0x3c, "F2"),
    (0x3d, "F3"),
    (0x3e, "F4"),
    (0x3f, "F5"),
    (0x40, "F6"),
    (0x41, "F7"),
    (0x42, "F8"),
    (0x43, "F9"),
    (0x44, "F10"),
    (0x57, "F11"),
    (0x58, "F12"),
    (0x47, "Home"),
    (0x48, "Up"),
    (0x49, "PageUp"),
    (0x4b, "Left"),
    (0x4d, "Right"),
    (0x4f, "End"),
    (0x50, "Down"),
    (0x51, "PageDown"),
    (0x52, "Insert"),
    (0x53, "Delete"),
    (0x5d, "Menu"),
    (0x37, "Print"),
    (0x3a, "CapsLock"),
    (0x45, "NumLock"),
    (0x46, "ScrollLock"),
];

/// Keys that change what others mean: scancode and name; both sides of a keyboard are alike.
const SHIFT: [u8; 2] = [0x2a, 0x36];
const MODIFIERS: [(u8, &str); 4] = [(0x1d, "Ctrl"), (0x38, "Alt"), (0x5b, "Win"), (0x5c, "Win")];

/// One person's keyboard.
#[derive(Debug, Default)]
pub struct Typing {
    shift: bool,
    held: Vec<&'static str>,
    line: String,
    /// Presses that were left out of the recording.
    hidden: u32,
}

impl Typing {
    /// A key or character goes down or up. Answers a line that is finished by it.
    pub fn press(&mut self, press: Press) -> Option<String> {
        match press {
            Press::Key { code: 0, down, .. } | Press::Character { unit: 0, down } => {
                self.hidden += u32::from(down);
                None
            }
            Press::Character { unit, down } => {
                if down {
                    let letter = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
                    self.line.push(letter);
                }
                self.long()
            }
            Press::Key {
                code,
                extended,
                down,
            } => self.key(code, extended, down),
        }
    }

    fn key(&mut self, code: u8, extended: bool, down: bool) -> Option<String> {
        if SHIFT.contains(&code) {
            self.shift = down;
            return None;
        }
        if let Some((_, name)) = MODIFIERS.iter().find(|(known, _)| *known == code) {
            self.held.retain(|held| held != name);
            if down {
                self.held.push(name);
            }
            return None;
        }
        if !down {
            return None;
        }
        let letter = letter(code, self.shift).filter(|_| !extended || code == 0x35);
        match letter {
            Some(letter) if self.held.is_empty() => self.line.push(letter),
            letter => {
                let named = NAMED.iter().find(|(known, _)| *known == code);
                let name = match (named, letter) {
                    (Some((_, name)), _) => (*name).to_owned(),
                    (None, Some(letter)) => letter.to_uppercase().to_string(),
                    (None, None) => format!("key {code:#04x}"),
                };
                let shift = if self.shift { "Shift+" } else { "" };
                let held: String = self.held.iter().map(|name| format!("{name}+")).collect();
                self.line.push_str(&format!("[{held}{shift}{name}]"));
            }
        }
        match code {
            0x1c => self.finish(),
            _ => self.long(),
        }
    }

    fn long(&mut self) -> Option<String> {
        (self.line.len() > LONGEST).then(|| self.finish()).flatten()
    }

    /// The line as it is.
    pub fn finish(&mut self) -> Option<String> {
        let hidden = std::mem::take(&mut self.hidden);
        let mut line = std::mem::take(&mut self.line);
        if hidden > 0 {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{space}({hidden} keys not recorded)"));
        }
        (!line.is_empty()).then_some(line)
    }
}

/// What stands on a key of the main block, if it writes something.
fn letter(code: u8, shift: bool) -> Option<char> {
    if code == 0x39 {
        return Some(' ');
    }
    let letters = if shift { SHIFTED } else { PLAIN };
    let place = usize::from(code.checked_sub(2)?);
    letters.chars().nth(place).filter(|c| !c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(presses: &[(u8, bool)]) -> Vec<String> {
        let mut typing = Typing::default();
        let presses = presses.iter().map(|(code, down)| Press::Key {
            code: *code,
            extended: false,
            down: *down,
        });
        let mut lines: Vec<String> = presses.filter_map(|press| typing.press(press)).collect();
        lines.extend(typing.finish());
        lines
    }

    fn struck(codes: &[u8]) -> Vec<(u8, bool)> {
        let both = codes
            .iter()
            .flat_map(|code| [(*code, true), (*code, false)]);
        both.collect()
    }

    #[test]
    fn letters_are_read_from_their_places() {
        assert_eq!(letter(0x02, false), Some('1'));
        assert_eq!(letter(0x10, false), Some('q'));
        assert_eq!(letter(0x1e, true), Some('A'));
        assert_eq!(letter(0x28, true), Some('"'));
        assert_eq!(letter(0x29, false), Some('`'));
        assert_eq!(letter(0x2b, false), Some('\\'));
        assert_eq!(letter(0x2c, false), Some('z'));
        assert_eq!(letter(0x35, true), Some('?'));
        for code in [0, 1, 0x0e, 0x0f, 0x1c, 0x1d, 0x2a, 0x36, 0x3b, 0xff] {
            assert_eq!(letter(code, false), None, "{code:#x}");
        }
    }

    #[test]
    fn a_line_ends_with_enter_and_tells_what_was_held() {
        let mut keys = vec![(0x2a, true)];
        keys.extend(struck(&[0x26]));
        keys.push((0x2a, false));
        keys.extend(struck(&[0x1f, 0x39, 0x1c]));
        keys.push((0x1d, true));
        keys.extend(struck(&[0x2e]));
        keys.push((0x1d, false));
        keys.extend(struck(&[0x3b, 0x70]));
        assert_eq!(typed(&keys), ["Ls [Enter]", "[Ctrl+C][F1][key 0x70]"]);
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let keys = struck(&[0, 0, 0x1e, 0]);
        assert_eq!(typed(&keys), ["a (3 keys not recorded)"]);
    }
}
