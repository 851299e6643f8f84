//! The session: one granted activity on one host for one user, from request to end.
//!
//! A pure state machine. [`Session::handle`] takes the time and an [`Input`] and answers with the
//! [`Action`]s to carry out, in order; it does no I/O, reads no clock and never panics. One task,
//! the driver, owns each live session and feeds it.
//!
//! ```text
//!                                    Lock             Unlock
//!                            ┌──────────────▶ Locked ─────────┐ (to where it was)
//!                            │                   │            ▼
//!                Provisioned │     Connected     │
//!  Provisioning ─────────▶ Available ─────────▶ Logged In
//!       │                    │   ▲               │ │ last connection gone
//!       │                    │   └───────────────┼─┤   made through the API
//!       │ failed             │ end, deadline, …  │ │   made by connecting
//!       ▼                    ▼                   ▼ ▼
//!  Canceling: every connection is cut; when all are gone ── TearDown ──▶ TornDown
//!       │
//!       └──────▶ Completed │ Canceled │ Failed   (final; all further input is harmless)
//! ```
//!
//! The final status follows from the close reason alone ([`CloseReason::final_status`]); the first
//! reason stays:
//!
//! | what ends it | close reason | final status |
//! |---|---|---|
//! | its user: End, Terminate with cancel | User | Completed |
//! | its user closed the client (made by connecting) | User | Completed |
//! | the deadline | Deadline | Completed |
//! | idle timeout | Idle | Completed |
//! | the client did not come back in time | GraceExpired | Completed |
//! | the target closed (made by connecting) | TargetClosed | Completed |
//! | the client was lost (made by connecting) | Network | Completed |
//! | an administrator: End, Terminate with cancel | Admin | Canceled |
//! | an administrator: Terminate without cancel (made by connecting) | Admin | Canceled |
//! | the policy was revoked | Policy | Canceled |
//! | a rule was broken | RuleViolation | Canceled |
//! | shutdown of the gateway (made by connecting) | Drain | Canceled |
//! | pre-session actions failed | ConnectFailed | Failed |
//! | the target could not be brought up (made by connecting) | ConnectFailed | Failed |
//! | it cannot be recorded | RecordingFailed | Failed |
//! | the gateway broke while it held it | InternalError | Failed |
//! | its node is gone (made by connecting) | NodeLost | Failed |
//!
//! Time: a locked session's deadline keeps running, its idle time does not. Idle time runs only
//! while somebody is connected. Control: a viewer may take control of one connection's desktop, one viewer
//! at a time; he has it until he gives it back or leaves, until a lock, or until the connection ends. Connections: one that comes up too late (locked meanwhile, ending
//! meanwhile) is cut at once. What the driver was asked for it must report back: for each
//! connection named in [`Action::Cut`] an [`Input::Disconnected`], for [`Action::TearDown`] an
//! [`Input::TornDown`]; a teardown asked for while pre-session actions still run aborts them.

mod action;
mod admission;
mod clockwork;
mod commands;
mod control;
mod effects;
mod ending;
mod input;
mod machine;

pub use action::{Action, Notice};
pub use control::Controller;
pub use input::{ConnectFailure, DisconnectCause, Input};
pub use machine::Session;

use chrono::{DateTime, Utc};

#[cfg(doc)]
use crate::close::CloseReason;
use crate::span::Span;

/// How the session came to be, which decides how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By connecting: it ends with its connection.
    Connect,
    /// Through the API: it stays Available and may be entered several times until its end.
    Api,
}

/// The limits it runs under: its profile, as it was at the request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// Scheduled end = start + this.
    pub max_duration: Span,
    /// Without human input for this long it ends.
    pub idle_timeout: Option<Span>,
    /// How long before the end the user is told; longest first.
    pub end_notice: Vec<Span>,
    /// By how much and how often it may be extended.
    pub extension: Option<crate::declared::Extension>,
}

/// The six times of a session (requirement "settled contradictions" 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Times {
    /// The record was made.
    pub requested_at: DateTime<Utc>,
    /// Pre-session actions were done: *Start*.
    pub provisioned_at: Option<DateTime<Utc>>,
    /// The user was first on the target.
    pub connected_at: Option<DateTime<Utc>>,
    /// *End*: start + maximum duration + extensions.
    pub scheduled_end: Option<DateTime<Utc>>,
    /// The last connection went away.
    pub disconnected_at: Option<DateTime<Utc>>,
    /// It was over, teardown included.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Times {
    /// Those of a session that is just being asked for.
    pub fn requested(at: DateTime<Utc>) -> Self {
        Self {
            requested_at: at,
            provisioned_at: None,
            connected_at: None,
            scheduled_end: None,
            disconnected_at: None,
            ended_at: None,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
