//! Which character is on which key, for the layouts that Windows names in the client's core data.
//!
//! A combining mark in a table is a dead key: it goes onto the letter that follows.

/// The keys that write, row by row: numbers, then from Q, A and the key beside the left Shift.
const PLACES: [&[u8]; 4] = [
    &[
        0x29, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
    ],
    &[
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
    ],
    &[
        0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2b,
    ],
    &[
        0x56, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35,
    ],
];
/// Stands for a key without a character.
const NONE: char = '\0';

/// What is held or locked while a key is pressed.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    /// A Shift key.
    pub shift: bool,
    /// Caps Lock.
    pub caps: bool,
    /// AltGr, or Ctrl and Alt.
    pub third_level: bool,
}

/// A layout: rows as in [`PLACES`].
pub(super) struct Layout {
    /// In words, for the user to compare with what is in front of her.
    pub name: &'static str,
    /// The low 16 bits of the identifiers that mean it.
    languages: &'static [u16],
    plain: [&'static str; 4],
    shifted: [&'static str; 4],
    /// With AltGr: the key's plain character, and what it writes then.
    third: &'static [(char, char)],
    /// With AltGr and Shift, where that is not the capital of the former.
    fourth: &'static [(char, char)],
    /// On the number pad.
    pub decimal: char,
    /// Caps Lock acts like Shift on digits as well.
    caps_shifts_digits: bool,
}

/// The layout of an identifier; US where it is unknown.
pub(super) fn of(identifier: u32) -> &'static Layout {
    let language = u16::try_from(identifier & 0xffff).unwrap_or(0);
    LAYOUTS
        .iter()
        .find(|layout| layout.languages.contains(&language))
        .unwrap_or(&US)
}

impl Layout {
    /// Does AltGr mean anything?
    pub fn has_third_level(&self) -> bool {
        !self.third.is_empty()
    }

    /// What a key writes with nothing held.
    pub fn plain(&self, code: u8) -> Option<char> {
        on_key(&self.plain, code)
    }

    /// What a key writes.
    pub fn character(&self, code: u8, keys: Keys) -> Option<char> {
        let plain = self.plain(code)?;
        let shifted = on_key(&self.shifted, code);
        if keys.third_level {
            return self.beyond(plain, keys.shift);
        }
        let is_letter =
            shifted.is_some_and(|shifted| plain.to_uppercase().eq([shifted]) && plain != shifted);
        let is_digit = self.caps_shifts_digits && shifted.is_some_and(|c| c.is_ascii_digit());
        let caps = keys.caps && (is_letter || is_digit);
        let found = if keys.shift != caps {
            shifted
        } else {
            Some(plain)
        };
        found.filter(|&c| c != NONE)
    }

    fn beyond(&self, plain: char, shift: bool) -> Option<char> {
        let of = |table: &[(char, char)]| {
            let found = table.iter().find(|entry| entry.0 == plain);
            found.map(|entry| entry.1)
        };
        if !shift {
            return of(self.third);
        }
        of(self.fourth).or_else(|| {
            let letter = of(self.third).filter(|c| c.is_alphabetic())?;
            let mut capital = letter.to_uppercase();
            capital.next().filter(|_| capital.next().is_none())
        })
    }
}

fn on_key(rows: &[&str; 4], code: u8) -> Option<char> {
    PLACES.iter().zip(rows).find_map(|(places, row)| {
        let at = places.iter().position(|&place| place == code)?;
        row.chars().nth(at)
    })
}

const US: Layout = Layout {
    name: "English (US)",
    languages: &[0x0409],
    plain: [
        "`1234567890-=",
        "qwertyuiop[]",
        "asdfghjkl;'\\",
        "\\zxcvbnm,./",
    ],
    shifted: [
        "~!@#$%^&*()_+",
        "QWERTYUIOP{}",
        "ASDFGHJKL:\"|",
        "|ZXCVBNM<>?",
    ],
    third: &[],
    fourth: &[],
    decimal: '.',
    caps_shifts_digits: false,
};

const UK: Layout = Layout {
    name: "English (UK)",
    languages: &[0x0809, 0x1809],
    plain: [
        "`1234567890-=",
        "qwertyuiop[]",
        "asdfghjkl;'#",
        "\\zxcvbnm,./",
    ],
    shifted: [
        "¬!\"£$%^&*()_+",
        "QWERTYUIOP{}",
        "ASDFGHJKL:@~",
        "|ZXCVBNM<>?",
    ],
    third: &[
        ('`', '¦'),
        ('4', '€'),
        ('a', 'á'),
        ('e', 'é'),
        ('i', 'í'),
        ('o', 'ó'),
        ('u', 'ú'),
    ],
    ..US
};

const POLISH: Layout = Layout {
    name: "Polish",
    languages: &[0x0415],
    third: &[
        ('a', 'ą'),
        ('c', 'ć'),
        ('e', 'ę'),
        ('l', 'ł'),
        ('n', 'ń'),
        ('o', 'ó'),
        ('s', 'ś'),
        ('u', '€'),
        ('x', 'ź'),
        ('z', 'ż'),
    ],
    decimal: ',',
    ..US
};

const GERMAN: Layout = Layout {
    name: "German",
    languages: &[0x0407, 0x0c07],
    plain: [
        "\u{302}1234567890ß\u{301}",
        "qwertzuiopü+",
        "asdfghjklöä#",
        "<yxcvbnm,.-",
    ],
    shifted: [
        "°!\"§$%&/()=?\u{300}",
        "QWERTZUIOPÜ*",
        "ASDFGHJKLÖÄ'",
        ">YXCVBNM;:_",
    ],
    third: &[
        ('2', '²'),
        ('3', '³'),
        ('7', '{'),
        ('8', '['),
        ('9', ']'),
        ('0', '}'),
        ('ß', '\\'),
        ('q', '@'),
        ('e', '€'),
        ('+', '~'),
        ('<', '|'),
        ('m', 'µ'),
    ],
    fourth: &[],
    decimal: ',',
    caps_shifts_digits: false,
};

const SWISS_GERMAN: Layout = Layout {
    name: "Swiss German",
    languages: &[0x0807],
    plain: [
        "§1234567890'\u{302}",
        "qwertzuiopü\u{308}",
        "asdfghjklöä$",
        "<yxcvbnm,.-",
    ],
    shifted: [
        "°+\"*ç%&/()=?\u{300}",
        "QWERTZUIOPè!",
        "ASDFGHJKLéà£",
        ">YXCVBNM;:_",
    ],
    third: &[
        ('1', '¦'),
        ('2', '@'),
        ('3', '#'),
        ('4', '°'),
        ('5', '§'),
        ('6', '¬'),
        ('7', '|'),
        ('8', '¢'),
        ('\'', '\u{301}'),
        ('\u{302}', '\u{303}'),
        ('e', '€'),
        ('ü', '['),
        ('è', '['),
        ('\u{308}', ']'),
        ('ä', '{'),
        ('à', '{'),
        ('$', '}'),
        ('<', '\\'),
    ],
    fourth: &[],
    decimal: '.',
    caps_shifts_digits: false,
};

const SWISS_FRENCH: Layout = Layout {
    name: "Swiss French",
    languages: &[0x100c],
    plain: [
        "§1234567890'\u{302}",
        "qwertzuiopè\u{308}",
        "asdfghjkléà$",
        "<yxcvbnm,.-",
    ],
    shifted: [
        "°+\"*ç%&/()=?\u{300}",
        "QWERTZUIOPü!",
        "ASDFGHJKLöä£",
        ">YXCVBNM;:_",
    ],
    ..SWISS_GERMAN
};

const FRENCH: Layout = Layout {
    name: "French",
    languages: &[0x040c],
    plain: [
        "²&é\"'(-è_çà)=",
        "azertyuiop\u{302}$",
        "qsdfghjklmù*",
        "<wxcvbn,;:!",
    ],
    shifted: [
        "\u{0}1234567890°+",
        "AZERTYUIOP\u{308}£",
        "QSDFGHJKLM%µ",
        ">WXCVBN?./§",
    ],
    third: &[
        ('é', '\u{303}'),
        ('"', '#'),
        ('\'', '{'),
        ('(', '['),
        ('-', '|'),
        ('è', '\u{300}'),
        ('_', '\\'),
        ('ç', '^'),
        ('à', '@'),
        (')', ']'),
        ('=', '}'),
        ('e', '€'),
        ('$', '¤'),
    ],
    fourth: &[],
    decimal: '.',
    caps_shifts_digits: true,
};

const SPANISH: Layout = Layout {
    name: "Spanish",
    languages: &[0x040a, 0x0c0a],
    plain: [
        "º1234567890'¡",
        "qwertyuiop\u{300}+",
        "asdfghjklñ\u{301}ç",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "ª!\"·$%&/()=?¿",
        "QWERTYUIOP\u{302}*",
        "ASDFGHJKLÑ\u{308}Ç",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('º', '\\'),
        ('1', '|'),
        ('2', '@'),
        ('3', '#'),
        ('4', '\u{303}'),
        ('5', '€'),
        ('6', '¬'),
        ('e', '€'),
        ('\u{300}', '['),
        ('+', ']'),
        ('\u{301}', '{'),
        ('ç', '}'),
    ],
    fourth: &[],
    decimal: '.',
    caps_shifts_digits: false,
};

const PORTUGUESE: Layout = Layout {
    name: "Portuguese",
    languages: &[0x0816],
    plain: [
        "\\1234567890'«",
        "qwertyuiop+\u{301}",
        "asdfghjklçº\u{303}",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "|!\"#$%&/()=?»",
        "QWERTYUIOP*\u{300}",
        "ASDFGHJKLÇª\u{302}",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('2', '@'),
        ('3', '£'),
        ('4', '§'),
        ('5', '€'),
        ('7', '{'),
        ('8', '['),
        ('9', ']'),
        ('0', '}'),
        ('e', '€'),
        ('+', '\u{308}'),
    ],
    fourth: &[],
    decimal: '.',
    caps_shifts_digits: false,
};

const ITALIAN: Layout = Layout {
    name: "Italian",
    languages: &[0x0410],
    plain: [
        "\\1234567890'ì",
        "qwertyuiopè+",
        "asdfghjklòàù",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "|!\"£$%&/()=?^",
        "QWERTYUIOPé*",
        "ASDFGHJKLç°§",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('5', '€'),
        ('e', '€'),
        ('è', '['),
        ('+', ']'),
        ('ò', '@'),
        ('à', '#'),
    ],
    fourth: &[('è', '{'), ('+', '}')],
    decimal: '.',
    caps_shifts_digits: false,
};

const SWEDISH: Layout = Layout {
    name: "Swedish or Finnish",
    languages: &[0x041d, 0x040b],
    plain: [
        "§1234567890+\u{301}",
        "qwertyuiopå\u{308}",
        "asdfghjklöä'",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "½!\"#¤%&/()=?\u{300}",
        "QWERTYUIOPÅ\u{302}",
        "ASDFGHJKLÖÄ*",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('2', '@'),
        ('3', '£'),
        ('4', '$'),
        ('5', '€'),
        ('7', '{'),
        ('8', '['),
        ('9', ']'),
        ('0', '}'),
        ('+', '\\'),
        ('e', '€'),
        ('\u{308}', '\u{303}'),
        ('<', '|'),
        ('m', 'µ'),
    ],
    fourth: &[],
    decimal: ',',
    caps_shifts_digits: false,
};

const NORWEGIAN: Layout = Layout {
    name: "Norwegian",
    languages: &[0x0414],
    plain: [
        "|1234567890+\\",
        "qwertyuiopå\u{308}",
        "asdfghjkløæ'",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "§!\"#¤%&/()=?\u{300}",
        "QWERTYUIOPÅ\u{302}",
        "ASDFGHJKLØÆ*",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('2', '@'),
        ('3', '£'),
        ('4', '$'),
        ('5', '€'),
        ('7', '{'),
        ('8', '['),
        ('9', ']'),
        ('0', '}'),
        ('\\', '\u{301}'),
        ('e', '€'),
        ('\u{308}', '\u{303}'),
        ('m', 'µ'),
    ],
    ..SWEDISH
};

const DANISH: Layout = Layout {
    name: "Danish",
    languages: &[0x0406],
    plain: [
        "½1234567890+\u{301}",
        "qwertyuiopå\u{308}",
        "asdfghjklæø'",
        "<zxcvbnm,.-",
    ],
    shifted: [
        "§!\"#¤%&/()=?\u{300}",
        "QWERTYUIOPÅ\u{302}",
        "ASDFGHJKLÆØ*",
        ">ZXCVBNM;:_",
    ],
    third: &[
        ('2', '@'),
        ('3', '£'),
        ('4', '$'),
        ('5', '€'),
        ('7', '{'),
        ('8', '['),
        ('9', ']'),
        ('0', '}'),
        ('\u{301}', '|'),
        ('e', '€'),
        ('\u{308}', '\u{303}'),
        ('<', '\\'),
        ('m', 'µ'),
    ],
    ..SWEDISH
};

pub(super) const LAYOUTS: [Layout; 13] = [
    US,
    UK,
    POLISH,
    GERMAN,
    SWISS_GERMAN,
    SWISS_FRENCH,
    FRENCH,
    SPANISH,
    PORTUGUESE,
    ITALIAN,
    SWEDISH,
    NORWEGIAN,
    DANISH,
];
