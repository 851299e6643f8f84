//! The client's leg: who is it, and what does it send?
//!
//! Runs inside the leg's loop and never waits for a consumer. Only authentication is awaited here,
//! because until it is decided there is nothing else to do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::ssh_key;
use russh::server::{
    Auth, ChannelOpenHandle, GlobalReply, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use sallyport_domain::connect_string;
use sallyport_store::{Identity, LoginOutcome, SessionType};

use super::LegError;
use super::authorise::Guest;
use super::channel::ClientEnd;
use super::inbox::{Inbox, Item, Request, Start, Stream};
use super::shared::Shared;
use crate::clock;
use crate::node::Node;

/// Channels a client may have open at once; OpenSSH's own servers allow 10 sessions.
const MAX_CHANNELS: usize = 1000;
/// Variables longer than this are not for a shell.
const MAX_ENV: usize = 32 << 10;

/// One client.
pub struct Front {
    node: Arc<Node>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    channels: HashMap<ChannelId, Arc<Inbox>>,
    identity: Option<(Identity, &'static str)>,
    user_name: String,
    /// Channels are numbered in the order in which they were opened.
    opened: u32,
}

impl Front {
    /// A client nobody knows yet.
    pub fn new(node: Arc<Node>, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        Self {
            node,
            peer,
            shared,
            channels: HashMap::new(),
            identity: None,
            user_name: String::new(),
            opened: 0,
        }
    }

    /// The user in a connect string, also in one that is otherwise malformed: whoever proves to be
    /// that user is told what is wrong with the rest.
    fn user_of(user_name: &str) -> &str {
        user_name.split('+').next().unwrap_or_default()
    }

    fn decide(&mut self, user_name: &str, found: Option<Identity>, method: &'static str) -> Auth {
        match found {
            Some(identity) => {
                self.user_name = user_name.to_owned();
                self.identity = Some((identity, method));
                Auth::Accept
            }
            None => {
                self.node.record_refused_login(
                    Self::user_of(user_name),
                    self.peer,
                    method,
                    "bad_credentials",
                );
                Auth::reject()
            }
        }
    }

    fn push(&self, id: ChannelId, item: Item) -> Result<(), LegError> {
        if let Some(inbox) = self.channels.get(&id) {
            inbox.push(item)?;
        }
        Ok(())
    }

    fn push_data(&self, id: ChannelId, stream: Stream, data: &[u8]) -> Result<(), LegError> {
        if let Some(inbox) = self.channels.get(&id) {
            inbox.push_data(stream, data)?;
        }
        Ok(())
    }

    fn request(&self, id: ChannelId, request: Request) -> Result<(), LegError> {
        self.push(id, Item::Request(request))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Dropped with the leg's loop, however that ended.
        let mut open = false;
        for inbox in self.channels.values() {
            open |= !inbox.is_closed();
            inbox.close();
        }
        self.shared.client_gone(open);
    }
}

impl Handler for Front {
    type Error = LegError;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, LegError> {
        match self
            .node
            .store
            .authenticate_password(Self::user_of(user), password)
            .await
        {
            Ok(found) => Ok(self.decide(user, found, "password")),
            Err(error) => Ok(store_failed(&error)),
        }
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, LegError> {
        // Says no more than the refusal of the signature would: it spares the user a passphrase.
        match self.identity_of_key(user, offer.public_key).await {
            Ok(Some(_)) => Ok(Auth::Accept),
            Ok(None) => Ok(Auth::reject()),
            Err(error) => Ok(store_failed(&error)),
        }
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, LegError> {
        match self.identity_of_key(user, key.public_key).await {
            Ok(found) => Ok(self.decide(user, found, "publickey")),
            Err(error) => Ok(store_failed(&error)),
        }
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, LegError> {
        Ok(self.node.config.banner.clone())
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), LegError> {
        let Some((identity, method)) = self.identity.take() else {
            session.disconnect(Disconnect::AuthCancelledByUser, "no identity", "")?;
            return Ok(());
        };
        let guest = Guest {
            identity,
            method,
            source_ip: self.peer.ip().to_string(),
            client: String::from_utf8_lossy(session.remote_sshid()).into_owned(),
        };
        let connect = connect_string::parse(&self.user_name);
        self.shared.admit(self.node.clone(), guest, connect);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), LegError> {
        self.channels.retain(|_, inbox| !inbox.is_closed());
        if self.channels.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let inbox = Arc::new(Inbox::default());
        self.channels.insert(channel.id(), inbox.clone());
        self.opened += 1;
        // Our own inboxes take what arrives: without a reader russh's queue refuses at once.
        let (_, write) = channel.split();
        self.shared
            .open_channel(self.opened, ClientEnd::new(session.handle(), write, inbox));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.shared
            .refused("forward", format!("direct-tcpip to {host}:{port}"));
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.shared
            .refused("forward", format!("direct-streamlocal to {path}"));
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.shared
            .refused("remote forward", format!("{address}:{port}"));
        Ok(())
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        _: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.shared.refused("remote forward", path.to_owned());
        Ok(())
    }

    async fn agent_request(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        self.request(id, Request::Refused("agent forwarding"))
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Refused("X11 forwarding"))
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        _: &mut Session,
    ) -> Result<(), LegError> {
        let (term, modes) = (term.to_owned(), modes.to_vec());
        self.request(
            id,
            Request::Pty {
                term,
                size: [cols, rows, width, height],
                modes,
            },
        )
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        _: &mut Session,
    ) -> Result<(), LegError> {
        if name.len() + value.len() > MAX_ENV {
            return self.request(id, Request::Refused("an environment variable of this size"));
        }
        self.request(id, Request::Env(name.to_owned(), value.to_owned()))
    }

    async fn shell_request(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        self.request(id, Request::Start(Start::Shell))
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Start(Start::Exec(command.to_vec())))
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Start(Start::Subsystem(name.to_owned())))
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Resize([cols, rows, width, height]))
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Signal(signal))
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), LegError> {
        self.push_data(id, Stream::Main, data)
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.push_data(id, Stream::Stderr, data)
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        self.push(id, Item::Eof)
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        if let Some(inbox) = self.channels.remove(&id) {
            inbox.push(Item::Close)?;
            inbox.close();
        }
        Ok(())
    }
}

impl Front {
    async fn identity_of_key(
        &self,
        user: &str,
        key: &ssh_key::PublicKey,
    ) -> Result<Option<Identity>, sallyport_store::StoreError> {
        let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
        match bare.to_openssh() {
            Ok(line) => {
                self.node
                    .store
                    .authenticate_key(Self::user_of(user), line.trim())
                    .await
            }
            Err(_) => Ok(None),
        }
    }
}

fn store_failed(error: &sallyport_store::StoreError) -> Auth {
    tracing::error!(%error, "cannot authenticate: the database does not answer");
    Auth::reject()
}

/// An attempt that did not prove who it is.
pub fn refused_login(
    user: &str,
    peer: SocketAddr,
    method: &str,
    code: &str,
) -> sallyport_store::Login {
    sallyport_store::Login {
        at: clock::now(),
        kind: SessionType::PamSsh,
        user: crate::notice::printable(user).chars().take(256).collect(),
        source_ip: peer.ip().to_string(),
        method: method.to_owned(),
        outcome: LoginOutcome::Refused,
        code: code.to_owned(),
        text: "unknown user, or wrong password or key".to_owned(),
        session: None,
    }
}
