//! What a decision depends on, read at one instant; and the hosts a name may mean.

use std::net::IpAddr;

use sallyport_domain::declared::Host;
use sallyport_domain::policy::Snapshot;

use crate::error::StoreError;
use crate::facts;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::{Columns, clean};

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
