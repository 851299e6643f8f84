//! Mistakes of ours: a panic ends the session it happens in, and no other.
//!
//! `SALLYPORT_FAULT` makes a debug build panic where it is told to; a release build knows no such thing.

use std::io::Write;

use sallyport_recorder::verify;
use sallyport_tests::harness::{
    Api, Gateway, Tty, Tunnel, connect, echo, eventually, free_port, tapes, tcp_service,
};

use super::{SOON, events, items, text};

fn gateway() -> Gateway {
    Gateway::builder().env("SALLYPORT_FAULT", "sprung").start()
}

/// One session on each thread: those on the thread of the one that breaks must go on as well.
fn neighbours(gateway: &Gateway) -> Vec<Tty> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    (0..threads).map(|_| gateway.shell("alice+web")).collect()
}

#[track_caller]
fn all_go_on(neighbours: &[Tty], after: &str) {
    for tty in neighbours {
        tty.line(&format!("echo after-{after}-$((6*7))"));
        tty.wait_for(&format!("after-{after}-42"), SOON);
    }
}

/// The newest session has ended, once, by our mistake; its tape is whole.
#[track_caller]
fn broke(gateway: &Gateway, admin: &Api, point: &str) {
    let session = eventually(&format!("{point}: it has ended"), SOON, || {
        let list = admin.get("/api/v1/sessions?sort=-requested_at&page_size=1");
        let newest = items(&list.json()).first().cloned();
        newest.filter(|session| session["ended_at"].is_string())
    });
    assert_eq!(text(&session, "status"), "Failed", "{point}: {session:#}");
    assert_eq!(text(&session, "close_code"), "internal_error", "{point}");
    let log = events(admin, text(&session, "id"));
    let ends = log.iter().filter(|event| event["kind"] == "session.ended");
    assert_eq!(ends.count(), 1, "{point}: {log:#?}");
    let tape = tapes(gateway.data()).pop().unwrap();
    let report = eventually(&format!("{point}: its tape is finished"), SOON, || {
        let report = verify(&tape).unwrap();
        report.finished().then_some(report)
    });
    assert!(report.is_whole(), "{point}: {report:?}");
}

#[test]
fn a_panic_ends_one_session_and_no_other() {
    if !cfg!(debug_assertions) {
        return println!("release builds cannot be made to panic");
    }
    let gateway = gateway();
    let admin = gateway.api("bob");
    let neighbours = neighbours(&gateway);
    for (point, typed) in [
        ("channel", "sprung-channel"),
        ("client-leg", "sprung-client-leg"),
        ("target-leg", "echo sprung-target''-leg"),
    ] {
        let broken = gateway.shell("alice+keyed");
        broken.line(typed);
        broken.wait_closed(SOON);
        broke(&gateway, &admin, point);
        all_go_on(&neighbours, point);
    }
    // What is in the session's log passes its driver.
    let ssh = gateway.ssh("alice+keyed");
    ssh.exec("echo sprung-driver; sleep 60").failed();
    broke(&gateway, &admin, "driver");
    all_go_on(&neighbours, "driver");
    assert_eq!(ssh.exec("echo in").ok().text(), "in\n");
}

#[test]
fn a_panic_in_a_forward_ends_its_session_and_no_other() {
    if !cfg!(debug_assertions) {
        return println!("release builds cannot be made to panic");
    }
    let gateway = gateway();
    let admin = gateway.api("bob");
    let neighbours = neighbours(&gateway);
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let mut tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-L", &forward], local);
    connect(local).write_all(b"sprung-forward").unwrap();
    tunnel.process().wait(SOON).expect("ssh ends");
    broke(&gateway, &admin, "forward");
    all_go_on(&neighbours, "forward");
}

#[test]
fn a_panic_on_the_way_in_leaves_no_session_behind() {
    if !cfg!(debug_assertions) {
        return println!("release builds cannot be made to panic");
    }
    let gateway = gateway();
    let admin = gateway.api("bob");
    let neighbours = neighbours(&gateway);
    let refused = gateway
        .ssh("alice+key-shell+keyed+keyed-standard+sprung-entering")
        .exec("echo in")
        .failed();
    assert!(
        refused.all().contains("tell an administrator"),
        "{refused:?}"
    );
    let session = gateway.session_with(&admin, "keyed", "Failed");
    assert_eq!(text(&session, "close_code"), "connect_failed");
    all_go_on(&neighbours, "entering");
}
