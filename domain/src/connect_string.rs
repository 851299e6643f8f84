//! The connect string: what a user types where a client wants a user name (requirement 110).
//!
//! `user`, `user+host`, `user+activity+host`, `user+activity+host+policy` or
//! `user+activity+host+policy+notes`; an empty policy keeps its delimiter. The user may be
//! `domain\user` or `user@domain`. `_` may stand for a space in an activity name; that is for
//! [`crate::policy::evaluate`] to decide, here it stays as it is.

//!
//! Behind a jump (`ssh -J alice@gateway root@web-01`) user and host are known, and the inner user
//! name says the rest ([`InnerName`]): `account`, `account+activity`, `account+activity+policy` or
//! `account+activity+policy+notes`.

use crate::refusal::Refusal;

/// A connect string, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectString {
    /// Who.
    pub user: String,
    /// Doing what, if said.
    pub activity: Option<String>,
    /// Where, if said.
    pub host: Option<String>,
    /// Under which policy, if said.
    pub policy: Option<String>,
    /// Why, if said; contains no `+`.
    pub notes: Option<String>,
}

/// The user name of a connection inside another one, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InnerName {
    /// As whom on the host.
    pub account: String,
    /// Doing what, if said.
    pub activity: Option<String>,
    /// Under which policy, if said.
    pub policy: Option<String>,
    /// Why, if said; contains no `+`.
    pub notes: Option<String>,
}

/// The longest connect string, in bytes.
const LONGEST: usize = 1024;
/// How much of a bad one is shown back, in characters.
const SHOWN: usize = 80;

/// Takes a connect string apart. Any `\` before the user, which some clients add, is dropped.
///
/// # Errors
/// [`Refusal::BadConnectString`] if a user, activity or host is empty, if there are more than five
/// parts, or for what no name contains: control characters, more than 1024 bytes.
pub fn parse(text: &str) -> Result<ConnectString, Refusal> {
    take_apart(text).map_err(|problem| Refusal::BadConnectString {
        given: shown(text),
        problem,
    })
}

/// Takes the user name behind a jump apart.
///
/// # Errors
/// [`Refusal::BadInnerName`] if the account or the activity is empty, if there are more than four
/// parts, or for what no name contains.
pub fn parse_inner(text: &str) -> Result<InnerName, Refusal> {
    take_inner_apart(text).map_err(|problem| Refusal::BadInnerName {
        given: shown(text),
        problem,
    })
}

fn take_inner_apart(text: &str) -> Result<InnerName, &'static str> {
    let parts: Vec<&str> = harmless(text)?.split('+').collect();
    let (account, activity, policy, notes) = match *parts.as_slice() {
        [account] => (account, None, None, None),
        [account, activity] => (account, Some(activity), None, None),
        [account, activity, policy] => (account, Some(activity), Some(policy), None),
        [account, activity, policy, notes] => (account, Some(activity), Some(policy), Some(notes)),
        [] | [_, _, _, _, _, ..] => {
            return Err("it has more than four parts; notes may not contain `+`");
        }
    };
    if is_blank(account) {
        return Err("the account is empty");
    }
    if activity.is_some_and(is_blank) {
        return Err("the activity is empty");
    }
    Ok(InnerName {
        account: account.to_owned(),
        activity: activity.and_then(said),
        policy: policy.and_then(said),
        notes: notes.and_then(said),
    })
}

/// What no name contains is no name.
fn harmless(text: &str) -> Result<&str, &'static str> {
    if text.len() > LONGEST {
        return Err("it is longer than 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("it contains control characters");
    }
    Ok(text.trim_start_matches('\\'))
}

fn is_blank(part: &str) -> bool {
    part.trim().is_empty()
}

fn said(part: &str) -> Option<String> {
    Some(part.to_owned()).filter(|part| !is_blank(part))
}

fn take_apart(text: &str) -> Result<ConnectString, &'static str> {
    let text = harmless(text)?;
    let parts: Vec<&str> = text.split('+').collect();
    let (user, activity, host, policy, notes) = match *parts.as_slice() {
        [user] => (user, None, None, None, None),
        [user, host] => (user, None, Some(host), None, None),
        [user, activity, host] => (user, Some(activity), Some(host), None, None),
        [user, activity, host, policy] => (user, Some(activity), Some(host), Some(policy), None),
        [user, activity, host, policy, notes] => {
            (user, Some(activity), Some(host), Some(policy), Some(notes))
        }
        [] | [_, _, _, _, _, _, ..] => {
            return Err("it has more than five parts; notes may not contain `+`");
        }
    };
    if is_blank(user) {
        return Err("the user is empty");
    }
    if activity.is_some_and(is_blank) {
        return Err("the activity is empty");
    }
    if host.is_some_and(is_blank) {
        return Err("the host is empty");
    }
    Ok(ConnectString {
        user: user.to_owned(),
        activity: activity.and_then(said),
        host: host.and_then(said),
        policy: policy.and_then(said),
        notes: notes.and_then(said),
    })
}

/// The beginning of what came, harmless on a terminal.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Writes a connect string in its shortest form; [`parse`] takes it apart again.
///
/// The grammar has no place for an activity without a host, for a policy or notes without both,
/// nor for a `+` within a part: such strings come out as ones that [`parse`] refuses.
pub fn render(parts: &ConnectString) -> String {
    let ConnectString {
        user,
        activity,
        host,
        policy,
        notes,
    } = parts;
    let or_empty = |part: &Option<String>| part.clone().unwrap_or_default();
    let mut text = vec![user.clone()];
    let tail = policy.is_some() || notes.is_some();
    if activity.is_some() || tail {
        text.push(or_empty(activity));
    }
    if host.is_some() || activity.is_some() || tail {
        text.push(or_empty(host));
    }
    if tail {
        text.push(or_empty(policy));
    }
    text.extend(notes.clone());
    text.join("+")
}

/// Writes the user name behind a jump in its shortest form.
pub fn render_inner(parts: &InnerName) -> String {
    let mut text = vec![parts.account.clone()];
    let tail = parts.policy.is_some() || parts.notes.is_some();
    if parts.activity.is_some() || tail {
        text.push(parts.activity.clone().unwrap_or_default());
    }
    if tail {
        text.push(parts.policy.clone().unwrap_or_default());
    }
    text.extend(parts.notes.clone());
    text.join("+")
}

#[cfg(test)]
mod tests;
