//! A session's log and its connections.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sallyport_domain::role::Act;
use sallyport_store::ConnectionRow;
use serde::Serialize;

use crate::caller::Caller;
use crate::input::Params;
use crate::list::Listing;
use crate::problem::Problem;
use crate::state::Api;

/// The list of a session's events.
pub static EVENTS: Listing = Listing {
    name: "events",
    columns: &["line", "at", "level", "kind", "message", "detail"],
    filters: &["level", "type"],
};

/// `GET /sessions/{id}/events`
pub async fn events(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let session = caller.session(&api, &id, Act::ReadSessions).await?;
    let asked = EVENTS.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.session_events(session.id, &query);
    asked
        .answer(&caller, &api, page, || {
            api.store.export_events(session.id, &query)
        })
        .await
}

/// All of a session's connections.
#[derive(Serialize)]
pub struct Connections {
    items: Vec<ConnectionRow>,
}

/// `GET /sessions/{id}/connections`
pub async fn connections(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Connections>, Problem> {
    let session = caller.session(&api, &id, Act::ReadSessions).await?;
    Ok(Json(Connections {
        items: api.store.connections(session.id).await?,
    }))
}
