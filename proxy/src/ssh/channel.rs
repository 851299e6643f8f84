//! One session channel: its two ends, and what both directions know about it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use russh::{ChannelId, ChannelWriteHalf, client, server};
use sallyport_dissect::Malformed;
use sallyport_domain::event::Event;
use sallyport_domain::permit::Granted;
use sallyport_recorder::Record;
use tokio_util::sync::CancellationToken;

use super::files::Files;
use super::forward::Service;
use super::inbox::Inbox;
use super::inboxes::Inboxes;
use super::pass::Passage;
use super::target::TargetLeg;
use super::terminal::Terminal;
use crate::connection::Connection;
use crate::gate::Inside;
use crate::recording::RecordingLost;

/// How long a channel that ends its session stays, for the session to say so.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What ends a channel early.
#[derive(Debug, thiserror::Error)]
pub enum ChannelEnd {
    /// Nothing may pass any more.
    #[error(transparent)]
    Recording(#[from] RecordingLost),
    /// A peer does not keep to the protocol of a transfer.
    #[error(transparent)]
    Broken(#[from] Malformed),
    /// One of the legs is gone.
    #[error(transparent)]
    Leg(#[from] russh::Error),
}

/// The client's end of a channel.
pub struct ClientEnd {
    /// Its number on the client's leg.
    pub id: ChannelId,
    /// The leg.
    pub handle: server::Handle,
    /// For data, window by window.
    pub write: ChannelWriteHalf<server::Msg>,
    /// What the client sent.
    pub inbox: Arc<Inbox>,
    inboxes: Arc<Inboxes>,
    /// Of the requests in front, how many the client believes accepted already.
    promised: AtomicU32,
}

impl ClientEnd {
    /// The end of a channel on the leg whose inboxes these are.
    pub fn new(
        handle: server::Handle,
        write: ChannelWriteHalf<server::Msg>,
        inbox: Arc<Inbox>,
        inboxes: Arc<Inboxes>,
    ) -> Self {
        Self {
            id: write.id(),
            handle,
            write,
            inbox,
            inboxes,
            promised: AtomicU32::new(0),
        }
    }

    /// So many bytes of the client's were handed on, or dropped: it may send as many again.
    pub fn release(&self, bytes: usize) {
        let open = self.inbox.consumed(bytes);
        if open > 0 {
            self.handle.release_window(self.id, open);
        }
    }

    /// Answers the oldest request that has no answer yet (RFC 4254 section 5.4). False if that one
    /// was promised: the client has its answer already, and hears no second one.
    pub async fn answer(&self, accepted: bool) -> bool {
        let left = |promised: u32| promised.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.promised.fetch_update(order, order, left).is_ok() {
            return false;
        }
        self.send_answer(accepted).await;
        true
    }

    /// Accepts a request before anybody knows whether the target will. Whoever does this gives the
    /// request back ([`Inbox::put_back`]), in order, before the channel is relayed.
    pub async fn promise(&self) {
        self.send_answer(true).await;
        self.promised.fetch_add(1, Ordering::Relaxed);
    }

    async fn send_answer(&self, accepted: bool) {
        // Sending fails only when the leg is gone, and with it whoever waits for the answer.
        let _ = if accepted {
            self.handle.channel_success(self.id).await
        } else {
            self.handle.channel_failure(self.id).await
        };
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        // A channel that we closed first is not announced to the client's handler again.
        self.inbox.close();
        self.inboxes.forget(self.id);
    }
}

/// The target's end of a channel.
pub struct TargetEnd {
    /// Its number on the target's leg.
    pub id: ChannelId,
    /// The leg.
    pub leg: Arc<TargetLeg>,
    /// For data and requests.
    pub write: ChannelWriteHalf<client::Msg>,
    /// What the target sent.
    pub inbox: Arc<Inbox>,
}

impl TargetEnd {
    /// So many bytes of the target's were handed on, or dropped: it may send as many again.
    pub fn release(&self, bytes: usize) {
        let open = self.inbox.consumed(bytes);
        if open > 0 {
            self.leg.release(self.id, open);
        }
    }
}

/// A request that the target has not answered yet.
#[derive(Debug)]
pub enum Asked {
    /// A terminal.
    Pty,
    /// The channel's purpose: the right it uses, and in words.
    Start(Granted, String),
    /// An environment variable of that name.
    Env(String),
    /// Something of the client's own to come back to.
    Service(Granted, Service),
    /// We said no, and the client hears it when it has heard what it asked before.
    Refused,
    /// Its answer is on the way to the client.
    Answering,
}

/// A channel between its two pumps.
pub struct Channel {
    /// The connection it belongs to.
    pub connection: Arc<Connection>,
    /// Its number in events and on the tape.
    pub number: u32,
    /// The client's end.
    pub client: ClientEnd,
    /// The target's end.
    pub target: TargetEnd,
    /// Over: both pumps stop.
    pub closed: CancellationToken,
    /// The client closed it: it takes no more bytes, only how the program ended.
    pub client_closed: CancellationToken,
    /// What reads it, once it carries files.
    pub files: OnceLock<Files>,
    /// Its terminal, once the client asked for one.
    pub terminal: Terminal,
    cut: CancellationToken,
    asked: Mutex<VecDeque<Asked>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    human: AtomicBool,
    eof_sent: AtomicBool,
}

impl Channel {
    /// A channel without a purpose yet.
    ///
    /// `cut` is the kill switch of its connection: a pump that waits for the window of a peer that
    /// is gone would wait for good.
    pub fn new(
        connection: Arc<Connection>,
        number: u32,
        client: ClientEnd,
        target: TargetEnd,
        cut: &CancellationToken,
    ) -> Self {
        Self {
            connection,
            number,
            client,
            target,
            closed: cut.child_token(),
            cut: cut.clone(),
            client_closed: CancellationToken::new(),
            files: OnceLock::new(),
            terminal: Terminal::default(),
            asked: Mutex::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            human: AtomicBool::new(false),
            eof_sent: AtomicBool::new(false),
        }
    }

    /// Relays until both directions are done, then says so in the log.
    pub async fn relay(self) {
        let (number, connection) = (self.number, self.connection.clone());
        let opened = connection
            .log(Event::ChannelOpened {
                connection: connection.id,
                channel: number,
            })
            .await;
        let relayed = match opened {
            Ok(()) => {
                let (inward, outward) = tokio::join!(self.pump_in(), self.pump_out());
                inward.and(outward)
            }
            Err(lost) => Err(lost.into()),
        };
        let relayed = relayed.and(self.finish_files().await);
        match relayed {
            Err(ChannelEnd::Recording(lost)) => {
                connection.recording_lost(lost).await;
                // A client whose only channel is closed leaves at once: it must hear why before that.
                let _ = tokio::time::timeout(LAST_WORD, self.cut.cancelled()).await;
            }
            Err(ChannelEnd::Broken(why)) => {
                let told = tokio::time::timeout(LAST_WORD, self.protocol_broken(&why));
                let _ = self.cut.run_until_cancelled(told).await;
            }
            Err(ChannelEnd::Leg(_)) | Ok(()) => {}
        }
        self.close_both().await;
        let bytes_in = self.bytes_in.load(Ordering::Relaxed);
        let bytes_out = self.bytes_out.load(Ordering::Relaxed);
        // The connection is ending anyway if this cannot be written.
        let _ = connection
            .tape
            .write(&[Record::ChannelClosed { channel: number }], 0);
        let _ = connection
            .log(Event::ChannelClosed {
                channel: number,
                bytes_in,
                bytes_out,
            })
            .await;
    }

    /// Closing twice is harmless on both legs; a channel that one side has closed must be closed on the other.
    async fn close_both(&self) {
        self.closed.cancel();
        let _ = self.target.write.close().await;
        let _ = self.client.handle.close(self.client.id).await;
        self.client.inbox.close();
        self.target.leg.forget(self.target.id);
    }

    fn asked(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests wait for the target's answer.
    pub fn unanswered(&self) -> usize {
        self.asked().len()
    }

    /// A request is on its way to the target.
    pub fn ask(&self, what: Asked) {
        self.asked().push_back(what);
    }

    /// The target answers the oldest one, which keeps its place until it is [`Channel::settled`].
    pub fn answered(&self) -> Option<Asked> {
        match self.asked().front_mut() {
            Some(Asked::Refused | Asked::Answering) | None => None,
            Some(oldest) => Some(std::mem::replace(oldest, Asked::Answering)),
        }
    }

    /// The answer to the oldest one is on its way. Is it a refusal's turn now?
    pub fn settled(&self) -> bool {
        let mut asked = self.asked();
        asked.pop_front();
        matches!(asked.front(), Some(Asked::Refused))
    }

    /// Says no, in the order of the client's requests (RFC 4254 section 5.4).
    pub async fn answer_no(&self) {
        let mut turn = {
            let mut asked = self.asked();
            asked.push_back(Asked::Refused);
            asked.len() == 1
        };
        while turn {
            self.client.answer(false).await;
            turn = self.settled();
        }
    }

    /// Waits until the gate is open, and enters; `None` if the channel ends before that.
    pub async fn enter_gate(&self) -> Option<Inside<'_>> {
        self.passage().enter().await
    }

    /// How its bytes pass.
    pub fn passage(&self) -> Passage<'_> {
        Passage {
            connection: &self.connection,
            over: [&self.closed, &self.client_closed],
        }
    }

    /// Counts bytes from the client.
    pub fn count_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        self.connection.count_in(bytes);
    }

    /// Counts bytes to the client.
    pub fn count_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        self.connection.count_out(bytes);
    }

    /// Is this the first end of input? Asked once each time one comes.
    pub fn first_eof(&self) -> bool {
        !self.eof_sent.swap(true, Ordering::AcqRel)
    }

    /// Has it a terminal with a person before it?
    pub fn is_terminal(&self) -> bool {
        self.human.load(Ordering::Acquire)
    }

    /// The client asked for a terminal: from now on its input is typed and its output a screen.
    pub fn set_terminal(&self, terminal: bool) {
        self.human.store(terminal, Ordering::Release);
    }
}
