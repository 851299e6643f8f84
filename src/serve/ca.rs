//! The gateway's SSH certificate authority: its key in the data folder.

use sallyport_proxy::ca::HostCa;
use zeroize::Zeroizing;

use super::data_dir::DataDir;
use crate::failure::{Failure, OrFail as _};

/// The private key, made at the first start.
pub(super) fn load_or_create(data_dir: &DataDir) -> Result<Zeroizing<String>, Failure> {
    sallyport_proxy::host_key::load_or_create(&data_dir.ca_key()).or_fail("the SSH CA key")
}

/// The public key, `ssh-ed25519 AAAA…`.
pub(super) fn public_key(data_dir: &DataDir) -> Result<String, Failure> {
    HostCa::new(&load_or_create(data_dir)?)
        .and_then(|ca| ca.public_key())
        .or_fail("the SSH CA key")
}

/// The public key of the server whose data folder this is.
pub fn of_folder(path: &std::path::Path) -> Result<String, Failure> {
    public_key(&DataDir::open(path)?)
}
