//! Connection passwords: made by the gateway for one user, to log in with where her own password will not do.
//!
//! NTLM checks a password without being told it, by its NT hash, and of her own only the argon2 hash is known.
//! So she is given another: random, for one use or a short time, perhaps for one host and activity only. What is
//! kept is its NT hash, which is as good as the password itself and therefore sealed.

use chrono::{DateTime, TimeDelta, Utc};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sallyport_domain::connect_string::{self, ConnectString};
use sallyport_domain::id::NounId;
use sallyport_domain::scope::ScopePath;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::kept::Tx;
use crate::ntlm::{nt_hash, place_field};
use crate::open::Store;
use crate::sql::{Columns, Lock, clean, lock, micros, new_id};
use crate::vault::{Place, VaultError};
use crate::who::Author;

/// How long one may live.
pub const CONNECTION_PASSWORD_LONGEST: TimeDelta = TimeDelta::hours(12);

/// How many one user may have at once: each is tried at each of her log-ins.
pub(crate) const MOST: usize = 16;

/// Letters that are not mistaken for each other; 32, so that each is five random bits.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Letters of a password: 100 bits.
const LENGTH: usize = 20;
/// Letters between two `-`.
const GROUP: usize = 4;

/// How often one may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uses {
    /// Once.
    #[default]
    One,
    /// Until it runs out.
    Many,
}

/// What a connection password is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPasswordTerms {
    /// This host only, by its name; any without.
    pub host: Option<String>,
    /// This activity only, by its name; any without.
    pub activity: Option<String>,
    /// How often.
    pub uses: Uses,
    /// For how long; never longer than [`CONNECTION_PASSWORD_LONGEST`].
    pub lifetime: TimeDelta,
}

/// A connection password as it is shown: without the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionPasswordRow {
    /// Its id.
    pub id: Uuid,
    /// The one host it is good for, if it is.
    pub host: Option<String>,
    /// The one activity it is good for, if it is.
    pub activity: Option<String>,
    /// How often it may be used.
    pub uses: Uses,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// A connection password as it is given out, once. Has no `Debug`, is wiped when dropped.
pub struct NewConnectionPassword {
    /// Everything but the password.
    pub row: ConnectionPasswordRow,
    /// The password, with its `-`, which belong to it.
    pub password: Zeroizing<String>,
}

/// Whose it is.
struct Owner {
    id: String,
    name: String,
    scope: ScopePath,
}

impl Store {
    /// Makes a connection password for a user, with an audit entry. Those that have run out are cleared away on
    /// the occasion.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] if the user has as many as she may; [`StoreError::NotFound`] for one that does not
    /// exist or is locked.
    pub async fn make_connection_password(
        &self,
        by: &Author,
        user: NounId,
        terms: &ConnectionPasswordTerms,
        now: DateTime<Utc>,
    ) -> Result<NewConnectionPassword, StoreError> {
        let password = random_password()?;
        let row = ConnectionPasswordRow {
            id: new_id(),
            host: terms.host.as_deref().map(|name| clean(name).into_owned()),
            activity: terms
                .activity
                .as_deref()
                .map(|name| clean(name).into_owned()),
            uses: terms.uses,
            created_at: now,
            expires_at: now + terms.lifetime.min(CONNECTION_PASSWORD_LONGEST),
        };
        let mut tx = self.begin().await?;
        // So that of two that are made at once the second counts the first.
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let owner = owner(&mut tx, user).await?;
        sqlx::query("DELETE FROM connection_password WHERE expires_at <= $1")
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        let count =
            sqlx::query("SELECT COUNT(*) AS count FROM connection_password WHERE user_id = $1")
                .bind(owner.id.as_str())
                .fetch_one(&mut *tx)
                .await?;
        if count.number::<usize>("count")? >= MOST {
            return Err(StoreError::TooMany {
                what: "connection passwords",
                limit: MOST,
            });
        }
        self.insert(&mut tx, &owner, &row, &password).await?;
        record(&mut tx, self, by, "created", &owner, &row, now).await?;
        self.commit(tx, &[]).await?;
        Ok(NewConnectionPassword { row, password })
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        owner: &Owner,
        row: &ConnectionPasswordRow,
        password: &str,
    ) -> Result<(), StoreError> {
        let hash = Zeroizing::new(hex::encode(nt_hash(password).as_ref()));
        let sealed = self.inner.vault.seal(
            Place {
                owner: &owner.id,
                field: &place_field(row.id),
                version: 1,
            },
            &hash,
        )?;
        sqlx::query(
            "INSERT INTO connection_password (id, user_id, host, activity, reusable, key_id, sealed, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(row.id.to_string())
        .bind(owner.id.as_str())
        .bind(row.host.as_deref())
        .bind(row.activity.as_deref())
        .bind(i64::from(row.uses == Uses::Many))
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .bind(micros(row.created_at))
        .bind(micros(row.expires_at))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// A user's connection passwords that are still good, oldest first.
    pub async fn connection_passwords(
        &self,
        user: NounId,
        now: DateTime<Utc>,
    ) -> Result<Vec<ConnectionPasswordRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, host, activity, reusable, created_at, expires_at FROM connection_password
             WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at, id",
        )
        .bind(user.to_string())
        .bind(micros(now))
        .fetch_all(&mut *self.ask().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Makes a user's connection password worthless, with an audit entry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the user has none of that id.
    pub async fn remove_connection_password(
        &self,
        by: &Author,
        user: NounId,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "DELETE FROM connection_password WHERE id = $1 AND user_id = $2
             RETURNING id, host, activity, reusable, created_at, expires_at",
        )
        .bind(id.to_string())
        .bind(user.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: "connection password",
            name: id.to_string(),
        })?;
        let (row, owner) = (read(&row)?, owner(&mut tx, user).await?);
        record(&mut tx, self, by, "removed", &owner, &row, now).await?;
        self.commit(tx, &[]).await
    }

    /// Takes one use of a connection password, with an audit entry: true once for one that is good for one use,
    /// however many ask at once. False if it is gone, used, or has run out.
    pub async fn use_connection_password(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "SELECT p.id AS id, p.user_id AS user_id, p.host AS host, p.activity AS activity, p.reusable AS reusable,
                p.created_at AS created_at, p.expires_at AS expires_at, n.name AS name, n.scope AS scope
             FROM connection_password p JOIN noun n ON n.id = p.user_id
             WHERE p.id = $1 AND p.expires_at > $2 AND n.locked = 0",
        )
        .bind(id.to_string())
        .bind(micros(now))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = row else { return Ok(false) };
        let row = read(&found)?;
        // Of several that found it on different nodes one changes the row, or all find it unchanged.
        let take = match row.uses {
            Uses::One => "DELETE FROM connection_password WHERE id = $1",
            Uses::Many => "UPDATE connection_password SET expires_at = expires_at WHERE id = $1",
        };
        let taken = sqlx::query(take)
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(false);
        }
        let owner = Owner {
            id: found.text("user_id")?,
            name: found.text("name")?,
            scope: found.word("scope")?,
        };
        let system = Author::system();
        record(&mut tx, self, &system, "used", &owner, &row, now).await?;
        self.commit(tx, &[]).await?;
        Ok(true)
    }
}

/// The user, if she may log in.
async fn owner(tx: &mut Tx, user: NounId) -> Result<Owner, StoreError> {
    let row =
        sqlx::query("SELECT name, scope FROM noun WHERE id = $1 AND kind = 'user' AND locked = 0")
            .bind(user.to_string())
            .fetch_optional(&mut **tx)
            .await?;
    let row = row.ok_or_else(|| StoreError::NotFound {
        what: "user",
        name: user.to_string(),
    })?;
    Ok(Owner {
        id: user.to_string(),
        name: row.text("name")?,
        scope: row.word("scope")?,
    })
}

fn read(row: &AnyRow) -> Result<ConnectionPasswordRow, StoreError> {
    Ok(ConnectionPasswordRow {
        id: row.parsed("id")?,
        host: row.text_or_null("host")?,
        activity: row.text_or_null("activity")?,
        uses: match row.flag("reusable")? {
            true => Uses::Many,
            false => Uses::One,
        },
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

/// An audit entry: what it is good for, never what it is.
async fn record(
    tx: &mut Tx,
    store: &Store,
    by: &Author,
    deed: &str,
    owner: &Owner,
    row: &ConnectionPasswordRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let login = ConnectString {
        user: owner.name.clone(),
        host: row.host.clone(),
        activity: row.activity.clone(),
        ..ConnectString::default()
    };
    let told = json!({ "user": owner.name, "host": row.host, "activity": row.activity, "uses": row.uses,
        "expires_at": row.expires_at });
    let gone = deed == "removed";
    let deed = Deed {
        action: &format!("connection-password.{deed}"),
        object: AuditObject {
            kind: "connection-password",
            name: &connect_string::render(&login),
            id: &row.id.to_string(),
            scope: &owner.scope,
        },
        before: if gone { &told } else { &Value::Null },
        after: if gone { &Value::Null } else { &told },
    };
    audit::record(tx, store, by, deed, now).await
}

/// `abcd-efgh-…`: random, in groups that can be read to somebody.
fn random_password() -> Result<Zeroizing<String>, StoreError> {
    let mut random = Zeroizing::new([0u8; LENGTH]);
    OsRng
        .try_fill_bytes(random.as_mut())
        .map_err(|_| VaultError::Seal)?;
    // Its final size at once: what a growing text leaves behind would not be wiped.
    let mut password = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
    for (position, byte) in random.iter().enumerate() {
        if position > 0 && position % GROUP == 0 {
            password.push('-');
        }
        let letter = LETTERS.get(usize::from(byte & 31)).copied();
        password.push(char::from(letter.unwrap_or(b'a')));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passwords_are_long_readable_and_never_the_same() {
        let made: BTreeSet<String> = (0..200)
            .map(|_| random_password().unwrap().to_string())
            .collect();
        assert_eq!(made.len(), 200);
        let mut seen = BTreeSet::new();
        for password in &made {
            let groups: Vec<&str> = password.split('-').collect();
            assert!(
                groups.iter().all(|group| group.len() == GROUP),
                "{password}"
            );
            let letters = groups.concat();
            assert_eq!(letters.len(), LENGTH);
            seen.extend(letters.into_bytes());
        }
        assert_eq!(
            seen,
            LETTERS.iter().copied().collect(),
            "every letter comes"
        );
        assert!(!seen.iter().any(|letter| b"l1o0".contains(letter)));
    }
}
