//! Is this the target it should be? A pinned certificate, given or from the first use; or an authority vouches for it.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use sallyport_domain::declared::{CertificateTrust, OnMismatch, RdpEndpoint};
use sallyport_domain::id::NounId;
use sallyport_store::Store;
use tokio::task::spawn_blocking;

use super::tls::{PublicKey, ShownChain};
use crate::clock;
use crate::enter::Verdict;

/// Checks the certificate a target shows.
pub struct PinCheck {
    store: Store,
    host: NounId,
    /// `None` if what is declared is none of what there is.
    believed: Option<CertificateTrust>,
    on_mismatch: OnMismatch,
}

impl PinCheck {
    /// A check against what is declared for the host, or pinned by its first use.
    pub fn new(store: Store, host: NounId, endpoint: &RdpEndpoint) -> Self {
        Self {
            store,
            host,
            believed: endpoint.trust().ok(),
            on_mismatch: endpoint.on_mismatch,
        }
    }

    /// Checks the key of a certificate; pins it if it is the first. `address` is where the target was reached.
    pub async fn check(&self, key: &PublicKey, shown: &ShownChain, address: &str) -> Verdict {
        let fingerprint = key.fingerprint.clone();
        let believed = match &self.believed {
            Some(CertificateTrust::FirstUse) => return self.check_first_use(fingerprint).await,
            Some(CertificateTrust::Pinned(pinned)) => *pinned == fingerprint,
            Some(CertificateTrust::Ca) => {
                let (shown, address) = (shown.clone(), address.to_owned());
                // The machine's authorities are read from its disk each time: they change while the gateway runs.
                let asked = spawn_blocking(move || is_vouched_for(&shown, &address));
                asked.await.unwrap_or(false)
            }
            None => false,
        };
        match believed {
            true => Verdict::Known(fingerprint),
            false => Verdict::mismatch(fingerprint, self.on_mismatch),
        }
    }

    async fn check_first_use(&self, shown: String) -> Verdict {
        let is_shown = |pins: &[String]| pins.contains(&shown);
        match self.store.rdp_pins(self.host).await {
            Ok(pins) if is_shown(&pins) => return Verdict::Known(shown),
            Ok(pins) if !pins.is_empty() => return Verdict::mismatch(shown, self.on_mismatch),
            Ok(_) => {}
            Err(_) => return Verdict::Unknown(shown),
        }
        // Two first connections may race: what is pinned afterwards decides.
        match self
            .store
            .pin_rdp_key(self.host, &shown, clock::now())
            .await
        {
            Ok(pins) if is_shown(&pins) => Verdict::Pinned(shown),
            Ok(_) => Verdict::mismatch(shown, self.on_mismatch),
            Err(_) => Verdict::Unknown(shown),
        }
    }
}

/// Does an authority that this machine trusts vouch for it, under the address it was reached by?
fn is_vouched_for(shown: &ShownChain, address: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from(address)) else {
        return false;
    };
    let (certificate, above) = (&shown.certificate, &shown.intermediates);
    let verified = verifier.verify_server_cert(certificate, above, &name, &[], UnixTime::now());
    if let Err(error) = &verified {
        tracing::debug!(address, %error, "no authority vouches for a target");
    }
    verified.is_ok()
}
