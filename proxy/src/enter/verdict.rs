//! Was that the target it should be?

use sallyport_domain::declared::OnMismatch;
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;

use super::DialError;

/// How the key was judged that a target showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The pinned key; its fingerprint.
    Known(String),
    /// The first one ever seen; pinned from now on.
    Pinned(String),
    /// Another key than the pinned one.
    Mismatch {
        /// What it showed.
        fingerprint: String,
        /// Goes on all the same?
        allowed: bool,
        /// As an event?
        logged: bool,
    },
    /// The pinned keys cannot be read.
    Unknown(String),
}

impl Verdict {
    /// It showed another key than the pinned one; what happens then is declared with the host.
    pub fn mismatch(fingerprint: String, then: OnMismatch) -> Self {
        let (allowed, logged) = match then {
            OnMismatch::Block => (false, true),
            OnMismatch::LogAndAllow => (true, true),
            OnMismatch::Allow => (true, false),
        };
        Self::Mismatch {
            fingerprint,
            allowed,
            logged,
        }
    }

    /// May the connection go on?
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::Known(_) | Self::Pinned(_) => true,
            Self::Mismatch { allowed, .. } => *allowed,
            Self::Unknown(_) => false,
        }
    }

    /// The fingerprint of the key shown.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Known(print) | Self::Pinned(print) | Self::Unknown(print) => print,
            Self::Mismatch { fingerprint, .. } => fingerprint,
        }
    }

    /// What stands in the log about it, if anything.
    pub fn event(&self, host: &str) -> Option<Event> {
        match self {
            Self::Pinned(host_key) => Some(Event::HostKeyPinned {
                host: host.to_owned(),
                host_key: host_key.clone(),
            }),
            Self::Mismatch {
                fingerprint,
                allowed,
                logged: true,
            } => Some(Event::HostKeyMismatch {
                host: host.to_owned(),
                host_key: fingerprint.clone(),
                allowed: *allowed,
            }),
            Self::Known(_) | Self::Mismatch { logged: false, .. } | Self::Unknown(_) => None,
        }
    }

    /// Why a key that is not accepted ends the way to the target; `mismatch` says it of the protocol's own kind of key.
    pub fn refusal(&self, host: &str, mismatch: impl FnOnce(String) -> Refusal) -> DialError {
        match self {
            Self::Unknown(_) => Refusal::StoreUnavailable.into(),
            Self::Known(_) | Self::Pinned(_) | Self::Mismatch { .. } => DialError {
                refusal: mismatch(host.to_owned()),
                event: self.event(host).map(Box::new),
            },
        }
    }
}
