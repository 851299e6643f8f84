//! Logging in and out, one's own password, and who one is.

use std::net::IpAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use sallyport_store::{Identity, Login, LoginOutcome, SessionType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::caller::{COOKIE, Newcomer, Source};
use crate::input::Body;
use crate::limiter::Admission;
use crate::problem::Problem;
use crate::state::Api;

/// Longer ones are nobody's name or password; hashing them would only cost time.
const LONGEST_GIVEN: usize = 1024;
/// What a password was given for, in the access log.
const LOGIN: &str = "password";
const CHANGE: &str = "password-change";
/// Characters of the shortest new password.
const SHORTEST_PASSWORD: usize = 8;

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    #[schema(example = "alice")]
    username: String,
    #[schema(write_only, format = "password")]
    password: String,
    /// Reserved for a second factor; not looked at yet.
    #[serde(default, rename = "otp")]
    _otp: Option<String>,
}

/// A token to send as `Authorization: Bearer`; the same is set as a cookie.
#[derive(Serialize, ToSchema)]
pub struct LoggedIn {
    token: String,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
    /// Nothing but `POST /api/v1/password` is allowed until then.
    must_change_password: bool,
}

/// `POST /login`
pub async fn login(
    State(api): State<Api>,
    Source(source): Source,
    body: Body<LoginRequest>,
) -> Result<Response, Problem> {
    let LoginRequest {
        username,
        password,
        _otp: _,
    } = body.read()?;
    let identity = check(&api, source, LOGIN, &username, &Zeroizing::new(password)).await?;
    let now = api.now();
    let expires_at = now + TimeDelta::from_std(api.token_lifetime).unwrap_or(TimeDelta::MAX);
    let token = api
        .store
        .create_token(&identity, &source.to_string(), now, expires_at)
        .await?;
    let cookie = cookie(&token.text, api.token_lifetime.as_secs())?;
    let answer = LoggedIn {
        token: token.text.to_string(),
        expires_at: token.expires_at,
        must_change_password: identity.must_change_password,
    };
    Ok(([(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

/// `POST /logout`
pub async fn logout(
    Newcomer(caller): Newcomer,
    State(api): State<Api>,
) -> Result<Response, Problem> {
    api.store
        .revoke_token(caller.credential.secret(), api.now())
        .await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, cookie("", 0)?)],
    )
        .into_response())
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(write_only, format = "password")]
    current_password: String,
    #[schema(write_only, format = "password", min_length = 8)]
    new_password: String,
}

/// `POST /password`: afterwards every token of the user is void, this one too.
pub async fn change_password(
    Newcomer(caller): Newcomer,
    State(api): State<Api>,
    Source(source): Source,
    body: Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    if caller.identity.application {
        return Err(Problem::conflict(
            "an application has an API key and no password",
        ));
    }
    let change = body.read()?;
    let (current, new) = (
        Zeroizing::new(change.current_password),
        Zeroizing::new(change.new_password),
    );
    check(&api, source, CHANGE, &caller.identity.name, &current).await?;
    acceptable(&current, &new)?;
    api.store
        .set_password(&caller.author, &caller.identity.name, &new, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who one is.
#[derive(Serialize, ToSchema)]
pub struct Me {
    name: String,
    first_name: String,
    last_name: String,
    email: String,
    roles: Vec<&'static str>,
    /// What the roles reach; empty for everything.
    scope: String,
    application: bool,
    must_change_password: bool,
}

/// `GET /me`
pub async fn me(Newcomer(caller): Newcomer) -> Json<Me> {
    let who = caller.identity;
    Json(Me {
        name: who.name,
        first_name: who.first_name,
        last_name: who.last_name,
        email: who.email,
        roles: who.roles.iter().map(|role| role.as_str()).collect(),
        scope: who.scope.to_string(),
        application: who.application,
        must_change_password: who.must_change_password,
    })
}

/// Checks a password, with the limiter before and the access log behind. An unknown user, a wrong password and
/// an over-long one get the same answer; the store sees to it that they take the same time.
pub async fn check(
    api: &Api,
    source: IpAddr,
    method: &str,
    user: &str,
    password: &str,
) -> Result<Identity, Problem> {
    match api.limiter.admit(source, user, Instant::now()) {
        Admission::After(delay) => tokio::time::sleep(delay).await,
        Admission::Refused { retry_after, first } => {
            if first {
                record(
                    api,
                    source,
                    method,
                    user,
                    Some(("too_many_attempts", "too many wrong attempts")),
                )
                .await?;
            }
            return Err(Problem::too_many(
                "too many wrong attempts; wait a moment",
                retry_after,
            ));
        }
    }
    let found = match user.len().max(password.len()) <= LONGEST_GIVEN {
        true => api.store.authenticate_password(user, password).await?,
        false => None,
    };
    let Some(identity) = found else {
        record(
            api,
            source,
            method,
            user,
            Some(("wrong_password", "wrong user name or password")),
        )
        .await?;
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "the user name or the password is wrong",
        ));
    };
    api.limiter.succeeded(source, user);
    if identity.locked {
        record(
            api,
            source,
            method,
            user,
            Some(("user_locked", "the account is locked")),
        )
        .await?;
        return Err(Problem::forbidden(
            "your account is locked; ask an administrator to unlock it",
        ));
    }
    record(api, source, method, user, None).await?;
    Ok(identity)
}

/// Writes the attempt into the access log; `refused` is code and reason.
async fn record(
    api: &Api,
    source: IpAddr,
    method: &str,
    user: &str,
    refused: Option<(&str, &str)>,
) -> Result<(), Problem> {
    api.metrics.login(refused.is_none());
    let (code, text) = refused.unwrap_or_default();
    let login = Login {
        at: api.now(),
        kind: SessionType::Console,
        user: user.chars().take(256).collect(),
        source_ip: source.to_string(),
        method: method.to_owned(),
        outcome: if refused.is_none() {
            LoginOutcome::Accepted
        } else {
            LoginOutcome::Refused
        },
        code: code.to_owned(),
        text: text.to_owned(),
        service_provider: "console".to_owned(),
        session: None,
    };
    Ok(api.store.record_login(&login).await?)
}

fn acceptable(current: &str, new: &str) -> Result<(), Problem> {
    if new == current {
        return Err(Problem::unprocessable(
            "the new password must differ from the present one",
        ));
    }
    if new.chars().count() < SHORTEST_PASSWORD || new.len() > LONGEST_GIVEN {
        return Err(Problem::unprocessable(format!(
            "the new password must have at least {SHORTEST_PASSWORD} characters and at most {LONGEST_GIVEN} bytes"
        )));
    }
    Ok(())
}

fn cookie(token: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let text =
        format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict");
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| Problem::internal("a token that is no cookie"))?;
    value.set_sensitive(true);
    Ok(value)
}
