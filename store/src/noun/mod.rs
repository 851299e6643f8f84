//! The declared nouns: applied, listed, removed, locked.

mod apply;
mod check;
mod item;
mod list;
mod lock;
pub(crate) mod proof;
mod remove;

use chrono::{DateTime, Utc};
use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use sallyport_domain::scope::ScopePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::any::AnyRow;

pub(crate) use item::{key, public_key};

use crate::error::StoreError;
use crate::kept::Tx;
use crate::sql::Columns;

/// What `apply` did to a noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAction {
    /// It is new.
    Created,
    /// It is different now.
    Changed,
    /// It was so already.
    Unchanged,
    /// It is gone.
    Removed,
}

impl ChangeAction {
    /// The word in output and in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// What became of one declared noun. Never carries a secret: a new one is shown as
/// `"password": "changed"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What it is.
    pub kind: NounKind,
    /// Its name.
    pub name: String,
    /// What was done.
    pub action: ChangeAction,
    /// As it was; null if it is new.
    pub before: serde_json::Value,
    /// As it is; null if it is gone.
    pub after: serde_json::Value,
}

/// A noun as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NounRow {
    /// Its id.
    pub id: NounId,
    /// What it is.
    pub kind: NounKind,
    /// Its name.
    pub name: String,
    /// Where it belongs; an account belongs where its host does.
    pub scope: ScopePath,
    /// As it was declared, without secrets.
    pub doc: serde_json::Value,
    /// Is there a password, an API key or a secret for it?
    pub has_secret: bool,
    /// Is it locked? (users)
    pub locked: bool,
    /// Grows with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A noun as it is stored.
pub(crate) struct Stored {
    pub(crate) id: NounId,
    pub(crate) name: String,
    pub(crate) scope: ScopePath,
    /// The declaration as it is stored, and read.
    pub(crate) text: String,
    pub(crate) doc: Value,
    pub(crate) version: i64,
    pub(crate) locked: bool,
}

/// The noun of that kind and key; see [`key`].
pub(crate) async fn find(
    tx: &mut Tx,
    kind: NounKind,
    key: &str,
) -> Result<Option<Stored>, StoreError> {
    let row = sqlx::query(
        "SELECT id, name, scope, doc, version, locked FROM noun WHERE kind = $1 AND key = $2",
    )
    .bind(kind.as_str())
    .bind(key)
    .fetch_optional(&mut **tx)
    .await?;
    let read = |row: AnyRow| {
        Ok(Stored {
            id: row.parsed("id")?,
            name: row.text("name")?,
            scope: row.word("scope")?,
            text: row.text("doc")?,
            doc: row.json("doc")?,
            version: row.int("version")?,
            locked: row.flag("locked")?,
        })
    };
    row.map(read).transpose()
}

/// The names of that kind that lie in `reach`.
pub(crate) async fn names(
    tx: &mut Tx,
    kind: NounKind,
    reach: &ScopePath,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT name, scope FROM noun WHERE kind = $1 ORDER BY name")
        .bind(kind.as_str())
        .fetch_all(&mut **tx)
        .await?;
    let mut names = Vec::with_capacity(rows.len());
    for row in rows {
        let scope: ScopePath = row.word("scope")?;
        // Activities and profiles belong to everybody.
        let shared = matches!(kind, NounKind::Activity | NounKind::ConnectionProfile);
        if shared || reach.contains(&scope) {
            names.push(row.text("name")?);
        }
    }
    Ok(names)
}
