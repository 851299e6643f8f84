//! Who is it? Passwords, SSH keys and API keys.

use chrono::{DateTime, Utc};
use sallyport_domain::declared::{
    Application, Declaration, NounKind, SecretSource, TextSource, User,
};
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use serde_json::json;
use sqlx::any::AnyRow;
use subtle::ConstantTimeEq;

use crate::audit::{self, AuditObject, Deed};
use crate::error::{ApplyError, StoreError};
use crate::hint::Hint;
use crate::noun::proof::{digest, set_password};
use crate::noun::{find, public_key};
use crate::open::Store;
use crate::sql::{Columns, Lock, lock};
use crate::who::{Author, Identity};

/// What an identity is read from.
pub(crate) const COLUMNS: &str =
    "n.id AS id, n.kind AS kind, n.doc AS doc, n.scope AS scope, n.locked AS locked,
    c.password_hash AS password_hash, c.must_change AS must_change, c.api_key_hash AS api_key_hash";
pub(crate) const FROM: &str = "noun n LEFT JOIN credential c ON c.noun_id = n.id";

const BY_NAME: &str = "n.kind = $1 AND n.key = $2";

/// The identity in a row of [`COLUMNS`].
pub(crate) fn identity(row: &AnyRow) -> Result<Identity, StoreError> {
    let application = row.text("kind")? == NounKind::Application.as_str();
    let (name, first_name, last_name, email, roles) = if application {
        let noun: Application = row.json("doc")?;
        (
            noun.name,
            String::new(),
            String::new(),
            String::new(),
            noun.roles,
        )
    } else {
        let noun: User = row.json("doc")?;
        (
            noun.name,
            noun.first_name,
            noun.last_name,
            noun.email,
            noun.roles,
        )
    };
    Ok(Identity {
        id: row.parsed("id")?,
        name,
        first_name,
        last_name,
        email,
        roles,
        scope: row.word("scope")?,
        application,
        locked: row.flag("locked")?,
        must_change_password: row.int_or_null("must_change")?.unwrap_or_default() != 0,
    })
}

impl Store {
    /// The user, if the password is hers. An unknown user costs the same time and gets the same
    /// answer. A locked one is answered with `locked` set: the caller refuses and says so.
    pub async fn authenticate_password(
        &self,
        user: &str,
        password: &str,
    ) -> Result<Option<Identity>, StoreError> {
        let row = self.who(NounKind::User, user).await?;
        let hash = row
            .as_ref()
            .map(|row| row.text_or_null("password_hash"))
            .transpose()?
            .flatten();
        if !self.inner.passwords.verify(password, hash).await? {
            return Ok(None);
        }
        row.as_ref().map(identity).transpose()
    }

    /// The user, if the SSH public key (`ssh-ed25519 AAAA…`, comment or not) is one of hers. That
    /// the client holds the private half is for the caller to see.
    pub async fn authenticate_key(
        &self,
        user: &str,
        key: &str,
    ) -> Result<Option<Identity>, StoreError> {
        let Some(offered) = public_key(key) else {
            return Ok(None);
        };
        let Some(row) = self.who(NounKind::User, user).await? else {
            return Ok(None);
        };
        let noun: User = row.json("doc")?;
        let hers = noun.ssh_keys.iter().any(|source| match source {
            TextSource::Text(line) => public_key(line).is_some_and(|key| key == offered),
            TextSource::File { .. } => false,
        });
        if hers {
            identity(&row).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The application whose API key it is.
    pub async fn authenticate_api_key(&self, key: &str) -> Result<Option<Identity>, StoreError> {
        let hash = digest(key);
        let sql = format!(
            "SELECT {COLUMNS} FROM {FROM} WHERE c.api_key_hash = $1 AND n.kind = 'application'"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(hash.as_str())
            .fetch_optional(&mut *self.ask().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let stored = row.text("api_key_hash")?;
        if stored.as_bytes().ct_eq(hash.as_bytes()).into() {
            identity(&row).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The user or application of that name, whoever asks.
    pub async fn identity(&self, user: &str) -> Result<Option<Identity>, StoreError> {
        let row = match self.who(NounKind::User, user).await? {
            Some(row) => Some(row),
            None => self.who(NounKind::Application, user).await?,
        };
        row.as_ref().map(identity).transpose()
    }

    async fn who(&self, kind: NounKind, name: &str) -> Result<Option<AnyRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {BY_NAME}");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(kind.as_str())
            .bind(name.replace('\0', "\u{fffd}"));
        Ok(query.fetch_optional(&mut *self.ask().await?).await?)
    }

    /// Makes an administrator over everything, if there is no administrator at all. Answers
    /// whether it did. A `one_time` password must be changed at the first log-in.
    ///
    /// # Errors
    /// [`StoreError::Password`] if the name or the password cannot be one.
    pub async fn first_admin(
        &self,
        name: &str,
        password: &str,
        one_time: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        if self.has_admin().await? {
            return Ok(false);
        }
        let admin = User {
            name: name.to_owned(),
            scope: ScopePath::root(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            roles: vec![Role::Admin],
            password: Some(SecretSource {
                from_env: None,
                from_file: None,
                value: Some(password.to_owned()),
            }),
            ssh_keys: Vec::new(),
            labels: Default::default(),
        };
        let declaration = Declaration {
            users: vec![admin],
            ..Declaration::default()
        };
        self.apply(&Author::system(), &declaration, false, now)
            .await
            .map_err(|error| match error {
                ApplyError::Store(error) => error,
                other => StoreError::Password(other.to_string()),
            })?;
        if one_time {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE credential SET must_change = 1 WHERE noun_id = (SELECT id FROM noun WHERE kind = 'user' AND key = $1)")
                .bind(name)
                .execute(&mut *tx)
                .await?;
            self.commit(tx, &[]).await?;
        }
        Ok(true)
    }

    async fn has_admin(&self) -> Result<bool, StoreError> {
        let rows = sqlx::query("SELECT doc FROM noun WHERE kind = 'user'")
            .fetch_all(&self.inner.reader)
            .await?;
        for row in rows {
            if row.json::<User>("doc")?.roles.contains(&Role::Admin) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a user a new password, and logs her out of the control plane everywhere.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a user outside the author's reach who is not the author;
    /// [`StoreError::Password`] for one that cannot be.
    pub async fn set_password(
        &self,
        by: &Author,
        user: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if password.is_empty() || password.len() > crate::password::LONGEST {
            return Err(StoreError::Password(format!(
                "it must have 1 to {} bytes",
                crate::password::LONGEST
            )));
        }
        let hash = self.inner.passwords.hash(password).await?;
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let may = |scope: &ScopePath| by.reach.contains(scope) || by.name == user;
        let found = find(&mut tx, NounKind::User, user)
            .await?
            .filter(|found| may(&found.scope));
        let found = found.ok_or_else(|| StoreError::NotFound {
            what: "user",
            name: user.to_owned(),
        })?;
        set_password(&mut tx, found.id, &hash, false, now).await?;
        let deed = Deed {
            action: "user.password",
            object: AuditObject {
                kind: "user",
                name: user,
                id: &found.id.to_string(),
                scope: &found.scope,
            },
            before: &serde_json::Value::Null,
            after: &json!({ "password": "changed" }),
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[Hint::Policy]).await
    }
}
