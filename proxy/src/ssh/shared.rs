//! What a client's leg and its supervisor share: where the client stands, and the tasks of its channels.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture};
use russh::server;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::DisconnectCause;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Joined;
use super::approach::BySsh;
use super::channel::ClientEnd;
use super::forward::{self, Desk, Wanted};
use super::inboxes::{Inboxes, LeftOpen};
use super::jump::Inner;
use super::lobby::Lobby;
use super::reception;
use super::refused;
use super::relay::relay;
use super::wind_up::wind_up;
use crate::enter::{Guest, Wish, enter};
use crate::node::Node;
use crate::shield::shielded;

/// How long a client that was refused, or whose target is gone, may stay.
pub const LINGER: Duration = Duration::from_secs(5);

/// Joined to the target, or why not.
pub type Entered = Result<Joined, Refusal>;
/// On the way there; whoever asks gets the same answer.
pub type Entering = SharedFuture<BoxFuture<'static, Entered>>;

/// Where a client stands.
#[derive(Clone)]
pub enum Standing {
    /// Nobody knows yet who she is.
    Outside,
    /// She is known and named no host: nothing is dialled.
    Lobby(Arc<Lobby>),
    /// She named a host: on the way to it, joined to its target, or refused.
    Entering(Entering),
}

/// What the client's leg and its supervisor share.
pub struct Shared {
    /// The tasks of the client's channels.
    pub(super) channels: TaskTracker,
    /// Cuts both sockets.
    pub(super) cut: CancellationToken,
    /// What arrives on the client's channels.
    pub(super) inboxes: Arc<Inboxes>,
    /// What is to be attended to besides.
    pub(super) desk: Desk,
    standing: watch::Sender<Standing>,
    guest: OnceLock<Guest>,
    /// Connections that run inside this one.
    pub(super) inner: Inner,
    cut_short: AtomicBool,
    /// The client's leg is gone: which channels were still open?
    gone: watch::Sender<Option<LeftOpen>>,
}

impl Shared {
    /// For a client that is `depth` connections inside the one that came over the network.
    pub(super) fn new(cut: CancellationToken, depth: u32) -> Self {
        Self {
            channels: TaskTracker::new(),
            inner: Inner::new(cut.child_token(), depth),
            cut,
            inboxes: Arc::default(),
            desk: Desk::default(),
            standing: watch::Sender::new(Standing::Outside),
            guest: OnceLock::new(),
            cut_short: AtomicBool::new(false),
            gone: watch::Sender::new(None),
        }
    }

    /// The guest has proven who she is: she is let in to where she wants to go, beside the leg's
    /// loop, or into the lobby if she has not said where.
    pub(super) fn admit(&self, node: Arc<Node>, guest: Guest, wish: Result<Wish, Refusal>) {
        // Once only: the leg's loop authenticates once.
        let _ = self.guest.set(guest.clone());
        let standing = match wish {
            Err(Refusal::NoHostNamed) if Lobby::admits(&node, &guest) => {
                Standing::Lobby(Lobby::enter(node, guest))
            }
            wish => {
                let entering = self.enter(node, guest, wish);
                // Dialling starts now, not when the first channel asks for it.
                self.channels.spawn(entering.clone().map(drop));
                Standing::Entering(entering)
            }
        };
        self.standing.send_replace(standing);
    }

    fn enter(&self, node: Arc<Node>, guest: Guest, wish: Result<Wish, Refusal>) -> Entering {
        let cut = self.cut.clone();
        async move { enter(&node, &guest, wish, cut, &BySsh).await }
            .boxed()
            .shared()
    }

    /// Out of the lobby, to a host. The first choice of a connection names where all its channels
    /// go; whoever chooses later follows it. A refusal leaves her in the lobby, to choose again.
    pub(super) async fn choose(self: &Arc<Self>, lobby: &Arc<Lobby>, wish: Wish) -> Entered {
        let entering = self.enter(lobby.node.clone(), lobby.guest.clone(), Ok(wish));
        let first = self.standing.send_if_modified(|standing| match standing {
            Standing::Lobby(_) => {
                *standing = Standing::Entering(entering.clone());
                true
            }
            Standing::Outside | Standing::Entering(_) => false,
        });
        if !first {
            return self.entered().await;
        }
        let (shared, lobby) = (self.clone(), lobby.clone());
        // A task of its own: the channel that chose may be closed meanwhile.
        let chosen = self.channels.spawn(async move {
            let entered = entering.await;
            if entered.is_err() {
                lobby.touch();
                shared.standing.send_replace(Standing::Lobby(lobby));
            }
            entered
        });
        chosen.await.unwrap_or(Err(Refusal::StoreUnavailable))
    }

    /// Who she is, once that is known.
    pub(super) fn guest(&self) -> Option<&Guest> {
        self.guest.get()
    }

    /// Waits until it is known who she is.
    pub(super) async fn known(&self) -> Standing {
        let mut standing = self.standing.subscribe();
        let known = |standing: &Standing| match standing {
            Standing::Outside => false,
            Standing::Lobby(_) | Standing::Entering(_) => true,
        };
        // The sender lives in `self`, so waiting cannot fail.
        match standing.wait_for(known).await {
            Ok(standing) => standing.clone(),
            Err(_) => Standing::Outside,
        }
    }

    /// The lobby, if she stands there.
    fn lobby(&self) -> Option<Arc<Lobby>> {
        match &*self.standing.borrow() {
            Standing::Lobby(lobby) => Some(lobby.clone()),
            Standing::Outside | Standing::Entering(_) => None,
        }
    }

    /// What came of the host she named; waits until she has named one.
    pub(super) async fn entered(&self) -> Entered {
        let mut standing = self.standing.subscribe();
        let named = |standing: &Standing| match standing {
            Standing::Outside | Standing::Lobby(_) => false,
            Standing::Entering(_) => true,
        };
        let standing = standing.wait_for(named).await.ok().map(|it| it.clone());
        match standing {
            Some(Standing::Entering(entering)) => entering.await,
            Some(Standing::Outside | Standing::Lobby(_)) | None => Err(Refusal::StoreUnavailable),
        }
    }

    /// Waits until she is joined to a target, however often she is refused before.
    pub(super) async fn joined(&self) -> Joined {
        let mut standing = self.standing.subscribe();
        loop {
            let now = standing.borrow_and_update().clone();
            if let Standing::Entering(entering) = now
                && let Ok(joined) = entering.await
            {
                return joined;
            }
            if standing.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The client opened a session channel.
    pub(super) fn open_channel(self: &Arc<Self>, number: u32, client: ClientEnd) {
        let shared = self.clone();
        self.channels.spawn(async move {
            let going = shared.attend_to(number, client);
            if shielded("a channel's way to its target", going)
                .await
                .is_none()
            {
                shared.cut.cancel();
            }
        });
    }

    async fn attend_to(self: &Arc<Self>, number: u32, client: ClientEnd) {
        let entering = match self.known().await {
            Standing::Entering(entering) => entering,
            Standing::Lobby(lobby) => {
                return reception::receive(self, &lobby, number, client).await;
            }
            Standing::Outside => return,
        };
        match (entering.await, self.lobby()) {
            (Ok(joined), _) => relay(joined, number, client, &self.cut).await,
            // Another channel chose, and was refused: this one may choose as well.
            (Err(_), Some(lobby)) => reception::receive(self, &lobby, number, client).await,
            (Err(refusal), None) => self.show_out(client, &refusal).await,
        }
    }

    /// Tells somebody who was refused why; nothing else is to be had here.
    async fn show_out(&self, client: ClientEnd, refusal: &Refusal) {
        let told = async {
            refused::explain(client, refusal).await;
            tokio::time::sleep(LINGER).await;
        };
        let _ = self.cut.run_until_cancelled(told).await;
        self.cut.cancel();
    }

    /// Channels are numbered in the order in which they were opened.
    pub(super) fn next_number(&self) -> u32 {
        self.desk.next_number()
    }

    /// The client wants to reach something behind the target.
    pub(super) fn reach(
        self: &Arc<Self>,
        wanted: Wanted,
        client: ClientEnd,
        reply: server::ChannelOpenHandle,
    ) {
        let shared = self.clone();
        self.channels.spawn(async move {
            let entering = match shared.known().await {
                Standing::Entering(entering) => entering,
                Standing::Lobby(lobby) => {
                    let refusal = Refusal::NoHostNamed;
                    lobby.log_refusal(&refusal);
                    return reply.reject(forward::prohibited(&refusal)).await;
                }
                Standing::Outside => return,
            };
            match entering.await {
                Ok(joined) => forward::reach(shared, joined, wanted, client, reply).await,
                Err(refusal) => reply.reject(forward::prohibited(&refusal)).await,
            }
        });
    }

    /// The client left while she was being let in: whatever came of that ends.
    pub(super) async fn abandon(&self) {
        self.cut.cancel();
        let standing = self.standing.borrow().clone();
        if let Standing::Entering(entering) = standing
            && let Ok(joined) = entering.await
        {
            wind_up(self, joined, DisconnectCause::ClientLost).await;
        }
    }

    /// Something was refused to her in the lobby.
    pub(super) fn log_refusal(&self, refusal: &Refusal) {
        if let Some(lobby) = self.lobby() {
            lobby.log_refusal(refusal);
        }
    }

    /// Somebody other than the two ends ended it.
    pub(super) fn note_cut(&self) {
        self.cut_short.store(true, Ordering::Relaxed);
    }

    /// Did somebody?
    pub(super) fn was_cut(&self) -> bool {
        self.cut_short.load(Ordering::Relaxed)
    }

    /// Resets a connection whose client does not let go of what ran inside, unless it has more than that.
    pub(super) fn reset_if_alone(&self) {
        if self.lobby().is_some() && self.channels.len() <= 1 {
            self.cut.cancel();
        }
    }

    /// The client's leg is gone. What was open when that was first known counts: cutting closes the rest.
    pub(super) fn client_gone(&self, open: LeftOpen) {
        self.gone.send_if_modified(|gone| {
            let first = gone.is_none();
            if first {
                *gone = Some(open);
            }
            first
        });
    }

    /// Which channels were still open when the client's leg went?
    pub(super) fn left_open(&self) -> LeftOpen {
        let unknown = LeftOpen {
            sessions: true,
            forwards: true,
        };
        self.gone.borrow().unwrap_or(unknown)
    }
}
