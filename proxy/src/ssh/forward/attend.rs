//! Who attends to a connection's forwards: places where the target listens, and what it opens.
//!
//! Places and the connections to them keep their order: one to a port that the target has just
//! chosen comes after the answer that names the port.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use russh::server::{self, GlobalReply};
use sallyport_domain::destination::Endpoint;
use sallyport_domain::event::{Event, ForwardKind};
use sallyport_domain::refusal::Refusal;
use tokio::sync::{Semaphore, mpsc};

use super::expected::{Opened, TargetOpen};
use super::open::{come_back, prohibited};
use super::{Claim, Route, address, locked, words};
use crate::connection::Connection;
use crate::recording::RecordingLost;
use crate::ssh::Joined;
use crate::ssh::shared::Shared;
use crate::ssh::target::Opens;

/// Requests of the client that may wait; each waits for the target's answer to the one before.
const ASKS: usize = 64;
/// Places where the target of one connection may listen.
const MAX_LISTENING: usize = 100;
/// Channels that the target of one connection may have open.
const MAX_OPENED: usize = 1000;
/// Of what nobody asked for, so many are logged one by one.
const UNASKED_LOGGED: u64 = 16;

/// What a client asks for beside its channels (RFC 4254 section 7.1).
pub enum Ask {
    /// Listen there. `None` for a port that cannot exist.
    Listen(Option<Endpoint>, GlobalReply),
    /// Listen there no more.
    Cancel(Option<Endpoint>, GlobalReply),
}

/// Where requests wait until somebody attends to them.
pub struct Desk {
    asks: mpsc::Sender<Ask>,
    queue: Mutex<Option<mpsc::Receiver<Ask>>>,
    places: Arc<Semaphore>,
    numbers: AtomicU32,
}

impl Default for Desk {
    fn default() -> Self {
        let (asks, queue) = mpsc::channel(ASKS);
        Self {
            asks,
            queue: Mutex::new(Some(queue)),
            places: Arc::new(Semaphore::new(MAX_OPENED)),
            numbers: AtomicU32::new(0),
        }
    }
}

impl Desk {
    /// Never waits: what finds no place is refused, because its reply is dropped.
    pub fn ask(&self, ask: Ask) {
        let _ = self.asks.try_send(ask);
    }

    /// Channels are numbered in the order in which they were opened.
    pub fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn take(&self) -> Option<mpsc::Receiver<Ask>> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Attends to a connection's forwards until it ends.
pub async fn attend(shared: Arc<Shared>, joined: Joined, handle: server::Handle) {
    let (Some(asks), Some(opens)) = (shared.desk.take(), joined.target.take_opens()) else {
        return;
    };
    let (cut, target) = (shared.cut.clone(), joined.target.clone());
    let attendant = Attendant {
        shared,
        joined,
        handle,
        unasked: AtomicU64::new(0),
    };
    let Opens { forwarded, others } = opens;
    let attended = async {
        // A target that does not answer where it listens holds nothing else up.
        tokio::try_join!(attendant.places(asks, forwarded), attendant.others(others))
    };
    tokio::select! {
        () = cut.cancelled() => {}
        () = target.gone() => {}
        lost = attended => {
            if let Err(lost) = lost {
                attendant.connection().recording_lost(lost).await;
            }
        }
    }
}

struct Attendant {
    shared: Arc<Shared>,
    joined: Joined,
    handle: server::Handle,
    /// Channels the target wanted to open though nobody asked it to.
    unasked: AtomicU64,
}

impl Attendant {
    fn connection(&self) -> &Arc<Connection> {
        &self.joined.connection
    }

    /// The agent, the X server, and what nobody asked for.
    async fn others(&self, mut opens: mpsc::Receiver<TargetOpen>) -> Result<(), RecordingLost> {
        while let Some(open) = opens.recv().await {
            self.opened(open).await?;
        }
        Ok(())
    }

    /// Where the target listens, and the connections that come there, each thing in its order.
    async fn places(
        &self,
        mut asks: mpsc::Receiver<Ask>,
        mut opens: mpsc::Receiver<TargetOpen>,
    ) -> Result<(), RecordingLost> {
        let mut permit = self.connection().permits();
        loop {
            tokio::select! {
                Some(ask) = asks.recv() => match ask {
                    Ask::Listen(at, reply) => self.listen(at, reply).await?,
                    Ask::Cancel(at, reply) => self.cancel(at, reply).await?,
                },
                Some(open) = opens.recv() => self.opened(open).await?,
                Ok(()) = permit.changed() => self.revoke().await?,
                else => return Ok(()),
            }
        }
    }

    async fn listen(&self, at: Option<Endpoint>, reply: GlobalReply) -> Result<(), RecordingLost> {
        let Some(at) = at else { return Ok(()) };
        let (connection, target) = (self.connection(), &self.joined.target);
        let allowed = locked(connection)
            .and_then(|()| connection.permit().may_listen(&at))
            .and_then(|listening| match target.expected.listening().len() {
                0..MAX_LISTENING => Ok(listening),
                MAX_LISTENING.. => Err(Refusal::TooMany {
                    what: "remote forwards",
                }),
            });
        let listening = match allowed {
            Ok(listening) => listening,
            Err(refusal) => {
                connection.announce(&refusal.to_string());
                return remote(&at, "client".to_owned())
                    .log_refusal(connection, &refusal)
                    .await;
            }
        };
        let place = target.listen(&listening).await;
        let event = Event::ForwardListening {
            at: words(&place.as_ref().unwrap_or(&at).to_string()),
            accepted: place.is_some(),
        };
        connection.log(event).await?;
        if let Some(place) = place {
            reply.accept(chosen_port(&at, &place));
            target.expected.listens(place);
        }
        Ok(())
    }

    async fn cancel(&self, at: Option<Endpoint>, reply: GlobalReply) -> Result<(), RecordingLost> {
        let target = &self.joined.target;
        let Some(at) = at.filter(|at| target.expected.cancelled(at)) else {
            return Ok(());
        };
        if target.cancel(&at).await {
            reply.accept(Vec::new());
        }
        self.log_cancelled(&at, "the client cancelled it").await
    }

    async fn log_cancelled(&self, at: &Endpoint, why: &str) -> Result<(), RecordingLost> {
        let (at, why) = (words(&at.to_string()), why.to_owned());
        self.connection()
            .log(Event::ForwardCancelled { at, why })
            .await
    }

    /// The permit changed: the target listens no more where it may not (law 6).
    async fn revoke(&self) -> Result<(), RecordingLost> {
        let target = &self.joined.target;
        let permit = self.connection().permit();
        for at in target.expected.listening() {
            if let Err(refusal) = permit.may_listen(&at) {
                target.expected.cancelled(&at);
                target.cancel(&at).await;
                self.log_cancelled(&at, &refusal.to_string()).await?;
            }
        }
        Ok(())
    }

    async fn opened(&self, open: TargetOpen) -> Result<(), RecordingLost> {
        let connection = self.connection().clone();
        let route = self.route(&open.what);
        let place = self.shared.desk.places.clone().try_acquire_owned();
        let allowed = match route.asked {
            true => locked(&connection).and_then(|()| route.route.check(&connection.permit())),
            false => Err(Refusal::NotAskedFor {
                what: route.route.to.clone(),
            }),
        };
        let too_many = Refusal::TooMany {
            what: "forwarded connections",
        };
        match allowed.and(place.map_err(|_| too_many)) {
            Ok(place) => {
                let back = come_back(
                    self.shared.clone(),
                    self.joined.clone(),
                    self.handle.clone(),
                    (open, route.route),
                    place,
                );
                self.shared.channels.spawn(back);
                Ok(())
            }
            Err(refusal) => {
                open.reject(&self.joined.target, prohibited(&refusal)).await;
                let unasked = self.unasked.fetch_add(1, Ordering::Relaxed) + 1;
                // A target that goes on and on must not fill the log.
                if unasked <= UNASKED_LOGGED || unasked.is_power_of_two() {
                    route.route.log_refusal(&connection, &refusal).await?;
                }
                Ok(())
            }
        }
    }

    fn route(&self, what: &Opened) -> Judged {
        let expected = &self.joined.target.expected;
        match what {
            Opened::Forwarded { at, from } => {
                let nowhere = Endpoint::unix("");
                let at = at.as_ref().unwrap_or(&nowhere);
                let place = expected.find(at);
                let asked = place.is_some();
                let from = match from {
                    (host, 0) if host.is_empty() => "the target".to_owned(),
                    (host, port) => address(host, *port),
                };
                let route = remote(&place.unwrap_or_else(|| at.clone()), from);
                Judged { route, asked }
            }
            Opened::Service(service, from) => {
                let from = from.as_ref().map(|(host, port)| address(host, *port));
                let route = Route {
                    kind: service.kind(),
                    from: from.unwrap_or_else(|| "the target".to_owned()),
                    to: service.name().to_owned(),
                    claim: Claim::Right(service.right()),
                };
                let asked = expected.has(*service);
                Judged { route, asked }
            }
            Opened::Other(what) => {
                let mut route = remote(&Endpoint::unix(""), "the target".to_owned());
                route.to = (*what).to_owned();
                Judged {
                    route,
                    asked: false,
                }
            }
        }
    }
}

/// A channel that the target wants, and whether anybody asked it to.
struct Judged {
    route: Route,
    asked: bool,
}

fn remote(at: &Endpoint, from: String) -> Route {
    Route {
        kind: ForwardKind::Remote,
        from,
        to: words(&at.to_string()),
        claim: Claim::Listen(at.clone()),
    }
}

/// The port the target chose, if the client left it the choice (RFC 4254 section 7.1).
fn chosen_port(asked: &Endpoint, place: &Endpoint) -> Vec<u8> {
    match (asked, place) {
        (Endpoint::Tcp { port: 0, .. }, Endpoint::Tcp { port, .. }) => {
            u32::from(*port).to_be_bytes().to_vec()
        }
        (Endpoint::Tcp { .. }, Endpoint::Tcp { .. })
        | (Endpoint::Unix { .. }, _)
        | (_, Endpoint::Unix { .. }) => Vec::new(),
    }
}
