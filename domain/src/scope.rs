//! Scopes: the tenant tree. Everything belongs to one; rights reach downwards, never sideways.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node of the tenant tree, written as a path: `acme/berlin`. The empty path is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopePath(String);

/// Why a text is no scope path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope path: write names of letters, digits, `-`, `_` and `.`, joined by `/`"
)]
pub struct BadScopePath(String);

impl ScopePath {
    /// The scope above all others.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is `other` this scope or below it?
    pub fn contains(&self, other: &Self) -> bool {
        match other.0.strip_prefix(&self.0) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl TryFrom<String> for ScopePath {
    type Error = BadScopePath;

    fn try_from(path: String) -> Result<Self, BadScopePath> {
        let name = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if path.is_empty() || path.split('/').all(name) {
            Ok(Self(path))
        } else {
            Err(BadScopePath(path))
        }
    }
}

impl From<ScopePath> for String {
    fn from(path: ScopePath) -> Self {
        path.0
    }
}

impl fmt::Display for ScopePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(path: &str) -> ScopePath {
        ScopePath::try_from(path.to_owned()).unwrap()
    }

    #[test]
    fn rights_reach_downwards_never_sideways() {
        for (above, below, contains) in [
            ("", "acme", true),
            ("acme", "acme", true),
            ("acme", "acme/berlin", true),
            ("acme", "acme-two", false),
            ("acme/berlin", "acme", false),
            ("acme/berlin", "acme/paris", false),
        ] {
            assert_eq!(
                scope(above).contains(&scope(below)),
                contains,
                "{above} over {below}"
            );
        }
    }

    #[test]
    fn odd_paths_are_refused() {
        for path in ["/", "acme/", "/acme", "a//b", "a b", "ä"] {
            assert!(ScopePath::try_from(path.to_owned()).is_err(), "{path}");
        }
    }
}
