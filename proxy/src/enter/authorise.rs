//! Who is it, what does she ask for, and does the policy allow it?

use crate::clock;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::connect_string::ConnectString;
use sallyport_domain::declared::Protocol;
use sallyport_domain::id::{NounId, SessionId};
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::permit::Permit;
use sallyport_domain::policy::{self, Decision, Request, Snapshot};
use sallyport_domain::refusal::Refusal;
use sallyport_store::{Identity, StoreError, StoredSession};

use crate::node::Node;
use crate::round_trip::RoundTrip;

/// Whose certificate it is, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The key id the authority gave it.
    pub key_id: String,
    /// Its serial number; 0 if the authority gives none.
    pub serial: u64,
    /// Fingerprint of the authority's key.
    pub authority: String,
}

/// Who is at the door, proven.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Who.
    pub identity: Identity,
    /// How she proved who she is: `password`, `publickey`, `certificate` or `connection-password`.
    pub method: &'static str,
    /// The certificate, if it was one.
    pub certificate: Option<Vouched>,
    /// From which address.
    pub source_ip: String,
    /// With which software.
    pub client: String,
    /// What her leg agreed on.
    pub algorithms: Negotiated,
    /// How far away she is, if her socket is ours.
    pub round_trip: Option<RoundTrip>,
}

/// What she asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Where to.
    pub host: String,
    /// As whom there, if said; her own name leaves it open.
    pub account: Option<String>,
    /// To do what, if said.
    pub activity: Option<String>,
    /// Under which policy, if said.
    pub policy: Option<String>,
    /// Why, if said.
    pub notes: Option<String>,
    /// A ticket number, if said.
    pub ticket: Option<String>,
    /// Where it was asked for.
    pub launch_point: LaunchPoint,
}

impl TryFrom<ConnectString> for Wish {
    type Error = Refusal;

    fn try_from(text: ConnectString) -> Result<Self, Refusal> {
        Ok(Self {
            host: text.host.ok_or(Refusal::NoHostNamed)?,
            account: None,
            activity: text.activity,
            policy: text.policy,
            notes: text.notes,
            ticket: None,
            launch_point: LaunchPoint::ConnectString,
        })
    }
}

impl Guest {
    /// What the access log says about her proof, besides the method.
    pub fn proof(&self) -> String {
        match &self.certificate {
            Some(one) => format!(
                "certificate {}, serial {}, of the authority {}",
                one.key_id, one.serial, one.authority
            ),
            None => String::new(),
        }
    }
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
    /// Where it was asked for.
    pub launch_point: LaunchPoint,
}

/// Asks the policy.
pub async fn authorise(
    node: &Node,
    guest: &Guest,
    protocol: Protocol,
    wish: Result<Wish, Refusal>,
) -> Result<Granted, Refusal> {
    if node.is_draining() {
        return Err(Refusal::Draining);
    }
    if guest.identity.locked {
        return Err(Refusal::UserLocked);
    }
    let wish = wish?;
    let user = &guest.identity.name;
    let snapshot = node
        .store
        .policy_snapshot(user, &wish.host)
        .await
        .map_err(store_unavailable)?;
    let mut request = Request {
        protocol,
        host: wish.host,
        account: wish.account,
        activity: wish.activity.clone(),
        policy: wish.policy,
        notes: wish.notes,
        ticket: wish.ticket,
    };
    // A session asked for through the API is entered, under the notes and the ticket given there.
    let waiting = match &snapshot.host {
        Some((host, _)) if snapshot.asked_ahead => {
            enterable(node, protocol, user, *host, wish.activity.as_deref())
                .await
                .map_err(store_unavailable)?
                .map(|stored| stored.session)
                // One that runs under another account than she asks for is not the one she means.
                .filter(|session| fits(&snapshot, &request, &session.activity))
        }
        Some(_) | None => None,
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
            launch_point: wish.launch_point,
        }),
        Decision::Deny(refusal) => Err(refusal),
    }
}

/// A session of hers that waits to be entered over that protocol.
async fn enterable(
    node: &Node,
    protocol: Protocol,
    user: &str,
    host: NounId,
    activity: Option<&str>,
) -> Result<Option<StoredSession>, StoreError> {
    let (store, now) = (&node.store, clock::now());
    match protocol {
        Protocol::Ssh => store.enterable_session(user, host, activity, now).await,
        Protocol::Rdp => store.enterable_rdp_session(user, host, activity, now).await,
    }
}

fn fits(snapshot: &Snapshot, request: &Request, activity: &str) -> bool {
    let (Some(account), Some(activity)) =
        (&request.account, snapshot.rules.activities.get(activity))
    else {
        return true;
    };
    activity.account == *account || *account == snapshot.user
}

/// Nothing is granted while the database is away.
pub fn store_unavailable(error: StoreError) -> Refusal {
    tracing::error!(%error, "cannot authorise: the database does not answer");
    Refusal::StoreUnavailable
}
