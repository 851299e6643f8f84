//! May this user do this here? A pure function; the default is no.

use std::collections::BTreeMap;

use crate::declared::{AccessPolicy, Account, Activity, ConnectionProfile, Host, Protocol};
use crate::id::NounId;
use crate::permit::Permit;
use crate::refusal::Refusal;

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
    /// The policy, if said.
    pub policy: Option<String>,
    /// Why.
    pub notes: Option<String>,
    /// A ticket number.
    pub ticket: Option<String>,
}

/// What the policy says.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Yes: here is the key.
    Allow(Permit),
    /// No, for this reason.
    Deny(Refusal),
}

/// Decides. Default deny.
pub fn evaluate(snapshot: &Snapshot, request: &Request) -> Decision {
    let _ = (snapshot, request);
    todo!("H1")
}
