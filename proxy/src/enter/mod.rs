//! From "who is this" to "joined to the target", and what came of it in the access log: the same way for every
//! protocol.

mod approach;
mod authorise;
mod bring_up;
mod find_session;
mod verdict;
mod wind_up;

use std::pin::pin;
use std::sync::Arc;

use crate::clock;
use sallyport_domain::declared::{Protocol, RecordingMode};
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::ConnectFailure;
use sallyport_store::{Login, LoginOutcome, SessionType};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use approach::{Approach, DialError};
use authorise::{Granted, authorise};
pub use authorise::{Guest, Vouched, Wish, store_unavailable};
use bring_up::bring_up;
use find_session::{Found, find_session};
pub use verdict::Verdict;
pub use wind_up::{disconnected, finish_tape};

use crate::connection::Connection;
use crate::driver::Mail;
use crate::ledger::Entry;
use crate::node::Node;
use crate::shield::{fault, shielded};

/// A client joined to its target.
pub struct Joined<T> {
    /// What its pumps share.
    pub connection: Arc<Connection>,
    /// The target.
    pub target: Arc<T>,
}

impl<T> Clone for Joined<T> {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            target: self.target.clone(),
        }
    }
}

/// The type of the sessions that a native client of the protocol makes.
fn kind(protocol: Protocol) -> SessionType {
    match protocol {
        Protocol::Ssh => SessionType::PamSsh,
        Protocol::Rdp => SessionType::PamRdp,
    }
}

/// Lets the guest in, or says why not. What came of it goes into the access log either way.
pub async fn enter<A: Approach>(
    node: &Arc<Node>,
    guest: &Guest,
    wish: Result<Wish, Refusal>,
    cut: CancellationToken,
    approach: &A,
) -> Result<Joined<A::Target>, Refusal> {
    let asked_for = wish.iter().map(|wish| wish.host.clone()).collect();
    let letting_in = async {
        let granted = authorise(node, guest, A::PROTOCOL, wish).await;
        join(
            node,
            guest,
            &granted.map_err(|refusal| (refusal, None))?,
            cut,
            approach,
        )
        .await
    };
    let entered = shielded("letting a client in", letting_in).await;
    let entered = entered.unwrap_or(Err((Refusal::StoreUnavailable, None)));
    let (outcome, code, text, session) = match &entered {
        Ok(joined) => (
            LoginOutcome::Accepted,
            String::new(),
            guest.proof(),
            Some(joined.connection.session),
        ),
        Err((refusal, session)) => (
            LoginOutcome::Refused,
            refusal.code().to_owned(),
            refusal.to_string(),
            *session,
        ),
    };
    let login = Login {
        at: clock::now(),
        kind: kind(A::PROTOCOL),
        user: guest.identity.name.clone(),
        source_ip: guest.source_ip.clone(),
        method: guest.method.to_owned(),
        outcome,
        code,
        text,
        service_provider: asked_for,
        session,
    };
    match entered {
        Ok(joined) => {
            // Together with what else is written of the session now.
            let entry = Entry::LoggedIn(Box::new(login.clone()));
            if !joined.connection.tell(Mail::Write(entry)).await {
                node.record_login(login);
            }
            Ok(joined)
        }
        Err((refusal, _)) => {
            node.record_login(login);
            Err(refusal)
        }
    }
}

/// A refusal after a session was made carries the session.
type Refused = (Refusal, Option<SessionId>);

async fn join<A: Approach>(
    node: &Arc<Node>,
    guest: &Guest,
    granted: &Granted,
    cut: CancellationToken,
    approach: &A,
) -> Result<Joined<A::Target>, Refused> {
    let permit = &granted.permit;
    if permit.profile().recording == RecordingMode::Strict
        && let Err(error) =
            sallyport_recorder::check_space(&node.config.tape_dir, node.config.min_free_bytes)
    {
        tracing::error!(%error, "tapes cannot be written; recorded sessions are refused");
        return Err((Refusal::RecordingUnavailable, None));
    }
    let found = find_and_reach(node, guest, granted, cut, approach).await;
    let (found, reached) = found.map_err(|refusal| (refusal, None))?;
    // The arrival stays until the driver has been told.
    let (session, driver) = (found.id, &found.driver);
    let id = ConnectionId::from(Uuid::now_v7());
    let coming_up = async {
        fault("entering", || granted.notes.clone().unwrap_or_default());
        bring_up(node, guest, permit, &found, id, approach, reached).await
    };
    let up = shielded("bringing a connection up", coming_up).await;
    match up.unwrap_or_else(|| Err(Refusal::StoreUnavailable.into())) {
        Ok(joined) => {
            let (source_ip, client) = (guest.source_ip.clone(), guest.client.clone());
            let taken = driver.send(Mail::Connected {
                connection: joined.connection.clone(),
                source_ip,
                client,
            });
            if taken.await {
                return Ok(joined);
            }
            // A connection without a driver must not be.
            let status = "over".to_owned();
            Err((Refusal::NotEnterable { status }, Some(session)))
        }
        Err(DialError { refusal, event }) => {
            if let Some(event) = event {
                driver.send(Mail::Logged(*event)).await;
            }
            let failure = ConnectFailure {
                code: refusal.code().to_owned(),
                text: refusal.to_string(),
            };
            driver
                .send(Mail::ConnectFailed {
                    connection: id,
                    failure,
                })
                .await;
            Err((refusal, Some(session)))
        }
    }
}

/// The session, and the target: it answers while the database writes. A session that ends meanwhile does not wait
/// for it.
async fn find_and_reach<A: Approach>(
    node: &Arc<Node>,
    guest: &Guest,
    granted: &Granted,
    cut: CancellationToken,
    approach: &A,
) -> Result<(Found, Result<A::Reached, DialError>), Refusal> {
    // Until there is somebody to join to it, the target's leg ends with this.
    let cut = cut.child_token();
    let alone = cut.clone().drop_guard();
    let mut reaching = pin!(approach.reach(node, &granted.permit, cut));
    let mut finding = pin!(find_session(node, guest, granted, A::PROTOCOL));
    let mut reached = None;
    let found = loop {
        tokio::select! {
            found = &mut finding => break found?,
            done = &mut reaching, if reached.is_none() => reached = Some(done),
        }
    };
    let reached = match reached {
        Some(reached) => reached,
        None => tokio::select! {
            biased;
            refusal = found.arrival.turned_away() => Err(refusal.into()),
            reached = &mut reaching => reached,
        },
    };
    if reached.is_ok() {
        alone.disarm();
    }
    Ok((found, reached))
}
