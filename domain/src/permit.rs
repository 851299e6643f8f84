//! The permit: the one key to dialling a target, to opening a secret, and to each right.

use std::collections::BTreeSet;

use crate::declared::{Account, ConnectionProfile, Host};
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

impl Permit {
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
