//! From text to types. A value that does not fit becomes a complaint that says where it stands and
//! what fits; the reading goes on with the default.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sallyport_domain::network::Network;
use sallyport_proxy::config::Kdcs;
use zeroize::Zeroizing;

use super::settings::{Setting, Settings};

impl Settings {
    /// A text as it stands.
    pub fn text(&mut self, section: &'static str, key: &'static str) -> Option<String> {
        self.take(section, key).map(|setting| setting.text)
    }

    /// A secret; empty counts as not given.
    pub fn secret(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Option<Zeroizing<String>> {
        self.text(section, key)
            .filter(|text| !text.is_empty())
            .map(Zeroizing::new)
    }

    /// A path; a relative one of a file starts at the file's folder.
    pub fn path(&mut self, section: &'static str, key: &'static str) -> Option<PathBuf> {
        let setting = self.take(section, key)?;
        if setting.text.is_empty() {
            return None;
        }
        Some(based(&setting, Path::new(&setting.text)))
    }

    /// Several paths.
    pub fn paths(&mut self, section: &'static str, key: &'static str) -> Vec<PathBuf> {
        let setting = self.take(section, key);
        let based = |setting| parts(setting).map(|part| based(setting, Path::new(part)));
        setting.iter().flat_map(based).collect()
    }

    /// Public keys, each given as it is or in a file that holds some.
    pub fn public_keys(&mut self, section: &'static str, key: &'static str) -> Vec<String> {
        let mut keys = Vec::new();
        let Some(setting) = self.take(section, key) else {
            return keys;
        };
        for part in parts(&setting) {
            // A key has a type and a text; a path to one with a blank in it does not look like that.
            if part.starts_with("ssh-") || part.starts_with("ecdsa-") || part.starts_with("sk-") {
                keys.push(part.to_owned());
                continue;
            }
            let path = based(&setting, Path::new(part));
            match std::fs::read_to_string(&path) {
                Ok(text) => keys.extend(key_lines(&text)),
                Err(error) => self.complain(format!(
                    "{}: `{section}.{key}`: {}: {error}",
                    setting.origin,
                    path.display()
                )),
            }
        }
        keys
    }

    /// Networks in CIDR notation.
    pub fn networks(&mut self, section: &'static str, key: &'static str) -> Vec<Network> {
        let Some(setting) = self.take(section, key) else {
            return Vec::new();
        };
        let mut networks = Vec::new();
        for part in parts(&setting) {
            match part.parse() {
                Ok(network) => networks.push(network),
                Err(error) => {
                    self.complain(format!("{}: `{section}.{key}`: {error}", setting.origin))
                }
            }
        }
        networks
    }

    /// `address:port`, on the loopback interface by default.
    pub fn address(&mut self, section: &'static str, key: &'static str, port: u16) -> SocketAddr {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Some(setting) = self.take(section, key) else {
            return default;
        };
        let resolved = setting
            .text
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next());
        resolved.unwrap_or_else(|| {
            self.wrong(
                &setting,
                section,
                key,
                &format!("an address and a port, for example `127.0.0.1:{port}` or `[::]:{port}`"),
            );
            default
        })
    }

    /// A length of time, not zero.
    pub fn span(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: Duration,
    ) -> Duration {
        let Some(setting) = self.take(section, key) else {
            return default;
        };
        match humantime::parse_duration(&setting.text) {
            Ok(span) if !span.is_zero() => span,
            Ok(_) | Err(_) => {
                self.wrong(
                    &setting,
                    section,
                    key,
                    "a length of time, for example `10s`, `5m` or `12h`",
                );
                default
            }
        }
    }

    /// A number, not zero.
    pub fn count(&mut self, section: &'static str, key: &'static str, default: usize) -> usize {
        let Some(setting) = self.take(section, key) else {
            return default;
        };
        match setting.text.parse() {
            Ok(count) if count > 0 => count,
            Ok(_) | Err(_) => {
                self.wrong(&setting, section, key, "a number greater than 0");
                default
            }
        }
    }

    /// A size in bytes.
    pub fn bytes(&mut self, section: &'static str, key: &'static str, default: u64) -> u64 {
        let Some(setting) = self.take(section, key) else {
            return default;
        };
        parse_bytes(&setting.text).unwrap_or_else(|| {
            self.wrong(
                &setting,
                section,
                key,
                "a size, for example `64MiB`, `10GiB` or `1048576`",
            );
            default
        })
    }

    /// One of a few words; the first is the default.
    pub fn one_of(
        &mut self,
        section: &'static str,
        key: &'static str,
        words: &[&'static str],
    ) -> &'static str {
        let default = words.first().copied().unwrap_or_default();
        let Some(setting) = self.take(section, key) else {
            return default;
        };
        match words.iter().find(|word| **word == setting.text) {
            Some(word) => word,
            None => {
                self.wrong(
                    &setting,
                    section,
                    key,
                    &format!("one of: {}", words.join(", ")),
                );
                default
            }
        }
    }

    /// Several of a few words, each once or not at all; all of them without any.
    pub fn some_of(
        &mut self,
        section: &'static str,
        key: &'static str,
        words: &[&'static str],
    ) -> Vec<&'static str> {
        let Some(setting) = self.take(section, key) else {
            return words.to_vec();
        };
        let given: Vec<&str> = parts(&setting).collect();
        if given.is_empty() || !given.iter().all(|part| words.contains(part)) {
            let allowed = format!("one or more of: {}", words.join(", "));
            self.wrong(&setting, section, key, &allowed);
            return words.to_vec();
        }
        let mut chosen = words.to_vec();
        chosen.retain(|word| given.contains(word));
        chosen
    }

    /// Realms with their KDCs.
    pub fn kdcs(&mut self, section: &'static str, key: &'static str) -> Kdcs {
        let mut kdcs = Kdcs::default();
        let Some(setting) = self.take(section, key) else {
            return kdcs;
        };
        for part in parts(&setting) {
            if kdcs.add(part).is_err() {
                let form = "a list of `REALM=host` or `REALM=host:port`";
                self.wrong(&setting, section, key, form);
            }
        }
        kdcs
    }

    /// Certificate and key come together or not at all.
    pub fn certificate(
        &mut self,
        section: &'static str,
        keys: [&'static str; 2],
    ) -> Option<(PathBuf, PathBuf)> {
        let [certificate, private_key] = keys.map(|key| self.path(section, key));
        let [of_certificate, of_key] = keys;
        let (given, missing) = match (certificate, private_key) {
            (Some(certificate), Some(private_key)) => return Some((certificate, private_key)),
            (None, None) => return None,
            (Some(_), None) => (of_certificate, of_key),
            (None, Some(_)) => (of_key, of_certificate),
        };
        self.complain(format!(
            "{section}.{given} is given without {section}.{missing}; give both or neither"
        ));
        None
    }

    /// SQLite in the data folder unless told otherwise.
    pub fn store_url(&mut self, data_dir: &Path) -> String {
        let own = super::sqlite_url(&data_dir.join("sallyport.db"));
        let Some(setting) = self.take("store", "url") else {
            return own;
        };
        if setting.text.starts_with("postgres://") || setting.text.starts_with("postgresql://") {
            return setting.text;
        }
        match setting.text.strip_prefix("sqlite://") {
            Some(rest) if rest.contains('?') => setting.text,
            Some(path) if !path.is_empty() => super::sqlite_url(&based(&setting, Path::new(path))),
            Some(_) | None => {
                // The text is not shown: a misspelt URL may hold a password.
                self.complain(format!(
                    "{}: `store.url` must be `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`",
                    setting.origin
                ));
                own
            }
        }
    }

    /// A folder of tapes; only local ones so far.
    pub fn tape_dir(&mut self, data_dir: &Path) -> PathBuf {
        let own = data_dir.join("tapes");
        let Some(setting) = self.take("tapes", "url") else {
            return own;
        };
        match setting.text.strip_prefix("file://") {
            Some(path) if !path.is_empty() => based(&setting, Path::new(path)),
            Some(_) | None => {
                self.wrong(
                    &setting,
                    "tapes",
                    "url",
                    "`file://PATH`; other places are not supported yet",
                );
                own
            }
        }
    }

    fn wrong(&mut self, setting: &Setting, section: &str, key: &str, allowed: &str) {
        self.complain(format!(
            "{}: `{section}.{key}` is `{}`, but must be {allowed}",
            setting.origin, setting.text
        ));
    }
}

/// What stands between the commas.
fn parts(setting: &Setting) -> impl Iterator<Item = &str> {
    let parts = setting.text.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty())
}

/// The lines of a file of public keys that are not comments.
fn key_lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
}

fn based(setting: &Setting, path: &Path) -> PathBuf {
    match &setting.base {
        Some(base) => base.join(path),
        None => path.to_owned(),
    }
}

/// `64MiB`, `64 MB`, `1048576`.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64MiB", Some(64 << 20)),
            ("64 MB", Some(64_000_000)),
            ("1048576", Some(1 << 20)),
            ("0", Some(0)),
            ("many", None),
            ("", None),
            ("-1", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
