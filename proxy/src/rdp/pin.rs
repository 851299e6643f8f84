//! Is this the target it should be? A pinned certificate, given or from the first use.

use sallyport_domain::declared::{OnMismatch, RdpEndpoint};
use sallyport_domain::id::NounId;
use sallyport_store::Store;

use super::tls::PublicKey;
use crate::clock;
use crate::enter::Verdict;

/// Checks the certificate a target shows.
pub struct PinCheck {
    store: Store,
    host: NounId,
    /// `first-use`, or what is pinned.
    believed: String,
    on_mismatch: OnMismatch,
}

const FIRST_USE: &str = "first-use";

impl PinCheck {
    /// A check against what is declared for the host, or pinned by its first use.
    pub fn new(store: Store, host: NounId, endpoint: &RdpEndpoint) -> Self {
        Self {
            store,
            host,
            believed: endpoint.certificate.to_ascii_lowercase(),
            on_mismatch: endpoint.on_mismatch,
        }
    }

    /// Checks the key; pins it if it is the first.
    pub async fn check(&self, key: &PublicKey) -> Verdict {
        let shown = &key.fingerprint;
        match self.believed.as_str() {
            FIRST_USE => self.check_first_use(shown).await,
            pinned if pinned == shown => Verdict::Known(shown.clone()),
            _ => Verdict::mismatch(shown.clone(), self.on_mismatch),
        }
    }

    async fn check_first_use(&self, shown: &str) -> Verdict {
        match self.store.rdp_pins(self.host).await {
            Ok(pins) if pins.iter().any(|pin| pin == shown) => {
                return Verdict::Known(shown.to_owned());
            }
            Ok(pins) if !pins.is_empty() => {
                return Verdict::mismatch(shown.to_owned(), self.on_mismatch);
            }
            Ok(_) => {}
            Err(_) => return Verdict::Unknown(shown.to_owned()),
        }
        // Two first connections may race: what is pinned afterwards decides.
        match self.store.pin_rdp_key(self.host, shown, clock::now()).await {
            Ok(pins) if pins.iter().any(|pin| pin == shown) => Verdict::Pinned(shown.to_owned()),
            Ok(_) => Verdict::mismatch(shown.to_owned(), self.on_mismatch),
            Err(_) => Verdict::Unknown(shown.to_owned()),
        }
    }
}
