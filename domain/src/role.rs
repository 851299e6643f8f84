//! Roles on the control plane, and what each may do there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a person or application is on the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Uses sessions; sees her own and those made with accounts she owns.
    User,
    /// Reads everything in her scope, changes nothing.
    Auditor,
    /// Everything in her scope.
    Admin,
}

/// What a request on the control plane wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Read the declared nouns.
    ReadNouns,
    /// Declare, change or remove nouns; lock and unlock users.
    WriteNouns,
    /// See sessions of others.
    ReadSessions,
    /// Ask for a session of one's own, end it, extend it.
    UseSessions,
    /// Lock, unlock, message, extend, end and terminate sessions of others.
    ControlSessions,
    /// Watch a live session.
    WatchSessions,
    /// Take control of a desktop that is watched.
    TakeOver,
    /// Replay, export and verify recordings.
    ReadRecordings,
    /// Read the audit trail and the access log.
    ReadAudit,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 3] = [Self::User, Self::Auditor, Self::Admin];

    /// May this role do that, within its scope?
    pub fn may(self, act: Act) -> bool {
        match act {
            Act::UseSessions => matches!(self, Self::User | Self::Admin),
            Act::WriteNouns | Act::ControlSessions | Act::TakeOver => self == Self::Admin,
            Act::ReadNouns
            | Act::ReadSessions
            | Act::WatchSessions
            | Act::ReadRecordings
            | Act::ReadAudit => matches!(self, Self::Auditor | Self::Admin),
        }
    }

    /// The name in declarations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
