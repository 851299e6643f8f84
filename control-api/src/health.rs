//! For those who operate it: is it alive, is it ready, what does it count. No names in any of it.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sallyport_domain::status::Status;
use sallyport_store::ListQuery;

use crate::problem::Problem;
use crate::state::{Api, everything};

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers as well.
pub async fn ready(State(api): State<Api>) -> Result<&'static str, Problem> {
    if api.stopping.is_cancelled() {
        return Err(Problem::unavailable("shutting down"));
    }
    api.store.ping().await.map_err(Problem::unavailable)?;
    Ok("ready\n")
}

/// `GET /metrics`
pub async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let mut sessions = Vec::new();
    for status in Status::ALL.into_iter().filter(|status| !status.is_final()) {
        let query = ListQuery {
            status: vec![status],
            page_size: 1,
            ..ListQuery::default()
        };
        sessions.push((
            status.as_str(),
            api.store.list_sessions(&everything(), &query).await?.total,
        ));
    }
    let runtime = tokio::runtime::Handle::current().metrics();
    let tasks = [
        ("connections", (api.connection_tasks)()),
        ("rest", runtime.num_alive_tasks()),
    ];
    let text = api
        .metrics
        .render(&sessions, &tasks.map(|(of, count)| (of, count as u64)));
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}
