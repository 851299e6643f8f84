//! Orders to live sessions: written, then waited for until the session says so.
//!
//! An order is a row; the node that owns the session obeys and writes the answer back. What is not answered in
//! time is told as not confirmed, never as done.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use sallyport_domain::command::{Actor, Command, CommandDenied, ConnectionEffect, Outcome};
use sallyport_domain::id::CommandId;
use sallyport_domain::role::Act;
use sallyport_store::{CommandRow, Hint, SessionRow};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::metrics::Answered;
use crate::problem::Problem;
use crate::state::Api;

/// Longest wait for a session's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the row is read again although no hint came.
const POLL: Duration = Duration::from_millis(250);

/// What became of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommandAnswer {
    #[schema(value_type = String, format = "uuid")]
    command: CommandId,
    ordered_at: DateTime<Utc>,
    effective_at: Option<DateTime<Utc>>,
    /// Did the session answer?
    confirmed: bool,
    /// `done` or `already_so`; null while not confirmed.
    outcome: Option<&'static str>,
    /// When each connection obeyed.
    #[schema(value_type = Vec<Object>)]
    connections: Vec<ConnectionEffect>,
}

impl CommandAnswer {
    /// Did the session answer?
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// 200 if it took effect, 202 if nobody knows yet.
    pub fn status(&self) -> StatusCode {
        if self.confirmed {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        }
    }
}

impl IntoResponse for CommandAnswer {
    fn into_response(self) -> Response {
        (self.status(), Json(self)).into_response()
    }
}

/// Orders a command and waits for the session's answer.
pub async fn order(
    api: &Api,
    caller: &Caller,
    session: &SessionRow,
    command: &Command,
) -> Result<CommandAnswer, Problem> {
    // Before the order is written: its answer may come at once.
    let hints = api.store.hints();
    let id = place(api, caller, session, command).await?;
    let row = answered(api, id, hints).await?;
    told(api, row)
}

/// Refuses a session that has ended: nobody owns it any more, so nobody would answer.
pub fn alive(api: &Api, session: &SessionRow) -> Result<(), Problem> {
    if !session.status.is_final() {
        return Ok(());
    }
    api.metrics.command(Answered::Denied);
    Err(CommandDenied::Ended.into())
}

/// Writes an order and does not wait.
pub async fn place(
    api: &Api,
    caller: &Caller,
    session: &SessionRow,
    command: &Command,
) -> Result<CommandId, Problem> {
    alive(api, session)?;
    let actor = Actor {
        name: caller.viewer.name.clone(),
        own: caller.owns(session),
        admin: caller.reaches(session, Act::ControlSessions),
    };
    Ok(api
        .store
        .order(&caller.author, &actor, session.id, command, api.now())
        .await?)
}

/// The row once it is answered, or as it stands when time is up.
async fn answered(
    api: &Api,
    id: CommandId,
    mut hints: broadcast::Receiver<Hint>,
) -> Result<CommandRow, Problem> {
    let give_up = Instant::now() + ANSWER_TIMEOUT;
    loop {
        let row = api
            .store
            .command(id)
            .await?
            .ok_or_else(|| Problem::internal("an order just written is gone"))?;
        let now = Instant::now();
        if row.outcome.is_some() || now >= give_up {
            return Ok(row);
        }
        wait_for(id, &mut hints, (now + POLL).min(give_up)).await;
    }
}

/// Returns at the hint for this command, or at `until`.
async fn wait_for(id: CommandId, hints: &mut broadcast::Receiver<Hint>, until: Instant) {
    loop {
        match timeout_at(until, hints.recv()).await {
            Ok(Ok(Hint::CommandAnswered(answered))) if answered == id => return,
            Ok(Ok(
                Hint::CommandAnswered(_)
                | Hint::Commands
                | Hint::Sessions
                | Hint::Unowned
                | Hint::Policy,
            )) => {}
            Ok(Err(RecvError::Lagged(_))) | Err(_) => return,
            Ok(Err(RecvError::Closed)) => return tokio::time::sleep_until(until).await,
        }
    }
}

fn told(api: &Api, row: CommandRow) -> Result<CommandAnswer, Problem> {
    let (outcome, connections) = match row.outcome {
        Some(Outcome::Denied { why }) => {
            api.metrics.command(Answered::Denied);
            return Err(why.into());
        }
        Some(Outcome::Done { connections }) => (Some("done"), connections),
        Some(Outcome::AlreadySo) => (Some("already_so"), Vec::new()),
        None => (None, Vec::new()),
    };
    let confirmed = outcome.is_some();
    api.metrics.command(if confirmed {
        Answered::Confirmed
    } else {
        Answered::Unconfirmed
    });
    Ok(CommandAnswer {
        command: row.id,
        ordered_at: row.ordered_at,
        effective_at: row.effective_at,
        confirmed,
        outcome,
        connections,
    })
}
