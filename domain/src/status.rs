//! The statuses of a session that people see, and their coarse classes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a session stands (requirements 62–71, 76).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Its start is still in the future.
    Pending,
    /// Nobody has approved it yet.
    #[serde(rename = "Waiting for Approval")]
    WaitingForApproval,
    /// An approver said no.
    #[serde(rename = "Approval Denied")]
    ApprovalDenied,
    /// The approval itself broke.
    #[serde(rename = "Approval Failed")]
    ApprovalFailed,
    /// Pre-session actions run.
    Provisioning,
    /// Ready to be entered.
    Available,
    /// Somebody is on the target.
    #[serde(rename = "Logged In")]
    LoggedIn,
    /// The client is gone, the target is kept.
    Suspended,
    /// Locked by an administrator.
    Locked,
    /// Being torn down.
    Canceling,
    /// Reached its end, or was ended by its user.
    Completed,
    /// Ended early by an administrator.
    Canceled,
    /// Never worked, or broke.
    Failed,
}

/// The four classes that colour a session's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateClass {
    /// Not ended yet.
    Active,
    /// Ended in order.
    Closed,
    /// Ended by a fault.
    Failed,
    /// Client detached, target kept.
    Suspended,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Self; 13] = [
        Self::Pending,
        Self::WaitingForApproval,
        Self::ApprovalDenied,
        Self::ApprovalFailed,
        Self::Provisioning,
        Self::Available,
        Self::LoggedIn,
        Self::Suspended,
        Self::Locked,
        Self::Canceling,
        Self::Completed,
        Self::Canceled,
        Self::Failed,
    ];

    /// The text shown, stored and filtered by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::WaitingForApproval => "Waiting for Approval",
            Self::ApprovalDenied => "Approval Denied",
            Self::ApprovalFailed => "Approval Failed",
            Self::Provisioning => "Provisioning",
            Self::Available => "Available",
            Self::LoggedIn => "Logged In",
            Self::Suspended => "Suspended",
            Self::Locked => "Locked",
            Self::Canceling => "Canceling",
            Self::Completed => "Completed",
            Self::Canceled => "Canceled",
            Self::Failed => "Failed",
        }
    }

    /// The status of that text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Its class.
    pub fn class(self) -> StateClass {
        match self {
            Self::Pending
            | Self::WaitingForApproval
            | Self::Provisioning
            | Self::Available
            | Self::LoggedIn
            | Self::Locked
            | Self::Canceling => StateClass::Active,
            Self::Suspended => StateClass::Suspended,
            Self::ApprovalDenied | Self::Completed | Self::Canceled => StateClass::Closed,
            Self::ApprovalFailed | Self::Failed => StateClass::Failed,
        }
    }

    /// Is nothing going to happen any more?
    pub fn is_final(self) -> bool {
        matches!(self.class(), StateClass::Closed | StateClass::Failed)
    }
}

impl StateClass {
    /// The name in lists and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Suspended => "suspended",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
