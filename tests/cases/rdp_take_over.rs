//! Taking control of a desktop that one watches.

use std::path::Path;
use std::time::{Duration, Instant};

use sallyport_dissect::rdp::frame::{self, Kind};
use sallyport_dissect::rdp::input::{self, Event as Typed};
use sallyport_recorder::Entry;
use sallyport_tests::harness::{
    Api, Frame, Gateway, NOTEPAD, Rdp, RdpHost, Shadow, Watcher, Xrdp, entries, eventually,
    passwords, tapes,
};
use serde_json::{Value, json};

use super::rdp_common::{IDLE, PATIENCE, desktop, ended, order, show, write};
use super::{SOON, events, text};

/// Scancodes of the keys that are typed here.
const KEYS: [(char, u8); 8] = [
    ('b', 0x30),
    ('o', 0x18),
    ('h', 0x23),
    ('i', 0x17),
    (' ', 0x39),
    ('e', 0x12),
    ('r', 0x13),
    ('\n', 0x1c),
];
const SHIFT: u8 = 0x2a;
const CAPS: u8 = 0x3a;

/// Asks for control and waits until it is given.
#[track_caller]
fn take(watcher: &Watcher, mode: &str) {
    watcher.say(json!({ "type": "take", "mode": mode }));
    let control = watcher.wait_json("control", SOON);
    assert_eq!(
        control,
        json!({ "type": "control", "yours": true, "mode": mode })
    );
}

/// Waits until control is no longer the viewer's, and answers why.
#[track_caller]
fn wait_lost(watcher: &Watcher) -> String {
    let lost = |frame: &Frame| matches!(frame, Frame::Json(json) if json["yours"] == false);
    match watcher.wait("control is lost", SOON, lost).1 {
        Frame::Json(json) => text(&json, "reason").to_owned(),
        Frame::Bytes(_) | Frame::Closed(_) => String::new(),
    }
}

/// Types at the notepad, key by key.
fn keys(watcher: &Watcher, typed: &str) {
    watcher.say(json!({ "type": "mouse", "x": NOTEPAD.0, "y": NOTEPAD.1 }));
    for letter in typed.chars() {
        let (_, scancode) = KEYS.into_iter().find(|(key, _)| *key == letter).unwrap();
        for down in [true, false] {
            watcher.say(json!({ "type": "key", "scancode": scancode, "down": down }));
        }
    }
}

/// Why somebody lost control, by the session's log.
#[track_caller]
fn released(api: &Api, session: &Value) -> Vec<String> {
    let all = events(api, text(session, "id"));
    let of_control = all
        .iter()
        .filter(|event| event["kind"] == "control.released");
    of_control
        .map(|event| text(&event["detail"], "why").to_owned())
        .collect()
}

/// Whose the keys on a tape are that went by the fast path, in their order.
fn owners(tape: &Path) -> Vec<String> {
    let mut owners: Vec<String> = Vec::new();
    let mut of = |owner: &str, pdus: &[u8]| {
        for found in frame::whole(pdus) {
            let (start, found) = found.unwrap();
            if found.kind != Kind::FastPath {
                continue;
            }
            let keys = input::events(&pdus[start..start + found.len]).unwrap();
            let keys = keys.iter().filter_map(|(event, _)| match event {
                Typed::Key(key) => Some(key.code),
                _ => None,
            });
            for code in keys {
                assert_eq!(code, 0, "what was typed is not on the tape");
                owners.push(owner.to_owned());
            }
        }
    };
    for timed in entries(tape) {
        match timed.entry {
            Entry::FromClient { pdus } => of("user", &pdus),
            Entry::FromViewer { viewer, pdus } => of(&viewer, &pdus),
            _ => {}
        }
    }
    owners.dedup();
    owners
}

#[test]
fn an_administrator_takes_a_desktop_over_and_gives_it_back() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "before\n");
    target.notepad.wait_typed("before\n", PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let id = text(&session, "id");
    let watcher = Watcher::start(&gateway, &admin, id);
    watcher.wait_json("live", SOON);

    // Held down when control is taken: what the other one types is not in capitals.
    client.display().hold("Shift_L");
    take(&watcher, "exclusive");
    client.wait_says("bob has taken control.", PATIENCE);
    assert_eq!(text(&show(&admin, &session), "controlled_by"), "bob");
    client.display().release("Shift_L");
    client.display().type_text("lost\n");
    keys(&watcher, "bob\n");
    target.notepad.wait_typed("before\nbob\n", PATIENCE);
    client.display().type_text("lost\n");
    watcher.say(json!({ "type": "text", "text": "Room 101\n" }));
    target
        .notepad
        .wait_typed("before\nbob\nRoom 101\n", PATIENCE);
    let second = Watcher::start(&gateway, &admin, id);
    second.wait_json("live", SOON);
    second.say(json!({ "type": "take" }));
    let refused = second.wait_json("refused", SOON);
    assert!(text(&refused, "reason").contains("bob is in control"));
    // He holds a key as well when he gives it back, and leaves Caps Lock on.
    for down in [true, false] {
        watcher.say(json!({ "type": "key", "scancode": CAPS, "down": down }));
    }
    keys(&watcher, "o");
    target
        .notepad
        .wait_typed("before\nbob\nRoom 101\nO", PATIENCE);
    watcher.say(json!({ "type": "key", "scancode": SHIFT, "down": true }));
    watcher.say(json!({ "type": "release" }));
    assert!(wait_lost(&watcher).contains("gave control back"));
    client.wait_says("bob is no longer in control.", PATIENCE);
    assert_eq!(show(&admin, &session)["controlled_by"], Value::Null);
    keys(&watcher, "oh\n");
    watcher.wait_json("refused", SOON);
    write(&client, &target, "after\n");
    target
        .notepad
        .wait_typed("before\nbob\nRoom 101\nOafter\n", PATIENCE);

    assert_eq!(released(&admin, &session), ["handed_back"]);
    let taken = events(&admin, id);
    let taken = taken.iter().find(|event| event["kind"] == "control.taken");
    assert_eq!(taken.unwrap()["detail"]["viewer"], "bob");
    order(&admin, &session, "terminate", json!({})).expect(200);
    client.wait_exit(PATIENCE);
    let tape = tapes(gateway.data()).remove(0);
    assert_eq!(owners(&tape), ["user", "bob", "user"]);
}

#[test]
fn control_is_shared_ended_by_a_lock_and_by_leaving_and_not_for_auditors() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let (admin, auditor) = (gateway.api("bob"), gateway.api("carol"));
    let client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "one\n");
    target.notepad.wait_typed("one\n", PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let id = text(&session, "id");
    let only_watches = Watcher::start(&gateway, &auditor, id);
    only_watches.wait_json("live", SOON);
    only_watches.say(json!({ "type": "take" }));
    let refused = only_watches.wait_json("refused", SOON);
    assert!(text(&refused, "reason").contains("only administrators"));

    let watcher = Watcher::start(&gateway, &admin, id);
    watcher.wait_json("live", SOON);
    take(&watcher, "shared");
    keys(&watcher, "hi ");
    target.notepad.wait_typed("one\nhi ", PATIENCE);
    write(&client, &target, "alice ");
    target.notepad.wait_typed("one\nhi alice ", PATIENCE);
    keys(&watcher, "here\n");
    target.notepad.wait_typed("one\nhi alice here\n", PATIENCE);
    order(&admin, &session, "lock", json!({ "title": "Halt" })).expect(200);
    assert!(wait_lost(&watcher).contains("taken from you"));
    keys(&watcher, "oh\n");
    watcher.wait_json("refused", SOON);
    watcher.say(json!({ "type": "take" }));
    let locked = |frame: &Frame| matches!(frame, Frame::Json(json) if json["reason"] == "the session is locked");
    watcher.wait("a lock is told", SOON, locked);
    order(&admin, &session, "unlock", json!({})).expect(200);
    drop(watcher);

    let watcher = Watcher::start(&gateway, &admin, id);
    watcher.wait_json("live", SOON);
    take(&watcher, "exclusive");
    keys(&watcher, "h");
    target.notepad.wait_typed("one\nhi alice here\nh", PATIENCE);
    drop(watcher);
    eventually("leaving gives it back", SOON, || {
        (released(&admin, &session) == ["locked", "left"]).then_some(())
    });
    write(&client, &target, "i\n");
    target
        .notepad
        .wait_typed("one\nhi alice here\nhi\n", PATIENCE);
    drop(client);
    let tape = tapes(gateway.data()).remove(0);
    assert_eq!(owners(&tape), ["user", "bob", "user", "bob", "user"]);
}

/// rdesktop sends its input by the slow path.
#[test]
fn whoever_has_control_keeps_out_slow_path_input_as_well() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let login = Rdp::rdesktop(gateway.rdp_port).login("alice+desk", &passwords("alice"));
    let client = desktop(login);
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "before\n");
    target.notepad.wait_typed("before\n", PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let watcher = Watcher::start(&gateway, &admin, text(&session, "id"));
    watcher.wait_json("live", SOON);
    client.display().hold("Shift_L");
    take(&watcher, "exclusive");
    client.display().type_text("lost\n");
    keys(&watcher, "bob\n");
    target.notepad.wait_typed("before\nbob\n", PATIENCE);
    client.display().release("Shift_L");
    watcher.say(json!({ "type": "release" }));
    wait_lost(&watcher);
    write(&client, &target, "after\n");
    target.notepad.wait_typed("before\nbob\nafter\n", PATIENCE);
    drop(client);
    // Those of the user were not by the fast path.
    assert_eq!(owners(&tapes(gateway.data()).remove(0)), ["bob"]);
}

#[test]
fn what_the_controller_does_keeps_the_session_alive() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .profile("{ name: lazy, max_duration: 1h, idle_timeout: 6s, recording: strict }")
        .rdp_host(RdpHost::new("shadow", shadow.port()).profiles(&["lazy"]))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+shadow"));
    let session = gateway.session_with(&admin, "shadow", "Logged In");
    let watcher = Watcher::start(&gateway, &admin, text(&session, "id"));
    watcher.wait_json("live", SOON);
    take(&watcher, "exclusive");
    let start = Instant::now();
    let mut typed = String::new();
    while start.elapsed() < Duration::from_secs(10) {
        keys(&watcher, "hi ");
        typed.push_str("hi ");
        std::thread::sleep(Duration::from_millis(500));
    }
    shadow.notepad.wait_typed(&typed, PATIENCE);
    assert!(client.alive());
    drop(watcher);
    assert_eq!(client.wait_exit(PATIENCE), IDLE);
    let session = ended(&admin, &session, SOON);
    assert_eq!(text(&session, "close_code"), "idle");
}
