//! Letting the gateway keep the NT hash of one's own password: without it NTLM, and so RDP with network level
//! authentication, works with connection passwords only.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::caller::{Caller, Source};
use crate::input::Body;
use crate::login::check;
use crate::problem::Problem;
use crate::state::Api;

/// What the password was given for, in the access log.
const METHOD: &str = "nt-hash";

/// One's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    #[schema(write_only, format = "password")]
    password: String,
}

/// `POST /users/me/nt-hash`: from now on NTLM works with one's own password, until it is changed.
pub async fn keep(
    caller: Caller,
    State(api): State<Api>,
    Source(source): Source,
    body: Body<OwnPassword>,
) -> Result<StatusCode, Problem> {
    person(&caller)?;
    let password = Zeroizing::new(body.read()?.password);
    let identity = check(&api, source, METHOD, &caller.identity.name, &password).await?;
    let kept = api
        .store
        .keep_nt_hash(&caller.author, identity.id, &password, api.now())
        .await?;
    if !kept {
        return Err(Problem::conflict(
            "your password was changed just now; try again with the new one",
        ));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /users/me/nt-hash`
pub async fn forget(caller: Caller, State(api): State<Api>) -> Result<StatusCode, Problem> {
    person(&caller)?;
    api.store
        .drop_nt_hash(&caller.author, caller.identity.id, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn person(caller: &Caller) -> Result<(), Problem> {
    if caller.identity.application {
        return Err(Problem::conflict(
            "an application has an API key and no password",
        ));
    }
    Ok(())
}
