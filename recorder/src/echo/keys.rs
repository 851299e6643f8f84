//! What was typed, cut into keys.

use std::time::Duration;

/// A key, as far as matters for its echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Prints a character.
    Char,
    /// Ends the line.
    Enter,
    /// Ends the line without a line break of its own: ^C, ^D, ^Z, ^\.
    End,
    /// Takes back a character.
    Erase,
    /// Takes back a word.
    EraseWord,
    /// Takes back the line.
    EraseLine,
    /// Makes a line editor print something of its own: Tab, arrows, history, …
    Free,
}

/// What was seen of a key's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing yet.
    None,
    /// A full-screen program did something right after it.
    Answered,
    /// Its character was echoed.
    Echoed,
}

/// A key whose bytes are withheld. The bytes themselves are kept in one place only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub kind: Kind,
    /// Bytes typed for it.
    pub len: u16,
    pub at: Duration,
    pub evidence: Evidence,
}

impl Key {
    /// Does a line end with it?
    pub fn ends_line(&self) -> bool {
        matches!(self.kind, Kind::Enter | Kind::End)
    }
}

/// The first key in `bytes`; `None` for a character of which bytes are missing.
pub(super) fn first_key(bytes: &[u8]) -> Option<(Kind, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let key = match first {
        b'\r' | b'\n' => (Kind::Enter, 1),
        0x03 | 0x04 | 0x1a | 0x1c => (Kind::End, 1),
        0x08 | 0x7f => (Kind::Erase, 1),
        0x17 => (Kind::EraseWord, 1),
        0x15 => (Kind::EraseLine, 1),
        0x1b => (Kind::Free, escape_len(rest)),
        0x00..=0x1f => (Kind::Free, 1),
        _ => (Kind::Char, char_len(bytes)?),
    };
    Some(key)
}

fn escape_len(rest: &[u8]) -> usize {
    let body = match rest.first() {
        Some(b'[') => {
            let last = rest.iter().skip(1).position(|b| (0x40..=0x7e).contains(b));
            last.map_or(rest.len(), |at| at + 2)
        }
        Some(b'O') => rest.len().min(2),
        // Alt and a key.
        Some(0x20..=0x7e) => 1,
        Some(_) | None => 0,
    };
    // A sequence has no business being longer; what follows is then taken for characters.
    1 + body.min(32)
}

/// Do the first `len` of `bytes` begin a sequence that the others go on with?
pub(super) fn is_cut_escape(bytes: &[u8], len: usize) -> bool {
    let Some((known, more)) = bytes.split_at_checked(len) else {
        return false;
    };
    match (known, more) {
        ([0x1b], [b'[' | b'O', ..]) | ([0x1b, b'O'], [_, ..]) => true,
        ([0x1b, b'[', params @ ..], [_, ..]) => {
            !params.iter().any(|byte| (0x40..=0x7e).contains(byte))
        }
        _ => false,
    }
}

fn char_len(bytes: &[u8]) -> Option<usize> {
    let len = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let rest = &bytes[1..bytes.len().min(len)];
    match rest.iter().position(|b| b & 0xc0 != 0x80) {
        Some(_) => Some(1),
        None if bytes.len() < len => None,
        None => Some(len),
    }
}
