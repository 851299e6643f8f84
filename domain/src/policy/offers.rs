//! What may this user do, and where? The list behind a menu: exactly what [`super::evaluate`] would allow.

use std::collections::HashSet;

use super::{Snapshot, Way, requires, serves, ways_by};
use crate::connect_string::{self, ConnectString};
use crate::declared::{AccessPolicy, Host, Protocol, Requirement};
use crate::refusal::Refusal;

/// Everything one user's list depends on, read from the store at one instant.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The user and what is declared, with no host in it.
    pub base: Snapshot,
    /// Every host.
    pub hosts: Vec<SurveyedHost>,
}

/// A host, with what matters of it to one user.
#[derive(Debug, Clone)]
pub struct SurveyedHost {
    /// The host.
    pub host: Host,
    /// Did an administrator bar this user from new activities on it?
    pub barred: bool,
    /// The names of its accounts, and whether the vault holds a secret for each.
    pub accounts: Vec<(String, bool)>,
}

/// One thing a user may do on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The host's name.
    pub host: String,
    /// Its friendly name; may be empty.
    pub friendly_name: String,
    /// The account on it.
    pub account: String,
    /// The activity.
    pub activity: String,
    /// The access policy that allows it.
    pub policy: String,
    /// Can this activity be had under several policies?
    pub policy_matters: bool,
    /// Must the user say why?
    pub needs_notes: bool,
    /// Must she name a ticket?
    pub needs_ticket: bool,
    /// The shortest connect string that leads here and nowhere else.
    pub connect_string: String,
}

/// Everything that [`super::evaluate`] would allow this user over this protocol, if she names host, activity
/// and policy and gives the notes and the ticket that are asked for. Sorted by host, activity and policy.
///
/// # Errors
/// [`Refusal::UserLocked`].
pub fn offers(survey: &Survey, protocol: Protocol) -> Result<Vec<Offer>, Refusal> {
    let base = &survey.base;
    if base.user_locked {
        return Err(Refusal::UserLocked);
    }
    // A policy may name thousands of hosts, and there may be thousands: no list is searched for each.
    let policies: Vec<(&AccessPolicy, HashSet<&str>)> = base
        .rules
        .policies
        .iter()
        .map(|policy| (policy, policy.hosts.iter().map(String::as_str).collect()))
        .collect();
    let mut offers = Vec::new();
    for on in survey.hosts.iter().filter(|on| !on.barred) {
        let named = policies
            .iter()
            .map(|(policy, hosts)| (*policy, hosts.contains(on.host.name.as_str())));
        let ways = ways_by(base, named, &on.host, protocol);
        offers.extend(
            ways.iter()
                .filter_map(|way| offer(base, on, *way, &ways, protocol)),
        );
    }
    offers.sort_by_cached_key(|offer| {
        let Offer {
            host,
            activity,
            policy,
            ..
        } = offer.clone();
        (host.to_lowercase(), host, activity, policy)
    });
    Ok(offers)
}

/// The way as an offer, if nothing but what the user has to say stands in it.
fn offer(
    base: &Snapshot,
    on: &SurveyedHost,
    way: Way<'_>,
    ways: &[Way<'_>],
    protocol: Protocol,
) -> Option<Offer> {
    let Way { policy, activity } = way;
    let profile = base.rules.profiles.get(&policy.connection_profile)?;
    let account = on
        .accounts
        .iter()
        .find(|(name, _)| *name == activity.account);
    let (account, has_secret) = account?;
    if !has_secret || !serves(&on.host, protocol) {
        return None;
    }
    let same_activity = |other: &&Way<'_>| other.activity.name == activity.name;
    let policy_matters = ways.iter().filter(same_activity).count() > 1;
    Some(Offer {
        host: on.host.name.clone(),
        friendly_name: on.host.friendly_name.clone(),
        account: account.clone(),
        activity: activity.name.clone(),
        policy: policy.name.clone(),
        policy_matters,
        needs_notes: requires(profile, Requirement::Notes),
        needs_ticket: requires(profile, Requirement::Ticket),
        connect_string: shortest(base, &on.host, way, ways, policy_matters),
    })
}

fn shortest(
    base: &Snapshot,
    host: &Host,
    way: Way<'_>,
    ways: &[Way<'_>],
    policy_matters: bool,
) -> String {
    let activities = ways.iter().map(|way| way.activity.name.as_str());
    let policies = ways.iter().map(|way| way.policy.name.as_str());
    connect_string::render(&ConnectString {
        user: base.user.clone(),
        activity: (ways.len() > 1).then(|| typed(&way.activity.name, activities)),
        host: Some(host.name.clone()),
        policy: policy_matters.then(|| typed(&way.policy.name, policies)),
        notes: None,
    })
}

/// A name as it is typed without quotes: `_` for a space, unless that is another one's name.
fn typed<'a>(name: &str, mut all: impl Iterator<Item = &'a str>) -> String {
    let typed = name.replace(' ', "_");
    if all.any(|other| other != name && super::stands_for(&typed, other)) {
        return name.to_owned();
    }
    typed
}
