//! The permit: the one key to dialling a target, to opening a secret, and to each right.

use std::collections::BTreeSet;

use crate::declared::{Account, ConnectionProfile, Host};
use crate::destination::{self, Destination, Endpoint};
use crate::id::NounId;
use crate::refusal::Refusal;
use crate::right::Right;

/// Proof that the policy allowed one user one activity on one host.
///
/// Its fields are private and only [`crate::policy::evaluate`] makes one: code without a permit
/// cannot dial, cannot open a secret, cannot use a right.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(crate) user: String,
    pub(crate) host_id: NounId,
    pub(crate) host: Host,
    pub(crate) account_id: NounId,
    pub(crate) account: Account,
    pub(crate) activity: String,
    pub(crate) policy: String,
    pub(crate) profile: ConnectionProfile,
    pub(crate) rights: BTreeSet<Right>,
    pub(crate) permit_open: Option<Vec<Destination>>,
    pub(crate) permit_listen: Option<Vec<Destination>>,
}

/// Proof that a permit holds one right. Only [`Permit::right`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted(Right);

impl Granted {
    /// Which right.
    pub fn right(self) -> Right {
        self.0
    }
}

/// Proof that a permit lets a forward lead to one endpoint. Only [`Permit::may_open`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening(Endpoint);

impl Opening {
    /// Where to.
    pub fn to(&self) -> &Endpoint {
        &self.0
    }
}

/// Proof that a permit lets the target listen at one endpoint. Only [`Permit::may_listen`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening(Endpoint);

impl Listening {
    /// Where.
    pub fn at(&self) -> &Endpoint {
        &self.0
    }
}

impl Permit {
    /// A forward from the client to somewhere behind the target.
    pub fn may_open(&self, to: &Endpoint) -> Result<Opening, Refusal> {
        self.right(Right::LocalForward)?;
        match &self.permit_open {
            Some(allowed) if !allowed.iter().any(|place| place.covers(to)) => {
                Err(Refusal::DestinationNotAllowed {
                    to: to.to_string(),
                    activity: self.activity.clone(),
                    allowed: destination::list(allowed),
                })
            }
            Some(_) | None => Ok(Opening(to.clone())),
        }
    }

    /// A forward from the target back to the client.
    pub fn may_listen(&self, at: &Endpoint) -> Result<Listening, Refusal> {
        self.right(Right::RemoteForward)?;
        match &self.permit_listen {
            Some(allowed) if !allowed.iter().any(|place| place.covers(at)) => {
                Err(Refusal::ListenNotAllowed {
                    at: at.to_string(),
                    activity: self.activity.clone(),
                    allowed: destination::list(allowed),
                })
            }
            Some(_) | None => Ok(Listening(at.clone())),
        }
    }

    /// The right, if the activity has it.
    pub fn right(&self, right: Right) -> Result<Granted, Refusal> {
        if self.rights.contains(&right) {
            Ok(Granted(right))
        } else {
            Err(Refusal::RightMissing {
                right,
                activity: self.activity.clone(),
            })
        }
    }

    /// Whom it was given to.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host's id.
    pub fn host_id(&self) -> NounId {
        self.host_id
    }

    /// The host it is for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The account's id: the owner of the secret it opens.
    pub fn account_id(&self) -> NounId {
        self.account_id
    }

    /// The account on the host.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The activity's name.
    pub fn activity(&self) -> &str {
        &self.activity
    }

    /// The access policy that allowed it.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The profile its sessions run under, as it was when the permit was given.
    pub fn profile(&self) -> &ConnectionProfile {
        &self.profile
    }
}
