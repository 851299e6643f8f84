//! The page that a locked user sees.

use super::{Screen, usable};

/// Takes the alternate screen, whatever is on, plain and empty, without cursor and mouse.
const BEGIN: &str = "\x1b[?1049h\x1b[r\x1b[?6l\x1b[4l\x1b[?7l\x1b(B\x0f\x1b[m\x1b[2J\x1b[H\x1b[?25l\
    \x1b[?1000l\x1b[?1002l\x1b[?1003l";

impl Screen {
    /// The lock page: covers what is on the terminal, and shows title and message in its middle.
    /// To be sent again when the terminal changes its size. A sequence that the output was cut in
    /// is ended first.
    pub fn cover(title: &str, message: &str, cols: u16, rows: u16) -> Vec<u8> {
        let (cols, rows) = usable(cols, rows);
        let width = usize::from(cols).saturating_sub(4).clamp(1, 76);
        let titles = wrap(title, width);
        let mut lines: Vec<(String, bool)> = titles.into_iter().map(|l| (l, true)).collect();
        let texts = wrap(message, width);
        if !lines.is_empty() && !texts.is_empty() {
            lines.push((String::new(), false));
        }
        lines.extend(texts.into_iter().map(|l| (l, false)));
        lines.truncate(usize::from(rows));
        // CAN ends a control sequence, ST a string; both do nothing otherwise.
        let mut out = String::from("\x18\x1b\\");
        out.push_str(BEGIN);
        let top = (usize::from(rows) - lines.len()) / 2 + 1;
        for (n, (line, bold)) in lines.iter().enumerate().filter(|(_, l)| !l.0.is_empty()) {
            let column = usize::from(cols).saturating_sub(text_width(line)) / 2 + 1;
            let (on, off) = if *bold {
                ("\x1b[1m", "\x1b[m")
            } else {
                ("", "")
            };
            out.push_str(&format!("\x1b[{};{column}H{on}{line}{off}", top + n));
        }
        out.into_bytes()
    }

    /// Takes the lock page away; [`Screen::repaint`] must follow.
    pub fn uncover() -> Vec<u8> {
        b"\x1b[m\x1b[2J\x1b[?7h\x1b[?25h\x1b[?1049l".to_vec()
    }
}

/// Lines of at most `width` columns, broken between words where possible. Control characters,
/// which would reach the user's terminal, are left out.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim_end().lines() {
        let mut line = String::new();
        for word in paragraph.split(|c: char| c.is_whitespace()) {
            let word: String = word.chars().filter(|c| !c.is_control()).collect();
            if !line.is_empty() && text_width(&line) + 1 + text_width(&word) > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            for c in word.chars() {
                if text_width(&line) + char_width(c) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines
}

fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of a character: two for East Asian wide ones and pictures, close enough for centring.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
