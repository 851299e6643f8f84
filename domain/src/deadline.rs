//! The one deadline of a session: the minimum of its limits, known with its reason.

use chrono::{DateTime, Utc};

use crate::close::DeadlineReason;

/// When a session must be over, and which limit says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The instant.
    pub at: DateTime<Utc>,
    /// The limit that set it.
    pub reason: DeadlineReason,
}
