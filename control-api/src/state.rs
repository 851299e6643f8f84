//! What every handler shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sallyport_domain::id::NounId;
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use sallyport_store::{Store, Viewer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::limiter::Limiter;
use crate::metrics::Metrics;
use crate::pictures::Looks;
use crate::tracks::Tracks;
use crate::{Controls, DesktopDoor, RdpFront, RdpSigner};

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// The parts.
pub struct Shared {
    /// Where everything is remembered.
    pub store: Store,
    /// Where the tapes are; nothing outside it is ever read.
    pub tape_dir: PathBuf,
    /// How long a log-in lasts.
    pub token_lifetime: Duration,
    /// Where users' SSH clients connect, `host:port`.
    pub ssh_address: String,
    /// How the gateway is reached by RDP.
    pub rdp: RdpFront,
    /// Signs `.rdp` files; they stay unsigned without.
    pub rdp_signer: Option<RdpSigner>,
    /// Where browsers come to desktops.
    pub desktop_door: Arc<dyn DesktopDoor>,
    /// Where viewers take control of desktops.
    pub controls: Arc<dyn Controls>,
    /// The public key of the gateway's SSH certificate authority.
    pub ssh_ca: String,
    /// How many tasks connections have now.
    pub connection_tasks: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Against guessing.
    pub limiter: Limiter,
    /// For Prometheus.
    pub metrics: Metrics,
    /// Places for people watching.
    pub viewers: Arc<Semaphore>,
    /// Makes the pictures of recorded desktops.
    pub tracks: Tracks,
    /// Who looked at recorded desktops lately.
    pub looks: Looks,
    /// Cancelled when the API goes down.
    pub stopping: CancellationToken,
    /// What must end before the API is down.
    pub tasks: TaskTracker,
}

impl Api {
    /// Shares the parts.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// The present, for the store, which reads no clock itself. Microseconds, as they are stored.
    pub fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

impl std::ops::Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The program itself as a reader: for counting, and for telling "hidden" from "not there". Nothing read as
/// this is ever given to a caller.
pub fn everything() -> Viewer {
    Viewer {
        id: NounId::from(Uuid::nil()),
        name: String::new(),
        scope: ScopePath::root(),
        roles: vec![Role::Auditor],
        application: false,
    }
}
