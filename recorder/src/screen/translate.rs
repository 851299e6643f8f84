//! Sequences that the screen model does not know, said in those it knows; and numbers with which
//! a few bytes would keep it busy for minutes, made harmless.

use std::borrow::Cow;

use super::scan::Csi;

/// DEC's line-drawing set, 0x5f to 0x7e.
const LINES: &str = " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

/// Text as the line-drawing set shows it.
pub(super) fn line_drawing(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .map(|c| match c {
            '_'..='~' => LINES.chars().nth(c as usize - 0x5f).unwrap_or(c),
            _ => c,
        })
        .collect()
}

/// The last printable character of a text, whatever controls follow it: the same as if the text had come in pieces.
pub(super) fn last_char(text: &[u8]) -> Option<char> {
    let printable = |part: &str| part.chars().rfind(|c| !c.is_control());
    let parts = text
        .utf8_chunks()
        .filter_map(|part| printable(part.valid()));
    parts.last()
}

/// An ESC sequence.
pub(super) fn esc(bytes: &[u8]) -> &[u8] {
    match bytes {
        // IND and NEL.
        [_, b'D'] => b"\n",
        [_, b'E'] => b"\r\n",
        other => other,
    }
}

/// A CSI sequence. `cursor`: row and column, from 0; `last`: the last character printed.
pub(super) fn csi<'a>(
    bytes: &'a [u8],
    size: (u16, u16),
    cursor: (u16, u16),
    last: Option<char>,
) -> Cow<'a, [u8]> {
    let Some(csi) = Csi::parse(bytes) else {
        return Cow::Borrowed(b"");
    };
    let (cols, rows) = size;
    let count = csi.param(0, 1);
    let with = |n: u16, last: char| Cow::Owned(format!("\x1b[{n}{last}").into_bytes());
    match (csi.prefix, csi.intermediate, csi.last) {
        // The model repeats its work as often as it is told to.
        (0, 0, b'@') if count > cols => with(cols, '@'),
        (0, 0, b'L') if count > rows => with(rows, 'L'),
        (0, 0, b'T') if count > rows => with(rows, 'T'),
        // Other names of what it knows.
        (0, 0, b'f') => renamed(bytes, b'H'),
        (0, 0, b'`') => renamed(bytes, b'G'),
        (0, 0, b'a') => renamed(bytes, b'C'),
        (0, 0, b'e') => renamed(bytes, b'B'),
        (0, 0, b's') if csi.params().is_empty() => Cow::Borrowed(b"\x1b7"),
        (0, 0, b'u') => Cow::Borrowed(b"\x1b8"),
        // Tabs forwards and backwards.
        (0, 0, b'I') => Cow::Owned(vec![b'\t'; usize::from(count.min(cols))]),
        (0, 0, b'Z') => {
            let stop = cursor.1.div_ceil(8).saturating_sub(count) * 8;
            with(stop.saturating_add(1), 'G')
        }
        // Repeat the last character.
        (0, 0, b'b') => {
            let most = u32::from(cols) * u32::from(rows);
            let n = u32::from(count).min(most) as usize;
            let text = last.map(|c| c.to_string().repeat(n)).unwrap_or_default();
            Cow::Owned(text.into_bytes())
        }
        (0, b'!', b'p') => soft_reset(cursor),
        (b'?', 0, b'h' | b'l') => private(&csi, bytes),
        _ => Cow::Borrowed(bytes),
    }
}

fn renamed(bytes: &[u8], last: u8) -> Cow<'_, [u8]> {
    let mut renamed = bytes.to_vec();
    if let Some(byte) = renamed.last_mut() {
        *byte = last;
    }
    Cow::Owned(renamed)
}

/// The cursor stays where it is.
fn soft_reset((row, col): (u16, u16)) -> Cow<'static, [u8]> {
    let place = format!("\x1b[{};{}H", row.saturating_add(1), col.saturating_add(1));
    Cow::Owned(format!("\x1b[?25h\x1b[?6l\x1b[?1l\x1b>\x1b[r\x1b[m{place}").into_bytes())
}

/// 1047 and 1048 are the two halves of 1049.
fn private<'a>(csi: &Csi, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let on = csi.last == b'h';
    match csi.params() {
        [1047] if on => Cow::Borrowed(b"\x1b[?47h"),
        [1047] => Cow::Borrowed(b"\x1b[2J\x1b[?47l"),
        [1048] if on => Cow::Borrowed(b"\x1b7"),
        [1048] => Cow::Borrowed(b"\x1b8"),
        _ => Cow::Borrowed(bytes),
    }
}
