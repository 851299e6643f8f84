//! A declaration taken apart: each noun as its row, what it names, and what it proves.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_domain::declared::{
    AccessPolicy, Account, Application, Declaration, Host, NounKind, SecretSource, TextSource, User,
};
use sallyport_domain::scope::ScopePath;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{ApplyError, StoreError};
use crate::password::LONGEST;

/// A noun on its way into the database.
pub(super) struct Item {
    pub(super) kind: NounKind,
    pub(super) name: String,
    /// `None` for an account: it lies where its host does.
    pub(super) scope: Option<ScopePath>,
    /// A host's friendly name.
    pub(super) alias: Option<String>,
    /// As declared, without secrets.
    pub(super) doc: Value,
    /// What it names: in which field, of which kind, which name.
    pub(super) names: Vec<(&'static str, NounKind, String)>,
    pub(super) proof: Proof,
}

/// What comes with a noun and is not stored as it came. No `Debug`.
pub(super) enum Proof {
    None,
    Password(Zeroizing<String>),
    ApiKey(Zeroizing<String>),
    Account {
        password: Option<Zeroizing<String>>,
        private_key: Option<Zeroizing<String>>,
    },
}

/// As which text a name must be unique: hosts are found in any case.
pub(crate) fn key(kind: NounKind, name: &str) -> String {
    if kind == NounKind::Host {
        name.to_lowercase()
    } else {
        name.to_owned()
    }
}

/// Every noun of the declaration, in the order in which they must be applied.
pub(super) fn items(declaration: &Declaration) -> Result<Vec<Item>, ApplyError> {
    let mut items = Vec::new();
    for scope in &declaration.scopes {
        let item = Item::new(
            NounKind::Scope,
            scope.path.as_str(),
            Some(&scope.path),
            scope,
        )?;
        items.push(item);
    }
    for user in &declaration.users {
        items.push(user_item(user)?);
    }
    for group in &declaration.groups {
        let item = Item::new(NounKind::Group, &group.name, Some(&group.scope), group)?;
        items.push(item.naming("members", NounKind::User, &group.members));
    }
    for application in &declaration.applications {
        items.push(application_item(application)?);
    }
    for host in &declaration.hosts {
        items.push(host_item(host)?);
    }
    for account in &declaration.accounts {
        items.push(account_item(account)?);
    }
    for activity in &declaration.activities {
        items.push(Item::new(
            NounKind::Activity,
            &activity.name,
            Some(&ScopePath::root()),
            activity,
        )?);
    }
    for profile in &declaration.connection_profiles {
        items.push(Item::new(
            NounKind::ConnectionProfile,
            &profile.name,
            Some(&ScopePath::root()),
            profile,
        )?);
    }
    for policy in &declaration.access_policies {
        items.push(policy_item(policy)?);
    }
    declared_once(&items)?;
    Ok(items)
}

impl Item {
    fn new<T: Serialize>(
        kind: NounKind,
        name: &str,
        scope: Option<&ScopePath>,
        noun: &T,
    ) -> Result<Self, ApplyError> {
        if kind != NounKind::Scope {
            check_name(kind, name)?;
        } else if name.is_empty() {
            let problem = "the root exists already and cannot be declared; give a path";
            return Err(ApplyError::bad_value(kind, name, "path", problem));
        }
        // What serde skips are exactly the secrets.
        let doc = serde_json::to_value(noun)
            .map_err(|error| StoreError::damaged("a declared noun", error))?;
        let (name, scope) = (name.to_owned(), scope.cloned());
        Ok(Self {
            kind,
            name,
            scope,
            alias: None,
            doc,
            names: Vec::new(),
            proof: Proof::None,
        })
    }

    fn naming(mut self, field: &'static str, kind: NounKind, names: &[String]) -> Self {
        let unique: BTreeSet<&String> = names.iter().collect();
        self.names
            .extend(unique.into_iter().map(|name| (field, kind, name.clone())));
        self
    }
}

fn user_item(user: &User) -> Result<Item, ApplyError> {
    let kind = NounKind::User;
    let mut item = Item::new(kind, &user.name, Some(&user.scope), user)?;
    for source in &user.ssh_keys {
        match source {
            TextSource::Text(line) => {
                if public_key(line).is_none() {
                    let problem = "is not an SSH public key: write `ssh-ed25519 AAAA… comment`";
                    return Err(ApplyError::bad_value(kind, &user.name, "ssh_keys", problem));
                }
            }
            TextSource::File { from_file } => {
                let problem = format!("the file {from_file} was not read; send the key itself");
                return Err(ApplyError::bad_value(kind, &user.name, "ssh_keys", problem));
            }
        }
    }
    if let Some(password) = secret(kind, &user.name, "password", user.password.as_ref())? {
        if password.len() > LONGEST {
            let problem = format!("is longer than {LONGEST} bytes");
            return Err(ApplyError::bad_value(kind, &user.name, "password", problem));
        }
        item.proof = Proof::Password(password);
    }
    Ok(item)
}

fn application_item(application: &Application) -> Result<Item, ApplyError> {
    let (kind, name) = (NounKind::Application, &application.name);
    let mut item = Item::new(kind, name, Some(&application.scope), application)?;
    if let Some(key) = secret(kind, name, "api_key", application.api_key.as_ref())? {
        item.proof = Proof::ApiKey(key);
    }
    Ok(item)
}

fn host_item(host: &Host) -> Result<Item, ApplyError> {
    let kind = NounKind::Host;
    let mut item = Item::new(kind, &host.name, Some(&host.scope), host)?;
    item.alias = Some(host.friendly_name.to_lowercase()).filter(|alias| !alias.is_empty());
    if let Some(rdp) = &host.rdp {
        rdp.trust().map_err(|problem| {
            ApplyError::bad_value(kind, &host.name, "rdp.certificate", problem)
        })?;
    }
    Ok(item)
}

fn account_item(account: &Account) -> Result<Item, ApplyError> {
    let (kind, name) = (NounKind::Account, account.full_name());
    let mut item = Item::new(kind, &name, None, account)?;
    if let Some(given) = &account.secret {
        item.proof = Proof::Account {
            password: secret(kind, &name, "secret.password", given.password.as_ref())?,
            private_key: secret(
                kind,
                &name,
                "secret.private_key",
                given.private_key.as_ref(),
            )?,
        };
    }
    let host = std::slice::from_ref(&account.host);
    Ok(item
        .naming("host", NounKind::Host, host)
        .naming("owners", NounKind::User, &account.owners))
}

fn policy_item(policy: &AccessPolicy) -> Result<Item, ApplyError> {
    let kind = NounKind::AccessPolicy;
    let profile = std::slice::from_ref(&policy.connection_profile);
    Ok(Item::new(kind, &policy.name, Some(&policy.scope), policy)?
        .naming("users", NounKind::User, &policy.users)
        .naming("groups", NounKind::Group, &policy.groups)
        .naming("applications", NounKind::Application, &policy.applications)
        .naming("hosts", NounKind::Host, &policy.hosts)
        .naming("activities", NounKind::Activity, &policy.activities)
        .naming("connection_profile", NounKind::ConnectionProfile, profile))
}

/// Type and body of an SSH public key line; `None` if it is none. The comment does not matter.
pub(crate) fn public_key(line: &str) -> Option<(&str, Vec<u8>)> {
    let mut words = line.split_whitespace();
    let (kind, body) = (words.next()?, STANDARD.decode(words.next()?).ok()?);
    // The body begins with its type once more (RFC 4253 6.6).
    let (length, rest) = body.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (rest.get(..length)? == kind.as_bytes()).then_some(())?;
    Some((kind, body))
}

fn secret(
    kind: NounKind,
    name: &str,
    field: &'static str,
    source: Option<&SecretSource>,
) -> Result<Option<Zeroizing<String>>, ApplyError> {
    match source {
        None => Ok(None),
        Some(SecretSource {
            value: Some(value), ..
        }) if value.is_empty() => Err(ApplyError::bad_value(kind, name, field, "is empty")),
        Some(SecretSource {
            value: Some(value), ..
        }) => Ok(Some(Zeroizing::new(value.clone()))),
        Some(SecretSource { value: None, .. }) => {
            let problem = "was not read from its file or variable; send its `value`";
            Err(ApplyError::bad_value(kind, name, field, problem))
        }
    }
}

fn check_name(kind: NounKind, name: &str) -> Result<(), ApplyError> {
    let problem = if name.is_empty() || name.trim() != name {
        "a name is not empty and has no space around it"
    } else if name.len() > 255 {
        "a name has at most 255 bytes"
    } else if name.contains(|c: char| c.is_control() || c == '/') {
        "a name has no control characters and no `/`"
    } else if name.contains('+') {
        "a name has no `+`, which parts a connect string"
    } else if kind == NounKind::Host && name.contains('@') {
        "a host's name has no `@`"
    } else {
        return Ok(());
    };
    Err(ApplyError::BadName {
        kind: kind.as_str(),
        name: name.to_owned(),
        problem,
    })
}

fn declared_once(items: &[Item]) -> Result<(), ApplyError> {
    let mut seen = BTreeSet::new();
    for item in items {
        if !seen.insert((item.kind, key(item.kind, &item.name))) {
            return Err(ApplyError::DeclaredTwice {
                kind: item.kind.as_str(),
                name: item.name.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_told_from_other_texts() {
        let ed25519 =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let commented = format!("{ed25519} alice@desk");
        let (kind, body) = public_key(&commented).unwrap();
        assert_eq!((kind, body.len()), ("ssh-ed25519", 51));
        assert_eq!(public_key(ed25519).unwrap().1, body);
        for no_key in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!!",
            "ssh-ed25519 AAAA",
            &ed25519.replace("ssh-ed25519", "ssh-rsa"),
        ] {
            assert!(public_key(no_key).is_none(), "{no_key}");
        }
    }

    #[test]
    fn names_that_would_break_connect_strings_are_refused() {
        for (kind, name, fine) in [
            (NounKind::User, "alice", true),
            (NounKind::User, "corp\\alice", true),
            (NounKind::User, "alice@corp.example", true),
            (NounKind::User, "alice+web", false),
            (NounKind::User, "", false),
            (NounKind::User, " alice", false),
            (NounKind::Activity, "root shell", true),
            (NounKind::Host, "web@01", false),
            (NounKind::Host, "web\n01", false),
            (NounKind::Group, "a/b", false),
        ] {
            assert_eq!(check_name(kind, name).is_ok(), fine, "{name:?}");
        }
    }
}
