//! A terminal's output as lines of text, as one would read them on paper.

use crate::screen::modes::Modes;
use crate::screen::scan::{Csi, Piece, Scanner};

/// Longer lines are broken.
const LONGEST: usize = 4096;

/// Turns output into lines, with corrections (backspace, carriage return, erasing) applied. What
/// full-screen programs paint is left out.
#[derive(Default)]
pub(super) struct Lines {
    scanner: Scanner,
    modes: Modes,
    line: Line,
}

#[derive(Default)]
struct Line {
    cells: Vec<char>,
    col: usize,
}

impl Lines {
    /// Takes output; gives the lines that it ends.
    pub fn push(&mut self, data: &[u8]) -> Vec<String> {
        let mut ended = Vec::new();
        let Self {
            scanner,
            modes,
            line,
        } = self;
        scanner.scan(data, &mut |piece| {
            let full_screen = modes.alternate;
            modes.note(&piece);
            if modes.alternate {
                if !full_screen {
                    line.end_if_any(&mut ended);
                    ended.push("(full-screen program)".to_owned());
                }
                return;
            }
            match piece {
                Piece::Text(text) => line.print(&String::from_utf8_lossy(text), &mut ended),
                Piece::Csi(bytes) => {
                    if let Some(csi) = Csi::parse(bytes) {
                        line.edit(&csi, &mut ended);
                    }
                }
                Piece::Shift(_) | Piece::Esc(_) | Piece::Osc(_) => {}
            }
        });
        ended
    }

    /// The line at the end, if there is one.
    pub fn finish(&mut self) -> Option<String> {
        let mut ended = Vec::new();
        self.line.end_if_any(&mut ended);
        ended.pop()
    }
}

impl Line {
    fn print(&mut self, text: &str, ended: &mut Vec<String>) {
        for c in text.chars() {
            match c {
                '\n' => ended.push(self.end()),
                '\r' => self.col = 0,
                '\u{8}' => self.col = self.col.saturating_sub(1),
                '\t' => {
                    self.col = (self.col / 8 + 1) * 8;
                    self.reach();
                }
                c if c.is_control() => {}
                c => {
                    self.reach();
                    match self.cells.get_mut(self.col) {
                        Some(cell) => *cell = c,
                        None => self.cells.push(c),
                    }
                    self.col += 1;
                }
            }
            if self.col >= LONGEST {
                ended.push(self.end());
            }
        }
    }

    fn edit(&mut self, csi: &Csi, ended: &mut Vec<String>) {
        let n = usize::from(csi.param(0, 1));
        match (csi.prefix, csi.intermediate, csi.last) {
            (0, 0, b'C') => self.col = (self.col + n).min(LONGEST - 1),
            (0, 0, b'D') => self.col = self.col.saturating_sub(n),
            (0, 0, b'G') => self.col = (n - 1).min(LONGEST - 1),
            (0, 0, b'K') => match csi.param(0, 0) {
                0 => self.cells.truncate(self.col),
                1 => {
                    let end = self.col.min(self.cells.len());
                    self.cells[..end].fill(' ');
                }
                _ => self.cells.clear(),
            },
            (0, 0, b'P') if self.col < self.cells.len() => {
                let end = (self.col + n).min(self.cells.len());
                self.cells.drain(self.col..end);
            }
            (0, 0, b'@') if self.col < self.cells.len() => {
                let blanks =
                    std::iter::repeat_n(' ', n.min(LONGEST - self.cells.len().min(LONGEST)));
                self.cells.splice(self.col..self.col, blanks);
            }
            // To another line.
            (0, 0, b'H' | b'f' | b'A' | b'B' | b'd' | b'E' | b'F' | b'J') => self.end_if_any(ended),
            _ => {}
        }
    }

    fn reach(&mut self) {
        if self.cells.len() < self.col {
            self.cells.resize(self.col, ' ');
        }
    }

    fn end(&mut self) -> String {
        let text: String = self.cells.drain(..).collect();
        self.col = 0;
        text.trim_end().to_owned()
    }

    fn end_if_any(&mut self, ended: &mut Vec<String>) {
        let text = self.end();
        if !text.is_empty() {
            ended.push(text);
        }
    }
}
