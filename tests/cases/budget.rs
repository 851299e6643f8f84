//! What one connection can make the gateway hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::keys::{PrivateKey, ssh_key};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId, ChannelWriteHalf, WindowRelease, client};
use sallyport_tests::harness::{Anyone, Client, Gateway, HostSpec, passwords};

use super::SOON;

/// What the two hoarders have for a window, and send at a time.
const PIECE: u32 = 32 << 10;
/// What the gateway may hold for one leg: see `proxy/src/ssh/budget.rs`.
const GROWTH_KIB: u64 = 16 << 10;

/// A server that lets everybody in, sends on every channel without an end, and never reads.
#[derive(Default)]
struct Hoarder(HashMap<ChannelId, ChannelWriteHalf<Msg>>);

impl server::Handler for Hoarder {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let (_, write) = channel.split();
        self.0.insert(write.id(), write);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    /// Begins when the other side does.
    async fn data(&mut self, id: ChannelId, _: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some(write) = self.0.remove(&id) {
            tokio::spawn(pour(write));
        }
        Ok(())
    }
}

/// Sends until nobody takes it any more.
async fn pour<S>(write: ChannelWriteHalf<S>)
where
    S: From<(ChannelId, russh::ChannelMsg)> + Send + Sync + 'static,
{
    static ZEROS: [u8; PIECE as usize] = [0; PIECE as usize];
    while write.data(&ZEROS[..]).await.is_ok() {}
}

/// Starts the server on a port of its own.
async fn hoarder() -> u16 {
    let key = ssh_key::private::Ed25519Keypair::from_seed(&[9; 32]);
    let config = Arc::new(server::Config {
        keys: vec![PrivateKey::from(key)],
        window_size: PIECE,
        window_release: WindowRelease::OnConsumption,
        ..server::Config::default()
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let session = server::run_stream(config.clone(), tcp, Hoarder::default());
            tokio::spawn(async { session.await.unwrap().await });
        }
    });
    port
}

/// Waits until it grows no more; its size in KiB.
async fn settled(gateway: &Gateway) -> u64 {
    let (start, mut last) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = gateway.rss_kib();
        if now.abs_diff(last) < 256 {
            return now;
        }
        last = now;
    }
    last
}

/// Channels on which both sides send and neither reads: how many KiB they take while they are empty,
/// and how many more when they are full.
async fn hoard(gateway: &Gateway, channels: u64) -> (u64, u64) {
    // What a first client costs, such as the memory of a password's check, is not theirs.
    type_on(gateway).await;
    let before = gateway.rss_kib();
    let config = Arc::new(client::Config {
        window_size: PIECE,
        window_release: WindowRelease::OnConsumption,
        ..client::Config::default()
    });
    let door = ("127.0.0.1", gateway.ssh_port);
    let mut client = client::connect(config, door, Anyone).await.unwrap();
    let let_in = client.authenticate_password("alice+hoard", passwords("alice"));
    assert!(let_in.await.unwrap().success());
    let mut ends = Vec::new();
    for _ in 0..channels {
        let (_, write) = client.channel_open_session().await.unwrap().split();
        write.exec(true, "pour").await.unwrap();
        ends.push(write);
    }
    let empty = settled(gateway).await;
    for write in ends {
        tokio::spawn(pour(write));
    }
    let full = settled(gateway).await;
    type_on(gateway).await;
    (empty.saturating_sub(before), full.saturating_sub(empty))
}

/// Somebody else works, and is not held up.
async fn type_on(gateway: &Gateway) {
    let start = Instant::now();
    let neighbour = Client::password(gateway.ssh_port, "alice+web", "alice").await;
    let mut channel = neighbour.session().await;
    channel.exec(true, "echo in").await.unwrap();
    while let Some(message) = channel.wait().await {
        if let russh::ChannelMsg::Data { data } = message {
            assert_eq!(&data[..], b"in\n");
            break;
        }
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn channels_that_nobody_reads_stay_within_the_budget_of_their_connection() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let port = runtime.block_on(hoarder());
    let gateway = Gateway::builder()
        .host(HostSpec::new("hoard", port))
        .start();
    let channels: u64 = std::env::var("CHANNELS").map_or(500, |n| n.parse().unwrap());
    let (empty, full) = runtime.block_on(hoard(&gateway, channels));
    let packets = channels * (u64::from(PIECE) >> 10);
    let budget = 2 * (GROWTH_KIB + packets);
    println!("{channels} channels: {empty} KiB, and {full} KiB in them, of {budget}");
    assert!(full > packets, "{full} KiB: were they filled at all?");
    assert!(full < budget + (8 << 10), "{full} KiB, of {budget}");
    runtime.shutdown_background();
}
