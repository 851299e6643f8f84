//! One client from accept to the end of its tape.
//!
//! Whatever ends first, the client, the target or the session, this brings down the rest: both
//! sockets closed, pumps done, tape finished, driver told. Nothing is left behind.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture};
use russh::{Disconnect, server};
use sallyport_domain::close::CloseReason;
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::DisconnectCause;
use sallyport_store::RecordingState;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LegError;
use super::authorise::Guest;
use super::channel::{Channel, ClientEnd, TargetEnd};
use super::enter::{self, Joined};
use super::front::Front;
use super::refused;
use crate::connection::Connection;
use crate::driver::Mail;
use crate::ledger::Entry;
use crate::node::Node;
use crate::notice;
use crate::wire::{Pace, Wire};

/// How long a client has to take its farewell before its socket is reset.
const FAREWELL: Duration = Duration::from_millis(30);
/// The same for one that was just taking output: the farewell comes after what is on its way.
const FAREWELL_BEHIND_OUTPUT: Duration = Duration::from_millis(500);
/// Who took nothing for this long does not read.
const READING: Duration = Duration::from_millis(100);
/// How long a client that was refused, or whose target is gone, may stay.
const LINGER: Duration = Duration::from_secs(5);

type Entered = Result<Joined, Refusal>;
type Entering = SharedFuture<BoxFuture<'static, Entered>>;

/// What the client's leg and its supervisor share.
pub struct Shared {
    entering: watch::Sender<Option<Entering>>,
    channels: TaskTracker,
    cut: CancellationToken,
    /// The client's leg is gone: were channels still open?
    gone: watch::Sender<Option<bool>>,
}

impl Shared {
    fn new(cut: CancellationToken) -> Self {
        Self {
            entering: watch::Sender::new(None),
            channels: TaskTracker::new(),
            cut,
            gone: watch::Sender::new(None),
        }
    }

    /// The guest has proven who she is: let her in, beside the leg's loop.
    pub(super) fn enter(&self, node: Arc<Node>, guest: Guest) {
        let cut = self.cut.clone();
        let entering = async move { enter::enter(&node, &guest, cut).await }
            .boxed()
            .shared();
        self.entering.send_replace(Some(entering.clone()));
        // Dialling starts now, not when the first channel asks for it.
        self.channels.spawn(entering.map(drop));
    }

    async fn entered(&self) -> Entered {
        let mut entering = self.entering.subscribe();
        let found = entering
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|entering| entering.clone());
        match found {
            Some(entering) => entering.await,
            None => Err(Refusal::StoreUnavailable),
        }
    }

    /// The client opened a session channel.
    pub(super) fn open_channel(self: &Arc<Self>, number: u32, client: ClientEnd) {
        let shared = self.clone();
        self.channels.spawn(async move {
            match shared.entered().await {
                Ok(joined) => relay(joined, number, client, &shared.cut).await,
                Err(refusal) => {
                    let told = async {
                        refused::explain(client, &refusal).await;
                        // She has been told; nothing else is to be had here.
                        tokio::time::sleep(LINGER).await;
                    };
                    let _ = shared.cut.run_until_cancelled(told).await;
                    shared.cut.cancel();
                }
            }
        });
    }

    /// The client asked for something that is not offered.
    pub(super) fn refused(self: &Arc<Self>, what: &'static str, detail: String) {
        let shared = self.clone();
        self.channels.spawn(async move {
            let Ok(joined) = shared.entered().await else {
                return;
            };
            let why = Refusal::NotOffered { what }.to_string();
            // The tape's own failure is noticed where bytes pass.
            let _ = joined
                .connection
                .log(Event::RightRefused {
                    what: format!("{what} {detail}"),
                    why,
                })
                .await;
        });
    }

    /// The client left while she was being let in: whatever came of that ends.
    async fn abandon(&self) {
        self.cut.cancel();
        let entering = self.entering.borrow().clone();
        if let Some(entering) = entering
            && let Ok(joined) = entering.await
        {
            end(self, joined, DisconnectCause::ClientLost).await;
        }
    }

    /// The client's leg is gone.
    pub(super) fn client_gone(&self, channels_open: bool) {
        self.gone.send_replace(Some(channels_open));
    }
}

/// Relays a channel; a panic in it ends its connection and no other (law 7).
async fn relay(joined: Joined, number: u32, client: ClientEnd, cut: &CancellationToken) {
    let connection = joined.connection.clone();
    if AssertUnwindSafe(relay_channel(joined, number, client, cut))
        .catch_unwind()
        .await
        .is_err()
    {
        tracing::error!(connection = %connection.id, channel = number, "a channel panicked; its connection is cut");
        connection.cut(CloseReason::InternalError);
    }
}

async fn relay_channel(joined: Joined, number: u32, client: ClientEnd, cut: &CancellationToken) {
    let Joined { connection, target } = joined;
    match target.open_session().await {
        Ok((channel, inbox)) => {
            let (_, write) = channel.split();
            let end = TargetEnd {
                id: write.id(),
                leg: target,
                write,
                inbox,
            };
            Channel::new(connection, number, client, end, cut)
                .relay()
                .await;
        }
        Err(error) => {
            let why = format!("the target opened no channel: {error}");
            let _ = connection
                .log(Event::RightRefused {
                    what: format!("channel {number}"),
                    why,
                })
                .await;
            let refusal = Refusal::TargetGarbled {
                host: connection.permit().host().name.clone(),
                error: error.to_string(),
            };
            let _ = cut
                .run_until_cancelled(refused::explain(client, &refusal))
                .await;
        }
    }
}

/// Serves one client that has just been accepted.
pub async fn serve(node: Arc<Node>, tcp: TcpStream, peer: SocketAddr) {
    let cut = node.cut.child_token();
    // Whatever happens below, both sockets go when this is done.
    let _cut_at_end = cut.clone().drop_guard();
    let Some(unauthenticated) = node.admit_unauthenticated(peer) else {
        return;
    };
    let wire = match Wire::new(tcp, cut.clone()) {
        Ok(wire) => wire,
        Err(error) => return tracing::debug!(%peer, %error, "client left before it was served"),
    };
    let pace = wire.pace();
    let shared = Arc::new(Shared::new(cut));
    let front = Front::new(node.clone(), peer, shared.clone());
    let grace = tokio::time::sleep(node.config.login_grace);
    tokio::pin!(grace);
    let leg = tokio::select! {
        leg = server::run_stream(node.ssh.clone(), wire, front) => leg,
        () = &mut grace => return,
    };
    let mut leg = match leg {
        Ok(leg) => leg,
        Err(error) => return tracing::debug!(%peer, %error, "no SSH client"),
    };
    let handle = leg.handle();

    // Until she has proven who she is and is let in, only the grace period holds her.
    let entered = tokio::select! {
        entered = shared.entered() => Some(entered),
        _ = &mut leg => None,
        () = &mut grace => None,
    };
    drop(unauthenticated);
    match entered {
        Some(Ok(joined)) => {
            // Whatever breaks in here, the driver must hear that the connection is over.
            let accompanied = AssertUnwindSafe(accompany(&shared, &joined, leg, handle, &pace))
                .catch_unwind()
                .await;
            let cause = accompanied.unwrap_or_else(|_| {
                tracing::error!(connection = %joined.connection.id, "the supervisor of a connection panicked");
                DisconnectCause::Cut(CloseReason::InternalError)
            });
            end(&shared, joined, cause).await;
        }
        // Her channel tells her why; a client that opens none is shown out.
        Some(Err(_)) => drop(tokio::time::timeout(2 * LINGER, leg).await),
        None => shared.abandon().await,
    }
    shared.cut.cancel();
    shared.channels.close();
    shared.channels.wait().await;
}

/// From the first moment of a connection to what ends it.
async fn accompany(
    shared: &Shared,
    joined: &Joined,
    mut leg: server::RunningSession<Front>,
    handle: server::Handle,
    pace: &Pace,
) -> DisconnectCause {
    let Joined { connection, target } = joined;
    tokio::select! {
        result = &mut leg => client_left(shared, &result),
        reason = connection.cut_requested() => {
            say_farewell(connection, &handle, &mut leg, &reason, pace).await;
            DisconnectCause::Cut(reason)
        }
        () = target.gone() => {
            // What the target still sent is on its way to the client.
            shared.channels.close();
            let drained = async {
                shared.channels.wait().await;
                let _ = handle.disconnect(Disconnect::ByApplication, farewell_of_target(), String::new()).await;
                let _ = (&mut leg).await;
            };
            tokio::select! {
                () = drained => {}
                reason = connection.cut_requested() => tracing::debug!(%reason, "cut after the target was gone"),
            }
            DisconnectCause::Target
        }
    }
}

/// Closes what is left of a connection, says so, and finishes its tape.
async fn end(shared: &Shared, joined: Joined, cause: DisconnectCause) {
    let Joined { connection, target } = joined;
    // In order, if the target takes it: it has nothing to hold us up with.
    let _ = tokio::time::timeout(FAREWELL, target.disconnect()).await;
    shared.cut.cancel();
    let at = clock::now();
    connection
        .tell(Mail::Disconnected {
            connection: connection.id,
            cause,
            at,
        })
        .await;
    shared.channels.close();
    shared.channels.wait().await;
    finish_tape(&connection).await;
}

fn farewell_of_target() -> String {
    notice::farewell(&CloseReason::TargetClosed)
}

fn client_left(shared: &Shared, result: &Result<(), LegError>) -> DisconnectCause {
    let channels_open = shared.gone.borrow().unwrap_or(true);
    if let Err(error) = result {
        tracing::debug!(%error, "the client's leg broke");
    }
    // A client that has closed its channels has left, whatever its socket says last.
    if channels_open {
        DisconnectCause::ClientLost
    } else {
        DisconnectCause::Client
    }
}

/// Tells the client why; one that does not take it in time is reset.
async fn say_farewell(
    connection: &Connection,
    handle: &server::Handle,
    leg: &mut server::RunningSession<Front>,
    reason: &CloseReason,
    pace: &Pace,
) {
    let patience = if pace.idle_for() < READING {
        FAREWELL_BEHIND_OUTPUT
    } else {
        FAREWELL
    };
    connection.notify(&notice::printable(&reason.to_string()));
    let goodbye = async {
        // One turn of the pumps, so that the terminal shows the notice before the line goes dead.
        tokio::task::yield_now().await;
        let _ = handle
            .disconnect(
                Disconnect::ByApplication,
                notice::farewell(reason),
                String::new(),
            )
            .await;
        let _ = leg.await;
    };
    if tokio::time::timeout(patience, goodbye).await.is_err() {
        tracing::debug!(connection = %connection.id, "the client did not take its farewell");
    }
}

async fn finish_tape(connection: &Arc<Connection>) {
    let id = connection.id;
    let finishing = connection.clone();
    let finished =
        tokio::task::spawn_blocking(move || finishing.tape.finish(finishing.cut_reason().as_ref()))
            .await;
    let at = clock::now();
    let (entry, event) = match finished {
        Ok(Some(Ok(tape))) => {
            let root: String = tape.root.iter().map(|byte| format!("{byte:02x}")).collect();
            (
                Some(Entry::TapeFinished {
                    id,
                    bytes: tape.bytes,
                    root: root.clone(),
                    state: RecordingState::Complete,
                    at,
                }),
                Some(Event::RecordingStored {
                    connection: id,
                    bytes: tape.bytes,
                    root,
                }),
            )
        }
        Ok(None) => (None, None),
        failed => {
            let error = match failed {
                Ok(Some(Err(error))) => error.to_string(),
                Ok(_) => String::new(),
                Err(panic) => panic.to_string(),
            };
            (
                Some(Entry::TapeFinished {
                    id,
                    bytes: 0,
                    root: String::new(),
                    state: RecordingState::Failed,
                    at,
                }),
                Some(Event::RecordingFailed {
                    connection: id,
                    error,
                }),
            )
        }
    };
    connection
        .tell(Mail::TapeEnded {
            connection: id,
            entry,
            event,
        })
        .await;
}
