//! Is this the host it should be? Pinned keys, given or from the first use.

use crate::clock;
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use sallyport_domain::declared::{HostKeys, OnMismatch, SshEndpoint};
use sallyport_domain::id::NounId;
use sallyport_store::Store;

/// Checks the key a host shows.
pub struct KeyCheck {
    store: Store,
    host: NounId,
    believed: HostKeys,
    on_mismatch: OnMismatch,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The pinned key; its fingerprint.
    Known(String),
    /// The first one ever seen; pinned from now on.
    Pinned(String),
    /// Another key than the pinned one.
    Mismatch {
        /// What it showed.
        fingerprint: String,
        /// Goes on all the same?
        allowed: bool,
        /// As an event?
        logged: bool,
    },
    /// The pinned keys cannot be read.
    Unknown(String),
}

impl Verdict {
    /// May the connection go on?
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::Known(_) | Self::Pinned(_) => true,
            Self::Mismatch { allowed, .. } => *allowed,
            Self::Unknown(_) => false,
        }
    }

    /// The fingerprint of the key shown.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Known(print) | Self::Pinned(print) | Self::Unknown(print) => print,
            Self::Mismatch { fingerprint, .. } => fingerprint,
        }
    }
}

impl KeyCheck {
    /// A check against what is declared for the host, or pinned by its first use.
    pub fn new(store: Store, host: NounId, endpoint: &SshEndpoint) -> Self {
        Self {
            store,
            host,
            believed: endpoint.host_keys.clone(),
            on_mismatch: endpoint.on_mismatch,
        }
    }

    /// Checks the key; pins it if it is the first.
    pub async fn check(&self, shown: &PublicKeyOrCertificate) -> Verdict {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            // Never offered by us, so a host that sends one is not following the protocol.
            PublicKeyOrCertificate::Certificate(_) => {
                return Verdict::Unknown("a certificate".to_owned());
            }
        };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        match &self.believed {
            HostKeys::Pinned(keys) if is_among(&key, keys) => Verdict::Known(fingerprint),
            HostKeys::Pinned(_) => self.mismatch(fingerprint),
            HostKeys::FirstUse => self.check_first_use(&key, fingerprint).await,
        }
    }

    async fn check_first_use(&self, key: &PublicKey, fingerprint: String) -> Verdict {
        let Ok(line) = key.to_openssh() else {
            return Verdict::Unknown(fingerprint);
        };
        match self.store.host_keys(self.host).await {
            Ok(keys) if is_among(key, &keys) => return Verdict::Known(fingerprint),
            Ok(keys) if !keys.is_empty() => return self.mismatch(fingerprint),
            Ok(_) => {}
            Err(_) => return Verdict::Unknown(fingerprint),
        }
        // Two first connections may race: what is pinned afterwards decides.
        match self
            .store
            .pin_host_key(self.host, &line, clock::now())
            .await
        {
            Ok(keys) if is_among(key, &keys) => Verdict::Pinned(fingerprint),
            Ok(_) => self.mismatch(fingerprint),
            Err(_) => Verdict::Unknown(fingerprint),
        }
    }

    fn mismatch(&self, fingerprint: String) -> Verdict {
        let (allowed, logged) = match self.on_mismatch {
            OnMismatch::Block => (false, true),
            OnMismatch::LogAndAllow => (true, true),
            OnMismatch::Allow => (true, false),
        };
        Verdict::Mismatch {
            fingerprint,
            allowed,
            logged,
        }
    }
}

fn is_among(key: &PublicKey, lines: &[String]) -> bool {
    lines.iter().any(|line| {
        PublicKey::from_openssh(line.trim()).is_ok_and(|pinned| pinned.key_data() == key.key_data())
    })
}
