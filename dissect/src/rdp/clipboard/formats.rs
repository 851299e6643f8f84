//! Formats that a side has to give (MS-RDPECLIP 2.2.3.1).

use std::ops::Range;

use super::super::{Malformed, u16_le, u32_le};
use crate::path::Name;

/// Formats that one list may have.
const MOST: usize = 1024;
/// Names of formats longer than this are cut in facts, in characters.
const NAME: usize = 80;
/// A format with a short name: its id, and 32 bytes.
const SHORT_ENTRY: usize = 36;
/// CF_HDROP: names of files in a folder that both sides can reach.
const DROPPED_FILES: u32 = 15;
/// The registered names under which files are given, and nothing else.
const FILES: [&str; 5] = [
    FILE_LIST,
    "FileGroupDescriptor",
    "FileContents",
    "FileNameW",
    "FileName",
];
/// The one that lists them (2.2.5.2).
const FILE_LIST: &str = "FileGroupDescriptorW";

/// One format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Its id, as this side has it.
    pub id: u32,
    /// Its registered name; empty for one that needs none.
    pub name: String,
    /// Where it lies in the list.
    pub place: Range<usize>,
}

impl Format {
    /// Are files given so?
    pub fn is_files(&self) -> bool {
        self.id == DROPPED_FILES || FILES.contains(&self.name.as_str())
    }

    /// Does it list the files?
    pub fn is_file_list(&self) -> bool {
        self.name == FILE_LIST
    }

    /// How it is called in facts.
    pub fn shown(&self) -> String {
        shown(self.id, &self.name)
    }
}

/// How a format is called in facts.
pub fn shown(id: u32, name: &str) -> String {
    if !name.is_empty() {
        let cut: String = name.chars().take(NAME).collect();
        return Name::new(cut.as_bytes()).map_or(String::new(), |name| name.to_string());
    }
    let known = match id {
        1 => "CF_TEXT",
        2 => "CF_BITMAP",
        3 => "CF_METAFILEPICT",
        4 => "CF_SYLK",
        5 => "CF_DIF",
        6 => "CF_TIFF",
        7 => "CF_OEMTEXT",
        8 => "CF_DIB",
        9 => "CF_PALETTE",
        10 => "CF_PENDATA",
        11 => "CF_RIFF",
        12 => "CF_WAVE",
        13 => "CF_UNICODETEXT",
        14 => "CF_ENHMETAFILE",
        15 => "CF_HDROP",
        16 => "CF_LOCALE",
        17 => "CF_DIBV5",
        other => return format!("format {other}"),
    };
    known.to_owned()
}

/// Reads a list, with names of any length or with short ones.
///
/// # Errors
/// If it is cut off, or longer than any real one.
pub fn list(data: &[u8], long: bool, ascii: bool) -> Result<Vec<Format>, Malformed> {
    let mut formats = Vec::new();
    let mut at = 0;
    while at < data.len() {
        if formats.len() == MOST {
            return Err(Malformed("too many clipboard formats"));
        }
        let format = match long {
            true => long_entry(data, at),
            false => short_entry(data, at, ascii),
        };
        let format = format.ok_or(Malformed("a list of clipboard formats is cut off"))?;
        at = format.place.end;
        formats.push(format);
    }
    Ok(formats)
}

fn long_entry(data: &[u8], at: usize) -> Option<Format> {
    let id = u32_le(data, at)?;
    let mut units = Vec::new();
    let mut end = at + 4;
    loop {
        let unit = u16_le(data, end)?;
        end += 2;
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    Some(Format {
        id,
        name: String::from_utf16_lossy(&units),
        place: at..end,
    })
}

fn short_entry(data: &[u8], at: usize, ascii: bool) -> Option<Format> {
    let entry = data.get(at..at + SHORT_ENTRY)?;
    let (id, name) = (u32_le(entry, 0)?, &entry[4..]);
    let name = match ascii {
        true => {
            let end = name.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]).into_owned()
        }
        false => uncut(utf16(name)),
    };
    Some(Format {
        id,
        name,
        place: at..at + SHORT_ENTRY,
    })
}

/// A name for which 32 bytes were too few, as it was, if it is one of [`FILES`].
fn uncut(name: String) -> String {
    const ROOM: usize = 15;
    let same = |known: &&&str| known.len() > ROOM && known.starts_with(&name);
    let cut = name.len() >= ROOM;
    let known = FILES.iter().find(same).filter(|_| cut);
    known.map_or(name, |known| (*known).to_owned())
}

/// A text in 16-bit units, up to its end or to a zero.
pub fn utf16(bytes: &[u8]) -> String {
    let units = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}
