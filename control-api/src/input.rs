//! What comes in: JSON bodies and query parameters, with complaints that say where and what is allowed.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Largest body read, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// A body up to this size is read before anybody asks for it.
const SMALL_BODY: usize = 64 * 1024;
/// Longest wait for a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// A JSON body, not looked at yet: rights come first, and what is wrong with the body is nobody's
/// business who has none.
#[derive(Debug)]
pub struct Body<T> {
    received: Result<(Option<String>, Bytes), Problem>,
    shape: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Body<T> {
    /// Reads it. Call this after the caller's rights were checked.
    pub fn read(self) -> Result<T, Problem> {
        let (media_type, bytes) = self.received?;
        require_json(media_type)?;
        parse(&bytes)
    }

    /// Reads it; one that was left out is the default.
    pub fn read_or_default(self) -> Result<T, Problem>
    where
        T: Default,
    {
        match &self.received {
            Ok((_, bytes)) if bytes.is_empty() => Ok(T::default()),
            Ok(_) | Err(_) => self.read(),
        }
    }
}

impl<T, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let media_type = media_type(request.headers());
        let received = read(request, state).await.map(|bytes| (media_type, bytes));
        Ok(Self {
            received,
            shape: PhantomData,
        })
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {BODY_LIMIT} bytes"),
            ))
        }
        Ok(Err(_)) => Err(cut_short()),
        Err(_) => Err(too_slow()),
    }
}

/// Reads a small body at once, whoever sent it. A request that is refused without its body being read would
/// cost the client its connection, and perhaps the answer.
pub async fn settled(request: Request) -> Result<Request, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    if !chunked && length.is_none_or(|length| length == 0 || length > SMALL_BODY) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, SMALL_BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, bytes.into())),
        Ok(Err(_)) if chunked => Err(Problem::new(
            StatusCode::LENGTH_REQUIRED,
            format!("a body of more than {SMALL_BODY} bytes needs a Content-Length"),
        )),
        Ok(Err(_)) => Err(cut_short()),
        Err(_) => Err(too_slow()),
    }
}

fn cut_short() -> Problem {
    Problem::bad_request("the body could not be read to its end")
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "the body did not arrive in time",
    )
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// Only declared JSON is read: a form of another site cannot send that without being asked first.
fn require_json(media_type: Option<String>) -> Result<(), Problem> {
    match media_type.as_deref() {
        Some("application/json") => Ok(()),
        Some(_) | None => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON with `Content-Type: application/json`",
        )),
    }
}

/// Reads JSON: 400 if it is none, 422 if it is not what belongs here.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return Err(Problem::bad_request("the body is empty; JSON belongs here"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let told = format!(
            "the body at line {}, column {}: {}",
            error.line(),
            error.column(),
            complaint(&error)
        );
        match error.classify() {
            serde_json::error::Category::Data => Problem::unprocessable(told),
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => Problem::bad_request(told),
        }
    })
}

/// The complaint without the place, and without the text complained about: a secret in the wrong field
/// must not come back in the answer.
fn complaint(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.rfind(" at line ") {
        text.truncate(end);
    }
    if let (Some(start), Some(end)) = (text.find(": string \""), text.rfind("\", expected")) {
        text.replace_range(start.min(end)..=end, ": string");
    }
    text
}

/// Query parameters.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(pairs)| Self(pairs))
            .map_err(|_| {
                Problem::bad_request("the query string cannot be read; write name=value&name=value")
            })
    }
}

impl Params {
    /// The parameters, once all of them are known here and none but `repeatable` comes twice.
    pub fn known(self, allowed: &[&str], repeatable: &[&str]) -> Result<Self, Problem> {
        for (position, (name, _)) in self.0.iter().enumerate() {
            let name = name.as_str();
            if !allowed.contains(&name) && !repeatable.contains(&name) {
                let all: Vec<&str> = allowed.iter().chain(repeatable).copied().collect();
                let told = if all.is_empty() {
                    "none".to_owned()
                } else {
                    all.join(", ")
                };
                return Err(Problem::bad_request(format!(
                    "unknown parameter `{name}`; allowed: {told}"
                )));
            }
            if !repeatable.contains(&name)
                && self.0[..position]
                    .iter()
                    .any(|(earlier, _)| earlier == name)
            {
                return Err(Problem::bad_request(format!(
                    "the parameter `{name}` is given twice"
                )));
            }
        }
        Ok(self)
    }

    /// Names and values, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let wanted = name.to_owned();
        self.0
            .iter()
            .filter(move |(name, value)| *name == wanted && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter read as `T`; `what` says what belongs there.
    pub fn read<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                Problem::bad_request(format!(
                    "`{text}` is not allowed for `{name}`; write {what}"
                ))
            })
        };
        self.get(name).map(read).transpose()
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_domain::declared::{Declaration, User};

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (u16, String) {
        let problem = parse::<T>(body.as_bytes()).unwrap_err();
        (problem.status().as_u16(), problem.detail().to_owned())
    }

    #[test]
    fn complaints_say_where_and_what_is_allowed() {
        let (status, detail) = refused::<User>("{\n  \"name\": \"alice\",,\n}");
        assert_eq!(
            (status, &*detail),
            (400, "the body at line 2, column 19: key must be a string")
        );
        let (status, detail) = refused::<User>("{\"name\": \"alice\"");
        assert_eq!(status, 400);
        assert!(detail.contains("line 1, column 16"), "{detail}");
        let (status, detail) = refused::<User>("{\"name\": \"alice\",\n \"nick\": \"al\"}");
        assert_eq!(status, 422);
        assert!(
            detail.contains(
                "line 2, column 7: unknown field `nick`, expected one of `name`, `scope`"
            ),
            "{detail}"
        );
        let (status, detail) = refused::<User>("{\"name\": \"alice\", \"roles\": [\"king\"]}");
        assert_eq!(status, 422);
        assert!(
            detail.contains("unknown variant `king`, expected one of `user`, `auditor`, `admin`"),
            "{detail}"
        );
        assert_eq!(refused::<User>("").0, 400);
        assert_eq!(refused::<Declaration>("[]{}").0, 400);
    }

    #[test]
    fn a_secret_in_the_wrong_place_does_not_come_back() {
        for body in [
            r#"{"name": "alice", "password": "hunter2"}"#,
            r#"{"name": "alice", "password": "hun\", expected ter2"}"#,
            r#"{"name": "alice", "password": {"value": {"hunter2": 1}}}"#,
        ] {
            let (status, detail) = refused::<User>(body);
            assert_eq!(status, 422);
            assert!(
                !detail.contains("hun") && !detail.contains("ter2"),
                "{detail}"
            );
            assert!(detail.contains("expected"), "{detail}");
        }
    }

    #[test]
    fn parameters_are_known_or_refused() {
        let params = || {
            Params(vec![
                ("q".into(), "web".into()),
                ("status".into(), "Locked".into()),
                ("status".into(), "Failed".into()),
            ])
        };
        let known = params().known(&["q"], &["status"]).unwrap();
        assert_eq!(known.get("q"), Some("web"));
        assert_eq!(
            known.all("status").collect::<Vec<_>>(),
            ["Locked", "Failed"]
        );
        let detail = params()
            .known(&["page"], &["status"])
            .unwrap_err()
            .detail()
            .to_owned();
        assert_eq!(detail, "unknown parameter `q`; allowed: page, status");
        assert!(params().known(&["q", "status"], &[]).is_err(), "twice");
        assert!(
            Params(vec![("page".into(), "x".into())])
                .read::<u32>("page", "a number")
                .is_err()
        );
    }
}
