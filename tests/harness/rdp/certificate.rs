use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::harness::{run, run_with_input, tool};

/// A server's own TLS certificate and its key (RSA, as Windows makes them), in a folder.
#[derive(Debug, Clone)]
pub struct Certificate {
    dir: PathBuf,
    der: Vec<u8>,
}

impl Certificate {
    /// Makes one as `cert.pem` and `key.pem`; what was there before is replaced.
    pub(super) fn make(dir: &Path, name: &str) -> Self {
        let mut certificate = Self {
            dir: dir.to_owned(),
            der: Vec::new(),
        };
        let mut openssl = tool("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
            .args(["-days", "365", "-subj", &format!("/CN={name}")])
            .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
            .arg("-keyout")
            .arg(certificate.key_file())
            .arg("-out")
            .arg(certificate.file());
        run(openssl, Duration::from_secs(60)).ok();
        let text = fs::read_to_string(certificate.file()).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        certificate.der = STANDARD.decode(lines.collect::<String>()).unwrap();
        certificate
    }

    /// The certificate, as PEM.
    pub fn file(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }

    /// Its private key, as PEM.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("key.pem")
    }

    /// The certificate, as DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the certificate as DER, in lowercase hex.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.der()))
    }

    /// The SHA-256 of its public key (SubjectPublicKeyInfo), in lowercase hex.
    pub fn key_fingerprint(&self) -> String {
        let mut openssl = tool("sh");
        openssl.args([
            "-c",
            "openssl x509 -inform DER -noout -pubkey | openssl pkey -pubin -outform DER",
        ]);
        let key = run_with_input(openssl, self.der.clone(), Duration::from_secs(30));
        hex::encode(Sha256::digest(key.ok().out))
    }
}
