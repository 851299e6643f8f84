//! Desktops that are not what they should be, connections that break, and the gateway itself going.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_recorder::picture::Desktop;
use sallyport_recorder::{Entry, verify};
use sallyport_tests::harness::{
    Gateway, Picture, RdpHost, Shadow, Xrdp, entries, run, signal, tapes,
};
use serde_json::Value;

use super::rdp_common::{DENIED, DISCONNECTED, PATIENCE, desktop, ended, wait_nothing_open};
use super::{SOON, events, items, text};

/// How often this is among the events of the newest session on a host.
fn count(gateway: &Gateway, host: &str, kind: &str) -> usize {
    let admin = gateway.api("bob");
    let session = gateway.newest_session(&admin, host).unwrap();
    let log = events(&admin, text(&session, "id"));
    log.iter().filter(|event| event["kind"] == kind).count()
}

#[test]
fn the_first_certificate_is_pinned_and_another_one_is_blocked() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let fingerprint = xrdp.certificate().key_fingerprint();
    drop(desktop(gateway.xfreerdp("alice+desk")));
    let session = gateway.newest_session(&admin, "desk").unwrap();
    let log = events(&admin, text(&session, "id"));
    let pinned = log.iter().find(|event| event["kind"] == "host_key.pinned");
    assert_eq!(
        pinned.unwrap()["detail"]["host_key"],
        fingerprint,
        "{log:#?}"
    );
    drop(desktop(gateway.xfreerdp("alice+desk")));
    assert_eq!(count(&gateway, "desk", "host_key.pinned"), 0, "once only");

    xrdp.change_certificate();
    let mut refused = gateway.xfreerdp("alice+desk").start();
    refused.wait_says("the certificate of desk has changed", PATIENCE);
    refused.display().move_to(5, 5);
    refused.display().key("Return");
    assert_eq!(refused.wait_exit(PATIENCE), DENIED);
    let session = gateway.session_with(&admin, "desk", "Failed");
    assert_eq!(text(&session, "close_code"), "connect_failed");
    assert_eq!(count(&gateway, "desk", "host_key.mismatch"), 1);
    assert_eq!(count(&gateway, "desk", "secret.used"), 0, "to a stranger");
}

#[test]
fn a_given_certificate_is_the_only_one_believed_unless_declared_otherwise() {
    let (xrdp, other) = (Xrdp::start(), Xrdp::start());
    let right = RdpHost::new("right", xrdp.port()).pinned(&xrdp.certificate());
    let wrong = |name, rule| {
        let host = RdpHost::new(name, xrdp.port()).on_mismatch(rule);
        host.pinned(&other.certificate())
    };
    let gateway = Gateway::builder()
        .rdp_host(right)
        .rdp_host(wrong("blocked", "block"))
        .rdp_host(wrong("logged", "log-and-allow"))
        .rdp_host(wrong("allowed", "allow"))
        .start();
    let mut refused = gateway.xfreerdp("alice+blocked").start();
    refused.wait_says("the certificate of blocked has changed", PATIENCE);
    assert_eq!(count(&gateway, "blocked", "host_key.mismatch"), 1);
    for (host, logged) in [("right", 0), ("logged", 1), ("allowed", 0)] {
        drop(desktop(gateway.xfreerdp(&format!("alice+{host}"))));
        assert_eq!(count(&gateway, host, "host_key.mismatch"), logged, "{host}");
        assert_eq!(count(&gateway, host, "host_key.pinned"), 0, "{host}");
    }
}

#[test]
fn a_stored_password_that_is_wrong_or_missing_has_its_words() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("wrong", shadow.port()).secret(Some("PW_WRONG")))
        .rdp_host(RdpHost::new("missing", shadow.port()).secret(None))
        .start();
    let admin = gateway.api("bob");
    for (host, words) in [
        ("wrong", "wrong refused the stored credential of sptarget"),
        ("missing", "there is no credential for sptarget on missing"),
    ] {
        let mut refused = gateway.xfreerdp(&format!("alice+{host}")).start();
        refused.wait_says(words, PATIENCE);
        refused.display().move_to(5, 5);
        refused.display().key("Return");
        assert_eq!(refused.wait_exit(PATIENCE), DENIED, "{host}");
    }
    let session = gateway.session_with(&admin, "wrong", "Failed");
    assert_eq!(text(&session, "close_code"), "connect_failed");
    assert!(tapes(gateway.data()).is_empty(), "of nothing");
    wait_nothing_open(&gateway, &admin, &[shadow.port()]);
}

#[test]
fn a_client_that_vanishes_ends_its_session() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let client = desktop(gateway.xfreerdp("alice+desk"));
    let session = gateway.session_with(&admin, "desk", "Logged In");
    signal(client.pid(), Signal::KILL);
    let gone = Instant::now();
    let session = ended(&admin, &session, SOON);
    assert!(gone.elapsed() < Duration::from_secs(5));
    assert_eq!(text(&session, "close_code"), "network", "{session:#}");
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);
    let tape = tapes(gateway.data()).pop().unwrap();
    let report = verify(&tape).unwrap();
    assert!(report.is_whole() && report.finished(), "{report:?}");
}

#[test]
fn the_client_is_told_when_its_target_is_gone() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    // Its connection breaks; or its session ends, and it says so itself.
    for logoff in [false, true] {
        let mut client = desktop(gateway.xfreerdp("alice+desk"));
        let session = gateway.session_with(&admin, "desk", "Logged In");
        match logoff {
            true => xrdp.logoff(),
            false => xrdp.restart(),
        }
        assert_eq!(client.wait_exit(SOON), DISCONNECTED, "{}", client.log());
        let session = ended(&admin, &session, SOON);
        assert_eq!(text(&session, "close_code"), "target_closed", "{session:#}");
        assert_eq!(text(&session, "status"), "Completed", "{session:#}");
    }
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);
}

/// Another picture every now and then.
const SLIDES: &str =
    "xterm -geometry 80x20+40+40 -e sh -c 'while :; do date +%N; sleep 0.4; done' &
n=0; while :; do n=$((n + 1)); xsetroot -solid \"#20$((30 + n % 60))40\"; sleep 0.4; done
";

/// Was this ever to be seen in what the tape holds?
fn was_shown(tape: &Path, picture: &Picture) -> bool {
    let mut desktop = None;
    let mut looks = 0;
    for timed in entries(tape) {
        match (timed.entry, &mut desktop) {
            (Entry::DesktopBegun(begun), desktop) => *desktop = Some(Desktop::new(&begun)),
            (Entry::FromTarget { pdus }, Some(desktop)) => {
                desktop.from_target(&pdus, Duration::ZERO);
                looks += 1;
                if desktop.image().is_some_and(|image| is_same(image, picture)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    println!("{looks} pictures, none of which is the one");
    false
}

fn is_same(image: sallyport_recorder::picture::Image<'_>, picture: &Picture) -> bool {
    (usize::from(image.width), usize::from(image.height)) == (picture.width, picture.height)
        && image
            .data
            .chunks_exact(image.stride)
            .zip(picture.rgb.chunks_exact(picture.width * 3))
            .all(|(row, shown)| {
                let pixels = row.chunks_exact(4).zip(shown.chunks_exact(3));
                let mut pixels = pixels.map(|(pixel, shown)| pixel[..3] == *shown);
                pixels.all(|same| same)
            })
}

#[test]
fn nothing_that_was_shown_is_missing_after_kill_9() {
    let xrdp = Xrdp::builder().desktop(SLIDES).start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    for round in 0..3 {
        let mut client = gateway.xfreerdp("alice+desk").start();
        client.wait_until("slides", PATIENCE, |picture| {
            picture.contains_color([255; 3], 0.0) && picture.contains_color([0; 3], 0.0)
        });
        let session = gateway.session_with(&gateway.api("bob"), "desk", "Logged In");
        std::thread::sleep(Duration::from_millis(700 + 300 * round));
        // Between two slides.
        let seen = client.display().settled(PATIENCE);
        gateway.kill();
        client.wait_exit(PATIENCE);
        let tape = tapes(gateway.data()).pop().unwrap();
        gateway.launch();
        let report = verify(&tape).unwrap();
        assert!(report.is_whole() && report.finished(), "{report:?}");
        let mut program = gateway.program();
        program.arg("verify").arg(&tape);
        run(program, PATIENCE).ok();
        assert!(was_shown(&tape, &seen), "round {round}");
        let admin = gateway.api("bob");
        let session = ended(&admin, &session, SOON);
        assert_eq!(text(&session, "close_code"), "node_lost", "{session:#}");
        let path = format!("/api/v1/sessions/{}/connections", text(&session, "id"));
        let connections = admin.get(&path).expect(200).json();
        let connection: &Value = &items(&connections)[0];
        assert_eq!(connection["cause"], "node_lost", "{connection:#}");
        assert!(connection["bytes_out"].as_u64() > Some(10_000));
    }
}
