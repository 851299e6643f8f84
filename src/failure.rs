//! Why a command of the command line failed: one or more lines for people, and an exit code.

use std::fmt;

use serde_json::{Value, json};

/// Everything that went wrong; never empty of words, never with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    lines: Vec<String>,
    code: u8,
}

impl Failure {
    /// One complaint.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            lines: vec![line.into()],
            code: 1,
        }
    }

    /// Several complaints at once.
    pub fn all<T: fmt::Display>(complaints: impl IntoIterator<Item = T>) -> Self {
        Self {
            lines: complaints
                .into_iter()
                .map(|complaint| complaint.to_string())
                .collect(),
            code: 1,
        }
    }

    /// What the process exits with.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// For `--json`: `{"errors": [...]}`.
    pub fn to_json(&self) -> Value {
        json!({ "errors": self.lines })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "sallyport: {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Turns any error into a failure that says what was being done.
pub trait OrFail<T> {
    /// `what` reads as the beginning of the line: `writing vault.key`.
    fn or_fail(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{what}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_the_program() {
        let failure = Failure::all(["a", "b"]);
        assert_eq!(failure.to_string(), "sallyport: a\nsallyport: b");
        assert_eq!(failure.to_json(), json!({ "errors": ["a", "b"] }));
    }
}
