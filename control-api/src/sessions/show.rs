//! Sessions as they are listed and shown.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sallyport_domain::role::Act;
use sallyport_store::SessionRow;

use crate::caller::Caller;
use crate::input::Params;
use crate::list::Listing;
use crate::problem::Problem;
use crate::state::Api;

/// The list of sessions.
pub static SESSIONS: Listing = Listing {
    name: "sessions",
    columns: &[
        "id",
        "type",
        "status",
        "state_class",
        "user",
        "first_name",
        "last_name",
        "email",
        "identity_provider",
        "login_account",
        "host",
        "target_address",
        "target_port",
        "source_ip",
        "activity",
        "access_policy",
        "connection_profile",
        "requested_at",
        "provisioned_at",
        "connected_at",
        "scheduled_end",
        "disconnected_at",
        "ended_at",
        "duration_s",
        "close_reason",
        "locked",
        "deadline_reason",
        "recording_mode",
        "last_access_at",
        "scope",
        "service_url",
        "client",
        "client_os",
        "notes",
        "ticket",
        "close_code",
        "lock_title",
        "lock_message",
        "extensions_used",
        "controlled_by",
        "origin",
        "host_id",
        "account_id",
        "node",
        "node_name",
        "gateway_group",
        "account_link",
        "service_provider",
        "launch_point_id",
        "launch_point_name",
        "meters",
    ],
    filters: &[
        "status",
        "class",
        "open",
        "user",
        "host",
        "activity",
        "account",
        "type",
        "group",
        "application",
    ],
};

/// `GET /sessions`: everybody sees what the store lets him see.
pub async fn list(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let asked = SESSIONS.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.list_sessions(&caller.viewer, &query);
    asked
        .answer(&caller, &api, page, || {
            api.store.export_sessions(&caller.viewer, &query)
        })
        .await
}

/// `GET /sessions/{id}`
pub async fn show(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<SessionRow>, Problem> {
    caller.session(&api, &id, Act::ReadSessions).await.map(Json)
}
