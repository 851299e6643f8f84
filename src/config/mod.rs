//! The server's configuration: a TOML file and the environment become one typed [`Config`], once.
//!
//! Every key of the file is also an environment variable, `SALLYPORT_<SECTION>_<KEY>`, and the
//! environment wins. Unknown keys are errors. All complaints are reported, not only the first.

mod file;
mod settings;
mod strings;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sallyport_domain::network::Network;
use sallyport_proxy::config::Kdcs;
use zeroize::Zeroizing;

use crate::failure::Failure;

use settings::Settings;
pub use strings::{Environment, Strings};

/// The keys that say what a door shows.
const OWN: [&str; 2] = ["certificate", "private_key"];
/// The keys that say what signs `.rdp` files.
const SIGNING: [&str; 2] = ["signing_certificate", "signing_key"];

/// Everything `sallyport serve` can be told.
pub struct Config {
    /// Keys, database and tapes live here; made with mode 0700.
    pub data_dir: PathBuf,
    /// `[ssh]`.
    pub ssh: Ssh,
    /// `[rdp]`.
    pub rdp: Rdp,
    /// `[api]`.
    pub api: Api,
    /// `[store] url`.
    pub store_url: String,
    /// `[tapes]`.
    pub tapes: Tapes,
    /// `SALLYPORT_VAULT_KEY`: the vault's key as text, instead of the file `vault.key`.
    pub vault_key: Option<Zeroizing<String>>,
    /// `SALLYPORT_ADMIN_PASSWORD`: the first admin's password, instead of a one-time one.
    pub admin_password: Option<Zeroizing<String>>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[serve]`.
    pub serve: Serve,
    /// `[log]`.
    pub log: Log,
}

/// The SSH door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Where clients connect to.
    pub listen: SocketAddr,
    /// Where users connect to, `host:port`, if that is not where it listens.
    pub public_address: Option<String>,
    /// Shown before authentication; none if empty.
    pub banner: Option<String>,
    /// How long a target may take to answer.
    pub target_timeout: Duration,
    /// May clients use only what an audit finds nothing against?
    pub strict_algorithms: bool,
    /// Files of host keys, the one in use first; the one in the data folder without any.
    pub host_keys: Vec<PathBuf>,
    /// Public keys of the authorities whose user certificates are accepted.
    pub user_ca_keys: Vec<String>,
    /// Where load balancers are that speak the PROXY protocol.
    pub proxy_protocol_from: Vec<Network>,
}

/// The RDP door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdp {
    /// Where clients connect to.
    pub listen: SocketAddr,
    /// Where users connect to, `host:port`, if that is not where it listens.
    pub public_address: Option<String>,
    /// Is network level authentication (CredSSP) offered? It or TLS is, or both.
    pub nla: bool,
    /// Is TLS alone offered, where the client tells the password inside?
    pub tls: bool,
    /// PEM files of certificate and key; the API's without.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// PEM files of certificate and key that sign `.rdp` files; they are not signed without.
    pub signing_certificate: Option<(PathBuf, PathBuf)>,
    /// Who gives tickets for targets, by realm.
    pub kdcs: Kdcs,
}

/// The HTTPS door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// PEM files of certificate and key; self-signed ones are made in the data folder without.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How long a login is good for.
    pub token_lifetime: Duration,
}

/// Where recordings go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tapes {
    /// The folder.
    pub dir: PathBuf,
    /// New sessions are refused when less than this is free, in bytes.
    pub min_free: u64,
}

/// How long and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a client may take to authenticate.
    pub login_grace: Duration,
    /// How long a client that named no host may do nothing.
    pub lobby_idle: Duration,
    /// Connections that have not authenticated yet, over all sources.
    pub max_unauthenticated: usize,
    /// Silence after which a peer is asked whether it is still there.
    pub keepalive: Duration,
}

/// How the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// A declaration to apply at every start.
    pub apply: Option<PathBuf>,
    /// How long live sessions have to end when the server is told to stop.
    pub grace: Duration,
    /// This node's name in logs and lists.
    pub node_name: String,
    /// The group of gateways it belongs to, by place or purpose; may be empty.
    pub gateway_group: String,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter such as `info` or `sallyport_proxy=debug,info`.
    pub filter: String,
    /// One JSON object a line instead of text?
    pub json: bool,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads file and environment. The error holds every complaint.
    pub fn load(overrides: &Overrides, environment: &dyn Strings) -> Result<Self, Failure> {
        let mut settings = Settings::default();
        if let Some(path) = &overrides.config {
            match std::fs::read_to_string(path) {
                Ok(text) => file::read(&text, path, &mut settings),
                Err(error) => settings.complain(format!(
                    "{}: the configuration cannot be read: {error}",
                    path.display()
                )),
            }
        }
        settings.read_environment(environment);
        Self::build(overrides, settings)
    }

    fn build(overrides: &Overrides, mut from: Settings) -> Result<Self, Failure> {
        let configured_dir = from.path("serve", "data_dir");
        let data_dir = overrides
            .data_dir
            .clone()
            .or(configured_dir)
            .unwrap_or_else(|| PathBuf::from("data"));
        let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
        let config = Self {
            ssh: Ssh {
                listen: from.address("ssh", "listen", 2222),
                public_address: from
                    .text("ssh", "public_address")
                    .filter(|address| !address.is_empty()),
                banner: from
                    .text("ssh", "banner")
                    .filter(|banner| !banner.is_empty()),
                target_timeout: from.span("ssh", "target_timeout", Duration::from_secs(10)),
                strict_algorithms: from.one_of("ssh", "algorithms", &["strict", "compatible"])
                    == "strict",
                host_keys: from.paths("ssh", "host_keys"),
                user_ca_keys: from.public_keys("ssh", "user_ca_keys"),
                proxy_protocol_from: from.networks("ssh", "proxy_protocol_from"),
            },
            rdp: from.rdp(),
            api: Api {
                listen: from.address("api", "listen", 8443),
                certificate: from.certificate("api", OWN),
                token_lifetime: from.span("api", "token_lifetime", Duration::from_secs(12 * 3600)),
            },
            store_url: from.store_url(&data_dir),
            tapes: Tapes {
                dir: from.tape_dir(&data_dir),
                min_free: from.bytes("tapes", "min_free", 64 << 20),
            },
            vault_key: from.secret("vault", "key"),
            admin_password: from.secret("admin", "password"),
            limits: Limits {
                login_grace: from.span("limits", "login_grace", Duration::from_secs(120)),
                lobby_idle: from.span("limits", "lobby_idle", Duration::from_secs(300)),
                max_unauthenticated: from.count("limits", "max_unauthenticated", 200),
                keepalive: from.span("limits", "keepalive", Duration::from_secs(30)),
            },
            serve: Serve {
                apply: from.path("serve", "apply"),
                grace: from.span("serve", "grace", Duration::from_secs(10)),
                node_name: from
                    .text("serve", "node_name")
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(host_name),
                gateway_group: from.text("serve", "gateway_group").unwrap_or_default(),
            },
            log: Log {
                filter: from
                    .text("log", "filter")
                    .unwrap_or_else(|| "info".to_owned()),
                json: from.one_of("log", "format", &["text", "json"]) == "json",
            },
            data_dir,
        };
        from.finish(config)
    }
}

impl Settings {
    fn rdp(&mut self) -> Rdp {
        let security = self.some_of("rdp", "security", &["nla", "tls"]);
        Rdp {
            listen: self.address("rdp", "listen", 3390),
            public_address: self
                .text("rdp", "public_address")
                .filter(|address| !address.is_empty()),
            nla: security.contains(&"nla"),
            tls: security.contains(&"tls"),
            certificate: self.certificate("rdp", OWN),
            signing_certificate: self.certificate("rdp", SIGNING),
            kdcs: self.kdcs("rdp", "kdc"),
        }
    }
}

/// The machine's name, for people; identity does not hang on it.
fn host_name() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        Ok(_) | Err(_) => "sallyport".to_owned(),
    }
}

/// A path in SQLite's URL form; the characters that mean something in a URL are escaped.
fn sqlite_url(path: &Path) -> String {
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("sqlite://{escaped}?mode=rwc")
}

#[cfg(test)]
mod tests;
