//! The audit trail: append-only, chained, written in the transaction that made the change.

mod list;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sallyport_domain::scope::ScopePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;

use self::list::{COLUMNS, read};
use crate::error::StoreError;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::{Columns, Lock, clean, json, lock, micros};
use crate::who::Author;

/// What an act was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditObject<'a> {
    /// `session`, `recording`, `user`, …
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its id; empty if it has none.
    pub id: &'a str,
    /// Where it belongs: decides who may read the entry.
    pub scope: &'a ScopePath,
}

/// One act of anyone on the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place in the chain, from 1 without holes.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub user: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// What authenticated the author.
    pub identity_provider: String,
    /// From where.
    pub ip: String,
    /// In which session, if in one.
    pub session: String,
    /// What was done, dotted: `user.created`, `session.lock`, …
    pub action: String,
    /// What kind of thing it was done to.
    pub object_kind: String,
    /// Its name.
    pub object_name: String,
    /// Its id.
    pub object_id: String,
    /// Where it belongs.
    pub scope: ScopePath,
    /// As it was, without secrets; null if it did not exist or does not matter.
    pub before: serde_json::Value,
    /// As it is or what was ordered, without secrets.
    pub after: serde_json::Value,
    /// Hash of the entry before, in hexadecimal.
    pub previous: String,
    /// Hash of this entry, in hexadecimal.
    pub hash: String,
}

/// What is wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyFault {
    /// At which entry.
    pub seq: i64,
    /// What.
    pub problem: String,
}

/// What a check of the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Entries read.
    pub entries: u64,
    /// Hash of the last one; compare it with one noted elsewhere to notice a cut tail.
    pub head: String,
    /// The first fault, if there is one.
    pub fault: Option<VerifyFault>,
}

/// One act that is to be recorded.
pub(crate) struct Deed<'a> {
    pub(crate) action: &'a str,
    pub(crate) object: AuditObject<'a>,
    pub(crate) before: &'a Value,
    pub(crate) after: &'a Value,
}

/// What the hash of an entry covers, beside the hash before it: every field, in this order, as a
/// JSON array of strings; `before` and `after` as the very texts that are stored.
fn fingerprint(entry: &AuditEntry, before: &str, after: &str) -> Result<String, StoreError> {
    let content = json(&[
        entry.seq.to_string().as_str(),
        &micros(entry.at).to_string(),
        &entry.user,
        &entry.first_name,
        &entry.last_name,
        &entry.email,
        &entry.identity_provider,
        &entry.ip,
        &entry.session,
        &entry.action,
        &entry.object_kind,
        &entry.object_name,
        &entry.object_id,
        entry.scope.as_str(),
        before,
        after,
    ])?;
    let hash = Sha256::new()
        .chain_update(&entry.previous)
        .chain_update(b"|")
        .chain_update(content)
        .finalize();
    Ok(hex::encode(hash))
}

/// Writes an entry at the end of the chain. The last thing a transaction does: on PostgreSQL
/// everybody else who has something to record waits until it commits.
pub(crate) async fn record(
    tx: &mut Tx,
    store: &Store,
    by: &Author,
    deed: Deed<'_>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    lock(tx, store.inner.dialect, Lock::Audit).await?;
    let last = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    let (seq, previous) = match last {
        Some(row) => (row.int("seq")? + 1, row.text("hash")?),
        None => (1, String::new()),
    };
    let text = |text: &str| clean(text).into_owned();
    let mut entry = AuditEntry {
        seq,
        // As it will be read back.
        at: DateTime::from_timestamp_micros(micros(at)).unwrap_or(at),
        user: text(&by.name),
        first_name: text(&by.first_name),
        last_name: text(&by.last_name),
        email: text(&by.email),
        identity_provider: text(&by.identity_provider),
        ip: text(&by.ip),
        session: by.session.map(|id| id.to_string()).unwrap_or_default(),
        action: text(deed.action),
        object_kind: text(deed.object.kind),
        object_name: text(deed.object.name),
        object_id: text(deed.object.id),
        scope: deed.object.scope.clone(),
        before: deed.before.clone(),
        after: deed.after.clone(),
        previous,
        hash: String::new(),
    };
    entry.hash = fingerprint(&entry, &entry.before.to_string(), &entry.after.to_string())?;
    insert(tx, &entry).await
}

async fn insert(tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    let search = [
        &entry.user,
        &entry.first_name,
        &entry.last_name,
        &entry.email,
        &entry.identity_provider,
        &entry.ip,
        &entry.action,
        &entry.object_kind,
        &entry.object_name,
        &entry.object_id,
    ];
    let search = search.map(String::as_str).join("\n").to_lowercase();
    sqlx::query(
        "INSERT INTO audit (seq, at, user_name, first_name, last_name, email, identity_provider, ip, session_id, action,
            object_kind, object_name, object_id, scope, before, after, previous, hash, search)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(entry.seq)
    .bind(micros(entry.at))
    .bind(entry.user.as_str())
    .bind(entry.first_name.as_str())
    .bind(entry.last_name.as_str())
    .bind(entry.email.as_str())
    .bind(entry.identity_provider.as_str())
    .bind(entry.ip.as_str())
    .bind(entry.session.as_str())
    .bind(entry.action.as_str())
    .bind(entry.object_kind.as_str())
    .bind(entry.object_name.as_str())
    .bind(entry.object_id.as_str())
    .bind(entry.scope.as_str())
    .bind(entry.before.to_string())
    .bind(entry.after.to_string())
    .bind(entry.previous.as_str())
    .bind(entry.hash.as_str())
    .bind(search)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Records an act that changes nothing in the store: a join, a view, an export, a download.
    pub async fn audit(
        &self,
        by: &Author,
        action: &str,
        object: AuditObject<'_>,
        detail: &Value,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let deed = Deed {
            action,
            object,
            before: &Value::Null,
            after: detail,
        };
        record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[]).await
    }

    /// Checks every link of the chain, from the first entry to the last.
    pub async fn verify_audit(&self) -> Result<VerifyReport, StoreError> {
        let all = format!("SELECT {COLUMNS} FROM audit ORDER BY seq");
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(all)).fetch(&self.inner.reader);
        let mut report = VerifyReport {
            entries: 0,
            head: String::new(),
            fault: None,
        };
        let mut expected = 1;
        while let Some(row) = rows.try_next().await? {
            let seq = row.int("seq")?;
            if let Some(problem) = fault(&row, expected, &report.head)? {
                report.fault = Some(VerifyFault { seq, problem });
                return Ok(report);
            }
            report.entries += 1;
            report.head = row.text("hash")?;
            expected = seq + 1;
        }
        Ok(report)
    }
}

/// What is wrong with an entry, if anything is.
fn fault(row: &AnyRow, expected: i64, head: &str) -> Result<Option<String>, StoreError> {
    if row.int("seq")? != expected {
        return Ok(Some(format!("entry {expected} is missing")));
    }
    let entry = match read(row) {
        Ok(entry) => entry,
        Err(StoreError::Damaged { what, problem }) => {
            return Ok(Some(format!("{what} is damaged: {problem}")));
        }
        Err(other) => return Err(other),
    };
    if entry.previous != head {
        return Ok(Some("it does not follow the entry before it".to_owned()));
    }
    if entry.hash != fingerprint(&entry, &row.text("before")?, &row.text("after")?)? {
        return Ok(Some(
            "its content was changed after it was written".to_owned(),
        ));
    }
    Ok(None)
}
