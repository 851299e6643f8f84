//! The client's leg: who is it, and what does it send?
//!
//! Runs inside the leg's loop and never waits for a consumer. Only authentication is awaited here,
//! because until it is decided there is nothing else to do.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, GlobalReply, Handle, Handler, Msg, PublicKeyOffer, Response, Session,
    VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use sallyport_domain::destination::Endpoint;

use super::channel::ClientEnd;
use super::door::Door;
use super::forward::{Ask, Handed, Wanted};
use super::inbox::{Item, Request, Start, Stream};
use super::jump::{self, Known};
use super::shared::Shared;
use super::{LegError, algorithms};
use crate::node::Node;
use crate::round_trip::RoundTrip;
use crate::shield::fault;

/// Channels a client may have open at once; OpenSSH's own servers allow 10 sessions.
const MAX_CHANNELS: usize = 1000;

/// One client.
pub struct Front {
    node: Arc<Node>,
    shared: Arc<Shared>,
    door: Door,
}

impl Front {
    /// A client nobody knows yet: where it is, and how far away.
    pub fn new(node: Arc<Node>, client: (SocketAddr, RoundTrip), shared: Arc<Shared>) -> Self {
        Self {
            door: Door::new(node.clone(), client),
            node,
            shared,
        }
    }

    /// A client inside another one's connection.
    pub fn inner(node: Arc<Node>, known: Known, shared: Arc<Shared>) -> Self {
        Self {
            door: Door::inside(node.clone(), known),
            node,
            shared,
        }
    }

    fn push(&self, id: ChannelId, item: Item) -> Result<(), LegError> {
        if let Some(inbox) = self.shared.inboxes.get(id) {
            inbox.push(item)?;
        }
        Ok(())
    }

    fn push_data(&self, id: ChannelId, stream: Stream, data: &Bytes) -> Result<(), LegError> {
        fault("client-leg", || data);
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
        Ok(self.door.nothing(user))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, LegError> {
        Ok(self.door.nothing(user))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, LegError> {
        Ok(self.door.password(user, password).await)
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, LegError> {
        Ok(self.door.key_offered(user, offer).await)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, LegError> {
        Ok(self.door.key(user, key.public_key).await)
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, LegError> {
        Ok(self.door.certificate(user, certificate).await)
    }

    async fn certificate_rejected(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<(), LegError> {
        self.door.certificate_rejected(user, certificate);
        Ok(())
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, LegError> {
        // Inside a connection it has been shown already.
        let banner = &self.node.config.banner;
        Ok(banner.clone().filter(|_| !self.door.is_inside()))
    }

    async fn kex_done(&mut self, names: &russh::Names) -> Result<(), LegError> {
        self.door.algorithms = algorithms::negotiated(names);
        Ok(())
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), LegError> {
        let Some((guest, wish)) = self.door.guest(session.remote_sshid()) else {
            session.disconnect(Disconnect::AuthCancelledByUser, "no identity", "")?;
            return Ok(());
        };
        if !self.door.is_inside() {
            session.announce_host_keys()?;
        }
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
        let bytes = name.len() + value.len();
        if self
            .shared
            .inboxes
            .get(id)
            .is_some_and(|inbox| !inbox.admits_env(bytes))
        {
            return self.request(id, Request::Refused("so large an environment"));
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

    async fn end_of_write(&mut self, id: ChannelId, _: &mut Session) -> Result<(), LegError> {
        self.request(id, Request::EndOfWrite)
    }

    async fn unknown_channel_request(
        &mut self,
        id: ChannelId,
        name: &str,
        _: &mut Session,
    ) -> Result<(), LegError> {
        tracing::debug!(channel = %id, name, "unknown channel request");
        self.request(id, Request::Unknown)
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.request(id, Request::Signal(signal))
    }

    async fn data_bytes(
        &mut self,
        id: ChannelId,
        data: &Bytes,
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.push_data(id, Stream::Main, data)
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), LegError> {
        self.push_data(id, Stream::Stderr, &Bytes::copy_from_slice(data))
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
}
