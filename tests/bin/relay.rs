//! The plain relay: two SSH legs of the same library and nothing between them, no recording, no policy, no lock. It is
//! what a gateway of this build can reach at best.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::client;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::server::{
    Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelWriteHalf, Preferred, Pty, WindowRelease, cipher};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What one side of a channel sends. The windows bound the bytes.
enum Item {
    Data(bool, Vec<u8>),
    Eof,
    Close,
    Answer(bool),
    Status(u32),
    Pty(String, [u32; 4], Vec<(Pty, u32)>),
    Resize([u32; 4]),
    Shell,
    Exec(Vec<u8>),
    Subsystem(String),
}

type Queues = Arc<Mutex<HashMap<ChannelId, UnboundedSender<Item>>>>;

fn put(queues: &Queues, id: ChannelId, item: Item) {
    if let Some(queue) = queues
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&id)
    {
        let _ = queue.send(item);
    }
}

fn queue(queues: &Queues, id: ChannelId) -> UnboundedReceiver<Item> {
    let (sender, receiver) = unbounded_channel();
    queues
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id, sender);
    receiver
}

fn preferred() -> Preferred {
    Preferred {
        cipher: vec![cipher::AES_256_GCM].into(),
        ..Preferred::default()
    }
}

/// Relays every client to the target until killed; `target_key` opens `user` there.
pub fn serve(listen: u16, target: u16, user: String, target_key: PathBuf) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", listen))
            .await
            .expect("the relay listens");
        let config = Arc::new(russh::server::Config {
            keys: vec![key(&target_key)],
            window_size: 2 << 20,
            window_release: WindowRelease::OnConsumption,
            maximum_packet_size: 32 << 10,
            preferred: preferred(),
            auth_rejection_time_initial: Some(std::time::Duration::ZERO),
            ..russh::server::Config::default()
        });
        while let Ok((socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let front = Front {
                target,
                user: user.clone(),
                key: target_key.clone(),
                queues: Queues::default(),
                leg: None,
            };
            let config = config.clone();
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, socket, front).await {
                    let _ = session.await;
                }
            });
        }
    });
}

fn key(path: &Path) -> PrivateKey {
    russh::keys::load_secret_key(path, None).expect("the key of the relay")
}

struct Front {
    target: u16,
    user: String,
    key: PathBuf,
    queues: Queues,
    leg: Option<Arc<Leg>>,
}

struct Leg {
    handle: client::Handle<Back>,
    queues: Queues,
}

struct Back(Queues);

impl client::Handler for Back {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn data(
        &mut self,
        id: ChannelId,
        data: &[u8],
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Data(false, data.to_vec()));
        Ok(())
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Data(true, data.to_vec()));
        Ok(())
    }

    async fn channel_success(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Answer(true));
        Ok(())
    }

    async fn channel_failure(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Answer(false));
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Eof);
        Ok(())
    }

    async fn channel_close(
        &mut self,
        id: ChannelId,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Close);
        Ok(())
    }

    async fn exit_status(
        &mut self,
        id: ChannelId,
        status: u32,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        put(&self.0, id, Item::Status(status));
        Ok(())
    }
}

impl Front {
    async fn dial(&self) -> Result<Leg, russh::Error> {
        let config = Arc::new(client::Config {
            window_size: 2 << 20,
            window_release: WindowRelease::OnConsumption,
            maximum_packet_size: 32 << 10,
            preferred: preferred(),
            nodelay: true,
            ..client::Config::default()
        });
        let queues = Queues::default();
        let mut handle =
            client::connect(config, ("127.0.0.1", self.target), Back(queues.clone())).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key(&self.key)), None);
        handle
            .authenticate_publickey(self.user.clone(), key)
            .await?;
        Ok(Leg { handle, queues })
    }

    fn request(&self, id: ChannelId, item: Item) -> Result<(), russh::Error> {
        put(&self.queues, id, item);
        Ok(())
    }
}

impl Handler for Front {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.leg = Some(Arc::new(self.dial().await?));
        Ok(Auth::Accept)
    }

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        self.leg = Some(Arc::new(self.dial().await?));
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(leg) = self.leg.clone() else {
            return Err(russh::Error::Inconsistent);
        };
        let from_client = queue(&self.queues, channel.id());
        let id = channel.id();
        let (_, write) = channel.split();
        tokio::spawn(relay(leg, session.handle(), id, write, from_client));
        reply.accept().await;
        Ok(())
    }

    async fn data(
        &mut self,
        id: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.request(id, Item::Data(false, data.to_vec()))
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.request(id, Item::Eof)
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.request(id, Item::Close)
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
    ) -> Result<(), Self::Error> {
        self.request(
            id,
            Item::Pty(term.to_owned(), [cols, rows, width, height], modes.to_vec()),
        )
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.request(id, Item::Resize([cols, rows, width, height]))
    }

    async fn shell_request(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.request(id, Item::Shell)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.request(id, Item::Exec(command.to_vec()))
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.request(id, Item::Subsystem(name.to_owned()))
    }
}

async fn relay(
    leg: Arc<Leg>,
    front: Handle,
    front_id: ChannelId,
    front_write: ChannelWriteHalf<Msg>,
    from_client: UnboundedReceiver<Item>,
) {
    let Ok(channel) = leg.handle.channel_open_session().await else {
        return;
    };
    let back_id = channel.id();
    let from_target = queue(&leg.queues, back_id);
    let (_, back_write) = channel.split();
    let inbound = inbound(from_client, &front, front_id, back_write);
    let outbound = outbound(from_target, &leg, back_id, &front, front_id, &front_write);
    tokio::pin!(inbound);
    tokio::pin!(outbound);
    tokio::select! {
        () = &mut inbound => outbound.await,
        () = &mut outbound => {}
    }
    let _ = front.close(front_id).await;
}

async fn inbound(
    mut from: UnboundedReceiver<Item>,
    front: &Handle,
    front_id: ChannelId,
    to: ChannelWriteHalf<client::Msg>,
) {
    while let Some(item) = from.recv().await {
        let done = match item {
            Item::Data(_, bytes) => {
                let count = bytes.len() as u32;
                let done = to.data_bytes(bytes).await;
                front.release_window(front_id, count);
                done
            }
            Item::Pty(term, [cols, rows, width, height], modes) => {
                to.request_pty(true, &term, cols, rows, width, height, &modes)
                    .await
            }
            Item::Resize([cols, rows, width, height]) => {
                to.window_change(cols, rows, width, height).await
            }
            Item::Shell => to.request_shell(true).await,
            Item::Exec(command) => to.exec(true, command).await,
            Item::Subsystem(name) => to.request_subsystem(true, name).await,
            Item::Eof => to.eof().await,
            Item::Close => {
                let _ = to.close().await;
                return;
            }
            Item::Answer(_) | Item::Status(_) => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

async fn outbound(
    mut from: UnboundedReceiver<Item>,
    leg: &Leg,
    back_id: ChannelId,
    front: &Handle,
    front_id: ChannelId,
    to: &ChannelWriteHalf<Msg>,
) {
    while let Some(item) = from.recv().await {
        match item {
            Item::Data(stderr, bytes) => {
                let count = bytes.len() as u32;
                let done = if stderr {
                    to.extended_data_bytes(1, bytes).await
                } else {
                    to.data_bytes(bytes).await
                };
                leg.handle.release_window(back_id, count);
                if done.is_err() {
                    return;
                }
            }
            Item::Answer(true) => drop(front.channel_success(front_id).await),
            Item::Answer(false) => drop(front.channel_failure(front_id).await),
            Item::Status(status) => drop(front.exit_status_request(front_id, status).await),
            Item::Eof => drop(front.eof(front_id).await),
            Item::Close => return,
            Item::Pty(..) | Item::Resize(_) | Item::Shell | Item::Exec(_) | Item::Subsystem(_) => {}
        }
    }
}
