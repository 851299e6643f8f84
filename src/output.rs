//! What a command prints: JSON for programs, text for people, the same facts.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::table::{printable, table};

/// Prints a result.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// `--json`.
    pub json: bool,
}

impl Output {
    /// The value as JSON, or the text made of it.
    pub fn show(self, value: &Value, text: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        let mut line = if self.json {
            serde_json::to_string_pretty(value).unwrap_or_default()
        } else {
            text(value)
        };
        if !line.is_empty() && !line.ends_with('\n') {
            line.push('\n');
        }
        write(line.as_bytes())
    }
}

/// Writes to the standard output. A reader who went away (`| head`) is no failure.
pub fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("writing the output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens a file for what was typed or seen in a session, in place of one that is there. That is nobody else's business
/// (mode 0600).
pub fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// Is somebody looking at the standard output?
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A field of a JSON object as text; nothing for null.
pub fn field(row: &Value, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A time without its fraction and zone letter: `2026-01-31 12:00:00`.
pub fn time(row: &Value, name: &str) -> String {
    let text = field(row, name);
    match text.get(..19) {
        Some(seconds) if text.as_bytes().get(10) == Some(&b'T') => seconds.replace('T', " "),
        _ => text,
    }
}

/// A list of the API as a table, with how much of it is shown.
pub fn page(list: &Value, headline: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
    let items = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    let total = list
        .get("total")
        .and_then(Value::as_u64)
        .unwrap_or(rows.len() as u64);
    let mut text = table(headline, &rows);
    if total > rows.len() as u64 {
        text.push_str(&format!(
            "page {}: {} of {total}\n",
            field(list, "page"),
            rows.len()
        ));
    }
    text
}

/// Every field of an object on its line.
pub fn fields(object: &Value) -> String {
    let Some(object) = object.as_object() else {
        return object.to_string();
    };
    let shown = object.iter().filter(|(_, value)| !value.is_null());
    let widest = shown.map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in object {
        let value = match value {
            Value::Null => continue,
            Value::String(value) if value.is_empty() => continue,
            Value::String(value) => value.chars().map(printable).collect(),
            other => other.to_string(),
        };
        text.push_str(&format!("{name:widest$}  {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_say_how_much_of_them_is_shown() {
        let list = json!({"items": [{"a": "x", "at": "2026-01-31T12:00:00.123Z"}], "total": 7, "page": 1, "page_size": 1});
        let text = page(&list, &["A", "AT", "N"], |row| {
            vec![field(row, "a"), time(row, "at"), field(row, "none")]
        });
        assert_eq!(
            text,
            "A  AT                   N\nx  2026-01-31 12:00:00\npage 1: 1 of 7\n"
        );
    }

    #[test]
    fn objects_line_up_without_what_is_empty() {
        let object = json!({"id": "1", "locked": false, "ended_at": null, "notes": "", "status": "Logged In"});
        assert_eq!(
            fields(&object),
            "id      1\nlocked  false\nstatus  Logged In\n"
        );
    }
}
