//! What many clients cost, and one that floods a target which never reads.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use russh::client;
use russh::keys::PrivateKeyWithHashAlg;
use sallyport_tests::harness::{Anyone, Daemon};

use crate::measure;
use crate::subjects::Subject;

/// Clients at once when connections are counted.
const AT_ONCE: usize = 8;

/// New connections per second, and CPU seconds of the gateway for each, from `count` of them.
pub fn connections(subject: &Subject, count: usize) -> (f64, Option<f64>) {
    let left = AtomicUsize::new(count);
    let cpu = subject.cpu();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    measure::connect(subject);
                }
            });
        }
    });
    let took = start.elapsed().as_secs_f64();
    let cpu = cpu.map(|cpu| {
        // What is written after a client has left belongs to it.
        std::thread::sleep(Duration::from_millis(400));
        cpu.stop() / count as f64
    });
    (count as f64 / took, cpu)
}

/// Memory of an idle terminal session, in KiB: `count` of them, held by a client of our own.
pub fn idle_memory(subject: &Subject, count: usize) -> Option<f64> {
    let (port, user, key) = subject.door.clone()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        // What the first sessions cost once is not what each of them costs.
        let mut held = vec![];
        for _ in 0..5 {
            held.push(session(port, &user, &key).await);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = subject.rss_kib()?;
        for _ in 0..count {
            held.push(session(port, &user, &key).await);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = subject.rss_kib()?;
        Some(after.saturating_sub(before) as f64 / count as f64)
    })
}

async fn session(
    port: u16,
    user: &str,
    key: &Path,
) -> (client::Handle<Anyone>, russh::Channel<client::Msg>) {
    let key = russh::keys::load_secret_key(key, None).expect("a key");
    let config = Arc::new(client::Config::default());
    let mut handle = client::connect(config, ("127.0.0.1", port), Anyone)
        .await
        .expect("it answers");
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let answer = handle
        .authenticate_publickey(user, key)
        .await
        .expect("it answers");
    assert!(answer.success(), "{user} is not let in");
    let mut channel = handle.channel_open_session().await.expect("a channel");
    channel
        .request_pty(false, "xterm", 80, 24, 0, 0, &[])
        .await
        .expect("a terminal");
    channel
        .exec(true, "echo in; exec sleep 1000")
        .await
        .expect("a command");
    while let Some(message) = channel.wait().await {
        if matches!(message, russh::ChannelMsg::Data { .. }) {
            break;
        }
    }
    (handle, channel)
}

/// The client sends up to 1 GiB to a target that never reads: by how many MiB the gateway grows.
pub fn never_read(subject: &Subject) -> Option<f64> {
    subject.pid?;
    measure::connect(subject);
    let before = subject.rss_kib()?;
    let mut command = subject.ssh(false, "exec sleep 1000");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut client = Daemon::spawn(command);
    let mut input = client.child().stdin.take()?;
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    // Ends with the client, whose end breaks the pipe.
    let sender = std::thread::spawn(move || {
        let chunk = vec![0; 1 << 20];
        for _ in 0..1024 {
            if input.write_all(&chunk).is_err() {
                return;
            }
            count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    });
    let (mut most, mut seen, mut still) = (before, 0, 0);
    // Until nothing has moved for two seconds.
    while still < 40 {
        std::thread::sleep(Duration::from_millis(50));
        most = most.max(subject.rss_kib()?);
        let now = sent.load(Ordering::Relaxed);
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
    }
    drop(client);
    let _ = sender.join();
    Some((most - before) as f64 / 1024.0)
}
