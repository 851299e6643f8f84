//! Connections inside sessions.

use chrono::{DateTime, Utc};
use sallyport_domain::client_os;
use sallyport_domain::id::{ConnectionId, NodeId, SessionId};
use sqlx::any::AnyRow;

use super::{ConnectionRow, NewConnection, Passed};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::open::Store;
use crate::script::Statement;
use crate::sql::{Columns, clean, json, micros};

impl Store {
    /// A client was joined to a target.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] for an unknown session, [`StoreError::Exists`] if the id is taken.
    pub async fn insert_connection(&self, new: &NewConnection) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.insert_connection(new);
        batch.commit().await
    }

    /// A connection is over; one that is already stays as it is.
    pub async fn close_connection(
        &self,
        id: ConnectionId,
        at: DateTime<Utc>,
        cause: &str,
        passed: &Passed,
    ) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.close_connection(id, at, cause, passed)?;
        batch.commit().await
    }

    /// No connection of this node's sessions is open: the node has just started.
    pub async fn close_lost_connections(
        &self,
        node: NodeId,
        at: DateTime<Utc>,
        cause: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE connection SET closed_at = $2, cause = $3
             WHERE closed_at IS NULL AND session_id IN (SELECT id FROM session WHERE node_id = $1)",
        )
        .bind(node.to_string())
        .bind(micros(at))
        .bind(cause)
        .execute(&mut *tx)
        .await?;
        self.commit(tx, &[]).await
    }

    /// The connections of a session, oldest first. Whether the viewer may see the session is asked
    /// with [`Store::session`].
    pub async fn connections(&self, session: SessionId) -> Result<Vec<ConnectionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, session_id, source_ip, client, connected_at, closed_at, cause, bytes_in, bytes_out, tape, meters
             FROM connection WHERE session_id = $1 ORDER BY connected_at, id",
        )
        .bind(session.to_string())
        .fetch_all(&self.inner.reader)
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<ConnectionRow, StoreError> {
    let client = row.text("client")?;
    Ok(ConnectionRow {
        id: row.parsed("id")?,
        session: row.parsed("session_id")?,
        source_ip: row.text("source_ip")?,
        client_os: client_os::of(&client).map(str::to_owned),
        client,
        connected_at: row.time("connected_at")?,
        closed_at: row.time_or_null("closed_at")?,
        cause: row.text_or_null("cause")?,
        bytes_in: row.number("bytes_in")?,
        bytes_out: row.number("bytes_out")?,
        tape: row.text("tape")?,
        meters: row.json_or_null("meters")?,
    })
}

impl Batch {
    /// As [`Store::insert_connection`].
    pub fn insert_connection(&mut self, new: &NewConnection) {
        self.script().add(
            Statement::new(
                "INSERT INTO connection (id, session_id, source_ip, client, connected_at, tape)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(new.id.to_string())
            .bind(new.session.to_string())
            .bind(clean(&new.source_ip).into_owned())
            .bind(clean(&new.client).into_owned())
            .bind(micros(new.connected_at))
            .bind(new.tape.as_str()),
        );
    }

    /// What has passed on a connection that is not over.
    ///
    /// # Errors
    /// If what was measured cannot be written as JSON.
    pub fn measure_connection(
        &mut self,
        id: ConnectionId,
        passed: &Passed,
    ) -> Result<(), StoreError> {
        let meters = meters(passed)?;
        self.script().add(
            Statement::new(
                "UPDATE connection SET bytes_in = $2, bytes_out = $3, meters = COALESCE($4, meters)
                 WHERE id = $1 AND closed_at IS NULL",
            )
            .bind(id.to_string())
            .bind(count(passed.bytes_in))
            .bind(count(passed.bytes_out))
            .bind(meters),
        );
        Ok(())
    }

    /// As [`Store::close_connection`].
    ///
    /// # Errors
    /// If what was measured cannot be written as JSON.
    pub fn close_connection(
        &mut self,
        id: ConnectionId,
        at: DateTime<Utc>,
        cause: &str,
        passed: &Passed,
    ) -> Result<(), StoreError> {
        let meters = meters(passed)?;
        self.script().add(
            Statement::new(
                "UPDATE connection SET closed_at = $2, cause = $3, bytes_in = $4, bytes_out = $5,
                    meters = COALESCE($6, meters)
                 WHERE id = $1 AND closed_at IS NULL",
            )
            .bind(id.to_string())
            .bind(micros(at))
            .bind(clean(cause).into_owned())
            .bind(count(passed.bytes_in))
            .bind(count(passed.bytes_out))
            .bind(meters),
        );
        Ok(())
    }
}

fn meters(passed: &Passed) -> Result<Option<String>, StoreError> {
    passed.meters.as_ref().map(json).transpose()
}

fn count(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
