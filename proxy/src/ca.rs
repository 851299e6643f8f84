//! The gateway's SSH certificate authority: host keys and host certificates for connections that
//! end in the gateway instead of at the host (`ssh -J`).
//!
//! Every declared host has a key of its own, derived from the authority's: the same on every node
//! that has the authority's key, and after every restart. A client that knows the authority
//! (`@cert-authority`) believes the certificate; one that does not pins the key.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use ring::hmac;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{Certificate, PrivateKey, ssh_key};
use sallyport_domain::declared::Host;
use zeroize::Zeroizing;

use crate::notice::printable;

/// Clocks of clients may be behind ours.
const BACKDATED: Duration = Duration::hours(1);
/// A certificate is made for each connection, and must outlast it: it is shown again when keys are renewed.
const VALIDITY: Duration = Duration::hours(24);
/// Separates these keys from whatever else may be derived some day.
const CONTEXT: &[u8] = b"sallyport ssh host key 1\0";
/// SSH's own port, which clients leave out of host names.
const SSH_PORT: u32 = 22;

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Not a key.
    #[error(transparent)]
    Malformed(#[from] ssh_key::Error),
    /// Host keys are derived from an Ed25519 seed.
    #[error("it is not an Ed25519 key; make one with: ssh-keygen -t ed25519 -N ''")]
    NotEd25519,
}

/// The authority.
pub struct HostCa {
    key: PrivateKey,
    derive: hmac::Key,
}

/// What a host shows.
pub struct HostIdentity {
    /// Its key.
    pub key: PrivateKey,
    /// The authority's word for it.
    pub certificate: Certificate,
}

impl HostCa {
    /// From an OpenSSH private key in PEM.
    pub fn new(text: &str) -> Result<Self, CaError> {
        let key = PrivateKey::from_openssh(text.as_bytes())?;
        let derive = match key.key_data() {
            KeypairData::Ed25519(pair) => {
                let seed = Zeroizing::new(pair.private.to_bytes());
                hmac::Key::new(hmac::HMAC_SHA256, &seed[..])
            }
            _ => return Err(CaError::NotEd25519),
        };
        Ok(Self { key, derive })
    }

    /// The authority's public key, `ssh-ed25519 AAAA…`.
    pub fn public_key(&self) -> Result<String, CaError> {
        let public = ssh_key::PublicKey::new(self.key.public_key().key_data().clone(), "");
        Ok(public.to_openssh()?.trim().to_owned())
    }

    /// The key of `host`, and a certificate for every name by which a client may know it: what was
    /// asked for (`asked`, a name or address and a port), its name, friendly name and address.
    pub fn identity(
        &self,
        host: &Host,
        asked: (&str, u32),
        now: DateTime<Utc>,
    ) -> Result<HostIdentity, CaError> {
        let key = self.host_key(&host.name);
        let seconds = |time: DateTime<Utc>| u64::try_from(time.timestamp()).unwrap_or_default();
        let nonce: [u8; 32] = rand::random();
        let mut builder = Builder::new(
            nonce,
            key.public_key().key_data().clone(),
            seconds(now - BACKDATED),
            seconds(now + VALIDITY),
        )?;
        builder
            .serial(u64::try_from(now.timestamp_micros()).unwrap_or_default())?
            .key_id(format!("sallyport host {}", printable(&host.name)))?
            .cert_type(CertType::Host)?;
        for name in principals(host, asked) {
            builder.valid_principal(name)?;
        }
        let certificate = builder.sign(&self.key)?;
        Ok(HostIdentity { key, certificate })
    }

    fn host_key(&self, name: &str) -> PrivateKey {
        let mut context = hmac::Context::with_key(&self.derive);
        context.update(CONTEXT);
        context.update(name.as_bytes());
        let tag = context.sign();
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(tag.as_ref());
        PrivateKey::from(Ed25519Keypair::from_seed(&seed))
    }
}

/// Every name of the host that a client may compare with, in lower case as clients do; behind
/// another port than 22 also as `[name]:port`.
fn principals(host: &Host, (asked, port): (&str, u32)) -> BTreeSet<String> {
    let own_port = host.ssh.as_ref().map(|ssh| u32::from(ssh.port));
    let ports: BTreeSet<u32> = [Some(port), own_port].into_iter().flatten().collect();
    let mut principals = BTreeSet::new();
    for name in [asked, &host.name, &host.friendly_name, &host.address] {
        let name = name.to_lowercase();
        if name.is_empty() {
            continue;
        }
        for port in ports.iter().filter(|port| **port != SSH_PORT) {
            principals.insert(format!("[{name}]:{port}"));
        }
        principals.insert(name);
    }
    principals
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::ssh_key::LineEnding;

    fn ca(seed: u8) -> HostCa {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
        HostCa::new(&key.to_openssh(LineEnding::LF).unwrap()).unwrap()
    }

    fn host(name: &str) -> Host {
        serde_json::from_value(serde_json::json!({
            "name": name, "friendly_name": "The Web", "address": "10.0.0.5", "ssh": { "port": 2200 },
        }))
        .unwrap()
    }

    #[test]
    fn a_host_keeps_its_key_and_has_it_for_itself() {
        let now = Utc::now();
        let key = |ca: &HostCa, name| {
            let identity = ca.identity(&host(name), (name, 22), now).unwrap();
            identity.key.public_key().to_openssh().unwrap()
        };
        assert_eq!(key(&ca(1), "web"), key(&ca(1), "web"));
        assert_ne!(key(&ca(1), "web"), key(&ca(1), "db"));
        assert_ne!(key(&ca(1), "web"), key(&ca(2), "web"));
    }

    #[test]
    fn the_certificate_names_all_a_client_may_ask_for_and_is_short_lived() {
        let (ca, now) = (ca(1), Utc::now());
        let identity = ca.identity(&host("Web"), ("WEB.example", 22), now).unwrap();
        let certificate = identity.certificate;
        let authority = ca.key.public_key().fingerprint(ssh_key::HashAlg::Sha256);
        certificate
            .validate_at(u64::try_from(now.timestamp()).unwrap(), [&authority])
            .unwrap();
        assert_eq!(certificate.cert_type(), CertType::Host);
        assert_eq!(
            certificate.public_key(),
            identity.key.public_key().key_data()
        );
        let names = certificate.valid_principals();
        for name in [
            "web",
            "web.example",
            "the web",
            "10.0.0.5",
            "[10.0.0.5]:2200",
        ] {
            assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|one| one.ends_with(":22")), "{names:?}");
        let day = 25 * 3600;
        assert!(certificate.valid_before() - certificate.valid_after() <= day);
    }

    #[test]
    fn only_an_ed25519_key_will_do() {
        assert!(matches!(HostCa::new("no key"), Err(CaError::Malformed(_))));
    }
}
