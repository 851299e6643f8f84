//! The session a connection belongs to: one that waits, or a new one.

use std::sync::Arc;

use sallyport_domain::declared::Protocol;
use sallyport_domain::event::Event;
use sallyport_domain::id::SessionId;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::{Action, Input, Origin, Session, Terms};
use sallyport_store::NewSession;
use uuid::Uuid;

use super::authorise::{Granted, Guest, store_unavailable};
use super::kind;
use crate::clock;
use crate::driver::{Arrival, Arrivals, DriverHandle, Start, Subject};
use crate::node::Node;

/// The session of a connection that comes up.
pub struct Found {
    /// Which.
    pub id: SessionId,
    /// Its driver.
    pub driver: DriverHandle,
    /// Keeps the driver waiting.
    pub arrival: Arrival,
}

/// The session that waits to be entered, or a new one.
pub async fn find_session(
    node: &Arc<Node>,
    guest: &Guest,
    granted: &Granted,
    protocol: Protocol,
) -> Result<Found, Refusal> {
    if let Some(id) = granted.waiting
        && let Some(driver) = node.live.get(id)
    {
        let arrival = driver.admits().await?;
        return Ok(Found {
            id,
            driver,
            arrival,
        });
    }
    let (id, now) = (SessionId::from(Uuid::now_v7()), clock::now());
    let profile = granted.permit.profile();
    let terms = Terms {
        max_duration: profile.max_duration,
        idle_timeout: profile.idle_timeout,
        end_notice: profile.end_notice.clone(),
        extension: profile.extension,
    };
    let user = guest.identity.name.clone();
    let mut session = Session::new(id, Origin::Connect, user, terms.clone(), now);
    // There is nothing to do before it yet, so that it begins, in the store as well, as one that is ready.
    let (logged, actions) = begun(session.handle(now, Input::Provisioned));
    let row = session_row(node, guest, granted, protocol, &session, terms);
    let asked = [
        Event::Requested {
            user: row.user.clone(),
            host: row.host.clone(),
            activity: row.activity.clone(),
        },
        Event::Authorised {
            policy: row.access_policy.clone(),
            profile: row.connection_profile.clone(),
        },
    ];
    let events = asked.into_iter().chain(logged);
    let events: Vec<_> = events.map(|event| (now, event)).collect();
    node.store
        .insert_session(&row, &events)
        .await
        .map_err(store_unavailable)?;
    let subject = Subject {
        protocol,
        user: row.user,
        host: row.host,
        activity: row.activity,
        policy: row.access_policy,
        notes: granted.notes.clone(),
        ticket: granted.ticket.clone(),
    };
    let arrivals = Arrivals::default();
    let arrival = arrivals.another();
    let driver = node.drive(Start {
        session,
        subject,
        actions,
        arrivals,
    });
    Ok(Found {
        id,
        driver,
        arrival,
    })
}

/// What a session says as it begins: for its log, which is written with its row, and for its driver.
fn begun(actions: Vec<Action>) -> (Vec<Event>, Vec<Action>) {
    let (mut events, mut others) = (Vec::new(), Vec::new());
    for action in actions {
        match action {
            Action::Log(event) => events.push(event),
            Action::Persist => {}
            Action::TearDown
            | Action::Notify(_)
            | Action::ShutGate { .. }
            | Action::OpenGate { .. }
            | Action::Cut { .. }
            | Action::Answer { .. }
            | Action::GiveControl { .. }
            | Action::EndControl { .. }
            | Action::WakeAt(_) => others.push(action),
        }
    }
    (events, others)
}

fn session_row(
    node: &Node,
    guest: &Guest,
    granted: &Granted,
    protocol: Protocol,
    session: &Session,
    terms: Terms,
) -> NewSession {
    let (identity, permit, host) = (&guest.identity, &granted.permit, granted.permit.host());
    NewSession {
        id: session.id(),
        origin: session.origin(),
        launch_point: granted.launch_point.clone(),
        kind: kind(protocol),
        user: identity.name.clone(),
        first_name: identity.first_name.clone(),
        last_name: identity.last_name.clone(),
        email: identity.email.clone(),
        identity_provider: identity.identity_provider().to_owned(),
        scope: host.scope.clone(),
        login_account: permit.account().name.clone(),
        account_id: permit.account_id(),
        host: host.name.clone(),
        host_id: permit.host_id(),
        target_address: host.address.clone(),
        target_port: host.port(protocol).unwrap_or_default(),
        source_ip: guest.source_ip.clone(),
        activity: permit.activity().to_owned(),
        access_policy: permit.policy().to_owned(),
        connection_profile: permit.profile().name.clone(),
        recording_mode: permit.profile().recording,
        notes: granted.notes.clone().unwrap_or_default(),
        ticket: granted.ticket.clone().unwrap_or_default(),
        times: session.times(),
        deadline_reason: session.deadline().map(|deadline| deadline.reason),
        terms,
        node: Some(node.config.node),
        status: session.status(),
        machine: serde_json::to_value(session).unwrap_or_default(),
    }
}
