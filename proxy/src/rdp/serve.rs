//! One client from accept to the end of its tape.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ironrdp_pdu::rdp::ClientInfoPdu;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::close::CloseReason;
use sallyport_domain::connect_string;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::DisconnectCause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::approach::{ByRdp, Target};
use super::front::{self, Asked, Chosen, Person, Security};
use super::goodbye::{self, ErrorInfo};
use super::leg::{Leg, LegError};
use super::person::Desk;
use super::relay;
use super::tls;
use crate::admission::Place;
use crate::config::RdpConfig;
use crate::enter::{Guest, Joined, Wish, disconnected, enter, finish_tape};
use crate::node::Node;
use crate::shield::shielded;
use crate::wire::Wire;

/// A client's stream.
type ClientStream = TlsStream<Wire>;
/// A client that was told goodbye has this long to close its side.
const LINGER: Duration = Duration::from_millis(300);

/// A client of which everything is known that has to be before a target is dialled.
struct Arrived<S> {
    leg: Leg<S>,
    asked: Asked,
    info: ClientInfoPdu,
    /// `None`: she has not proven who she is.
    person: Option<Person>,
    algorithms: Negotiated,
}

/// Serves one client that has just been accepted, to the place it was given there.
pub async fn serve(node: Arc<Node>, tcp: TcpStream, peer: SocketAddr, place: Place) {
    let Some(config) = node.config.rdp.clone() else {
        return;
    };
    let cut = node.cut.child_token();
    // Whatever happens below, both sockets go when this is done.
    let _cut_at_end = cut.clone().drop_guard();
    let wire = match Wire::new(tcp, cut.clone()) {
        Ok(wire) => wire,
        Err(error) => return tracing::debug!(%peer, %error, "client left before it was served"),
    };
    let arriving = arrive(&node, &config, wire, peer);
    let arrived = tokio::time::timeout(node.config.login_grace, arriving).await;
    drop(place);
    match arrived {
        Ok(Ok(arrived)) => attend(&node, arrived, peer, cut).await,
        Ok(Err(error)) => {
            tracing::info!(%peer, %error, "no RDP client, or not one that may come in")
        }
        Err(_) => tracing::info!(%peer, "a client took too long to log in"),
    }
}

/// From the first byte to Client Info and licensing.
async fn arrive(
    node: &Arc<Node>,
    config: &RdpConfig,
    wire: Wire,
    peer: SocketAddr,
) -> Result<Arrived<ClientStream>, LegError> {
    let desk = Desk { node, peer };
    let mut leg = Leg::new(wire);
    let by_nla = async |user: &str| desk.has_nla(user).await;
    let Chosen { security, offered } = front::negotiate(&mut leg, &config.security, by_nla).await?;
    let acceptor = TlsAcceptor::from(config.tls.clone());
    let stream = acceptor.accept(leg.stream).await?;
    let algorithms = tls::negotiated(stream.get_ref().1);
    let mut leg = Leg::new(stream);
    let proven = match security {
        Security::Nla => match desk.by_nla(&mut leg, &config.public_key).await? {
            Some(person) => Some(person),
            None => return Err(LegError::unexpected("NLA", "it was not proven who that is")),
        },
        Security::Tls => None,
    };
    let asked = front::connect(&mut leg, offered).await?;
    front::join(&mut leg, &asked.ids).await?;
    let info = front::client_info(&mut leg, &asked.ids).await?;
    let person = match proven {
        Some(person) => Some(person),
        None => desk.by_password(&info.given).await,
    };
    front::license(&mut leg, &asked.ids).await?;
    Ok(Arrived {
        leg,
        asked,
        info: info.pdu,
        person,
        algorithms,
    })
}

/// From "who is this" to the end of the tape.
async fn attend<S>(node: &Arc<Node>, arrived: Arrived<S>, peer: SocketAddr, cut: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Arrived {
        mut leg,
        asked,
        info,
        person,
        algorithms,
    } = arrived;
    let ids = (asked.ids.user, asked.ids.io);
    let Some(person) = person else {
        let why = Some(ErrorInfo::ServerDeniedConnection);
        goodbye::say(&mut leg.stream, ids, (ids.0, 0), why).await;
        return linger(&mut leg).await;
    };
    let guest = Guest {
        client: client(&asked),
        identity: person.identity,
        method: person.method,
        certificate: None,
        source_ip: peer.ip().to_string(),
        algorithms,
    };
    let wish = connect_string::parse(&person.wish).and_then(Wish::try_from);
    let wish = wish.and_then(|wish| person.bound.allows(wish));
    let approach = ByRdp {
        asked: &asked,
        info: &info,
        source_ip: &guest.source_ip,
    };
    let entering = enter(node, &guest, wish, cut.clone(), &approach);
    match entering.await {
        Ok(joined) => {
            accompany(&joined, leg, &asked).await;
        }
        Err(refusal) => {
            tracing::info!(%peer, code = refusal.code(), %refusal, "refused");
            let why = Some(ErrorInfo::of_refusal(&refusal));
            goodbye::say(&mut leg.stream, ids, (ids.0, 0), why).await;
            linger(&mut leg).await;
        }
    }
}

/// From the first moment of a connection to the end of its tape.
async fn accompany<S>(joined: &Joined<Target>, leg: Leg<S>, asked: &Asked)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Joined { connection, target } = joined;
    let relayed = async {
        let Some(back) = target.take() else {
            return DisconnectCause::Target;
        };
        let mut over = relay::relay(connection, leg, asked, back).await;
        let why = match &over.cause {
            DisconnectCause::Cut(reason) => Some(ErrorInfo::of(reason)),
            DisconnectCause::Client | DisconnectCause::ClientLost | DisconnectCause::Target => None,
        };
        let share = over
            .share
            .desktop()
            .map(|(desktop, server)| (server, desktop.share));
        let ids = (asked.ids.user, asked.ids.io);
        goodbye::say(
            &mut over.client,
            ids,
            share.unwrap_or((asked.ids.user, 0)),
            why,
        )
        .await;
        over.cause
    };
    // Whatever breaks in here, the driver must hear that the connection is over.
    let cause = shielded("the relay of a desktop", relayed).await;
    let cause = cause.unwrap_or(DisconnectCause::Cut(CloseReason::InternalError));
    disconnected(connection, cause).await;
    finish_tape(connection).await;
}

/// What kind of client it is, as far as it says.
fn client(asked: &Asked) -> String {
    let core = &asked.blocks.core;
    let name = crate::notice::printable(core.client_name.trim_end_matches('\0'));
    format!("RDP client build {} on {name}", core.client_build)
}

/// A client that was told goodbye closes by itself; cut off at once it may not have read why.
async fn linger<S: AsyncRead + Unpin>(leg: &mut Leg<S>) {
    let reading = async {
        while let Ok(true) = leg.fill().await {
            leg.buffer.clear();
        }
    };
    let _ = tokio::time::timeout(LINGER, reading).await;
}

impl front::Bound {
    /// A connection password for one host, or one activity, is good for nothing else; what is not said, it says.
    fn allows(&self, mut wish: Wish) -> Result<Wish, Refusal> {
        let refused = || Refusal::NotOffered {
            what: "another host or activity than this connection password was made for",
        };
        if let Some(host) = &self.host
            && !host.eq_ignore_ascii_case(&wish.host)
        {
            return Err(refused());
        }
        match (&self.activity, &wish.activity) {
            (Some(only), Some(asked)) if only != asked => Err(refused()),
            (Some(only), _) => {
                wish.activity = Some(only.clone());
                Ok(wish)
            }
            (None, _) => Ok(wish),
        }
    }
}
