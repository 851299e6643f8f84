//! Locked means frozen: nothing typed gets through, nothing shown comes through, nothing is lost.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelId, WindowRelease, client};
use sallyport_tests::harness::{
    Api, Client, Daemon, Gateway, passwords, run, tcp_service, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SOON, noise, text};

/// Locks the newest session on `host` and answers it.
fn lock(gateway: &Gateway, api: &Api, host: &str) -> Value {
    let session = gateway.session_with(api, host, "Logged In");
    let body = json!({ "title": "Maintenance window", "message": "Back in five minutes." });
    api.post(
        &format!("/api/v1/sessions/{}/lock", text(&session, "id")),
        body,
    )
    .expect(200);
    session
}

fn unlock(api: &Api, session: &Value) {
    api.post(
        &format!("/api/v1/sessions/{}/unlock", text(session, "id")),
        json!({}),
    )
    .expect(200);
}

#[test]
fn a_locked_terminal_is_covered_discards_keys_and_is_repainted() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let folder = gateway.target().folder();
    let typed = folder.path().join("typed");
    let tty = gateway.shell("alice+web");
    tty.line(&format!(
        "echo before-$((40+2)); (sleep 3; echo LATE-$((1+1))) & cat >{}",
        typed.display()
    ));
    tty.wait_screen("before-42", SOON);
    tty.line("typed-before");
    wait_until("it is in the file", SOON, || {
        fs::read_to_string(&typed).is_ok_and(|text| text.contains("typed-before"))
    });

    let session = lock(&gateway, &admin, "web");
    tty.wait_screen("Maintenance window", SOON);
    tty.wait_screen("Back in five minutes.", SOON);
    assert!(
        !tty.screen().contains("before-42"),
        "the screen is not covered:\n{}",
        tty.screen()
    );
    let shown = admin
        .get(&format!("/api/v1/sessions/{}", text(&session, "id")))
        .json();
    assert_eq!(
        (text(&shown, "status"), &shown["locked"]),
        ("Locked", &json!(true))
    );
    assert_eq!(text(&shown, "state_class"), "active");
    tty.mark();
    tty.line("typed-while-locked");
    tty.send("\x03\x04");
    std::thread::sleep(Duration::from_secs(4));
    assert!(
        !tty.output().contains("LATE"),
        "output passed the lock: {:?}",
        tty.output()
    );
    assert!(
        !tty.output().contains("typed-while"),
        "typing was shown: {:?}",
        tty.output()
    );

    unlock(&admin, &session);
    tty.wait_screen("LATE-2", SOON);
    assert!(
        tty.screen().contains("before-42"),
        "not repainted:\n{}",
        tty.screen()
    );
    assert!(
        !tty.screen().contains("Maintenance window"),
        "still covered:\n{}",
        tty.screen()
    );
    tty.line("typed-after");
    tty.send("\x04");
    wait_until("the later line is in the file", SOON, || {
        fs::read_to_string(&typed).is_ok_and(|text| text.contains("typed-after"))
    });
    assert_eq!(
        fs::read_to_string(&typed).unwrap(),
        "typed-before\ntyped-after\n",
        "what was typed while locked reached the target"
    );
    // The lock shows in the recording, with what happened under it.
    tty.line("exit");
    tty.wait_closed(SOON);
    gateway.session_with(&admin, "web", "Completed");
    let export = run(
        gateway.cli(
            "carol",
            &[
                "recordings",
                "export",
                text(&session, "id"),
                "--format",
                "asciicast",
            ],
        ),
        SOON,
    )
    .ok();
    let cast = export.text();
    assert!(
        cast.contains("LATE-2") && cast.to_lowercase().contains("locked"),
        "{cast}"
    );
}

#[test]
fn a_full_screen_program_is_repainted_as_it_was() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    tty.line("clear; printf '\\033[?1049h\\033[2J\\033[5;10HFULL\\033[1;31mRED\\033[0m\\033[?25l'; read -r x; printf '\\033[?1049l\\033[?25h'; echo done-$x");
    tty.wait_screen("FULLRED", SOON);
    let before = tty.screen();
    assert!(tty.alternate());
    let session = lock(&gateway, &admin, "web");
    tty.wait_screen("Maintenance window", SOON);
    unlock(&admin, &session);
    tty.wait_screen("FULLRED", SOON);
    assert_eq!(tty.screen().trim_end(), before.trim_end());
    assert!(tty.alternate(), "the program's screen is the alternate one");
    tty.line("5");
    tty.wait_screen("done-5", SOON);
    assert!(!tty.alternate());
}

#[test]
fn a_window_resized_while_locked_fits_afterwards() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    let session = lock(&gateway, &admin, "web");
    tty.wait_screen("Maintenance window", SOON);
    tty.resize(60, 20);
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        tty.screen().contains("Maintenance window"),
        "the page follows the size:\n{}",
        tty.screen()
    );
    unlock(&admin, &session);
    tty.wait_screen("$", SOON);
    tty.line("stty size");
    tty.wait_screen("20 60", SOON);
}

#[test]
fn a_commands_output_is_neither_lost_nor_shown() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let out = gateway.dir().join("out");
    let mut command = gateway.ssh("alice+web").command(
        "for i in $(seq 1 80); do echo line $i; echo err $i >&2; sleep 0.05; done; exit 4",
    );
    command
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(gateway.dir().join("err")).unwrap());
    let mut client = Daemon::spawn(command);
    let lines = || fs::read_to_string(&out).unwrap().lines().count();
    wait_until("it runs", SOON, || lines() > 10);
    let session = lock(&gateway, &admin, "web");
    // What was on its way when the lock took effect may still arrive.
    std::thread::sleep(Duration::from_millis(200));
    let frozen = lines();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(lines(), frozen, "output passed the lock");
    assert!(frozen < 80 && client.alive());
    unlock(&admin, &session);
    let status = client.wait(SOON).expect("it goes on and ends");
    assert_eq!(status.code(), Some(4));
    let whole: String = (1..=80).map(|n| format!("line {n}\n")).collect();
    assert_eq!(fs::read_to_string(&out).unwrap(), whole);
    assert_eq!(
        fs::read_to_string(gateway.dir().join("err")).unwrap(),
        whole.replace("line", "err")
    );
}

#[test]
fn a_transfer_stands_still_without_dying() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let (here, there) = (
        TempDir::with_prefix("sp-local-").unwrap(),
        gateway.target().folder(),
    );
    let data = noise(60_000_000, 8);
    fs::write(here.path().join("up"), &data).unwrap();
    fs::write(there.path().join("down"), &data).unwrap();
    gateway.target().give(&there.path().join("down"));
    let size = |path: std::path::PathBuf| move || fs::metadata(&path).map_or(0, |file| file.len());
    let remote = |name: &str| format!("127.0.0.1:{}/{name}", there.path().display());
    for (from, to, arrived) in [
        (
            here.path().join("up").display().to_string(),
            remote("up"),
            there.path().join("up"),
        ),
        (
            remote("down"),
            here.path().join("down").display().to_string(),
            here.path().join("down"),
        ),
    ] {
        // Keep-alives every second, two of which may stay unanswered.
        let ssh = gateway
            .ssh("alice+web")
            .option("ServerAliveInterval=1")
            .option("ServerAliveCountMax=2");
        let mut scp = ssh.program("scp");
        scp.args(["-l", "80000", &from, &to]);
        let mut client = Daemon::spawn(scp);
        let length = size(arrived.clone());
        wait_until("it runs", SOON, || length() > 3_000_000);
        let session = lock(&gateway, &admin, "web");
        std::thread::sleep(Duration::from_millis(500));
        let frozen = length();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(6) {
            std::thread::sleep(Duration::from_millis(500));
            assert!(client.alive(), "the transfer died while locked");
        }
        // What target and client had already taken may still be written to their disks.
        assert!(
            length() - frozen < 3_000_000,
            "{frozen} bytes grew to {} while locked",
            length()
        );
        unlock(&admin, &session);
        let status = client
            .wait(Duration::from_secs(60))
            .expect("it goes on and ends");
        assert!(status.success(), "{status}");
        assert!(
            fs::read(&arrived).unwrap() == data,
            "{} is not what was sent",
            arrived.display()
        );
        gateway.session_with(&admin, "web", "Completed");
    }
}

#[test]
fn the_deadline_keeps_running_while_locked() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+short");
    lock(&gateway, &admin, "short");
    tty.wait_closed(SOON);
    let session = gateway.session_with(&admin, "short", "Completed");
    assert_eq!(text(&session, "close_code"), "deadline");
}

#[test]
fn whoever_comes_while_it_is_locked_finds_it_locked() {
    let gateway = Gateway::start();
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    alice
        .post("/api/v1/sessions", json!({ "host": "web" }))
        .expect(201);
    let first = gateway.shell("alice+web");
    let session = lock(&gateway, &admin, "web");
    first.wait_screen("Maintenance window", SOON);
    let second = gateway
        .ssh("alice+web")
        .limit(Duration::from_secs(4))
        .exec("echo in");
    assert!(
        !second.text().contains("in\n"),
        "a second connection passes the lock: {second:?}"
    );
    unlock(&admin, &session);
    gateway.ssh("alice+web").exec("true").ok();
}

/// Bytes that a client has got on its only channel.
#[derive(Clone, Default)]
struct Got(Arc<AtomicU64>);

impl client::Handler for Got {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn data(
        &mut self,
        _: ChannelId,
        data: &[u8],
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        self.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// What a slow reader reads.
enum Slow {
    Command,
    Forward(u16),
}

impl Slow {
    async fn open(self, client: &client::Handle<Got>) -> ChannelId {
        match self {
            Self::Command => {
                let channel = client.channel_open_session().await.unwrap();
                let id = channel.id();
                let (_, write) = channel.split();
                write.exec(true, "head -c 5000000 /dev/zero").await.unwrap();
                id
            }
            Self::Forward(port) => {
                let channel = client
                    .channel_open_direct_tcpip("127.0.0.1", port.into(), "127.0.0.1", 1)
                    .await
                    .unwrap();
                channel.id()
            }
        }
    }
}

#[test]
fn what_waits_for_a_slow_reader_stays_where_it_is() {
    let gateway = Gateway::start();
    let service = tcp_service(|mut socket| {
        let _ = socket.write_all(&[0; 5_000_000]);
    });
    Client::block(async {
        stays(&gateway, "web", Slow::Command).await;
        stays(&gateway, "reach", Slow::Forward(service)).await;
    });
}

/// A lock stops what is on its way to a reader where it is, and not at the end of a piece.
async fn stays(gateway: &Gateway, host: &str, what: Slow) {
    const WINDOW: u32 = 10_000;
    let admin = gateway.api("bob");
    // A client that opens its window by hand.
    let got = Got::default();
    let config = Arc::new(client::Config {
        window_size: WINDOW,
        window_release: WindowRelease::OnConsumption,
        ..client::Config::default()
    });
    let mut handle = client::connect(config, ("127.0.0.1", gateway.ssh_port), got.clone())
        .await
        .unwrap();
    let answer = handle
        .authenticate_password(format!("alice+{host}"), passwords("alice"))
        .await
        .unwrap();
    assert!(answer.success());
    let id = what.open(&handle).await;
    let settled = async || {
        let mut last = u64::MAX;
        while last != got.0.load(Ordering::Relaxed) {
            last = got.0.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        last
    };
    while settled().await < u64::from(WINDOW) {}
    let session = lock(gateway, &admin, host);
    handle.release_window(id, WINDOW);
    let after = settled().await;
    assert_eq!(after, u64::from(WINDOW), "{host}: locked, and more came");
    unlock(&admin, &session);
    while settled().await < 2 * u64::from(WINDOW) {}
    handle.release_window(id, WINDOW);
    while settled().await < 3 * u64::from(WINDOW) {}
}
