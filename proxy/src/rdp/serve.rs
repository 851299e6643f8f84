//! One client from accept to the end of its tape.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sallyport_domain::close::CloseReason;
use sallyport_domain::session::DisconnectCause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::approach::Target;
use super::entrance::{Arrived, Entrance};
use super::front::{self, Asked, Chosen, Security};
use super::goodbye::{self, ErrorInfo};
use super::leg::{Leg, LegError};
use super::person::Desk;
use super::{relay, tls};
use crate::admission::Place;
use crate::config::RdpConfig;
use crate::enter::{Joined, disconnected, finish_tape};
use crate::node::Node;
use crate::shield::shielded;
use crate::wire::Wire;

/// A client's stream.
type ClientStream = TlsStream<Wire>;
/// A client that was told goodbye has this long to close its side.
const LINGER: Duration = Duration::from_millis(300);

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
    wire.probe(node.config.keepalive);
    let round_trip = wire.round_trip();
    let arriving = arrive(&node, &config, wire, peer);
    let arrived = tokio::time::timeout(node.config.login_grace, arriving).await;
    drop(place);
    let (leg, arrived) = match arrived {
        Ok(Ok(arrived)) => arrived,
        Ok(Err(error)) => {
            return tracing::info!(%peer, %error, "an RDP client did not get as far as to log in");
        }
        Err(_) => return tracing::info!(%peer, "a client took too long to log in"),
    };
    let entrance = Entrance {
        node: &node,
        arrived: &arrived,
        peer,
        round_trip: Some(round_trip),
        cut,
    };
    attend(&entrance, leg).await;
}

/// From the first byte to the point where it is known who it is.
async fn arrive(
    node: &Arc<Node>,
    config: &RdpConfig,
    wire: Wire,
    peer: SocketAddr,
) -> Result<(Leg<ClientStream>, Arrived), LegError> {
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
    front::license(&mut leg, &asked.ids).await?;
    let person = match proven {
        Some(person) => person,
        None => desk.log_in(&mut leg, &asked, &info.given).await?,
    };
    let arrived = Arrived {
        asked,
        info: info.pdu,
        person,
        algorithms,
    };
    Ok((leg, arrived))
}

/// From "who is this" to the end of the tape.
pub async fn attend<S>(entrance: &Entrance<'_>, mut leg: Leg<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = &entrance.arrived.asked;
    let came_of_it = entrance.pass(&mut leg).await;
    match came_of_it {
        Ok(joined) => {
            let connection = &joined.connection;
            if let Some(tape) = connection.tape.path() {
                let (number, grown) = (
                    uuid::Uuid::from(connection.id).as_u128(),
                    connection.grown.clone(),
                );
                entrance.node.studio.paint(number, tape.clone(), grown);
            }
            accompany(&joined, leg, asked).await;
        }
        Err(why) => {
            goodbye::say(&mut leg.stream, asked, None, why).await;
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
        goodbye::say(&mut over.client, asked, over.share.desktop(), why).await;
        over.cause
    };
    // Whatever breaks in here, the driver must hear that the connection is over.
    let cause = shielded("the relay of a desktop", relayed).await;
    let cause = cause.unwrap_or(DisconnectCause::Cut(CloseReason::InternalError));
    disconnected(connection, cause).await;
    finish_tape(connection).await;
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
