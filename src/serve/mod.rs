//! `sallyport serve`: builds what runs, waits for a signal, drains.

mod admin;
pub mod ca;
mod certificate;
mod data_dir;
mod harden;
mod logging;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sallyport_control_api::{ApiConfig, Controls, DesktopDoor, NoSeat, RdpSigner, Seat};
use sallyport_domain::id::SessionId;
use sallyport_proxy::config::{ClientAlgorithms, Security};
use sallyport_proxy::{ProxyConfig, RdpConfig, Seats, WebDoor, host_key};
use sallyport_store::{Store, VaultKey};
use tokio::io::DuplexStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use tracing::{info, warn};

use crate::apply;
use crate::config::Config;
use crate::failure::{Failure, OrFail as _};

use data_dir::DataDir;

/// Runs the server until it is told to stop.
pub fn run(config: Config) -> Result<(), Failure> {
    logging::start(&config.log)?;
    harden::harden();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_fail("starting")?;
    let outcome = runtime.block_on(serve(config));
    // Whatever still runs has had its grace.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Before anything is open: a signal during the start is not lost.
    let mut signals = Signals::new()?;
    let data_dir = DataDir::open(&config.data_dir)?;
    let _lock = data_dir.lock()?;
    let store = open_store(&config).await?;
    let outcome = with_store(&config, &data_dir, &store, &mut signals).await;
    store.close().await;
    outcome
}

async fn with_store(
    config: &Config,
    data_dir: &DataDir,
    store: &Store,
    signals: &mut Signals,
) -> Result<(), Failure> {
    admin::ensure(store, config.admin_password.as_ref()).await?;
    if let Some(path) = &config.serve.apply {
        let changed = apply::at_start(store, path).await?;
        info!(file = %path.display(), nouns.changed = changed, "the declaration is applied");
    }
    let rdp = rdp_config(config, data_dir)?;
    let rdp_signer = certificate::rdp_signer(config)?;
    let proxy = sallyport_proxy::start(proxy_config(config, data_dir, rdp)?, store.clone())
        .await
        .or_fail("starting the proxy")?;
    let api = match start_api(config, data_dir, store, &proxy, rdp_signer).await {
        Ok(api) => api,
        Err(failure) => {
            proxy.drain(Duration::ZERO).await;
            return Err(failure);
        }
    };
    info!(
        ssh.addr = %proxy.ssh_addr(),
        rdp.addr = proxy.rdp_addr().map(tracing::field::display),
        api.addr = %api.addr(),
        data = %config.data_dir.display(),
        "sallyport is ready"
    );
    let name = signals.first().await;
    info!(
        signal = name,
        grace_s = config.serve.grace.as_secs(),
        "stopping: live sessions are told"
    );
    let drain = async {
        proxy.drain(config.serve.grace).await;
        api.stop().await;
    };
    tokio::select! {
        () = drain => info!("stopped"),
        name = signals.first() => {
            // Tapes left open are finished at the next start.
            warn!(signal = name, "a second signal: stopping without waiting");
        }
    }
    Ok(())
}

/// Opens the configured store, with the vault's key.
pub async fn open_store(config: &Config) -> Result<Store, Failure> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let key = match &config.vault_key {
        Some(text) => VaultKey::from_text(text).or_fail("SALLYPORT_VAULT_KEY")?,
        None => VaultKey::load_or_create(&data_dir.vault_key()).or_fail("the vault")?,
    };
    Store::open(&config.store_url, key)
        .await
        .or_fail("opening the store")
}

/// The way in by RDP. TLS first, of those that are offered: a password of one's own cannot be checked by NLA.
fn rdp_config(config: &Config, data_dir: &DataDir) -> Result<RdpConfig, Failure> {
    let certificate = certificate::of_rdp(config, data_dir)?;
    let mut security = Vec::new();
    if config.rdp.tls {
        security.push(Security::Tls);
    }
    if config.rdp.nla {
        security.push(Security::Nla);
    }
    RdpConfig::new(
        config.rdp.listen,
        security,
        &certificate.certificate_pem,
        &certificate.private_key_pem,
    )
    .or_fail("RDP")
}

fn proxy_config(
    config: &Config,
    data_dir: &DataDir,
    rdp: RdpConfig,
) -> Result<ProxyConfig, Failure> {
    let ca_key = ca::load_or_create(data_dir)?;
    Ok(ProxyConfig {
        ssh_listen: config.ssh.listen,
        rdp: Some(rdp),
        banner: config.ssh.banner.clone(),
        algorithms: if config.ssh.strict_algorithms {
            ClientAlgorithms::Strict
        } else {
            ClientAlgorithms::Compatible
        },
        host_keys: host_keys(config, data_dir)?,
        ca_key,
        user_ca_keys: config.ssh.user_ca_keys.clone(),
        proxy_protocol_from: config.ssh.proxy_protocol_from.clone(),
        tape_dir: config.tapes.dir.clone(),
        min_free_bytes: config.tapes.min_free,
        node: data_dir.node()?,
        node_name: config.serve.node_name.clone(),
        gateway_group: config.serve.gateway_group.clone(),
        target_timeout: config.ssh.target_timeout,
        login_grace: config.limits.login_grace,
        lobby_idle: config.limits.lobby_idle,
        max_unauthenticated: config.limits.max_unauthenticated,
        keepalive: config.limits.keepalive,
        kdcs: config.rdp.kdcs.clone(),
    })
}

/// The host keys of the configuration; else the one in the data folder, made if it is not there, and
/// its successor, if there is one.
fn host_keys(config: &Config, data_dir: &DataDir) -> Result<Vec<Zeroizing<String>>, Failure> {
    let what = "the SSH host key";
    let configured = &config.ssh.host_keys;
    if !configured.is_empty() {
        let read = |path: &PathBuf| host_key::load(path).or_fail(what);
        return configured.iter().map(read).collect();
    }
    let mut keys = vec![host_key::load_or_create(&data_dir.host_key()).or_fail(what)?];
    let next = data_dir.next_host_key();
    if next.exists() {
        keys.push(host_key::load(&next).or_fail(what)?);
    }
    Ok(keys)
}

async fn start_api(
    config: &Config,
    data_dir: &DataDir,
    store: &Store,
    proxy: &sallyport_proxy::RunningProxy,
    rdp_signer: Option<RdpSigner>,
) -> Result<sallyport_control_api::RunningApi, Failure> {
    let certificate = certificate::of_api(config, data_dir)?;
    let api = ApiConfig {
        listen: config.api.listen,
        certificate_pem: certificate.certificate_pem,
        private_key_pem: certificate.private_key_pem,
        tape_dir: config.tapes.dir.clone(),
        token_lifetime: config.api.token_lifetime,
        ssh_address: match &config.ssh.public_address {
            Some(address) => address.clone(),
            None => proxy.ssh_addr().to_string(),
        },
        rdp: sallyport_control_api::RdpFront {
            address: match &config.rdp.public_address {
                Some(address) => address.clone(),
                None => config.rdp.listen.to_string(),
            },
            nla: config.rdp.nla,
            tls: config.rdp.tls,
        },
        rdp_signer,
        desktop_door: Arc::new(Browsers(proxy.web_door())),
        controls: Arc::new(Controllers(proxy.seats())),
        ssh_ca: ca::public_key(data_dir)?,
        connection_tasks: proxy.task_counter(),
    };
    sallyport_control_api::start(api, store.clone())
        .await
        .or_fail("starting the API")
}

/// Browsers go from the API to the proxy, which do not know each other.
struct Browsers(WebDoor);

impl DesktopDoor for Browsers {
    fn enter(&self, stream: DuplexStream, from: SocketAddr) {
        self.0.enter(stream, from);
    }
}

/// Viewers who take control go the same way.
struct Controllers(Seats);

impl Controls for Controllers {
    fn open(&self, session: SessionId) -> Result<Seat, NoSeat> {
        match self.0.open(session) {
            Ok((id, inputs)) => Ok(Seat { id, inputs }),
            Err(sallyport_proxy::NoSeat::NotHere) => Err(NoSeat::Elsewhere),
            Err(sallyport_proxy::NoSeat::Busy) => Err(NoSeat::Busy),
        }
    }
}

/// What tells us to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).or_fail("listening for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).or_fail("listening for SIGINT")?,
            // The terminal it was started from is gone.
            hangup: signal(SignalKind::hangup()).or_fail("listening for SIGHUP")?,
        })
    }

    /// The name of the next one.
    async fn first(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
