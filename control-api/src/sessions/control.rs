//! Orders to sessions, one or many at a time.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt, TryStreamExt};
use sallyport_domain::command::Command;
use sallyport_domain::role::Act;
use sallyport_store::{ListQuery, SessionRow};
use serde::Serialize;
use serde_json::{Map, Value};

use super::orders::{Order, Prevent};
use crate::caller::Caller;
use crate::command::{self, CommandAnswer};
use crate::input::Body;
use crate::problem::Problem;
use crate::state::Api;

/// Sessions that one request may order about.
const MOST_IDS: usize = 100;
/// Orders of one request under way at once.
const AT_ONCE: usize = 16;

/// What became of one of many orders: the answer, or the problem.
#[derive(Debug, Serialize)]
pub struct OneOfMany {
    session: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<CommandAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of them all, in the order asked for.
#[derive(Debug, Serialize)]
pub struct Many {
    results: Vec<OneOfMany>,
}

/// An order's answer with what was prevented besides.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    answer: CommandAnswer,
    /// The user's other sessions that were locked as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<OneOfMany>,
}

/// `POST /sessions/{id}/{verb}`
pub async fn one<O: Order>(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Body<O>,
) -> Result<Response, Problem> {
    let session = caller.session(&api, &id, O::ACT).await?;
    let order = body.read_or_default()?;
    obey(&api, &caller, &session, &order).await
}

/// `POST /sessions/{verb}`
pub async fn many<O: Order>(
    caller: Caller,
    State(api): State<Api>,
    body: Body<Map<String, Value>>,
) -> Result<Json<Many>, Problem> {
    caller.require(O::ACT)?;
    let mut body = body.read()?;
    let ids = ids(body.remove("ids"))?;
    let order: O = serde_json::from_value(Value::Object(body))
        .map_err(|error| Problem::unprocessable(error.to_string()))?;
    order.command()?;
    let (api, caller, order) = (&api, &caller, &order);
    let results = stream::iter(ids)
        .map(|id| async move {
            let done = async {
                let session = caller.session(api, &id, O::ACT).await?;
                lock_out(api, caller, &session, order.prevent()).await?;
                command::order(api, caller, &session, &order.command()?).await
            };
            OneOfMany::new(id.clone(), done.await)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(Json(Many { results }))
}

fn ids(given: Option<Value>) -> Result<Vec<String>, Problem> {
    let told = || {
        Problem::unprocessable(format!(
            "`ids` is missing or wrong: a list of 1 to {MOST_IDS} session ids"
        ))
    };
    let mut ids: Vec<String> = given
        .and_then(|ids| serde_json::from_value(ids).ok())
        .ok_or_else(told)?;
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    if ids.is_empty() || ids.len() > MOST_IDS {
        Err(told())
    } else {
        Ok(ids)
    }
}

async fn obey<O: Order>(
    api: &Api,
    caller: &Caller,
    session: &SessionRow,
    order: &O,
) -> Result<Response, Problem> {
    let command = order.command()?;
    // What keeps the user out comes first, so that no session slips in between.
    lock_out(api, caller, session, order.prevent()).await?;
    let answer = command::order(api, caller, session, &command).await?;
    let others = match order.prevent() {
        Some(Prevent::All) => all_of(api, caller, &session.user, &command, Some(session)).await?,
        Some(Prevent::Resource) | None => Vec::new(),
    };
    Ok((answer.status(), Json(Answer { answer, others })).into_response())
}

async fn lock_out(
    api: &Api,
    caller: &Caller,
    session: &SessionRow,
    prevent: Option<Prevent>,
) -> Result<(), Problem> {
    command::alive(api, session)?;
    let (by, user) = (&caller.author, session.user.as_str());
    match prevent {
        None => Ok(()),
        Some(Prevent::Resource) => Ok(api
            .store
            .bar_host(by, user, session.host_id, true, api.now())
            .await?),
        Some(Prevent::All) => {
            caller.require(Act::WriteNouns)?;
            Ok(api
                .store
                .set_user_locked(by, user, true, "locked together with a session", api.now())
                .await?)
        }
    }
}

/// Gives one order to all open sessions of a user that the caller may see, except perhaps one.
pub async fn all_of(
    api: &Api,
    caller: &Caller,
    user: &str,
    command: &Command,
    except: Option<&SessionRow>,
) -> Result<Vec<OneOfMany>, Problem> {
    let query = ListQuery {
        user: Some(user.to_owned()),
        open: Some(true),
        ..ListQuery::default()
    };
    let sessions: Vec<SessionRow> = api
        .store
        .export_sessions(&caller.viewer, &query)?
        .try_collect()
        .await?;
    let others = sessions
        .into_iter()
        .filter(|session| except.is_none_or(|known| known.id != session.id));
    Ok(stream::iter(others)
        .map(|session| async move {
            OneOfMany::new(
                session.id.to_string(),
                command::order(api, caller, &session, command).await,
            )
        })
        .buffered(AT_ONCE)
        .collect()
        .await)
}

impl OneOfMany {
    fn new(session: String, done: Result<CommandAnswer, Problem>) -> Self {
        match done {
            Ok(answer) => Self {
                session,
                status: answer.status().as_u16(),
                answer: Some(answer),
                problem: None,
            },
            Err(problem) => Self {
                session,
                status: problem.status().as_u16(),
                answer: None,
                problem: Some(problem),
            },
        }
    }
}
