//! The target leg: dialling, host key, credential, and what the target sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{self, Handle, Msg};
use russh::{Channel, ChannelId, Disconnect, Sig};
use tokio_util::sync::CancellationToken;

use super::LegError;
use super::host_keys::{KeyCheck, Verdict};
use super::inbox::{Inbox, Item, Stream};

/// The open channels of a leg, by their number on it.
#[derive(Default)]
pub struct Inboxes(Mutex<HashMap<ChannelId, Arc<Inbox>>>);

impl Inboxes {
    fn map(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Inbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The inbox of a channel.
    pub fn get(&self, id: ChannelId) -> Option<Arc<Inbox>> {
        self.map().get(&id).cloned()
    }

    /// Makes the inbox of a new channel.
    pub fn open(&self, id: ChannelId) -> Arc<Inbox> {
        self.map().entry(id).or_default().clone()
    }

    /// The channel is gone.
    pub fn forget(&self, id: ChannelId) {
        self.map().remove(&id);
    }

    /// The leg is gone.
    pub fn close_all(&self) {
        for (_, inbox) in self.map().drain() {
            inbox.close();
        }
    }
}

/// A target that let us in.
pub struct TargetLeg {
    handle: Handle<TargetHandler>,
    inboxes: Arc<Inboxes>,
    gone: CancellationToken,
    cipher: String,
}

impl TargetLeg {
    pub(super) fn new(
        handle: Handle<TargetHandler>,
        inboxes: Arc<Inboxes>,
        gone: CancellationToken,
        cipher: String,
    ) -> Self {
        Self {
            handle,
            inboxes,
            gone,
            cipher,
        }
    }

    /// The cipher of the leg.
    pub fn cipher(&self) -> String {
        self.cipher.clone()
    }

    /// Opens a session channel.
    pub async fn open_session(&self) -> Result<(Channel<Msg>, Arc<Inbox>), russh::Error> {
        let channel = self.handle.channel_open_session().await?;
        let inbox = self.inboxes.open(channel.id());
        if self.gone.is_cancelled() {
            inbox.close();
        }
        Ok((channel, inbox))
    }

    /// `bytes` of the channel were handed on: the target may send as many again.
    pub fn release(&self, id: ChannelId, bytes: usize) {
        self.handle
            .release_window(id, u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// The channel is gone on both sides.
    pub fn forget(&self, id: ChannelId) {
        self.inboxes.forget(id);
    }

    /// Resolves when the target's connection is gone.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
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
    inboxes: Arc<Inboxes>,
    key_check: KeyCheck,
    seen: Arc<Mutex<Seen>>,
    gone: CancellationToken,
}

/// What the key exchange showed.
#[derive(Debug, Default)]
pub struct Seen {
    /// How the host key was judged.
    pub verdict: Option<Verdict>,
    /// The cipher agreed on.
    pub cipher: String,
}

impl TargetHandler {
    pub(super) fn new(
        inboxes: Arc<Inboxes>,
        key_check: KeyCheck,
        seen: Arc<Mutex<Seen>>,
        gone: CancellationToken,
    ) -> Self {
        Self {
            inboxes,
            key_check,
            seen,
            gone,
        }
    }

    fn put(&self, id: ChannelId, item: Item) -> Result<(), LegError> {
        if let Some(inbox) = self.inboxes.get(id) {
            inbox.push(item)?;
        }
        Ok(())
    }

    fn put_data(&self, id: ChannelId, stream: Stream, data: &[u8]) -> Result<(), LegError> {
        if let Some(inbox) = self.inboxes.get(id) {
            inbox.push_data(stream, data)?;
        }
        Ok(())
    }
}

impl Drop for TargetHandler {
    fn drop(&mut self) {
        // Dropped with the leg's loop, however that ended.
        self.gone.cancel();
        self.inboxes.close_all();
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
            .cipher = names.cipher.as_ref().to_owned();
        Ok(())
    }

    async fn data(
        &mut self,
        id: ChannelId,
        data: &[u8],
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
        self.put_data(id, Stream::Stderr, data)
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
