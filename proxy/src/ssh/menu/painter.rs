//! Lines on a terminal, changed in place: only what differs is written, where the cursor is known to be.
//!
//! The lines stand below whatever was on the screen before, and every one is shorter than the terminal is wide, so that
//! nothing wraps or scrolls by itself.

use std::fmt::Write;

use super::text::columns;

/// What the selected line begins with.
pub const MARK: &str = "> ";

/// What is to be seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The lines, without line ends.
    pub lines: Vec<String>,
    /// Where the cursor stands: line and column.
    pub cursor: (usize, usize),
}

/// What is seen.
#[derive(Debug, Default)]
pub struct Painter {
    lines: Vec<String>,
    row: usize,
}

impl Painter {
    /// What has to be written to see `frame`.
    pub fn paint(&mut self, frame: &Frame) -> String {
        let mut out = String::new();
        let count = frame.lines.len().max(self.lines.len());
        for at in 0..count {
            let new = frame.lines.get(at).map_or("", String::as_str);
            match self.lines.get(at).cloned() {
                None => {
                    self.extend(&mut out, at);
                    out.push_str(new);
                    self.lines.push(new.to_owned());
                }
                Some(old) if old != new => {
                    self.go(&mut out, at, 0);
                    rewrite(&mut out, &old, new);
                    self.lines[at].replace_range(.., new);
                }
                Some(_) => {}
            }
        }
        let (row, column) = frame.cursor;
        self.go(
            &mut out,
            row.min(self.lines.len().saturating_sub(1)),
            column,
        );
        out
    }

    /// The terminal has changed: nothing on it can be relied on, so it is cleared.
    pub fn start_over(&mut self) -> String {
        *self = Self::default();
        "\x1b[2J\x1b[H".to_owned()
    }

    /// Takes everything away again; the cursor is where the first line began.
    pub fn erase(&mut self) -> String {
        let mut out = String::new();
        self.go(&mut out, 0, 0);
        out.push_str("\x1b[J");
        *self = Self::default();
        out
    }

    /// A line that is not there yet.
    fn extend(&mut self, out: &mut String, at: usize) {
        if at > 0 {
            self.go(out, at - 1, 0);
            out.push_str("\r\n");
        }
        self.row = at;
    }

    fn go(&mut self, out: &mut String, row: usize, column: usize) {
        // Writing to a string cannot fail.
        let _ = match row.cmp(&self.row) {
            std::cmp::Ordering::Less => write!(out, "\r\x1b[{}A", self.row - row),
            std::cmp::Ordering::Equal => write!(out, "\r"),
            std::cmp::Ordering::Greater => write!(out, "\r\x1b[{}B", row - self.row),
        };
        right(out, column);
        self.row = row;
    }
}

/// Changes a line; the cursor stands at its beginning.
///
/// A line that is selected is written whole, so that a screen reader says it. Of others only what differs is written:
/// what is typed sounds like typing.
fn rewrite(out: &mut String, old: &str, new: &str) {
    if new.starts_with(MARK) {
        out.push_str(new);
        return clear_rest(out, old, new);
    }
    let same = old
        .chars()
        .zip(new.chars())
        .take_while(|(old, new)| old == new);
    let same: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let (kept, old, new) = (&new[..same], &old[same..], &new[same..]);
    right(out, columns(kept));
    let tail = old.chars().rev().zip(new.chars().rev());
    let tail = tail.take_while(|(old, new)| old == new);
    let tail: usize = tail.map(|(c, _)| c.len_utf8()).sum();
    let changed = (&old[..old.len() - tail], &new[..new.len() - tail]);
    if columns(changed.0) == columns(changed.1) {
        out.push_str(changed.1);
    } else {
        out.push_str(new);
        clear_rest(out, old, new);
    }
}

fn clear_rest(out: &mut String, old: &str, new: &str) {
    if columns(old) > columns(new) {
        out.push_str("\x1b[K");
    }
}

fn right(out: &mut String, columns: usize) {
    if columns > 0 {
        let _ = write!(out, "\x1b[{columns}C");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(lines: &[&str], cursor: (usize, usize)) -> Frame {
        Frame {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            cursor,
        }
    }

    #[test]
    fn a_moved_mark_is_two_columns_and_one_line() {
        let mut painter = Painter::default();
        painter.paint(&frame(
            &["Filter: ", "> web-01", "  web-02", "  web-03"],
            (1, 0),
        ));
        let moved = painter.paint(&frame(
            &["Filter: ", "  web-01", "> web-02", "  web-03"],
            (2, 0),
        ));
        assert_eq!(moved, "\r \r\x1b[1B> web-02\r");
    }

    #[test]
    fn typing_writes_what_was_typed() {
        let mut painter = Painter::default();
        painter.paint(&frame(&["Filter: we", "  a"], (0, 10)));
        let typed = painter.paint(&frame(&["Filter: web", "  a"], (0, 11)));
        assert_eq!(typed, "\r\x1b[10Cb\r\x1b[11C");
        let deleted = painter.paint(&frame(&["Filter: we", "  a"], (0, 10)));
        assert_eq!(deleted, "\r\x1b[10C\x1b[K\r\x1b[10C");
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let line = prop::string::string_regex("(> |  )?[ab日ü ]{0,12}").expect("an expression");
        prop::collection::vec(line, 1..8).prop_flat_map(|lines| {
            let rows = lines.len();
            (Just(lines), (0..rows, 0_usize..20))
                .prop_map(|(lines, cursor)| Frame { lines, cursor })
        })
    }

    proptest! {
        /// Whatever is painted after whatever, a terminal shows it, below what it showed before.
        #[test]
        fn a_terminal_shows_the_frame(frames in prop::collection::vec(any_frame(), 1..6), above in 0_usize..12) {
            let mut terminal = vt100::Parser::new(10, 30, 0);
            terminal.process("before\r\n".repeat(above).as_bytes());
            let mut painter = Painter::default();
            for frame in &frames {
                terminal.process(painter.paint(frame).as_bytes());
                let shown = terminal.screen().contents();
                let shown: Vec<&str> = shown.lines().skip_while(|line| *line == "before").collect();
                for (at, line) in frame.lines.iter().enumerate() {
                    prop_assert_eq!(shown.get(at).unwrap_or(&"").trim_end(), line.trim_end(), "{:?}", shown);
                }
                let (row, column) = terminal.screen().cursor_position();
                let top = terminal.screen().contents().lines().take_while(|line| *line == "before").count();
                prop_assert_eq!((usize::from(row), usize::from(column)), (top + frame.cursor.0, frame.cursor.1));
            }
            terminal.process(painter.erase().as_bytes());
            let left = terminal.screen().contents();
            prop_assert!(left.lines().all(|line| line == "before"), "{}", left);
        }
    }
}
