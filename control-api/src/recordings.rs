//! Recordings: listed, shown, downloaded, exported, verified. Whoever looks into one is put on record.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sallyport_domain::role::Act;
use sallyport_recorder::export::{self, ExportError};
use sallyport_store::{AuditObject, RecordingRow, SessionRow};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::input::Params;
use crate::list::{Listing, paged};
use crate::pictures::require_desktop;
use crate::problem::Problem;
use crate::state::Api;
use crate::tapes;

/// Where nothing changes, a film stands still for so many seconds, if nobody says how long.
const IDLE_CUT: &str = "2";

/// The list of recordings.
pub static RECORDINGS: Listing = Listing {
    name: "recordings",
    columns: &[
        "id",
        "session",
        "user",
        "host",
        "login_account",
        "activity",
        "state",
        "bytes",
        "started_at",
        "finished_at",
        "root",
        "path",
    ],
    filters: &["user", "host", "activity", "session"],
};

/// `GET /recordings`
pub async fn list(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    caller.require(Act::ReadRecordings)?;
    let asked = RECORDINGS.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.recordings(&caller.viewer, &query);
    let all = || {
        let (store, viewer) = (api.store.clone(), caller.viewer.clone());
        Ok(paged(&query, move |query| {
            let (store, viewer) = (store.clone(), viewer.clone());
            async move { store.recordings(&viewer, &query).await }
        }))
    };
    asked.answer(&caller, &api, page, all).await
}

/// `GET /recordings/{connection}`
pub async fn show(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<RecordingRow>, Problem> {
    let (recording, _) = caller.recording(&api, &id).await?;
    Ok(Json(recording))
}

/// `GET /recordings/{connection}/tape`
pub async fn tape(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (recording, session) = caller.recording(&api, &id).await?;
    let path = tapes::path(&api, &recording.path)?;
    note(
        &caller,
        &api,
        "recording.downloaded",
        &recording,
        &session,
        json!({}),
    )
    .await?;
    tapes::download(&path, &format!("{}.tape", recording.id)).await
}

/// `GET /recordings/{connection}/export`
pub async fn export(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let (recording, session) = caller.recording(&api, &id).await?;
    let params = params.known(&["format", "channel", "idle_cut"], &[])?;
    let format = params.get("format").unwrap_or("asciicast").to_owned();
    let channel = params.read("channel", "the number of a channel")?;
    let idle_limit = idle_limit(&params)?;
    let path = tapes::path(&api, &recording.path)?;
    match format.as_str() {
        "asciicast" | "text" => {}
        "mp4" => require_desktop(&session)?,
        _ => {
            let told =
                format!("`{format}` is not allowed for `format`; write asciicast, text or mp4");
            return Err(Problem::bad_request(told));
        }
    }
    note(
        &caller,
        &api,
        "recording.exported",
        &recording,
        &session,
        json!({ "format": format }),
    )
    .await?;
    let id = recording.id;
    if format == "mp4" {
        return film(&api, path, idle_limit, &format!("{id}.mp4")).await;
    }
    if format == "text" {
        let write = move |out: &mut dyn Write| export::text(&path, out).map_err(Failed);
        return tapes::written(&format!("{id}.txt"), "text/plain; charset=utf-8", write).await;
    }
    let write = move |out: &mut dyn Write| export::asciicast(&path, channel, out).map_err(Failed);
    tapes::written(&format!("{id}.cast"), "application/x-asciicast", write).await
}

/// How long a film stands still at most where nothing changes; `None`: as long as the desktop did.
fn idle_limit(params: &Params) -> Result<Option<Duration>, Problem> {
    let told = params.get("idle_cut").unwrap_or(IDLE_CUT);
    let seconds = told.parse().ok();
    let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limit = limit.ok_or_else(|| {
        Problem::bad_request(format!(
            "`{told}` is not allowed for `idle_cut`; write seconds, for example 2.5, or 0 to leave nothing out"
        ))
    })?;
    Ok((!limit.is_zero()).then_some(limit))
}

/// Sends a film while it is made.
async fn film(
    api: &Api,
    tape: PathBuf,
    idle_limit: Option<Duration>,
    name: &str,
) -> Result<Response, Problem> {
    let place = api.tracks.filming()?;
    api.tracks.make(&tape, None).await?;
    let write = move |out: &mut dyn Write| {
        // Held until it is made or nobody wants it any more.
        let _place = place;
        export::mp4(&tape, idle_limit, out).map_err(Failed)
    };
    tapes::written_aside(name, "video/mp4", write).await
}

/// `GET /recordings/{connection}/verify`
pub async fn verify(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (recording, session) = caller.recording(&api, &id).await?;
    let path = tapes::path(&api, &recording.path)?;
    note(
        &caller,
        &api,
        "recording.verified",
        &recording,
        &session,
        json!({}),
    )
    .await?;
    let checked = tokio::task::spawn_blocking(move || sallyport_recorder::verify(&path)).await;
    let report = checked
        .map_err(Problem::internal)?
        .map_err(Problem::internal)?;
    let whole = report.is_whole();
    // The store's copy of the root tells a tape that was exchanged for another whole one.
    let same_root = recording.root.as_ref().map(|root| *root == report.root);
    let mut report = serde_json::to_value(report).map_err(Problem::internal)?;
    report["path"] = json!(recording.path);
    report["whole"] = json!(whole);
    report["root_as_stored"] = json!(same_root);
    Ok(Json(report))
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Failed(ExportError);

impl From<Failed> for Problem {
    fn from(Failed(error): Failed) -> Self {
        match error {
            ExportError::NoTerminal { .. }
            | ExportError::Desktop
            | ExportError::NoPictures
            | ExportError::FilmTooLarge { .. } => Self::unprocessable(error.to_string()),
            ExportError::Track(error) => error.into(),
            ExportError::Tape(_) | ExportError::Write(_) | ExportError::Film(_) => {
                Self::internal(error)
            }
        }
    }
}

/// Puts it on record that somebody looks into a recording.
pub async fn note(
    caller: &Caller,
    api: &Api,
    action: &str,
    recording: &RecordingRow,
    session: &SessionRow,
    detail: Value,
) -> Result<(), Problem> {
    let (id, name) = (
        recording.id.to_string(),
        format!("{} on {}", recording.user, recording.host),
    );
    let object = AuditObject {
        kind: "recording",
        name: &name,
        id: &id,
        scope: &session.scope,
    };
    caller.note(api, action, object, detail).await
}
