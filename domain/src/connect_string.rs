//! The connect string: what a user types where a client wants a user name (requirement 110).
//!
//! `user`, `user+host`, `user+activity+host`, `user+activity+host+policy` or
//! `user+activity+host+policy+notes`; an empty policy keeps its delimiter. The user may be
//! `domain\user` or `user@domain`. `_` may stand for a space in an activity name; that is for
//! [`crate::policy::evaluate`] to decide, here it stays as it is.

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

fn take_apart(text: &str) -> Result<ConnectString, &'static str> {
    if text.len() > LONGEST {
        return Err("it is longer than 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("it contains control characters");
    }
    let text = text.trim_start_matches('\\');
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
    let blank = |part: &str| part.trim().is_empty();
    if blank(user) {
        return Err("the user is empty");
    }
    if activity.is_some_and(blank) {
        return Err("the activity is empty");
    }
    if host.is_some_and(blank) {
        return Err("the host is empty");
    }
    let said = |part: &str| Some(part.to_owned()).filter(|part| !blank(part));
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

#[cfg(test)]
mod tests;
