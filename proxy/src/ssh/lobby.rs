//! The lobby: a client that has proven who it is and named no host.
//!
//! Nothing is dialled and nothing recorded here. A session channel is received with a word about
//! where to go; a choice ([`Shared::choose`]) turns the connection into one that has entered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use russh::{Disconnect, server};
use sallyport_domain::refusal::Refusal;
use sallyport_store::{Login, LoginOutcome, SessionType};

use super::authorise::Guest;
use super::channel::ClientEnd;
use super::enter::Joined;
use super::front::Front;
use super::refused;
use super::shared::Shared;
use crate::clock;
use crate::node::Node;

/// One client in the lobby.
pub struct Lobby {
    /// The gateway.
    pub(super) node: Arc<Node>,
    /// Who.
    pub(super) guest: Guest,
    /// When something happened here last.
    touched: Mutex<Instant>,
}

/// Why a client has to leave the lobby.
enum ShownOut {
    /// Nothing happened for too long.
    Idle(Duration),
    /// The gateway is going down.
    Draining,
}

impl Lobby {
    /// May she wait here? Who may not is refused like everybody who named a host.
    pub fn admits(node: &Node, guest: &Guest) -> bool {
        !node.is_draining() && !guest.identity.locked
    }

    /// Somebody comes in.
    pub fn enter(node: Arc<Node>, guest: Guest) -> Arc<Self> {
        let lobby = Arc::new(Self {
            node,
            guest,
            touched: Mutex::new(Instant::now()),
        });
        lobby.log(LoginOutcome::Accepted, "", String::new());
        lobby
    }

    /// Something happened: the idle time begins anew.
    pub fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What was refused to her here, for the access log.
    pub fn log_refusal(&self, refusal: &Refusal) {
        self.log(LoginOutcome::Refused, refusal.code(), refusal.to_string());
    }

    fn log(&self, outcome: LoginOutcome, code: &str, text: String) {
        self.node.record_login(Login {
            at: clock::now(),
            kind: SessionType::PamSsh,
            user: self.guest.identity.name.clone(),
            source_ip: self.guest.source_ip.clone(),
            method: self.guest.method.to_owned(),
            outcome,
            code: code.to_owned(),
            text,
            session: None,
        });
    }

    /// Until she is joined to a target; `None` if she left before, or had to leave.
    pub async fn keep(
        &self,
        shared: &Shared,
        leg: &mut server::RunningSession<Front>,
        handle: &server::Handle,
    ) -> Option<Joined> {
        let why = tokio::select! {
            joined = shared.joined() => return Some(joined),
            _ = &mut *leg => return None,
            why = self.shown_out(shared) => why,
        };
        let text = match why {
            ShownOut::Idle(limit) => {
                format!("Sallyport: no host was chosen within {}", humane(limit))
            }
            ShownOut::Draining => format!("Sallyport: {}", Refusal::Draining),
        };
        let goodbye = async {
            let _ = handle
                .disconnect(Disconnect::ByApplication, text, String::new())
                .await;
            let _ = leg.await;
        };
        let _ = tokio::time::timeout(super::shared::LINGER, goodbye).await;
        None
    }

    async fn shown_out(&self, shared: &Shared) -> ShownOut {
        let limit = self.node.config.lobby_idle;
        let idle = async {
            loop {
                // Whoever works in a connection inside this one is not idle.
                if shared.inner.count() > 0 {
                    shared.inner.none().await;
                    self.touch();
                }
                let touched = *self.touched.lock().unwrap_or_else(PoisonError::into_inner);
                match limit.checked_sub(touched.elapsed()) {
                    Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                    Some(_) | None => return,
                }
            }
        };
        // Sessions inside this connection are told by themselves first.
        let drained = async {
            self.node.draining().await;
            shared.inner.none().await;
        };
        tokio::select! {
            () = idle => ShownOut::Idle(limit),
            () = drained => ShownOut::Draining,
        }
    }
}

/// A session channel of somebody in the lobby.
///
/// What it already asked for (pty, environment, shell or command) waits in `client.inbox`. Whoever
/// takes items out to talk to the client accepts them with [`ClientEnd::promise`] and gives them
/// back with `Inbox::put_back` before the channel is handed to [`super::relay::relay`].
pub async fn receive(shared: &Arc<Shared>, lobby: &Arc<Lobby>, _number: u32, client: ClientEnd) {
    let refusal = Refusal::NoHostNamed;
    lobby.log_refusal(&refusal);
    let told = refused::explain(client, &refusal);
    let _ = shared.cut.run_until_cancelled(told).await;
}

fn humane(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
