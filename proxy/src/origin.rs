//! Whom does a load balancer speak for?

use std::net::SocketAddr;
use std::time::Duration;

use sallyport_dissect::proxy_protocol::{self, BadHeader, Origin, Progress};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How long a balancer may take for its header.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a balancer's connection is not served.
#[derive(Debug, thiserror::Error)]
pub enum NoOrigin {
    /// Its header is none.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// It left, or the network broke.
    #[error(transparent)]
    Network(#[from] std::io::Error),
    /// It said nothing.
    #[error("no PROXY protocol header within {} s", PATIENCE.as_secs())]
    Silent,
}

/// The client's address, as the balancer at `peer` must say it (PROXY protocol, version 2).
pub async fn origin(tcp: &mut TcpStream, peer: SocketAddr) -> Result<SocketAddr, NoOrigin> {
    let header = tokio::time::timeout(PATIENCE, read_header(tcp)).await;
    match header.map_err(|_| NoOrigin::Silent)?? {
        Origin::Client { source, .. } => Ok(source),
        // A health check, or a client without an address: the balancer answers for it.
        Origin::Local | Origin::Unnamed => Ok(peer),
    }
}

/// Takes the header off the stream, and not a byte more.
async fn read_header(tcp: &mut TcpStream) -> Result<Origin, NoOrigin> {
    let mut header = Vec::new();
    loop {
        match proxy_protocol::parse(&header)? {
            Progress::Whole { origin, .. } => return Ok(origin),
            Progress::Needs(more) => {
                let start = header.len();
                header.resize(start + more, 0);
                let missing = header.get_mut(start..).unwrap_or_default();
                tcp.read_exact(missing).await?;
            }
        }
    }
}
