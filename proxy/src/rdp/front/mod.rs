//! The client's leg up to the point where it is known who she is and what she asks for: negotiation, TLS, NLA, MCS, Client
//! Info, licensing. All of it ends here; the target's leg goes through the same steps on its own.

mod info;
mod mcs;
mod negotiate;
mod nla;

use sallyport_store::Identity;

pub use info::{Given, client_info, license};
pub use mcs::{Asked, connect, join};
pub use negotiate::{Chosen, Security, negotiate};
pub use nla::{Nla, authenticate as by_nla};

/// Somebody who has proven who she is.
pub struct Person {
    /// Who.
    pub identity: Identity,
    /// How she proved it.
    pub method: &'static str,
    /// The connect string.
    pub wish: String,
    /// The only host and the only activity that what she proved it with is good for.
    pub bound: Bound,
}

/// What a connection password is good for; anything, where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// This host only.
    pub host: Option<String>,
    /// This activity only.
    pub activity: Option<String>,
}
