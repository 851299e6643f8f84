//! Watching a live session: the current screen first, then everything within a second, and the user is told.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sallyport_tests::harness::{Daemon, Frame, Gateway, Tty, Watcher};

use super::{SOON, items, text};

/// What a viewer's terminal shows.
fn painted(watcher: &Watcher, cols: u16, rows: u16) -> String {
    let mut screen = vt100::Parser::new(rows, cols, 0);
    for (_, frame) in watcher.frames() {
        if let Frame::Bytes(bytes) = frame {
            screen.process(&bytes);
        }
    }
    screen.screen().contents()
}

#[test]
fn a_viewer_sees_the_screen_and_then_every_key() {
    let gateway = Gateway::start();
    let admin = gateway.api("carol");
    let tty = gateway.shell("alice+web");
    tty.line("clear; echo earlier-$((40+2))");
    tty.wait_screen("earlier-42", SOON);
    let session = gateway.session_with(&admin, "web", "Logged In");
    let watcher = Watcher::start(&gateway, &admin, text(&session, "id"));
    let hello = watcher.wait_json("hello", SOON);
    assert_eq!(
        (text(&hello, "session"), &hello["cols"], &hello["rows"]),
        (text(&session, "id"), &80.into(), &24.into())
    );
    watcher.wait("the screen", SOON, |frame| matches!(frame, Frame::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("earlier-42")));
    tty.wait_screen("carol is now watching this session.", SOON);

    for n in 0..5 {
        let word = format!("lag-{n}-{}", n * 7);
        tty.line(&format!("echo lag-{n}-$(({n}*7))"));
        tty.wait_screen(&format!("\n{word}"), SOON);
        let seen = Instant::now();
        while !watcher.text().contains(&word) {
            assert!(
                seen.elapsed() < Duration::from_secs(1),
                "the viewer is more than a second behind"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // The gateway's own words to the user are not the target's: the viewer does not have them.
    let mine = tty.screen();
    let words = |line: &&str| !line.contains("[sallyport]");
    let last = |screen: &str| {
        screen
            .lines()
            .filter(words)
            .rev()
            .take(8)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(last(&painted(&watcher, 80, 24)), last(&mine));
    tty.resize(100, 30);
    let resize = watcher.wait_json("resize", SOON);
    assert_eq!(
        (&resize["cols"], &resize["rows"]),
        (&100.into(), &30.into())
    );

    // Somebody else comes later and sees the same.
    tty.line("echo later-$((6*7))");
    tty.wait_screen("later-42", SOON);
    let second = Watcher::start(&gateway, &gateway.api("bob"), text(&session, "id"));
    second.wait("the screen", SOON, |frame| matches!(frame, Frame::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("later-42")));
    assert!(painted(&second, 100, 30).contains("lag-4-28"));
    drop(watcher);
    tty.wait_screen("carol is no longer watching this session.", SOON);
    tty.line("exit");
    let end = second.wait_json("end", SOON);
    assert!(end["reason"].is_string(), "{end:#}");

    let audit = gateway
        .api("bob")
        .get("/api/v1/audit?page_size=100")
        .expect(200)
        .json();
    let watched = items(&audit).iter().filter(|row| {
        row.to_string().contains(text(&session, "id"))
            && text(row, "action").contains("viewer-joined")
    });
    assert!(watched.count() >= 2, "{audit:#}");
}

#[test]
fn a_viewer_of_a_flood_keeps_up_and_harms_nobody() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let watcher = Watcher::start(&gateway, &admin, text(&session, "id"));
    watcher.wait_json("hello", SOON);
    tty.line("seq 1 300000; echo flood-$((40+2))");
    tty.wait_for("flood-42", Duration::from_secs(30));
    let start = Instant::now();
    while !watcher.text().contains("flood-42") {
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "the viewer does not catch up"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_viewer_of_a_locked_session_sees_what_goes_on() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    tty.line("(sleep 2; echo UNDER-$((1+1))) &");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let id = text(&session, "id");
    admin
        .post(
            &format!("/api/v1/sessions/{id}/lock"),
            serde_json::json!({ "title": "Halt" }),
        )
        .expect(200);
    tty.wait_screen("Halt", SOON);
    let watcher = Watcher::start(&gateway, &admin, id);
    watcher.wait("the output under the lock", SOON, |frame| matches!(frame, Frame::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("UNDER-2")));
    assert!(!tty.screen().contains("UNDER-2"));
}

#[test]
fn only_who_may_watches() {
    let gateway = Gateway::start();
    let _tty = gateway.shell("alice+web");
    let session = gateway.session_with(&gateway.api("bob"), "web", "Logged In");
    // dave owns the account: he sees the session, watching needs more.
    for (who, status) in [("dave", "403"), ("erin", "404"), ("robot", "404")] {
        let watcher = Watcher::start(&gateway, &gateway.api(who), text(&session, "id"));
        let (_, frame) = watcher.wait("a refusal", SOON, |frame| matches!(frame, Frame::Closed(_)));
        assert!(format!("{frame:?}").contains(status), "{who}: {frame:?}");
    }
    let nobody = Watcher::start(
        &gateway,
        &gateway.api("bob").with_token(Some("wrong")),
        text(&session, "id"),
    );
    let (_, frame) = nobody.wait("a refusal", SOON, |frame| matches!(frame, Frame::Closed(_)));
    assert!(format!("{frame:?}").contains("401"), "{frame:?}");
}

#[test]
fn the_command_line_watches_too() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    tty.line("clear; echo earlier-$((40+2))");
    tty.wait_screen("earlier-42", SOON);
    let session = gateway.session_with(&admin, "web", "Logged In");
    let id = text(&session, "id");

    let viewer = Tty::start(gateway.cli("bob", &["sessions", "watch", id]), 80, 24);
    viewer.wait_screen("earlier-42", SOON);
    tty.line("echo live-$((40+2))");
    let behind = viewer.wait_screen("live-42", SOON);
    assert!(behind < Duration::from_secs(1), "{behind:?}");
    viewer.send("q");
    viewer.wait_closed(SOON);
    assert_eq!(viewer.exit_code(SOON), Some(0));

    let file = gateway.dir().join("watched");
    let mut plain = gateway.cli("bob", &["sessions", "watch", id, "--plain"]);
    plain
        .stdout(std::fs::File::create(&file).unwrap())
        .stdin(Stdio::null());
    let mut plain = Daemon::spawn(plain);
    let seen = |word: &str| std::fs::read_to_string(&file).is_ok_and(|text| text.contains(word));
    sallyport_tests::harness::wait_until("the screen", SOON, || seen("live-42"));
    tty.line("echo piped-$((40+2)); exit");
    sallyport_tests::harness::wait_until("the output", SOON, || seen("piped-42"));
    assert!(
        plain
            .wait(SOON)
            .expect("it ends with the session")
            .success()
    );
}
