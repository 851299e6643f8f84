//! The vault: sealing and opening.
//!
//! XChaCha20-Poly1305 with a random nonce. The associated data names the owner, the field and the
//! version, so that a ciphertext copied into another row does not open there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The key that seals every secret. Has no `Debug`, is wiped when dropped.
#[derive(Clone)]
pub struct VaultKey(Zeroizing<[u8; 32]>);

/// Why a secret or the vault's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key's file cannot be read or made.
    #[error("the vault's key file {path} cannot be used: {error}")]
    File {
        /// Where.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others can read the key.
    #[error(
        "the vault's key file {path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`, and think about whether the key is still secret"
    )]
    Exposed {
        /// Where.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key.
    #[error(
        "the vault's key is not 32 bytes in hexadecimal or base64: make one with `openssl rand -hex 32`"
    )]
    NoKey,
    /// It was sealed with another key.
    #[error(
        "a secret was sealed with the vault key {sealed_with}, this one is {this}: start with the key it was sealed with"
    )]
    OtherKey {
        /// Id of the key that sealed it.
        sealed_with: String,
        /// Id of the key in use.
        this: String,
    },
    /// The row was changed, swapped or damaged.
    #[error(
        "the sealed {field} of {owner} is damaged or was moved here from elsewhere: declare it again with `sallyport apply`"
    )]
    Tampered {
        /// Whose.
        owner: String,
        /// Which field.
        field: String,
    },
    /// A secret could not be sealed.
    #[error("a secret could not be sealed: the system gave no random bytes")]
    Seal,
}

/// Where a sealed secret belongs; bound to the ciphertext.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) owner: &'a str,
    pub(crate) field: &'a str,
    pub(crate) version: i64,
}

/// A secret as it is stored.
pub(crate) struct Sealed {
    pub(crate) key_id: String,
    /// Nonce, then ciphertext with its tag.
    pub(crate) bytes: Vec<u8>,
}

const NONCE: usize = 24;

impl VaultKey {
    /// Reads the key from `path`, or makes one there with mode 0600.
    ///
    /// A file that others may read is refused: [`VaultError::Exposed`].
    pub fn load_or_create(path: &Path) -> Result<Self, VaultError> {
        let failed = |error| VaultError::File {
            path: path.display().to_string(),
            error,
        };
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path).map_err(failed)?;
                // Read back: of two starts at once the first to finish decides the key.
                Self::load(path, File::open(path).map_err(failed)?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn load(path: &Path, mut file: File) -> Result<Self, VaultError> {
        let failed = |error| VaultError::File {
            path: path.display().to_string(),
            error,
        };
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed {
                path: path.display().to_string(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(failed)?;
        Self::from_text(&text)
    }

    /// Writes a new key beside `path` and links it there whole: a crash never leaves half a key,
    /// and an existing key is never replaced.
    fn create(path: &Path) -> std::io::Result<()> {
        let mut key = Zeroizing::new([0u8; 32]);
        OsRng
            .try_fill_bytes(key.as_mut())
            .map_err(std::io::Error::other)?;
        let text = Zeroizing::new(hex::encode(key.as_ref()) + "\n");
        let draft = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        let linked = written.and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        std::fs::remove_file(&draft)?;
        linked?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            Some(_) | None => Ok(()),
        }
    }

    /// The key from 64 hexadecimal digits or base64 of 32 bytes.
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let text = text.trim();
        let engine = general_purpose::GeneralPurpose::new(
            if text.contains(['-', '_']) {
                &base64::alphabet::URL_SAFE
            } else {
                &base64::alphabet::STANDARD
            },
            general_purpose::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
        );
        let bytes = if text.len() == 64 {
            hex::decode(text).ok()
        } else {
            engine.decode(text).ok()
        };
        let bytes = Zeroizing::new(bytes.ok_or(VaultError::NoKey)?);
        let mut key = Zeroizing::new([0u8; 32]);
        if bytes.len() != key.len() {
            return Err(VaultError::NoKey);
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// Names the key without telling it: eight bytes of a hash.
    pub(crate) fn id(&self) -> String {
        let hash = Sha256::new()
            .chain_update(b"sallyport/vault-key-id|")
            .chain_update(self.0.as_ref())
            .finalize();
        hex::encode(&hash[..8])
    }

    pub(crate) fn seal(&self, place: Place<'_>, secret: &str) -> Result<Sealed, VaultError> {
        let mut nonce = [0u8; NONCE];
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| VaultError::Seal)?;
        let cipher = XChaCha20Poly1305::new(self.0.as_ref().into());
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: &place.bound(),
        };
        let sealed = cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| VaultError::Seal)?;
        Ok(Sealed {
            key_id: self.id(),
            bytes: [nonce.as_slice(), &sealed].concat(),
        })
    }

    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, VaultError> {
        if sealed.key_id != self.id() {
            return Err(VaultError::OtherKey {
                sealed_with: sealed.key_id.clone(),
                this: self.id(),
            });
        }
        let tampered = || VaultError::Tampered {
            owner: place.owner.to_owned(),
            field: place.field.to_owned(),
        };
        let (nonce, bytes) = sealed.bytes.split_at_checked(NONCE).ok_or_else(tampered)?;
        let cipher = XChaCha20Poly1305::new(self.0.as_ref().into());
        let payload = Payload {
            msg: bytes,
            aad: &place.bound(),
        };
        let opened = cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| tampered())?;
        match String::from_utf8(opened) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(tampered())
            }
        }
    }
}

impl Place<'_> {
    fn bound(&self) -> Vec<u8> {
        format!(
            "sallyport/v1|{}|{}|{}",
            self.owner, self.field, self.version
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn place<'a>(owner: &'a str, field: &'a str, version: i64) -> Place<'a> {
        Place {
            owner,
            field,
            version,
        }
    }

    #[test]
    fn a_sealed_secret_opens_in_its_own_place_only() {
        let key = VaultKey::from_text(HEX).unwrap();
        let sealed = key.seal(place("a", "password", 1), "Tr0ub4dor").unwrap();
        assert!(!sealed.bytes.windows(9).any(|part| part == b"Tr0ub4dor"));
        assert_eq!(
            key.open(place("a", "password", 1), &sealed)
                .unwrap()
                .as_str(),
            "Tr0ub4dor"
        );
        for elsewhere in [
            place("b", "password", 1),
            place("a", "private_key", 1),
            place("a", "password", 2),
        ] {
            assert!(matches!(
                key.open(elsewhere, &sealed),
                Err(VaultError::Tampered { .. })
            ));
        }
    }

    #[test]
    fn a_changed_byte_or_another_key_is_noticed() {
        let key = VaultKey::from_text(HEX).unwrap();
        let here = place("a", "password", 1);
        let sealed = key.seal(here, "x").unwrap();
        for at in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[at] ^= 1;
            let changed = Sealed {
                key_id: sealed.key_id.clone(),
                bytes,
            };
            assert!(matches!(
                key.open(here, &changed),
                Err(VaultError::Tampered { .. })
            ));
        }
        let cut = Sealed {
            key_id: sealed.key_id.clone(),
            bytes: sealed.bytes[..10].to_vec(),
        };
        assert!(matches!(
            key.open(here, &cut),
            Err(VaultError::Tampered { .. })
        ));
        let other = VaultKey::from_text(&HEX.replace("00", "ff")).unwrap();
        assert!(matches!(
            other.open(here, &sealed),
            Err(VaultError::OtherKey { .. })
        ));
    }

    #[test]
    fn keys_are_read_in_hex_and_base64() {
        let id = VaultKey::from_text(HEX).unwrap().id();
        let bytes = hex::decode(HEX).unwrap();
        let standard = general_purpose::STANDARD.encode(&bytes);
        let unpadded = general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
        for text in [format!("{HEX}\n"), HEX.to_uppercase(), standard, unpadded] {
            assert_eq!(VaultKey::from_text(&text).unwrap().id(), id, "{text}");
        }
        for text in ["", "abc", &HEX[2..], "not base64 at all!"] {
            assert!(
                matches!(VaultKey::from_text(text), Err(VaultError::NoKey)),
                "{text}"
            );
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let made = VaultKey::load_or_create(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(VaultKey::load_or_create(&path).unwrap().id(), made.id());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = VaultKey::load_or_create(&path).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        assert!(matches!(refused, VaultError::Exposed { mode: 0o640, .. }));
    }
}
