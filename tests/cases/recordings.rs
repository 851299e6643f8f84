//! Recordings: what is on them, playing them back, exporting, verifying.

use std::fs;
use std::time::Duration;

use sallyport_recorder::Entry;
use sallyport_tests::harness::{Gateway, Tty, entries, run, tapes, tool, wait_until};
use serde_json::Value;

use super::{SOON, items, noise, text};

/// A recorded terminal session with known words in it; answers its id.
fn recorded(gateway: &Gateway) -> String {
    let tty = gateway.shell("alice+web");
    tty.line("echo first-$((40+2))");
    tty.wait_screen("first-42", SOON);
    tty.resize(100, 30);
    std::thread::sleep(Duration::from_millis(1500));
    tty.line("echo \u{e4}\u{20ac}second-$((40+3))");
    tty.wait_screen("second-43", SOON);
    tty.line("exit");
    tty.wait_closed(SOON);
    text(
        &gateway.session_with(&gateway.api("bob"), "web", "Completed"),
        "id",
    )
    .to_owned()
}

#[test]
fn an_export_is_what_asciinema_plays() {
    let gateway = Gateway::start();
    let session = recorded(&gateway);
    let file = gateway.dir().join("out.cast");
    let path = file.display().to_string();
    run(
        gateway.cli(
            "carol",
            &[
                "recordings",
                "export",
                &session,
                "--format",
                "asciicast",
                "-o",
                &path,
            ],
        ),
        SOON,
    )
    .ok();
    let cast = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = cast
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (
            &lines[0]["version"],
            &lines[0]["width"],
            &lines[0]["height"]
        ),
        (&2.into(), &80.into(), &24.into())
    );
    let kinds: String = lines[1..]
        .iter()
        .filter_map(|event| event[1].as_str())
        .collect();
    for kind in ['o', 'i', 'r'] {
        assert!(kinds.contains(kind), "no `{kind}` event in {kinds}");
    }
    let times: Vec<f64> = lines[1..]
        .iter()
        .filter_map(|event| event[0].as_f64())
        .collect();
    assert!(
        times.is_sorted() && times.last().is_some_and(|last| (1.5..15.0).contains(last)),
        "{times:?}"
    );
    let mut asciinema = tool("asciinema");
    asciinema.args(["cat", &path]).env("HOME", gateway.dir());
    let mut in_terminal = Tty::start(asciinema, 100, 30);
    in_terminal.wait_for("second-43", SOON);
    in_terminal.wait_closed(SOON);
    assert_eq!(in_terminal.exit_code(SOON), Some(0));
    let mut play = tool("asciinema");
    play.args(["play", "-s", "20", &path])
        .env("HOME", gateway.dir());
    in_terminal = Tty::start(play, 100, 30);
    in_terminal.wait_for("\u{e4}\u{20ac}second-43", SOON);
    in_terminal.wait_closed(SOON);
    assert_eq!(in_terminal.exit_code(SOON), Some(0));

    let readable = run(
        gateway.cli(
            "carol",
            &["recordings", "export", &session, "--format", "text"],
        ),
        SOON,
    )
    .ok()
    .text();
    assert!(
        readable.contains("first-42") && readable.contains("second-43"),
        "{readable}"
    );
}

#[test]
fn replay_plays_pauses_seeks_and_skips() {
    let gateway = Gateway::start();
    let session = recorded(&gateway);
    let plain = run(
        gateway.cli("carol", &["recordings", "replay", &session, "--plain"]),
        SOON,
    )
    .ok();
    assert!(plain.text().contains("first-42") && plain.text().contains("second-43"));

    let player = Tty::start(
        gateway.cli(
            "carol",
            &[
                "recordings",
                "replay",
                &session,
                "--speed",
                "4",
                "--idle",
                "300ms",
            ],
        ),
        100,
        32,
    );
    player.wait_for("first-42", SOON);
    player.wait_for("second-43", SOON);
    player.send("q");
    player.wait_closed(SOON);
    assert_eq!(player.exit_code(SOON), Some(0));

    let player = Tty::start(
        gateway.cli(
            "carol",
            &["recordings", "replay", &session, "--speed", "0.2"],
        ),
        100,
        32,
    );
    player.send(" ");
    player.send("\x1b[C\x1b[C\x1b[C");
    player.wait_for("second-43", SOON);
    player.send("q");
    player.wait_closed(SOON);
}

#[test]
fn verify_finds_a_single_changed_byte() {
    let gateway = Gateway::start();
    let session = recorded(&gateway);
    run(
        gateway.cli("carol", &["recordings", "verify", &session]),
        SOON,
    )
    .ok();
    let tape = tapes(gateway.data()).pop().unwrap();
    let path = tape.display().to_string();
    // Without any server.
    let offline = |path: &str| {
        let mut program = gateway.program();
        program.args(["verify", path]);
        run(program, SOON)
    };
    let good = offline(&path).ok();
    assert!(
        good.text().contains("root") || good.text().contains("chain"),
        "{}",
        good.text()
    );
    offline(&gateway.data().join("tapes").display().to_string()).ok();
    let bytes = fs::read(&tape).unwrap();
    for at in [20, bytes.len() / 3, bytes.len() / 2, bytes.len() - 3] {
        let copy = gateway.dir().join("changed.tape");
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&copy, changed).unwrap();
        offline(&copy.display().to_string()).failed();
    }
    let cut = gateway.dir().join("cut.tape");
    fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    offline(&cut.display().to_string()).failed();
    let junk = gateway.dir().join("junk.tape");
    fs::write(&junk, noise(5000, 9)).unwrap();
    offline(&junk.display().to_string()).failed();
}

#[test]
fn a_tape_holds_both_directions_resizes_commands_and_markers() {
    let gateway = Gateway::start();
    let session = recorded(&gateway);
    gateway
        .ssh("alice+keyed")
        .exec_with("cat; echo worse >&2; exit 3", b"given".to_vec())
        .failed();
    gateway.session_with(&gateway.api("bob"), "keyed", "Completed");
    let mut all = String::new();
    for tape in tapes(gateway.data()) {
        let held = entries(&tape);
        assert!(
            held.is_sorted_by_key(|timed| timed.at),
            "time runs forwards"
        );
        for timed in held {
            let words = match timed.entry {
                Entry::Output { stderr, data, .. } => {
                    format!("out {stderr} {}", String::from_utf8_lossy(&data))
                }
                Entry::Input { data, .. } | Entry::InputRevealed { data, .. } => {
                    format!("in {}", String::from_utf8_lossy(&data))
                }
                Entry::Resize { cols, rows, .. } => format!("resize {cols} {rows}"),
                Entry::ChannelOpened { what, pty, .. } => format!("opened {what} {pty:?}"),
                Entry::Exit { status, .. } => format!("exit {status:?}"),
                Entry::Marker(event) => format!("marker {}", event.code()),
                _ => continue,
            };
            all.push_str(&words);
            all.push('\n');
        }
    }
    for held in [
        "resize 100 30",
        "second-43",
        "xterm-256color",
        "cat; echo worse",
        "in given",
        "out false given",
        "out true worse",
        "exit Some(3)",
        "marker session.logged_in",
    ] {
        assert!(all.contains(held), "{held:?} is not on the tapes:\n{all}");
    }
    let list = gateway
        .api("carol")
        .get("/api/v1/recordings")
        .expect(200)
        .json();
    assert_eq!(items(&list).len(), 2);
    assert!(list.to_string().contains(&session));
}

#[test]
fn bulk_is_recorded_as_a_digest() {
    let gateway = Gateway::start();
    let data = noise(40_000_000, 10);
    let back = gateway
        .ssh("alice+web")
        .limit(Duration::from_secs(60))
        .exec_with("cat", data.clone())
        .ok();
    assert!(back.out == data);
    gateway.session_with(&gateway.api("bob"), "web", "Completed");
    let tape = tapes(gateway.data()).pop().unwrap();
    let sum = <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&data));
    let digests: Vec<_> = entries(&tape)
        .into_iter()
        .filter_map(|timed| match timed.entry {
            Entry::BulkDigest {
                bytes,
                sha256,
                stream,
                ..
            } => Some((stream.as_str(), bytes, sha256 == sum)),
            _ => None,
        })
        .collect();
    assert!(digests.contains(&("out", 40_000_000, true)), "{digests:?}");
    assert!(digests.contains(&("in", 40_000_000, true)), "{digests:?}");
    let size = fs::metadata(&tape).unwrap().len();
    assert!(
        (16_000_000..45_000_000).contains(&size),
        "{size} bytes: the first 16 MiB of each direction, and no more"
    );
}

#[test]
fn recordings_are_for_those_who_may_see_them() {
    let gateway = Gateway::start();
    let session = recorded(&gateway);
    let list = gateway
        .api("carol")
        .get("/api/v1/recordings")
        .expect(200)
        .json();
    let id = text(&items(&list)[0], "id").to_owned();
    for (who, status) in [
        ("bob", 200),
        ("carol", 200),
        ("alice", 403),
        ("dave", 403),
        ("erin", 404),
        ("frank", 404),
        ("robot", 404),
    ] {
        for path in [
            format!("/api/v1/recordings/{id}"),
            format!("/api/v1/recordings/{id}/export?format=asciicast"),
        ] {
            let answer = gateway.api(who).get(&path);
            let same = answer.status == status || (status == 403 && answer.status == 404);
            assert!(same, "{who} {path}: {} {}", answer.status, answer.text());
        }
    }
    // Reading is an act on record.
    let audit = gateway.api("bob").get("/api/v1/audit?page_size=100").json();
    let reads = items(&audit)
        .iter()
        .filter(|row| text(row, "action").starts_with("recording."))
        .count();
    assert!(reads >= 2, "{audit:#}");
    drop(session);
}

#[test]
fn without_recording_nothing_is_written_but_events() {
    let gateway = Gateway::start();
    let out = gateway
        .ssh("alice+unrecorded")
        .exec("echo unrecorded-$((40+2))")
        .ok();
    assert_eq!(out.text(), "unrecorded-42\n");
    let session = gateway.session_with(&gateway.api("bob"), "unrecorded", "Completed");
    assert_eq!(text(&session, "recording_mode"), "off");
    for tape in tapes(gateway.data()) {
        assert!(!String::from_utf8_lossy(&fs::read(tape).unwrap()).contains("unrecorded-42"));
    }
    assert!(super::events(&gateway.api("bob"), text(&session, "id")).len() > 4);
}

#[test]
fn a_live_tape_is_whole_at_any_moment() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    tty.line("echo live-$((40+2))");
    tty.wait_screen("live-42", SOON);
    let tape = tapes(gateway.data()).pop().unwrap();
    // What stands on the user's screen is on the tape: no flush, no grace.
    assert!(
        String::from_utf8_lossy(&sallyport_tests::harness::recorded_output(&tape))
            .contains("live-42")
    );
    wait_until("the typed line is revealed", SOON, || {
        String::from_utf8_lossy(&sallyport_tests::harness::recorded_input(&tape).0)
            .contains("echo live-")
    });
}
