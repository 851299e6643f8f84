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

    /// Both together, but never more than a hundred years.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::LONGEST))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Result<Span, BadSpan> {
        Span::try_from(text.to_owned())
    }

    #[test]
    fn lengths_as_people_write_them() {
        for (text, secs, written) in [
            ("8h", 28800, "8h"),
            ("30m", 1800, "30m"),
            ("90s", 90, "1m 30s"),
            ("1h 15m", 4500, "1h 15m"),
            ("1h15m", 4500, "1h 15m"),
            ("0s", 0, "0s"),
        ] {
            let read = span(text).unwrap();
            assert_eq!(read, Span::from_secs(secs), "{text}");
            assert_eq!(read.to_string(), written);
            assert_eq!(read.delta(), chrono::TimeDelta::seconds(secs as i64));
            assert_eq!(serde_json::to_value(read).unwrap(), written);
            assert_eq!(
                serde_json::from_value::<Span>(written.into()).unwrap(),
                read
            );
        }
    }

    #[test]
    fn what_is_no_length_is_refused_with_an_example() {
        for text in [
            "",
            "8",
            "h",
            "-5m",
            "8 parsecs",
            "101years",
            "999999999999y",
        ] {
            let refused = span(text).unwrap_err().to_string();
            assert!(refused.contains(&format!("`{text}`")) && refused.contains("1h 30m"));
        }
    }

    #[test]
    fn sums_stop_at_a_hundred_years() {
        let century = span("100years").unwrap();
        assert_eq!(
            Span::from_minutes(1).saturating_add(Span::from_secs(5)),
            Span::from_secs(65)
        );
        let longest = century.saturating_add(century);
        assert_eq!(longest.saturating_add(Span::from_secs(1)), longest);
        assert!(longest.duration() >= century.duration());
        assert_eq!(
            span(&longest.to_string()),
            Ok(longest),
            "what is stored can be read again"
        );
    }
}
