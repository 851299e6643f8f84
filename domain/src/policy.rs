//! May this user do this here? A pure function; the default is no.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::connect_string::{self, ConnectString, InnerName};
use crate::declared::{
    AccessPolicy, Account, Activity, ConnectionProfile, Host, Protocol, Requirement,
};
use crate::id::NounId;
use crate::permit::Permit;
use crate::refusal::Refusal;
use crate::right::Right;

mod offers;

pub use offers::{Offer, Survey, SurveyedHost, offers};

/// Everything the decision depends on, read from the store at one instant.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The user's name.
    pub user: String,
    /// An application instead of a person?
    pub is_application: bool,
    /// Is the user locked?
    pub user_locked: bool,
    /// Did an administrator bar this user from new activities on this host?
    pub host_barred: bool,
    /// The groups the user is in.
    pub groups: Vec<String>,
    /// The host asked for, by name or friendly name; `None` if there is none.
    pub host: Option<(NounId, Host)>,
    /// The accounts on that host, and whether the vault holds a secret for each.
    pub accounts: Vec<(NounId, Account, bool)>,
    /// Has this user sessions on that host which were asked for ahead and have not ended?
    pub asked_ahead: bool,
    /// What is allowed to whom.
    pub rules: Arc<Rules>,
}

/// What is allowed to whom: the same for everybody who asks, until an administrator changes it.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Every access policy.
    pub policies: Vec<AccessPolicy>,
    /// Every activity, by name.
    pub activities: BTreeMap<String, Activity>,
    /// Every connection profile, by name.
    pub profiles: BTreeMap<String, ConnectionProfile>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Over which protocol.
    pub protocol: Protocol,
    /// The host's name as the user wrote it.
    pub host: String,
    /// The activity, if said; `_` may stand for a space.
    pub activity: Option<String>,
    /// The account on the host, if said. The user's own name, where no account of that name is
    /// allowed, leaves it open: `ssh` sends a name even if nobody typed one.
    pub account: Option<String>,
    /// The policy, if said.
    pub policy: Option<String>,
    /// Why.
    pub notes: Option<String>,
    /// A ticket number.
    pub ticket: Option<String>,
}

/// What the policy says.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one decision at a time, taken apart at once"
)]
pub enum Decision {
    /// Yes: here is the key.
    Allow(Permit),
    /// No, for this reason.
    Deny(Refusal),
}

/// Decides. Default deny.
///
/// The user's own lock comes first and being barred from the host next. Then all pairs of policy
/// and activity that match are found; exactly one must be left by what the request names. Only
/// that one's conditions are looked at.
pub fn evaluate(snapshot: &Snapshot, request: &Request) -> Decision {
    match decide(snapshot, request) {
        Ok(permit) => Decision::Allow(permit),
        Err(refusal) => Decision::Deny(refusal),
    }
}

/// May this user know that the host is there: does any policy lead her to it over this protocol?
/// Says nothing about the conditions of that policy.
pub fn is_known(snapshot: &Snapshot, protocol: Protocol) -> bool {
    match &snapshot.host {
        Some((_, host)) => !ways(snapshot, host, protocol).is_empty(),
        None => false,
    }
}

/// One way to the host: a policy, and one of its activities.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    policy: &'a AccessPolicy,
    activity: &'a Activity,
}

fn decide(snapshot: &Snapshot, request: &Request) -> Result<Permit, Refusal> {
    if snapshot.user_locked {
        return Err(Refusal::UserLocked);
    }
    if snapshot.host_barred {
        return Err(Refusal::HostBarred {
            host: request.host.clone(),
        });
    }
    let Some((host_id, host)) = &snapshot.host else {
        return Err(no_policy(request));
    };
    let ways = ways(snapshot, host, request.protocol);
    let way = choose(snapshot, request, host, &ways)?;
    permit(snapshot, request, (*host_id, host), way, &ways)
}

/// The same words whether the host does not exist or this user may not know of it.
fn no_policy(request: &Request) -> Refusal {
    Refusal::NoPolicy {
        host: request.host.clone(),
    }
}

/// Every way this user has to this host over this protocol, in the order of the policies.
fn ways<'a>(snapshot: &'a Snapshot, host: &Host, protocol: Protocol) -> Vec<Way<'a>> {
    let policies = snapshot.rules.policies.iter();
    let named = policies.map(|policy| (policy, policy.hosts.contains(&host.name)));
    ways_by(snapshot, named, host, protocol)
}

/// The same, of policies with each of which goes whether it names the host.
fn ways_by<'a>(
    snapshot: &'a Snapshot,
    policies: impl Iterator<Item = (&'a AccessPolicy, bool)>,
    host: &Host,
    protocol: Protocol,
) -> Vec<Way<'a>> {
    let mut ways: Vec<Way<'a>> = Vec::new();
    for (policy, by_name) in policies {
        if !names_subject(policy, snapshot) || !reaches(policy, host, by_name) {
            continue;
        }
        let activities = policy
            .activities
            .iter()
            .filter_map(|name| snapshot.rules.activities.get(name));
        for activity in activities.filter(|activity| activity.protocol == protocol) {
            let known = |way: &Way<'_>| {
                way.policy.name == policy.name && way.activity.name == activity.name
            };
            if !ways.iter().any(known) {
                ways.push(Way { policy, activity });
            }
        }
    }
    ways
}

/// An application is matched by the policy's applications alone: one that has the name of a user
/// must not inherit what the user may do, nor the other way round.
fn names_subject(policy: &AccessPolicy, snapshot: &Snapshot) -> bool {
    if snapshot.is_application {
        policy.applications.contains(&snapshot.user)
    } else {
        policy.users.contains(&snapshot.user)
            || policy
                .groups
                .iter()
                .any(|group| snapshot.groups.contains(group))
    }
}

/// No labels in the policy select no host, rather than every host.
fn reaches(policy: &AccessPolicy, host: &Host, by_name: bool) -> bool {
    let by_labels = !policy.host_labels.is_empty()
        && policy
            .host_labels
            .iter()
            .all(|(key, value)| host.labels.get(key) == Some(value));
    policy.scope.contains(&host.scope) && (by_name || by_labels)
}

/// The one way that is left by what the request names.
fn choose<'a>(
    snapshot: &Snapshot,
    request: &Request,
    host: &Host,
    ways: &[Way<'a>],
) -> Result<Way<'a>, Refusal> {
    let ways = &with_account(snapshot, request, ways)?;
    let asked = select(ways, request.activity.as_deref(), |way| &way.activity.name);
    if asked.is_empty() {
        return Err(match &request.activity {
            Some(activity) if !ways.is_empty() => Refusal::NoSuchActivity {
                activity: activity.clone(),
                host: request.host.clone(),
                allowed: activity_names(ways),
            },
            Some(_) | None => no_policy(request),
        });
    }
    let left = select(&asked, request.policy.as_deref(), |way| &way.policy.name);
    match left.as_slice() {
        [] => Err(match &request.policy {
            Some(policy) => Refusal::NoSuchPolicy {
                policy: policy.clone(),
                host: request.host.clone(),
                allowed: policy_names(&asked),
            },
            None => no_policy(request),
        }),
        [way] => Ok(*way),
        [_, _, ..] => {
            let choices: Vec<String> = left
                .iter()
                .map(|way| choice(snapshot, request, host, *way, ways, None))
                .collect();
            Err(Refusal::Ambiguous {
                host: request.host.clone(),
                choices: choices.join("\n"),
            })
        }
    }
}

/// Those that log in with the account asked for; all, if none was.
fn with_account<'a>(
    snapshot: &Snapshot,
    request: &Request,
    ways: &[Way<'a>],
) -> Result<Vec<Way<'a>>, Refusal> {
    let Some(asked) = &request.account else {
        return Ok(ways.to_vec());
    };
    let exact: Vec<Way<'a>> = ways
        .iter()
        .filter(|way| way.activity.account == *asked)
        .copied()
        .collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    // Another name than her own was typed on purpose: whoever asks for `oracle` must not become `root`.
    if ways.is_empty() || *asked == snapshot.user {
        return Ok(ways.to_vec());
    }
    let accounts: BTreeSet<&str> = ways
        .iter()
        .map(|way| way.activity.account.as_str())
        .collect();
    Err(Refusal::NoSuchAccount {
        account: asked.clone(),
        host: request.host.clone(),
        allowed: accounts.into_iter().collect::<Vec<_>>().join(", "),
    })
}

/// Those whose name was asked for; all, if none was. A name written exactly wins over one that
/// matches only because `_` may stand for a space.
fn select<'a>(
    ways: &[Way<'a>],
    asked: Option<&str>,
    name: impl Fn(&Way<'a>) -> &'a str,
) -> Vec<Way<'a>> {
    let Some(asked) = asked else {
        return ways.to_vec();
    };
    let exact: Vec<Way<'a>> = ways
        .iter()
        .filter(|way| name(way) == asked)
        .copied()
        .collect();
    if !exact.is_empty() {
        return exact;
    }
    ways.iter()
        .filter(|way| stands_for(asked, name(way)))
        .copied()
        .collect()
}

fn stands_for(asked: &str, name: &str) -> bool {
    let same = |(asked, name): (char, char)| asked == name || (asked == '_' && name == ' ');
    asked.chars().count() == name.chars().count() && asked.chars().zip(name.chars()).all(same)
}

fn activity_names(ways: &[Way<'_>]) -> String {
    let names: BTreeSet<&str> = ways.iter().map(|way| way.activity.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn policy_names(ways: &[Way<'_>]) -> String {
    let names: BTreeSet<&str> = ways.iter().map(|way| way.policy.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// A connect string that leads this way and no other, or a log-in name for a jump if the request
/// came that way. It names the policy only if it must.
fn choice(
    snapshot: &Snapshot,
    request: &Request,
    host: &Host,
    way: Way<'_>,
    ways: &[Way<'_>],
    notes: Option<&str>,
) -> String {
    let same_activity = ways
        .iter()
        .filter(|other| other.activity.name == way.activity.name);
    let several = same_activity.count() > 1;
    let activity = Some(way.activity.name.replace(' ', "_"));
    let policy = several.then(|| way.policy.name.replace(' ', "_"));
    let notes = notes.map(str::to_owned);
    if request.account.is_some() {
        let inner = InnerName {
            account: way.activity.account.clone(),
            activity,
            policy,
            notes,
        };
        return format!("{}@{}", connect_string::render_inner(&inner), host.name);
    }
    connect_string::render(&ConnectString {
        user: snapshot.user.clone(),
        activity,
        host: Some(host.name.clone()),
        policy,
        notes,
    })
}

/// The conditions of the one way, then the key.
fn permit(
    snapshot: &Snapshot,
    request: &Request,
    (host_id, host): (NounId, &Host),
    way: Way<'_>,
    ways: &[Way<'_>],
) -> Result<Permit, Refusal> {
    let Way { policy, activity } = way;
    let Some(profile) = snapshot.rules.profiles.get(&policy.connection_profile) else {
        return Err(Refusal::PolicyIncomplete {
            policy: policy.name.clone(),
        });
    };
    let on_host = || (activity.account.clone(), host.name.clone());
    let found = snapshot
        .accounts
        .iter()
        .find(|(_, account, _)| account.name == activity.account);
    let Some((account_id, account, has_secret)) = found else {
        let (account, host) = on_host();
        return Err(Refusal::AccountMissing { account, host });
    };
    if !has_secret {
        let (account, host) = on_host();
        return Err(Refusal::SecretMissing { account, host });
    }
    if requires(profile, Requirement::Notes) && is_blank(request.notes.as_deref()) {
        let example = choice(snapshot, request, host, way, ways, Some("why"));
        return Err(Refusal::NotesRequired { example });
    }
    if requires(profile, Requirement::Ticket) && is_blank(request.ticket.as_deref()) {
        return Err(Refusal::TicketRequired);
    }
    if !serves(host, request.protocol) {
        let (host, protocol) = (host.name.clone(), request.protocol.as_str());
        return Err(Refusal::ProtocolNotServed { host, protocol });
    }
    Ok(Permit {
        user: snapshot.user.clone(),
        host_id,
        host: host.clone(),
        account_id: *account_id,
        account: account.clone(),
        activity: activity.name.clone(),
        policy: policy.name.clone(),
        profile: profile.clone(),
        rights: rights(activity),
        permit_open: activity.permit_open.clone(),
        permit_listen: activity.permit_listen.clone(),
    })
}

/// The rights of an activity. The direction of files is limited only where one is named.
fn rights(activity: &Activity) -> BTreeSet<Right> {
    let mut rights: BTreeSet<Right> = activity.rights.iter().copied().collect();
    let directions = [Right::Upload, Right::Download];
    if !directions.iter().any(|right| rights.contains(right)) {
        rights.extend(directions);
    }
    rights
}

fn serves(host: &Host, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Ssh => host.ssh.is_some(),
        Protocol::Rdp => host.rdp.is_some(),
    }
}

fn requires(profile: &ConnectionProfile, requirement: Requirement) -> bool {
    profile.require.contains(&requirement)
}

fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
