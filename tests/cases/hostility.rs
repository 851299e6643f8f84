//! Clients that mean harm: guessers, floods, those who say nothing, those who lie about where they are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russh::client;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use sallyport_tests::harness::{Anyone, Client, Gateway, Timings, passwords, run, wait_until};
use serde_json::Value;

use super::algorithms::python_tool;
use super::{SOON, items};

/// A client from any address of the loopback network, before it has said who it is.
async fn client_from<H>(port: u16, from: Ipv4Addr, handler: H) -> client::Handle<H>
where
    H: client::Handler<Error = russh::Error> + Send + 'static,
{
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tcp = socket.connect(gateway).await.unwrap();
    client::connect_stream(Arc::new(client::Config::default()), tcp, handler)
        .await
        .unwrap()
}

/// How long one try takes, and whether it let in.
async fn try_password(port: u16, from: Ipv4Addr, user: &str, password: &str) -> (Duration, bool) {
    let mut client = client_from(port, from, Anyone).await;
    let start = Instant::now();
    let answer = client.authenticate_password(user, password).await.unwrap();
    (start.elapsed(), answer.success())
}

#[test]
fn who_guesses_waits_and_the_victim_does_not() {
    let gateway = Gateway::start();
    let port = gateway.ssh_port;
    Client::block(async {
        let guesser = Ipv4Addr::new(127, 0, 0, 66);
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(try_password(port, guesser, "alice+web", "no").await.0);
        }
        assert!(waits[0] < Duration::from_millis(450 + 500), "{waits:?}");
        assert!(waits[5] > Duration::from_millis(1000), "{waits:?}");
        let right = passwords("alice");
        // The victim, from elsewhere: at once.
        let (took, success) =
            try_password(port, Ipv4Addr::new(127, 0, 0, 67), "alice+web", &right).await;
        assert!(success && took < waits[5], "{took:?}, {waits:?}");
        // Another user of the guesser's house as well.
        let (took, success) = try_password(port, guesser, "bob", &passwords("bob")).await;
        assert!(success && took < waits[5], "{took:?}, {waits:?}");
        // The guesser who finds the right word is not shut out: nobody ever is.
        let (took, success) = try_password(port, guesser, "alice+web", &right).await;
        assert!(success && took > Duration::from_millis(1500), "{took:?}");
    });
}

/// Whom an attacker may try, and with what: (what it is, the user, with a password or a key).
const STRANGERS: [(&str, &str, bool); 9] = [
    ("password: unknown user", "zacharias", true),
    ("password: wrong", "alice", true),
    ("password: locked user", "dave", true),
    ("password: user without one", "grace", true),
    ("password: an application", "robot", true),
    ("key: unknown user", "zacharias", false),
    ("key: wrong", "alice", false),
    ("key: locked user", "dave", false),
    ("key: user without one", "grace", false),
];

/// Whoever knocks hears nothing but this.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl client::Handler for Heard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn auth_banner(
        &mut self,
        banner: &str,
        _: &mut client::Session,
    ) -> Result<(), russh::Error> {
        self.note(format!("banner: {banner}"));
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: client::DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        self.note(format!("disconnected: {reason:?}"));
        Ok(())
    }
}

fn nobodys_key() -> PrivateKeyWithHashAlg {
    let key = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
    PrivateKeyWithHashAlg::new(Arc::new(PrivateKey::from(key)), None)
}

/// One try; how it was answered, in words.
async fn knock(
    client: &mut client::Handle<impl client::Handler>,
    user: &str,
    password: bool,
) -> String {
    let answer = if password {
        client.authenticate_password(user, "no").await
    } else {
        client.authenticate_publickey(user, nobodys_key()).await
    };
    format!("{answer:?}")
}

/// Tries until the gateway has had enough: everything it says meanwhile.
async fn knock_on(port: u16, from: Ipv4Addr, user: &str, password: bool) -> Vec<String> {
    let heard = Heard::default();
    let mut client = client_from(port, from, heard.clone()).await;
    for _ in 0..12 {
        let answer = knock(&mut client, user, password).await;
        // A lost connection is a failure that names no methods.
        let over = !answer.contains("PublicKey");
        heard.note(answer);
        if over {
            break;
        }
    }
    drop(client);
    let heard = heard.0.lock().unwrap();
    heard.clone()
}

/// A gateway that knows a locked user and one who has neither password nor key.
fn guarded() -> Gateway {
    let gateway = Gateway::start();
    let more = gateway.dir().join("grace.yaml");
    let grace = "users:\n  - { name: grace, scope: acme, first_name: Grace, last_name: Probe, \
                 email: grace@acme.example, roles: [user] }\n";
    std::fs::write(&more, grace).unwrap();
    let apply = ["apply", "-f", more.to_str().unwrap()];
    run(gateway.cli("bob", &apply), SOON).ok();
    let lock = ["users", "lock", "dave", "--reason", "test"];
    run(gateway.cli("bob", &lock), SOON).ok();
    gateway
}

#[test]
fn no_answer_tells_whether_a_user_exists() {
    let gateway = guarded();
    let port = gateway.ssh_port;
    Client::block(async {
        let tries = STRANGERS
            .iter()
            .enumerate()
            .map(|(n, (_, user, password))| {
                knock_on(port, Ipv4Addr::new(127, 0, 3, n as u8 + 1), user, *password)
            });
        let heard = futures::future::join_all(tries).await;
        for password in [true, false] {
            let of_kind = STRANGERS.iter().zip(&heard);
            let mut alike = of_kind.filter(|((_, _, with), _)| *with == password);
            let (_, first) = alike.next().unwrap();
            // So many tries, each told that others are welcome, and then a word of farewell.
            let failures = first.iter().filter(|answer| answer.contains("PublicKey"));
            assert_eq!(failures.clone().count(), 6, "{first:#?}");
            for answer in failures {
                assert!(answer.contains("[PublicKey, Password]"), "{answer}");
            }
            assert!(
                first.iter().any(|word| word.contains("Too many")),
                "{first:#?}"
            );
            for ((what, ..), other) in alike {
                assert_eq!(first, other, "{what}");
            }
        }
    });
}

#[test]
fn no_clock_tells_whether_a_user_exists() {
    let gateway = guarded();
    let port = gateway.ssh_port;
    let rounds: usize = std::env::var("TRIES").map_or(8, |n| n.parse().unwrap());
    let kinds = STRANGERS.map(|(what, ..)| what);
    let mut source = 0x7f01_0000;
    let timings = Timings::take(&kinds, rounds, |kind| {
        // Each from an address of its own: this is not about back-off.
        source += 1;
        let (what, user, password) = STRANGERS[kind];
        Client::block(async {
            let mut client = client_from(port, Ipv4Addr::from_bits(source), Anyone).await;
            let start = Instant::now();
            let answer = knock(&mut client, user, password).await;
            assert!(answer.contains("Failure"), "{what}: {answer}");
            start.elapsed()
        })
    });
    println!("{timings}");
    timings.assert_alike();
    assert!(
        timings.shortest() >= Duration::from_millis(290),
        "{timings}"
    );
}

/// A connection that says these bytes; what it is answered until the gateway closes it.
pub(super) fn say(port: u16, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = tcp.write_all(bytes);
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    (answer, start.elapsed())
}

#[test]
fn what_is_not_ssh_is_cut_off_early() {
    let gateway = Gateway::start();
    let port = gateway.ssh_port;
    let idle = gateway.rss_kib();
    let version = b"SSH-2.0-hostile\r\n".to_vec();
    let with = |rest: &[u8]| [version.clone(), rest.to_vec()].concat();
    let mut kexinit = vec![0, 0, 1, 0, 4, 20];
    kexinit.resize(260, 0xff);
    let bad: [(&str, Vec<u8>); 7] = [
        ("a line without an end", vec![b'S'; 8 << 20]),
        ("lines without a version", b"hello\r\n".repeat(100_000)),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a packet of 4 GiB", with(&[0xff; 64])),
        ("an empty packet", with(&[0; 64])),
        ("names that are longer than the packet", with(&kexinit)),
        (
            "a balancer's header from nobody's balancer",
            proxy_header([203, 0, 113, 9], b"SSH-2.0-x\r\n"),
        ),
    ];
    for (what, bytes) in bad {
        let (answer, took) = say(port, &bytes);
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        assert!(answer.len() < 8192, "{what}: {} bytes", answer.len());
    }
    let grown = gateway.rss_kib().saturating_sub(idle);
    assert!(grown < 8 << 10, "{grown} KiB more");
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}

#[test]
fn who_says_nothing_takes_no_room_from_others() {
    let gateway = Gateway::builder()
        .env("SALLYPORT_LIMITS_LOGIN_GRACE", "4s")
        .env("SALLYPORT_LIMITS_MAX_UNAUTHENTICATED", "60")
        .start();
    let port = gateway.ssh_port;
    let files = gateway.open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .build()
        .unwrap();
    // Ten sources, each with as many connections as it gets.
    let silent: Vec<tokio::net::TcpStream> = runtime.block_on(async {
        let mut silent = Vec::new();
        for n in 0..200u32 {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            let from = Ipv4Addr::from_bits(0x7f02_0000 + n % 10);
            socket.bind(SocketAddr::from((from, 0))).unwrap();
            let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            silent.push(socket.connect(gateway).await.unwrap());
        }
        silent
    });
    let held = gateway.open_files().saturating_sub(files);
    assert!(
        held <= 60,
        "{held} descriptors for clients that say nothing"
    );
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
    wait_until("they are all shown out", Duration::from_secs(15), || {
        gateway.open_files() <= files + 2
    });
    drop(silent);
}

#[test]
fn floods_harm_nobody_but_the_flooder() {
    let gateway = Gateway::start();
    let neighbour = gateway.shell("alice+web");
    let key = gateway.dir().join("alice").display().to_string();
    let flood = |kind: &str, count: u32| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile.py");
        let mut python = python_tool("python");
        python.arg(script).args([
            &gateway.ssh_port.to_string(),
            "alice+web",
            &key,
            kind,
            &count.to_string(),
        ]);
        run(python, Duration::from_secs(100))
    };
    flood("global", 1).ok();
    let before = gateway.rss_kib();
    // What the flooder's own protocol allows him goes on; the rest ends his connection.
    for (kind, count) in [
        ("ignore", 4000),
        ("unimplemented", 20_000),
        ("global", 20_000),
        ("prove", 2000),
        ("unknown-open", 20_000),
        ("open", 3000),
        ("env", 3000),
        ("request", 20_000),
        ("rekey", 20),
    ] {
        let cpu = gateway.cpu_seconds();
        let flooding = std::thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(kind, count));
            // The neighbour types on.
            let start = Instant::now();
            neighbour.line(&format!("echo after-{kind}-$((6*7))"));
            neighbour.wait_for(&format!("after-{kind}-42"), SOON);
            let echoed = start.elapsed();
            assert!(echoed < Duration::from_secs(5), "{kind}: {echoed:?}");
            flooding.join().unwrap()
        })
        .ok();
        assert!(flooding.text().contains("sent "), "{}", flooding.all());
        let grown = gateway.rss_kib().saturating_sub(before);
        println!(
            "{kind}: {} {} KiB more, {:.1} s of CPU",
            flooding.text().trim(),
            grown,
            gateway.cpu_seconds() - cpu
        );
        // A thousand channels, each with its pumps, are the most there can be: some 15 MiB.
        assert!(grown < 32 << 10, "{kind}: {grown} KiB more");
    }
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}

/// A PROXY protocol header, version 2, for a client at this address, and what follows it.
fn proxy_header(client: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend(client);
    header.extend([127, 0, 0, 1, 0x30, 0x39, 0x08, 0xae]);
    header.extend(rest);
    header
}

#[test]
fn behind_a_balancer_the_clients_own_address_counts() {
    let gateway = Gateway::builder()
        .env("SALLYPORT_SSH_PROXY_PROTOCOL_FROM", "127.0.9.0/24")
        .start();
    let port = gateway.ssh_port;
    Client::block(async {
        let balancer = Ipv4Addr::new(127, 0, 9, 1);
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((balancer, 0))).unwrap();
        let mut tcp = socket
            .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .await
            .unwrap();
        use tokio::io::AsyncWriteExt;
        tcp.write_all(&proxy_header([203, 0, 113, 9], b""))
            .await
            .unwrap();
        let mut client = client::connect_stream(Arc::new(client::Config::default()), tcp, Anyone)
            .await
            .unwrap();
        let answer = client
            .authenticate_password("alice+web", passwords("alice"))
            .await
            .unwrap();
        assert!(answer.success());
        let channel = client.channel_open_session().await.unwrap();
        channel.exec(true, "sleep 1").await.unwrap();
        let admin = gateway.api("bob");
        let session = gateway.session_with(&admin, "web", "Logged In");
        assert_eq!(session["source_ip"], "203.0.113.9");
    });
    let admin = gateway.api("bob");
    let access: Value = admin.get("/api/v1/access-log?page_size=100").json();
    assert!(
        items(&access)
            .iter()
            .any(|entry| entry["source_ip"] == "203.0.113.9"),
        "{access:#}"
    );
    // From the balancer without a header: not served. Not from the balancer: no header needed.
    let refused = gateway
        .ssh("alice+web")
        .option("BindAddress=127.0.9.2")
        .option("ConnectTimeout=9")
        .exec("echo in")
        .failed();
    assert!(!refused.text().contains("in\n"));
    assert!(
        gateway
            .log()
            .contains("a load balancer's connection is not served"),
        "{}",
        gateway.log()
    );
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}
