//! Secrets of accounts: sealed on the way in, opened in one way only.

use chrono::{DateTime, Utc};
use sallyport_domain::event::Event;
use sallyport_domain::id::{NounId, SessionId};
use sallyport_domain::permit::Permit;
use sqlx::AnyConnection;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::kept::Tx;
use crate::open::Store;
use crate::script::Script;
use crate::session::append;
use crate::sql::{Columns, micros};
use crate::vault::{Place, Sealed, VaultError};

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretField {
    /// A password.
    Password,
    /// A private key in OpenSSH or PEM form.
    PrivateKey,
}

impl SecretField {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Password, Self::PrivateKey];

    /// The name in the database and in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PrivateKey => "private_key",
        }
    }
}

/// A secret in clear, on its way to the target. Has no `Debug`, is wiped when dropped.
pub struct OpenedSecret {
    /// What it is.
    pub field: SecretField,
    /// Which version.
    pub version: i64,
    /// The secret.
    pub value: Zeroizing<String>,
}

/// As which field the NT hash of a user's own password is sealed, if she lets it be kept. Not among
/// [`SecretField`]: it opens no account.
pub(crate) const NT_HASH: &str = "nt_hash";

/// Seals a secret, unless it is the stored one already. Answers whether it is new.
pub(crate) async fn put(
    tx: &mut Tx,
    store: &Store,
    owner: NounId,
    field: &str,
    value: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let version = match get(tx, store, owner, field).await {
        Ok(Some((_, stored))) if stored.as_bytes().ct_eq(value.as_bytes()).into() => {
            return Ok(false);
        }
        Ok(Some((version, _))) => version + 1,
        Ok(None) => 1,
        // Declaring it again is how a damaged secret is mended.
        Err(StoreError::Vault(VaultError::Tampered { .. } | VaultError::OtherKey { .. })) => {
            version(tx, owner, field).await? + 1
        }
        Err(error) => return Err(error),
    };
    let id = owner.to_string();
    let sealed = store.inner.vault.seal(
        Place {
            owner: &id,
            field,
            version,
        },
        value,
    )?;
    sqlx::query(
        "INSERT INTO secret (owner_id, field, version, key_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (owner_id, field) DO UPDATE SET version = $3, key_id = $4, sealed = $5, created_at = $6",
    )
    .bind(id)
    .bind(field)
    .bind(version)
    .bind(sealed.key_id)
    .bind(sealed.bytes)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

async fn version(tx: &mut Tx, owner: NounId, field: &str) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT version FROM secret WHERE owner_id = $1 AND field = $2")
        .bind(owner.to_string())
        .bind(field)
        .fetch_one(&mut **tx)
        .await?;
    row.int("version")
}

/// Version and value.
async fn get(
    connection: &mut AnyConnection,
    store: &Store,
    owner: NounId,
    field: &str,
) -> Result<Option<(i64, Zeroizing<String>)>, StoreError> {
    let id = owner.to_string();
    let row = sqlx::query(
        "SELECT version, key_id, sealed FROM secret WHERE owner_id = $1 AND field = $2",
    )
    .bind(id.as_str())
    .bind(field)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let version = row.int("version")?;
    let sealed = Sealed {
        key_id: row.text("key_id")?,
        bytes: row.bytes("sealed")?,
    };
    let value = store.inner.vault.open(
        Place {
            owner: &id,
            field,
            version,
        },
        &sealed,
    )?;
    Ok(Some((version, value)))
}

impl Store {
    /// Opens the secret of the permit's account; a private key if it has one, else its password.
    /// It is given out only after the session's `secret.used` event was written: there is no use without
    /// its trace.
    ///
    /// # Errors
    /// [`StoreError::NoSecret`], [`StoreError::Vault`], [`StoreError::NotFound`] for an unknown session.
    pub async fn open_secret(
        &self,
        permit: &Permit,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<OpenedSecret, StoreError> {
        let fields = [SecretField::PrivateKey, SecretField::Password];
        self.open_one_of(&fields, permit, session, now).await
    }

    /// As [`Store::open_secret`], but only a password will do: RDP has no use for a key.
    ///
    /// # Errors
    /// [`StoreError::NoSecret`], also for an account that has a private key alone; the rest as there.
    pub async fn open_password(
        &self,
        permit: &Permit,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<OpenedSecret, StoreError> {
        self.open_one_of(&[SecretField::Password], permit, session, now)
            .await
    }

    /// The one way to a secret of an account: the first of `fields` that it has.
    async fn open_one_of(
        &self,
        fields: &[SecretField],
        permit: &Permit,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<OpenedSecret, StoreError> {
        let account = permit.account();
        let mut opened = None;
        let mut asking = self.ask().await?;
        for field in fields.iter().copied() {
            let found = get(&mut asking, self, permit.account_id(), field.as_str()).await?;
            if let Some((version, value)) = found {
                opened = Some(OpenedSecret {
                    field,
                    version,
                    value,
                });
                break;
            }
        }
        drop(asking);
        let opened = opened.ok_or_else(|| StoreError::NoSecret {
            account: account.full_name(),
        })?;
        let event = Event::SecretUsed {
            account: account.name.clone(),
            host: permit.host().name.clone(),
            field: opened.field.as_str().to_owned(),
            version: opened.version,
            permit: format!("{} / {}", permit.policy(), permit.activity()),
        };
        let mut used = Script::default();
        append(&mut used, session, &[(now, event)])?;
        self.run(used, &[]).await?;
        Ok(opened)
    }
}
