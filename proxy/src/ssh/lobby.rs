//! The lobby: a client that has proven who it is and named no host.
//!
//! Nothing is dialled and nothing recorded here. A session channel gets a menu (see
//! [`super::reception`]); a choice ([`Shared::choose`]) turns the connection into one that has entered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use russh::{Disconnect, server};
use sallyport_domain::refusal::Refusal;
use sallyport_store::{Login, LoginOutcome, SessionType};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::Joined;
use super::front::Front;
use super::shared::Shared;
use crate::clock;
use crate::enter::Guest;
use crate::node::Node;

/// Menus and lists of one connection that may be open at a time; each holds all the user may do.
const MENUS: usize = 4;
/// How long a client has to leave by itself once its menus are gone.
const CLEARING: Duration = Duration::from_millis(500);

/// One client in the lobby.
pub struct Lobby {
    /// The gateway.
    pub(super) node: Arc<Node>,
    /// Who.
    pub(super) guest: Guest,
    /// When something happened here last.
    touched: Mutex<Instant>,
    /// One for each list that is held in memory.
    places: Semaphore,
    /// She has to leave, for this reason.
    closing: watch::Sender<Option<String>>,
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
            places: Semaphore::new(MENUS),
            closing: watch::Sender::new(None),
        });
        lobby.log(LoginOutcome::Accepted, "", String::new());
        lobby
    }

    /// Something happened: the idle time begins anew.
    pub fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A place for one more menu or list; waits for one.
    pub async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Waits until she has to leave; answers why.
    pub async fn closing(&self) -> String {
        let mut closing = self.closing.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let why = closing.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
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
            service_provider: String::new(),
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
        // Open menus say it themselves and end, and with the last channel most clients leave: a disconnect cuts
        // off what they have not painted yet.
        self.closing.send_replace(Some(text.clone()));
        if tokio::time::timeout(CLEARING, &mut *leg).await.is_ok() {
            return None;
        }
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

fn humane(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
