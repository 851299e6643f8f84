//! Who is it? Passwords, keys and certificates of one client that has not authenticated yet.
//!
//! Nothing here tells an unknown user from a known one: the same answers, after the same work and
//! the same wait ([`crate::node`] sets the shortest, [`crate::backoff`] what is added to it).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use russh::keys::{Algorithm, Certificate, ssh_key};
use russh::server::{Auth, PublicKeyOffer};
use russh::{MethodKind, MethodSet};
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::connect_string;
use sallyport_domain::refusal::Refusal;
use sallyport_store::{Identity, Login, LoginOutcome, SessionType, StoreError};

use super::certificate::Unacceptable;
use super::jump::Known;
use crate::clock;
use crate::enter::{Guest, Vouched, Wish};
use crate::node::Node;
use crate::round_trip::RoundTrip;

/// The door of one client.
pub struct Door {
    node: Arc<Node>,
    peer: SocketAddr,
    /// How far away she is.
    round_trip: RoundTrip,
    entered: Option<Entered>,
    /// Who comes through another connection is known already: let in, whatever she shows; it is not
    /// looked at, nor kept.
    known: Option<Known>,
    /// The user name she gave there.
    known_as: String,
    /// What the client's leg agreed on.
    pub algorithms: Negotiated,
}

struct Entered {
    identity: Identity,
    method: &'static str,
    certificate: Option<Vouched>,
    /// As she typed it: a connect string.
    user_name: String,
}

/// The user in a connect string, also in one that is otherwise malformed: whoever proves to be
/// that user is told what is wrong with the rest.
fn user_of(user_name: &str) -> &str {
    user_name.split('+').next().unwrap_or_default()
}

impl Door {
    /// For a client nobody knows yet.
    pub fn new(node: Arc<Node>, (peer, round_trip): (SocketAddr, RoundTrip)) -> Self {
        Self {
            node,
            peer,
            round_trip,
            entered: None,
            known: None,
            known_as: String::new(),
            algorithms: Negotiated::default(),
        }
    }

    /// For a client inside another one's connection.
    pub fn inside(node: Arc<Node>, known: Known) -> Self {
        // Nobody is refused for what she shows here, so no address is noted either.
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut door = Self::new(node, (nowhere, RoundTrip::default()));
        door.known = Some(known);
        door
    }

    /// Inside another connection?
    pub fn is_inside(&self) -> bool {
        self.known.is_some()
    }

    /// She shows nothing.
    pub fn nothing(&mut self, user_name: &str) -> Auth {
        self.admit_known(user_name).unwrap_or_else(refuse)
    }

    fn admit_known(&mut self, user_name: &str) -> Option<Auth> {
        self.known.as_ref()?;
        self.known_as = user_name.to_owned();
        Some(Auth::Accept)
    }

    /// Is it her password?
    pub async fn password(&mut self, user_name: &str, password: &str) -> Auth {
        if let Some(auth) = self.admit_known(user_name) {
            return auth;
        }
        let user = user_of(user_name);
        // Before the work, and whatever comes of it: who guesses learns nothing sooner.
        self.node.backoff.wait(self.peer.ip(), user).await;
        let found = self.node.store.authenticate_password(user, password).await;
        self.decide(user_name, found, "password", None)
    }

    /// Would this key do? Says no more than the refusal of its signature would: it spares the user a
    /// passphrase.
    pub async fn key_offered(&self, user_name: &str, offer: PublicKeyOffer<'_>) -> Auth {
        if self.is_inside() {
            return Auth::Accept;
        }
        if *offer.algorithm == (Algorithm::Rsa { hash: None }) {
            // Signatures with SHA-1 prove nothing.
            return refuse();
        }
        let found = match offer.certificate {
            Some(certificate) => match self.judge(user_name, certificate) {
                Ok(_) => self.user(user_name).await,
                Err(why) => {
                    self.certificate_refused(user_name, certificate, &why);
                    Ok(None)
                }
            },
            None => self.identity_of_key(user_name, offer.public_key).await,
        };
        match found {
            Ok(Some(_)) => Auth::Accept,
            Ok(None) => refuse(),
            Err(error) => store_failed(&error),
        }
    }

    /// She holds this key. Is it hers?
    pub async fn key(&mut self, user_name: &str, key: &ssh_key::PublicKey) -> Auth {
        if let Some(auth) = self.admit_known(user_name) {
            return auth;
        }
        let found = self.identity_of_key(user_name, key).await;
        self.decide(user_name, found, "publickey", None)
    }

    /// She holds this certificate's key. Is it good for her?
    pub async fn certificate(&mut self, user_name: &str, certificate: &Certificate) -> Auth {
        if let Some(auth) = self.admit_known(user_name) {
            return auth;
        }
        match self.judge(user_name, certificate) {
            Ok(vouched) => {
                let found = self.user(user_name).await;
                self.decide(user_name, found, "certificate", Some(vouched))
            }
            Err(why) => {
                self.certificate_refused(user_name, certificate, &why);
                refuse()
            }
        }
    }

    /// A certificate was refused before it was judged here: why would it have been?
    pub fn certificate_rejected(&self, user_name: &str, certificate: &Certificate) {
        if let Err(why) = self.judge(user_name, certificate)
            && !self.is_inside()
        {
            self.certificate_refused(user_name, certificate, &why);
        }
    }

    /// Whoever was let in, and what she asks for.
    pub fn guest(&mut self, client: &[u8]) -> Option<(Guest, Result<Wish, Refusal>)> {
        let client = String::from_utf8_lossy(client).into_owned();
        if let Some(known) = &self.known {
            let guest = known.guest(client, self.algorithms.clone());
            return Some((guest, known.wish(&self.known_as)));
        }
        let entered = self.entered.take()?;
        let guest = Guest {
            identity: entered.identity,
            method: entered.method,
            certificate: entered.certificate,
            source_ip: self.peer.ip().to_string(),
            client,
            algorithms: self.algorithms.clone(),
            round_trip: Some(self.round_trip.clone()),
        };
        let wish = connect_string::parse(&entered.user_name).and_then(Wish::try_from);
        Some((guest, wish))
    }

    fn judge(&self, user_name: &str, certificate: &Certificate) -> Result<Vouched, Unacceptable> {
        let now = u64::try_from(clock::now().timestamp()).unwrap_or_default();
        let (user, source) = (user_of(user_name), self.peer.ip());
        self.node.authorities.judge(certificate, user, source, now)
    }

    fn certificate_refused(&self, user_name: &str, certificate: &Certificate, why: &Unacceptable) {
        let key_id: String = certificate.key_id().chars().take(256).collect();
        let text = format!("certificate {}: {why}", crate::notice::printable(&key_id));
        self.refused(user_name, "certificate", "bad_certificate", text);
    }

    fn decide(
        &mut self,
        user_name: &str,
        found: Result<Option<Identity>, StoreError>,
        method: &'static str,
        certificate: Option<Vouched>,
    ) -> Auth {
        match found {
            Ok(Some(identity)) => {
                self.node.backoff.succeeded(self.peer.ip(), &identity.name);
                self.entered = Some(Entered {
                    identity,
                    method,
                    certificate,
                    user_name: user_name.to_owned(),
                });
                Auth::Accept
            }
            Ok(None) => {
                self.node.backoff.failed(self.peer.ip(), user_of(user_name));
                let text = "unknown user, or wrong password or key".to_owned();
                self.refused(user_name, method, "bad_credentials", text);
                refuse()
            }
            Err(error) => store_failed(&error),
        }
    }

    fn refused(&self, user_name: &str, method: &str, code: &str, text: String) {
        let user = crate::notice::printable(user_of(user_name));
        self.node.record_login(Login {
            at: clock::now(),
            kind: SessionType::PamSsh,
            user: user.chars().take(256).collect(),
            source_ip: self.peer.ip().to_string(),
            method: method.to_owned(),
            outcome: LoginOutcome::Refused,
            code: code.to_owned(),
            text,
            service_provider: String::new(),
            session: None,
        });
    }

    async fn user(&self, user_name: &str) -> Result<Option<Identity>, StoreError> {
        let found = self.node.store.identity(user_of(user_name)).await?;
        // Applications have API keys, and no certificates.
        Ok(found.filter(|identity| !identity.application))
    }

    async fn identity_of_key(
        &self,
        user_name: &str,
        key: &ssh_key::PublicKey,
    ) -> Result<Option<Identity>, StoreError> {
        let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
        match bare.to_openssh() {
            Ok(line) => {
                let user = user_of(user_name);
                self.node.store.authenticate_key(user, line.trim()).await
            }
            Err(_) => Ok(None),
        }
    }
}

/// No, and whoever mistyped may try again: without the list a method that failed is not offered
/// any more.
fn refuse() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(methods()),
        partial_success: false,
    }
}

/// How somebody may prove who she is.
pub fn methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..])
}

fn store_failed(error: &StoreError) -> Auth {
    tracing::error!(%error, "cannot authenticate: the database does not answer");
    refuse()
}
