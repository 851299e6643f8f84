//! Is this the host it should be? Pinned keys, given or from the first use.

use crate::clock;
use crate::enter::Verdict;
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
            HostKeys::Pinned(_) => Verdict::mismatch(fingerprint, self.on_mismatch),
            HostKeys::FirstUse => self.check_first_use(&key, fingerprint).await,
        }
    }

    async fn check_first_use(&self, key: &PublicKey, fingerprint: String) -> Verdict {
        let Ok(line) = key.to_openssh() else {
            return Verdict::Unknown(fingerprint);
        };
        match self.store.host_keys(self.host).await {
            Ok(keys) if is_among(key, &keys) => return Verdict::Known(fingerprint),
            Ok(keys) if !keys.is_empty() => {
                return Verdict::mismatch(fingerprint, self.on_mismatch);
            }
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
            Ok(_) => Verdict::mismatch(fingerprint, self.on_mismatch),
            Err(_) => Verdict::Unknown(fingerprint),
        }
    }
}

fn is_among(key: &PublicKey, lines: &[String]) -> bool {
    lines.iter().any(|line| {
        PublicKey::from_openssh(line.trim()).is_ok_and(|pinned| pinned.key_data() == key.key_data())
    })
}
