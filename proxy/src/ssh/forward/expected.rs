//! What the target may open, because somebody on this connection asked it to. All else is refused.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{ChannelOpenHandle, Msg};
use russh::{ChannelOpenFailure, ChannelWriteHalf};
use sallyport_domain::destination::Endpoint;
use sallyport_domain::event::ForwardKind;
use sallyport_domain::right::Right;

use crate::ssh::inbox::Inbox;
use crate::ssh::target::TargetLeg;

/// What was asked of the target of one connection.
#[derive(Default)]
pub struct Expected {
    agent: AtomicBool,
    x11: AtomicBool,
    listening: Mutex<BTreeSet<Endpoint>>,
}

/// What a session channel may ask the target to hand on to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Her SSH agent.
    Agent,
    /// Her X server.
    X11,
}

impl Service {
    /// The right it needs.
    pub fn right(self) -> Right {
        match self {
            Self::Agent => Right::Agent,
            Self::X11 => Right::X11,
        }
    }

    /// What its channels are in events.
    pub fn kind(self) -> ForwardKind {
        match self {
            Self::Agent => ForwardKind::Agent,
            Self::X11 => ForwardKind::X11,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "SSH agent",
            Self::X11 => "X server",
        }
    }
}

impl Expected {
    fn flag(&self, service: Service) -> &AtomicBool {
        match service {
            Service::Agent => &self.agent,
            Service::X11 => &self.x11,
        }
    }

    /// It is asked for, or was refused by the target. Set before the request goes out: the target's
    /// first channel may arrive before its answer was looked at.
    pub fn set(&self, service: Service, expected: bool) {
        self.flag(service).store(expected, Ordering::Release);
    }

    /// Was it asked for?
    pub fn has(&self, service: Service) -> bool {
        self.flag(service).load(Ordering::Acquire)
    }

    fn places(&self) -> MutexGuard<'_, BTreeSet<Endpoint>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The target listens there.
    pub fn listens(&self, at: Endpoint) {
        self.places().insert(at);
    }

    /// The target listens there no more. Did it?
    pub fn cancelled(&self, at: &Endpoint) -> bool {
        self.places().remove(at)
    }

    /// Where the target listens.
    pub fn listening(&self) -> Vec<Endpoint> {
        self.places().iter().cloned().collect()
    }

    /// The place that a connection came to. Servers differ in how they name the address they were
    /// asked for, so that the port decides when no name fits.
    pub fn find(&self, at: &Endpoint) -> Option<Endpoint> {
        let places = self.places();
        if let Some(place) = places.get(at) {
            return Some(place.clone());
        }
        let wanted = port(at)?;
        places
            .iter()
            .find(|place| port(place) == Some(wanted))
            .cloned()
    }
}

fn port(endpoint: &Endpoint) -> Option<u16> {
    match endpoint {
        Endpoint::Tcp { port, .. } => Some(*port),
        Endpoint::Unix { .. } => None,
    }
}

/// What the target wants to open.
#[derive(Debug, Clone)]
pub enum Opened {
    /// Somebody connected to a place where it listens for us.
    Forwarded {
        /// Where; `None` for a port that cannot exist.
        at: Option<Endpoint>,
        /// Who: address and port, if it has them.
        from: (String, u32),
    },
    /// What the client has at home; and who asks, if that is known.
    Service(Service, Option<(String, u32)>),
    /// Something that servers do not open.
    Other(&'static str),
}

/// A channel that the target wants to open.
pub struct TargetOpen {
    /// What for.
    pub what: Opened,
    /// Its sending half.
    pub write: ChannelWriteHalf<Msg>,
    /// What the target sends on it.
    pub inbox: Arc<Inbox>,
    /// Yes or no.
    pub reply: ChannelOpenHandle,
}

impl TargetOpen {
    /// No.
    pub async fn reject(self, leg: &TargetLeg, why: ChannelOpenFailure) {
        leg.forget(self.write.id());
        self.reply.reject(why).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_found_by_place_or_port() {
        let expected = Expected::default();
        let place = Endpoint::tcp("localhost", 8080).unwrap();
        expected.listens(place.clone());
        expected.listens(Endpoint::unix("/tmp/s"));
        assert_eq!(expected.find(&place), Some(place.clone()));
        let by_port = Endpoint::tcp("127.0.0.1", 8080).unwrap();
        assert_eq!(expected.find(&by_port), Some(place.clone()));
        for unasked in [
            Endpoint::tcp("localhost", 8081).unwrap(),
            Endpoint::unix("/tmp/t"),
        ] {
            assert_eq!(expected.find(&unasked), None);
        }
        assert!(expected.cancelled(&place));
        assert!(!expected.cancelled(&place));
        assert_eq!(expected.find(&place), None);
        assert_eq!(
            expected.find(&Endpoint::unix("/tmp/s")),
            Some(Endpoint::unix("/tmp/s"))
        );
    }

    #[test]
    fn nothing_is_expected_at_first() {
        let expected = Expected::default();
        assert!(!expected.has(Service::Agent) && !expected.has(Service::X11));
        expected.set(Service::Agent, true);
        assert!(expected.has(Service::Agent) && !expected.has(Service::X11));
    }
}
