//! Where environment variables come from: the real environment, or a map in tests.

use std::collections::BTreeMap;

/// The environment, as far as we read it.
pub trait Strings {
    /// The value of a variable; `None` if it is not set. Bytes that are no UTF-8 are replaced, so
    /// that the complaint about the value can show it.
    fn get(&self, name: &str) -> Option<String>;

    /// The names of all variables, sorted.
    fn names(&self) -> Vec<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct Environment;

impl Strings for Environment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::env::vars_os()
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Strings for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).map(|value| (*value).to_owned())
    }

    fn names(&self) -> Vec<String> {
        self.keys().map(|name| (*name).to_owned()).collect()
    }
}
