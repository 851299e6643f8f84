//! What is measured of connections: how much passes, how often the picture changes, how far away both peers are.

use std::time::Duration;

use sallyport_tests::harness::{
    Gateway, RdpHost, Tty, Tunnel, Xrdp, connect, echo, eventually, exchange, free_port, run,
    tcp_service, tool,
};
use serde_json::Value;

use super::chaos::ground::{GATEWAY, Ground};
use super::rdp_common::{BUSY, PATIENCE, ended};
use super::{SOON, items, noise, text};

/// Says that the case runs in namespaces of its own.
const APART: &str = "METERS_APART";
const MIB: f64 = 1048576.0;

/// The newest session on a host, with what was measured of its only connection, once it has ended.
#[track_caller]
fn measured(gateway: &Gateway, host: &str) -> (Value, Value) {
    let admin = gateway.api("bob");
    let session = eventually("the session is over", SOON, || {
        let newest = gateway.newest_session(&admin, host)?;
        newest["ended_at"].is_string().then_some(newest)
    });
    let session = ended(&admin, &session, SOON);
    let path = format!("/api/v1/sessions/{}/connections", text(&session, "id"));
    let connections = admin.get(&path).expect(200).json();
    let connection = items(&connections)[0].clone();
    (session, connection)
}

/// Least, average and most, which must be in that order.
#[track_caller]
fn spread(meters: &Value, name: &str) -> (f64, f64, f64) {
    let number = |which: &str| {
        let number = meters[name][which].as_f64();
        number.unwrap_or_else(|| panic!("no {which} of {name} in {meters:#}"))
    };
    let (min, avg, max) = (number("min"), number("avg"), number("max"));
    assert!(0.0 <= min && min <= avg && avg <= max, "{name}: {meters:#}");
    assert!(number("seconds") >= 1.0, "{name}: {meters:#}");
    (min, avg, max)
}

#[test]
fn what_passes_is_measured_and_a_quiet_second_is_one() {
    let gateway = Gateway::start();
    let ssh = gateway.ssh("alice+web");
    // Read at once, then nothing for some seconds.
    let done = ssh.exec("head -c 20971520 /dev/zero; sleep 4");
    assert_eq!(done.ok().out.len(), 20 << 20);
    let (session, connection) = measured(&gateway, "web");
    let meters = &connection["meters"];
    assert_eq!(session["meters"], *meters, "its only connection");
    let (min, avg, max) = spread(meters, "bandwidth");
    assert_eq!(min, 0.0, "{meters:#}");
    assert!(max > 4.0 * MIB, "{meters:#}");
    let all = avg * meters["bandwidth"]["seconds"].as_f64().unwrap();
    let passed =
        connection["bytes_in"].as_f64().unwrap() + connection["bytes_out"].as_f64().unwrap();
    assert!((all - passed).abs() < 0.01 * passed, "{all}, {passed}");
    assert_eq!(
        spread(meters, "updates"),
        (0.0, 0.0, 0.0),
        "it has no screen"
    );
    for peer in ["client_round_trip", "target_round_trip"] {
        let (_, avg, max) = spread(meters, peer);
        assert!(0.0 < avg && max < 1000.0, "{peer}: {meters:#}");
    }
    assert_eq!(session["client_os"], connection["client_os"]);
    if let Some(known) = connection["client_os"].as_str() {
        assert!(known.starts_with("Linux/"), "{connection:#}");
    }

    let show = gateway.cli("bob", &["sessions", "show", text(&session, "id")]);
    let shown = run(show, SOON).ok().text();
    for (name, unit) in [
        ("bandwidth", "MB/s)"),
        ("updates", "0.0/s (0.0/s to 0.0/s)"),
        ("client_round_trip", " ms)"),
        ("target_round_trip", " ms)"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(name));
        assert!(
            line.is_some_and(|line| line.ends_with(unit)),
            "{name}: {shown}"
        );
    }
}

#[test]
fn what_passes_in_forwards_counts() {
    let gateway = Gateway::start();
    let service = tcp_service(echo);
    let local = free_port();
    let forward = format!("{local}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    let data = noise(3 << 20, 1);
    assert!(exchange(connect(local), &data).unwrap() == data);
    drop(tunnel);
    let (_, connection) = measured(&gateway, "reach");
    for way in ["bytes_in", "bytes_out"] {
        assert_eq!(connection[way].as_u64(), Some(3 << 20), "{connection:#}");
    }
    let (_, _, max) = spread(&connection["meters"], "bandwidth");
    assert!(max > MIB, "{connection:#}");
}

#[test]
fn a_terminal_has_updates_and_its_meters_can_be_read_while_it_is_used() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let terminal = gateway.ssh("alice+web").terminal("");
    let tty = Tty::start(terminal, 80, 24);
    tty.line(
        "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo do''ne",
    );
    tty.wait_for("done", SOON);
    let session = gateway.session_with(&admin, "web", "Logged In");
    let id = text(&session, "id").to_owned();
    // What passed is written down now and then, not only at the end.
    let live = eventually("live meters", Duration::from_secs(30), || {
        let path = format!("/api/v1/sessions/{id}/connections");
        let connections = admin.get(&path).expect(200).json();
        let connection = items(&connections)[0].clone();
        connection["meters"].is_object().then_some(connection)
    });
    assert!(live["closed_at"].is_null(), "{live:#}");
    assert!(live["bytes_out"].as_u64() > Some(200), "{live:#}");
    assert!(spread(&live["meters"], "updates").2 > 5.0, "{live:#}");
    tty.line("exit");
    tty.wait_closed(SOON);
    let (_, connection) = measured(&gateway, "web");
    let (min, _, max) = spread(&connection["meters"], "updates");
    assert_eq!(min, 0.0, "it was quiet: {connection:#}");
    assert!((5.0..500.0).contains(&max), "{connection:#}");
    eprintln!("a terminal: {:#}", connection["meters"]);
    assert!(
        spread(&connection["meters"], "bandwidth").2 < MIB,
        "{connection:#}"
    );
}

#[test]
fn a_desktop_that_draws_has_updates() {
    let xrdp = Xrdp::builder().desktop(BUSY).start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let mut client = gateway.xfreerdp("alice+desk").start();
    client.wait_picture(PATIENCE);
    std::thread::sleep(Duration::from_secs(5));
    client.close();
    let (session, connection) = measured(&gateway, "desk");
    let meters = &connection["meters"];
    eprintln!("a busy desktop: {meters:#}");
    assert_eq!(session["meters"], *meters);
    let (_, avg, max) = spread(meters, "updates");
    assert!(avg > 1.0 && max < 1000.0, "{meters:#}");
    assert!(spread(meters, "bandwidth").2 > 1000.0, "{meters:#}");
    for peer in ["client_round_trip", "target_round_trip"] {
        let (_, avg, max) = spread(meters, peer);
        assert!(0.0 < avg && max < 1000.0, "{peer}: {meters:#}");
    }
}

#[test]
fn both_ways_are_measured_apart() {
    let mut unshare = tool("unshare");
    unshare.args(["--net", "--mount", "true"]);
    let done = run(unshare, SOON);
    if done.code != 0 {
        eprintln!(
            "NOT TESTED: this needs namespaces of its own, and the right to make them: {}",
            done.err
        );
        return;
    }
    let mut inside = tool("unshare");
    inside
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "cases::meters::at_a_distance", "--ignored"])
        .args(["--nocapture", "--test-threads=1"])
        .env(APART, "1");
    let done = run(inside, Duration::from_secs(200));
    for line in done
        .all()
        .lines()
        .filter(|line| line.starts_with("meters:"))
    {
        eprintln!("{line}");
    }
    assert_eq!(done.code, 0, "{}", done.all());
    assert!(done.all().contains("1 passed"), "{}", done.all());
}

/// In namespaces of its own: [`both_ways_are_measured_apart`] starts it there.
#[test]
#[ignore = "is started by another one, in namespaces of its own"]
fn at_a_distance() {
    if std::env::var_os(APART).is_none() {
        return;
    }
    let ground = Ground::prepare(false);
    let visit = || {
        let terminal = ground
            .gateway
            .ssh("alice+shell+chaos")
            .option(&format!("HostName={GATEWAY}"))
            .terminal("");
        let tty = Tty::start(ground.at_clients(&terminal), 80, 24);
        tty.line("echo he''re");
        tty.wait_for("here", SOON);
        for number in 0..30 {
            tty.send("x");
            std::thread::sleep(Duration::from_millis(100 + number % 7 * 20));
        }
        tty.line("");
        tty.line("exit");
        tty.wait_closed(SOON);
        let (_, connection) = measured(&ground.gateway, "chaos");
        let meters = &connection["meters"];
        let ways = ["client_round_trip", "target_round_trip"].map(|way| spread(meters, way));
        eprintln!("meters: to the client, to the target (least, average, most, ms): {ways:?}");
        ways
    };
    // Those who type hold back acknowledgements for up to 40 ms; a wire out of a program takes a while too.
    let near = |(min, avg, max): (f64, f64, f64)| min < 20.0 && avg < 60.0 && max < 90.0;
    let far = |(min, avg, max): (f64, f64, f64)| min >= 100.0 && avg < 170.0 && max < 250.0;
    let [client, target] = visit();
    assert!(near(client) && near(target), "{client:?}, {target:?}");
    ground.client_wire.order("delay=50");
    let [client, target] = visit();
    assert!(far(client) && near(target), "{client:?}, {target:?}");
    ground.client_wire.heal();
    ground.target_wire.order("delay=50");
    let [client, target] = visit();
    assert!(near(client) && far(target), "{client:?}, {target:?}");
}
