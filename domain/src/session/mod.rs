//! The session: one granted activity on one host for one user, from request to end.
//!
//! A pure state machine. [`Session::handle`] takes the time and an [`Input`] and answers with the
//! [`Action`]s to carry out; it does no I/O, reads no clock and never panics. One task, the driver,
//! owns each live session and feeds it.

mod action;
mod input;

pub use action::{Action, Notice};
pub use input::{ConnectFailure, DisconnectCause, Input};

use chrono::{DateTime, Utc};

use crate::close::CloseReason;
use crate::deadline::Deadline;
use crate::id::{ConnectionId, SessionId};
use crate::span::Span;
use crate::status::Status;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
