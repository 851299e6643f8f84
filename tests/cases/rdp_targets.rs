//! Desktops that are not what they should be, connections that break, and the gateway itself going.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::Signal;
use sallyport_recorder::picture::Desktop;
use sallyport_recorder::{Entry, Timed, verify};
use sallyport_tests::harness::{
    Daemon, Gateway, Picture, RdpClient, RdpHost, Shadow, Xrdp, entries, run, signal, tapes,
    wait_until,
};
use serde_json::Value;

use super::rdp_common::{DENIED, DISCONNECTED, PATIENCE, desktop, ended, wait_nothing_open, write};
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

/// When something came from the target, as far as it is a tenth of a picture's time apart.
fn bursts(tape: &Path) -> Vec<Duration> {
    let from_target = |timed: &Timed| matches!(timed.entry, Entry::FromTarget { .. });
    let mut found: Vec<Duration> = Vec::new();
    let mut last = Duration::ZERO;
    for timed in entries(tape).iter().filter(|timed| from_target(timed)) {
        if timed.at.saturating_sub(last) > Duration::from_millis(10) {
            found.push(timed.at);
        }
        last = timed.at;
    }
    found
}

#[test]
fn a_target_that_counts_frames_does_not_wait_for_them() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .start();
    let client = gateway.xfreerdp("alice+shadow").depth(32).option("/rfx");
    let _client = desktop(client);
    let mut restless = shadow.display().program("sh");
    restless.args([
        "-c",
        "while :; do for c in 203040 304050; do xsetroot -solid \"#$c\"; sleep 0.02; done; done",
    ]);
    let _restless = Daemon::spawn(restless);
    // Of the first frames it does not ask what became of them.
    std::thread::sleep(Duration::from_secs(4));
    let tape = tapes(gateway.data()).remove(0);
    let before = bursts(&tape).len();
    std::thread::sleep(Duration::from_secs(4));
    let drawn = bursts(&tape).len() - before;
    // One a second, if nobody tells it that they arrive; sixteen and more, if the machine has time.
    assert!(drawn > 12, "{drawn} pictures in four seconds");
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
    let path = format!("/api/v1/sessions/{}/connections", text(&session, "id"));
    let connections = admin.get(&path).expect(200).json();
    assert_eq!(text(&items(&connections)[0], "cause"), "client_lost");
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

/// A background of another color again and again, none of them twice.
const COLORS: &str =
    "n=0; while :; do n=$((n + 1)); xsetroot -solid $(printf '#20%04x' $n); sleep 0.03; done
";
/// From one of the pixels that are compared to the next.
const STEP: usize = 97;

/// Waits until some colors have been shown.
fn wait_colors(client: &mut RdpClient) {
    let mut shown = [0; 3];
    for _ in 0..3 {
        let picture = client.wait_until("another color", PATIENCE, |picture| {
            let now = picture.pixel(STEP, STEP);
            now[0] == 0x20 && now != shown
        });
        shown = picture.pixel(STEP, STEP);
    }
}

/// Some of the pixels of a picture, each with its place.
fn pixels(picture: &Picture) -> HashSet<(usize, [u8; 3])> {
    let pixels = picture.rgb.chunks_exact(3).enumerate().step_by(STEP);
    pixels
        .map(|(at, rgb)| (at, [rgb[0], rgb[1], rgb[2]]))
        .collect()
}

/// Those of the pixels that were never to be seen in what the tape holds.
fn never_seen(tape: &Path, picture: &Picture) -> usize {
    let mut left = pixels(picture);
    let mut desktop = None;
    for timed in entries(tape) {
        match (timed.entry, &mut desktop) {
            (Entry::DesktopBegun(begun), desktop) => *desktop = Some(Desktop::new(&begun)),
            (Entry::FromTarget { pdus }, Some(desktop)) => {
                desktop.from_target(&pdus, Duration::ZERO);
                let Some(image) = desktop.image() else {
                    continue;
                };
                assert_eq!(usize::from(image.width), picture.width);
                left.retain(|(at, rgb)| {
                    let (x, y) = (at % picture.width, at / picture.width);
                    image.data[y * image.stride + x * 4..][..3] != *rgb
                });
            }
            _ => {}
        }
    }
    left.len()
}

#[test]
fn nothing_that_was_shown_is_missing_after_kill_9() {
    let xrdp = Xrdp::builder().desktop(COLORS).start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    for round in 0..3 {
        let mut client = gateway.xfreerdp("alice+desk").start();
        wait_colors(&mut client);
        let session = gateway.session_with(&gateway.api("bob"), "desk", "Logged In");
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(10..500)));
        // It would close its window.
        signal(client.pid(), Signal::STOP);
        gateway.kill();
        let seen = client.screenshot();
        drop(client);
        let tape = tapes(gateway.data()).pop().unwrap();
        gateway.launch();
        let report = verify(&tape).unwrap();
        assert!(report.is_whole() && report.finished(), "{report:?}");
        let mut program = gateway.program();
        program.arg("verify").arg(&tape);
        run(program, PATIENCE).ok();
        assert!(pixels(&seen).len() > 5000);
        assert_eq!(never_seen(&tape, &seen), 0, "round {round}");
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

#[test]
fn keys_are_recorded_if_the_profile_says_so_and_no_password_is_likely() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .profile("{ name: keys, max_duration: 1h, recording: strict, keystrokes: true }")
        .rdp_host(RdpHost::new("keys", xrdp.port()).profiles(&["keys"]))
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut logs = Vec::new();
    for host in ["keys", "desk"] {
        let client = desktop(gateway.xfreerdp(&format!("alice+{host}")));
        let target = xrdp.session(PATIENCE);
        let before = target.notepad.typed();
        write(&client, &target, "Who am I?\n");
        let line = format!("{before}Who am I?\n");
        target.notepad.wait_typed(&line, PATIENCE);
        client.display().key("ctrl+alt+Delete");
        client.display().type_text("hunter2\n");
        // The terminal makes something of Ctrl+Alt+Del, too.
        wait_until("the password has arrived", PATIENCE, || {
            target.notepad.typed().ends_with("hunter2\n")
        });
        let session = gateway.session_with(&admin, host, "Logged In");
        client.close();
        ended(&admin, &session, SOON);
        let tape = tapes(gateway.data()).pop().unwrap();
        let words = ["recordings", "export", "--format", "text"];
        let export = gateway.cli("bob", &[&words[..], &[tape.to_str().unwrap()]].concat());
        logs.push(run(export, PATIENCE).ok().text());
    }
    let [with, without] = [&logs[0], &logs[1]];
    assert!(with.contains("< alice: Who am I?[Enter]"), "{with}");
    assert!(with.contains("keys not recorded)"), "{with}");
    assert!(!with.contains("hunter2"), "{with}");
    assert!(without.contains("keys not recorded)"), "{without}");
    assert!(!without.contains("[Enter]"), "{without}");
}
