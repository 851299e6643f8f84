//! Passwords, API keys and account secrets that come with a declaration.

use chrono::{DateTime, Utc};
use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use sha2::{Digest, Sha256};

use super::item::{Item, Proof, key};
use crate::error::{ApplyError, StoreError};
use crate::kept::Tx;
use crate::open::Store;
use crate::secret::{self, SecretField};
use crate::sql::{Columns, micros};

/// What was worked out before the transaction.
pub(super) enum Prepared {
    /// Nothing to store, or it is the stored one.
    Nothing,
    /// A new password's hash.
    PasswordHash(String),
}

/// Hashes a password that is not the stored one.
pub(super) async fn prepare(store: &Store, item: &Item) -> Result<Prepared, StoreError> {
    let Proof::Password(password) = &item.proof else {
        return Ok(Prepared::Nothing);
    };
    let row = sqlx::query(
        "SELECT c.password_hash AS password_hash FROM noun n JOIN credential c ON c.noun_id = n.id
         WHERE n.kind = $1 AND n.key = $2",
    )
    .bind(item.kind.as_str())
    .bind(key(item.kind, &item.name))
    .fetch_optional(&store.inner.reader)
    .await?;
    let stored = row
        .map(|row| row.text_or_null("password_hash"))
        .transpose()?
        .flatten();
    if stored.is_some() && store.inner.passwords.verify(password, stored).await? {
        return Ok(Prepared::Nothing);
    }
    Ok(Prepared::PasswordHash(
        store.inner.passwords.hash(password).await?,
    ))
}

/// Stores what is new. Answers the fields that changed.
pub(super) async fn store(
    tx: &mut Tx,
    store: &Store,
    id: NounId,
    item: &Item,
    prepared: &Prepared,
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, ApplyError> {
    let mut changed = Vec::new();
    match (&item.proof, prepared) {
        (Proof::None, _) | (Proof::Password(_), Prepared::Nothing) => {}
        (Proof::Password(_), Prepared::PasswordHash(hash)) => {
            set_password(tx, id, hash, false, now).await?;
            changed.push("password");
        }
        (Proof::ApiKey(api_key), _) => {
            if set_api_key(tx, id, &item.name, api_key, now).await? {
                changed.push("api_key");
            }
        }
        (
            Proof::Account {
                password,
                private_key,
            },
            _,
        ) => {
            for (field, value) in [
                (SecretField::Password, password),
                (SecretField::PrivateKey, private_key),
            ] {
                if let Some(value) = value
                    && secret::put(tx, store, id, field.as_str(), value, now).await?
                {
                    changed.push(field.as_str());
                }
            }
        }
    }
    Ok(changed)
}

/// Stores a password's hash. Whoever is logged in with the old one is logged out, and what else the old one
/// gave is void: connection passwords, and the NT hash.
pub(crate) async fn set_password(
    tx: &mut Tx,
    id: NounId,
    hash: &str,
    must_change: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO credential (noun_id, password_hash, must_change, changed_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (noun_id) DO UPDATE SET password_hash = $2, must_change = $3, changed_at = $4",
    )
    .bind(id.to_string())
    .bind(hash)
    .bind(i64::from(must_change))
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM secret WHERE owner_id = $1 AND field = $2")
        .bind(id.to_string())
        .bind(secret::NT_HASH)
        .execute(&mut **tx)
        .await?;
    shut_out(tx, id).await
}

/// Voids everything that was given to somebody to get in with: tokens and connection passwords.
pub(crate) async fn shut_out(tx: &mut Tx, id: NounId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM token WHERE noun_id = $1",
        "DELETE FROM connection_password WHERE user_id = $1",
    ] {
        sqlx::query(sql)
            .bind(id.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// As which text an API key or a token is stored: both are random, so a plain hash is enough.
pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

async fn set_api_key(
    tx: &mut Tx,
    id: NounId,
    name: &str,
    api_key: &str,
    now: DateTime<Utc>,
) -> Result<bool, ApplyError> {
    let hash = digest(api_key);
    let row = sqlx::query(
        "SELECT n.id AS id, n.name AS name FROM credential c JOIN noun n ON n.id = c.noun_id WHERE c.api_key_hash = $1",
    )
    .bind(hash.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = row {
        if row.text("id")? == id.to_string() {
            return Ok(false);
        }
        let problem = format!(
            "is already the key of application {}; each needs its own",
            row.text("name")?
        );
        return Err(ApplyError::bad_value(
            NounKind::Application,
            name,
            "api_key",
            problem,
        ));
    }
    sqlx::query(
        "INSERT INTO credential (noun_id, api_key_hash, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (noun_id) DO UPDATE SET api_key_hash = $2, changed_at = $3",
    )
    .bind(id.to_string())
    .bind(hash)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    Ok(true)
}
