//! The certificates of the API and of RDP: the configured ones, or one of our own for this machine; and the one that
//! signs `.rdp` files.

use std::io::ErrorKind;
use std::path::Path;

use chrono::{Datelike as _, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use sallyport_control_api::RdpSigner;
use tracing::warn;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::{Failure, OrFail as _};

use super::data_dir::{DataDir, write_new};

/// Who our own certificate is good for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Years until our own certificate expires; clients are told to trust exactly this one.
const YEARS: i32 = 10;

/// A certificate with its key, as PEM.
pub struct Certificate {
    /// The chain.
    pub certificate_pem: String,
    /// The key.
    pub private_key_pem: Zeroizing<String>,
}

/// Reads the files configured in `section`.
pub fn read(section: &str, certificate: &Path, private_key: &Path) -> Result<Certificate, Failure> {
    let keys = [".certificate", ".private_key"].map(|key| format!("{section}{key}"));
    read_files(&keys, certificate, private_key)
}

/// Reads the files of the settings of these names.
fn read_files(
    [of_certificate, of_key]: &[String; 2],
    certificate: &Path,
    private_key: &Path,
) -> Result<Certificate, Failure> {
    Ok(Certificate {
        certificate_pem: std::fs::read_to_string(certificate)
            .or_fail(format!("{of_certificate}: {}", certificate.display()))?,
        private_key_pem: std::fs::read_to_string(private_key)
            .map(Zeroizing::new)
            .or_fail(format!("{of_key}: {}", private_key.display()))?,
    })
}

/// The API's: the configured one, or our own.
pub fn of_api(config: &Config, data_dir: &DataDir) -> Result<Certificate, Failure> {
    match &config.api.certificate {
        Some((certificate, private_key)) => read("api", certificate, private_key),
        None => load_or_create(&data_dir.certificate(), &data_dir.private_key()),
    }
}

/// RDP's: the configured one, or the API's.
pub fn of_rdp(config: &Config, data_dir: &DataDir) -> Result<Certificate, Failure> {
    match &config.rdp.certificate {
        Some((certificate, private_key)) => read("rdp", certificate, private_key),
        None => of_api(config, data_dir),
    }
}

/// What signs `.rdp` files, if it is configured. A certificate that signs nothing now is told of, but does not keep the
/// gateway from starting: files are given out unsigned then.
pub fn rdp_signer(config: &Config) -> Result<Option<RdpSigner>, Failure> {
    let Some((certificate, private_key)) = &config.rdp.signing_certificate else {
        return Ok(None);
    };
    let keys = ["rdp.signing_certificate", "rdp.signing_key"].map(str::to_owned);
    let read = read_files(&keys, certificate, private_key)?;
    let signer = RdpSigner::new(&read.certificate_pem, &read.private_key_pem)
        .or_fail("signing .rdp files")?;
    if let Err(why) = signer.valid_at(Utc::now()) {
        warn!(%why, ".rdp files are given out unsigned");
    } else if !signer.is_for_files() {
        warn!(
            "rdp.signing_certificate is not for servers, code signing or Remote Desktop: mstsc will not believe what it \
             signs; take one with such a purpose (extended key usage)"
        );
    }
    Ok(Some(signer))
}

/// Reads our own files, or makes them. Without the key file the certificate is made anew.
pub fn load_or_create(certificate: &Path, private_key: &Path) -> Result<Certificate, Failure> {
    if private_key.exists() && certificate.exists() {
        return read("api", certificate, private_key);
    }
    for path in [certificate, private_key] {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
        }
    }
    let made = make()?;
    // The key first: a certificate without its key would be trusted by clients in vain.
    write_new(private_key, 0o600, made.private_key_pem.as_bytes())
        .or_fail(private_key.display())?;
    write_new(certificate, 0o644, made.certificate_pem.as_bytes())
        .or_fail(certificate.display())?;
    Ok(made)
}

fn make() -> Result<Certificate, Failure> {
    let what = "making the API's certificate";
    let key = KeyPair::generate().or_fail(what)?;
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).or_fail(what)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Sallyport API");
    parameters.distinguished_name = name;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let year = Utc::now().year();
    // From the last year on: clocks of clients may be behind.
    parameters.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
    let certificate = parameters.self_signed(&key).or_fail(what)?;
    Ok(Certificate {
        certificate_pem: certificate.pem(),
        private_key_pem: Zeroizing::new(key.serialize_pem()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let first = load_or_create(&certificate, &key).ok().unwrap();
        let second = load_or_create(&certificate, &key).ok().unwrap();
        assert_eq!(first.certificate_pem, second.certificate_pem);
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );

        std::fs::remove_file(&key).unwrap();
        let third = load_or_create(&certificate, &key).ok().unwrap();
        assert_ne!(first.certificate_pem, third.certificate_pem);
    }
}
