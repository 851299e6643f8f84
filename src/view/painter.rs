//! A model of the session's screen, and the bytes that paint it into a window of any size.

use sallyport_recorder::Screen;

use crate::table::printable;

/// The session's screen as this window shows it: the part around the cursor, and a status line.
pub struct Painter {
    screen: Screen,
    window: (u16, u16),
    /// What each row of the window shows now.
    shown: Vec<Vec<u8>>,
    status: String,
}

impl Painter {
    /// A blank screen of the session's size, in a window of `columns` and `rows`.
    pub fn new(columns: u16, rows: u16, window: (u16, u16)) -> Self {
        Self {
            screen: Screen::new(columns, rows),
            window,
            shown: Vec::new(),
            status: String::new(),
        }
    }

    /// Output of the session.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
    }

    /// The session's window changed.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.resize(columns, rows);
    }

    /// This window changed.
    pub fn set_window(&mut self, window: (u16, u16)) {
        self.window = window;
        self.shown.clear();
    }

    /// Starts over with a blank screen.
    pub fn clear(&mut self, columns: u16, rows: u16) {
        self.screen = Screen::new(columns, rows);
    }

    /// The session's columns and rows.
    pub fn size(&self) -> (u16, u16) {
        self.screen.size()
    }

    /// The bytes that bring the window up to date; only rows that changed are painted.
    pub fn frame(&mut self, status: &str) -> Vec<u8> {
        let (columns, rows) = self.window;
        let body = rows.saturating_sub(1);
        let mut frame = b"\x1b[?25l".to_vec();
        if self.shown.len() != usize::from(body) {
            frame.extend_from_slice(b"\x1b[m\x1b[2J");
            self.shown = vec![Vec::new(); usize::from(body)];
            self.status.clear();
        }
        // The recorder's screen gives itself as a whole; a plain model of it gives rows.
        let (wide, high) = self.screen.size();
        let mut model = vt100::Parser::new(high, wide, 0);
        model.process(&self.screen.repaint());
        let screen = model.screen();
        let (row, column) = screen.cursor_position();
        // A window with too few rows follows the cursor: that is where things happen.
        let hidden = (row + 1).saturating_sub(body);
        let lines = screen
            .rows_formatted(0, columns)
            .skip(usize::from(hidden))
            .chain(std::iter::repeat(Vec::new()));
        for (row, (line, shown)) in lines.zip(self.shown.iter_mut()).enumerate() {
            if line != *shown {
                frame.extend_from_slice(format!("\x1b[{};1H\x1b[m\x1b[2K", row + 1).as_bytes());
                frame.extend_from_slice(&line);
                *shown = line;
            }
        }
        let status: String = status
            .chars()
            .map(printable)
            .take(usize::from(columns))
            .collect();
        if status != self.status && rows > 1 {
            let width = usize::from(columns);
            frame.extend_from_slice(
                format!("\x1b[{rows};1H\x1b[0;7m{status:width$}\x1b[m").as_bytes(),
            );
            self.status = status;
        }
        if !screen.hide_cursor() && body > 0 && column < columns {
            let row = row - hidden + 1;
            frame
                .extend_from_slice(format!("\x1b[m\x1b[{row};{}H\x1b[?25h", column + 1).as_bytes());
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a window shows after some frames.
    fn seen(frames: &[Vec<u8>], window: (u16, u16)) -> String {
        let mut terminal = vt100::Parser::new(window.1, window.0, 0);
        for frame in frames {
            terminal.process(frame);
        }
        let rows: Vec<String> = terminal.screen().rows(0, window.0).collect();
        rows.iter()
            .map(|row| row.trim_end())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_screen_and_a_status_line_are_painted() {
        let window = (20, 4);
        let mut painter = Painter::new(80, 24, window);
        painter.feed(b"hello\r\n\x1b[31mred\x1b[m and plain\r\n");
        let first = painter.frame("status");
        assert_eq!(
            seen(std::slice::from_ref(&first), window),
            "hello\nred and plain\n\nstatus"
        );
        painter.feed(b"\x1b[Hjello");
        let second = painter.frame("status");
        assert!(
            second.len() < 60,
            "only what changed is painted: {}",
            second.len()
        );
        assert_eq!(
            seen(&[first, second], window),
            "jello\nred and plain\n\nstatus"
        );
    }

    #[test]
    fn a_small_window_follows_the_cursor() {
        let window = (20, 3);
        let mut painter = Painter::new(20, 4, window);
        painter.feed(b"1\r\n2\r\n3\r\n4");
        assert_eq!(seen(&[painter.frame("s")], window), "3\n4\ns");
    }

    #[test]
    fn nothing_a_target_prints_commands_this_terminal() {
        let mut painter = Painter::new(80, 24, (80, 24));
        painter.feed(b"\x1b]0;title\x07\x1b]52;c;aGFjaw==\x07\x1b[6n\x1b[c\x1b[?1000h\x05ok");
        let frame = painter.frame("a\x1b[2Jb");
        let frame = String::from_utf8(frame).unwrap();
        assert!(frame.contains("ok"));
        for order in [
            "\x1b]",
            "\x1b[6n",
            "\x1b[c",
            "\x1b[?1000h",
            "\x05",
            "a\x1b[2Jb",
        ] {
            assert!(!frame.contains(order), "{order:?} in {frame:?}");
        }
    }

    #[test]
    fn odd_sizes_do_no_harm() {
        for (columns, rows) in [(0, 0), (1, 1), (65535, 65535)] {
            let mut painter = Painter::new(columns, rows, (1, 1));
            painter.feed("wide \u{4e16}\u{754c} text\r\n\n\n".as_bytes());
            painter.resize(rows, columns);
            painter.feed("\u{4e16}\u{754c}".as_bytes());
            painter.set_window((3, 2));
            assert!(!painter.frame("x").is_empty());
        }
    }
}
