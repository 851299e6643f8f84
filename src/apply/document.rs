//! A declaration as a YAML document: read into the domain's types, with every mistake and its place.

use std::path::Path;

use sallyport_domain::declared::{
    AccessPolicy, Account, Activity, Application, ConnectionProfile, Declaration, Group, Host,
    Scope, User,
};
use serde::de::DeserializeOwned;

use crate::config::Strings;
use crate::failure::Failure;

use super::mistake::{Mistake, explain};
use super::places::{Place, Places};
use super::sources;

/// Reads the document at `path`, with every secret and text it refers to filled in.
pub fn load(path: &Path, environment: &dyn Strings) -> Result<Declaration, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{}: cannot be read: {error}", path.display())))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    read(&text, folder, environment).map_err(|mut mistakes| {
        mistakes.sort_by_key(|mistake| mistake.at);
        Failure::all(
            mistakes
                .iter()
                .map(|mistake| format!("{}:{mistake}", path.display())),
        )
    })
}

/// Reads a document's text. Files it names are relative to `folder`.
pub(super) fn read(
    text: &str,
    folder: &Path,
    environment: &dyn Strings,
) -> Result<Declaration, Vec<Mistake>> {
    if text.trim().is_empty() {
        return Ok(Declaration::default());
    }
    let mut declaration = parse(text)?;
    // The deserializer took it, so the index can as well.
    let places = Places::of(text).unwrap_or_default();
    let mistakes = sources::resolve(&mut declaration, &places, folder, environment);
    if mistakes.is_empty() {
        Ok(declaration)
    } else {
        Err(mistakes)
    }
}

fn parse(text: &str) -> Result<Declaration, Vec<Mistake>> {
    let error = match serde_saphyr::from_str_with_options::<Declaration>(text, options()) {
        Ok(declaration) => return Ok(declaration),
        Err(error) => error,
    };
    let Ok(places) = Places::of(text) else {
        return Err(vec![explain(&error, &Places::default(), 0)]);
    };
    let mut mistakes = if places.anchored {
        Vec::new()
    } else {
        one_by_one(text, &places)
    };
    if mistakes.is_empty() {
        mistakes.push(explain(&error, &places, 0));
    }
    Err(mistakes)
}

/// A snippet would show the lines around a mistake, and there may be secrets in them.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false }
}

/// The deserializer stops at its first complaint. So that people see all of theirs at once, each
/// item of a faulty document is read for itself.
fn one_by_one(text: &str, places: &Places) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for section in places.children("") {
        let check: fn(&str) -> Option<serde_saphyr::Error> = match section.path.as_str() {
            "scopes" => check::<Scope>,
            "users" => check::<User>,
            "groups" => check::<Group>,
            "applications" => check::<Application>,
            "hosts" => check::<Host>,
            "accounts" => check::<Account>,
            "activities" => check::<Activity>,
            "connection_profiles" => check::<ConnectionProfile>,
            "access_policies" => check::<AccessPolicy>,
            unknown => {
                mistakes.push(Mistake {
                    at: section.key.unwrap_or(section.at),
                    text: format!(
                        "unknown key `{unknown}`; allowed here: {}",
                        SECTIONS.join(", ")
                    ),
                });
                continue;
            }
        };
        for item in places.children(&section.path) {
            if let Some(error) = own_text(text, item).and_then(|text| check(&text)) {
                mistakes.push(explain(&error, places, item.at.line - 1));
            }
        }
    }
    mistakes
}

/// The keys of a document, in the order in which they are applied.
const SECTIONS: [&str; 9] = [
    "scopes",
    "users",
    "groups",
    "applications",
    "hosts",
    "accounts",
    "activities",
    "connection_profiles",
    "access_policies",
];

fn check<T: DeserializeOwned>(text: &str) -> Option<serde_saphyr::Error> {
    serde_saphyr::from_str_with_options::<T>(text, options()).err()
}

/// An item's text at its own columns, so that block style keeps its indentation.
fn own_text(text: &str, item: &Place) -> Option<String> {
    let indent = usize::try_from(item.at.column).ok()?.saturating_sub(1);
    Some(format!(
        "{}{}",
        " ".repeat(indent),
        text.get(item.bytes.clone())?
    ))
}

#[cfg(test)]
mod tests;
