//! Forwards from the client to somewhere behind the target: `-L`, `-D`, `-W`, and sockets in the file system.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_tests::harness::{
    Api, Gateway, HostSpec, Target, Tunnel, connect, echo, exchange, free_port, run,
    run_with_input, socks, tcp_service, unix_service, wait_until,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SOON, events, noise, text};

/// Waits for so many events of a kind in the newest session on `host`, and answers them.
#[track_caller]
pub fn wait_events(
    gateway: &Gateway,
    api: &Api,
    host: &str,
    kind: &str,
    count: usize,
) -> Vec<Value> {
    let mut found = Vec::new();
    let start = Instant::now();
    while found.len() < count {
        assert!(
            start.elapsed() < SOON,
            "{} of {count} {kind}: {found:#?}",
            found.len()
        );
        thread::sleep(Duration::from_millis(20));
        found = gateway
            .newest_session(api, host)
            .map(|session| events(api, text(&session, "id")))
            .unwrap_or_default()
            .into_iter()
            .filter(|event| event["kind"] == kind)
            .collect();
    }
    found
}

/// A detail of an event.
pub fn detail<'a>(event: &'a Value, field: &str) -> &'a Value {
    &event["detail"][field]
}

fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

#[test]
fn bytes_pass_both_ways_and_the_log_says_how_many() {
    let gateway = Gateway::start();
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let data = noise(5_000_000, 3);
    let back = exchange(connect(local), &data).unwrap();
    assert!(back == data, "{} of {} came back", back.len(), data.len());

    let admin = gateway.api("bob");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 1)[0];
    let opened = &wait_events(&gateway, &admin, "reach", "forward.opened", 1)[0];
    for event in [opened, closed] {
        assert_eq!(detail(event, "forward"), "local");
        assert_eq!(*detail(event, "to"), format!("127.0.0.1:{service}"));
        let from = detail(event, "from").as_str().unwrap();
        assert!(from.starts_with("127.0.0.1:"), "{from}");
    }
    for side in ["in", "out"] {
        assert_eq!(*detail(closed, &format!("bytes_{side}")), data.len());
        assert_eq!(*detail(closed, &format!("sha256_{side}")), sha256(&data));
    }
    assert_eq!(*detail(closed, "protocol"), Value::Null);
    drop(tunnel);
}

#[test]
fn a_server_that_speaks_first_is_heard_on_every_fresh_connection() {
    let gateway = Gateway::start();
    let service = tcp_service(|mut socket| {
        let _ = socket.write_all(b"220 ready when you are\r\n");
        echo(socket);
    });
    let target = format!("127.0.0.1:{service}");
    // A channel of a connection that is there already …
    let local = free_port();
    let forward = format!("{local}:{target}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    for n in 0..50 {
        let said = exchange(connect(local), b"quit").unwrap();
        assert_eq!(said, b"220 ready when you are\r\nquit", "connection {n}");
    }
    drop(tunnel);
    // … and one that comes with the connection.
    for n in 0..5 {
        let mut ssh = gateway.ssh("alice+reach").program("ssh");
        ssh.args(["-W", &target, "127.0.0.1"]);
        let done = run_with_input(ssh, b"quit".to_vec(), SOON).ok();
        assert_eq!(done.text(), "220 ready when you are\r\nquit", "ssh {n}");
    }
}

#[test]
fn each_direction_ends_by_itself() {
    let gateway = Gateway::start();
    // Talks on after its peer has ended.
    let late = tcp_service(|mut socket| {
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard);
        thread::sleep(Duration::from_millis(300));
        let _ = socket.write_all(format!("heard {}", heard.len()).as_bytes());
    });
    // Ends first, and listens on.
    let (done, heard) = std::sync::mpsc::channel();
    let early = tcp_service(move |mut socket| {
        let _ = socket.write_all(b"that is all");
        let _ = socket.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        let _ = done.send(rest.len());
    });
    let ports = [free_port(), free_port()];
    let forwards = [
        format!("{}:127.0.0.1:{late}", ports[0]),
        format!("{}:127.0.0.1:{early}", ports[1]),
    ];
    let args = ["-L", forwards[0].as_str(), "-L", forwards[1].as_str()];
    let _tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &args, ports[1]);
    assert_eq!(
        exchange(connect(ports[0]), &noise(300_000, 4)).unwrap(),
        b"heard 300000"
    );
    let mut socket = connect(ports[1]);
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"that is all");
    thread::sleep(Duration::from_millis(300));
    socket.write_all(&noise(300_000, 5)).unwrap();
    drop(socket);
    assert_eq!(heard.recv_timeout(SOON).unwrap(), 300_000);
}

#[test]
fn a_socks_proxy_reaches_names_and_says_what_it_cannot() {
    let gateway = Gateway::start();
    let (service, local, nobody) = (tcp_service(echo), free_port(), free_port());
    let tunnel = Tunnel::listening(
        &gateway.ssh("alice+reach"),
        &["-D", &local.to_string()],
        local,
    );
    let socket = socks(local, "localhost", service).unwrap();
    assert_eq!(exchange(socket, b"by name").unwrap(), b"by name");
    // The target's own words reach the user.
    socks(local, "127.0.0.1", nobody).unwrap_err();
    tunnel.wait_said("open failed: connect failed: Connection refused");
    let admin = gateway.api("bob");
    let failed = &wait_events(&gateway, &admin, "reach", "forward.failed", 1)[0];
    assert_eq!(*detail(failed, "to"), format!("127.0.0.1:{nobody}"));
    assert_eq!(detail(failed, "error"), "Connection refused");
    // What it cannot reach harms nothing else.
    let socket = socks(local, "localhost", service).unwrap();
    assert_eq!(exchange(socket, b"again").unwrap(), b"again");
}

#[test]
fn sockets_in_the_file_system_are_reached() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("service.sock");
    unix_service(&path, echo);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let local = free_port();
    let forward = format!("{local}:{}", path.display());
    let _tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let data = noise(1_000_000, 6);
    assert!(exchange(connect(local), &data).unwrap() == data);
    let admin = gateway.api("bob");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 1)[0];
    assert_eq!(*detail(closed, "to"), path.display().to_string());
    assert_eq!(*detail(closed, "bytes_in"), data.len());
}

#[test]
fn without_the_right_the_client_says_why() {
    let gateway = Gateway::start();
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+web"), &["-L", &forward], local);
    assert_eq!(exchange(connect(local), b"x").unwrap_or_default(), b"");
    tunnel
        .wait_said("administratively prohibited: the activity shell does not allow local-forward");
    let admin = gateway.api("bob");
    let refused = &wait_events(&gateway, &admin, "web", "forward.refused", 1)[0];
    assert_eq!(detail(refused, "code"), "right_missing");
    assert_eq!(*detail(refused, "to"), format!("127.0.0.1:{service}"));
}

#[test]
fn only_allowed_destinations_are_reached() {
    let gateway = Gateway::start();
    let (service, local) = (tcp_service(echo), free_port());
    let tunnel = Tunnel::listening(
        &gateway.ssh("alice+narrow"),
        &["-D", &local.to_string()],
        local,
    );
    let socket = socks(local, "127.0.0.1", service).unwrap();
    assert_eq!(exchange(socket, b"allowed").unwrap(), b"allowed");
    // A name cannot be checked against a range of addresses: the target resolves it, not we.
    for (host, port) in [("localhost", service), ("127.0.0.1", 22), ("127.0.0.1", 80)] {
        assert!(
            socks(local, host, port).is_err(),
            "{host}:{port} was reached"
        );
        tunnel.wait_said(&format!(
            "the activity narrow does not allow a forward to {host}:{port}; it allows: 127.0.0.0/8:12000-32000, /tmp/sp-allowed-*"
        ));
    }
    let admin = gateway.api("bob");
    for refused in wait_events(&gateway, &admin, "narrow", "forward.refused", 3) {
        assert_eq!(detail(&refused, "code"), "destination_not_allowed");
    }
}

#[test]
fn a_forward_that_carries_a_session_is_pointed_out() {
    let gateway = Gateway::start();
    // A host that is declared would be a jump, and recorded.
    let stray = Target::sshd();
    let (local, ssh_port) = (free_port(), stray.port());
    let forward = format!("{local}:127.0.0.1:{ssh_port}");
    let _tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let mut socket = connect(local);
    socket.write_all(b"SSH-2.0-Probe\r\n").unwrap();
    let mut said = [0; 8];
    socket.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"SSH-2.0-");
    drop(socket);
    let admin = gateway.api("bob");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 1)[0];
    assert_eq!(detail(closed, "protocol"), "SSH");
    let carries = &wait_events(&gateway, &admin, "reach", "forward.carries", 1)[0];
    assert_eq!(
        (text(carries, "level"), detail(carries, "protocol")),
        ("warn", &json!("SSH"))
    );
}

#[test]
fn a_locked_forward_stands_still_and_goes_on_with_nothing_lost() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let mut socket = connect(local);
    let mut seen = [0; 6];
    socket.write_all(b"before").unwrap();
    socket.read_exact(&mut seen).unwrap();

    let session = gateway.session_with(&admin, "reach", "Logged In");
    let order = |verb: &str, body: Value| {
        let path = format!("/api/v1/sessions/{}/{verb}", text(&session, "id"));
        admin.post(&path, body).expect(200);
    };
    order("lock", json!({ "title": "Wait", "message": "A moment." }));
    let data = noise(400_000, 7);
    socket.write_all(&data).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    socket.read(&mut [0; 1]).expect_err("nothing passes a lock");
    // Whoever is locked starts nothing new.
    assert_eq!(exchange(connect(local), b"x").unwrap_or_default(), b"");
    tunnel.wait_said("the session is locked");

    order("unlock", json!({}));
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut back = vec![0; data.len()];
    socket.read_exact(&mut back).unwrap();
    assert!(back == data, "other bytes came back");
    assert_eq!(exchange(connect(local), b"new").unwrap(), b"new");
}

#[test]
fn terminate_cuts_a_forward_also_when_nobody_reads() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let service = tcp_service(|mut socket| {
        let chunk = noise(65_536, 8);
        while socket.write_all(&chunk).is_ok() {}
    });
    let local = free_port();
    let forward = format!("{local}:127.0.0.1:{service}");
    let mut tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let _stuck = connect(local);
    thread::sleep(Duration::from_millis(500));
    let session = gateway.session_with(&admin, "reach", "Logged In");
    let path = format!("/api/v1/sessions/{}/terminate", text(&session, "id"));
    let begun = Instant::now();
    admin
        .post(&path, json!({ "cancel": true, "reason": "enough" }))
        .expect(200);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(tunnel.process().wait(SOON).is_some(), "the client is gone");
    gateway.session_with(&admin, "reach", "Canceled");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 1)[0];
    assert!(detail(closed, "bytes_out").as_u64().unwrap() > 0);
}

#[test]
fn a_stalled_forward_stops_no_other() {
    let gateway = Gateway::start();
    let opened = std::sync::Arc::new(AtomicU32::new(0));
    let count = opened.clone();
    let flood = tcp_service(move |mut socket| {
        count.fetch_add(1, Ordering::Relaxed);
        let chunk = noise(65_536, 9);
        while socket.write_all(&chunk).is_ok() {}
    });
    let service = tcp_service(echo);
    let local = free_port();
    let _tunnel = Tunnel::listening(
        &gateway.ssh("alice+reach"),
        &["-D", &local.to_string()],
        local,
    );
    let before = gateway.rss_kib();
    let _stalled: Vec<_> = (0..8)
        .map(|_| socks(local, "127.0.0.1", flood).unwrap())
        .collect();
    wait_until("all floods run", SOON, || {
        opened.load(Ordering::Relaxed) == 8
    });
    thread::sleep(Duration::from_secs(1));
    for n in 0..20 {
        let begun = Instant::now();
        let data = noise(100_000, n);
        let socket = socks(local, "127.0.0.1", service).unwrap();
        assert!(exchange(socket, &data).unwrap() == data);
        assert!(begun.elapsed() < Duration::from_secs(3), "connection {n}");
    }
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for 8 stalled forwards");
}

#[test]
fn a_gibibyte_passes_in_bounded_memory() {
    const TOTAL: u64 = 1 << 30;
    let gateway = Gateway::start();
    let service = tcp_service(|mut socket| {
        let chunk = noise(1 << 20, 10);
        for _ in 0..TOTAL >> 20 {
            if socket.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    let local = free_port();
    let forward = format!("{local}:127.0.0.1:{service}");
    let ssh = gateway.ssh("alice+reach").option("RekeyLimit=64M");
    let _tunnel = Tunnel::listening(&ssh, &["-L", &forward], local);
    exchange_discard(local, 1);
    let before = gateway.rss_kib();
    let begun = Instant::now();
    let read = exchange_discard(local, TOTAL);
    let took = begun.elapsed();
    assert_eq!(read, TOTAL);
    let grown = gateway.rss_kib().saturating_sub(before);
    println!("1 GiB through -L in {took:?}, {grown} KiB more");
    assert!(grown < 16 << 10, "{grown} KiB more");
    let admin = gateway.api("bob");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 2)[1];
    assert_eq!(detail(closed, "bytes_out").as_u64(), Some(TOTAL));
}

/// Reads `limit` bytes or to the end and counts.
fn exchange_discard(port: u16, limit: u64) -> u64 {
    std::io::copy(&mut connect(port).take(limit), &mut std::io::sink()).unwrap()
}

#[test]
fn a_right_that_is_taken_away_closes_what_is_open() {
    let gateway = Gateway::start();
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let back = free_port();
    let backwards = format!("localhost:{back}:127.0.0.1:{service}");
    let ssh = gateway.ssh("alice+reach");
    let args = ["-L", forward.as_str(), "-R", backwards.as_str()];
    let mut tunnel = Tunnel::listening(&ssh, &args, back);
    let mut sockets = [connect(local), connect(back)];
    for socket in &mut sockets {
        socket.write_all(b"hello").unwrap();
        socket.read_exact(&mut [0; 5]).unwrap();
    }
    let world = fs::read_to_string(gateway.world_file()).unwrap();
    let without = world.replace("local-forward, remote-forward, agent", "agent");
    assert_ne!(world, without);
    let file = gateway.dir().join("without.yaml");
    fs::write(&file, without).unwrap();
    let apply = ["apply", "-f", file.to_str().unwrap()];
    run(gateway.cli("admin", &apply), SOON).ok();
    let begun = Instant::now();
    for socket in &mut sockets {
        assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0, "it is closed");
    }
    wait_until("the target listens no more", SOON, || {
        !sallyport_tests::harness::listens(back)
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(tunnel.process().alive(), "the session itself goes on");
    let admin = gateway.api("bob");
    for closed in wait_events(&gateway, &admin, "reach", "forward.closed", 2) {
        assert_eq!(detail(&closed, "why"), "policy");
    }
    wait_events(&gateway, &admin, "reach", "forward.cancelled", 1);
}

#[test]
fn a_client_that_leaves_takes_its_forwards_along() {
    let gateway = Gateway::start();
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let mut tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let mut socket = connect(local);
    socket.write_all(b"hello").unwrap();
    socket.read_exact(&mut [0; 5]).unwrap();
    let admin = gateway.api("bob");
    gateway.session_with(&admin, "reach", "Logged In");
    // The kernel's table may leave out a row while others come and go.
    wait_until(
        "the client's and the target's socket are there",
        SOON,
        || gateway.ssh_sockets() == 2,
    );
    tunnel.process().signal(Signal::TERM);
    tunnel.process().wait(SOON).expect("ssh ends");
    // Whoever ends `ssh -N` has left, with whatever was still open in it.
    gateway.session_with(&admin, "reach", "Completed");
    wait_events(&gateway, &admin, "reach", "forward.closed", 1);
    wait_until("its sockets are closed", SOON, || {
        gateway.ssh_sockets() == 0
    });
}

#[test]
fn opening_forwards_keeps_no_session_alive_but_sending_does() {
    let target = Target::shared();
    let host = HostSpec::new("idlereach", target.port());
    let host = host.activities(&["reaching"]).profiles(&["idle"]);
    let gateway = Gateway::builder().host(host).start();
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let ssh = gateway.ssh("alice+idlereach");
    let mut tunnel = Tunnel::listening(&ssh, &["-L", &forward], local);
    // The idle limit is 3 s. A user who works through a tunnel is not idle.
    let mut socket = connect(local);
    for _ in 0..6 {
        thread::sleep(Duration::from_secs(1));
        socket.write_all(b"hello").unwrap();
        socket.read_exact(&mut [0; 5]).unwrap();
    }
    // Programs open connections for as long as they run, and say nothing on them.
    let (quiet, mut open) = (Instant::now(), Vec::new());
    while tunnel.process().alive() {
        assert!(quiet.elapsed() < SOON, "connections alone keep the session");
        thread::sleep(Duration::from_millis(200));
        open.extend(std::net::TcpStream::connect(("127.0.0.1", local)));
    }
    assert!(quiet.elapsed() > Duration::from_millis(2500) && open.len() > 5);
    let ended = gateway.session_with(&gateway.api("bob"), "idlereach", "Completed");
    assert_eq!(text(&ended, "close_code"), "idle");
}
