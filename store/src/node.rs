//! Running gateways, and whether they are alive.

use chrono::{DateTime, Utc};
use sallyport_domain::id::NodeId;

use crate::error::StoreError;
use crate::open::Store;
use crate::sql::{clean, micros};

impl Store {
    /// A gateway starts; `group` may be empty.
    pub async fn register_node(
        &self,
        node: NodeId,
        name: &str,
        group: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO node (id, name, gateway_group, started_at, seen_at) VALUES ($1, $2, $4, $3, $3)
             ON CONFLICT (id) DO UPDATE SET name = $2, gateway_group = $4, started_at = $3, seen_at = $3",
        )
        .bind(node.to_string())
        .bind(clean(name).into_owned())
        .bind(micros(now))
        .bind(clean(group).into_owned())
        .execute(&mut *tx)
        .await?;
        self.commit(tx, &[]).await
    }

    /// A gateway is alive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it was never registered.
    pub async fn heartbeat(&self, node: NodeId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("UPDATE node SET seen_at = $2 WHERE id = $1")
            .bind(node.to_string())
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound {
                what: "node",
                name: node.to_string(),
            });
        }
        self.commit(tx, &[]).await
    }
}
