//! A line that is being typed.

use zeroize::Zeroizing;

use super::keyboard::Key;
use super::text::{self, DOT};

/// Characters a line has at most.
pub const MAX_CHARACTERS: usize = 512;
/// Bytes set aside from the start: a line never moves in memory, so that no copy of a secret is left behind.
const CAPACITY: usize = MAX_CHARACTERS * 4;

/// A line with a place where the next character goes; wiped from memory when it is dropped.
pub(super) struct Line {
    text: Zeroizing<String>,
    /// Bytes before the place where the next character goes.
    cursor: usize,
    is_secret: bool,
}

impl Line {
    /// Begins with a text, cut at [`MAX_CHARACTERS`], ready to go on behind it.
    pub fn new(begin: &str, is_secret: bool) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(CAPACITY));
        text.extend(
            begin
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_CHARACTERS),
        );
        Self {
            cursor: text.len(),
            text,
            is_secret,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// A copy that is wiped as well.
    pub fn value(&self) -> Zeroizing<String> {
        self.text.clone()
    }

    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// What may be seen of it: dots for a secret.
    pub fn shown(&self) -> Zeroizing<String> {
        self.masked(self.text())
    }

    /// Columns before the cursor.
    pub fn cursor_columns(&self) -> u16 {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        text::columns(&self.masked(before))
    }

    fn masked(&self, text: &str) -> Zeroizing<String> {
        if !self.is_secret {
            return Zeroizing::new(text.to_owned());
        }
        Zeroizing::new(text.chars().map(|_| DOT).collect())
    }

    /// Takes a key; false if it does not edit a line.
    pub fn take(&mut self, key: Key) -> bool {
        match key {
            Key::Character(c) => self.insert(c),
            Key::Backspace => {
                if let Some(before) = self.before() {
                    self.cursor -= before.len_utf8();
                    self.text.remove(self.cursor);
                }
            }
            Key::Delete => {
                if self.cursor < self.text.len() {
                    self.text.remove(self.cursor);
                }
            }
            Key::EraseAll => {
                self.text.clear();
                self.cursor = 0;
            }
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Left => self.cursor -= self.before().map_or(0, char::len_utf8),
            Key::Right => {
                let rest = self.text.get(self.cursor..).unwrap_or_default();
                self.cursor += rest.chars().next().map_or(0, char::len_utf8);
            }
            Key::BackTab
            | Key::Down
            | Key::Enter
            | Key::Escape
            | Key::PageDown
            | Key::PageUp
            | Key::Tab
            | Key::Up => return false,
        }
        true
    }

    fn before(&self) -> Option<char> {
        self.text.get(..self.cursor)?.chars().next_back()
    }

    fn insert(&mut self, c: char) {
        if self.text.chars().count() < MAX_CHARACTERS {
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(line: &mut Line, text: &str) {
        for c in text.chars() {
            assert!(line.take(Key::Character(c)));
        }
    }

    #[test]
    fn a_line_is_edited_anywhere() {
        let mut line = Line::new("", false);
        type_in(&mut line, "größe");
        line.take(Key::Left);
        line.take(Key::Backspace);
        assert_eq!(line.text(), "gröe");
        type_in(&mut line, "ss");
        assert_eq!((line.text(), line.cursor_columns()), ("grösse", 5));
        line.take(Key::Home);
        line.take(Key::Delete);
        line.take(Key::Backspace);
        line.take(Key::Right);
        type_in(&mut line, "日");
        assert_eq!((line.text(), line.cursor_columns()), ("r日össe", 3));
        line.take(Key::End);
        line.take(Key::Delete);
        line.take(Key::Right);
        assert_eq!(line.text(), "r日össe");
        line.take(Key::EraseAll);
        line.take(Key::Left);
        assert_eq!((line.text(), line.cursor_columns()), ("", 0));
        assert!(!line.take(Key::Tab));
    }

    #[test]
    fn a_secret_is_dots_and_stays_where_it_is() {
        let mut line = Line::new("a\u{0}b", true);
        assert_eq!(line.text(), "ab");
        let place = line.text().as_ptr();
        for _ in 0..2 * MAX_CHARACTERS {
            line.take(Key::Character('🦀'));
        }
        assert_eq!(line.text().chars().count(), MAX_CHARACTERS);
        assert_eq!(line.text().as_ptr(), place, "not moved");
        assert!(line.shown().chars().all(|c| c == DOT));
        assert_eq!(line.cursor_columns(), 512);
    }
}
