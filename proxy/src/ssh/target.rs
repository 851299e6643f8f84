//! The target leg: dialling, host key, credential, and what the target sends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use russh::client::{self, ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Sig};
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::destination::Endpoint;
use sallyport_domain::permit::{Listening, Opening};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use super::forward::{Expected, Opened, Service, TargetOpen};
use super::host_keys::KeyCheck;
use super::inbox::{Inbox, Item, Stream};
use super::inboxes::Inboxes;
use super::{LegError, algorithms};
use crate::enter::Verdict;
use crate::round_trip::RoundTrip;
use crate::shield::fault;

/// Channels that the target opened and nobody has looked at yet.
const OPENS: usize = 64;

/// A target that let us in.
pub struct TargetLeg {
    handle: Handle<TargetHandler>,
    ends: LegEnds,
    algorithms: Negotiated,
    round_trip: RoundTrip,
    /// What it may open.
    pub expected: Expected,
}

/// What a leg and its handler share.
#[derive(Clone)]
pub struct LegEnds {
    inboxes: Arc<Inboxes>,
    gone: CancellationToken,
    panicked: Arc<AtomicBool>,
    /// To places where the target listens. These wait while it is asked to listen.
    forwarded: mpsc::Sender<TargetOpen>,
    /// Everything else.
    others: mpsc::Sender<TargetOpen>,
    /// Until somebody attends to them, what the target opens waits; when nobody does, it is refused.
    opens: Arc<Mutex<Option<Opens>>>,
}

/// What the target opens.
pub struct Opens {
    /// To places where it listens.
    pub forwarded: mpsc::Receiver<TargetOpen>,
    /// Everything else.
    pub others: mpsc::Receiver<TargetOpen>,
}

impl Default for LegEnds {
    fn default() -> Self {
        let (to_forwarded, forwarded) = mpsc::channel(OPENS);
        let (to_others, others) = mpsc::channel(OPENS);
        Self {
            inboxes: Arc::default(),
            gone: CancellationToken::new(),
            panicked: Arc::default(),
            forwarded: to_forwarded,
            others: to_others,
            opens: Arc::new(Mutex::new(Some(Opens { forwarded, others }))),
        }
    }
}

impl TargetLeg {
    pub(super) fn new(
        handle: Handle<TargetHandler>,
        ends: LegEnds,
        algorithms: Negotiated,
        round_trip: RoundTrip,
    ) -> Self {
        Self {
            handle,
            ends,
            algorithms,
            round_trip,
            expected: Expected::default(),
        }
    }

    /// What the leg agreed on.
    pub fn algorithms(&self) -> &Negotiated {
        &self.algorithms
    }

    /// How far away it is.
    pub fn round_trip(&self) -> RoundTrip {
        self.round_trip.clone()
    }

    /// Opens a session channel.
    pub async fn open_session(&self) -> Result<(Channel<Msg>, Arc<Inbox>), russh::Error> {
        let channel = self.handle.channel_open_session().await?;
        let inbox = self.ends.inboxes.open(channel.id());
        Ok((channel, inbox))
    }

    /// Opens a channel to somewhere behind the target, for whoever connected to the client.
    pub async fn reach(
        &self,
        opening: &Opening,
        (host, port): &(String, u32),
    ) -> Result<(Channel<Msg>, Arc<Inbox>), russh::Error> {
        let handle = &self.handle;
        let channel = match opening.to() {
            Endpoint::Tcp { host: to, port: at } => {
                handle
                    .channel_open_direct_tcpip(to, u32::from(*at), host, *port)
                    .await?
            }
            Endpoint::Unix { path } => handle.channel_open_direct_streamlocal(path).await?,
        };
        let inbox = self.ends.inboxes.open(channel.id());
        Ok((channel, inbox))
    }

    /// Asks the target to listen; answers where it does, if it does.
    pub async fn listen(&self, listening: &Listening) -> Option<Endpoint> {
        match listening.at() {
            Endpoint::Tcp { host, port } => {
                let chosen = self.handle.tcpip_forward(host, u32::from(*port)).await;
                match (chosen.ok()?, *port) {
                    // It says yes and keeps to itself which port it chose.
                    (0, 0) => None,
                    (chosen, 0) => Endpoint::tcp(host, chosen),
                    (_, asked) => Endpoint::tcp(host, u32::from(asked)),
                }
            }
            Endpoint::Unix { path } => {
                self.handle.streamlocal_forward(path).await.ok()?;
                Some(Endpoint::unix(path))
            }
        }
    }

    /// Asks the target to listen no more; answers whether it agreed.
    pub async fn cancel(&self, at: &Endpoint) -> bool {
        let cancelled = match at {
            Endpoint::Tcp { host, port } => {
                self.handle
                    .cancel_tcpip_forward(host, u32::from(*port))
                    .await
            }
            Endpoint::Unix { path } => self.handle.cancel_streamlocal_forward(path).await,
        };
        cancelled.is_ok()
    }

    /// What the target opens, for the one who attends to it.
    pub fn take_opens(&self) -> Option<Opens> {
        self.ends
            .opens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The target may send so many bytes more on the channel.
    pub fn release(&self, id: ChannelId, bytes: u32) {
        self.handle.release_window(id, bytes);
    }

    /// The channel is gone on both sides.
    pub fn forget(&self, id: ChannelId) {
        self.ends.inboxes.forget(id);
    }

    /// Resolves when the target's connection is gone.
    pub async fn gone(&self) {
        self.ends.gone.cancelled().await;
    }

    /// Is it gone because its loop panicked?
    pub fn has_panicked(&self) -> bool {
        self.ends.panicked.load(Ordering::Relaxed)
    }

    /// Says goodbye; does not wait for an answer.
    pub async fn disconnect(&self) {
        let _ = self
            .handle
            .disconnect(Disconnect::ByApplication, "", "")
            .await;
    }
}

/// Takes what the target sends into the channels' inboxes; never waits.
pub struct TargetHandler {
    ends: LegEnds,
    key_check: KeyCheck,
    seen: Arc<Mutex<Seen>>,
}

/// What the key exchange showed.
#[derive(Debug, Default)]
pub struct Seen {
    /// How the host key was judged.
    pub verdict: Option<Verdict>,
    /// What was agreed on.
    pub algorithms: Negotiated,
}

impl TargetHandler {
    pub(super) fn new(ends: LegEnds, key_check: KeyCheck, seen: Arc<Mutex<Seen>>) -> Self {
        Self {
            ends,
            key_check,
            seen,
        }
    }

    fn put(&self, id: ChannelId, item: Item) -> Result<(), LegError> {
        if let Some(inbox) = self.ends.inboxes.get(id) {
            inbox.push(item)?;
        }
        Ok(())
    }

    /// The target wants to open a channel. Whoever attends to it says yes or no, later.
    async fn opened(&self, what: Opened, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        // Our own inboxes take what arrives: without a reader russh's queue refuses at once.
        let (_, write) = channel.split();
        let (id, inbox) = (write.id(), self.ends.inboxes.open(write.id()));
        let open = TargetOpen {
            what,
            write,
            inbox,
            reply,
        };
        let queue = match open.what {
            Opened::Forwarded { .. } => &self.ends.forwarded,
            Opened::Service(..) | Opened::Other(_) => &self.ends.others,
        };
        if let Err(refused) = queue.try_send(open) {
            self.ends.inboxes.forget(id);
            let (TrySendError::Full(open) | TrySendError::Closed(open)) = refused;
            open.reply
                .reject(ChannelOpenFailure::ResourceShortage)
                .await;
        }
    }

    fn put_data(&self, id: ChannelId, stream: Stream, data: &Bytes) -> Result<(), LegError> {
        fault("target-leg", || data);
        if let Some(inbox) = self.ends.inboxes.get(id) {
            inbox.push_data(stream, data)?;
        }
        Ok(())
    }
}

impl Drop for TargetHandler {
    fn drop(&mut self) {
        // Dropped with the leg's loop, however that ended.
        let panicked = std::thread::panicking();
        self.ends.panicked.store(panicked, Ordering::Relaxed);
        self.ends.gone.cancel();
        self.ends.inboxes.close_all();
    }
}

impl client::Handler for TargetHandler {
    type Error = LegError;

    async fn check_server_key(
        &mut self,
        key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, LegError> {
        let verdict = self.key_check.check(key).await;
        let accepted = verdict.is_accepted();
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .verdict = Some(verdict);
        Ok(accepted)
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        names: &russh::Names,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .algorithms = algorithms::negotiated(names);
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        // Before its first bytes: a server that speaks first does so at once.
        self.ends.inboxes.open(id);
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        let what = Opened::Forwarded {
            at: Endpoint::tcp(host, port),
            from: (from.to_owned(), from_port),
        };
        self.opened(what, channel, reply).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        let what = Opened::Forwarded {
            at: Some(Endpoint::unix(path)),
            from: (String::new(), 0),
        };
        self.opened(what, channel, reply).await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.opened(Opened::Service(Service::Agent, None), channel, reply)
            .await;
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        let from = Some((from.to_owned(), from_port));
        self.opened(Opened::Service(Service::X11, from), channel, reply)
            .await;
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.opened(Opened::Other("a session"), channel, reply)
            .await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.opened(Opened::Other("a port of its choice"), channel, reply)
            .await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.opened(Opened::Other("a socket of its choice"), channel, reply)
            .await;
        Ok(())
    }

    async fn data_bytes(
        &mut self,
        id: ChannelId,
        data: &Bytes,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put_data(id, Stream::Main, data)
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _ext: u32,
        data: &[u8],
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        // SSH_EXTENDED_DATA_STDERR is the only type there is (RFC 4254 section 5.2).
        self.put_data(id, Stream::Stderr, &Bytes::copy_from_slice(data))
    }

    async fn channel_success(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put(id, Item::Answer(true))
    }

    async fn channel_failure(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put(id, Item::Answer(false))
    }

    async fn channel_eof(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put(id, Item::Eof)
    }

    async fn channel_close(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put(id, Item::Close)
    }

    async fn exit_status(
        &mut self,
        id: ChannelId,
        status: u32,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        self.put(id, Item::ExitStatus(status))
    }

    async fn exit_signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        core_dumped: bool,
        message: &str,
        language: &str,
        _: &mut client::Session,
    ) -> Result<(), LegError> {
        let (message, language) = (message.to_owned(), language.to_owned());
        self.put(
            id,
            Item::ExitSignal {
                signal,
                core_dumped,
                message,
                language,
            },
        )
    }
}
