//! Who comes through another connection: known already, and on the way to one host.

use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::connect_string::{self, InnerName};
use sallyport_domain::declared::Host;
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::refusal::Refusal;

use crate::enter::{Guest, Wish};

/// A client inside another one's connection.
pub struct Known {
    guest: Guest,
    host: Host,
}

impl Known {
    /// `guest` of the outer connection, on her way to `host`.
    pub fn new(guest: Guest, host: Host) -> Self {
        Self { guest, host }
    }

    /// Her, with the software that speaks inside and what it agreed on there.
    pub fn guest(&self, client: String, algorithms: Negotiated) -> Guest {
        Guest {
            client,
            algorithms,
            ..self.guest.clone()
        }
    }

    /// What she wants there, by the user name that her client sent.
    pub fn wish(&self, user_name: &str) -> Result<Wish, Refusal> {
        let InnerName {
            account,
            activity,
            policy,
            notes,
        } = connect_string::parse_inner(user_name)?;
        Ok(Wish {
            host: self.host.name.clone(),
            account: Some(account),
            activity,
            policy,
            notes,
            ticket: None,
            launch_point: LaunchPoint::ProxyJump,
        })
    }
}
