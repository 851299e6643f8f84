use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Gateway, passwords};

/// A client of the HTTPS API that trusts exactly the gateway's certificate.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "status {}, not JSON ({error}): {}",
                self.status,
                self.text()
            )
        })
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Api {
    /// Not logged in.
    pub fn anonymous(gateway: &Gateway) -> Self {
        let pem = fs::read(gateway.certificate()).unwrap_or_default();
        let roots = Certificate::from_pem(&pem)
            .map(|one| vec![one])
            .unwrap_or_default();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Self {
            agent,
            base: format!("https://127.0.0.1:{}", gateway.api_port),
            token: None,
        }
    }

    /// Logged in as a user, or `robot`: an application with its key.
    #[track_caller]
    pub fn login(gateway: &Gateway, user: &str) -> Self {
        let api = Self::anonymous(gateway);
        if user == "robot" {
            return Self {
                token: Some(passwords(user)),
                ..api
            };
        }
        let answer = api
            .post(
                "/api/v1/login",
                json!({ "username": user, "password": passwords(user) }),
            )
            .expect(200)
            .json();
        let token = answer["token"]
            .as_str()
            .expect("login answers a token")
            .to_owned();
        Self {
            token: Some(token),
            ..api
        }
    }

    /// The bearer token.
    pub fn token(&self) -> String {
        self.token.clone().unwrap_or_default()
    }

    /// With another token, or none.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// GET, or nothing if nobody answers.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        self.send("GET", path, None, "application/json").ok()
    }

    /// Any request with a body, or nothing if the connection breaks.
    pub fn try_request(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        self.send(method, path, Some(body), "application/json").ok()
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// GET as CSV.
    #[track_caller]
    pub fn csv(&self, path: &str) -> Answer {
        self.send("GET", path, None, "text/csv")
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// POST of a JSON document.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path, Some(body.to_string().as_bytes()))
    }

    /// Any request with a body that says it is JSON.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        self.send(method, path, body, "application/json")
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        accept: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Accept", accept);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = match body {
            Some(body) => {
                let request = request
                    .header("Content-Type", "application/json")
                    .body(body.to_vec())?;
                self.agent.run(request)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let kind = response
            .headers()
            .get("Content-Type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(256 << 20)
            .read_to_vec()?;
        Ok(Answer { status, kind, body })
    }
}
