//! SSH: both handshakes are ours, everything in between is relayed.
//!
//! A client's leg ([`front`]) and a target's leg ([`target`]) each run in a loop of their own that
//! never waits for a consumer: what arrives goes into the channel's [`inbox`], bounded by the
//! receive window. A [`channel`] joins two inboxes with two pumps; a pump asks the gate, writes the
//! tape, hands on, and only then re-opens the window it took from (RFC 4254 section 5.2).

pub mod algorithms;
mod approach;
mod budget;
mod bulk;
pub mod certificate;
mod channel;
mod channel_stream;
mod dial;
mod door;
mod files;
mod flood;
mod forward;
mod front;
mod host_keys;
mod inbound;
mod inbox;
mod inboxes;
mod jump;
mod lobby;
mod menu;
mod outbound;
mod pass;
mod reception;
mod refused;
mod relay;
mod shared;
mod supervise;
mod target;
mod terminal;
mod wind_up;

pub use budget::FIRST_WINDOW;
pub use door::methods;
pub use supervise::serve;

use crate::enter;

/// A client joined to its target.
type Joined = enter::Joined<target::TargetLeg>;

/// What ends a leg.
#[derive(Debug, thiserror::Error)]
pub enum LegError {
    /// The protocol or the network.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    /// The peer sent more than it may.
    #[error(transparent)]
    Overflow(#[from] inbox::Overflow),
}
