//! The HTTP plane of Sallyport: REST, OpenAPI and the live view, over TLS only.
//!
//! Knows neither SSH nor SQL nor the proxy: it reads and writes through the store, reads tapes through the
//! recorder, and gives orders to live sessions as rows that their nodes obey. Every handler asks first who calls
//! and what that caller may do ([`caller`]); what one may not see does not exist. The paths are all in [`router`].

mod apply;
mod caller;
mod command;
mod connection_passwords;
mod console;
mod controls;
mod csv;
mod desktop_door;
mod errors;
mod health;
mod input;
mod limiter;
mod list;
mod login;
mod metrics;
mod nouns;
mod nt_hash;
mod openapi;
mod people;
mod pictures;
mod problem;
mod rdp_signer;
mod recordings;
mod room;
mod router;
mod serve;
mod sessions;
mod sources;
mod ssh_ca;
mod state;
mod tapes;
mod tracks;
mod trail;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sallyport_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

pub use crate::controls::{Controls, NoSeat, Seat};
pub use crate::desktop_door::DesktopDoor;
pub use crate::rdp_signer::{NotValid, RdpSigner, RdpSignerError, SigningError};
use crate::state::{Api, Shared};

/// Longest wait for requests under way when the API stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// People watching at once.
const VIEWERS: usize = 256;

/// How the API is served.
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate, with the chain, as PEM.
    pub certificate_pem: String,
    /// The certificate's private key as PEM.
    pub private_key_pem: Zeroizing<String>,
    /// The folder of the tapes.
    pub tape_dir: PathBuf,
    /// How long a log-in lasts.
    pub token_lifetime: Duration,
    /// Where users' SSH clients connect, `host:port`; shown to those who ask for a session.
    pub ssh_address: String,
    /// How the gateway is reached by RDP.
    pub rdp: RdpFront,
    /// Signs `.rdp` files; they stay unsigned without.
    pub rdp_signer: Option<RdpSigner>,
    /// Where browsers come to desktops.
    pub desktop_door: Arc<dyn DesktopDoor>,
    /// Where viewers take control of desktops.
    pub controls: Arc<dyn Controls>,
    /// The public key of the gateway's SSH certificate authority, `ssh-ed25519 AAAA…`.
    pub ssh_ca: String,
    /// How many tasks connections have now.
    pub connection_tasks: Arc<dyn Fn() -> usize + Send + Sync>,
}

/// The gateway's RDP door, as those who ask for a session are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdpFront {
    /// Where users' RDP clients connect, `host:port`.
    pub address: String,
    /// Is network level authentication offered?
    pub nla: bool,
    /// Is TLS alone offered?
    pub tls: bool,
}

/// Why the API could not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The certificate or its key cannot be used.
    #[error("the API's certificate cannot be used: {0}")]
    Certificate(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for the API: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

/// The API while it runs. Dropping it lets it run on; [`RunningApi::stop`] ends it.
pub struct RunningApi {
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// Listens and serves until [`RunningApi::stop`].
pub async fn start(config: ApiConfig, store: Store) -> Result<RunningApi, ApiError> {
    let tls = serve::tls(&config.certificate_pem, &config.private_key_pem)?;
    let failed = |error| ApiError::Listen {
        address: config.listen,
        error,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stopping, tasks) = (CancellationToken::new(), TaskTracker::new());
    let api = Api::new(Shared {
        store,
        tape_dir: config.tape_dir,
        token_lifetime: config.token_lifetime,
        ssh_address: config.ssh_address,
        rdp: config.rdp,
        rdp_signer: config.rdp_signer,
        desktop_door: config.desktop_door,
        controls: config.controls,
        ssh_ca: config.ssh_ca,
        connection_tasks: config.connection_tasks,
        limiter: Default::default(),
        metrics: Default::default(),
        viewers: Arc::new(Semaphore::new(VIEWERS)),
        tracks: Default::default(),
        looks: Default::default(),
        stopping: stopping.clone(),
        tasks: tasks.clone(),
    });
    tasks.spawn(serve::accept(
        listener,
        tls,
        router::router(api),
        stopping.clone(),
        tasks.clone(),
    ));
    tracing::info!(listen.addr = %address, "the API is listening");
    Ok(RunningApi {
        address,
        stopping,
        tasks,
    })
}

impl RunningApi {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connections, tells viewers, lets requests under way finish within a few seconds.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.tasks.len(),
                "the API stops with requests under way"
            );
        }
    }
}
