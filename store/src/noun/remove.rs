//! Removing nouns: only what nothing refers to.

use chrono::{DateTime, Utc};
use sallyport_domain::declared::NounKind;
use serde_json::Value;

use super::{Stored, find, key};
use crate::audit::{self, AuditObject, Deed};
use crate::error::{ApplyError, StoreError};
use crate::hint::Hint;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::{Columns, Lock, lock};
use crate::who::Author;

/// How many of those in the way a refusal names.
const SHOWN: i64 = 20;

impl Store {
    /// Removes a noun with its credentials and secrets; sessions keep its name.
    ///
    /// # Errors
    /// [`ApplyError::InUse`] while something refers to it, naming what; [`ApplyError::NotFound`];
    /// [`ApplyError::OutOfReach`].
    pub async fn remove_noun(
        &self,
        by: &Author,
        kind: NounKind,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ApplyError> {
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let (kind_name, name_owned) = (kind.as_str(), name.to_owned());
        let Some(stored) = find(&mut tx, kind, &key(kind, name)).await? else {
            return Err(ApplyError::NotFound {
                kind: kind_name,
                name: name_owned,
            });
        };
        if !by.reach.contains(&stored.scope) {
            let (scope, reach) = (stored.scope.to_string(), by.reach.to_string());
            return Err(ApplyError::OutOfReach {
                kind: kind_name,
                name: name_owned,
                scope,
                reach,
            });
        }
        let users = in_the_way(&mut tx, kind, &stored).await?;
        if !users.is_empty() {
            return Err(ApplyError::InUse {
                kind: kind_name,
                name: name_owned,
                by: users.join(", "),
            });
        }
        sqlx::query("DELETE FROM noun WHERE id = $1")
            .bind(stored.id.to_string())
            .execute(&mut *tx)
            .await?;
        let id = stored.id.to_string();
        let object = AuditObject {
            kind: kind_name,
            name: &stored.name,
            id: &id,
            scope: &stored.scope,
        };
        let action = format!("{kind_name}.removed");
        let deed = Deed {
            action: &action,
            object,
            before: &stored.doc,
            after: &Value::Null,
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        Ok(self.commit(tx, &[Hint::Policy]).await?)
    }
}

/// What refers to it; for a scope, what lies in it.
async fn in_the_way(
    tx: &mut Tx,
    kind: NounKind,
    stored: &Stored,
) -> Result<Vec<String>, StoreError> {
    let path = stored.scope.as_str();
    let query = if kind == NounKind::Scope {
        sqlx::query(
            "SELECT kind, name FROM noun WHERE id <> $1 AND (scope = $2 OR substr(scope, 1, CAST($3 AS INTEGER)) = $4)
             ORDER BY kind, name LIMIT $5",
        )
        .bind(stored.id.to_string())
        .bind(path)
        .bind(i64::try_from(path.len()).unwrap_or(i64::MAX).saturating_add(1))
        .bind(format!("{path}/"))
        .bind(SHOWN)
    } else {
        sqlx::query(
            "SELECT DISTINCT n.kind AS kind, n.name AS name FROM noun_link l JOIN noun n ON n.id = l.noun_id
             WHERE l.target_id = $1 ORDER BY 1, 2 LIMIT $2",
        )
        .bind(stored.id.to_string())
        .bind(SHOWN)
    };
    let rows = query.fetch_all(&mut **tx).await?;
    rows.iter()
        .map(|row| Ok(format!("{} {}", row.text("kind")?, row.text("name")?)))
        .collect()
}
