//! The command line as a client of a server's API.

mod problem;
mod trust;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, BodyReader, RequestBuilder};
use zeroize::Zeroizing;

use crate::cli::Server;
use crate::failure::{Failure, OrFail as _};

pub use problem::{failure, io_error};
pub use trust::Trust;

/// Where a server listens by default.
const DEFAULT_URL: &str = "https://127.0.0.1:8443";

/// A server's API, with the token to use.
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<Zeroizing<String>>,
    trust: Trust,
}

impl Client {
    /// A client as the command line and the environment say; connects to nothing yet.
    pub fn new(server: &Server) -> Result<Self, Failure> {
        let base = server
            .url
            .as_deref()
            .filter(|url| !url.is_empty())
            .unwrap_or(DEFAULT_URL)
            .trim_end_matches('/')
            .to_owned();
        if !base.starts_with("https://") {
            return Err(Failure::new(format!(
                "SALLYPORT_URL is `{base}`, but must begin with https://, for example {DEFAULT_URL}"
            )));
        }
        let trust = Trust::load(server.ca.as_deref())?;
        let certificates: Vec<Certificate<'static>> = trust
            .certificates()
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // A proxy of the environment would see the token and reach no loopback address.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .build()
            .into();
        let token = server
            .token
            .clone()
            .filter(|token| !token.is_empty())
            .map(Zeroizing::new);
        Ok(Self {
            agent,
            base,
            token,
            trust,
        })
    }

    /// The server's address without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token, if one was given.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.as_str())
    }

    /// Which certificates are trusted.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// `GET path?query`, answered with JSON.
    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        self.json(self.open(path, query)?)
    }

    /// `GET path` as a stream of bytes.
    pub fn download(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<BodyReader<'static>, Failure> {
        Ok(self.open(path, query)?.into_body().into_reader())
    }

    /// The same, with an answer that may begin as late as that.
    pub fn download_late(
        &self,
        path: &str,
        query: &[(&str, String)],
        patience: Duration,
    ) -> Result<BodyReader<'static>, Failure> {
        let request = self.agent.get(self.url(path, query)).config();
        let request = request.timeout_recv_response(Some(patience)).build();
        Ok(self.begin(request)?.into_body().into_reader())
    }

    /// The same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            agent: self.agent.clone(),
            base: self.base.clone(),
            token: Some(Zeroizing::new(token.to_owned())),
            trust: self.trust.clone(),
        }
    }

    /// `POST login`; says nothing about tokens when it is refused.
    pub fn login(&self, body: &Value) -> Result<Value, Failure> {
        let answer = self.send("login", &[], body)?;
        if answer.status().as_u16() == 401 {
            return Err(Failure::new("the user name or the password is wrong"));
        }
        self.json(self.accepted(answer)?)
    }

    /// `POST path` with a JSON body; an empty answer is `null`.
    pub fn post(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Value, Failure> {
        let answer = self.send(path, query, body)?;
        self.json(self.accepted(answer)?)
    }

    /// `POST path` with a JSON body, answered with something else than JSON.
    pub fn post_for_bytes(&self, path: &str, body: &Value) -> Result<Response<Body>, Failure> {
        self.accepted(self.send(path, &[], body)?)
    }

    fn send(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Response<Body>, Failure> {
        let mut request = self
            .agent
            .post(self.url(path, query))
            .header("content-type", "application/json")
            .header("accept", "application/json");
        if let Some(token) = self.token() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = Zeroizing::new(serde_json::to_vec(body).or_fail("writing the request")?);
        request
            .send(bytes.as_slice())
            .map_err(|error| self.explain(error))
    }

    fn open(&self, path: &str, query: &[(&str, String)]) -> Result<Response<Body>, Failure> {
        self.begin(self.agent.get(self.url(path, query)))
    }

    fn begin(&self, mut request: RequestBuilder<WithoutBody>) -> Result<Response<Body>, Failure> {
        if let Some(token) = self.token() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| self.explain(error))?;
        self.accepted(answer)
    }

    /// `path` below `/api/v1`, each part of it and of the query escaped by the caller or here.
    fn url(&self, path: &str, query: &[(&str, String)]) -> String {
        let mut url = format!("{}/api/v1/{path}", self.base);
        for (number, (name, value)) in query.iter().enumerate() {
            url.push(if number == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&escape(value));
        }
        url
    }

    fn accepted(&self, mut answer: Response<Body>) -> Result<Response<Body>, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        Err(problem::failure(status.as_u16(), &text))
    }

    fn json(&self, answer: Response<Body>) -> Result<Value, Failure> {
        let mut text = String::new();
        answer
            .into_body()
            .into_reader()
            .take(MAX_ANSWER)
            .read_to_string(&mut text)
            .or_fail("reading the server's answer")?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).or_fail("the server's answer is no JSON")
    }

    fn explain(&self, error: ureq::Error) -> Failure {
        problem::unreachable(&self.base, error)
    }
}

/// No list and no session is this long; a server that goes on is not ours.
const MAX_ANSWER: u64 = 64 << 20;

/// Escapes a text for a part of a path or a query.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server {
            url: Some(url.to_owned()),
            token: Some("t".to_owned()),
            ca: None,
        }
    }

    #[test]
    fn parts_of_addresses_are_escaped() {
        for (text, escaped) in [
            ("a-b_c.d~1", "a-b_c.d~1"),
            ("Logged In", "Logged%20In"),
            ("../ä?", "..%2F%C3%A4%3F"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn only_https_is_spoken() {
        let failure = Client::new(&server("http://127.0.0.1:8443")).err().unwrap();
        assert_eq!(
            failure.to_string(),
            "sallyport: SALLYPORT_URL is `http://127.0.0.1:8443`, but must begin with https://, for example https://127.0.0.1:8443"
        );
    }

    #[test]
    fn a_refused_connection_says_so() {
        // Port 9 (discard) is not served on a loopback interface.
        let client = Client::new(&server("https://127.0.0.1:9")).ok().unwrap();
        let failure = client.get("sessions", &[]).err().unwrap();
        assert_eq!(
            failure.to_string(),
            "sallyport: no server answers at https://127.0.0.1:9 (connection refused); is it running, and is SALLYPORT_URL right?"
        );
    }
}
