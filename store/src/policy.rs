//! What a decision depends on, read at one instant; and the host keys that are believed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sallyport_domain::declared::{
    AccessPolicy, Account, Activity, ConnectionProfile, Host, NounKind,
};
use sallyport_domain::id::NounId;
use sallyport_domain::policy::Snapshot;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::hint::Hint;
use crate::noun::{find, key};
use crate::open::Store;
use crate::sql::{Columns, Lock, Tx, clean, lock, micros};
use crate::who::Author;

impl Store {
    /// Everything the decision about `user` on `host` depends on. The host is found by its name or
    /// its friendly name, in any case.
    pub async fn policy_snapshot(&self, user: &str, host: &str) -> Result<Snapshot, StoreError> {
        let mut tx = self.snapshot().await?;
        let (user_id, mut snapshot) = subject(&mut tx, user).await?;
        if let Some((id, found)) = find_host(&mut tx, host).await? {
            snapshot.host_barred = barred(&mut tx, &user_id, id).await?;
            snapshot.accounts = accounts(&mut tx, id).await?;
            snapshot.host = Some((id, found));
        }
        vocabulary(&mut tx, &mut snapshot).await?;
        tx.commit().await?;
        Ok(snapshot)
    }

    /// The hosts that `name` may mean: the one of that name or friendly name, else all that have it
    /// as their address. In any case; another spelling of an IP address is the same address.
    pub async fn hosts_called(&self, name: &str) -> Result<Vec<Host>, StoreError> {
        let mut tx = self.snapshot().await?;
        let hosts = match find_host(&mut tx, name).await? {
            Some((_, host)) => vec![host],
            None => hosts_at(&mut tx, name).await?,
        };
        tx.commit().await?;
        Ok(hosts)
    }

    /// The host keys pinned by first use.
    pub async fn host_keys(&self, host: NounId) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT key FROM host_key WHERE host_id = $1 ORDER BY slot")
            .bind(host.to_string())
            .fetch_all(&self.inner.reader)
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

/// Who it is: the user's id, empty for a stranger, and a snapshot with nothing else in it yet.
pub(crate) async fn subject(tx: &mut Tx, user: &str) -> Result<(String, Snapshot), StoreError> {
    let user = clean(user);
    let mut snapshot = Snapshot {
        user: user.clone().into_owned(),
        ..Snapshot::default()
    };
    let who = sqlx::query(
        "SELECT id, kind, locked FROM noun WHERE kind IN ('user', 'application') AND key = $1 ORDER BY kind DESC",
    )
    .bind(user.as_ref())
    .fetch_optional(&mut **tx)
    .await?;
    let id = match &who {
        Some(row) => {
            snapshot.is_application = row.text("kind")? == NounKind::Application.as_str();
            snapshot.user_locked = row.flag("locked")?;
            row.text("id")?
        }
        None => String::new(),
    };
    snapshot.groups = groups(tx, &id).await?;
    Ok((id, snapshot))
}

async fn groups(tx: &mut Tx, user: &str) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT n.name AS name FROM noun_link l JOIN noun n ON n.id = l.noun_id
         WHERE l.field = 'members' AND l.target_id = $1 ORDER BY n.name",
    )
    .bind(user)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| row.text("name")).collect()
}

async fn find_host(tx: &mut Tx, host: &str) -> Result<Option<(NounId, Host)>, StoreError> {
    let row = sqlx::query(
        "SELECT id, doc FROM noun WHERE kind = 'host' AND (key = $1 OR alias = $1)
         ORDER BY CASE WHEN key = $1 THEN 0 ELSE 1 END LIMIT 1",
    )
    .bind(clean(&host.to_lowercase()).into_owned())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok((row.parsed("id")?, row.json("doc")?)))
        .transpose()
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

async fn barred(tx: &mut Tx, user: &str, host: NounId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT user_id FROM host_bar WHERE user_id = $1 AND host_id = $2")
        .bind(user)
        .bind(host.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// The accounts on a host, and whether the vault holds a secret for each.
async fn accounts(tx: &mut Tx, host: NounId) -> Result<Vec<(NounId, Account, bool)>, StoreError> {
    let rows = sqlx::query(
        "SELECT n.id AS id, n.doc AS doc, (SELECT COUNT(*) FROM secret s WHERE s.owner_id = n.id) AS secrets
         FROM noun_link l JOIN noun n ON n.id = l.noun_id
         WHERE l.field = 'host' AND l.target_id = $1 AND n.kind = 'account' ORDER BY n.name",
    )
    .bind(host.to_string())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("id")?, row.json("doc")?, row.int("secrets")? > 0)))
        .collect()
}

/// Every policy, activity and profile.
pub(crate) async fn vocabulary(tx: &mut Tx, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT kind, name, doc FROM noun WHERE kind IN ('access-policy', 'activity', 'connection-profile')
         ORDER BY kind, name",
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        match row.text("kind")?.as_str() {
            "access-policy" => snapshot.policies.push(row.json::<AccessPolicy>("doc")?),
            "activity" => named::<Activity>(&mut snapshot.activities, row)?,
            _ => named::<ConnectionProfile>(&mut snapshot.profiles, row)?,
        }
    }
    Ok(())
}

fn named<T: DeserializeOwned>(
    into: &mut BTreeMap<String, T>,
    row: &AnyRow,
) -> Result<(), StoreError> {
    into.insert(row.text("name")?, row.json("doc")?);
    Ok(())
}
