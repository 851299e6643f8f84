//! Errors as people and programs read them: RFC 9457 problem details.
//!
//! What goes wrong inside is logged under a reference and never told; what the caller did wrong is
//! told with what would be right.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An answer that is not the one asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`, or a name a program can act on.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, and what would be right.
    detail: String,
    /// All complaints, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after_s: Option<u64>,
}

/// The one-time password must be changed before anything else.
pub const PASSWORD_CHANGE_REQUIRED: &str = "urn:sallyport:problem:password-change-required";
/// The caller has no valid token.
pub const UNAUTHENTICATED: &str = "urn:sallyport:problem:unauthenticated";
/// A session refused a command.
pub const COMMAND_DENIED: &str = "urn:sallyport:problem:command-denied";
/// The policy refused a session.
pub const SESSION_REFUSED: &str = "urn:sallyport:problem:session-refused";

impl Problem {
    /// A problem without a name of its own.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// The same under a name that programs can act on.
    pub fn named(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// The same with every complaint.
    pub fn with_errors(mut self, errors: Vec<String>) -> Self {
        self.errors = errors;
        self
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: nobody, or nobody any more.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "log in with POST /api/v1/login, or send a valid token or API key as `Authorization: Bearer …`",
        )
        .named(UNAUTHENTICATED)
    }

    /// 403: may not, and may know it.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: is not there, or not for this caller; both in the same words.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no such {what}, or you may not see it"),
        )
    }

    /// 409: not in the present state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422: readable, but not acceptable.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 429: later.
    pub fn too_many(detail: impl Into<String>, retry_after: std::time::Duration) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        problem.retry_after_s = Some(retry_after.as_secs().max(1));
        problem
    }

    /// 500: our fault. The cause is logged under a reference; the caller learns only the reference.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::ours(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request failed",
            cause,
        )
    }

    /// 503: our fault, for now. Logged like [`Problem::internal`].
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Self::ours(
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway cannot answer right now; try again",
            cause,
        )
    }

    fn ours(status: StatusCode, told: &str, cause: impl fmt::Display) -> Self {
        let reference = Uuid::new_v4();
        tracing::error!(%reference, %cause, "an API request failed");
        Self::new(
            status,
            format!("{told}; the server's log says why under reference {reference}"),
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"sallyport\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_shape_of_rfc_9457() {
        let json =
            serde_json::to_value(Problem::conflict("the session has ended").named(COMMAND_DENIED))
                .unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:sallyport:problem:command-denied",
                "title": "Conflict",
                "status": 409,
                "detail": "the session has ended",
            })
        );
    }

    #[test]
    fn headers_say_what_the_status_means() {
        let response = Problem::unauthenticated().into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert!(response.headers().contains_key("www-authenticate"));
        let response =
            Problem::too_many("later", std::time::Duration::from_millis(1)).into_response();
        assert_eq!(
            response.headers()["retry-after"],
            "1",
            "never zero: that would say now"
        );
    }

    #[test]
    fn the_inside_is_not_told() {
        let problem = Problem::internal("UNIQUE constraint failed: noun.name");
        assert!(
            !problem.detail().contains("constraint"),
            "{}",
            problem.detail()
        );
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
