//! TLS on both legs. The client sees the gateway's certificate; the target's is believed because it is pinned, or because
//! an authority vouches for it: behind TLS alone, the password travels inside.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use sallyport_domain::algorithm::Negotiated;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What CredSSP and pins need of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The bits of SubjectPublicKey, to which CredSSP binds (MS-CSSP 3.1.5).
    pub bits: Vec<u8>,
    /// SHA-256 of the whole SubjectPublicKeyInfo, in hexadecimal: what is pinned.
    pub fingerprint: String,
}

impl PublicKey {
    /// Of a certificate in DER; `None` if it is none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let info = parsed.public_key();
        Some(Self {
            bits: info.subject_public_key.data.to_vec(),
            fingerprint: hex(&Sha256::digest(info.raw)),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps the certificate that a target shows, and leaves it to the caller to believe it. That the target holds its key is
/// checked here, as always.
#[derive(Debug)]
pub struct Keeper {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<ShownChain>>,
}

/// What a target showed.
#[derive(Debug, Clone)]
pub struct ShownChain {
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// Those that lead to an authority.
    pub intermediates: Vec<CertificateDer<'static>>,
}

impl Keeper {
    /// What was shown.
    pub fn shown(&self) -> Option<ShownChain> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ServerCertVerifier for Keeper {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(ShownChain {
            certificate: shown.clone().into_owned(),
            intermediates: intermediates
                .iter()
                .map(|one| one.clone().into_owned())
                .collect(),
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

/// Settings of one leg to a target, and what will have been shown there.
pub fn to_target() -> Result<(Arc<ClientConfig>, Arc<Keeper>), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let keeper = Arc::new(Keeper {
        provider: provider.clone(),
        seen: Mutex::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(keeper.clone())
        .with_no_client_auth();
    Ok((Arc::new(config), keeper))
}

/// What a leg agreed on, in the words of the log.
pub fn negotiated(leg: &rustls::CommonState) -> Negotiated {
    let group = leg.negotiated_key_exchange_group();
    let suite = leg.negotiated_cipher_suite();
    Negotiated {
        kex: group
            .map(|group| format!("{:?}", group.name()))
            .unwrap_or_default(),
        host_key: String::new(),
        cipher: suite
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        mac: "implicit".to_owned(),
    }
}

/// What is wrong with the gateway's own certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("the certificate: {0}")]
    Certificate(rustls::pki_types::pem::Error),
    /// Its key cannot be read.
    #[error("the private key: {0}")]
    Key(rustls::pki_types::pem::Error),
    /// There is none in the file.
    #[error("the file holds no X.509 certificate")]
    None,
    /// They do not go together, or nobody knows their kind.
    #[error("{0}")]
    Unusable(#[from] rustls::Error),
}

/// The gateway's side of TLS, from PEM; its certificate, and the public key in it that CredSSP binds to.
///
/// # Errors
/// If the texts are no certificate and key that go together.
pub fn of_gateway(
    certificate: &str,
    private_key: &str,
) -> Result<(Arc<ServerConfig>, CertificateDer<'static>, PublicKey), CertificateError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(CertificateError::Certificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(CertificateError::Key)?;
    let first = chain.first().cloned().ok_or(CertificateError::None)?;
    let public_key = PublicKey::of(&first).ok_or(CertificateError::None)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok((Arc::new(config), first, public_key))
}
