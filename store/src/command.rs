//! Orders to live sessions: a row each, written together with its audit entry.

use chrono::{DateTime, Utc};
use sallyport_domain::command::{Actor, Command, CommandDenied, Outcome};
use sallyport_domain::id::{CommandId, NodeId, SessionId};
use serde::Serialize;
use sqlx::any::AnyRow;

use crate::audit::{self, AuditObject, Deed};
use crate::error::StoreError;
use crate::hint::Hint;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::{Columns, json, micros, new_id};
use crate::who::Author;

/// A command nobody has answered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCommand {
    /// Its id.
    pub id: CommandId,
    /// For which session.
    pub session: SessionId,
    /// The order.
    pub command: Command,
    /// By whom.
    pub by: Actor,
    /// When.
    pub ordered_at: DateTime<Utc>,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandRow {
    /// Its id.
    pub id: CommandId,
    /// For which session.
    pub session: SessionId,
    /// The order.
    pub command: Command,
    /// By whom.
    pub by: Actor,
    /// When it was ordered.
    pub ordered_at: DateTime<Utc>,
    /// When it took effect; `None` while it has not been answered.
    pub effective_at: Option<DateTime<Utc>>,
    /// What became of it; `None` while it has not been answered.
    pub outcome: Option<Outcome>,
}

impl Store {
    /// Orders something of a live session: the command and its audit entry, in one transaction.
    /// A session that has ended answers at once, with a refusal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown session.
    pub async fn order(
        &self,
        by: &Author,
        actor: &Actor,
        session: SessionId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<CommandId, StoreError> {
        let id: CommandId = new_id();
        let mut tx = self.begin().await?;
        let row =
            sqlx::query("SELECT scope, login_account, host, final FROM session WHERE id = $1")
                .bind(session.to_string())
                .fetch_optional(&mut *tx)
                .await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: "session",
            name: session.to_string(),
        })?;
        let too_late = row.flag("final")?.then_some(Outcome::Denied {
            why: CommandDenied::Ended,
        });
        sqlx::query(
            "INSERT INTO command (id, session_id, verb, command, actor, ordered_at, outcome, effective_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.to_string())
        .bind(session.to_string())
        .bind(command.verb())
        .bind(json(command)?)
        .bind(json(actor)?)
        .bind(micros(now))
        .bind(too_late.as_ref().map(json).transpose()?)
        .bind(too_late.as_ref().map(|_| micros(now)))
        .execute(&mut *tx)
        .await?;
        let mut after = serde_json::to_value(command)
            .map_err(|error| StoreError::damaged("a command", error))?;
        if let serde_json::Value::Object(fields) = &mut after {
            fields.insert("id".to_owned(), id.to_string().into());
        }
        let name = format!("{}@{}", row.text("login_account")?, row.text("host")?);
        let deed = Deed {
            action: &format!("session.{}", command.verb()),
            object: AuditObject {
                kind: "session",
                name: &name,
                id: &session.to_string(),
                scope: &row.word("scope")?,
            },
            before: &serde_json::Value::Null,
            after: &after,
        };
        audit::record(&mut tx, self, by, deed, now).await?;
        let hint = if too_late.is_some() {
            Hint::CommandAnswered(id)
        } else {
            Hint::Commands
        };
        self.commit(tx, &[hint]).await?;
        Ok(id)
    }

    /// The commands for a node's sessions that wait for an answer, oldest first.
    pub async fn open_commands(&self, node: NodeId) -> Result<Vec<OpenCommand>, StoreError> {
        let rows = sqlx::query(
            "SELECT c.id AS id, c.session_id AS session_id, c.command AS command, c.actor AS actor, c.ordered_at AS ordered_at
             FROM command c JOIN session s ON s.id = c.session_id
             WHERE c.outcome IS NULL AND s.node_id = $1 ORDER BY c.ordered_at, c.id",
        )
        .bind(node.to_string())
        .fetch_all(&mut *self.ask().await?)
        .await?;
        let read = |row: &AnyRow| {
            Ok(OpenCommand {
                id: row.parsed("id")?,
                session: row.parsed("session_id")?,
                command: row.json("command")?,
                by: row.json("actor")?,
                ordered_at: row.time("ordered_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Writes down what became of a command, with an audit entry. The first answer counts; later
    /// ones change nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown command.
    pub async fn answer_command(
        &self,
        id: CommandId,
        outcome: &Outcome,
        effective_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.answer_command(id, outcome.clone(), effective_at);
        batch.commit().await
    }

    /// A command and what became of it.
    pub async fn command(&self, id: CommandId) -> Result<Option<CommandRow>, StoreError> {
        let row = sqlx::query(
            "SELECT id, session_id, command, actor, ordered_at, effective_at, outcome FROM command WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *self.ask().await?)
        .await?;
        let read = |row: AnyRow| {
            Ok(CommandRow {
                id: row.parsed("id")?,
                session: row.parsed("session_id")?,
                command: row.json("command")?,
                by: row.json("actor")?,
                ordered_at: row.time("ordered_at")?,
                effective_at: row.time_or_null("effective_at")?,
                outcome: row.json_or_null("outcome")?,
            })
        };
        row.map(read).transpose()
    }
}

/// Answers in a transaction; false if it was answered before.
pub(crate) async fn answer(
    tx: &mut Tx,
    store: &Store,
    id: CommandId,
    outcome: &Outcome,
    effective_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT c.verb AS verb, c.actor AS actor, s.id AS session_id, s.scope AS scope,
            s.login_account AS login_account, s.host AS host
         FROM command c JOIN session s ON s.id = c.session_id WHERE c.id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let row = row.ok_or_else(|| StoreError::NotFound {
        what: "command",
        name: id.to_string(),
    })?;
    let done = sqlx::query(
        "UPDATE command SET outcome = $2, effective_at = $3 WHERE id = $1 AND outcome IS NULL",
    )
    .bind(id.to_string())
    .bind(json(outcome)?)
    .bind(micros(effective_at))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let name = format!("{}@{}", row.text("login_account")?, row.text("host")?);
    let actor: Actor = row.json("actor")?;
    let deed = Deed {
        action: "command.answered",
        object: AuditObject {
            kind: "session",
            name: &name,
            id: &row.text("session_id")?,
            scope: &row.word("scope")?,
        },
        before: &serde_json::json!({ "id": id, "command": row.text("verb")?, "by": actor.name }),
        after: &serde_json::to_value(outcome)
            .map_err(|error| StoreError::damaged("an outcome", error))?,
    };
    audit::record(tx, store, &Author::system(), deed, effective_at).await?;
    Ok(true)
}
