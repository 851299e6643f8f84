//! What NTLM checks a log-in against: NT hashes.
//!
//! A client proves with NTLM that it knows a password without telling it, and only who has the password or its NT
//! hash can see that it does (MS-NLMP 3.3.2). Of a user's own password only the argon2 hash is known, so there
//! are the connection passwords, and the NT hash of her own if she lets it be kept.

use chrono::{DateTime, Utc};
use md4::{Digest, Md4};
use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use sallyport_domain::scope::ScopePath;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::kept::Tx;
use crate::open::Store;
use crate::password::LONGEST;
use crate::secret::{self, NT_HASH};
use crate::sql::{Columns, Lock, clean, lock, micros};
use crate::vault::{Place, Sealed};
use crate::who::Author;

/// Bytes of an NT hash.
const NT_HASH_BYTES: usize = 16;

/// Which password a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateId {
    /// A connection password: take its use with [`Store::use_connection_password`] before letting anybody in.
    ConnectionPassword(Uuid),
    /// The user's own password.
    UserHash,
}

/// A password that a user may log in with, as NTLM needs it. Has no `Debug`: the hash is as good as the password.
pub struct NtlmCandidate {
    /// Which.
    pub id: CandidateId,
    /// MD4 of the password in UTF-16LE (MS-NLMP 3.3.1); wiped when dropped.
    pub nt_hash: Zeroizing<[u8; NT_HASH_BYTES]>,
    /// The one host it is good for, by its name; any without.
    pub host: Option<String>,
    /// The one activity it is good for, by its name; any without.
    pub activity: Option<String>,
}

impl NtlmCandidate {
    /// Is it this password? Takes as long whatever the answer.
    pub fn is(&self, password: &str) -> bool {
        self.nt_hash
            .as_ref()
            .ct_eq(nt_hash(password).as_ref())
            .into()
    }
}

/// Of every password of `$1` that is good at `$2`: connection passwords, newest first, then her own.
const CANDIDATES: &str =
    "SELECT n.id AS user_id, p.id AS id, p.host AS host, p.activity AS activity, p.key_id AS key_id, p.sealed AS sealed,
        1 AS version, p.created_at AS created_at
     FROM noun n JOIN connection_password p ON p.user_id = n.id
     WHERE n.kind = $3 AND n.key = $1 AND n.locked = 0 AND p.expires_at > $2
     UNION ALL SELECT n.id, '', NULL, NULL, s.key_id, s.sealed, s.version, 0
     FROM noun n JOIN secret s ON s.owner_id = n.id AND s.field = $4
     WHERE n.kind = $3 AND n.key = $1 AND n.locked = 0
     ORDER BY 8 DESC, 2";

impl Store {
    /// The passwords that a user may log in with by NTLM: few, see [`StoreError::TooMany`]. None for one that does
    /// not exist or is locked. One that cannot be opened is left out, with a line in the log: it must not keep
    /// its user from logging in with the others.
    pub async fn ntlm_candidates(
        &self,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<NtlmCandidate>, StoreError> {
        let rows = sqlx::query(CANDIDATES)
            .bind(clean(user).into_owned())
            .bind(micros(now))
            .bind(NounKind::User.as_str())
            .bind(NT_HASH)
            .fetch_all(&mut *self.ask().await?)
            .await?;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.candidate(row) {
                Ok(candidate) => candidates.push(candidate),
                Err(error @ (StoreError::Vault(_) | StoreError::Damaged { .. })) => {
                    tracing::warn!(user, %error, "a password for NTLM cannot be opened");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(candidates)
    }

    /// The connection password of a user that this is, if it is one: for clients that tell the password itself.
    /// Its use is yet to be taken, with [`Store::use_connection_password`]. Her own password is none: see
    /// [`Store::authenticate_password`].
    pub async fn check_connection_password(
        &self,
        user: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<NtlmCandidate>, StoreError> {
        if password.len() > LONGEST {
            return Ok(None);
        }
        let given = nt_hash(password);
        let mut found = None;
        // All of them, whichever it is: the time tells nothing.
        for candidate in self.ntlm_candidates(user, now).await? {
            let same: bool = candidate.nt_hash.as_ref().ct_eq(given.as_ref()).into();
            match candidate.id {
                CandidateId::ConnectionPassword(_) if same => found = Some(candidate),
                CandidateId::ConnectionPassword(_) | CandidateId::UserHash => {}
            }
        }
        Ok(found)
    }

    /// Keeps the NT hash of a user's own password, sealed, so that NTLM works with it; with an audit entry, unless
    /// it was kept already. A new password drops it. False, and nothing is kept, if this is not her password.
    pub async fn keep_nt_hash(
        &self,
        by: &Author,
        user: NounId,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let before = stored(&mut *self.ask().await?, user).await?;
        let hash = before.and_then(|before| before.password_hash);
        if !self.inner.passwords.verify(password, hash.clone()).await? {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        // Checking takes its time, and she may have got another password meanwhile: the old one must not come back.
        let present = stored(&mut tx, user).await?;
        let Some(user) = present.filter(|present| present.password_hash == hash) else {
            return Ok(false);
        };
        let text = Zeroizing::new(hex::encode(nt_hash(password).as_ref()));
        if secret::put(&mut tx, self, user.id, NT_HASH, &text, now).await? {
            record(&mut tx, self, by, &user, "kept", now).await?;
            self.commit(tx, &[]).await?;
        }
        Ok(true)
    }

    /// Drops the NT hash of a user's own password, with an audit entry; if none was kept, that is no error.
    pub async fn drop_nt_hash(
        &self,
        by: &Author,
        user: NounId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let Some(user) = stored(&mut tx, user).await? else {
            return Ok(());
        };
        let dropped = sqlx::query("DELETE FROM secret WHERE owner_id = $1 AND field = $2")
            .bind(user.id.to_string())
            .bind(NT_HASH)
            .execute(&mut *tx)
            .await?;
        if dropped.rows_affected() > 0 {
            record(&mut tx, self, by, &user, "dropped", now).await?;
            self.commit(tx, &[]).await?;
        }
        Ok(())
    }

    /// Is the NT hash of a user's own password kept?
    pub async fn keeps_nt_hash(&self, user: NounId) -> Result<bool, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) AS count FROM secret WHERE owner_id = $1 AND field = $2")
                .bind(user.to_string())
                .bind(NT_HASH)
                .fetch_one(&mut *self.ask().await?)
                .await?;
        row.flag("count")
    }

    fn candidate(&self, row: &AnyRow) -> Result<NtlmCandidate, StoreError> {
        let id = match row.text("id")?.as_str() {
            "" => CandidateId::UserHash,
            _ => CandidateId::ConnectionPassword(row.parsed("id")?),
        };
        let field = match id {
            CandidateId::ConnectionPassword(id) => place_field(id),
            CandidateId::UserHash => NT_HASH.to_owned(),
        };
        let sealed = Sealed {
            key_id: row.text("key_id")?,
            bytes: row.bytes("sealed")?,
        };
        let owner = row.text("user_id")?;
        let place = Place {
            owner: &owner,
            field: &field,
            version: row.int("version")?,
        };
        let text = self.inner.vault.open(place, &sealed)?;
        let mut nt_hash = Zeroizing::new([0; NT_HASH_BYTES]);
        hex::decode_to_slice(text.as_bytes(), nt_hash.as_mut())
            .map_err(|_| StoreError::damaged("an NT hash", "it is not 32 hexadecimal digits"))?;
        Ok(NtlmCandidate {
            id,
            nt_hash,
            host: row.text_or_null("host")?,
            activity: row.text_or_null("activity")?,
        })
    }
}

/// A user, with the hash of her password.
struct Stored {
    id: NounId,
    name: String,
    scope: ScopePath,
    password_hash: Option<String>,
}

/// The user, if there is one of that id.
async fn stored(
    connection: &mut AnyConnection,
    user: NounId,
) -> Result<Option<Stored>, StoreError> {
    let row = sqlx::query(
        "SELECT n.name AS name, n.scope AS scope, c.password_hash AS password_hash
         FROM noun n JOIN credential c ON c.noun_id = n.id WHERE n.id = $1 AND n.kind = 'user'",
    )
    .bind(user.to_string())
    .fetch_optional(connection)
    .await?;
    let read = |row: AnyRow| {
        Ok(Stored {
            id: user,
            name: row.text("name")?,
            scope: row.word("scope")?,
            password_hash: row.text_or_null("password_hash")?,
        })
    };
    row.map(read).transpose()
}

async fn record(
    tx: &mut Tx,
    store: &Store,
    by: &Author,
    user: &Stored,
    what: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let deed = Deed {
        action: "user.nt_hash",
        object: AuditObject {
            kind: "user",
            name: &user.name,
            id: &user.id.to_string(),
            scope: &user.scope,
        },
        before: &Value::Null,
        after: &json!({ "nt_hash": what }),
    };
    audit::record(tx, store, by, deed, now).await
}

/// As which field a connection password is sealed: its row's id is bound to it, so that no row opens as another.
pub(crate) fn place_field(id: Uuid) -> String {
    format!("connection_password/{id}")
}

/// The NT hash of a password: `NTOWFv1` of MS-NLMP 3.3.1.
pub(crate) fn nt_hash(password: &str) -> Zeroizing<[u8; NT_HASH_BYTES]> {
    // A text of n bytes has at most n units; room for all at once, so that no copy of it is left behind.
    let mut units = Zeroizing::new(Vec::with_capacity(password.len() * 2));
    units.extend(password.encode_utf16().flat_map(u16::to_le_bytes));
    Zeroizing::new(Md4::digest(units.as_slice()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nt_hashes_are_those_of_the_specification() {
        for (password, hash) in [
            // MS-NLMP 4.2.2.1.2.
            ("Password", "a4f49c406510bdcab6824ee7c30fd852"),
            ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            ("password", "8846f7eaee8fb117ad06bdd830b7586c"),
        ] {
            assert_eq!(hex::encode(nt_hash(password).as_ref()), hash, "{password}");
        }
        assert_ne!(nt_hash("ä😀"), nt_hash("a😀"));
    }
}
