//! The target lets us in, the tape begins, and there is a connection.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sallyport_domain::algorithm::{self, Negotiated};
use sallyport_domain::declared::RecordingMode;
use sallyport_domain::event::Event;
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use sallyport_recorder::{TapeHeader, TapeWriter};
use sallyport_store::{NewConnection, NewRecording};

use super::authorise::Guest;
use super::find_session::Found;
use super::{Approach, DialError, Joined};
use crate::clock;
use crate::connection::{Connection, RoundTrips};
use crate::driver::Mail;
use crate::ledger::Entry;
use crate::node::Node;
use crate::recording::Tape;

/// The target lets us in and the tape runs; only then is there a connection.
pub async fn bring_up<A: Approach>(
    node: &Arc<Node>,
    guest: &Guest,
    permit: &Permit,
    found: &Found,
    id: ConnectionId,
    approach: &A,
    reached: Result<A::Reached, DialError>,
) -> Result<Joined<A::Target>, DialError> {
    let (session, driver) = (found.id, &found.driver);
    let reached = reached?;
    let verdict = A::verdict(&reached).clone();
    let key_event = verdict.event(&permit.host().name);
    let target = tokio::select! {
        // First: no secret is used for a session that is over.
        biased;
        refusal = found.arrival.turned_away() => Err(refusal),
        target = approach.log_in(node, permit, session, reached) => target,
    };
    let target = target.map_err(|refusal| DialError {
        refusal,
        event: key_event.clone().map(Box::new),
    })?;
    let now = clock::now();
    let (tape, path) = begin_tape(node, guest, permit, session, id, now).await?;
    open_rows(guest, found, id, &path, now).await;
    let connection = Arc::new(Connection::new(
        id,
        session,
        permit.clone(),
        tape,
        driver.clone(),
        RoundTrips {
            client: guest.round_trip.clone(),
            target: Some(A::round_trip(&target)),
        },
    ));
    let facts = first_facts::<A>(
        guest,
        permit,
        id,
        (verdict.fingerprint(), key_event),
        A::algorithms(&target),
    );
    for event in facts {
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

/// The rows of a connection that begins, and of its tape if there is one.
async fn open_rows(guest: &Guest, found: &Found, id: ConnectionId, path: &str, now: DateTime<Utc>) {
    let (session, driver) = (found.id, &found.driver);
    let new = NewConnection {
        id,
        session,
        source_ip: guest.source_ip.clone(),
        client: guest.client.clone(),
        connected_at: now,
        tape: path.to_owned(),
    };
    driver
        .send(Mail::Write(Entry::ConnectionOpened(Box::new(new))))
        .await;
    if !path.is_empty() {
        let new = NewRecording {
            connection: id,
            session,
            path: path.to_owned(),
            started_at: now,
        };
        driver
            .send(Mail::Write(Entry::TapeBegun(Box::new(new))))
            .await;
    }
}

/// What stands at the beginning of every tape.
fn first_facts<A: Approach>(
    guest: &Guest,
    permit: &Permit,
    connection: ConnectionId,
    (host_key, key_event): (&str, Option<Event>),
    algorithms: &Negotiated,
) -> impl Iterator<Item = Event> + use<A> {
    let host = permit.host();
    let port = host.port(A::PROTOCOL).unwrap_or_default();
    let address = format!("{}:{port}", host.address);
    let client = Event::ClientConnected {
        connection,
        source_ip: guest.source_ip.clone(),
        client: guest.client.clone(),
        algorithms: guest.algorithms.clone(),
    };
    let certificate = guest.certificate.clone().map(|one| Event::CertificateUsed {
        connection,
        user: guest.identity.name.clone(),
        key_id: one.key_id,
        serial: one.serial,
        authority: one.authority,
    });
    let target = Event::TargetConnected {
        connection,
        address,
        host_key: host_key.to_owned(),
        cipher: algorithms.cipher.clone(),
        algorithms: algorithms.clone(),
    };
    let legacy = algorithms.legacy();
    let legacy = (!legacy.is_empty()).then(|| Event::LegacyAlgorithm {
        connection,
        host: host.name.clone(),
        algorithms: algorithm::names(&legacy),
    });
    let logged_in = Event::LoggedIn {
        connection,
        account: permit.account().name.clone(),
    };
    [
        Some(client),
        certificate,
        key_event,
        Some(target),
        legacy,
        Some(logged_in),
    ]
    .into_iter()
    .flatten()
}

async fn begin_tape(
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
    let dir = node.config.tape_dir.clone();
    if mode == RecordingMode::Off {
        return Ok((Tape::new(mode, None), String::new()));
    }
    // It waits for the disk; other connections on this thread need not.
    let created = tokio::task::spawn_blocking({
        let dir = dir.clone();
        move || TapeWriter::create(&dir, &header).map_err(|error| error.to_string())
    });
    let writer = match created.await.unwrap_or_else(|panic| Err(panic.to_string())) {
        Ok(writer) => Some(writer),
        Err(error) if mode == RecordingMode::BestEffort => {
            tracing::error!(%session, %error, "cannot begin a tape; the session goes on without");
            None
        }
        Err(error) => {
            tracing::error!(%session, %error, "cannot begin a tape; the session is refused");
            return Err(Refusal::RecordingUnavailable.into());
        }
    };
    let path = writer
        .as_ref()
        .map(|writer| {
            writer
                .path()
                .strip_prefix(&dir)
                .unwrap_or(writer.path())
                .to_string_lossy()
                .into_owned()
        })
        .unwrap_or_default();
    Ok((Tape::new(mode, writer), path))
}
