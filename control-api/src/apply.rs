//! `POST /apply`: a whole declaration at once, or what it would change.

use axum::Json;
use axum::extract::State;
use sallyport_domain::declared::Declaration;
use sallyport_domain::role::Act;
use sallyport_store::Change;
use serde::Serialize;

use crate::caller::Caller;
use crate::input::{Body, Params};
use crate::problem::Problem;
use crate::sources;
use crate::state::Api;

/// What was changed, or would be.
#[derive(Serialize)]
pub struct Applied {
    dry_run: bool,
    changes: Vec<Change>,
}

/// `POST /apply`
pub async fn apply(
    caller: Caller,
    State(api): State<Api>,
    params: Params,
    body: Body<Declaration>,
) -> Result<Json<Applied>, Problem> {
    caller.require(Act::WriteNouns)?;
    let dry_run = params
        .known(&["dry_run"], &[])?
        .read("dry_run", "true or false")?
        .unwrap_or(false);
    let declaration = body.read()?;
    sources::resolved(&declaration)?;
    let changes = api
        .store
        .apply(&caller.author, &declaration, dry_run, api.now())
        .await?;
    Ok(Json(Applied { dry_run, changes }))
}
