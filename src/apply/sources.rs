//! Fills in what a declaration only refers to: secrets from the environment and from files, public
//! keys from files. Everything that is missing is reported with the line that asked for it.

use std::path::Path;

use sallyport_domain::declared::{Declaration, SecretSource, TextSource};
use zeroize::Zeroize as _;

use crate::config::Strings;

use super::mistake::Mistake;
use super::places::{Places, Position};

/// Replaces every source by its value. An empty answer means that all went well.
pub(super) fn resolve(
    declaration: &mut Declaration,
    places: &Places,
    folder: &Path,
    environment: &dyn Strings,
) -> Vec<Mistake> {
    let mut sources = Sources {
        places,
        folder,
        environment,
        mistakes: Vec::new(),
    };
    for (index, user) in declaration.users.iter_mut().enumerate() {
        sources.secret(&mut user.password, &format!("users[{index}].password"));
        for (number, key) in user.ssh_keys.iter_mut().enumerate() {
            sources.public_key(key, &format!("users[{index}].ssh_keys[{number}]"));
        }
    }
    for (index, application) in declaration.applications.iter_mut().enumerate() {
        sources.secret(
            &mut application.api_key,
            &format!("applications[{index}].api_key"),
        );
    }
    for (index, account) in declaration.accounts.iter_mut().enumerate() {
        if let Some(secret) = &mut account.secret {
            let path = format!("accounts[{index}].secret");
            if secret.password.is_none() && secret.private_key.is_none() {
                sources.complain(&path, format!("`{path}` needs `password` or `private_key`"));
            }
            sources.secret(&mut secret.password, &format!("{path}.password"));
            sources.secret(&mut secret.private_key, &format!("{path}.private_key"));
        }
    }
    sources.mistakes
}

struct Sources<'a> {
    places: &'a Places,
    folder: &'a Path,
    environment: &'a dyn Strings,
    mistakes: Vec<Mistake>,
}

impl Sources<'_> {
    fn secret(&mut self, source: &mut Option<SecretSource>, path: &str) {
        let Some(source) = source else { return };
        let value = match (
            source.from_env.take(),
            source.from_file.take(),
            source.value.take(),
        ) {
            (Some(name), None, None) => self.variable(&name, path),
            (None, Some(file), None) => self.file(&file, path),
            (None, None, Some(value)) => Some(value),
            _ => {
                self.complain(
                    path,
                    format!("`{path}` needs exactly one of from_env, from_file, value"),
                );
                None
            }
        };
        if value.as_deref() == Some("") {
            self.complain(path, format!("`{path}` is empty"));
        }
        source.value = value;
    }

    fn public_key(&mut self, source: &mut TextSource, path: &str) {
        let text = match source {
            TextSource::Text(text) => Some(std::mem::take(text)),
            TextSource::File { from_file } => {
                let file = std::mem::take(from_file);
                self.file(&file, path)
            }
        };
        let Some(text) = text else { return };
        if !is_public_key(&text) {
            self.complain(
                path,
                format!("`{path}` is not an SSH public key: one line such as `ssh-ed25519 AAAA…`"),
            );
        }
        *source = TextSource::Text(text.trim().to_owned());
    }

    fn variable(&mut self, name: &str, path: &str) -> Option<String> {
        let value = self.environment.get(name);
        if value.is_none() {
            self.complain_at(
                &format!("{path}.from_env"),
                format!("the environment variable {name} for `{path}` is not set"),
            );
        }
        value
    }

    /// A file beside the document, without its one trailing newline.
    fn file(&mut self, file: &str, path: &str) -> Option<String> {
        match std::fs::read(self.folder.join(file)).map(String::from_utf8) {
            Ok(Ok(mut text)) => {
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Some(text)
            }
            Ok(Err(error)) => {
                error.into_bytes().zeroize();
                self.complain_at(
                    &format!("{path}.from_file"),
                    format!("the file {file} for `{path}` is not a text in UTF-8"),
                );
                None
            }
            Err(error) => {
                self.complain_at(
                    &format!("{path}.from_file"),
                    format!("the file {file} for `{path}` cannot be read: {error}"),
                );
                None
            }
        }
    }

    fn complain(&mut self, path: &str, text: String) {
        let at = self
            .places
            .get(path)
            .map(|place| place.key.unwrap_or(place.at));
        self.note(at, text);
    }

    /// At the value itself.
    fn complain_at(&mut self, path: &str, text: String) {
        let at = self.places.get(path).map(|place| place.at);
        self.note(at, text);
    }

    fn note(&mut self, at: Option<Position>, text: String) {
        self.mistakes.push(Mistake {
            at: at.unwrap_or_default(),
            text,
        });
    }
}

/// `type base64 comment` on one line; the wire form of every type starts with its length, so that
/// the base64 always starts alike.
fn is_public_key(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let (Some(_), Some(key)) = (words.next(), words.next()) else {
        return false;
    };
    key.starts_with("AAAA") && text.trim().lines().count() == 1
}
