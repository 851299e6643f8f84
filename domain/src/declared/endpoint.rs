//! How hosts are reached, and how it is known that they are the ones.

use serde::{Deserialize, Serialize};

use crate::algorithm::LegacyAlgorithm;

/// How a host is reached by SSH.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshEndpoint {
    /// TCP port.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// Which host keys are believed.
    #[serde(default)]
    pub host_keys: HostKeys,
    /// What happens when the host shows another key.
    #[serde(default)]
    pub on_mismatch: OnMismatch,
    /// Weak algorithms the host may be spoken to with, because it has nothing better.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legacy_algorithms: Vec<LegacyAlgorithm>,
}

fn ssh_port() -> u16 {
    22
}

/// Which SSH host keys are believed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HostKeys {
    /// The key of the first connection is pinned, as an event.
    #[default]
    #[serde(with = "first_use")]
    FirstUse,
    /// These public keys only (`ssh-ed25519 AAAA…`).
    Pinned(Vec<String>),
}

mod first_use {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("first-use")
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
        match String::deserialize(from)?.as_str() {
            "first-use" => Ok(()),
            other => Err(de::Error::custom(format!(
                "`{other}` is not allowed here: write `first-use` or a list of public keys"
            ))),
        }
    }
}

/// What happens when a host shows another key than the pinned one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnMismatch {
    /// The connection is refused, with an event.
    #[default]
    Block,
    /// The connection goes on, with an event.
    LogAndAllow,
    /// The connection goes on.
    Allow,
}

/// How a host is reached by RDP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdpEndpoint {
    /// TCP port.
    #[serde(default = "rdp_port")]
    pub port: u16,
    /// `first-use`, `ca`, or the SHA-256 of the public key in hexadecimal: see [`RdpEndpoint::trust`].
    #[serde(default = "first_use_word")]
    pub certificate: String,
    /// What happens when the host shows another key.
    #[serde(default)]
    pub on_mismatch: OnMismatch,
}

/// Which certificates of an RDP host are believed: [`RdpEndpoint::certificate`], read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateTrust {
    /// The key of the first connection is pinned, as an event.
    FirstUse,
    /// Those that an authority the system trusts vouches for.
    Ca,
    /// The one whose SubjectPublicKeyInfo has this SHA-256, in 64 lower-case hexadecimal digits.
    Pinned(String),
}

/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

impl RdpEndpoint {
    /// Which certificates are believed.
    ///
    /// # Errors
    /// What is wrong with the declared word, and what is allowed.
    pub fn trust(&self) -> Result<CertificateTrust, String> {
        let given = self.certificate.as_str();
        let digits = given.bytes().all(|byte| byte.is_ascii_hexdigit());
        match given {
            "first-use" => Ok(CertificateTrust::FirstUse),
            "ca" => Ok(CertificateTrust::Ca),
            _ if digits && given.len() == SHA256_DIGITS => {
                Ok(CertificateTrust::Pinned(given.to_ascii_lowercase()))
            }
            _ => Err(format!(
                "`{given}` is not allowed here: write `first-use`, `ca`, or the SHA-256 of the certificate's public key in {SHA256_DIGITS} hexadecimal digits"
            )),
        }
    }
}

fn rdp_port() -> u16 {
    3389
}

fn first_use_word() -> String {
    "first-use".to_owned()
}
