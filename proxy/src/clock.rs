//! The wall clock, in the resolution in which times are stored and shown.

use chrono::{DateTime, SubsecRound, Utc};

/// Now, to the microsecond: what an answer says and what is read back later is the same.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
