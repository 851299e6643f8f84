//! The data folder: keys, certificate, database, tapes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sallyport_domain::id::NodeId;

use crate::failure::{Failure, OrFail as _};

/// The data folder of one server.
pub struct DataDir {
    path: PathBuf,
}

/// Held by the running server; gone with it, however it ends.
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// Makes the folder with mode 0700 if it is not there; refuses one that others can write to.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let what = format!("the data folder {}", path.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .or_fail(&what)?;
        let mode = std::fs::metadata(path).or_fail(&what)?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(Failure::new(format!(
                "{what} can be written to by others (mode {:03o}); run: chmod 700 {}",
                mode & 0o777,
                path.display()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Two servers on one folder would finish each other's tapes.
    pub fn lock(&self) -> Result<Lock, Failure> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .or_fail(path.display())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::new(format!(
                "another server is running on the data folder {}; stop it first, or use another --data-dir",
                self.path.display()
            ))),
            Err(error) => Err(Failure::new(format!("{}: {error}", path.display()))),
        }
    }

    /// The vault's key.
    pub fn vault_key(&self) -> PathBuf {
        self.path.join("vault.key")
    }

    /// The gateway's SSH host key.
    pub fn host_key(&self) -> PathBuf {
        self.path.join("ssh_host_ed25519_key")
    }

    /// The key of the gateway's SSH certificate authority; all nodes share it.
    pub fn ca_key(&self) -> PathBuf {
        self.path.join("ssh_ca_ed25519_key")
    }

    /// The one that will replace it.
    pub fn next_host_key(&self) -> PathBuf {
        self.path.join("ssh_host_ed25519_key.next")
    }

    /// The API's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path.join("api-cert.pem")
    }

    /// And its key.
    pub fn private_key(&self) -> PathBuf {
        self.path.join("api-key.pem")
    }

    /// This node's id, made at the first start.
    pub fn node(&self) -> Result<NodeId, Failure> {
        let path = self.path.join("node");
        let what = path.display().to_string();
        match read(&path) {
            Ok(text) => text.trim().parse().or_fail(&what),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let node = NodeId::from(uuid::Uuid::now_v7());
                write_new(&path, 0o600, format!("{node}\n").as_bytes()).or_fail(&what)?;
                Ok(node)
            }
            Err(error) => Err(Failure::new(format!("{what}: {error}"))),
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that is not there yet. It appears whole or not at all: a crash in between leaves
/// no half of a key behind.
pub(super) fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension("new");
    match std::fs::remove_file(&partial) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::hard_link(&partial, path)?;
    std::fs::remove_file(&partial)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_used_by_one_server() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/data");
        let data_dir = DataDir::open(&path).ok().unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let lock = data_dir.lock().ok().unwrap();
        let refused = data_dir.lock().err().unwrap().to_string();
        assert!(refused.contains("another server is running"), "{refused}");
        drop(lock);
        assert!(data_dir.lock().is_ok());

        let node = data_dir.node().unwrap();
        assert_eq!(data_dir.node().unwrap(), node);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = DataDir::open(&path).err().unwrap().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
    }

    #[test]
    fn a_file_is_never_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("key");
        std::fs::write(temporary.path().join("key.new"), "half").unwrap();
        write_new(&path, 0o600, b"one").unwrap();
        assert!(write_new(&path, 0o600, b"two").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
