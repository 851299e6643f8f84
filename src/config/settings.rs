//! What was set and where, before it has a type.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::failure::Failure;

use super::Strings;

/// Every section and its keys. `[vault] key` and `[admin] password` are secrets, so the file may
/// not hold them.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    (
        "ssh",
        &[
            "listen",
            "public_address",
            "banner",
            "target_timeout",
            "algorithms",
            "host_keys",
            "user_ca_keys",
            "proxy_protocol_from",
        ],
    ),
    (
        "rdp",
        &[
            "listen",
            "public_address",
            "security",
            "certificate",
            "private_key",
            "signing_certificate",
            "signing_key",
            "kdc",
        ],
    ),
    (
        "api",
        &["listen", "certificate", "private_key", "token_lifetime"],
    ),
    ("store", &["url"]),
    ("tapes", &["url", "min_free"]),
    ("vault", &["key"]),
    ("admin", &["password"]),
    (
        "serve",
        &["apply", "data_dir", "gateway_group", "grace", "node_name"],
    ),
    (
        "limits",
        &[
            "login_grace",
            "lobby_idle",
            "max_unauthenticated",
            "keepalive",
        ],
    ),
    ("log", &["filter", "format"]),
];

/// Keys that hold several values: an array in the file, separated by commas in the environment.
pub(super) const LISTS: &[(&str, &str)] = &[
    ("ssh", "host_keys"),
    ("ssh", "user_ca_keys"),
    ("ssh", "proxy_protocol_from"),
    ("rdp", "security"),
    ("rdp", "kdc"),
];

/// Sections that exist only as environment variables.
pub(super) const SECRET_SECTIONS: &[&str] = &["vault", "admin"];

/// One value as it was written.
#[derive(Clone)]
pub(super) struct Setting {
    /// The text.
    pub text: String,
    /// `gateway.toml:3` or the name of a variable.
    pub origin: String,
    /// Relative paths of a file start at the file's own folder.
    pub base: Option<PathBuf>,
}

/// What was set so far, and what was wrong with it.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<(&'static str, &'static str), Setting>,
    complaints: Vec<String>,
}

impl Settings {
    /// Notes a mistake; the reading goes on.
    pub fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(complaint.into());
    }

    /// Sets a known key; later ones win.
    pub fn set(&mut self, section: &'static str, key: &'static str, setting: Setting) {
        self.values.insert((section, key), setting);
    }

    /// Takes a value out.
    pub fn take(&mut self, section: &'static str, key: &'static str) -> Option<Setting> {
        debug_assert!(
            find(section, key).is_some(),
            "{section}.{key} is not in KEYS"
        );
        self.values.remove(&(section, key))
    }

    /// Reads every variable of ours; one that looks like ours and is none is a mistake.
    pub fn read_environment(&mut self, environment: &dyn Strings) {
        for name in environment.names() {
            let Some(rest) = name.strip_prefix("SALLYPORT_") else {
                continue;
            };
            if rest == "LOG" {
                self.set_variable("log", "filter", &name, environment);
                continue;
            }
            let rest = rest.to_ascii_lowercase();
            let Some((section, key)) = rest.split_once('_') else {
                continue;
            };
            let Some((section, keys)) = KEYS.iter().find(|(known, _)| *known == section) else {
                continue;
            };
            match keys.iter().find(|known| **known == key) {
                Some(key) => self.set_variable(section, key, &name, environment),
                None => {
                    let allowed: Vec<String> =
                        keys.iter().map(|key| variable(section, key)).collect();
                    self.complain(format!(
                        "environment: unknown variable {name}; allowed here: {}",
                        allowed.join(", ")
                    ));
                }
            }
        }
    }

    fn set_variable(
        &mut self,
        section: &'static str,
        key: &'static str,
        name: &str,
        environment: &dyn Strings,
    ) {
        if let Some(text) = environment.get(name) {
            let setting = Setting {
                text,
                origin: name.to_owned(),
                base: None,
            };
            self.set(section, key, setting);
        }
    }

    /// The finished value, or all complaints.
    pub fn finish<T>(self, value: T) -> Result<T, Failure> {
        if self.complaints.is_empty() {
            Ok(value)
        } else {
            Err(Failure::all(self.complaints))
        }
    }
}

/// The known names behind two texts.
pub(super) fn find(section: &str, key: &str) -> Option<(&'static str, &'static str)> {
    let (section, keys) = KEYS.iter().find(|(known, _)| *known == section)?;
    let key = keys.iter().find(|known| **known == key)?;
    Some((section, key))
}

/// `SALLYPORT_SSH_LISTEN`.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("SALLYPORT_{section}_{key}").to_ascii_uppercase()
}
