//! Why a session or a connection ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// Why it ended; always on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum CloseReason {
    /// Its own user ended it: closed the client, or said end.
    User,
    /// An administrator ended it.
    Admin {
        /// Who.
        by: String,
        /// Why, if he said so.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Its time was up.
    Deadline {
        /// Which of its limits.
        limit: DeadlineReason,
    },
    /// Nobody typed for too long.
    Idle,
    /// The client was away for longer than the grace.
    GraceExpired,
    /// The target closed the connection.
    TargetClosed,
    /// The client's network went away.
    Network,
    /// The policy that allowed it no longer does.
    Policy {
        /// What changed.
        what: String,
    },
    /// A rule was broken.
    RuleViolation {
        /// Which.
        rule: String,
    },
    /// What passes could not be recorded.
    RecordingFailed {
        /// What the recorder said.
        error: String,
    },
    /// It could not be brought up.
    ConnectFailed {
        /// What went wrong.
        error: String,
    },
    /// The gateway broke while it held this session; the others went on.
    InternalError,
    /// The node that held it is gone.
    NodeLost,
    /// The node was shut down in order.
    Drain,
}

/// Which limit set a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineReason {
    /// The connection profile's maximum duration.
    MaxDuration,
    /// The maximum duration with the extensions taken.
    Extended,
}

impl DeadlineReason {
    /// The name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxDuration => "max_duration",
            Self::Extended => "extended",
        }
    }
}

impl CloseReason {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin { .. } => "admin",
            Self::Deadline { .. } => "deadline",
            Self::Idle => "idle",
            Self::GraceExpired => "grace_expired",
            Self::TargetClosed => "target_closed",
            Self::Network => "network",
            Self::Policy { .. } => "policy",
            Self::RuleViolation { .. } => "rule_violation",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::InternalError => "internal_error",
            Self::NodeLost => "node_lost",
            Self::Drain => "drain",
        }
    }
}

impl CloseReason {
    /// The final status of a session that ended for this reason: Completed if it ran its course
    /// or its own side closed it, Canceled if somebody or something entitled to stopped it,
    /// Failed if it never worked or broke.
    pub fn final_status(&self) -> Status {
        match self {
            Self::User
            | Self::Deadline { .. }
            | Self::Idle
            | Self::GraceExpired
            | Self::TargetClosed
            | Self::Network => Status::Completed,
            Self::Admin { .. } | Self::Policy { .. } | Self::RuleViolation { .. } | Self::Drain => {
                Status::Canceled
            }
            Self::RecordingFailed { .. }
            | Self::ConnectFailed { .. }
            | Self::InternalError
            | Self::NodeLost => Status::Failed,
        }
    }
}

/// What people read, in the list and in the user's own client.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("Closed by user"),
            Self::Admin { by, reason } if reason.is_empty() => {
                write!(f, "Closed by administrator {by}")
            }
            Self::Admin { by, reason } => write!(f, "Closed by administrator {by}: {reason}"),
            Self::Deadline {
                limit: DeadlineReason::MaxDuration,
            } => f.write_str("The maximum duration of the session was reached"),
            Self::Deadline {
                limit: DeadlineReason::Extended,
            } => f.write_str("The extended duration of the session was reached"),
            Self::Idle => f.write_str("Idle timeout has expired"),
            Self::GraceExpired => f.write_str("The client did not come back in time"),
            Self::TargetClosed => f.write_str("The target closed the connection"),
            Self::Network => f.write_str("The client's connection was lost"),
            Self::Policy { what } => write!(f, "Access is no longer allowed: {what}"),
            Self::RuleViolation { rule } => write!(f, "The rule `{rule}` was broken"),
            Self::RecordingFailed { error } => {
                write!(
                    f,
                    "The session cannot be recorded, so it may not go on ({error})"
                )
            }
            Self::ConnectFailed { error } => write!(f, "The target could not be reached: {error}"),
            Self::InternalError => f.write_str("The gateway failed while it held the session"),
            Self::NodeLost => f.write_str("The gateway that held the session stopped"),
            Self::Drain => f.write_str("The gateway is shutting down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_a_text_and_a_final_status() {
        let admin = |reason: &str| CloseReason::Admin {
            by: "bob".into(),
            reason: reason.into(),
        };
        let deadline = |limit| CloseReason::Deadline { limit };
        let error = || "disk full".to_owned();
        for (reason, code, status, text) in [
            (
                CloseReason::User,
                "user",
                Status::Completed,
                "Closed by user",
            ),
            (
                admin(""),
                "admin",
                Status::Canceled,
                "Closed by administrator bob",
            ),
            (
                admin("enough"),
                "admin",
                Status::Canceled,
                "Closed by administrator bob: enough",
            ),
            (
                deadline(DeadlineReason::MaxDuration),
                "deadline",
                Status::Completed,
                "The maximum duration of the session was reached",
            ),
            (
                deadline(DeadlineReason::Extended),
                "deadline",
                Status::Completed,
                "The extended duration of the session was reached",
            ),
            (
                CloseReason::Idle,
                "idle",
                Status::Completed,
                "Idle timeout has expired",
            ),
            (
                CloseReason::GraceExpired,
                "grace_expired",
                Status::Completed,
                "The client did not come back in time",
            ),
            (
                CloseReason::TargetClosed,
                "target_closed",
                Status::Completed,
                "The target closed the connection",
            ),
            (
                CloseReason::Network,
                "network",
                Status::Completed,
                "The client's connection was lost",
            ),
            (
                CloseReason::Policy {
                    what: "the policy was removed".into(),
                },
                "policy",
                Status::Canceled,
                "Access is no longer allowed: the policy was removed",
            ),
            (
                CloseReason::RuleViolation { rule: "rm".into() },
                "rule_violation",
                Status::Canceled,
                "The rule `rm` was broken",
            ),
            (
                CloseReason::RecordingFailed { error: error() },
                "recording_failed",
                Status::Failed,
                "The session cannot be recorded, so it may not go on (disk full)",
            ),
            (
                CloseReason::ConnectFailed {
                    error: "no route".into(),
                },
                "connect_failed",
                Status::Failed,
                "The target could not be reached: no route",
            ),
            (
                CloseReason::InternalError,
                "internal_error",
                Status::Failed,
                "The gateway failed while it held the session",
            ),
            (
                CloseReason::NodeLost,
                "node_lost",
                Status::Failed,
                "The gateway that held the session stopped",
            ),
            (
                CloseReason::Drain,
                "drain",
                Status::Canceled,
                "The gateway is shutting down",
            ),
        ] {
            assert_eq!((reason.code(), reason.final_status()), (code, status));
            assert_eq!(reason.to_string(), text);
            assert!(reason.final_status().is_final());
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["code"], code);
            assert_eq!(serde_json::from_value::<CloseReason>(json).unwrap(), reason);
        }
    }

    #[test]
    fn the_limits_are_stored_by_the_names_they_have_in_lists() {
        for limit in [DeadlineReason::MaxDuration, DeadlineReason::Extended] {
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.as_str());
        }
    }
}
