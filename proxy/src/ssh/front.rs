//! The client's leg: who is it, and what does it send?
//!
//! Runs inside the leg's loop and never waits for a consumer. Only authentication is awaited here,
//! because until it is decided there is nothing else to do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use russh::keys::{Certificate, ssh_key};
use russh::server::{
    Auth, ChannelOpenHandle, GlobalReply, Handle, Handler, Msg, PublicKeyOffer, Response, Session,
    VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use sallyport_domain::connect_string;
use sallyport_domain::destination::Endpoint;
use sallyport_store::{Identity, LoginOutcome, SessionType};

use super::LegError;
use super::authorise::{Guest, Wish};
use super::channel::ClientEnd;
use super::forward::{Ask, Handed, Wanted};
use super::inbox::{Item, Request, Start, Stream};
use super::jump::{self, Known};
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
    identity: Option<(Identity, &'static str)>,
    user_name: String,
    /// Who comes through another connection is known already.
    known: Option<Known>,
}

impl Front {
    /// A client nobody knows yet.
    pub fn new(node: Arc<Node>, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        Self {
            node,
            peer,
            shared,
            identity: None,
            user_name: String::new(),
            known: None,
        }
    }

    /// A client inside another one's connection.
    pub fn inner(node: Arc<Node>, known: Known, shared: Arc<Shared>) -> Self {
        // Nobody is refused for what she shows here, so no address is noted either.
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut front = Self::new(node, nowhere, shared);
        front.known = Some(known);
        front
    }

    /// Whoever is known is let in, whatever she shows; it is not looked at, nor kept.
    fn admit_known(&mut self, user_name: &str) -> Option<Auth> {
        self.known.as_ref()?;
        self.user_name = user_name.to_owned();
        Some(Auth::Accept)
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
        if let Some(inbox) = self.shared.inboxes.get(id) {
            inbox.push(item)?;
        }
        Ok(())
    }

    fn push_data(&self, id: ChannelId, stream: Stream, data: &[u8]) -> Result<(), LegError> {
        if let Some(inbox) = self.shared.inboxes.get(id) {
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
        let open = self.shared.inboxes.close_all();
        self.shared.client_gone(open);
    }
}

impl Handler for Front {
    type Error = LegError;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, LegError> {
        Ok(self.admit_known(user).unwrap_or_else(Auth::reject))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, LegError> {
        Ok(self.admit_known(user).unwrap_or_else(Auth::reject))
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        _: &Certificate,
    ) -> Result<Auth, LegError> {
        Ok(self.admit_known(user).unwrap_or_else(Auth::reject))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, LegError> {
        if let Some(auth) = self.admit_known(user) {
            return Ok(auth);
        }
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
        if self.known.is_some() {
            return Ok(Auth::Accept);
        }
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
        if let Some(auth) = self.admit_known(user) {
            return Ok(auth);
        }
        match self.identity_of_key(user, key.public_key).await {
            Ok(found) => Ok(self.decide(user, found, "publickey")),
            Err(error) => Ok(store_failed(&error)),
        }
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, LegError> {
        // Inside a connection it has been shown already.
        let banner = &self.node.config.banner;
        Ok(banner.clone().filter(|_| self.known.is_none()))
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), LegError> {
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        if let Some(known) = &self.known {
            let (guest, wish) = (known.guest(client), known.wish(&self.user_name));
            self.shared.admit(self.node.clone(), guest, wish);
            return Ok(());
        }
        let Some((identity, method)) = self.identity.take() else {
            session.disconnect(Disconnect::AuthCancelledByUser, "no identity", "")?;
            return Ok(());
        };
        let guest = Guest {
            identity,
            method,
            source_ip: self.peer.ip().to_string(),
            client,
        };
        let wish = connect_string::parse(&self.user_name).and_then(Wish::try_from);
        self.shared.admit(self.node.clone(), guest, wish);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), LegError> {
        match self.take(channel, session.handle()) {
            Some(client) => {
                let number = self.shared.next_number();
                self.shared.open_channel(number, client);
                reply.accept().await;
            }
            None => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), LegError> {
        // Before its first bytes: a server on the client's side may speak first.
        self.shared.inboxes.open(id).set_forward();
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), LegError> {
        let wanted = Wanted {
            to: Endpoint::tcp(host, port),
            from: (from.to_owned(), from_port),
        };
        self.reach(wanted, channel, reply, session.handle()).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), LegError> {
        let wanted = Wanted {
            to: Some(Endpoint::unix(path)),
            from: (String::new(), 0),
        };
        self.reach(wanted, channel, reply, session.handle()).await;
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        reply: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        let at = Endpoint::tcp(address, port);
        self.shared.desk.ask(Ask::Listen(at, reply));
        Ok(())
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        reply: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        let at = Endpoint::tcp(address, port);
        self.shared.desk.ask(Ask::Cancel(at, reply));
        Ok(())
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        reply: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        let at = Some(Endpoint::unix(path));
        self.shared.desk.ask(Ask::Listen(at, reply));
        Ok(())
    }

    async fn cancel_streamlocal_forward(
        &mut self,
        path: &str,
        reply: GlobalReply,
        _: &mut Session,
    ) -> Result<(), LegError> {
        let at = Some(Endpoint::unix(path));
        self.shared.desk.ask(Ask::Cancel(at, reply));
        Ok(())
    }

    async fn agent_request(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        self.request(id, Request::Hand(Handed::Agent))
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        single: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        _: &mut Session,
    ) -> Result<(), LegError> {
        let (protocol, cookie) = (protocol.to_owned(), cookie.to_owned());
        self.request(
            id,
            Request::Hand(Handed::X11 {
                single,
                protocol,
                cookie,
                screen,
            }),
        )
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
        if let Some(inbox) = self.shared.inboxes.get(id) {
            inbox.push(Item::Close)?;
            inbox.close();
        }
        Ok(())
    }
}

impl Front {
    /// Our end of a channel that the client opens, unless it has too many.
    fn take(&self, channel: Channel<Msg>, handle: Handle) -> Option<ClientEnd> {
        let inboxes = &self.shared.inboxes;
        if inboxes.len() >= MAX_CHANNELS {
            return None;
        }
        // Our own inboxes take what arrives: without a reader russh's queue refuses at once.
        let (_, write) = channel.split();
        let inbox = inboxes.open(write.id());
        Some(ClientEnd::new(handle, write, inbox, inboxes.clone()))
    }

    async fn reach(
        &self,
        wanted: Wanted,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        handle: Handle,
    ) {
        match self.take(channel, handle) {
            Some(client) => {
                client.inbox.set_forward();
                jump::open(&self.node, &self.shared, wanted, client, reply);
            }
            None => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
    }

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
