//! What is wrong with a document, where, and what would be right.
//!
//! Values are shown only where no secret can stand.

use std::fmt;

use serde_saphyr::Error;

use super::places::{Places, Position, leaf, parent};

/// One complaint about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Where.
    pub at: Position,
    /// What, and what is allowed.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.at.line, self.at.column, self.text)
    }
}

/// Puts the deserializer's complaint into our words. `lines_above` is how many lines of the
/// document come before the text that was read.
pub(super) fn explain(error: &Error, places: &Places, lines_above: u64) -> Mistake {
    let error = error.without_snippet();
    let at = error
        .location()
        .filter(|location| location.line() > 0)
        .map_or_else(Position::default, |location| Position {
            line: location.line() + lines_above,
            column: location.column(),
        });
    let mut place = places.around(at);
    // What lacks a key is the mapping, not the key that stands where the library looked last.
    if let (Error::SerdeMissingField { .. }, Some(key)) = (error, place)
        && key.key == Some(at)
    {
        place = places.get(parent(&key.path));
    }
    let path = place.map_or("", |place| place.path.as_str());
    let value = place.and_then(|place| place.text.as_deref());
    Mistake {
        at: match error {
            Error::SerdeMissingField { .. } => place.map_or(at, |place| place.at),
            _ => at,
        },
        text: words(error, path, value),
    }
}

/// Keys whose values are secrets, or may be when something is misplaced.
const SECRET_KEYS: [&str; 5] = ["password", "api_key", "private_key", "secret", "value"];

fn words(error: &Error, path: &str, value: Option<&str>) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => format!(
            "unknown key `{field}`{}; allowed here: {}",
            inside(parent(path)),
            expected.join(", ")
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => format!(
            "{} is `{variant}`; allowed here: {}",
            named(path),
            expected.join(", ")
        ),
        Error::SerdeMissingField { field, .. } => format!("{} lacks `{field}`", named(path)),
        Error::InvalidScalar { ty, .. } => mismatch(path, value, allowed(ty)),
        Error::Unexpected { expected, .. } => mismatch(path, value, allowed(expected)),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            mismatch(path, value, allowed(expected))
        }
        Error::NullIntoString { .. } => mismatch(path, value, "a text"),
        Error::DuplicateMappingKey { .. } => format!("the key `{}` stands here twice", leaf(path)),
        Error::Message { msg, .. } => match untagged(msg) {
            Some(allowed) => mismatch(path, value, allowed),
            None => format!("{}: {msg}", named(path)),
        },
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let line = text.lines().next().unwrap_or_default();
            // The place stands at the beginning of our line already.
            line.split(" at line ").next().unwrap_or(line).to_owned()
        }
    }
}

fn mismatch(path: &str, value: Option<&str>, allowed: &str) -> String {
    let allowed = match leaf(path) {
        "password" | "api_key" | "private_key" if allowed == MAPPING => {
            "{ from_env: NAME }, { from_file: PATH } or { value: TEXT }"
        }
        "secret" if allowed == MAPPING => "{ password: … } or { private_key: … }",
        _ => allowed,
    };
    let secret = path
        .split(['.', '['])
        .any(|part| SECRET_KEYS.contains(&part));
    match value {
        Some("") => format!("{} is empty, but must be {allowed}", named(path)),
        Some(value) if !secret => format!("{} is `{value}`, but must be {allowed}", named(path)),
        Some(_) | None => format!("{} must be {allowed}", named(path)),
    }
}

const MAPPING: &str = "a mapping of keys to values";

/// The library's name of a type, in words; unknown ones stay as they are.
fn allowed(ty: &str) -> &str {
    match ty {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number",
        "f32" | "f64" | "floating point number" => "a number",
        "bool" | "boolean" => "true or false",
        "string" | "a string" | "string scalar" | "str" => "a text",
        "sequence start" | "a sequence" | "sequence" => "a list",
        "mapping start" | "a map" | "mapping" => MAPPING,
        other if other.starts_with("struct ") => MAPPING,
        other => other,
    }
}

/// Enums that tell their forms apart by trying them; the library only says that none fitted.
fn untagged(message: &str) -> Option<&'static str> {
    if message.contains("untagged enum HostKeys") {
        return Some("`first-use` or a list of public keys");
    }
    if message.contains("untagged enum TextSource") {
        return Some("a text or { from_file: PATH }");
    }
    None
}

fn named(path: &str) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        format!("`{path}`")
    }
}

fn inside(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" in `{path}`")
    }
}
