//! Sessions on their way into the database.

use chrono::{DateTime, Utc};
use sallyport_domain::event::Event;
use sallyport_domain::id::{NodeId, SessionId};
use sallyport_domain::status::Status;

use super::event::write;
use super::{NewSession, SessionUpdate};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::hint::Hint;
use crate::open::Store;
use crate::script::{Script, Statement};
use crate::sql::{clean, json, micros, word};

impl Store {
    /// Writes a new session and the first lines of its log.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id is taken.
    pub async fn insert_session(
        &self,
        new: &NewSession,
        events: &[(DateTime<Utc>, Event)],
    ) -> Result<(), StoreError> {
        let text = |text: &str| clean(text).into_owned();
        let mut script = Script::default();
        let session = Statement::new(
            "INSERT INTO session (id, origin, kind, status, user_name, first_name, last_name, email, identity_provider,
                scope, login_account, account_id, host, host_id, target_address, target_port, source_ip, activity,
                access_policy, connection_profile, recording_mode, notes, ticket, terms, requested_at, node_id, final,
                events, search, search_live, machine, launch_point_id, launch_point_name, node_name, gateway_group,
                provisioned_at, scheduled_end, deadline_reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
                $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33,
                COALESCE((SELECT name FROM node WHERE id = $26), ''),
                COALESCE((SELECT gateway_group FROM node WHERE id = $26), ''), $34, $35, $36)",
        )
        .bind(new.id.to_string())
        .bind(word(&new.origin)?)
        .bind(new.kind.as_str())
        .bind(new.status.as_str())
        .bind(text(&new.user))
        .bind(text(&new.first_name))
        .bind(text(&new.last_name))
        .bind(text(&new.email))
        .bind(text(&new.identity_provider))
        .bind(new.scope.as_str())
        .bind(text(&new.login_account))
        .bind(new.account_id.to_string())
        .bind(text(&new.host))
        .bind(new.host_id.to_string())
        .bind(text(&new.target_address))
        .bind(i64::from(new.target_port))
        .bind(text(&new.source_ip))
        .bind(text(&new.activity))
        .bind(text(&new.access_policy))
        .bind(text(&new.connection_profile))
        .bind(new.recording_mode.as_str())
        .bind(text(&new.notes))
        .bind(text(&new.ticket))
        .bind(json(&new.terms)?)
        .bind(micros(new.times.requested_at))
        .bind(new.node.map(|node| node.to_string()))
        .bind(i64::from(new.status.is_final()))
        .bind(i64::try_from(events.len()).unwrap_or(i64::MAX))
        .bind(text(&search_text(new)))
        .bind(text(&live_search_text(new.status, "", &new.source_ip)))
        .bind(json(&new.machine)?)
        .bind(text(new.launch_point.id()))
        .bind(text(new.launch_point.name()))
        .bind(new.times.provisioned_at.map(micros))
        .bind(new.times.scheduled_end.map(micros))
        .bind(new.deadline_reason.map(|reason| reason.as_str()));
        script.add(session);
        write(&mut script, new.id, events)?;
        // Whoever makes it on a node has it already.
        let hint: &[Hint] = match new.node {
            Some(_) => &[],
            None => &[Hint::Unowned],
        };
        self.run(script, hint).await
    }

    /// Saves what changed in a session's life, with the lines of its log that tell of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown session.
    pub async fn save_session(
        &self,
        id: SessionId,
        update: &SessionUpdate,
        events: &[(DateTime<Utc>, Event)],
    ) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.save_session(id, update, events)?;
        batch.commit().await
    }

    /// Makes `node` the owner of a session that has none. Of several nodes exactly one gets `true`.
    pub async fn adopt_session(&self, id: SessionId, node: NodeId) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE session SET node_id = $2,
                node_name = COALESCE((SELECT name FROM node WHERE id = $2), ''),
                gateway_group = COALESCE((SELECT gateway_group FROM node WHERE id = $2), '')
             WHERE id = $1 AND node_id IS NULL AND final = 0",
        )
        .bind(id.to_string())
        .bind(node.to_string())
        .execute(&mut *tx)
        .await?;
        self.commit(tx, &[]).await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Everything shown that never changes.
fn search_text(new: &NewSession) -> String {
    let id = new.id.to_string();
    let port = new.target_port.to_string();
    let full_name = format!("{} {}", new.first_name, new.last_name);
    let parts = [
        &id,
        new.kind.as_str(),
        &new.user,
        &full_name,
        &new.email,
        &new.identity_provider,
        &new.login_account,
        &new.host,
        &new.target_address,
        &port,
        &new.activity,
        &new.access_policy,
        &new.connection_profile,
        &new.notes,
        &new.ticket,
        new.launch_point.name(),
        new.scope.as_str(),
        new.recording_mode.as_str(),
    ];
    parts.join("\n").to_lowercase()
}

/// Everything shown that does.
fn live_search_text(status: Status, reason: &str, source_ip: &str) -> String {
    [status.as_str(), status.class().as_str(), reason, source_ip]
        .join("\n")
        .to_lowercase()
}

impl Batch {
    /// As [`Store::save_session`].
    pub fn save_session(
        &mut self,
        id: SessionId,
        update: &SessionUpdate,
        events: &[(DateTime<Utc>, Event)],
    ) -> Result<(), StoreError> {
        let text = |text: &str| clean(text).into_owned();
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let (title, message) = update
            .locked
            .as_ref()
            .map(|(title, message)| (text(title), text(message)))
            .unzip();
        let reason = update
            .close_reason
            .as_ref()
            .map(|reason| text(&reason.to_string()));
        let client = update.client.as_deref().map(text);
        let source_ip = update.source_ip.as_deref().map(text);
        // Client and address are added in the SQL, which knows those that are stored.
        let live = live_search_text(update.status, reason.as_deref().unwrap_or_default(), "");
        let row = Statement::new(
            "UPDATE session SET status = $2, requested_at = $3, provisioned_at = $4, connected_at = $5,
                scheduled_end = $6, disconnected_at = $7, ended_at = $8, last_access_at = $9, close_code = $10,
                close_reason = $11, close_detail = $12, deadline_reason = $13, lock_title = $14, lock_message = $15,
                extensions_used = $16, source_ip = COALESCE($17, source_ip), client = COALESCE($18, client),
                final = $19, machine = $21, events = events + $22,
                search_live = $20 || ' ' || lower(COALESCE($17, source_ip)) || ' ' || lower(COALESCE($18, client))
             WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(update.status.as_str())
        .bind(micros(update.times.requested_at))
        .bind(update.times.provisioned_at.map(micros))
        .bind(update.times.connected_at.map(micros))
        .bind(update.times.scheduled_end.map(micros))
        .bind(update.times.disconnected_at.map(micros))
        .bind(update.times.ended_at.map(micros))
        .bind(update.last_access_at.map(micros))
        .bind(update.close_reason.as_ref().map(|reason| reason.code()))
        .bind(reason)
        .bind(update.close_reason.as_ref().map(json).transpose()?)
        .bind(update.deadline_reason.map(|reason| reason.as_str()))
        .bind(title)
        .bind(message)
        .bind(i64::from(update.extensions_used))
        .bind(source_ip)
        .bind(client)
        .bind(i64::from(update.status.is_final()))
        .bind(live)
        .bind(json(&update.machine)?)
        .bind(count)
        .demand("session", id.to_string());
        self.script().add(row);
        write(self.script(), id, events)?;
        self.hint(Hint::Sessions);
        Ok(())
    }
}
