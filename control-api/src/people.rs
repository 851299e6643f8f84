//! What is done to users and hosts besides declaring them: locks, bars, pinned host keys.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sallyport_domain::command::Command;
use sallyport_domain::declared::NounKind;
use sallyport_domain::role::Act;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Body;
use crate::nouns::visible;
use crate::problem::Problem;
use crate::sessions::control::{OneOfMany, all_of};
use crate::sessions::orders::printable;
use crate::state::Api;

/// Why a user is locked, and what the user's live sessions show.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserLock {
    /// For the audit trail.
    reason: String,
    /// Headline in the user's live sessions.
    title: String,
    /// Text below it.
    message: String,
}

/// What became of the user and of his sessions.
#[derive(Serialize)]
pub struct UserLocked {
    user: String,
    locked: bool,
    sessions: Vec<OneOfMany>,
}

/// `POST /users/{name}/lock`: no log-in, no new session, and live ones are locked.
pub async fn lock(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Body<UserLock>,
) -> Result<Json<UserLocked>, Problem> {
    caller.require(Act::WriteNouns)?;
    visible(&caller, &api, NounKind::User, &name).await?;
    let lock = body.read_or_default()?;
    if name == caller.viewer.name {
        return Err(Problem::conflict(
            "you cannot lock yourself: nobody might be left to unlock you",
        ));
    }
    let title = if lock.title.is_empty() {
        "Account locked"
    } else {
        &lock.title
    };
    let command = Command::Lock {
        title: printable("title", title)?,
        message: printable("message", &lock.message)?,
    };
    api.store
        .set_user_locked(&caller.author, &name, true, &lock.reason, api.now())
        .await?;
    let sessions = all_of(&api, &caller, &name, &command, None).await?;
    Ok(Json(UserLocked {
        user: name,
        locked: true,
        sessions,
    }))
}

/// `POST /users/{name}/unlock`: the account only; each session is unlocked for itself.
pub async fn unlock(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Body<UserUnlock>,
) -> Result<Json<UserLocked>, Problem> {
    caller.require(Act::WriteNouns)?;
    visible(&caller, &api, NounKind::User, &name).await?;
    let unlock = body.read_or_default()?;
    api.store
        .set_user_locked(&caller.author, &name, false, &unlock.reason, api.now())
        .await?;
    Ok(Json(UserLocked {
        user: name,
        locked: false,
        sessions: Vec::new(),
    }))
}

/// Why a user is unlocked.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserUnlock {
    /// For the audit trail.
    reason: String,
}

/// `DELETE /users/{name}/barred-hosts/{host}`: undoes `prevent: resource` of a lock.
pub async fn unbar(
    caller: Caller,
    State(api): State<Api>,
    Path((name, host)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.require(Act::WriteNouns)?;
    let host = visible(&caller, &api, NounKind::Host, &host).await?;
    api.store
        .bar_host(&caller.author, &name, host.id, false, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys pinned at first use.
#[derive(Serialize, ToSchema)]
pub struct PinnedKeys {
    host: String,
    host_keys: Vec<String>,
}

/// `GET /hosts/{name}/host-keys`
pub async fn host_keys(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<PinnedKeys>, Problem> {
    caller.require(Act::ReadNouns)?;
    let host = visible(&caller, &api, NounKind::Host, &name).await?;
    Ok(Json(PinnedKeys {
        host: name,
        host_keys: api.store.host_keys(host.id).await?,
    }))
}

/// `DELETE /hosts/{name}/host-keys`: the next connection pins again.
pub async fn unpin(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Act::WriteNouns)?;
    visible(&caller, &api, NounKind::Host, &name).await?;
    api.store
        .unpin_host_keys(&caller.author, &name, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys of RDP certificates pinned at first use.
#[derive(Serialize, ToSchema)]
pub struct PinnedRdpKeys {
    host: String,
    /// SHA-256 of the certificate's public key (SubjectPublicKeyInfo), in hexadecimal.
    rdp_keys: Vec<String>,
}

/// `GET /hosts/{name}/rdp-keys`
pub async fn rdp_keys(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<PinnedRdpKeys>, Problem> {
    caller.require(Act::ReadNouns)?;
    let host = visible(&caller, &api, NounKind::Host, &name).await?;
    Ok(Json(PinnedRdpKeys {
        host: name,
        rdp_keys: api.store.rdp_pins(host.id).await?,
    }))
}

/// `DELETE /hosts/{name}/rdp-keys`: the next connection pins again.
pub async fn unpin_rdp(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Act::WriteNouns)?;
    visible(&caller, &api, NounKind::Host, &name).await?;
    api.store
        .unpin_rdp_keys(&caller.author, &name, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
