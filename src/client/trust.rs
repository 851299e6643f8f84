//! Which certificates a client believes: one file's, or the system's.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::{Failure, OrFail as _};

/// Trusted certificates.
#[derive(Clone)]
pub struct Trust {
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Those of a PEM file, or the system's.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let Some(path) = file else {
            // A system without a store of certificates trusts nobody; the connection says so.
            return Ok(Self {
                certificates: rustls_native_certs::load_native_certs().certs,
            });
        };
        let what = format!("SALLYPORT_CA: {}", path.display());
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .or_fail(&what)?;
        if certificates.is_empty() {
            return Err(Failure::new(format!(
                "{what}: there is no certificate in this file"
            )));
        }
        Ok(Self { certificates })
    }

    /// The certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// A TLS client that believes them.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .or_fail("TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
