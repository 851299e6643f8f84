//! One connection inside a forward: asked for on one leg, opened on the other.

use std::sync::Arc;

use futures::FutureExt;
use russh::{Channel, ChannelOpenFailure, server};
use sallyport_domain::close::CloseReason;
use sallyport_domain::destination::Endpoint;
use sallyport_domain::event::ForwardKind;
use sallyport_domain::refusal::Refusal;
use tokio::sync::OwnedSemaphorePermit;

use super::expected::{Opened, TargetOpen};
use super::pump::Forward;
use super::{Claim, Route, address, locked, words};
use crate::connection::Connection;
use crate::recording::RecordingLost;
use crate::shield::shielded;
use crate::ssh::Joined;
use crate::ssh::channel::{ChannelEnd, ClientEnd, TargetEnd};
use crate::ssh::shared::Shared;

/// SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254 section 5.1).
const PROHIBITED: u32 = 1;
/// SSH_OPEN_CONNECT_FAILED.
const CONNECT_FAILED: u32 = 2;

/// What a client wants to reach (`direct-tcpip`, `direct-streamlocal@openssh.com`).
#[derive(Debug)]
pub struct Wanted {
    /// Where; `None` for a port that cannot exist.
    pub to: Option<Endpoint>,
    /// Who connected to the client: address and port.
    pub from: (String, u32),
}

/// Why a forward did not come about, and what the asking side is told.
enum NotOpened {
    Refused(Refusal),
    Failed(ChannelOpenFailure),
    Recording(RecordingLost),
}

impl From<RecordingLost> for NotOpened {
    fn from(lost: RecordingLost) -> Self {
        Self::Recording(lost)
    }
}

impl From<Refusal> for NotOpened {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ChannelEnd> for NotOpened {
    fn from(end: ChannelEnd) -> Self {
        match end {
            ChannelEnd::Recording(lost) => Self::Recording(lost),
            ChannelEnd::Leg(error) => error.into(),
            ChannelEnd::Broken(why) => Self::Failed(told(CONNECT_FAILED, &why.to_string())),
        }
    }
}

impl From<russh::Error> for NotOpened {
    fn from(error: russh::Error) -> Self {
        // What the other side said, and its code, go on as they are.
        #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
        Self::Failed(match error {
            russh::Error::ChannelOpenFailure(failure) => failure,
            error => told(CONNECT_FAILED, &error.to_string()),
        })
    }
}

impl NotOpened {
    /// Into the log, and in words for the side that asked.
    async fn account_for(self, connection: &Connection, route: &Route) -> ChannelOpenFailure {
        let (failure, logged) = match self {
            Self::Refused(refusal) => {
                let logged = route.log_refusal(connection, &refusal).await;
                (prohibited(&refusal), logged)
            }
            Self::Failed(failure) => {
                let error = words(failure.description());
                let logged = route.log_failure(connection, &error).await;
                (told(failure.code(), &error), logged)
            }
            Self::Recording(lost) => (prohibited(&Refusal::RecordingUnavailable), Err(lost)),
        };
        if let Err(lost) = logged {
            connection.recording_lost(lost).await;
        }
        failure
    }
}

/// What a client is told whose channel is refused (RFC 4254 section 5.1).
pub fn prohibited(refusal: &Refusal) -> ChannelOpenFailure {
    told(PROHIBITED, &refusal.to_string())
}

fn told(code: u32, reason: &str) -> ChannelOpenFailure {
    let reason = reason.to_owned();
    ChannelOpenFailure::Other { code, reason }
}

/// A panic in a forward ends its connection and no other (law 7).
pub fn contained(
    connection: Arc<Connection>,
    forward: impl Future<Output = ()>,
) -> impl Future<Output = ()> {
    shielded("a forward", forward).map(move |done| {
        if done.is_none() {
            connection.cut(CloseReason::InternalError);
        }
    })
}

/// The client wants to reach something behind the target.
pub async fn reach(
    shared: Arc<Shared>,
    joined: Joined,
    wanted: Wanted,
    client: ClientEnd,
    reply: server::ChannelOpenHandle,
) {
    let connection = joined.connection.clone();
    let reaching = async {
        let from = address(&wanted.from.0, wanted.from.1);
        let endpoint = wanted.to.clone().unwrap_or_else(|| Endpoint::unix(""));
        let route = Route {
            kind: ForwardKind::Local,
            from,
            to: words(&endpoint.to_string()),
            claim: Claim::Open(endpoint),
        };
        match reach_target(&shared, &joined, &wanted, route.clone(), client).await {
            Ok(forward) => {
                reply.accept().await;
                forward.relay().await;
            }
            Err(not_opened) => {
                let failure = not_opened.account_for(&joined.connection, &route).await;
                reply.reject(failure).await;
            }
        }
    };
    contained(connection, reaching).await;
}

async fn reach_target(
    shared: &Shared,
    Joined { connection, target }: &Joined,
    wanted: &Wanted,
    route: Route,
    client: ClientEnd,
) -> Result<Forward, NotOpened> {
    locked(connection)?;
    let nowhere = || told(CONNECT_FAILED, "there is no such port");
    let to = wanted
        .to
        .as_ref()
        .ok_or_else(|| NotOpened::Failed(nowhere()))?;
    let opening = connection.permit().may_open(to)?;
    let (channel, inbox) = target.reach(&opening, &wanted.from).await?;
    let (_, write) = channel.split();
    let end = TargetEnd {
        id: write.id(),
        leg: target.clone(),
        write,
        inbox,
    };
    let number = shared.next_number();
    Ok(Forward::begin(
        connection.clone(),
        number,
        route,
        (client, end),
        &shared.cut,
    )
    .await?)
}

/// The target wants to reach what the client has.
pub(super) async fn come_back(
    shared: Arc<Shared>,
    joined: Joined,
    handle: server::Handle,
    (open, route): (TargetOpen, Route),
    _place: OwnedSemaphorePermit,
) {
    let connection = joined.connection.clone();
    let coming = async {
        let TargetOpen {
            what,
            write,
            inbox,
            reply,
        } = open;
        let end = TargetEnd {
            id: write.id(),
            leg: joined.target.clone(),
            write,
            inbox,
        };
        match reach_client(
            &shared,
            &joined.connection,
            &handle,
            what,
            route.clone(),
            end,
        )
        .await
        {
            Ok(forward) => {
                reply.accept().await;
                forward.relay().await;
            }
            Err(not_opened) => {
                let failure = not_opened.account_for(&joined.connection, &route).await;
                reply.reject(failure).await;
            }
        }
    };
    contained(connection, coming).await;
}

async fn reach_client(
    shared: &Shared,
    connection: &Arc<Connection>,
    handle: &server::Handle,
    what: Opened,
    route: Route,
    target: TargetEnd,
) -> Result<Forward, NotOpened> {
    let opened = tokio::select! {
        opened = open_at_client(handle, what, &route) => opened,
        // A client that never answers must not keep what is left of the connection.
        () = target.leg.gone() => Err(russh::Error::Disconnect),
    };
    let (_, write) = match opened {
        Ok(channel) => channel.split(),
        Err(error) => {
            target.leg.forget(target.id);
            return Err(error.into());
        }
    };
    let inbox = shared.inboxes.open(write.id());
    let client = ClientEnd::new(handle.clone(), write, inbox, shared.inboxes.clone());
    let number = shared.next_number();
    Ok(Forward::begin(
        connection.clone(),
        number,
        route,
        (client, target),
        &shared.cut,
    )
    .await?)
}

async fn open_at_client(
    handle: &server::Handle,
    what: Opened,
    route: &Route,
) -> Result<Channel<server::Msg>, russh::Error> {
    use super::expected::Service;
    match (what, &route.claim) {
        (Opened::Service(Service::Agent, _), _) => handle.channel_open_agent().await,
        (Opened::Service(Service::X11, from), _) => {
            let (host, port) = from.unwrap_or_default();
            handle.channel_open_x11(host, port).await
        }
        // As the client named the place: it looks its own words up.
        (Opened::Forwarded { from, .. }, Claim::Listen(Endpoint::Tcp { host, port })) => {
            let (address, number) = from;
            handle
                .channel_open_forwarded_tcpip(host, u32::from(*port), address, number)
                .await
        }
        (Opened::Forwarded { .. }, Claim::Listen(Endpoint::Unix { path })) => {
            handle.channel_open_forwarded_streamlocal(path).await
        }
        (Opened::Forwarded { .. } | Opened::Other(_), _) => Err(russh::Error::Inconsistent),
    }
}
