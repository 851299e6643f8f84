//! User certificates: keys that a trusted authority vouches for (OpenSSH PROTOCOL.certkeys).
//!
//! A certificate says who may log in and until when; what may be done is the policy's to say, so its
//! extensions (`permit-pty`, …) grant nothing here.

use std::net::IpAddr;

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use sallyport_domain::network::Network;

use crate::enter::Vouched;
use crate::notice::printable;

/// The authorities whose user certificates are accepted.
#[derive(Debug, Default)]
pub struct Authorities(Vec<KeyData>);

/// Why a certificate is not accepted. For the log only: the client is told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// Nobody we trust signed it.
    #[error("signed by {0}, which is not among the configured authorities")]
    UnknownAuthority(String),
    /// A host's, or another kind.
    #[error("it is not a user certificate")]
    NotForUsers,
    /// Its signature is wrong or made with SHA-1.
    #[error("its signature is not valid")]
    Signature,
    /// Too early or too late.
    #[error("it is valid from {from} to {to} (seconds since 1970), which now is not")]
    Expired {
        /// First second.
        from: u64,
        /// The second after the last one.
        to: u64,
    },
    /// It does not name the user; one that names nobody is good for nobody.
    #[error("it is not for this user")]
    Principal,
    /// The client comes from elsewhere than it allows.
    #[error("it may not be used from this address")]
    Source,
    /// It carries a condition that is not kept here.
    #[error("its critical option {0} is not supported")]
    CriticalOption(String),
}

impl Authorities {
    /// Reads public keys in OpenSSH's form.
    ///
    /// # Errors
    /// The text that is none.
    pub fn parse(lines: &[String]) -> Result<Self, String> {
        let key = |line: &String| match PublicKey::from_openssh(line.trim()) {
            Ok(key) => Ok(key.key_data().clone()),
            Err(error) => Err(format!("`{}` is not a public key: {error}", line.trim())),
        };
        lines.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Is it good for `user`, coming from `source`, at `now` (seconds since 1970)? That the client
    /// holds the key itself is for the caller to see.
    pub fn judge(
        &self,
        certificate: &Certificate,
        user: &str,
        source: IpAddr,
        now: u64,
    ) -> Result<Vouched, Unacceptable> {
        let authority = certificate.signature_key();
        let fingerprint = authority.fingerprint(HashAlg::Sha256).to_string();
        if !self.0.contains(authority) {
            return Err(Unacceptable::UnknownAuthority(fingerprint));
        }
        if certificate.cert_type() != CertType::User {
            return Err(Unacceptable::NotForUsers);
        }
        let sha1 = certificate.signature().algorithm() == Algorithm::Rsa { hash: None };
        if sha1 || certificate.verify_signature().is_err() {
            return Err(Unacceptable::Signature);
        }
        let (from, to) = (certificate.valid_after(), certificate.valid_before());
        if now < from || now >= to {
            return Err(Unacceptable::Expired { from, to });
        }
        if !certificate.valid_principals().iter().any(|one| one == user) {
            return Err(Unacceptable::Principal);
        }
        for (option, value) in certificate.critical_options().iter() {
            match option.as_str() {
                "source-address" if allows(value, source) => {}
                "source-address" => return Err(Unacceptable::Source),
                // `force-command` and `verify-required` among them: what we cannot keep we must not take.
                other => return Err(Unacceptable::CriticalOption(printable(other))),
            }
        }
        Ok(Vouched {
            key_id: printable(certificate.key_id()).chars().take(256).collect(),
            serial: certificate.serial(),
            authority: fingerprint,
        })
    }
}

/// A list of networks; one that cannot be read allows nothing.
fn allows(networks: &str, source: IpAddr) -> bool {
    let parsed: Result<Vec<Network>, _> = networks.split(',').map(str::parse).collect();
    parsed.is_ok_and(|networks| networks.iter().any(|one| one.contains(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_address_that_cannot_be_read_allows_nothing() {
        let source = "10.1.2.3".parse().unwrap();
        for (networks, allowed) in [
            ("10.0.0.0/8", true),
            ("192.0.2.0/24,10.1.2.3", true),
            ("192.0.2.0/24", false),
            ("10.0.0.0/8,*.example", false),
            ("", false),
        ] {
            assert_eq!(allows(networks, source), allowed, "{networks}");
        }
    }
}
