//! One running gateway: its listener, its live sessions, and the orders it reads from the store.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server;
use sallyport_domain::id::SessionId;
use sallyport_store::{Login, Store, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{Admission, Place};
use crate::backoff::Backoff;
use crate::ca::HostCa;
use crate::clock;
use crate::config::ProxyConfig;
use crate::control::Seats;
use crate::driver::{self, DriverHandle, Mail, Start};
use crate::lanes::{Lanes, Slot};
use crate::origin::origin;
use crate::rdp::{Studio, WebDoor};
use crate::ssh::certificate::Authorities;
use crate::ssh::{self, algorithms};
use crate::{ProxyError, orders, rdp, recovery};

/// Entries of the access log that may wait for the database.
const LOGINS: usize = 1024;
/// How many of them are one transaction, and the pause between two.
const LOGINS_TOGETHER: usize = 64;
const LOGINS_LINGER: Duration = Duration::from_millis(20);
/// Time an unauthenticated attempt takes at least, so that all failures look alike.
const REJECTION_TIME: Duration = Duration::from_millis(300);

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
    /// Who waits before the next try.
    pub backoff: Backoff,
    /// Whose user certificates are accepted.
    pub authorities: Authorities,
    /// Settings of the client legs.
    pub ssh: Arc<server::Config>,
    /// Paints the pictures of desktops.
    pub studio: Studio,
    /// Vouches for the host keys of connections that end here instead of at the host.
    pub ca: HostCa,
    drivers: TaskTracker,
    logins: mpsc::Sender<Login>,
    draining: CancellationToken,
    admission: Arc<Admission>,
}

impl Node {
    /// Does it speak for others (PROXY protocol)?
    fn is_balancer(&self, peer: SocketAddr) -> bool {
        let balancers = &self.config.proxy_protocol_from;
        balancers.iter().any(|one| one.contains(peer.ip()))
    }

    /// A place for a client that has not authenticated, if there is one.
    pub fn admit_unauthenticated(&self, peer: SocketAddr) -> Option<Place> {
        let from = peer.ip();
        self.admission.admit(from, self.backoff.is_suspicious(from))
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
}

/// A running data plane.
pub struct RunningProxy {
    node: Arc<Node>,
    ssh_addr: SocketAddr,
    rdp_addr: Option<SocketAddr>,
    accepting: CancellationToken,
    clients: TaskTracker,
    helpers: CancellationToken,
    /// Connections live until this is dropped.
    lanes: Arc<Lanes>,
}

/// Starts the data plane: finishes what a crash left behind, then listens.
pub async fn start(config: ProxyConfig, store: Store) -> Result<RunningProxy, ProxyError> {
    let ssh = Arc::new(server_config(&config, host_keys(&config)?));
    let ca = HostCa::new(&config.ca_key)?;
    let authorities = Authorities::parse(&config.user_ca_keys).map_err(ProxyError::Authority)?;
    store
        .register_node(
            config.node,
            &config.node_name,
            &config.gateway_group,
            clock::now(),
        )
        .await?;
    let (logins, entries) = mpsc::channel(LOGINS);
    let node = Arc::new(Node {
        live: Arc::default(),
        cut: CancellationToken::new(),
        backoff: Backoff::default(),
        authorities,
        ssh,
        studio: Studio::start().map_err(ProxyError::Threads)?,
        ca,
        drivers: TaskTracker::new(),
        logins,
        draining: CancellationToken::new(),
        admission: Admission::new(config.max_unauthenticated),
        store,
        config,
    });
    recovery::recover(&node).await?;
    let (listener, ssh_addr) = listen(node.config.ssh_listen).await?;
    let (rdp, rdp_addr) = match &node.config.rdp {
        Some(config) => listen(config.listen)
            .await
            .map(|(rdp, at)| (Some(rdp), Some(at)))?,
        None => (None, None),
    };
    let running = RunningProxy {
        node: node.clone(),
        ssh_addr,
        rdp_addr,
        accepting: CancellationToken::new(),
        clients: TaskTracker::new(),
        helpers: CancellationToken::new(),
        lanes: Arc::new(Lanes::start().map_err(ProxyError::Threads)?),
    };
    running.accept(listener, Way::Ssh);
    if let Some(listener) = rdp {
        running.accept(listener, Way::Rdp);
    }
    tokio::spawn(
        running
            .helpers
            .clone()
            .run_until_cancelled_owned(orders::watch(node.clone())),
    );
    tokio::spawn(write_logins(node, entries));
    Ok(running)
}

/// By which protocol a client comes in.
#[derive(Debug, Clone, Copy)]
enum Way {
    Ssh,
    Rdp,
}

async fn listen(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ProxyError> {
    let failed = |source| ProxyError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}

/// The gateway's own host keys.
fn host_keys(config: &ProxyConfig) -> Result<Vec<PrivateKey>, ProxyError> {
    if config.host_keys.is_empty() {
        return Err(ProxyError::HostKey("none is given".to_owned()));
    }
    let keys = config.host_keys.iter().map(|text| {
        PrivateKey::from_openssh(text.as_bytes())
            .map_err(|error| ProxyError::HostKey(error.to_string()))
    });
    keys.collect()
}

/// The settings of a client's leg that shows these host keys: the first of a type, the others are
/// announced.
pub fn server_config(config: &ProxyConfig, keys: Vec<PrivateKey>) -> server::Config {
    server::Config {
        server_id: russh::SshId::Standard(algorithms::SERVER_ID.into()),
        keys,
        methods: ssh::methods(),
        auth_rejection_time: REJECTION_TIME,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 6,
        window_size: ssh::FIRST_WINDOW,
        window_release: russh::WindowRelease::OnConsumption,
        close_by_application: true,
        maximum_packet_size: algorithms::PACKET,
        preferred: algorithms::for_clients(config.algorithms),
        inactivity_timeout: None,
        keepalive_interval: Some(config.keepalive),
        keepalive_max: 3,
        ..server::Config::default()
    }
}

async fn accept(
    node: Arc<Node>,
    (listener, way): (TcpListener, Way),
    stop: CancellationToken,
    clients: TaskTracker,
    lanes: Arc<Lanes>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // Here, and not on a thread that may be busy: sockets that wait for it cost descriptors. Of
                // a balancer it is not known yet where the client comes from.
                let balancer = node.is_balancer(peer);
                let place = match balancer {
                    true => None,
                    false => node.admit_unauthenticated(peer),
                };
                if (balancer || place.is_some())
                    && let (Ok(tcp), Some((runtime, slot))) = (tcp.into_std(), lanes.slot())
                {
                    clients.spawn_on(serve(node.clone(), (tcp, way), peer, place, slot), runtime);
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: those who are in go on.
                tracing::error!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a client on the thread this runs on. Without a place it is a load balancer: it says first whom it speaks for.
async fn serve(
    node: Arc<Node>,
    (tcp, way): (std::net::TcpStream, Way),
    peer: SocketAddr,
    place: Option<Place>,
    slot: Slot,
) {
    match TcpStream::from_std(tcp) {
        Ok(mut tcp) => {
            let client = match place {
                Some(place) => Some((peer, place)),
                None => client_of_balancer(&node, &mut tcp, peer).await,
            };
            match (client, way) {
                (Some((peer, place)), Way::Ssh) => ssh::serve(node, tcp, peer, place).await,
                (Some((peer, place)), Way::Rdp) => rdp::serve(node, tcp, peer, place).await,
                (None, _) => {}
            }
        }
        Err(error) => tracing::error!(%peer, %error, "a client could not be served"),
    }
    drop(slot);
}

async fn client_of_balancer(
    node: &Node,
    tcp: &mut TcpStream,
    balancer: SocketAddr,
) -> Option<(SocketAddr, Place)> {
    match origin(tcp, balancer).await {
        Ok(client) => Some((client, node.admit_unauthenticated(client)?)),
        Err(error) => {
            tracing::warn!(peer = %balancer, %error, "a load balancer's connection is not served");
            None
        }
    }
}

async fn write_logins(node: Arc<Node>, mut entries: mpsc::Receiver<Login>) {
    let mut together = Vec::new();
    while entries.recv_many(&mut together, LOGINS_TOGETHER).await > 0 {
        if write_together(&node.store, &together).await.is_err() {
            // One that the database does not take must not take the others with it.
            for login in &together {
                if let Err(error) = write_together(&node.store, slice::from_ref(login)).await {
                    tracing::error!(%error, user = %login.user, "an entry of the access log is lost");
                }
            }
        }
        together.clear();
        // Who comes in meanwhile is written with the next.
        tokio::time::sleep(LOGINS_LINGER).await;
    }
}

async fn write_together(store: &Store, logins: &[Login]) -> Result<(), StoreError> {
    let mut batch = store.batch();
    for login in logins {
        batch.record_login(login);
    }
    batch.commit().await
}

impl RunningProxy {
    /// Serves who comes in there.
    fn accept(&self, listener: TcpListener, way: Way) {
        tokio::spawn(accept(
            self.node.clone(),
            (listener, way),
            self.accepting.clone(),
            self.clients.clone(),
            self.lanes.clone(),
        ));
    }

    /// Where browsers come to desktops.
    pub fn web_door(&self) -> WebDoor {
        WebDoor::new(self.node.clone(), &self.lanes, self.clients.clone())
    }

    /// Where those who watch sit down to take control.
    pub fn seats(&self) -> Seats {
        Seats::new(self.node.clone())
    }

    /// Where RDP clients come in, if they do.
    pub fn rdp_addr(&self) -> Option<SocketAddr> {
        self.rdp_addr
    }

    /// Where SSH clients come in.
    pub fn ssh_addr(&self) -> SocketAddr {
        self.ssh_addr
    }

    /// For counting the tasks of connections; none is left when nobody is connected.
    pub fn task_counter(&self) -> Arc<dyn Fn() -> usize + Send + Sync> {
        Arc::new(self.lanes.counter())
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
        drop(self.lanes);
    }
}
