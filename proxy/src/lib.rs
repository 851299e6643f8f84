//! The data plane: clients come in, targets are dialled, and everything between the two passes a
//! gate and a tape.
//!
//! One [`driver`] owns each live session; a [`connection::Connection`] is what its pumps share.
//! Nothing here knows HTTP or SQL: orders arrive as rows of the store.

mod admission;
mod backlog;
mod backoff;
pub mod ca;
mod clock;
pub mod config;
mod connection;
mod control;
mod driver;
mod enter;
mod file_events;
mod gate;
pub mod host_key;
mod lanes;
mod ledger;
mod meter;
mod node;
mod notice;
mod orders;
mod origin;
mod rdp;
mod recording;
mod recovery;
mod round_trip;
mod shield;
mod ssh;
mod wire;

use std::net::SocketAddr;

pub use config::{ProxyConfig, RdpConfig};
pub use control::{NoSeat, Seats};
pub use node::{RunningProxy, start};
pub use rdp::WebDoor;

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}; is another gateway running there?")]
    Listen {
        /// Which address.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The gateway's own key is none.
    #[error("the gateway's SSH host key is unusable: {0}")]
    HostKey(String),
    /// The gateway's SSH certificate authority is none.
    #[error("the gateway's SSH CA key is unusable: {0}")]
    Ca(#[from] ca::CaError),
    /// An authority of user certificates is no key.
    #[error("an authority of user certificates: {0}")]
    Authority(String),
    /// What a crash left behind could not be looked at.
    #[error("cannot recover what an earlier run left behind: {0}")]
    Recovery(String),
    /// The threads for connections did not start.
    #[error("cannot start the threads for connections: {0}")]
    Threads(std::io::Error),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] sallyport_store::StoreError),
}
