//! What a decision depends on, read at one instant; and the host keys that are believed.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sallyport_domain::declared::{Host, NounKind};
use sallyport_domain::id::NounId;
use sallyport_domain::policy::Snapshot;
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
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
        let (user, host) = (clean(user), host.to_lowercase());
        let host = clean(&host);
        let asked = || sqlx::query(FACTS).bind(user.as_ref()).bind(host.as_ref());
        let rows = asked().fetch_all(&mut *self.ask().await?).await?;
        let (version, mut snapshot) = facts(&user, &rows)?;
        if let Some(rules) = self.inner.rules.at(version) {
            snapshot.rules = rules;
            return Ok(snapshot);
        }
        // The rules are others than those in memory: everything anew, at one instant.
        let mut tx = self.snapshot().await?;
        let rows = asked().fetch_all(&mut *tx).await?;
        let (version, mut snapshot) = facts(&user, &rows)?;
        snapshot.rules = self.inner.rules.read(&mut tx, version).await?;
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

/// What a decision depends on, besides the rules: who `$1` is, and what `$2` is to her.
///
/// `CROSS JOIN` makes SQLite join in this order: from the one that is known to the few that are its own.
const FACTS: &str = "WITH
    who AS (
        SELECT id, kind, locked FROM noun WHERE kind IN ('user', 'application') AND key = $1
        ORDER BY kind DESC LIMIT 1),
    target AS (
        SELECT id, doc, 0 AS place FROM noun WHERE kind = 'host' AND key = $2
        UNION ALL SELECT id, doc, 1 FROM noun WHERE kind = 'host' AND alias = $2
        ORDER BY place LIMIT 1)
    SELECT 'rules' AS fact, '' AS id, '' AS content, version AS number FROM rules_version
    UNION ALL SELECT kind, id, '', locked FROM who
    UNION ALL SELECT 'group', n.id, n.name, 0 FROM who CROSS JOIN noun_link l CROSS JOIN noun n
        WHERE l.target_id = who.id AND l.field = 'members' AND n.id = l.noun_id
    UNION ALL SELECT 'host', id, doc, 0 FROM target
    UNION ALL SELECT 'barred', b.host_id, '', 0 FROM who CROSS JOIN target CROSS JOIN host_bar b
        WHERE b.user_id = who.id AND b.host_id = target.id
    UNION ALL SELECT 'account', n.id, n.doc, (SELECT COUNT(*) FROM secret s WHERE s.owner_id = n.id)
        FROM target CROSS JOIN noun_link l CROSS JOIN noun n
        WHERE l.target_id = target.id AND l.field = 'host' AND n.id = l.noun_id AND n.kind = 'account'
    UNION ALL SELECT 'asked-ahead', '', '', COUNT(*) FROM target CROSS JOIN session s
        WHERE s.user_name = $1 AND s.host_id = target.id AND s.final = 0 AND s.origin = 'api'";

/// The version of the rules, and a snapshot without them.
fn facts(user: &str, rows: &[AnyRow]) -> Result<(i64, Snapshot), StoreError> {
    let mut snapshot = Snapshot {
        user: user.to_owned(),
        ..Snapshot::default()
    };
    let mut version = 0;
    for row in rows {
        let number = row.int("number")?;
        match row.text("fact")?.as_str() {
            "rules" => version = number,
            "user" => snapshot.user_locked = number != 0,
            "application" => {
                snapshot.is_application = true;
                snapshot.user_locked = number != 0;
            }
            "group" => snapshot.groups.push(row.text("content")?),
            "host" => snapshot.host = Some((row.parsed("id")?, row.json("content")?)),
            "barred" => snapshot.host_barred = true,
            "account" => {
                let account = (row.parsed("id")?, row.json("content")?, number > 0);
                snapshot.accounts.push(account);
            }
            "asked-ahead" => snapshot.asked_ahead = number > 0,
            other => return Err(StoreError::damaged("a fact", other)),
        }
    }
    snapshot.groups.sort();
    snapshot
        .accounts
        .sort_by(|(_, one, _), (_, other, _)| one.name.cmp(&other.name));
    Ok((version, snapshot))
}
