//! What a decision depends on, read at one instant; and the host keys that are believed.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sallyport_domain::declared::{Host, NounKind};
use sallyport_domain::id::NounId;
use sallyport_domain::policy::Snapshot;
use serde_json::{Value, json};

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::facts;
use crate::hint::Hint;
use crate::kept::Tx;
use crate::noun::{find, key};
use crate::open::Store;
use crate::sql::{Columns, Lock, clean, lock, micros};
use crate::who::Author;

impl Store {
    /// Everything the decision about `user` on `host` depends on. The host is found by its name or
    /// its friendly name, in any case.
    pub async fn policy_snapshot(&self, user: &str, host: &str) -> Result<Snapshot, StoreError> {
        let mut known = facts::of(&mut *self.ask().await?, user, host).await?;
        if let Some(rules) = self.inner.rules.at(known.rules_version) {
            known.snapshot.rules = rules;
            return Ok(known.snapshot);
        }
        // The rules are others than those in memory: everything anew, at one instant.
        let mut tx = self.snapshot().await?;
        let mut known = facts::of(&mut tx, user, host).await?;
        known.snapshot.rules = self.inner.rules.read(&mut tx, known.rules_version).await?;
        tx.commit().await?;
        Ok(known.snapshot)
    }

    /// The hosts that `name` may mean: the one of that name or friendly name, else all that have it
    /// as their address. In any case; another spelling of an IP address is the same address.
    pub async fn hosts_called(&self, name: &str) -> Result<Vec<Host>, StoreError> {
        let mut tx = self.snapshot().await?;
        let hosts = match facts::host(&mut tx, name).await? {
            Some(host) => vec![host],
            None => hosts_at(&mut tx, name).await?,
        };
        tx.commit().await?;
        Ok(hosts)
    }

    /// The host keys pinned by first use.
    pub async fn host_keys(&self, host: NounId) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT key FROM host_key WHERE host_id = $1 ORDER BY slot")
            .bind(host.to_string())
            .fetch_all(&mut *self.ask().await?)
            .await?;
        rows.iter().map(|row| row.text("key")).collect()
    }

    /// Pins a host's key, if none is pinned. Answers what is pinned now: another key, if another
    /// connection was first.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] for an unknown host.
    pub async fn pin_host_key(
        &self,
        host: NounId,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO host_key (host_id, slot, key, pinned_at) VALUES ($1, 0, $2, $3)
             ON CONFLICT (host_id, slot) DO NOTHING",
        )
        .bind(host.to_string())
        .bind(clean(key).into_owned())
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
        self.commit(tx, &[]).await?;
        self.host_keys(host).await
    }

    /// Forgets the pinned keys of a host: the next connection pins anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a host outside the author's reach.
    pub async fn unpin_host_keys(
        &self,
        by: &Author,
        host: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let found = find(&mut tx, NounKind::Host, &key(NounKind::Host, host)).await?;
        let found = found.filter(|found| by.reach.contains(&found.scope));
        let found = found.ok_or_else(|| StoreError::NotFound {
            what: "host",
            name: host.to_owned(),
        })?;
        let id = found.id.to_string();
        let rows = sqlx::query("DELETE FROM host_key WHERE host_id = $1 RETURNING key")
            .bind(id.as_str())
            .fetch_all(&mut *tx)
            .await?;
        let keys = rows
            .iter()
            .map(|row| row.text("key"))
            .collect::<Result<Vec<_>, _>>()?;
        let deed = Deed {
            action: "host.unpinned",
            object: AuditObject {
                kind: "host",
                name: &found.name,
                id: &id,
                scope: &found.scope,
            },
            before: &json!({ "host_keys": keys }),
            after: &Value::Null,
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[Hint::Policy]).await
    }
}

async fn hosts_at(tx: &mut Tx, address: &str) -> Result<Vec<Host>, StoreError> {
    let ip: Option<IpAddr> = address.parse().ok();
    // An IPv6 address has many spellings.
    let text = match ip {
        Some(IpAddr::V6(_)) => ":".to_owned(),
        Some(IpAddr::V4(_)) | None => address.to_lowercase(),
    };
    let escaped = clean(&text)
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    // The column `search` holds every text of the document, in lower case: few rows are left to read.
    let rows = sqlx::query(
        "SELECT doc FROM noun WHERE kind = 'host' AND search LIKE $1 ESCAPE '\\' ORDER BY name",
    )
    .bind(format!("%{escaped}%"))
    .fetch_all(&mut **tx)
    .await?;
    let mut hosts = Vec::new();
    for row in &rows {
        let host: Host = row.json("doc")?;
        let same = host.address.eq_ignore_ascii_case(address)
            || (ip.is_some() && host.address.parse().ok() == ip);
        if same {
            hosts.push(host);
        }
    }
    Ok(hosts)
}
