//! The keys of hosts that are believed because the first connection found them: one set for SSH, another for
//! RDP, and a key of one says nothing about the other.

use chrono::{DateTime, Utc};
use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use serde_json::{Value, json};

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::hint::Hint;
use crate::noun::{find, key};
use crate::open::Store;
use crate::sql::{Columns, Lock, clean, lock, micros};
use crate::who::Author;

/// Where the pins of a protocol are, and what they are called.
struct Pins {
    select: &'static str,
    insert: &'static str,
    delete: &'static str,
    /// The act of forgetting them, in the audit trail.
    forgotten: &'static str,
    /// Their name there.
    name: &'static str,
}

const SSH: Pins = Pins {
    select: "SELECT key FROM host_key WHERE host_id = $1 ORDER BY slot",
    insert: "INSERT INTO host_key (host_id, slot, key, pinned_at) VALUES ($1, 0, $2, $3)
        ON CONFLICT (host_id, slot) DO NOTHING",
    delete: "DELETE FROM host_key WHERE host_id = $1 RETURNING key",
    forgotten: "host.unpinned",
    name: "host_keys",
};

const RDP: Pins = Pins {
    select: "SELECT key FROM rdp_key WHERE host_id = $1 ORDER BY slot",
    insert: "INSERT INTO rdp_key (host_id, slot, key, pinned_at) VALUES ($1, 0, $2, $3)
        ON CONFLICT (host_id, slot) DO NOTHING",
    delete: "DELETE FROM rdp_key WHERE host_id = $1 RETURNING key",
    forgotten: "host.rdp_unpinned",
    name: "rdp_keys",
};

impl Store {
    /// The SSH host keys pinned by first use.
    pub async fn host_keys(&self, host: NounId) -> Result<Vec<String>, StoreError> {
        self.pins(&SSH, host).await
    }

    /// Pins a host's SSH key, if none is pinned. Answers what is pinned now: another key, if another
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
        self.pin(&SSH, host, key, now).await
    }

    /// Forgets the pinned SSH keys of a host: the next connection pins anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a host outside the author's reach.
    pub async fn unpin_host_keys(
        &self,
        by: &Author,
        host: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.unpin(&SSH, by, host, now).await
    }

    /// The public keys of a host's RDP certificates pinned by first use: SHA-256 of the SubjectPublicKeyInfo, in
    /// lower-case hexadecimal.
    pub async fn rdp_pins(&self, host: NounId) -> Result<Vec<String>, StoreError> {
        self.pins(&RDP, host).await
    }

    /// Pins the key of a host's RDP certificate, if none is pinned. Answers what is pinned now: another key, if
    /// another connection was first.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] for an unknown host.
    pub async fn pin_rdp_key(
        &self,
        host: NounId,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        self.pin(&RDP, host, key, now).await
    }

    /// Forgets the pinned RDP keys of a host: the next connection pins anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a host outside the author's reach.
    pub async fn unpin_rdp_keys(
        &self,
        by: &Author,
        host: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.unpin(&RDP, by, host, now).await
    }

    async fn pins(&self, of: &Pins, host: NounId) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(of.select)
            .bind(host.to_string())
            .fetch_all(&mut *self.ask().await?)
            .await?;
        rows.iter().map(|row| row.text("key")).collect()
    }

    async fn pin(
        &self,
        of: &Pins,
        host: NounId,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(of.insert)
            .bind(host.to_string())
            .bind(clean(key).into_owned())
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        self.commit(tx, &[]).await?;
        // Whose key is in the one slot decides, not who was the last to write.
        self.pins(of, host).await
    }

    async fn unpin(
        &self,
        of: &Pins,
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
        let rows = sqlx::query(of.delete)
            .bind(id.as_str())
            .fetch_all(&mut *tx)
            .await?;
        let keys = rows
            .iter()
            .map(|row| row.text("key"))
            .collect::<Result<Vec<_>, _>>()?;
        let deed = Deed {
            action: of.forgotten,
            object: AuditObject {
                kind: "host",
                name: &found.name,
                id: &id,
                scope: &found.scope,
            },
            before: &json!({ of.name: keys }),
            after: &Value::Null,
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        self.commit(tx, &[Hint::Policy]).await
    }
}
