//! Who calls, and what that caller may do: the first thing every handler asks.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sallyport_domain::role::Act;
use sallyport_store::{AuditObject, Author, Identity, RecordingRow, SessionRow, Viewer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::problem::{PASSWORD_CHANGE_REQUIRED, Problem};
use crate::serve::Peer;
use crate::state::{Api, everything};

/// The console's cookie. The prefix makes browsers insist on HTTPS, one host and the root path.
pub const COOKIE: &str = "__Host-sallyport";

/// Somebody with a valid token or API key whose password is his own: may go on.
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// As a reader.
    pub viewer: Viewer,
    /// As a writer.
    pub author: Author,
    /// What he showed.
    pub credential: Credential,
}

/// The same, but perhaps with a one-time password that must be changed first.
pub struct Newcomer(pub Caller);

/// What a request showed.
#[derive(Clone)]
pub struct Credential {
    secret: Zeroizing<String>,
    by_cookie: bool,
}

impl Credential {
    /// The token or key.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Whose it is, if anybody's: a token of a log-in, or else an application's API key.
    pub async fn identity(&self, api: &Api) -> Result<Option<Identity>, Problem> {
        match api.store.token_identity(&self.secret, api.now()).await? {
            Some(identity) => Ok(Some(identity)),
            // Cookies are ours alone: an API key in one was put there by somebody else.
            None if self.by_cookie => Ok(None),
            None => Ok(api.store.authenticate_api_key(&self.secret).await?),
        }
    }
}

impl Caller {
    /// May this be done at all, by this role?
    pub fn require(&self, act: Act) -> Result<(), Problem> {
        if self.viewer.may(act) {
            Ok(())
        } else {
            Err(Problem::forbidden(denied(act)))
        }
    }

    /// The session, if it may be seen (else 404), and if its caller may do that to it (else 403, on record).
    pub async fn session(&self, api: &Api, id: &str, act: Act) -> Result<SessionRow, Problem> {
        let row = api
            .store
            .session(&self.viewer, id)
            .await?
            .ok_or_else(|| Problem::not_found("session"))?;
        // A role reaches down from its scope; one's own session may lie elsewhere.
        let reached = self.reaches(&row, act);
        let may = match act {
            // Whoever sees a session may read about it: visibility is the store's rule.
            Act::ReadSessions => true,
            Act::UseSessions => {
                (self.owns(&row) && self.viewer.may(act))
                    || self.reaches(&row, Act::ControlSessions)
            }
            Act::ControlSessions | Act::WatchSessions | Act::TakeOver | Act::ReadRecordings => {
                reached
            }
            Act::ReadNouns | Act::WriteNouns | Act::ReadAudit => reached,
        };
        if may {
            return Ok(row);
        }
        Err(self.refuse(api, &row, act).await?)
    }

    /// The recording and its session, if it may be read. To those who may see its session and no more it is
    /// refused (403, on record); to others it does not exist.
    pub async fn recording(
        &self,
        api: &Api,
        id: &str,
    ) -> Result<(RecordingRow, SessionRow), Problem> {
        let unknown = || Problem::not_found("recording");
        if let Some(recording) = api.store.recording(&self.viewer, id).await? {
            let session = recording.session.to_string();
            let session = api.store.session(&self.viewer, &session).await?;
            return Ok((recording, session.ok_or_else(unknown)?));
        }
        let hidden = api
            .store
            .recording(&everything(), id)
            .await?
            .ok_or_else(unknown)?;
        let session = hidden.session.to_string();
        let seen = api
            .store
            .session(&self.viewer, &session)
            .await?
            .ok_or_else(unknown)?;
        Err(self.refuse(api, &seen, Act::ReadRecordings).await?)
    }

    /// Puts a refusal on record and gives it back; the error is that it could not be.
    pub async fn refuse(
        &self,
        api: &Api,
        session: &SessionRow,
        act: Act,
    ) -> Result<Problem, Problem> {
        let (id, told) = (session.id.to_string(), json!({ "refused": denied(act) }));
        self.note(api, "session.refused", on_session(session, &id), told)
            .await?;
        Ok(Problem::forbidden(denied(act)))
    }

    /// Puts an act that changes nothing into the audit trail: a view, a replay, a download.
    pub async fn note(
        &self,
        api: &Api,
        action: &str,
        on: AuditObject<'_>,
        detail: Value,
    ) -> Result<(), Problem> {
        Ok(api
            .store
            .audit(&self.author, action, on, &detail, api.now())
            .await?)
    }

    /// Is it the caller's own session? A person and an application may have the same name.
    pub fn owns(&self, session: &SessionRow) -> bool {
        let application = session.identity_provider == "application";
        session.user == self.viewer.name && application == self.viewer.application
    }

    /// Does one of the caller's roles allow that, where the session belongs?
    pub fn reaches(&self, session: &SessionRow, act: Act) -> bool {
        self.viewer.may(act) && self.viewer.scope.contains(&session.scope)
    }
}

/// A session as the object of an audit entry.
pub fn on_session<'a>(session: &'a SessionRow, id: &'a str) -> AuditObject<'a> {
    AuditObject {
        kind: "session",
        name: &session.host,
        id,
        scope: &session.scope,
    }
}

/// Why not, in words that say who may.
fn denied(act: Act) -> &'static str {
    match act {
        Act::ReadNouns => "only auditors and administrators may read what is declared",
        Act::WriteNouns => "only administrators may declare, change, lock or remove",
        Act::ReadSessions => "only auditors and administrators may see the sessions of others",
        Act::UseSessions => "only the session's user and administrators may do this",
        Act::ControlSessions => "only administrators may do this to a session",
        Act::WatchSessions => "only auditors and administrators may watch a session",
        Act::TakeOver => "only administrators may take control of a session",
        Act::ReadRecordings => "only auditors and administrators may read recordings",
        Act::ReadAudit => {
            "only auditors and administrators may read the audit trail and the access log"
        }
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Newcomer(caller) = Newcomer::from_request_parts(parts, api).await?;
        if caller.identity.must_change_password {
            return Err(Problem::forbidden(
                "your password was given out for one use: change it with POST /api/v1/password, nothing else is allowed before",
            )
            .named(PASSWORD_CHANGE_REQUIRED));
        }
        Ok(caller)
    }
}

impl FromRequestParts<Api> for Newcomer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let credential = in_protocol(&parts.headers)
            .or_else(|| shown(&parts.headers))
            .or_else(|| in_query(parts))
            .ok_or_else(Problem::unauthenticated)?;
        if credential.by_cookie {
            same_site(&parts.method, &parts.headers)?;
        }
        let identity = credential
            .identity(api)
            .await?
            .ok_or_else(Problem::unauthenticated)?;
        if identity.locked {
            return Err(Problem::forbidden(
                "your account is locked; ask an administrator to unlock it",
            ));
        }
        let author = identity.author(&source(parts).to_string());
        Ok(Self(Caller {
            viewer: identity.viewer(),
            author,
            identity,
            credential,
        }))
    }
}

/// Where a request came from.
pub struct Source(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(source(parts)))
    }
}

fn source(parts: &Parts) -> IpAddr {
    let unknown = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    parts
        .extensions
        .get::<Peer>()
        .map_or(unknown, |peer| peer.0.ip().to_canonical())
}

/// `Authorization: Bearer`, or else the cookie.
fn shown(headers: &HeaderMap) -> Option<Credential> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        return bearer.then(|| Credential {
            secret: Zeroizing::new(secret.trim().to_owned()),
            by_cookie: false,
        });
    }
    let cookies = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, secret) = pairs.find(|(name, value)| *name == COOKIE && !value.is_empty())?;
    Some(Credential {
        secret: Zeroizing::new(secret.to_owned()),
        by_cookie: true,
    })
}

/// `bearer.` and the token in base64 (URL alphabet, no padding) among the protocols of a WebSocket: pages in browsers
/// can send no other header with one, and an address is written down in many places.
fn in_protocol(headers: &HeaderMap) -> Option<Credential> {
    if !is_upgrade(headers) {
        return None;
    }
    let offered = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut offered = offered.flat_map(|line| line.split(','));
    let encoded = offered.find_map(|name| name.trim().strip_prefix("bearer."))?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
    let secret = Zeroizing::new(str::from_utf8(&secret).ok()?.to_owned());
    Some(Credential {
        secret,
        by_cookie: false,
    })
}

/// `?token=`, for WebSockets alone, whose clients may be unable to send headers.
fn in_query(parts: &Parts) -> Option<Credential> {
    if !is_upgrade(&parts.headers) {
        return None;
    }
    let mut pairs = parts
        .uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, secret) = pairs.find(|(name, value)| *name == "token" && !value.is_empty())?;
    Some(Credential {
        secret: Zeroizing::new(secret.to_owned()),
        by_cookie: false,
    })
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// A browser sends the cookie along whoever made it ask. What changes something must therefore come from our
/// own pages: same origin, or a header that other sites' pages cannot set without being asked first.
fn same_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let own_origin = match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => Some(origin.strip_prefix("https://") == Some(host)),
        (Some(_), None) => Some(false),
        (None, _) => None,
    };
    let harmless =
        matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !is_upgrade(headers);
    let ours = match own_origin {
        Some(same) => same,
        None => is_upgrade(headers) || headers.contains_key("x-requested-with"),
    };
    if harmless || ours {
        return Ok(());
    }
    Err(Problem::forbidden(
        "a request with the console's cookie must come from the console itself: send `X-Requested-With`, from the same origin",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn found(pairs: &[(&'static str, &'static str)]) -> Option<(String, bool)> {
        shown(&headers(pairs))
            .map(|credential| (credential.secret().to_owned(), credential.by_cookie))
    }

    #[test]
    fn the_header_goes_before_the_cookie() {
        let cookie = ("cookie", "theme=dark; __Host-sallyport=c0ffee");
        assert_eq!(found(&[cookie]), Some(("c0ffee".to_owned(), true)));
        assert_eq!(
            found(&[("authorization", "bearer abc"), cookie]),
            Some(("abc".to_owned(), false))
        );
        assert_eq!(
            found(&[("authorization", "Basic abc"), cookie]),
            None,
            "not something else instead"
        );
        assert_eq!(found(&[("cookie", "__Host-sallyport=")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_page_names_a_token_among_the_protocols() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            in_protocol(&headers(pairs)).map(|found| found.secret().to_owned())
        };
        let upgrade = ("upgrade", "websocket");
        let offered = ("sec-websocket-protocol", "sallyport.watch, bearer.YS9iPz4");
        assert_eq!(of(&[upgrade, offered]), Some("a/b?>".to_owned()));
        assert_eq!(of(&[offered]), None, "for WebSockets alone");
        for wrong in ["sallyport.watch", "bearer.*", "bearer._w", ""] {
            assert_eq!(of(&[upgrade, ("sec-websocket-protocol", wrong)]), None);
        }
    }

    #[test]
    fn cookies_work_only_from_our_own_pages() {
        const HOST: (&str, &str) = ("host", "gw:8443");
        const OURS: (&str, &str) = ("origin", "https://gw:8443");
        const THEIRS: (&str, &str) = ("origin", "https://evil.example");
        const XRW: (&str, &str) = ("x-requested-with", "fetch");
        const WS: (&str, &str) = ("upgrade", "websocket");
        for (method, sent, passes) in [
            (Method::GET, vec![HOST], true),
            (Method::POST, vec![HOST], false),
            (Method::POST, vec![HOST, XRW], true),
            (Method::POST, vec![HOST, OURS], true),
            (Method::POST, vec![HOST, THEIRS], false),
            (Method::POST, vec![HOST, THEIRS, XRW], false),
            (
                Method::DELETE,
                vec![HOST, ("origin", "http://gw:8443"), XRW],
                false,
            ),
            (Method::PUT, vec![HOST, ("origin", "null"), XRW], false),
            (Method::GET, vec![HOST, WS, THEIRS], false),
            (Method::GET, vec![HOST, WS, OURS], true),
        ] {
            assert_eq!(
                same_site(&method, &headers(&sent)).is_ok(),
                passes,
                "{method} {sent:?}"
            );
        }
    }
}
