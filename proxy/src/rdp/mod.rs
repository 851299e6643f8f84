//! RDP: both handshakes are ours, everything in between is relayed.
//!
//! The client's leg ([`front`]) ends in the gateway, TLS, NLA and all; the target's leg ([`back`]) is made anew, with the
//! stored credential. From the target's first offer of a desktop on, whole PDUs pass in both directions ([`relay`]): gate,
//! tape, ids exchanged in place. Nothing is encoded anew, so what the target draws is what the user sees.

mod approach;
mod back;
mod credssp;
mod entrance;
mod front;
mod goodbye;
mod ids;
mod leg;
#[allow(
    dead_code,
    unused_imports,
    reason = "the waiting room is not built yet"
)]
mod page;
mod person;
mod pin;
mod relay;
mod room;
mod serve;
mod studio;
mod tls;
mod web;

pub use back::{Kdcs, NotAKdc};
pub use front::Security;
pub use serve::serve;
pub use studio::Studio;
pub use tls::{CertificateError, PublicKey};
pub use web::WebDoor;

use crate::config::RdpConfig;

impl RdpConfig {
    /// The way in with this certificate and its key, both in PEM.
    ///
    /// # Errors
    /// If they are none, or do not go together.
    pub fn new(
        listen: std::net::SocketAddr,
        security: Vec<Security>,
        certificate: &str,
        private_key: &str,
    ) -> Result<Self, CertificateError> {
        let (tls, certificate, public_key) = tls::of_gateway(certificate, private_key)?;
        Ok(Self {
            listen,
            security,
            tls,
            certificate,
            public_key,
        })
    }
}
