//! A terminal's screen, kept beside the tape or rebuilt from it.

mod cover;
pub(crate) mod modes;
mod paint;
mod rebuild;
pub(crate) mod scan;
mod translate;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use rebuild::LiveScreen;
pub(crate) use rebuild::Rebuild;

use modes::Modes;
use scan::{Piece, Scanner};

/// The model divides by its size and allocates cells for all of it.
const SMALLEST: (u16, u16) = (2, 2);
const LARGEST: (u16, u16) = (1000, 500);
/// To the other screen, its cells as they are: from the main one, from the alternate one.
const TOGGLE: [&[u8]; 2] = [b"\x1b[?47h", b"\x1b[?47l"];
/// What a terminal has when nobody said.
const USUAL: (u16, u16) = (80, 24);

/// A terminal's screen: cells, cursor and modes. Fed with any bytes, at any cuts, it neither
/// panics nor grows.
pub struct Screen {
    parser: vt100::Parser,
    scanner: Scanner,
    modes: Modes,
    /// The last character printed, for the sequence that repeats it.
    last: Option<char>,
    /// The saved cursor of the main and the alternate screen, which the model keeps to itself.
    saved: [Saved; 2],
    size: (u16, u16),
}

/// A saved cursor: row and column from 0, and the sequences that set its attributes.
#[derive(Debug, Clone, Default)]
struct Saved {
    row: u16,
    col: u16,
    attributes: Vec<u8>,
}

impl Screen {
    /// An empty screen. Sizes that no terminal has are brought into 2x2 to 1000x500; 0x0 counts as
    /// 80x24.
    pub fn new(cols: u16, rows: u16) -> Self {
        let size = usable(cols, rows);
        Self {
            parser: vt100::Parser::new(size.1, size.0, 0),
            scanner: Scanner::default(),
            modes: Modes::default(),
            last: None,
            saved: Default::default(),
            size,
        }
    }

    /// The target printed.
    pub fn feed(&mut self, data: &[u8]) {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.scan(data, &mut |piece| {
            self.modes.note(&piece);
            self.draw(&piece);
        });
        self.scanner = scanner;
    }

    /// Follows what the output does to the modes, without drawing it.
    pub(crate) fn skim(&mut self, data: &[u8]) {
        let Self { scanner, modes, .. } = self;
        scanner.scan(data, &mut |piece| modes.note(&piece));
    }

    /// Empties the cells and sets the modes, after output was skimmed.
    pub(crate) fn restart(&mut self) {
        self.parser = vt100::Parser::new(self.size.1, self.size.0, 0);
        let setup = self.modes.for_model(self.size.1);
        self.process(&setup);
    }

    fn draw(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Text(text) if self.modes.draws_lines() => {
                let lines = translate::line_drawing(text);
                self.process(lines.as_bytes());
                self.last = lines.chars().rfind(|c| !c.is_control()).or(self.last);
            }
            Piece::Text(text) => {
                self.process(text);
                self.last = translate::last_char(text).or(self.last);
            }
            Piece::Shift(_) | Piece::Osc(_) => {}
            Piece::Esc(bytes) => {
                let sequence = translate::esc(bytes);
                self.note_saving(sequence);
                self.process(sequence);
            }
            Piece::Csi(bytes) => {
                let cursor = self.parser.screen().cursor_position();
                let sequence = translate::csi(bytes, self.size, cursor, self.last);
                self.note_saving(&sequence);
                self.process(&sequence);
            }
        }
    }

    /// Notes where the cursor is when a sequence saves it.
    fn note_saving(&mut self, sequence: &[u8]) {
        match sequence {
            b"\x1b7" | b"\x1b[?1049h" => {
                let screen = self.parser.screen();
                let (row, col) = screen.cursor_position();
                self.saved[usize::from(screen.alternate_screen())] = Saved {
                    row,
                    col,
                    attributes: screen.attributes_formatted(),
                };
            }
            b"\x1bc" => self.saved = Default::default(),
            _ => {}
        }
        if sequence == b"\x1b[?1049h" {
            self.saved[1] = Saved::default();
        }
    }

    /// The model is somebody else's and its input anybody's: should it panic, this screen starts
    /// anew and nothing else happens.
    fn process(&mut self, bytes: &[u8]) {
        let parser = &mut self.parser;
        if catch_unwind(AssertUnwindSafe(|| parser.process(bytes))).is_err() {
            tracing::warn!("the screen model failed; its screen starts anew");
            self.restart_empty();
        }
    }

    fn restart_empty(&mut self) {
        self.parser = vt100::Parser::new(self.size.1, self.size.0, 0);
        self.modes = Modes::default();
        self.saved = Default::default();
    }

    /// The user's terminal got another size.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        let size = usable(cols, rows);
        if size == self.size {
            return;
        }
        if size.0 < self.size.0 {
            self.drop_halves(size.0);
            self.process(TOGGLE[usize::from(self.alternate())]);
            self.drop_halves(size.0);
            self.process(TOGGLE[usize::from(self.alternate())]);
        }
        self.size = size;
        let parser = &mut self.parser;
        let set = || parser.screen_mut().set_size(size.1, size.0);
        if catch_unwind(AssertUnwindSafe(set)).is_err() {
            self.restart_empty();
        }
    }

    /// Empties wide characters of which a narrower screen would keep the first half only, which
    /// the model cannot bear.
    fn drop_halves(&mut self, cols: u16) {
        let screen = self.parser.screen();
        let halved = |row: &u16| {
            let cell = screen.cell(*row, cols.saturating_sub(1));
            cell.is_some_and(vt100::Cell::is_wide)
        };
        let rows: Vec<u16> = (0..self.size.1).filter(halved).collect();
        if rows.is_empty() {
            return;
        }
        let (row, col) = screen.cursor_position();
        let mut sequence = String::from("\x1b[?6l");
        for row in rows {
            sequence.push_str(&format!("\x1b[{};{cols}H\x1b[2X", row + 1));
        }
        sequence.push_str(&format!("\x1b[{};{}H", row + 1, col + 1));
        self.process(sequence.as_bytes());
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The window title last set.
    pub fn title(&self) -> Option<&str> {
        self.modes.title()
    }

    /// Is a full-screen program on?
    pub fn alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// The text on the screen, lines without trailing blanks, no empty lines at the end.
    pub fn text(&self) -> String {
        let screen = self.parser.screen();
        let rows = screen.rows(0, self.size.0);
        let mut text = String::new();
        for row in rows {
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text.truncate(text.trim_end_matches('\n').len());
        text
    }
}

fn usable(cols: u16, rows: u16) -> (u16, u16) {
    let fit = |value: u16, usual, least, most| match value {
        0 => usual,
        value => value.clamp(least, most),
    };
    (
        fit(cols, USUAL.0, SMALLEST.0, LARGEST.0),
        fit(rows, USUAL.1, SMALLEST.1, LARGEST.1),
    )
}

#[cfg(test)]
mod tests;
