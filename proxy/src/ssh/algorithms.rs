//! Which algorithms each leg speaks, most preferred first.
//!
//! AES-GCM leads where the CPU has AES: there it costs half of what ChaCha20-Poly1305 does, elsewhere
//! several times as much. SSH takes the *client's* first choice (RFC 4253 section 7.1), and OpenSSH's is
//! not AES-GCM: what users' clients shall not take is therefore not offered to them, unless they
//! would have nothing left.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{AlgorithmKind, Names, Preferred, cipher, compression, kex, mac};
use sallyport_domain::algorithm::{self, LegacyAlgorithm, Negotiated};
use sallyport_domain::refusal::Refusal;

use crate::config::ClientAlgorithms;

/// Key exchanges that also hold against a quantum computer.
const POST_QUANTUM: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::SNTRUP761X25519_SHA512,
    kex::SNTRUP761X25519_SHA512_OPENSSH,
];
/// Sound ones that do not.
const CLASSICAL: &[kex::Name] = &[
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
];
/// What targets may speak besides. As a client, sntrup761 costs us 17 ms of CPU for its key pair: it
/// comes after curve25519, unlike on the clients' leg, where that is the client's work.
const TARGET_KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::SNTRUP761X25519_SHA512,
    kex::SNTRUP761X25519_SHA512_OPENSSH,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
];
/// Not key exchanges: extension negotiation (RFC 8308), and what makes Terrapin impossible
/// (OpenSSH PROTOCOL section 1.9).
const EXTENSIONS: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
const GCM: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::AES_128_GCM];
const CTR: &[cipher::Name] = &[
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
/// Encrypt-then-MAC.
const ETM: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];
/// Encrypt-and-MAC, for those who have nothing else.
const EAM: &[mac::Name] = &[mac::HMAC_SHA256, mac::HMAC_SHA512];
/// What the client's leg calls itself (RFC 4253 section 4.2).
///
/// OpenSSH's client tells only a server of this family that nobody reads its output any more
/// (`eow@openssh.com`); without that, `ssh host tail -f log | head` never ends. No version: some
/// clients work around bugs of old ones.
pub const SERVER_ID: &str = "SSH-2.0-OpenSSH_Sallyport";

/// Compression is off: it would cost CPU and leak lengths of secrets.
const COMPRESSION: &[compression::Name] = &[compression::NONE];

/// For the clients' leg.
pub fn for_clients(mode: ClientAlgorithms) -> Preferred {
    let (kex, cipher, mac) = match mode {
        ClientAlgorithms::Strict => (
            POST_QUANTUM.to_vec(),
            if has_aes() { GCM.to_vec() } else { ciphers() },
            ETM.to_vec(),
        ),
        ClientAlgorithms::Compatible => (
            [POST_QUANTUM, CLASSICAL].concat(),
            ciphers(),
            [ETM, EAM].concat(),
        ),
    };
    preferred(kex, keys(), cipher, mac)
}

/// For a target's leg; `legacy` is what its declaration allows besides.
pub fn for_targets(legacy: &[LegacyAlgorithm]) -> Preferred {
    let mut kex = TARGET_KEX.to_vec();
    let mut keys = keys();
    let mut ciphers = ciphers();
    let mut macs = [ETM, EAM].concat();
    // In the order of LegacyAlgorithm: the least bad first, and all of them last.
    for one in LegacyAlgorithm::ALL
        .iter()
        .filter(|one| legacy.contains(one))
    {
        match one {
            LegacyAlgorithm::DhGroup14Sha1 => kex.push(kex::DH_G14_SHA1),
            LegacyAlgorithm::DhGexSha1 => kex.push(kex::DH_GEX_SHA1),
            LegacyAlgorithm::DhGroup1Sha1 => kex.push(kex::DH_G1_SHA1),
            LegacyAlgorithm::SshRsa => keys.push(Algorithm::Rsa { hash: None }),
            LegacyAlgorithm::Aes256Cbc => ciphers.push(cipher::AES_256_CBC),
            LegacyAlgorithm::Aes192Cbc => ciphers.push(cipher::AES_192_CBC),
            LegacyAlgorithm::Aes128Cbc => ciphers.push(cipher::AES_128_CBC),
            LegacyAlgorithm::TripleDesCbc => ciphers.push(cipher::TRIPLE_DES_CBC),
            LegacyAlgorithm::HmacSha1Etm => macs.push(mac::HMAC_SHA1_ETM),
            LegacyAlgorithm::HmacSha1 => macs.push(mac::HMAC_SHA1),
        }
    }
    preferred(kex, keys, ciphers, macs)
}

fn preferred(
    kex: Vec<kex::Name>,
    key: Vec<Algorithm>,
    cipher: Vec<cipher::Name>,
    mac: Vec<mac::Name>,
) -> Preferred {
    Preferred {
        kex: [kex.as_slice(), EXTENSIONS].concat().into(),
        key: key.into(),
        host_key_certificates: (&[]).into(),
        cipher: cipher.into(),
        mac: mac.into(),
        compression: COMPRESSION.into(),
    }
}

/// Types of host keys, and on the clients' leg also of users' keys. No SHA-1.
fn keys() -> Vec<Algorithm> {
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    vec![
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ]
}

fn ciphers() -> Vec<cipher::Name> {
    let chacha: &[cipher::Name] = &[cipher::CHACHA20_POLY1305];
    if has_aes() {
        [GCM, chacha, CTR].concat()
    } else {
        [chacha, GCM, CTR].concat()
    }
}

/// Does this CPU do AES and the multiplication of GCM in hardware?
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let has = std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

/// What a leg agreed on, for the log.
pub fn negotiated(names: &Names) -> Negotiated {
    // With a cipher that authenticates by itself a MAC is agreed on all the same, and not used.
    let mac = match names.cipher {
        cipher::AES_256_GCM | cipher::AES_128_GCM | cipher::CHACHA20_POLY1305 => "implicit",
        _ => names.client_mac.as_ref(),
    };
    Negotiated {
        kex: names.kex.as_ref().to_owned(),
        host_key: names.key.to_string(),
        cipher: names.cipher.as_ref().to_owned(),
        mac: mac.to_owned(),
    }
}

/// Why a target and we have no algorithm in common, and what can be done about it.
pub fn nothing_in_common(host: &str, kind: &AlgorithmKind, offered: &[String]) -> Refusal {
    let what = match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "host key algorithm",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "message authentication",
    };
    let ways: Vec<LegacyAlgorithm> = offered
        .iter()
        .filter_map(|name| LegacyAlgorithm::named(name))
        .collect();
    let advice = if ways.is_empty() {
        "Sallyport speaks none of them: the host needs newer software".to_owned()
    } else {
        format!(
            "renew its software, or have an administrator allow it for this host with `ssh: {{ legacy_algorithms: [{}] }}`",
            algorithm::names(&ways)
        )
    };
    // What the target says reaches a terminal.
    let offered = crate::notice::printable(&offered.join(", "));
    Refusal::TargetAlgorithms {
        host: host.to_owned(),
        what,
        offered: offered.chars().take(512).collect(),
        advice,
    }
}

/// The largest packet, in bytes.
pub const PACKET: u32 = 32 << 10;
