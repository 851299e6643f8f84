//! What the data plane needs to know to start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use sallyport_domain::id::NodeId;
use sallyport_domain::network::Network;
use zeroize::Zeroizing;

pub use crate::rdp::{Kdcs, NotAKdc, PublicKey, Security};

/// Settings of the data plane.
pub struct ProxyConfig {
    /// Where SSH clients come in.
    pub ssh_listen: SocketAddr,
    /// The way in by RDP, if there is one.
    pub rdp: Option<RdpConfig>,
    /// Shown before authentication, if any.
    pub banner: Option<String>,
    /// What users' clients may speak.
    pub algorithms: ClientAlgorithms,
    /// The gateway's own SSH host keys, each as an OpenSSH private key in PEM. The first of a type is
    /// the one shown; clients that are in learn the others.
    pub host_keys: Vec<Zeroizing<String>>,
    /// The key of the gateway's SSH certificate authority, as an OpenSSH private key in PEM.
    pub ca_key: Zeroizing<String>,
    /// Public keys of the authorities whose user certificates are accepted, in OpenSSH's form.
    pub user_ca_keys: Vec<String>,
    /// Load balancers that say whom they speak for (PROXY protocol, version 2), and must.
    pub proxy_protocol_from: Vec<Network>,
    /// Where tapes are written.
    pub tape_dir: PathBuf,
    /// New recorded sessions are refused when less than this many bytes are free there.
    pub min_free_bytes: u64,
    /// This node.
    pub node: NodeId,
    /// Its name for people.
    pub node_name: String,
    /// The group of gateways it belongs to; may be empty.
    pub gateway_group: String,
    /// How long a target may take to answer and to let us in.
    pub target_timeout: Duration,
    /// How long a client may take to authenticate.
    pub login_grace: Duration,
    /// How long a client that named no host may do nothing.
    pub lobby_idle: Duration,
    /// Connections that have not authenticated yet, over all sources.
    pub max_unauthenticated: usize,
    /// Silence after which a peer is asked whether it is still there.
    pub keepalive: Duration,
    /// Who gives tickets for RDP targets.
    pub kdcs: Kdcs,
}

/// The way in by RDP.
#[derive(Clone)]
pub struct RdpConfig {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// How their users may prove who they are, the preferred way first.
    pub security: Vec<Security>,
    /// The gateway's certificate and key.
    pub tls: Arc<rustls::ServerConfig>,
    /// That certificate, in DER.
    pub certificate: CertificateDer<'static>,
    /// The public key in it.
    pub public_key: PublicKey,
}

/// What users' clients may speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAlgorithms {
    /// What an audit finds nothing against: post-quantum key exchange only, and authenticated ciphers.
    #[default]
    Strict,
    /// Also what is sound but older, for clients that have nothing better.
    Compatible,
}

impl Default for ProxyConfig {
    /// Loopback, no host key (which [`crate::start`] refuses), and cautious limits.
    fn default() -> Self {
        Self {
            ssh_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 2222)),
            rdp: None,
            banner: None,
            algorithms: ClientAlgorithms::default(),
            host_keys: Vec::new(),
            ca_key: Zeroizing::default(),
            user_ca_keys: Vec::new(),
            proxy_protocol_from: Vec::new(),
            tape_dir: PathBuf::from("data/tapes"),
            min_free_bytes: 64 << 20,
            node: NodeId::from(uuid::Uuid::nil()),
            node_name: "sallyport".to_owned(),
            gateway_group: String::new(),
            target_timeout: Duration::from_secs(10),
            login_grace: Duration::from_secs(120),
            lobby_idle: Duration::from_secs(300),
            max_unauthenticated: 200,
            keepalive: Duration::from_secs(30),
            kdcs: Kdcs::default(),
        }
    }
}
