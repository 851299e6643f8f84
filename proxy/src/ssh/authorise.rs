//! Who is it, what does she ask for, and does the policy allow it?

use crate::clock;
use sallyport_domain::connect_string::ConnectString;
use sallyport_domain::declared::Protocol;
use sallyport_domain::id::SessionId;
use sallyport_domain::permit::Permit;
use sallyport_domain::policy::{self, Decision, Request};
use sallyport_domain::refusal::Refusal;
use sallyport_store::{Identity, StoreError};

use crate::node::Node;

/// Who is at the door, proven, and what she asks for.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Who.
    pub identity: Identity,
    /// What she typed as user name, taken apart; or why that failed.
    pub wish: Result<ConnectString, Refusal>,
    /// How she proved who she is: `password` or `publickey`.
    pub method: &'static str,
    /// From which address.
    pub source_ip: String,
    /// With which software.
    pub client: String,
}

/// What the policy said yes to.
pub struct Granted {
    /// The key to everything else.
    pub permit: Permit,
    /// Why, if she said so.
    pub notes: Option<String>,
    /// The ticket, if there is one.
    pub ticket: Option<String>,
    /// The session asked for through the API that is to be entered.
    pub waiting: Option<SessionId>,
}

/// Asks the policy.
pub async fn authorise(node: &Node, guest: &Guest) -> Result<Granted, Refusal> {
    if node.is_draining() {
        return Err(Refusal::Draining);
    }
    if guest.identity.locked {
        return Err(Refusal::UserLocked);
    }
    let wish = guest.wish.clone()?;
    let host = wish.host.clone().ok_or(Refusal::NoHostNamed)?;
    let user = &guest.identity.name;
    let snapshot = node
        .store
        .policy_snapshot(user, &host)
        .await
        .map_err(store_unavailable)?;
    let mut request = Request {
        protocol: Protocol::Ssh,
        host,
        activity: wish.activity.clone(),
        policy: wish.policy,
        notes: wish.notes,
        ticket: None,
    };
    // A session asked for through the API is entered, under the notes and the ticket given there.
    let waiting = match &snapshot.host {
        Some((host, _)) => node
            .store
            .enterable_session(user, *host, wish.activity.as_deref(), clock::now())
            .await
            .map_err(store_unavailable)?
            .map(|stored| stored.session),
        None => None,
    };
    if let Some(session) = &waiting {
        request.activity = Some(session.activity.clone());
        request.policy = Some(session.access_policy.clone());
        request.notes = Some(session.notes.clone());
        request.ticket = Some(session.ticket.clone());
    }
    match policy::evaluate(&snapshot, &request) {
        Decision::Allow(permit) => Ok(Granted {
            permit,
            notes: request.notes,
            ticket: request.ticket,
            waiting: waiting.map(|session| session.id),
        }),
        Decision::Deny(refusal) => Err(refusal),
    }
}

/// Nothing is granted while the database is away.
pub fn store_unavailable(error: StoreError) -> Refusal {
    tracing::error!(%error, "cannot authorise: the database does not answer");
    Refusal::StoreUnavailable
}
