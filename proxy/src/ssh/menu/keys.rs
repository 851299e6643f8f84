//! Bytes from a terminal into keys, however they are split over packets.

/// What a person pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character that can be shown.
    Char(char),
    /// Enter.
    Enter,
    /// Backspace, or the Delete of terminals that send it for Backspace.
    Backspace,
    /// A control character by its letter: `Ctrl('c')`.
    Ctrl(char),
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Home.
    Home,
    /// End.
    End,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Escape alone.
    Escape,
    /// A key that means nothing here.
    Other,
}

/// Longest sequence that is looked at; the rest of a longer one is skipped.
const LONGEST: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// ESC came: alone, or the beginning of more?
    Escape,
    /// ESC O (SS3): one more byte.
    Single,
    /// ESC [ (CSI): parameters, then a final byte (ECMA-48 section 5.4).
    Sequence,
    /// ESC [ [: the Linux console's function keys, one more byte.
    Console,
    /// A character of several bytes: so many are still to come.
    Utf8(u8),
}

/// Takes bytes one at a time and remembers what is not complete.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    collected: Vec<u8>,
}

impl Decoder {
    /// One byte; a key, once it is complete.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        // A control character is never part of anything: whoever presses Ctrl+C is heard.
        if byte < 0x20 || byte == 0x7f {
            self.state = State::Ground;
            return self.control(byte);
        }
        match self.state {
            State::Ground => self.first(byte),
            State::Escape => {
                self.collected.clear();
                self.state = match byte {
                    b'[' => State::Sequence,
                    b'O' => State::Single,
                    // Alt and a key.
                    _ => return self.done(Key::Other),
                };
                None
            }
            State::Single => self.done(named(byte)),
            State::Console => self.done(Key::Other),
            State::Sequence => self.sequence(byte),
            State::Utf8(missing) => self.continued(byte, missing),
        }
    }

    /// Does an Escape wait for what may follow it? [`Decoder::settle`] decides.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Escape
    }

    /// Nothing followed in time: it was the Escape key.
    pub fn settle(&mut self) -> Option<Key> {
        self.is_waiting().then(|| {
            self.state = State::Ground;
            Key::Escape
        })
    }

    fn done(&mut self, key: Key) -> Option<Key> {
        self.state = State::Ground;
        Some(key)
    }

    fn control(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            b'\r' | b'\n' => Key::Enter,
            0x08 | 0x7f => Key::Backspace,
            0x01..=0x1a => Key::Ctrl(char::from(byte + 0x60)),
            _ => Key::Other,
        })
    }

    fn first(&mut self, byte: u8) -> Option<Key> {
        self.collected.clear();
        self.collected.push(byte);
        self.state = State::Utf8(match byte {
            0x00..=0x7f => return self.done(Key::Char(char::from(byte))),
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => return self.done(Key::Other),
        });
        None
    }

    fn continued(&mut self, byte: u8, missing: u8) -> Option<Key> {
        if !(0x80..=0xbf).contains(&byte) {
            // The character broke off; this byte begins another.
            return self.first(byte);
        }
        self.collected.push(byte);
        if missing > 1 {
            self.state = State::Utf8(missing - 1);
            return None;
        }
        let read = std::str::from_utf8(&self.collected).ok();
        let read = read.and_then(|text| text.chars().next());
        let shown = read.filter(|c| !c.is_control());
        self.done(shown.map_or(Key::Other, Key::Char))
    }

    fn sequence(&mut self, byte: u8) -> Option<Key> {
        if byte == b'[' && self.collected.is_empty() {
            self.state = State::Console;
            return None;
        }
        if !(0x40..=0x7e).contains(&byte) {
            if self.collected.len() < LONGEST {
                self.collected.push(byte);
            }
            return None;
        }
        let parameters = std::str::from_utf8(&self.collected).unwrap_or_default();
        let first = parameters.split(';').next().unwrap_or_default();
        let key = match (byte, first) {
            (b'~', "1" | "7") => Key::Home,
            (b'~', "4" | "8") => Key::End,
            (b'~', "5") => Key::PageUp,
            (b'~', "6") => Key::PageDown,
            _ => named(byte),
        };
        self.done(key)
    }
}

/// Keys that are named by the last byte of their sequence.
fn named(last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys: Vec<Key> = bytes
            .iter()
            .filter_map(|byte| decoder.push(*byte))
            .collect();
        keys.extend(decoder.settle());
        keys
    }

    #[test]
    fn what_terminals_send() {
        for (bytes, expected) in [
            (
                &b"aZ ~"[..],
                &[
                    Key::Char('a'),
                    Key::Char('Z'),
                    Key::Char(' '),
                    Key::Char('~'),
                ][..],
            ),
            (b"\r", &[Key::Enter]),
            (b"\n", &[Key::Enter]),
            (b"\x7f\x08", &[Key::Backspace, Key::Backspace]),
            (
                b"\x03\x04\x15",
                &[Key::Ctrl('c'), Key::Ctrl('d'), Key::Ctrl('u')],
            ),
            (b"\x1b[A\x1bOB", &[Key::Up, Key::Down]),
            (b"\x1b[1;5A", &[Key::Up]),
            (
                b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~\x1b[H\x1b[F",
                &[
                    Key::PageUp,
                    Key::PageDown,
                    Key::Home,
                    Key::End,
                    Key::Home,
                    Key::End,
                ],
            ),
            (
                b"\x1b[3~\x1b[15~\x1b[Z",
                &[Key::Other, Key::Other, Key::Other],
            ),
            (b"\x1b[[Aa", &[Key::Other, Key::Char('a')]),
            (b"\x1bx", &[Key::Other]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1b\x1b[A", &[Key::Up]),
            (b"\x1b[\x03", &[Key::Ctrl('c')]),
            (
                "ü日🦀".as_bytes(),
                &[Key::Char('ü'), Key::Char('日'), Key::Char('🦀')],
            ),
            (b"\xff\xc3a", &[Key::Other, Key::Char('a')]),
            (b"\xed\xa0\x80", &[Key::Other]),
            (b"\xc2\x9b", &[Key::Other]),
            (b"\0", &[Key::Other]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_escape_waits_for_what_may_follow() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(0x1b), None);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.push(b'['), None);
        assert!(!decoder.is_waiting());
        assert_eq!(decoder.settle(), None);
        assert_eq!(decoder.push(b'B'), Some(Key::Down));
    }

    #[test]
    fn an_endless_sequence_costs_nothing() {
        let mut decoder = Decoder::default();
        for byte in b"\x1b[".iter().chain([b'1'; 100_000].iter()) {
            assert_eq!(decoder.push(*byte), None);
        }
        assert!(decoder.collected.capacity() < 100);
        assert_eq!(decoder.push(b'A'), Some(Key::Up));
    }
}
