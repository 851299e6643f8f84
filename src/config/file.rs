//! The TOML file: every key to its place, with the line of every mistake.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::settings::{KEYS, LISTS, SECRET_SECTIONS, Setting, Settings, find, variable};

/// Reads a file's text into `settings`; mistakes become complaints.
pub(super) fn read(text: &str, path: &Path, settings: &mut Settings) {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        settings.complain(format!("{}: {}", place(path, text, at), error.message()));
    }
    // The table is sorted by name; people read from the top.
    let mut sections: Vec<_> = document.get_ref().iter().collect();
    sections.sort_by_key(|(section, _)| section.span().start);
    for (section, value) in sections {
        read_section(text, path, section, value, settings);
    }
}

fn read_section(
    text: &str,
    path: &Path,
    section: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    settings: &mut Settings,
) {
    let name = section.get_ref().as_ref();
    let here = place(path, text, section.span().start);
    let Some((section, keys)) = KEYS.iter().find(|(known, _)| *known == name) else {
        let allowed: Vec<&str> = KEYS
            .iter()
            .map(|(known, _)| *known)
            .filter(|known| !SECRET_SECTIONS.contains(known))
            .collect();
        settings.complain(format!(
            "{here}: unknown section `{name}`; allowed here: {}",
            allowed.join(", ")
        ));
        return;
    };
    let Some(table) = value.get_ref().as_table() else {
        settings.complain(format!("{here}: `{name}` is a section: write [{name}]"));
        return;
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let here = place(path, text, key.span().start);
        let Some((section, key)) = find(section, name) else {
            settings.complain(format!(
                "{here}: unknown key `{name}` in [{section}]; allowed here: {}",
                keys.join(", ")
            ));
            continue;
        };
        if SECRET_SECTIONS.contains(&section) {
            settings.complain(format!(
                "{here}: a secret does not belong into this file; give it as {}",
                variable(section, key)
            ));
            continue;
        }
        let is_list = LISTS.contains(&(section, key));
        match written(value.get_ref(), is_list) {
            Some(text) => {
                let setting = Setting {
                    text,
                    origin: here,
                    base: path.parent().map(Path::to_owned),
                };
                settings.set(section, key, setting);
            }
            None => settings.complain(format!(
                "{here}: `{section}.{key}` is {}, not {} {}",
                if is_list {
                    "an array of texts"
                } else {
                    "one text or number"
                },
                article(value.get_ref().type_str()),
                value.get_ref().type_str()
            )),
        }
    }
}

/// A value as text, if it has the shape it should have.
fn written(value: &DeValue<'_>, is_list: bool) -> Option<String> {
    if is_list { list(value) } else { scalar(value) }
}

/// Numbers and texts are the same to us until they get their type.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(number) = value.as_integer() {
        return Some(number.as_str().to_owned());
    }
    value.as_bool().map(|yes| yes.to_string())
}

/// The texts of an array, separated as in the environment. A single text counts as one.
fn list(value: &DeValue<'_>) -> Option<String> {
    let Some(array) = value.as_array() else {
        return scalar(value);
    };
    let texts: Option<Vec<&str>> = array.iter().map(|item| item.get_ref().as_str()).collect();
    texts.map(|texts| texts.join(","))
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// `file:line`, counted from 1.
fn place(path: &Path, text: &str, at: usize) -> String {
    let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    format!("{}:{line}", path.display())
}
