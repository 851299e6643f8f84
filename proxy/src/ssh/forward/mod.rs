//! Forwards: connections inside the connection (RFC 4254 section 7, OpenSSH's PROTOCOL section 2).
//!
//! Each is a channel of raw bytes that one leg asks for and the other opens: to somewhere behind the
//! target (`-L`, `-D`, `-W`), back to the client (`-R`), to its SSH agent or its X server. What the
//! bytes mean is not recorded, but that they passed is: end points, counts, digests, time. The
//! target may open only what somebody on this connection asked it for ([`Expected`]).

mod attend;
mod expected;
mod open;
mod pump;
mod request;
mod sniff;

use sallyport_domain::destination::Endpoint;
use sallyport_domain::event::{Event, ForwardKind};
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::right::Right;

pub use attend::{Ask, Desk, attend};
pub use expected::{Expected, Opened, Service, TargetOpen};
pub use open::{Wanted, contained, prohibited, reach};
pub use request::Handed;

use crate::connection::Connection;
use crate::notice::printable;
use crate::recording::RecordingLost;

/// The most that is kept of what a peer says about itself.
const MAX_WORDS: usize = 256;

/// Which way a forward goes.
#[derive(Debug, Clone)]
struct Route {
    kind: ForwardKind,
    /// Who connected.
    from: String,
    /// To where.
    to: String,
    claim: Claim,
}

/// What the permit must say, as long as a forward is open (law 6).
#[derive(Debug, Clone)]
enum Claim {
    Open(Endpoint),
    Listen(Endpoint),
    Right(Right),
}

impl Route {
    fn check(&self, permit: &Permit) -> Result<(), Refusal> {
        match &self.claim {
            Claim::Open(to) => permit.may_open(to).map(drop),
            Claim::Listen(at) => permit.may_listen(at).map(drop),
            Claim::Right(right) => permit.right(*right).map(drop),
        }
    }

    /// Is it for somebody's own protocol, as opposed to one that we know by its channel's type?
    fn is_opaque(&self) -> bool {
        match self.kind {
            ForwardKind::Local | ForwardKind::Remote => true,
            ForwardKind::Agent | ForwardKind::X11 => false,
        }
    }

    /// Do its bytes from the client come from the user's side of their own accord? What serves the
    /// target, her agent or what stands behind `-R`, speaks because the target asked it to.
    fn is_hers(&self) -> bool {
        match self.kind {
            ForwardKind::Local | ForwardKind::X11 => true,
            ForwardKind::Remote | ForwardKind::Agent => false,
        }
    }

    async fn log_refusal(
        &self,
        connection: &Connection,
        refusal: &Refusal,
    ) -> Result<(), RecordingLost> {
        let event = Event::ForwardRefused {
            forward: self.kind,
            from: self.from.clone(),
            to: self.to.clone(),
            code: refusal.code().to_owned(),
            why: refusal.to_string(),
        };
        connection.log(event).await
    }

    async fn log_failure(&self, connection: &Connection, error: &str) -> Result<(), RecordingLost> {
        let event = Event::ForwardFailed {
            forward: self.kind,
            from: self.from.clone(),
            to: self.to.clone(),
            error: error.to_owned(),
        };
        connection.log(event).await
    }
}

/// A refusal while nothing new may be started, and none while something may.
fn locked(connection: &Connection) -> Result<(), Refusal> {
    if connection.gate.is_shut() {
        return Err(Refusal::NotEnterable {
            status: "locked".to_owned(),
        });
    }
    Ok(())
}

/// What a peer says, fit for an event.
fn words(text: &str) -> String {
    printable(text).chars().take(MAX_WORDS).collect()
}

/// An address as its peer gave it, fit for an event.
fn address(host: &str, port: u32) -> String {
    match host {
        "" => format!("port {port}"),
        host if host.contains(':') => format!("[{}]:{port}", words(host)),
        host => format!("{}:{port}", words(host)),
    }
}
