//! Text that strangers wrote, made into cells of a monospaced font: measured, cut and wrapped.

use unicode_width::UnicodeWidthChar;

/// One cell of a line, or two for a wide character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// What is drawn: a character that the font may have, [`MISSING`] if nothing can stand for it.
    pub sign: char,
    /// Columns it takes: one or two.
    pub columns: u16,
}

/// Stands for a character that cannot be drawn, so that it is seen that something is there.
pub(super) const MISSING: char = char::REPLACEMENT_CHARACTER;
/// Stands for what was cut off.
pub(super) const ELLIPSIS: char = '…';
/// Stands for a character of a secret.
pub(super) const DOT: char = '●';

/// Accents: the combining mark, the character that stands for it alone, and letters with what they become.
const ACCENTS: [(char, char, &str); 6] = [
    ('\u{300}', '`', "AÀEÈIÌOÒUÙaàeèiìoòuù"),
    (
        '\u{301}',
        '´',
        "AÁCĆEÉIÍLĹNŃOÓRŔSŚUÚYÝZŹaácćeéiílĺnńoórŕsśuúyýzź",
    ),
    (
        '\u{302}',
        '^',
        "AÂCĈEÊGĜHĤIÎJĴOÔSŜUÛWŴYŶaâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷ",
    ),
    ('\u{303}', '~', "AÃIĨNÑOÕUŨaãiĩnñoõuũ"),
    ('\u{308}', '¨', "AÄEËIÏOÖUÜYŸaäeëiïoöuüyÿ"),
    ('\u{30a}', '˚', "AÅUŮaåuů"),
];

/// The letter with the accent, if there is such a character.
pub(super) fn accented(letter: char, mark: char) -> Option<char> {
    let (_, _, pairs) = ACCENTS.iter().find(|accent| accent.0 == mark)?;
    let mut pairs = pairs.chars();
    while let (Some(plain), Some(with)) = (pairs.next(), pairs.next()) {
        if plain == letter {
            return Some(with);
        }
    }
    None
}

/// The character that stands for an accent without a letter.
pub(super) fn accent_alone(mark: char) -> Option<char> {
    let accent = ACCENTS.iter().find(|accent| accent.0 == mark)?;
    Some(accent.1)
}

/// What is drawn for a text, in order. Nothing that is there goes unseen, but for accents that no letter of the font has.
pub(super) fn cells(text: &str) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\u{300}'..='\u{36f}')
            && let Some(last) = cells.last_mut()
        {
            last.sign = accented(last.sign, c).unwrap_or(last.sign);
            continue;
        }
        cells.push(cell(c));
    }
    cells
}

fn cell(c: char) -> Cell {
    let sign = match c {
        '\t' | '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' => ' ',
        '‘' | '’' | '‚' | '′' => '\'',
        '“' | '”' | '„' | '″' => '"',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => '-',
        '•' | '∙' => '·',
        '\u{ad}' => '-',
        other => other,
    };
    match sign.width() {
        Some(columns @ 1..=2) => Cell {
            sign,
            columns: if columns == 2 { 2 } else { 1 },
        },
        // Control characters, marks of direction, invisible ones: names that look alike must not be.
        _ => Cell {
            sign: MISSING,
            columns: 1,
        },
    }
}

/// Columns a text takes.
pub(super) fn columns(text: &str) -> u16 {
    cells(text)
        .iter()
        .fold(0, |sum, cell| sum.saturating_add(cell.columns))
}

/// The cells that fit in `most` columns; an ellipsis stands for what is cut off.
pub(super) fn fit(text: &str, most: u16) -> Vec<Cell> {
    let mut cells = cells(text);
    let mut used = 0_u16;
    let mut kept = 0;
    for (index, cell) in cells.iter().enumerate() {
        used = used.saturating_add(cell.columns);
        if used < most {
            // One more and the ellipsis still fits behind it.
            kept = index + 1;
        }
        if used > most {
            cells.truncate(kept);
            if most > 0 {
                cells.push(Cell {
                    sign: ELLIPSIS,
                    columns: 1,
                });
            }
            return cells;
        }
    }
    cells
}

/// The text in lines of at most `most` columns, broken between words where that is possible; line ends are kept.
pub(super) fn wrap(text: &str, most: u16) -> Vec<String> {
    let most = most.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0_u16;
        for word in paragraph.split(' ') {
            let gap = u16::from(!line.is_empty());
            let needed = columns(word);
            if used.saturating_add(gap).saturating_add(needed) <= most {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(word);
                used += gap + needed;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut pieces = pieces(word, most);
            line = pieces.pop().unwrap_or_default();
            used = columns(&line);
            lines.extend(pieces);
        }
        lines.push(line);
    }
    lines
}

/// A word that is too long for a line, cut where the line ends.
fn pieces(word: &str, most: u16) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0_u16;
    for c in word.chars() {
        let needed = match c {
            '\u{300}'..='\u{36f}' => 0,
            other => cell(other).columns,
        };
        if used + needed > most && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        used += needed;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(cells: &[Cell]) -> String {
        cells.iter().map(|cell| cell.sign).collect()
    }

    #[test]
    fn every_character_is_seen() {
        for (text, expected, width) in [
            ("web-01", "web-01", 6),
            ("“Wärme” – 5\u{a0}kW", "\"Wärme\" - 5 kW", 14),
            ("u\u{308}ber", "über", 4),
            ("日本", "日本", 4),
            ("a\u{200b}b\u{202e}c\x1b", "a\u{fffd}b\u{fffd}c\u{fffd}", 6),
            ("\u{301}", "\u{fffd}", 1),
            ("", "", 0),
        ] {
            assert_eq!(drawn(&cells(text)), expected, "{text:?}");
            assert_eq!(columns(text), width, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        for (text, most, expected) in [
            ("database", 8, "database"),
            ("database", 7, "databa…"),
            ("database", 1, "…"),
            ("database", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本語", 1, "…"),
        ] {
            assert_eq!(drawn(&fit(text, most)), expected, "{text} in {most}");
        }
    }

    #[test]
    fn lines_break_between_words() {
        for (text, most, expected) in [
            ("the quick brown fox", 10, vec!["the quick", "brown fox"]),
            ("one\n\ntwo", 10, vec!["one", "", "two"]),
            ("abcdefghij xy", 4, vec!["abcd", "efgh", "ij", "xy"]),
            ("日本語", 3, vec!["日", "本", "語"]),
            ("ab", 0, vec!["a", "b"]),
            ("", 10, vec![]),
        ] {
            assert_eq!(wrap(text, most), expected, "{text:?} in {most}");
        }
    }

    #[test]
    fn accents_go_onto_letters() {
        assert_eq!(accented('e', '\u{301}'), Some('é'));
        assert_eq!(accented('O', '\u{308}'), Some('Ö'));
        assert_eq!(accented('q', '\u{301}'), None);
        assert_eq!(accent_alone('\u{302}'), Some('^'));
    }
}
