//! A jump: an SSH connection inside the client's connection (`ssh -J alice@gateway root@web-01`,
//! `ssh -W`), which ends here instead of at the host it is meant for.
//!
//! The client opens a channel to a host's SSH port. Where that is a declared host, the channel
//! becomes the stream of a connection of its own: served, authorised and recorded by the same path
//! as one that comes over the network, but for who it is, which the outer connection has proven.

mod destination;
mod known;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use russh::server::{self, ChannelOpenHandle};
use sallyport_domain::declared::Host;
use sallyport_domain::destination::Endpoint;
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use known::Known;

use super::Joined;
use super::channel::ClientEnd;
use super::channel_stream::ChannelStream;
use super::forward::{self, Wanted};
use super::front::Front;
use super::inbox::Item;
use super::shared::{Shared, Standing};
use super::supervise::{attend, patience};
use crate::clock;
use crate::connection::Connection;
use crate::node::Node;
use crate::wire::Pace;
use destination::{Asked, Leads, leads};

/// Connections inside one connection.
const MAX_INNER: usize = 100;
/// Connections inside each other.
const MAX_DEPTH: u32 = 4;
/// Destinations of one connection that are looked up at once: a flood of them waits for itself.
const LOOKUPS: usize = 4;

/// The connections inside one.
pub struct Inner {
    /// Ends them all.
    pub(super) cut: CancellationToken,
    /// How many connections this one is inside.
    pub(super) depth: u32,
    count: watch::Sender<usize>,
    lookups: Semaphore,
}

/// One of them, while it lives.
struct Seat<'a>(&'a Inner);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}

impl Inner {
    pub(super) fn new(cut: CancellationToken, depth: u32) -> Self {
        Self {
            cut,
            depth,
            count: watch::Sender::new(0),
            lookups: Semaphore::new(LOOKUPS),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn seat(&self) -> Result<Seat<'_>, Refusal> {
        let room = self.count.send_if_modified(|count| {
            let room = *count < MAX_INNER && self.depth < MAX_DEPTH;
            *count += usize::from(room);
            room
        });
        if room {
            Ok(Seat(self))
        } else {
            Err(Refusal::TooManyJumps)
        }
    }
}

/// The client wants a channel to somewhere: a jump if that is a host's SSH port, else a forward.
pub fn open(
    node: &Arc<Node>,
    shared: &Arc<Shared>,
    wanted: Wanted,
    client: ClientEnd,
    reply: ChannelOpenHandle,
) {
    let Some(Endpoint::Tcp { host, port }) = wanted.to.clone() else {
        return shared.reach(wanted, client, reply);
    };
    let asked = Asked {
        host,
        port: port.into(),
    };
    let (node, outer) = (node.clone(), shared.clone());
    shared.channels.spawn(async move {
        let joined = match joined(&outer).await {
            Ok(joined) => joined,
            Err(refusal) => return refuse(&outer, None, &asked, refusal, reply).await,
        };
        let connection = joined.as_ref().map(|joined| joined.connection.clone());
        let led = {
            // It is never closed.
            let _turn = outer.inner.lookups.acquire().await.ok();
            leads(&node, &outer, connection.as_deref(), &asked).await
        };
        match (led, joined) {
            (Ok(Leads::ToHost(host)), _) => {
                let seat = match outer.inner.seat() {
                    Ok(seat) => seat,
                    Err(refusal) => {
                        return refuse(&outer, connection, &asked, refusal, reply).await;
                    }
                };
                if let Some(connection) = &connection {
                    note(connection, &asked, &host).await;
                }
                reply.accept().await;
                serve(&node, &outer, &asked, *host, &client).await;
                drop(seat);
            }
            (Ok(Leads::Elsewhere), Some(joined)) => {
                forward::reach(outer, joined, wanted, client, reply).await;
            }
            (Ok(Leads::Elsewhere), None) => {
                let refusal = Refusal::NotOffered { what: "a forward" };
                refuse(&outer, None, &asked, refusal, reply).await;
            }
            (Err(refusal), _) => refuse(&outer, connection, &asked, refusal, reply).await,
        }
    });
}

/// Somebody who has entered; `None` in the lobby.
async fn joined(outer: &Shared) -> Result<Option<Joined>, Refusal> {
    match outer.known().await {
        Standing::Entering(entering) => Ok(Some(entering.await?)),
        Standing::Lobby(_) | Standing::Outside => Ok(None),
    }
}

/// Says no, to the client and in a log.
async fn refuse(
    outer: &Shared,
    connection: Option<Arc<Connection>>,
    asked: &Asked,
    refusal: Refusal,
    reply: ChannelOpenHandle,
) {
    reply.reject(forward::prohibited(&refusal)).await;
    match connection {
        Some(connection) => {
            let what = format!("connection to {asked}");
            let why = refusal.to_string();
            // The tape's own failure is noticed where bytes pass.
            let _ = connection.log(Event::RightRefused { what, why }).await;
        }
        None => outer.log_refusal(&refusal),
    }
}

/// Says on the outer connection what runs inside it.
async fn note(connection: &Connection, asked: &Asked, host: &Host) {
    let event = Event::Jumped {
        to: asked.to_string(),
        host: host.name.clone(),
    };
    let _ = connection.log(event).await;
}

/// Serves the inner connection to its end, and closes its channel.
async fn serve(
    node: &Arc<Node>,
    outer: &Arc<Shared>,
    asked: &Asked,
    host: Host,
    client: &ClientEnd,
) {
    match server_config(node, asked, &host) {
        Ok(config) => {
            let name = host.name.clone();
            let shared = Arc::new(Shared::new(node.cut.child_token(), outer.inner.depth + 1));
            let (inner, pace) = attend_inner(node, outer, shared.clone(), config, host, client);
            let outer_gone = async {
                outer.inner.cut.cancelled().await;
                shared.client_gone(shared.inboxes.are_open());
                shared.cut.cancel();
                std::future::pending().await
            };
            // A panic ends the inner connection and no other (law 7).
            let inner = AssertUnwindSafe(inner).catch_unwind();
            tokio::select! {
                ended = inner => if ended.is_err() {
                    tracing::error!(host = %name, "a connection inside another one panicked");
                },
                () = outer_gone => {}
            }
            if shared.was_cut() && !lets_go(client, &pace).await {
                outer.reset_if_alone();
            }
        }
        Err(error) => tracing::error!(%error, "a jump could not be served"),
    }
    client.inbox.close();
    let closed = client.handle.close(client.id);
    let _ = outer.cut.run_until_cancelled(closed).await;
}

/// Does the client close the channel, once the connection in it has said its last? `ssh -W` answers
/// the EOF at once, also when nobody reads what it puts out, but closes only behind all of that.
async fn lets_go(client: &ClientEnd, pace: &Pace) -> bool {
    let closed = async {
        while let Some(item) = client.inbox.recv().await {
            if matches!(item, Item::Close) {
                return;
            }
        }
    };
    tokio::time::timeout(patience(pace), closed).await.is_ok()
}

fn server_config(
    node: &Node,
    asked: &Asked,
    host: &Host,
) -> Result<Arc<server::Config>, crate::ca::CaError> {
    let identity = node
        .ca
        .identity(host, (&asked.host, asked.port), clock::now())?;
    Ok(Arc::new(server::Config {
        certificates: vec![identity.certificate],
        // Whoever is inside has proven who she is: no method is better than another.
        methods: russh::MethodSet::server_supported(),
        ..crate::node::server_config(&node.config, vec![identity.key])
    }))
}

/// Boxed, and named as such: a leg inside a leg is a type inside itself.
fn attend_inner<'a>(
    node: &'a Arc<Node>,
    outer: &Shared,
    shared: Arc<Shared>,
    config: Arc<server::Config>,
    host: Host,
    client: &ClientEnd,
) -> (BoxFuture<'a, ()>, Pace) {
    let stream = ChannelStream::new(
        client.handle.clone(),
        &client.write,
        client.inbox.clone(),
        shared.cut.clone(),
    );
    let pace = stream.pace();
    let Some(guest) = outer.guest().cloned() else {
        return (futures::future::ready(()).boxed(), pace);
    };
    let known = Known::new(guest, host);
    let front = Front::inner(node.clone(), known, shared.clone());
    let attended = attend(node, config, stream, pace.clone(), shared, front, None);
    (attended.boxed(), pace)
}
