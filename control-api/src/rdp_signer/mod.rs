//! Signs `.rdp` files as Microsoft's rdpsign.exe does, so that mstsc names their publisher instead of warning of an
//! unknown one.
//!
//! The form of a signature is not published. It is: two lines at the end, `signscope` with the names of what is signed
//! and `signature` with twelve bytes and a detached CMS `SignedData`, in Base64. A client may not open a file at all whose
//! signature does not hold, so rather none than one of a certificate that has expired.

mod cms;
mod scope;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::Signer;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use self::cms::{Algorithm, SignedBy};
#[cfg(test)]
pub use self::scope::SIGNED;

/// What stands before the CMS message: two numbers that rdpsign.exe always writes, then its length, all of 32 bits and
/// little endian.
const HEADER: [u32; 2] = [0x0001_0001, 1];

/// The purpose "Remote Desktop" of certificates.
const REMOTE_DESKTOP: &str = "1.3.6.1.4.1.311.54.1.2";

/// Signs `.rdp` files with one certificate.
pub struct RdpSigner {
    signer: Box<dyn Signer>,
    algorithm: Algorithm,
    /// Issuer and number of the certificate, in DER.
    name: Vec<u8>,
    /// In DER, the signer's own first.
    chain: Vec<CertificateDer<'static>>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    for_files: bool,
}

/// Why a certificate and a key cannot sign. The texts name the settings; nothing of the key is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RdpSignerError {
    /// No certificate in the file, or one that is none.
    #[error(
        "rdp.signing_certificate must be a file with a certificate in PEM form, and those that vouch for it after it"
    )]
    Certificate,
    /// No key in the file.
    #[error(
        "rdp.signing_key must be a file with a private key in PEM form and without a passphrase"
    )]
    Key,
    /// A key that cannot be used.
    #[error(
        "rdp.signing_key must be a key of RSA with 2048 to 4096 bits, or of ECDSA on P-256 or P-384"
    )]
    KeyKind,
    /// Certificate and key are not of each other.
    #[error(
        "rdp.signing_key is not the key of rdp.signing_certificate; its own certificate must be the first in the file"
    )]
    Mismatch,
}

/// Why a certificate signs nothing at some time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotValid {
    /// Not any more.
    #[error("rdp.signing_certificate expired on {0}; renew it and start again")]
    Expired(DateTime<Utc>),
    /// Not yet.
    #[error("rdp.signing_certificate is not valid before {0}; check it, and this machine's clock")]
    NotYet(DateTime<Utc>),
}

/// Why a file was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The certificate is not for now.
    #[error(transparent)]
    NotValid(#[from] NotValid),
    /// The key does not sign.
    #[error("signing failed: {0}")]
    Key(#[from] rustls::Error),
}

impl RdpSigner {
    /// Of a certificate with those that vouch for it, and its key (RSA in PKCS#8 or PKCS#1, ECDSA in PKCS#8 or SEC 1),
    /// both PEM.
    pub fn new(certificate_pem: &str, private_key_pem: &str) -> Result<Self, RdpSignerError> {
        let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| RdpSignerError::Certificate)?;
        let own = chain.first().ok_or(RdpSignerError::Certificate)?;
        let (_, certificate) =
            X509Certificate::from_der(own).map_err(|_| RdpSignerError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(private_key_pem.as_bytes())
            .map_err(|_| RdpSignerError::Key)?;
        let key = any_supported_type(&key).map_err(|_| RdpSignerError::KeyKind)?;
        let signer = key.choose_scheme(&Algorithm::SCHEMES);
        let signer = signer.ok_or(RdpSignerError::KeyKind)?;
        let algorithm = Algorithm::of(signer.scheme()).ok_or(RdpSignerError::KeyKind)?;
        let public = key.public_key().ok_or(RdpSignerError::KeyKind)?;
        if public.as_ref() != certificate.public_key().raw {
            return Err(RdpSignerError::Mismatch);
        }
        let validity = certificate.validity();
        let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
        let for_files = is_for_files(&certificate);
        Ok(Self {
            name: cms::issuer_and_serial_number(&certificate),
            signer,
            algorithm,
            not_before,
            not_after,
            for_files,
            chain,
        })
    }

    /// Is the certificate valid?
    pub fn valid_at(&self, now: DateTime<Utc>) -> Result<(), NotValid> {
        if now > self.not_after {
            return Err(NotValid::Expired(self.not_after));
        }
        if now < self.not_before {
            return Err(NotValid::NotYet(self.not_before));
        }
        Ok(())
    }

    /// Is it a certificate for servers, code or Remote Desktop, or for everything? mstsc takes no other.
    pub fn is_for_files(&self) -> bool {
        self.for_files
    }

    /// The text of a file, lines that end in CRLF, with scope and signature behind it.
    pub fn sign(&self, text: &str, now: DateTime<Utc>) -> Result<String, SigningError> {
        self.valid_at(now)?;
        let scope = scope::line(text);
        let signed = scope::signed(text, &scope);
        let signature = self.signer.sign(&signed)?;
        let by = SignedBy {
            algorithm: self.algorithm,
            name: &self.name,
            chain: &self.chain,
        };
        let message = by.message(&signature);
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let [one, two] = HEADER;
        let mut value: Vec<u8> = [one, two, length]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        value.extend(message);
        let value = STANDARD.encode(value);
        Ok(format!("{text}{scope}signature:s:{value}\r\n"))
    }
}

/// A time of a certificate; it is of no use with one that no calendar has.
fn time(time: ASN1Time) -> Result<DateTime<Utc>, RdpSignerError> {
    DateTime::from_timestamp(time.timestamp(), 0).ok_or(RdpSignerError::Certificate)
}

fn is_for_files(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => {
            let usage = usage.value;
            let mut others = usage.other.iter();
            usage.any
                || usage.server_auth
                || usage.code_signing
                || others.any(|other| other.to_id_string() == REMOTE_DESKTOP)
        }
        Ok(None) => true,
        Err(_) => false,
    }
}
