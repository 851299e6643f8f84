//! The measurements: each takes one way to the target and answers one number.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client;
use russh::keys::PrivateKeyWithHashAlg;
use sallyport_tests::harness::{Anyone, Api, Daemon, Gateway, in_terminal};
use serde_json::json;

use crate::subjects::Subject;

/// Connecting, authenticating and running `true`, in ms.
pub fn connect(subject: &Subject) -> f64 {
    let mut command = subject.ssh(false, "true");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let mut client = Daemon::spawn(command);
    wait(subject, &mut client);
    start.elapsed().as_secs_f64() * 1000.0
}

fn wait(subject: &Subject, client: &mut Daemon) {
    match client.wait(Duration::from_secs(120)) {
        Some(status) if status.success() => {}
        other => panic!("{}: the client ended with {other:?}", subject.name),
    }
}

/// From a key typed to its echo, in µs; `keys` of them.
pub fn echo(subject: &Subject, keys: usize) -> Vec<f64> {
    let (mut terminal, _client) = in_terminal(
        subject.ssh(true, "stty raw -echo; printf READY; exec cat"),
        80,
        24,
    );
    until(&mut terminal, b"READY");
    let mut times = Vec::with_capacity(keys);
    let mut seen = [0; 64];
    for n in 0..keys {
        let key = b'a' + (n % 26) as u8;
        std::thread::sleep(Duration::from_millis(3));
        let start = Instant::now();
        terminal
            .write_all(&[key])
            .expect("the terminal takes a key");
        loop {
            let count = terminal.read(&mut seen).expect("the terminal answers");
            if seen[..count].contains(&key) {
                break;
            }
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times
}

fn until(terminal: &mut File, word: &[u8]) {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while !all.windows(word.len()).any(|window| window == word) {
        let count = terminal
            .read(&mut chunk)
            .unwrap_or_else(|_| panic!("ended: {}", String::from_utf8_lossy(&all)));
        all.extend_from_slice(&chunk[..count]);
    }
}

/// How fast `remote` gives its output through this way, in MB/s: from the first byte to the last.
pub fn download(subject: &Subject, terminal: bool, remote: &str) -> f64 {
    let mut command = subject.ssh(terminal, remote);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let mut output = client.child().stdout.take().expect("a pipe");
    let mut chunk = vec![0; 256 * 1024];
    let first = output.read(&mut chunk).expect("output");
    let start = Instant::now();
    let mut bytes = 0;
    while let Ok(count @ 1..) = output.read(&mut chunk) {
        bytes += count;
    }
    let took = start.elapsed();
    wait(subject, &mut client);
    assert!(
        first > 0 && bytes > 1_000_000,
        "{}: only {bytes} bytes came",
        subject.name
    );
    bytes as f64 / 1e6 / took.as_secs_f64()
}

/// How fast the target takes `source`, `times` over, in MB/s.
pub fn upload(subject: &Subject, source: &[u8], times: usize) -> f64 {
    let mut command = subject.ssh(false, "echo go; cat >/dev/null; echo done");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let mut input = client.child().stdin.take().expect("a pipe");
    let mut output = client.child().stdout.take().expect("a pipe");
    let mut word = [0; 16];
    let _ = output.read(&mut word).expect("it says go");
    let start = Instant::now();
    for _ in 0..times {
        input.write_all(source).expect("it takes the input");
    }
    drop(input);
    let _ = output.read(&mut word).expect("it says done");
    let took = start.elapsed();
    wait(subject, &mut client);
    (source.len() * times) as f64 / 1e6 / took.as_secs_f64()
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

/// From the API call to the first effect in the user's terminal, in ms.
pub fn order(gateway: &Gateway, subject: &Subject, api: &Api, verb: &str) -> f64 {
    let (mut terminal, _client) = in_terminal(
        subject.ssh(true, "stty -echo; printf READY; exec cat"),
        80,
        24,
    );
    until(&mut terminal, b"READY");
    let session = gateway.session_with(api, "keyed", "Logged In");
    let path = format!(
        "/api/v1/sessions/{}/{verb}",
        session["id"].as_str().expect("an id")
    );
    // The connection to the API is there already, as a console's is.
    api.get("/api/v1/me");
    let body = match verb {
        "lock" => json!({ "title": "Halt", "message": "m" }),
        _ => json!({ "cancel": true }),
    };
    let api = api.clone();
    let (begun, start) = std::sync::mpsc::sync_channel(1);
    let call = std::thread::spawn(move || {
        let _ = begun.send(Instant::now());
        api.post(&path, body)
    });
    let start = start.recv().expect("the call begins");
    let _ = terminal.read(&mut [0; 256]);
    let took = start.elapsed();
    let answer = call.join().expect("the call ends");
    assert!(answer.status == 200, "{verb}: {}", answer.text());
    took.as_secs_f64() * 1000.0
}
