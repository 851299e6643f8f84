//! The way in for a browser: RDCleanPath, then plain RDP in a WebSocket.
//!
//! The browser's client cannot open TLS by itself, so it asks for it (RDCleanPath, as Devolutions' gateways speak it) and
//! gets what a target would show; here it gets what the gateway shows. Its user is known by a ticket, a connection password
//! for one use. From then on it is a client like any other.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::BytesMut;
use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::gcc::{
    ClientEarlyCapabilityFlags, ConnectionType, HighColorDepth, SupportedColorDepths,
};
use ironrdp_pdu::nego::{ConnectionConfirm, ConnectionRequest, ResponseFlags, SecurityProtocol};
use ironrdp_pdu::x224::X224;
use ironrdp_rdcleanpath::{DetectionResult, RDCleanPathPdu};
use sallyport_domain::algorithm::Negotiated;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::entrance::{Arrived, Entrance};
use super::front::{self, Asked, Person};
use super::leg::{Leg, LegError};
use super::person::Desk;
use super::serve::attend;
use crate::admission::Place;
use crate::config::RdpConfig;
use crate::lanes::{Lanes, Slot};
use crate::node::Node;

/// The longest request.
const LONGEST: usize = 16 << 10;
const WHAT: &str = "RDCleanPath";
/// What the browser is told that may not come in.
const FORBIDDEN: u16 = 403;

/// Where browsers come in; the HTTP side gives their streams here.
#[derive(Clone)]
pub struct WebDoor {
    node: Arc<Node>,
    lanes: Weak<Lanes>,
    clients: TaskTracker,
}

impl WebDoor {
    /// The door of a node.
    pub fn new(node: Arc<Node>, lanes: &Arc<Lanes>, clients: TaskTracker) -> Self {
        let lanes = Arc::downgrade(lanes);
        Self {
            node,
            lanes,
            clients,
        }
    }

    /// Serves a browser at `peer`, whose bytes come through `stream`. Without a place for it the stream is just closed.
    pub fn enter(&self, stream: DuplexStream, peer: SocketAddr) {
        let Some(lanes) = self.lanes.upgrade().filter(|_| !self.node.is_draining()) else {
            return;
        };
        if let Some(place) = self.node.admit_unauthenticated(peer)
            && let Some((runtime, slot)) = lanes.slot()
        {
            let serving = serve(self.node.clone(), stream, peer, place, slot);
            self.clients.spawn_on(serving, runtime);
        }
    }
}

/// A stream with a kill switch, as [`crate::wire::Wire`] is for sockets: after it is thrown every read and write fails.
struct Switched {
    stream: DuplexStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Switched {
    fn new(stream: DuplexStream, cut: CancellationToken) -> Self {
        Self {
            stream,
            cut: Box::pin(cut.cancelled_owned()),
        }
    }

    /// Both halves are polled by one task, so one registered waker is enough.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Switched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Switched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn serve(node: Arc<Node>, stream: DuplexStream, peer: SocketAddr, place: Place, slot: Slot) {
    let Some(config) = node.config.rdp.clone() else {
        return;
    };
    let cut = node.cut.child_token();
    let _cut_at_end = cut.clone().drop_guard();
    let mut leg = Leg::new(Switched::new(stream, cut.clone()));
    let arriving = arrive(&node, &config, &mut leg, peer);
    let arrived = tokio::time::timeout(node.config.login_grace, arriving).await;
    drop(place);
    match arrived {
        Ok(Ok(arrived)) => {
            let entrance = Entrance {
                node: &node,
                arrived: &arrived,
                peer,
                // The socket is the API's.
                round_trip: None,
                cut,
            };
            attend(&entrance, leg).await;
        }
        Ok(Err(error)) => {
            tracing::info!(%peer, %error, "a browser did not get as far as to log in")
        }
        Err(_) => tracing::info!(%peer, "a browser took too long to log in"),
    }
    drop(slot);
}

/// From the ticket to licensing.
async fn arrive<S: AsyncRead + AsyncWrite + Unpin>(
    node: &Arc<Node>,
    config: &RdpConfig,
    leg: &mut Leg<S>,
    peer: SocketAddr,
) -> Result<Arrived, LegError> {
    let request = request(leg).await?;
    let desk = Desk { node, peer };
    let Some(person) = by_ticket(&desk, &request).await else {
        answer(leg, &RDCleanPathPdu::new_http_error(FORBIDDEN)).await?;
        return Err(LegError::unexpected(WHAT, "its ticket is none"));
    };
    let offered = negotiated(leg, config, &request).await?;
    let mut asked = front::connect(leg, offered).await?;
    prefer_remote_fx(&mut asked);
    front::join(leg, &asked.ids).await?;
    let info = front::client_info(leg, &asked.ids).await?;
    front::license(leg, &asked.ids).await?;
    Ok(Arrived {
        asked,
        info: info.pdu,
        person,
        // The TLS it came in is the API's.
        algorithms: Negotiated::default(),
    })
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
) -> Result<RDCleanPathPdu, LegError> {
    loop {
        match RDCleanPathPdu::detect(&leg.buffer) {
            DetectionResult::Detected { total_length, .. } if total_length > LONGEST => {
                return Err(LegError::unexpected(WHAT, "the request is too long"));
            }
            DetectionResult::Detected { total_length, .. } if total_length <= leg.buffer.len() => {
                let bytes: BytesMut = leg.buffer.split_to(total_length);
                return RDCleanPathPdu::from_der(&bytes)
                    .map_err(|error| LegError::unexpected(WHAT, error));
            }
            DetectionResult::Failed => {
                return Err(LegError::unexpected(WHAT, "something else came"));
            }
            DetectionResult::Detected { .. } | DetectionResult::NotEnoughBytes => {}
        }
        if leg.buffer.len() > LONGEST {
            return Err(LegError::unexpected(WHAT, "the request is too long"));
        }
        if !leg.fill().await? {
            return Err(LegError::Closed("before it asked for a connection"));
        }
    }
}

/// The ticket is a connection password behind the connect string it was made for: `alice+desktop+web-01:PASSWORD`.
async fn by_ticket(desk: &Desk<'_>, request: &RDCleanPathPdu) -> Option<Person> {
    let ticket = request.proxy_auth.as_deref()?;
    let (name, password) = ticket.rsplit_once(':')?;
    desk.by_ticket(name, &Zeroizing::new(password.to_owned()))
        .await
}

/// The browser's client draws bitmaps wrong whose width is no multiple of four, but RemoteFX right. Some targets send that
/// over a fast network only, and at 32 bits a pixel.
fn prefer_remote_fx(asked: &mut Asked) {
    let core = &mut asked.blocks.core.optional_data;
    core.connection_type = Some(ConnectionType::Lan);
    core.high_color_depth = Some(HighColorDepth::Bpp24);
    core.supported_color_depths = Some(SupportedColorDepths::all());
    let early = core
        .early_capability_flags
        .get_or_insert(ClientEarlyCapabilityFlags::empty());
    early.insert(
        ClientEarlyCapabilityFlags::VALID_CONNECTION_TYPE
            | ClientEarlyCapabilityFlags::WANT_32_BPP_SESSION,
    );
}

/// Answers as a target would that does TLS without NLA. Answers what the client offered.
async fn negotiated<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    config: &RdpConfig,
    request: &RDCleanPathPdu,
) -> Result<SecurityProtocol, LegError> {
    let Some(x224) = &request.x224_connection_pdu else {
        return Err(LegError::unexpected(
            WHAT,
            "there is no Connection Request in it",
        ));
    };
    let X224(asked): X224<ConnectionRequest> =
        decode(x224.as_bytes()).map_err(LegError::undecodable("Connection Request"))?;
    let confirm = ConnectionConfirm::Response {
        flags: ResponseFlags::EXTENDED_CLIENT_DATA_SUPPORTED,
        protocol: SecurityProtocol::SSL,
    };
    let confirm =
        encode_vec(&X224(confirm)).map_err(LegError::unencodable("Connection Confirm"))?;
    let chain = [config.certificate.to_vec()];
    let response = RDCleanPathPdu::new_response(config.listen.to_string(), confirm, chain)
        .map_err(|error| LegError::unexpected(WHAT, error))?;
    answer(leg, &response).await?;
    Ok(asked.protocol)
}

async fn answer<S: AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    pdu: &RDCleanPathPdu,
) -> Result<(), LegError> {
    let bytes = pdu
        .to_der()
        .map_err(|error| LegError::unexpected(WHAT, error))?;
    Ok(leg.send(&bytes).await?)
}
