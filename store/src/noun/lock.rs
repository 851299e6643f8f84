//! Locking users, and barring them from hosts.

use chrono::{DateTime, Utc};
use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use serde_json::json;

use super::find;
use super::proof::shut_out;
use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::hint::Hint;
use crate::open::Store;
use crate::sql::{Columns, Lock, lock, micros};
use crate::who::Author;

impl Store {
    /// Locks or unlocks a user. A locked one cannot log in, is logged out of the control plane, and
    /// loses her connection passwords; whoever holds live sessions of hers hears [`Hint::Policy`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a user outside the author's reach.
    pub async fn set_user_locked(
        &self,
        by: &Author,
        user: &str,
        locked: bool,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let found = find(&mut tx, NounKind::User, user)
            .await?
            .filter(|found| by.reach.contains(&found.scope));
        let found = found.ok_or_else(|| StoreError::NotFound {
            what: "user",
            name: user.to_owned(),
        })?;
        let id = found.id.to_string();
        sqlx::query("UPDATE noun SET locked = $2, lock_reason = $3, updated_at = $4 WHERE id = $1")
            .bind(id.as_str())
            .bind(i64::from(locked))
            .bind(if locked { reason } else { "" })
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        if locked {
            shut_out(&mut tx, found.id).await?;
        }
        let deed = Deed {
            action: if locked {
                "user.locked"
            } else {
                "user.unlocked"
            },
            object: AuditObject {
                kind: "user",
                name: &found.name,
                id: &id,
                scope: &found.scope,
            },
            before: &json!({ "locked": found.locked }),
            after: &json!({ "locked": locked, "reason": reason }),
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[Hint::Policy]).await
    }

    /// Bars a user or application from new activities on a host, or lifts that.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a host outside the author's reach.
    pub async fn bar_host(
        &self,
        by: &Author,
        user: &str,
        host: NounId,
        barred: bool,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let found = match find(&mut tx, NounKind::User, user).await? {
            Some(found) => Some(found),
            None => find(&mut tx, NounKind::Application, user).await?,
        };
        let found = found.ok_or_else(|| StoreError::NotFound {
            what: "user",
            name: user.to_owned(),
        })?;
        let row = sqlx::query("SELECT name, scope FROM noun WHERE id = $1 AND kind = 'host'")
            .bind(host.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let missing = || StoreError::NotFound {
            what: "host",
            name: host.to_string(),
        };
        let row = row.ok_or_else(missing)?;
        let (name, scope) = (row.text("name")?, row.word("scope")?);
        if !by.reach.contains(&scope) {
            return Err(missing());
        }
        let change = if barred {
            sqlx::query(
                "INSERT INTO host_bar (user_id, host_id, barred_at) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id, host_id) DO NOTHING",
            )
            .bind(found.id.to_string())
            .bind(host.to_string())
            .bind(micros(now))
        } else {
            sqlx::query("DELETE FROM host_bar WHERE user_id = $1 AND host_id = $2")
                .bind(found.id.to_string())
                .bind(host.to_string())
        };
        let done = change.execute(&mut *tx).await?.rows_affected() > 0;
        let deed = Deed {
            action: if barred {
                "host.barred"
            } else {
                "host.unbarred"
            },
            object: AuditObject {
                kind: "host",
                name: &name,
                id: &host.to_string(),
                scope: &scope,
            },
            before: &json!({ "user": found.name, "barred": barred != done }),
            after: &json!({ "user": found.name, "barred": barred }),
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[Hint::Policy]).await
    }
}
