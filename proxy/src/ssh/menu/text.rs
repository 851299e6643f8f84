//! Text that fits: names made harmless, measured in columns, cut and wrapped.

use unicode_width::UnicodeWidthChar;

/// A name somebody else chose, on one line: nothing in it steers the terminal or turns the direction of what follows.
pub fn label(name: &str) -> String {
    name.chars()
        .map(|c| if is_harmless(c) { c } else { '?' })
        .collect()
}

/// A longer text, with its line ends.
pub fn paragraphs(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(label).collect();
    lines.join("\n")
}

fn is_harmless(c: char) -> bool {
    // Line and paragraph separators; marks of direction; invisible characters that make two names look the same.
    let invisible = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !invisible
}

/// Columns of a character.
pub fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Columns of a text.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The text in at most `most` columns; an ellipsis stands for what is cut off.
pub fn fit(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += columns_of(c);
        if used > most.saturating_sub(1) {
            break;
        }
        fitting.push(c);
    }
    if most > 0 {
        fitting.push('…');
    }
    fitting
}

/// The text filled up with spaces to `to` columns.
pub fn pad(text: &str, to: usize) -> String {
    let missing = to.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text in lines of at most `most` columns, broken between words where that is possible.
pub fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let gap = usize::from(!line.is_empty());
            if columns(&line) + gap + columns(word) <= most {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut pieces = pieces(word, most);
            line = pieces.pop().unwrap_or_default();
            lines.extend(pieces);
        }
        lines.push(line);
    }
    lines
}

/// The text cut every `most` columns, wherever that is; at least one piece.
pub fn pieces(text: &str, most: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        if used + columns_of(c) > most && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        used += columns_of(c);
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless() {
        for (name, shown) in [
            ("web-01", "web-01"),
            ("Wärme 日本 🦀", "Wärme 日本 🦀"),
            ("a\x1b[2Jb\r\nc\u{9b}d", "a?[2Jb??c?d"),
            ("abc\u{202e}cba", "abc?cba"),
            ("a\u{200b}b", "a?b"),
        ] {
            assert_eq!(label(name), shown);
        }
        assert_eq!(paragraphs("a\nb\x07\r\nc"), "a\nb?\nc");
    }

    #[test]
    fn what_fits() {
        for (text, most, fitting) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(text, most), fitting, "{text} in {most}");
            assert!(columns(&fit(text, most)) <= most);
        }
    }

    #[test]
    fn how_lines_are_broken() {
        for (text, most, lines) in [
            ("one two three", 7, &["one two", "three"][..]),
            ("one\ntwo", 80, &["one", "two"]),
            ("unbreakable", 4, &["unbr", "eaka", "ble"]),
            ("a unbreakable b", 4, &["a", "unbr", "eaka", "ble", "b"]),
            ("日本 語", 4, &["日本", "語"]),
            ("", 4, &[]),
        ] {
            assert_eq!(wrap(text, most), lines, "{text} in {most}");
        }
        assert_eq!(pieces("", 3), [""]);
        assert_eq!(pieces("abcdef", 3), ["abc", "def"]);
    }
}
