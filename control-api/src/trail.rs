//! The audit trail and the access log.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sallyport_domain::role::Act;
use sallyport_store::VerifyReport;

use crate::caller::Caller;
use crate::input::Params;
use crate::list::Listing;
use crate::problem::Problem;
use crate::state::Api;

/// The audit trail.
pub static AUDIT: Listing = Listing {
    name: "audit",
    columns: &[
        "seq",
        "at",
        "user",
        "first_name",
        "last_name",
        "email",
        "identity_provider",
        "ip",
        "session",
        "action",
        "object_kind",
        "object_name",
        "object_id",
        "scope",
        "before",
        "after",
        "previous",
        "hash",
    ],
    filters: &["user", "action"],
};

/// The access log.
pub static ACCESS_LOG: Listing = Listing {
    name: "access-log",
    columns: &[
        "id",
        "at",
        "type",
        "user",
        "source_ip",
        "method",
        "outcome",
        "code",
        "text",
        "service_provider",
        "session",
    ],
    filters: &["user", "type", "outcome", "session"],
};

/// `GET /audit`
pub async fn audit(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    caller.require(Act::ReadAudit)?;
    let asked = AUDIT.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.list_audit(&caller.viewer, &query);
    asked
        .answer(&caller, &api, page, || {
            api.store.export_audit(&caller.viewer, &query)
        })
        .await
}

/// `GET /audit/verify`
pub async fn verify(caller: Caller, State(api): State<Api>) -> Result<Json<VerifyReport>, Problem> {
    caller.require(Act::ReadAudit)?;
    Ok(Json(api.store.verify_audit().await?))
}

/// `GET /access-log`
pub async fn access_log(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    caller.require(Act::ReadAudit)?;
    let asked = ACCESS_LOG.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.list_logins(&caller.viewer, &query);
    asked
        .answer(&caller, &api, page, || {
            api.store.export_logins(&caller.viewer, &query)
        })
        .await
}
