//! Passwords: argon2id, off the async threads, a few at a time.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use argon2::password_hash::{PasswordHash, PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::TryRngCore;
use rand::rngs::OsRng;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::StoreError;

/// Memory in KiB, passes and lanes of one hash.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Longer texts are no passwords but an attempt to keep us busy.
pub(crate) const LONGEST: usize = 1024;

/// Checks and makes password hashes.
pub(crate) struct Passwords {
    /// Each hash takes 19 MiB and a core: whoever guesses waits in line, the rest of the program does not.
    turns: Arc<Semaphore>,
    /// The memory of checks, one for each turn, kept: what a thread frees stays that thread's, and
    /// there are many threads.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(2)),
            memory: Arc::default(),
        }
    }

    /// Does the password belong to the hash? Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        password: &str,
        hash: Option<String>,
    ) -> Result<bool, StoreError> {
        let password = Zeroizing::new(password.to_owned());
        let memory = self.memory.clone();
        self.run(move || {
            let hasher = argon2()?;
            let dummy = dummy_hash(&hasher)?;
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| dummy.to_owned());
            let parsed = PasswordHash::new(&hash)
                .map_err(|error| StoreError::damaged("a password hash", error))?;
            let pool = || memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut blocks = pool().pop().unwrap_or_default();
            let fits = password.len() <= LONGEST && is_hash_of(&parsed, &password, &mut blocks);
            pool().push(blocks);
            Ok(known && fits)
        })
        .await
    }

    /// A new hash of it.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, StoreError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || hash(&argon2()?, &password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |error: String| StoreError::Password(error);
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let work = move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| failed(error.to_string()))?
    }
}

fn argon2() -> Result<Argon2<'static>, StoreError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None)
        .map_err(|error| StoreError::Password(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Is it the hash of this password? In `memory`, which grows to what the hash's own cost demands.
fn is_hash_of(hash: &PasswordHash<'_>, password: &str, memory: &mut Vec<Block>) -> bool {
    let mut computed = || {
        let params = Params::try_from(hash).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm).ok()?;
        let version = Version::try_from(hash.version?).ok()?;
        let expected = hash.hash?;
        let mut salt = [0; 64];
        let salt = hash.salt?.decode_b64(&mut salt).ok()?;
        let mut output = vec![0; expected.len()];
        memory.resize(memory.len().max(params.block_count()), Block::default());
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(
                password.as_bytes(),
                salt,
                &mut output,
                memory.as_mut_slice(),
            )
            .ok()?;
        Some(bool::from(expected.as_bytes().ct_eq(&output)))
    };
    computed().unwrap_or(false)
}

fn hash(hasher: &Argon2<'_>, password: &str) -> Result<String, StoreError> {
    let failed = |error: String| StoreError::Password(error);
    let mut salt = [0u8; 16];
    OsRng
        .try_fill_bytes(&mut salt)
        .map_err(|error| failed(error.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(error.to_string()))?;
    let hash = hasher
        .hash_password(password.as_bytes(), &salt)
        .map_err(|error| failed(error.to_string()))?;
    Ok(hash.to_string())
}

/// The hash of nobody's password, made once.
fn dummy_hash(hasher: &Argon2<'_>) -> Result<&'static str, StoreError> {
    static DUMMY: OnceLock<String> = OnceLock::new();
    match DUMMY.get() {
        Some(hash) => Ok(hash),
        None => {
            let made = hash(hasher, "")?;
            Ok(DUMMY.get_or_init(|| made))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_verify_against_their_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(
            hash,
            passwords.hash("correct horse").await.unwrap(),
            "salted"
        );
        let long = "x".repeat(LONGEST + 1);
        for (password, known, fits) in [
            ("correct horse", true, true),
            ("Correct horse", true, false),
            ("", true, false),
            ("", false, false),
            (long.as_str(), true, false),
        ] {
            let hash = known.then(|| hash.clone());
            assert_eq!(
                passwords.verify(password, hash).await.unwrap(),
                fits,
                "{password:.20} {known}"
            );
        }
    }
}
