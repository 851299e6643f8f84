//! The target's leg: dialling, finding out whether it is the one meant, logging in with the stored credential, up to its
//! first offer of a desktop. The client's own handshake is over by then.

mod dial;
mod kerberos;
mod licensing;
mod log_in;
mod mcs;
mod nla;

use sallyport_domain::algorithm::Negotiated;
use tokio_rustls::client::TlsStream;

pub use dial::{Reached, reach};
pub use kerberos::{Kdcs, NotAKdc};
pub use log_in::{LoggedIn, Login, log_in};

use crate::rdp::ids::Ids;
use crate::rdp::leg::Leg;
use crate::wire::Wire;

/// A target's stream.
pub type TargetStream = TlsStream<Wire>;

/// A target that let us in; its first Demand Active is the next thing to be read.
pub struct Back {
    /// What it sends.
    pub leg: Leg<TargetStream>,
    /// Its ids.
    pub ids: Ids,
    /// Its handshake has let the account in; else only its screen may tell.
    pub is_in: bool,
    /// What was agreed on.
    pub algorithms: Negotiated,
}
