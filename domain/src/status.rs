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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        let classes = [
            (Status::Pending, StateClass::Active, false),
            (Status::WaitingForApproval, StateClass::Active, false),
            (Status::ApprovalDenied, StateClass::Closed, true),
            (Status::ApprovalFailed, StateClass::Failed, true),
            (Status::Provisioning, StateClass::Active, false),
            (Status::Available, StateClass::Active, false),
            (Status::LoggedIn, StateClass::Active, false),
            (Status::Suspended, StateClass::Suspended, false),
            (Status::Locked, StateClass::Active, false),
            (Status::Canceling, StateClass::Active, false),
            (Status::Completed, StateClass::Closed, true),
            (Status::Canceled, StateClass::Closed, true),
            (Status::Failed, StateClass::Failed, true),
        ];
        assert_eq!(classes.map(|(status, ..)| status), Status::ALL);
        for (status, class, is_final) in classes {
            assert_eq!(
                (status.class(), status.is_final()),
                (class, is_final),
                "{status}"
            );
        }
    }

    #[test]
    fn the_text_is_the_same_everywhere() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(status.to_string(), status.as_str());
            let class = status.class();
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        for text in ["", "available", "LoggedIn", "Logged  In", "Complete"] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
    }
}
