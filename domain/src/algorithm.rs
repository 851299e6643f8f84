//! Names of SSH algorithms: what a leg agreed on, and the old ones a host may be spoken to with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a key exchange agreed on (RFC 4253 section 7.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Key exchange.
    pub kex: String,
    /// Type of the host key's signature.
    pub host_key: String,
    /// Cipher, the same in both directions.
    pub cipher: String,
    /// Message authentication; `implicit` if the cipher does it.
    pub mac: String,
}

impl Negotiated {
    /// Those among them that need an opt-in.
    pub fn legacy(&self) -> Vec<LegacyAlgorithm> {
        [&self.kex, &self.host_key, &self.cipher, &self.mac]
            .into_iter()
            .filter_map(|name| LegacyAlgorithm::named(name))
            .collect()
    }
}

impl fmt::Display for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}, {}",
            self.kex, self.host_key, self.cipher, self.mac
        )
    }
}

macro_rules! legacy {
    ($( $(#[$doc:meta])* $name:ident = $text:literal ),+ $(,)?) => {
        /// An algorithm with known weaknesses, for hosts that have nothing better. Never offered
        /// unless the host's declaration names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum LegacyAlgorithm { $( $(#[$doc])* #[serde(rename = $text)] $name ),+ }

        impl LegacyAlgorithm {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name ),+];

            /// The name on the wire and in declarations.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text ),+ }
            }
        }
    };
}

legacy! {
    /// Key exchange with a 2048-bit group and SHA-1.
    DhGroup14Sha1 = "diffie-hellman-group14-sha1",
    /// Key exchange with a group of the server's choice and SHA-1.
    DhGexSha1 = "diffie-hellman-group-exchange-sha1",
    /// Key exchange with a 1024-bit group and SHA-1: within reach of a rich attacker.
    DhGroup1Sha1 = "diffie-hellman-group1-sha1",
    /// RSA signatures with SHA-1, of host keys and of our own.
    SshRsa = "ssh-rsa",
    /// AES-256 in CBC mode.
    Aes256Cbc = "aes256-cbc",
    /// AES-192 in CBC mode.
    Aes192Cbc = "aes192-cbc",
    /// AES-128 in CBC mode.
    Aes128Cbc = "aes128-cbc",
    /// Triple DES in CBC mode.
    TripleDesCbc = "3des-cbc",
    /// HMAC with SHA-1, over the ciphertext.
    HmacSha1Etm = "hmac-sha1-etm@openssh.com",
    /// HMAC with SHA-1.
    HmacSha1 = "hmac-sha1",
}

impl LegacyAlgorithm {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == name)
    }
}

impl fmt::Display for LegacyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Their names, comma-separated.
pub fn names(algorithms: &[LegacyAlgorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|one| one.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_an_opt_in_is_found_among_what_was_agreed_on() {
        let agreed = |kex: &str, host_key: &str, cipher: &str, mac: &str| Negotiated {
            kex: kex.to_owned(),
            host_key: host_key.to_owned(),
            cipher: cipher.to_owned(),
            mac: mac.to_owned(),
        };
        for (agreed, legacy) in [
            (
                agreed(
                    "mlkem768x25519-sha256",
                    "ssh-ed25519",
                    "aes256-gcm@openssh.com",
                    "implicit",
                ),
                "",
            ),
            (
                agreed(
                    "diffie-hellman-group14-sha1",
                    "ssh-rsa",
                    "aes128-cbc",
                    "hmac-sha1",
                ),
                "diffie-hellman-group14-sha1, ssh-rsa, aes128-cbc, hmac-sha1",
            ),
            (
                agreed(
                    "curve25519-sha256",
                    "rsa-sha2-512",
                    "aes256-ctr",
                    "hmac-sha1-etm@openssh.com",
                ),
                "hmac-sha1-etm@openssh.com",
            ),
        ] {
            assert_eq!(names(&agreed.legacy()), legacy, "{agreed}");
        }
    }
}
