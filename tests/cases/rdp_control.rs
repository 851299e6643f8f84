//! Orders to live sessions on desktops, and limits: what the user sees, and what her client says.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_tests::harness::{Gateway, NOTEPAD, RdpHost, Xrdp, signal, wait_until};
use serde_json::json;

use super::rdp_common::{
    CANCELLED, DISCONNECTED, IDLE, PATIENCE, desktop, ended, order, wait_nothing_open, write,
};
use super::{SOON, events, text};

/// FreeRDP's exit status for a session that lasted long enough (`LOGON_TIMEOUT`).
const OVER: i32 = 4;

#[test]
fn orders_to_end_take_effect_at_once_and_the_client_knows_why() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    for (api, verb, status, words, exit) in [
        (
            &admin,
            "terminate",
            "Canceled",
            "Closed by administrator bob: out of hours",
            DISCONNECTED,
        ),
        (
            &admin,
            "end",
            "Canceled",
            "Closed by administrator bob: out of hours",
            DISCONNECTED,
        ),
        (&alice, "end", "Completed", "Closed by user", CANCELLED),
    ] {
        let mut client = desktop(gateway.xfreerdp("alice+desk"));
        let session = gateway.session_with(&admin, "desk", "Logged In");
        let start = Instant::now();
        order(api, &session, verb, json!({ "reason": "out of hours" })).expect(200);
        let exited = client.wait_exit(PATIENCE);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{verb}: {took:?}");
        assert_eq!(exited, exit, "{verb}: {}", client.log());
        let session = ended(&admin, &session, SOON);
        assert_eq!(text(&session, "status"), status);
        assert_eq!(text(&session, "close_reason"), words);
    }
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);
}

#[test]
fn a_client_that_does_not_read_is_cut_all_the_same() {
    let xrdp = Xrdp::builder().desktop(super::rdp_common::BUSY).start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let client = desktop(gateway.xfreerdp("alice+desk"));
    let session = gateway.session_with(&admin, "desk", "Logged In");
    signal(client.pid(), Signal::STOP);
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    order(&admin, &session, "terminate", json!({})).expect(200);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    ended(&admin, &session, SOON);
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);
}

#[test]
fn limits_end_a_session_with_their_own_words() {
    let xrdp = Xrdp::start();
    let other = Xrdp::start();
    let gateway = Gateway::builder()
        .profile("{ name: brief, max_duration: 20s, end_notice: [12s], recording: strict }")
        .profile("{ name: lazy, max_duration: 1h, idle_timeout: 8s, recording: strict }")
        .rdp_host(RdpHost::new("brief", xrdp.port()).profiles(&["brief"]))
        .rdp_host(RdpHost::new("lazy", other.port()).profiles(&["lazy"]))
        .start();
    let admin = gateway.api("bob");
    let mut brief = gateway.xfreerdp("alice+brief").start();
    let mut lazy = gateway.xfreerdp("alice+lazy").start();
    brief.wait_says("This session ends in 12 seconds", PATIENCE);
    let session = gateway.session_with(&admin, "brief", "Logged In");
    let end = super::time(&session, "scheduled_end");
    assert_eq!(lazy.wait_exit(PATIENCE), IDLE, "{}", lazy.log());
    assert_eq!(brief.wait_exit(PATIENCE), OVER, "{}", brief.log());
    let late = (chrono::Utc::now() - end).num_milliseconds();
    assert!((-100..3000).contains(&late), "{late} ms after the end");
    for (host, code, words) in [
        (
            "brief",
            "deadline",
            "The maximum duration of the session was reached",
        ),
        ("lazy", "idle", "Idle timeout has expired"),
    ] {
        let session = gateway.session_with(&admin, host, "Completed");
        assert_eq!(text(&session, "close_code"), code);
        assert_eq!(text(&session, "close_reason"), words);
    }
}

#[test]
fn who_types_or_moves_the_mouse_is_not_idle() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .profile("{ name: lazy, max_duration: 1h, idle_timeout: 6s, recording: strict }")
        .rdp_host(RdpHost::new("lazy", xrdp.port()).profiles(&["lazy"]))
        .start();
    let mut client = desktop(gateway.xfreerdp("alice+lazy"));
    let start = Instant::now();
    let mut x = 100;
    while start.elapsed() < Duration::from_secs(10) {
        x += 1;
        client.display().move_to(x, 300);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(client.alive());
    assert_eq!(client.wait_exit(PATIENCE), IDLE);
}

#[test]
fn a_message_is_shown_for_a_while_and_leaves_no_trace() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    client.wait_same(&target, 0.0, PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let shown = Instant::now();
    order(
        &admin,
        &session,
        "message",
        json!({ "text": "backup at noon" }),
    )
    .expect(200);
    client.wait_says("Message from bob: backup at noon", PATIENCE);
    // She works on below it.
    write(&client, &target, "on and on\n");
    target.notepad.wait_typed("on and on\n", PATIENCE);
    let page = client.screenshot();
    assert!(page.says("Message from bob: backup at noon"));
    client.wait_until("the message is gone", PATIENCE, |picture| {
        !picture.says("Message from bob")
    });
    let took = shown.elapsed();
    assert!(took > Duration::from_secs(9), "{took:?}");
    client.wait_same(&target, 0.0, PATIENCE);
    let took = shown.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_policy_that_is_taken_away_ends_what_it_allowed() {
    let (xrdp, other) = (Xrdp::start(), Xrdp::start());
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .rdp_host(RdpHost::new("other", other.port()))
        .start();
    let admin = gateway.api("bob");
    let mut gone = desktop(gateway.xfreerdp("alice+desk"));
    let mut stays = desktop(gateway.xfreerdp("alice+other"));
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let removed = admin.request("DELETE", "/api/v1/access-policies/desk-standard", None);
    assert!([200, 204].contains(&removed.status), "{}", removed.text());
    assert_eq!(gone.wait_exit(SOON), DISCONNECTED, "{}", gone.log());
    let session = ended(&admin, &session, SOON);
    assert_eq!(text(&session, "close_code"), "policy", "{session:#}");
    assert_eq!(text(&session, "status"), "Canceled", "{session:#}");
    let target = other.session(PATIENCE);
    write(&stays, &target, "still here");
    target.notepad.wait_typed("still here", PATIENCE);
    assert!(stays.alive());
    let mut refused = gateway.xfreerdp("alice+desk").start();
    refused.wait_says("no access policy lets you reach desk", PATIENCE);
}

#[test]
fn one_client_stands_still_and_the_other_works_on() {
    let busy = Xrdp::builder().desktop(super::rdp_common::BUSY).start();
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("busy", busy.port()))
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let mut still = desktop(gateway.xfreerdp("alice+busy"));
    let mut works = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    works.point_at(&target, NOTEPAD, PATIENCE);
    let before = gateway.rss_kib();
    signal(still.pid(), Signal::STOP);
    for line in ["one\n", "two\n", "three\n", "four\n"] {
        std::thread::sleep(Duration::from_secs(1));
        let start = Instant::now();
        target.notepad.clear();
        works.display().type_text(line);
        target.notepad.wait_typed(line, PATIENCE);
        works.wait_same(&target, 0.0, PATIENCE);
        assert!(start.elapsed() < Duration::from_secs(8), "{line}");
    }
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 24 << 10, "{grown} KiB more");
    signal(still.pid(), Signal::CONT);
    let stood = still.screenshot();
    still.wait_until("it goes on", PATIENCE, |now| now.differing(&stood, 0.0) > 0);
    assert!(still.alive());
    let admin = gateway.api("bob");
    for host in ["busy", "desk"] {
        let session = gateway.session_with(&admin, host, "Logged In");
        assert!(!events(&admin, text(&session, "id")).is_empty());
    }
    drop((still, works));
    wait_until("both are gone", PATIENCE, || gateway.tasks().0 == 0);
}
