//! Who is it? A password in Client Info, or what NLA proved.

use std::net::SocketAddr;
use std::sync::Arc;

use sallyport_dissect::rdp::ntlm;
use sallyport_store::{CandidateId, Login, LoginOutcome, NtlmCandidate, SessionType, StoreError};

use tokio::io::{AsyncRead, AsyncWrite};

use super::front::{Asked, Bound, Given, Nla, Person, by_nla};
use super::goodbye::{self, ErrorInfo};
use super::leg::{Leg, LegError};
use super::page::Outcome;
use super::room::{self, Room};
use super::tls::PublicKey;
use crate::clock;
use crate::node::Node;
use crate::notice::printable;

/// The connect strings that a user name and a domain may stand for, the likelier one first. Clients take names apart, and
/// some do not let `+` be typed.
pub fn names(user: &str, domain: &str) -> Vec<String> {
    let user = match user.contains('+') {
        true => user.to_owned(),
        false => user.replace('#', "+"),
    };
    match domain.trim() {
        "" | "." => vec![user],
        domain => vec![format!("{domain}\\{user}"), user],
    }
}

/// The user in a connect string, also in one that is otherwise malformed.
pub fn user_of(name: &str) -> &str {
    name.split('+').next().unwrap_or_default()
}

/// How often somebody may mistype before the client is told to leave.
const TRIES: usize = 5;
const WRONG: &str = "That name and password do not go together.";

/// A name, and what may prove it.
#[derive(Default)]
struct Known {
    name: String,
    candidates: Vec<NtlmCandidate>,
}

fn store_failed(error: &StoreError) -> Option<Person> {
    tracing::error!(%error, "cannot authenticate: the database does not answer");
    None
}

/// A client's desk before it is known who sits at it.
pub struct Desk<'a> {
    /// This node.
    pub node: &'a Arc<Node>,
    /// Where the client is.
    pub peer: SocketAddr,
}

impl Desk<'_> {
    /// Lets her say who she is: by what her client sent, else on a page of the waiting room.
    ///
    /// # Errors
    /// If the client leaves, or its user fails too often.
    pub async fn log_in<S>(
        &self,
        leg: &mut Leg<S>,
        asked: &Asked,
        given: &Given,
    ) -> Result<Person, LegError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut user, mut complaint) = (given.user.clone(), "");
        if !given.password.is_empty() {
            if let Some(person) = self.by_password(given).await {
                return Ok(person);
            }
            complaint = WRONG;
        }
        let mut room = Room::new(leg, asked);
        for _ in 0..TRIES {
            let form = room::account_form(&user, complaint);
            let outcome = room.ask(form, self.node.config.login_grace).await?;
            let Outcome::Submitted(values) = outcome else {
                let why = Some(ErrorInfo::RpcInitiatedLogoff);
                goodbye::say(&mut leg.stream, asked, None, why).await;
                return Err(LegError::Closed("instead of logging in"));
            };
            let mut values = values.into_iter();
            let given = Given {
                user: values
                    .next()
                    .map(|user| user.to_string())
                    .unwrap_or_default(),
                domain: String::new(),
                password: values.next().unwrap_or_default(),
            };
            if let Some(person) = self.by_password(&given).await {
                room.leave().await?;
                return Ok(person);
            }
            (user, complaint) = (given.user, WRONG);
        }
        goodbye::say(
            &mut leg.stream,
            asked,
            None,
            Some(ErrorInfo::ServerDeniedConnection),
        )
        .await;
        Err(LegError::unexpected("logging in", "it failed too often"))
    }

    /// Is it her password, or a connection password of hers? The answer is the same whatever is wrong.
    pub async fn by_password(&self, given: &Given) -> Option<Person> {
        let names = names(&given.user, &given.domain);
        // The name without the domain, which the client may choose anew with every guess.
        let first = names.last().map(|name| user_of(name).to_owned());
        let first = first.unwrap_or_default();
        self.node.backoff.wait(self.peer.ip(), &first).await;
        for name in names {
            match self.check(&name, &given.password).await {
                Ok(Some(person)) => return Some(self.welcome(person)),
                Ok(None) => {}
                Err(error) => return store_failed(&error),
            }
        }
        self.refused(&first, "password");
        None
    }

    /// Is it a connection password of hers? Her own is not taken here.
    pub async fn by_ticket(&self, name: &str, password: &str) -> Option<Person> {
        let (store, user) = (&self.node.store, user_of(name));
        self.node.backoff.wait(self.peer.ip(), user).await;
        let found = store.check_connection_password(user, password, clock::now());
        let person = match found.await {
            Ok(Some(candidate)) => self.by_candidate(name, &candidate).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match person {
            Ok(Some(person)) => Some(self.welcome(person)),
            Ok(None) => {
                self.refused(user, "ticket");
                None
            }
            Err(error) => store_failed(&error),
        }
    }

    /// Has she anything that NLA can check?
    pub async fn has_nla(&self, user: &str) -> bool {
        let found = self.node.store.ntlm_candidates(user, clock::now()).await;
        found.is_ok_and(|candidates| !candidates.is_empty())
    }

    async fn check(&self, name: &str, password: &str) -> Result<Option<Person>, StoreError> {
        let (store, user) = (&self.node.store, user_of(name));
        if let Some(found) = store
            .check_connection_password(user, password, clock::now())
            .await?
        {
            return self.by_candidate(name, &found).await;
        }
        let identity = store.authenticate_password(user, password).await?;
        Ok(identity.map(|identity| Person {
            identity,
            method: "password",
            wish: name.to_owned(),
            bound: Bound::default(),
        }))
    }

    /// Has her client proven by NLA that she knows one of her secrets? If not, it was told so.
    ///
    /// # Errors
    /// If what comes is no NLA.
    pub async fn by_nla<S>(
        &self,
        leg: &mut Leg<S>,
        public_key: &PublicKey,
    ) -> Result<Option<Person>, LegError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut known: Option<Known> = None;
        let proven = by_nla(leg, &public_key.bits, async |name| {
            let found = self.known(&name).await;
            let hashes = found.candidates.iter().map(|one| one.nt_hash.clone());
            let hashes = hashes.collect();
            known = Some(found);
            hashes
        })
        .await?;
        let Some(known) = known else {
            return Ok(None);
        };
        let person = match proven {
            Nla::Proven(password) => self.proven(&known, &password).await,
            Nla::Unproven => Ok(None),
        };
        match person {
            Ok(Some(person)) => Ok(Some(self.welcome(person))),
            Ok(None) => {
                self.refused(user_of(&known.name), "nla");
                Ok(None)
            }
            Err(error) => Ok(store_failed(&error)),
        }
    }

    /// Whose name it is, and what she may prove it with.
    async fn known(&self, given: &ntlm::Name) -> Known {
        let mut known = Known::default();
        for name in names(&given.user, &given.domain) {
            self.node.backoff.wait(self.peer.ip(), user_of(&name)).await;
            let found = self
                .node
                .store
                .ntlm_candidates(user_of(&name), clock::now());
            let candidates = found.await.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot authenticate: the database does not answer");
                Vec::new()
            });
            let any = !candidates.is_empty();
            known = Known { name, candidates };
            if any {
                break;
            }
        }
        known
    }

    /// Which of her secrets it was: NTLM says only that it was one of them, but the client delegates it. One that delegates
    /// nothing is let in if there is no choice, and never as the holder of another secret.
    async fn proven(&self, known: &Known, password: &str) -> Result<Option<Person>, StoreError> {
        let mut told = known.candidates.iter();
        let told = told.find(|candidate| candidate.is(password));
        match (told, known.candidates.as_slice()) {
            (Some(candidate), _) | (None, [candidate]) => {
                self.by_candidate(&known.name, candidate).await
            }
            (None, _) => Ok(None),
        }
    }

    /// Takes a use of it, if it has only some.
    async fn by_candidate(
        &self,
        name: &str,
        candidate: &NtlmCandidate,
    ) -> Result<Option<Person>, StoreError> {
        let store = &self.node.store;
        let bound = Bound {
            host: candidate.host.clone(),
            activity: candidate.activity.clone(),
        };
        let method = match candidate.id {
            CandidateId::ConnectionPassword(id) => {
                // With another host than it is for she is refused; it is not used up by that.
                if bound.fits(name) && !store.use_connection_password(id, clock::now()).await? {
                    return Ok(None);
                }
                "connection-password"
            }
            CandidateId::UserHash => "nt-hash",
        };
        let identity = store.identity(user_of(name)).await?;
        Ok(identity.map(|identity| Person {
            identity,
            method,
            wish: name.to_owned(),
            bound,
        }))
    }

    fn welcome(&self, person: Person) -> Person {
        let name = &person.identity.name;
        self.node.backoff.succeeded(self.peer.ip(), name);
        person
    }

    /// Somebody has not proven who she is.
    pub fn refused(&self, user: &str, method: &str) {
        self.node.backoff.failed(self.peer.ip(), user);
        self.node.record_login(Login {
            at: clock::now(),
            kind: SessionType::PamRdp,
            user: printable(user).chars().take(256).collect(),
            source_ip: self.peer.ip().to_string(),
            method: method.to_owned(),
            outcome: LoginOutcome::Refused,
            code: "bad_credentials".to_owned(),
            text: "unknown user, or wrong password".to_owned(),
            service_provider: String::new(),
            session: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together_again() {
        for (user, domain, expected) in [
            ("alice+web-01", "", &["alice+web-01"][..]),
            ("alice#web-01", "", &["alice+web-01"]),
            ("alice+a#b", "", &["alice+a#b"]),
            (
                "alice@corp.example+web-01",
                "",
                &["alice@corp.example+web-01"],
            ),
            (
                "alice+web-01",
                "CORP",
                &["CORP\\alice+web-01", "alice+web-01"],
            ),
            ("alice", ".", &["alice"]),
        ] {
            assert_eq!(names(user, domain), expected);
        }
    }
}
