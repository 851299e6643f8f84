//! From "who is this" to "joined to the target": authorisation, session, dialling, tape.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sallyport_domain::connect_string::ConnectString;
use sallyport_domain::declared::{Protocol, RecordingMode};
use sallyport_domain::event::Event;
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_domain::permit::Permit;
use sallyport_domain::policy::{self, Decision, Request};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::{ConnectFailure, Input, Origin, Session, Terms};
use sallyport_recorder::{TapeHeader, TapeWriter};
use sallyport_store::{
    Identity, Login, LoginOutcome, NewConnection, NewRecording, NewSession, SessionType, StoreError,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::dial::{self, DialError, Reached};
use super::host_keys::Verdict;
use super::target::TargetLeg;
use crate::connection::Connection;
use crate::driver::{DriverHandle, Mail, Start, Subject};
use crate::ledger::Entry;
use crate::node::Node;
use crate::recording::Tape;

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

/// A client joined to its target.
#[derive(Clone)]
pub struct Joined {
    /// What its pumps share.
    pub connection: Arc<Connection>,
    /// The target.
    pub target: Arc<TargetLeg>,
}

/// Lets the guest in, or says why not. What came of it is in the access log either way.
pub async fn enter(
    node: &Arc<Node>,
    guest: &Guest,
    cut: CancellationToken,
) -> Result<Joined, Refusal> {
    let entered = match authorise(node, guest).await {
        Ok(granted) => join(node, guest, &granted, cut).await,
        Err(refusal) => Err((refusal, None)),
    };
    let (outcome, code, text, session) = match &entered {
        Ok(joined) => (
            LoginOutcome::Accepted,
            String::new(),
            String::new(),
            Some(joined.connection.session),
        ),
        Err((refusal, session)) => (
            LoginOutcome::Refused,
            refusal.code().to_owned(),
            refusal.to_string(),
            *session,
        ),
    };
    node.record_login(Login {
        at: Utc::now(),
        kind: SessionType::PamSsh,
        user: guest.identity.name.clone(),
        source_ip: guest.source_ip.clone(),
        method: guest.method.to_owned(),
        outcome,
        code,
        text,
        session,
    });
    entered.map_err(|(refusal, _)| refusal)
}

/// What the policy said yes to.
struct Granted {
    permit: Permit,
    notes: Option<String>,
    ticket: Option<String>,
    /// The session asked for through the API that is to be entered.
    waiting: Option<SessionId>,
}

async fn authorise(node: &Node, guest: &Guest) -> Result<Granted, Refusal> {
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
            .enterable_session(user, *host, wish.activity.as_deref(), Utc::now())
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

fn store_unavailable(error: StoreError) -> Refusal {
    tracing::error!(%error, "cannot authorise: the database does not answer");
    Refusal::StoreUnavailable
}

/// A refusal after a session was made carries the session.
type Refused = (Refusal, Option<SessionId>);

async fn join(
    node: &Arc<Node>,
    guest: &Guest,
    granted: &Granted,
    cut: CancellationToken,
) -> Result<Joined, Refused> {
    let permit = &granted.permit;
    if permit.profile().recording == RecordingMode::Strict
        && let Err(error) =
            sallyport_recorder::check_space(&node.config.tape_dir, node.config.min_free_bytes)
    {
        tracing::error!(%error, "tapes cannot be written; recorded sessions are refused");
        return Err((Refusal::RecordingUnavailable, None));
    }
    // The target answers while the database writes.
    let config = &node.config;
    let reaching = dial::reach(
        permit,
        &node.store,
        cut,
        config.keepalive,
        config.target_timeout,
    );
    let (session, reached) = tokio::join!(find_session(node, guest, granted), reaching);
    let (session, driver) = session.map_err(|refusal| (refusal, None))?;
    let id = ConnectionId::from(Uuid::now_v7());
    match bring_up(node, guest, permit, session, id, reached, &driver).await {
        Ok(joined) => {
            let (source_ip, client) = (guest.source_ip.clone(), guest.client.clone());
            driver
                .send(Mail::Connected {
                    connection: joined.connection.clone(),
                    source_ip,
                    client,
                })
                .await;
            Ok(joined)
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

/// The session that waits to be entered, or a new one.
async fn find_session(
    node: &Arc<Node>,
    guest: &Guest,
    granted: &Granted,
) -> Result<(SessionId, DriverHandle), Refusal> {
    if let Some(id) = granted.waiting
        && let Some(driver) = node.live.get(id)
    {
        driver.admits().await?;
        return Ok((id, driver));
    }
    let (id, now) = (SessionId::from(Uuid::now_v7()), Utc::now());
    let profile = granted.permit.profile();
    let terms = Terms {
        max_duration: profile.max_duration,
        idle_timeout: profile.idle_timeout,
        end_notice: profile.end_notice.clone(),
        extension: profile.extension,
    };
    let session = Session::new(
        id,
        Origin::Connect,
        guest.identity.name.clone(),
        terms.clone(),
        now,
    );
    let row = session_row(node, guest, granted, &session, terms, now);
    let events = [
        Event::Requested {
            user: row.user.clone(),
            host: row.host.clone(),
            activity: row.activity.clone(),
        },
        Event::Authorised {
            policy: row.access_policy.clone(),
            profile: row.connection_profile.clone(),
        },
    ]
    .map(|event| (now, event));
    node.store
        .insert_session(&row, &events)
        .await
        .map_err(store_unavailable)?;
    let subject = Subject {
        user: row.user,
        host: row.host,
        activity: row.activity,
        policy: row.access_policy,
        notes: granted.notes.clone(),
        ticket: granted.ticket.clone(),
    };
    Ok((
        id,
        node.drive(Start {
            session,
            subject,
            first: Some(Input::Provisioned),
            actions: Vec::new(),
        }),
    ))
}

fn session_row(
    node: &Node,
    guest: &Guest,
    granted: &Granted,
    session: &Session,
    terms: Terms,
    now: DateTime<Utc>,
) -> NewSession {
    let (identity, permit, host) = (&guest.identity, &granted.permit, granted.permit.host());
    NewSession {
        id: session.id(),
        origin: session.origin(),
        kind: SessionType::PamSsh,
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
        target_port: host.ssh.as_ref().map_or(0, |ssh| ssh.port),
        source_ip: guest.source_ip.clone(),
        activity: permit.activity().to_owned(),
        access_policy: permit.policy().to_owned(),
        connection_profile: permit.profile().name.clone(),
        recording_mode: permit.profile().recording,
        notes: granted.notes.clone().unwrap_or_default(),
        ticket: granted.ticket.clone().unwrap_or_default(),
        requested_at: now,
        terms,
        node: Some(node.config.node),
        status: session.status(),
        machine: serde_json::to_value(session).unwrap_or_default(),
    }
}

/// The target lets us in and the tape runs; only then is there a connection.
async fn bring_up(
    node: &Arc<Node>,
    guest: &Guest,
    permit: &Permit,
    session: SessionId,
    id: ConnectionId,
    reached: Result<Reached, DialError>,
    driver: &DriverHandle,
) -> Result<Joined, DialError> {
    let reached = reached?;
    let host_key = reached.verdict.fingerprint().to_owned();
    let key_event = key_event(&reached.verdict, &permit.host().name);
    let target = reached
        .log_in(permit, &node.store, session, node.config.target_timeout)
        .await?;
    let now = Utc::now();
    let (tape, path) = begin_tape(node, guest, permit, session, id, now)?;
    let new = NewConnection {
        id,
        session,
        source_ip: guest.source_ip.clone(),
        client: guest.client.clone(),
        connected_at: now,
        tape: path.clone(),
    };
    driver
        .send(Mail::Write(Entry::ConnectionOpened(Box::new(new))))
        .await;
    if !path.is_empty() {
        let new = NewRecording {
            connection: id,
            session,
            path,
            started_at: now,
        };
        driver
            .send(Mail::Write(Entry::TapeBegun(Box::new(new))))
            .await;
    }
    let connection = Arc::new(Connection::new(
        id,
        session,
        permit.clone(),
        tape,
        driver.clone(),
    ));
    let host = permit.host();
    let port = host.ssh.as_ref().map_or(0, |ssh| ssh.port);
    let facts = [
        Some(Event::ClientConnected {
            connection: id,
            source_ip: guest.source_ip.clone(),
            client: guest.client.clone(),
        }),
        key_event,
        Some(Event::TargetConnected {
            connection: id,
            address: format!("{}:{port}", host.address),
            host_key,
            cipher: target.cipher(),
        }),
        Some(Event::LoggedIn {
            connection: id,
            account: permit.account().name.clone(),
        }),
    ];
    for event in facts.into_iter().flatten() {
        connection.log(event).await.map_err(|lost| {
            tracing::error!(%session, error = %lost, "the new tape cannot be written");
            DialError::from(Refusal::RecordingUnavailable)
        })?;
    }
    Ok(Joined {
        connection,
        target: Arc::new(target),
    })
}

fn key_event(verdict: &Verdict, host: &str) -> Option<Event> {
    match verdict {
        Verdict::Pinned(host_key) => Some(Event::HostKeyPinned {
            host: host.to_owned(),
            host_key: host_key.clone(),
        }),
        Verdict::Mismatch {
            fingerprint,
            allowed,
            logged: true,
        } => Some(Event::HostKeyMismatch {
            host: host.to_owned(),
            host_key: fingerprint.clone(),
            allowed: *allowed,
        }),
        Verdict::Known(_) | Verdict::Mismatch { logged: false, .. } | Verdict::Unknown(_) => None,
    }
}

fn begin_tape(
    node: &Node,
    guest: &Guest,
    permit: &Permit,
    session: SessionId,
    id: ConnectionId,
    now: DateTime<Utc>,
) -> Result<(Tape, String), DialError> {
    let mode = permit.profile().recording;
    let header = TapeHeader {
        user: guest.identity.name.clone(),
        host: permit.host().name.clone(),
        account: permit.account().name.clone(),
        activity: permit.activity().to_owned(),
        ..TapeHeader::new(session, id, now)
    };
    let dir = &node.config.tape_dir;
    let writer = match mode {
        RecordingMode::Off => None,
        RecordingMode::Strict => Some(TapeWriter::create(dir, &header).map_err(|error| {
            tracing::error!(%session, %error, "cannot begin a tape; the session is refused");
            Refusal::RecordingUnavailable
        })?),
        RecordingMode::BestEffort => TapeWriter::create(dir, &header)
            .inspect_err(|error| tracing::error!(%session, %error, "cannot begin a tape; the session goes on without"))
            .ok(),
    };
    let path = writer
        .as_ref()
        .map(|writer| {
            writer
                .path()
                .strip_prefix(dir)
                .unwrap_or(writer.path())
                .to_string_lossy()
                .into_owned()
        })
        .unwrap_or_default();
    Ok((Tape::new(mode, writer), path))
}
