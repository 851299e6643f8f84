//! One running gateway: its listener, its live sessions, and the orders it reads from the store.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server;
use sallyport_domain::id::SessionId;
use sallyport_store::{Login, Store};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ca::HostCa;
use crate::clock;
use crate::config::ProxyConfig;
use crate::driver::{self, DriverHandle, Mail, Start};
use crate::ssh::{self, algorithms};
use crate::{ProxyError, orders, recovery};

/// Entries of the access log that may wait for the database.
const LOGINS: usize = 1024;
/// Time an unauthenticated attempt takes at least, so that all failures look alike.
const REJECTION_TIME: Duration = Duration::from_millis(300);
/// Connections from one address that have not authenticated yet.
const UNAUTHENTICATED_PER_SOURCE: usize = 50;

/// The live sessions of this node.
#[derive(Default)]
pub struct Live(Mutex<HashMap<SessionId, DriverHandle>>);

impl Live {
    fn map(&self) -> MutexGuard<'_, HashMap<SessionId, DriverHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver of a session, if it is live here.
    pub fn get(&self, id: SessionId) -> Option<DriverHandle> {
        self.map().get(&id).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<DriverHandle> {
        self.map().values().cloned().collect()
    }
}

/// What every task of the data plane shares.
pub struct Node {
    /// Settings.
    pub config: ProxyConfig,
    /// The store.
    pub store: Store,
    /// Sessions with a driver here.
    pub live: Arc<Live>,
    /// Cuts every socket.
    pub cut: CancellationToken,
    /// Settings of the client legs.
    pub ssh: Arc<server::Config>,
    /// Vouches for the host keys of connections that end here instead of at the host.
    pub ca: HostCa,
    drivers: TaskTracker,
    logins: mpsc::Sender<Login>,
    draining: CancellationToken,
    unauthenticated: Arc<Waiting>,
}

/// Clients that have not proven who they are.
#[derive(Default)]
struct Waiting {
    total: AtomicUsize,
    by_source: Mutex<HashMap<std::net::IpAddr, usize>>,
}

/// A place among the clients that have not proven who they are.
pub struct Unauthenticated(Arc<Waiting>, std::net::IpAddr);

impl Drop for Unauthenticated {
    fn drop(&mut self) {
        self.0.total.fetch_sub(1, Ordering::Relaxed);
        let mut by_source = self
            .0
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_source.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&self.1);
            }
        }
    }
}

impl Node {
    /// A place for a client that has not authenticated, if there is one.
    pub fn admit_unauthenticated(&self, peer: SocketAddr) -> Option<Unauthenticated> {
        let waiting = &self.unauthenticated;
        let mut by_source = waiting
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = by_source.entry(peer.ip()).or_default();
        if waiting.total.load(Ordering::Relaxed) >= self.config.max_unauthenticated
            || *count >= UNAUTHENTICATED_PER_SOURCE
        {
            if *count == 0 {
                by_source.remove(&peer.ip());
            }
            tracing::warn!(source = %peer.ip(), "too many clients that have not authenticated; one turned away");
            return None;
        }
        *count += 1;
        waiting.total.fetch_add(1, Ordering::Relaxed);
        Some(Unauthenticated(waiting.clone(), peer.ip()))
    }

    /// Starts the driver of a session and makes it findable.
    pub fn drive(self: &Arc<Self>, start: Start) -> DriverHandle {
        let id = start.session.id();
        let (live, token) = (self.live.clone(), self.drivers.token());
        // Held while the driver is made, so that it cannot end before it is in the map.
        let mut map = self.live.map();
        let handle = driver::start(self.store.clone(), start, move || {
            live.map().remove(&id);
            drop(token);
        });
        map.insert(id, handle.clone());
        handle
    }

    /// No new sessions?
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until there are no new sessions.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Writes an entry of the access log, beside whatever goes on.
    pub fn record_login(&self, login: Login) {
        if self.logins.try_send(login).is_err() {
            tracing::error!("the access log does not keep up; an entry is lost");
        }
    }

    /// An attempt that did not prove who it is.
    pub fn record_refused_login(&self, user: &str, peer: SocketAddr, method: &str, code: &str) {
        self.record_login(ssh::refused_login(user, peer, method, code));
    }
}

/// A running data plane.
pub struct RunningProxy {
    node: Arc<Node>,
    ssh_addr: SocketAddr,
    accepting: CancellationToken,
    clients: TaskTracker,
    helpers: CancellationToken,
}

/// Starts the data plane: finishes what a crash left behind, then listens.
pub async fn start(config: ProxyConfig, store: Store) -> Result<RunningProxy, ProxyError> {
    let key = PrivateKey::from_openssh(config.host_key.as_bytes())
        .map_err(|error| ProxyError::HostKey(error.to_string()))?;
    let ssh = Arc::new(server_config(&config, vec![key]));
    let ca = HostCa::new(&config.ca_key)?;
    store
        .register_node(config.node, &config.node_name, clock::now())
        .await?;
    let (logins, entries) = mpsc::channel(LOGINS);
    let node = Arc::new(Node {
        live: Arc::default(),
        cut: CancellationToken::new(),
        ssh,
        ca,
        drivers: TaskTracker::new(),
        logins,
        draining: CancellationToken::new(),
        unauthenticated: Arc::default(),
        store,
        config,
    });
    recovery::recover(&node).await?;
    let listen = node.config.ssh_listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ProxyError::Listen { listen, source })?;
    let ssh_addr = listener
        .local_addr()
        .map_err(|source| ProxyError::Listen { listen, source })?;
    let running = RunningProxy {
        node: node.clone(),
        ssh_addr,
        accepting: CancellationToken::new(),
        clients: TaskTracker::new(),
        helpers: CancellationToken::new(),
    };
    tokio::spawn(accept(
        node.clone(),
        listener,
        running.accepting.clone(),
        running.clients.clone(),
    ));
    tokio::spawn(
        running
            .helpers
            .clone()
            .run_until_cancelled_owned(orders::watch(node.clone())),
    );
    tokio::spawn(write_logins(node, entries));
    Ok(running)
}

/// The settings of a client's leg that shows these host keys.
pub fn server_config(config: &ProxyConfig, keys: Vec<PrivateKey>) -> server::Config {
    server::Config {
        keys,
        methods: russh::MethodSet::from(
            &[russh::MethodKind::PublicKey, russh::MethodKind::Password][..],
        ),
        auth_rejection_time: REJECTION_TIME,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 6,
        window_size: algorithms::WINDOW,
        window_release: russh::WindowRelease::OnConsumption,
        close_by_application: true,
        maximum_packet_size: algorithms::PACKET,
        preferred: algorithms::preferred(),
        inactivity_timeout: None,
        keepalive_interval: Some(config.keepalive),
        keepalive_max: 3,
        ..server::Config::default()
    }
}

async fn accept(
    node: Arc<Node>,
    listener: TcpListener,
    stop: CancellationToken,
    clients: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                clients.spawn(ssh::serve(node.clone(), tcp, peer));
            }
            Err(error) => {
                // Out of descriptors, most likely: those who are in go on.
                tracing::error!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn write_logins(node: Arc<Node>, mut entries: mpsc::Receiver<Login>) {
    while let Some(login) = entries.recv().await {
        if let Err(error) = node.store.record_login(&login).await {
            tracing::error!(%error, user = %login.user, "an entry of the access log is lost");
        }
    }
}

impl RunningProxy {
    /// Where SSH clients come in.
    pub fn ssh_addr(&self) -> SocketAddr {
        self.ssh_addr
    }

    /// Ends in order: no new clients, live sessions told and closed, tapes finished. What is not
    /// done after `grace` is cut.
    pub async fn drain(self, grace: Duration) {
        self.node.draining.cancel();
        self.accepting.cancel();
        for driver in self.node.live.all() {
            driver.send(Mail::Drain).await;
        }
        let node = self.node.clone();
        self.clients.close();
        if tokio::time::timeout(grace, self.clients.wait())
            .await
            .is_err()
        {
            tracing::warn!("some clients did not leave in time; cutting them");
            node.cut.cancel();
            self.clients.wait().await;
        }
        // API-made sessions stay open in the store, for the next start; their drivers just stop.
        for driver in node.live.all() {
            driver.send(Mail::Stop).await;
        }
        node.drivers.close();
        if tokio::time::timeout(grace, node.drivers.wait())
            .await
            .is_err()
        {
            tracing::error!("some sessions could not be written to the database in time");
        }
        self.helpers.cancel();
    }
}
