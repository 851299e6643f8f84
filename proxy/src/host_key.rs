//! The gateway's own SSH host key.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use zeroize::Zeroizing;

/// Why there is no host key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// The file cannot be read or made.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read by others; run: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// It has a passphrase, and nobody is there to type it.
    #[error("{path} has a passphrase; run: ssh-keygen -p -N '' -f {path}")]
    Encrypted {
        /// Which file.
        path: PathBuf,
    },
    /// It holds no key.
    #[error("{path} holds no OpenSSH private key: {source}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: russh::keys::ssh_key::Error,
    },
}

/// Reads the host key at `path`: an OpenSSH private key without a passphrase, mode 0600.
pub fn load(path: &Path) -> Result<Zeroizing<String>, HostKeyError> {
    let io = |source| HostKeyError::Io {
        path: path.to_owned(),
        source,
    };
    let malformed = |source| HostKeyError::Malformed {
        path: path.to_owned(),
        source,
    };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(HostKeyError::Exposed {
            path: path.to_owned(),
        });
    }
    let key = PrivateKey::from_openssh(text.as_bytes()).map_err(malformed)?;
    if key.is_encrypted() {
        return Err(HostKeyError::Encrypted {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Reads the host key at `path`, or makes an Ed25519 key there.
pub fn load_or_create(path: &Path) -> Result<Zeroizing<String>, HostKeyError> {
    let io = |source| HostKeyError::Io {
        path: path.to_owned(),
        source,
    };
    let malformed = |source| HostKeyError::Malformed {
        path: path.to_owned(),
        source,
    };
    match load(path) {
        Err(HostKeyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let seed = Zeroizing::new(rand::random::<[u8; 32]>());
            let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
            let text = key.to_openssh(LineEnding::LF).map_err(malformed)?;
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(io)?;
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(io)?;
            Ok(Zeroizing::new(text.to_string()))
        }
        loaded => loaded,
    }
}
