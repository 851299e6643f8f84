//! Flow control: one stalled peer harms only itself, and memory does not grow with what it owes.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_tests::harness::{Client, Daemon, Gateway, Ssh, signal, wait_until};
use serde_json::json;

use super::{SOON, text};

const GIB: u64 = 1 << 30;

/// Feeds `total` bytes of a running pattern and checks that exactly they come back.
fn through_cat(ssh: &Ssh, total: u64, read_pause: Duration) -> Duration {
    let start = Instant::now();
    let mut command = ssh.command("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let child: &mut Child = client.child();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // 251 is prime to the chunk sizes of everything on the way.
    let pattern: Vec<u8> = (0..251 * 4096u32).map(|n| (n % 251) as u8).collect();
    let feeder = {
        let pattern = pattern.clone();
        thread::spawn(move || {
            let mut left = total;
            while left > 0 {
                let count = left.min(pattern.len() as u64) as usize;
                if input.write_all(&pattern[..count]).is_err() {
                    return;
                }
                left -= count as u64;
            }
        })
    };
    let mut chunk = vec![0; 256 * 1024];
    let mut seen = 0u64;
    loop {
        let count = output.read(&mut chunk).unwrap();
        if count == 0 {
            break;
        }
        let offset = (seen % 251) as usize;
        assert!(
            chunk[..count] == pattern[offset..offset + count],
            "other bytes after {seen}"
        );
        seen += count as u64;
        if !read_pause.is_zero() {
            thread::sleep(read_pause);
        }
        assert!(
            start.elapsed() < Duration::from_secs(240),
            "frozen after {seen} bytes"
        );
    }
    feeder.join().unwrap();
    assert_eq!(seen, total);
    assert!(client.wait(SOON).is_some_and(|status| status.success()));
    start.elapsed()
}

#[test]
fn a_gibibyte_both_ways_at_once() {
    let gateway = Gateway::start();
    let took = through_cat(
        &gateway
            .ssh("alice+web")
            .option("Ciphers=aes256-gcm@openssh.com"),
        GIB,
        Duration::ZERO,
    );
    eprintln!(
        "1 GiB through cat, both ways at once: {took:?}, gateway RSS {} MiB",
        gateway.rss_kib() / 1024
    );
    assert!(gateway.rss_kib() < 200 * 1024, "{} KiB", gateway.rss_kib());
}

#[test]
fn several_floods_at_once() {
    let gateway = Gateway::start();
    let running: Vec<_> = (0..4)
        .map(|_| {
            let ssh = gateway.ssh("alice+web");
            thread::spawn(move || through_cat(&ssh, 64 << 20, Duration::ZERO))
        })
        .collect();
    for one in running {
        one.join().unwrap();
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let gateway = Gateway::start();
    through_cat(
        &gateway.ssh("alice+web"),
        24 << 20,
        Duration::from_millis(15),
    );
}

#[test]
fn an_upload_into_a_target_that_never_reads_takes_no_memory() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("true").ok();
    let before = gateway.rss_kib();
    let mut command = gateway.ssh("alice+web").command("sleep 300");
    command
        .stdin(fs::File::open("/dev/zero").unwrap())
        .stdout(Stdio::null());
    let mut client = Daemon::spawn(command);
    let mut most = 0;
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(100));
        most = most.max(gateway.rss_kib());
    }
    assert!(client.alive());
    assert!(most < before + 24 * 1024, "{before} KiB grew to {most} KiB");
    // The control plane reaches it all the same.
    let session = gateway.session_with(&gateway.api("bob"), "web", "Logged In");
    let start = Instant::now();
    gateway
        .api("bob")
        .post(
            &format!("/api/v1/sessions/{}/terminate", text(&session, "id")),
            json!({ "cancel": true }),
        )
        .expect(200);
    client.wait(Duration::from_secs(2)).expect("it is cut");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_session_stuck_both_ways_is_cut_and_its_tape_finished() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    // Nobody reads what comes, and the target, which writes without end, does not read what goes.
    let mut command = gateway.ssh("alice+web").command("cat /dev/zero");
    command
        .stdin(fs::File::open("/dev/zero").unwrap())
        .stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let session = gateway.session_with(&admin, "web", "Logged In");
    thread::sleep(Duration::from_secs(3));
    let id = text(&session, "id");
    admin
        .post(
            &format!("/api/v1/sessions/{id}/terminate"),
            json!({ "cancel": true }),
        )
        .expect(200);
    client.wait(Duration::from_secs(2)).expect("it is cut");
    wait_until("the recording is finished", SOON, || {
        let log = admin
            .get(&format!("/api/v1/sessions/{id}/events"))
            .expect(200)
            .json();
        log["items"].as_array().is_some_and(|items| {
            items
                .iter()
                .any(|event| event["kind"] == "recording.stored")
        })
    });
}

#[test]
fn one_stalled_channel_does_not_hold_ten_others_up() {
    let gateway = Gateway::start();
    let socket = gateway.dir().join("mux");
    let ssh = gateway
        .ssh("alice+web")
        .option(&format!("ControlPath={}", socket.display()));
    let mut master = ssh.clone().option("ControlMaster=yes").program("ssh");
    master.args(["-N", "127.0.0.1"]);
    let _master = Daemon::spawn(master);
    wait_until("the master connection", SOON, || socket.exists());
    let before = gateway.rss_kib();
    // Stalled: its reader sleeps, so the pipes and then the windows fill up.
    let mut stalled = ssh.command("cat /dev/zero");
    stalled.stdout(Stdio::piped());
    let stalled = Daemon::spawn(stalled);
    thread::sleep(Duration::from_millis(500));
    signal(stalled.pid(), Signal::STOP);
    thread::sleep(Duration::from_secs(1));
    let running: Vec<_> = (0..10)
        .map(|_| {
            let ssh = ssh.clone();
            thread::spawn(move || through_cat(&ssh, 16 << 20, Duration::ZERO))
        })
        .collect();
    let times: Vec<Duration> = running.into_iter().map(|one| one.join().unwrap()).collect();
    assert!(
        times.iter().all(|took| *took < Duration::from_secs(60)),
        "{times:?}"
    );
    assert!(
        gateway.rss_kib() < before + 64 * 1024,
        "{before} KiB grew to {} KiB",
        gateway.rss_kib()
    );
}

#[test]
fn two_hundred_channels_on_one_connection() {
    let gateway = Gateway::start();
    let answered = Client::block(async {
        let client = Client::password(gateway.ssh_port, "alice+web", "alice").await;
        let mut channels = Vec::new();
        for _ in 0..200 {
            channels.push(client.session().await);
        }
        // All open at once; then each is used.
        for (n, channel) in channels.iter().enumerate() {
            channel.exec(true, format!("echo {n}; cat")).await.unwrap();
        }
        let mut answered = 0;
        for (n, channel) in channels.iter_mut().enumerate() {
            channel.data_bytes(format!("-{n}-")).await.unwrap();
            channel.eof().await.unwrap();
            let mut said = String::new();
            while let Some(message) = channel.wait().await {
                if let russh::ChannelMsg::Data { data } = message {
                    said.push_str(&String::from_utf8_lossy(&data));
                }
            }
            assert_eq!(said, format!("{n}\n-{n}-"));
            answered += 1;
        }
        answered
    });
    assert_eq!(answered, 200);
}

#[test]
fn a_lock_during_transfers_outlives_keep_alives() {
    // A minute and keep-alives every five seconds in the long run; the proportions are kept in the short one.
    let long = std::env::var_os("SALLYPORT_TESTS_LONG").is_some();
    let (interval, locked) = if long { (5, 60) } else { (1, 8) };
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let ssh = gateway
        .ssh("alice+web")
        .option(&format!("ServerAliveInterval={interval}"))
        .option("ServerAliveCountMax=2");
    let running: Vec<_> = (0..3)
        .map(|_| {
            let ssh = ssh.clone();
            thread::spawn(move || through_cat(&ssh, 96 << 20, Duration::from_millis(3)))
        })
        .collect();
    wait_until("three sessions", SOON, || {
        admin.get("/api/v1/sessions?status=Logged%20In").json()["total"] == 3
    });
    thread::sleep(Duration::from_millis(500));
    let list = admin.get("/api/v1/sessions?status=Logged%20In").json();
    let ids: Vec<_> = super::items(&list)
        .iter()
        .map(|session| session["id"].clone())
        .collect();
    admin
        .post(
            "/api/v1/sessions/lock",
            json!({ "ids": ids, "title": "Halt" }),
        )
        .expect(200);
    thread::sleep(Duration::from_secs(locked));
    assert!(
        running.iter().all(|one| !one.is_finished()),
        "a transfer went on, or died, while locked"
    );
    admin
        .post("/api/v1/sessions/unlock", json!({ "ids": ids }))
        .expect(200);
    for one in running {
        one.join().unwrap();
    }
}

#[test]
fn nothing_is_left_behind_by_sessions_that_ended() {
    let gateway = Gateway::start();
    let round = |count: usize| {
        for n in 0..count {
            match n % 4 {
                0 => drop(gateway.ssh("alice+nowhere").exec("true").failed()),
                1 => drop(gateway.ssh("alice+web").terminal("true").output()),
                _ => drop(
                    gateway
                        .ssh("alice+web")
                        .exec_with("cat", vec![7; 300_000])
                        .ok(),
                ),
            }
        }
    };
    let list = || gateway.api("bob").get("/api/v1/sessions?open=true").json()["total"].clone();
    round(40);
    wait_until("all have ended", SOON, || list() == 0);
    let (files, memory) = (gateway.open_files(), gateway.rss_kib());
    round(80);
    wait_until("all have ended", SOON, || list() == 0);
    wait_until("all files are closed", SOON, || {
        gateway.open_files() <= files + 3
    });
    let after = gateway.rss_kib();
    assert!(
        after < memory + 12 * 1024,
        "{memory} KiB grew to {after} KiB"
    );
}
