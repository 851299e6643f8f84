//! A length of time as people write it: `8h`, `30m`, `1h 15m`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time; serialised in words (`1h 30m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write for example `8h`, `30m`, `90s` or `1h 30m`")]
pub struct BadSpan(String);

impl Span {
    /// The longest we accept: a hundred years, so that sums of times never overflow.
    const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// `minutes` minutes.
    pub const fn from_minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }

    /// As a std duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// As a difference of wall-clock times.
    pub fn delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::from_std(self.0).unwrap_or(chrono::TimeDelta::MAX)
    }
}

impl TryFrom<String> for Span {
    type Error = BadSpan;

    fn try_from(text: String) -> Result<Self, BadSpan> {
        match humantime::parse_duration(&text) {
            Ok(span) if span <= Self::LONGEST => Ok(Self(span)),
            Ok(_) | Err(_) => Err(BadSpan(text)),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}
