//! Orders to live sessions: who may give them, what the user sees, and when they have taken effect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_tests::harness::{Api, Gateway, Target, Tty, signal, tapes};
use serde_json::{Value, json};

use super::{SOON, events, items, text, time};

fn order(api: &Api, session: &Value, verb: &str, body: Value) -> sallyport_tests::harness::Answer {
    api.post(
        &format!("/api/v1/sessions/{}/{verb}", text(session, "id")),
        body,
    )
}

fn show(api: &Api, session: &Value) -> Value {
    api.get(&format!("/api/v1/sessions/{}", text(session, "id")))
        .expect(200)
        .json()
}

#[test]
fn a_message_is_shown_in_the_users_client() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let answer = order(
        &admin,
        &session,
        "message",
        json!({ "text": "back\u{7}up at noon" }),
    );
    assert_eq!(
        answer.status,
        422,
        "control characters are refused: {}",
        answer.text()
    );
    let answer = order(
        &admin,
        &session,
        "message",
        json!({ "text": "backup at noon" }),
    )
    .expect(200)
    .json();
    tty.wait_screen("Message from bob: backup at noon", SOON);
    assert!(
        time(&answer, "effective_at") >= time(&answer, "ordered_at"),
        "{answer:#}"
    );
    assert_eq!(
        answer["connections"].as_array().unwrap().len(),
        1,
        "{answer:#}"
    );
    tty.line("echo still-$((40+2))");
    tty.wait_screen("still-42", SOON);
}

#[test]
fn terminate_cuts_at_once_and_the_api_session_can_be_entered_again() {
    let gateway = Gateway::start();
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    let made = alice
        .post("/api/v1/sessions", json!({ "host": "web" }))
        .expect(201)
        .json();
    let session = made.get("session").unwrap_or(&made).clone();
    let tty = gateway.shell("alice+web");
    let start = Instant::now();
    let answer = order(
        &admin,
        &session,
        "terminate",
        json!({ "reason": "out of hours" }),
    )
    .expect(200)
    .json();
    tty.wait_closed(Duration::from_secs(1));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(
        tty.output()
            .contains("Closed by administrator bob: out of hours"),
        "{:?}",
        tty.output()
    );
    assert_eq!(
        answer["connections"].as_array().unwrap().len(),
        1,
        "{answer:#}"
    );
    sallyport_tests::harness::wait_until("it is available again", SOON, || {
        show(&admin, &session)["status"] == "Available"
    });
    gateway.ssh("alice+web").exec("true").ok();
    let tty = gateway.shell("alice+web");
    order(&admin, &session, "terminate", json!({ "cancel": true })).expect(200);
    tty.wait_closed(Duration::from_secs(1));
    sallyport_tests::harness::wait_until("it is canceled", SOON, || {
        show(&admin, &session)["status"] == "Canceled"
    });
    let done = order(&admin, &session, "terminate", json!({ "cancel": true })).expect(409);
    assert!(done.text().contains("ended"), "{}", done.text());
    // Whoever connects now is not in that session.
    gateway.ssh("alice+web").exec("true").ok();
    let newest = gateway.newest_session(&admin, "web").unwrap();
    assert_ne!(text(&newest, "id"), text(&session, "id"));
    let connections = admin
        .get(&format!(
            "/api/v1/sessions/{}/connections",
            text(&session, "id")
        ))
        .json();
    assert_eq!(items(&connections).len(), 3);
}

#[test]
fn end_is_completed_by_its_user_and_canceled_by_an_administrator() {
    let gateway = Gateway::start();
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    for (api, status, code, words) in [
        (&alice, "Completed", "user", "Closed by user"),
        (
            &admin,
            "Canceled",
            "admin",
            "Closed by administrator bob: enough",
        ),
    ] {
        let tty = gateway.shell("alice+web");
        let session = gateway.session_with(&admin, "web", "Logged In");
        order(api, &session, "end", json!({ "reason": "enough" })).expect(200);
        tty.wait_closed(Duration::from_secs(2));
        sallyport_tests::harness::wait_until("it has ended", SOON, || {
            show(&admin, &session)["ended_at"].is_string()
        });
        let session = show(&admin, &session);
        assert_eq!(
            (text(&session, "status"), text(&session, "close_code")),
            (status, code)
        );
        assert_eq!(text(&session, "close_reason"), words);
        assert!(tty.output().contains(words), "{:?}", tty.output());
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_all_the_same() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = Tty::start(
        gateway
            .ssh("alice+web")
            .terminal("yes a stream without an end"),
        80,
        24,
    );
    tty.wait_for("without an end", SOON);
    signal(tty.pid(), Signal::STOP);
    let session = gateway.session_with(&admin, "web", "Logged In");
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let answer = order(&admin, &session, "terminate", json!({ "cancel": true }))
        .expect(200)
        .json();
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(answer["effective_at"].is_string(), "{answer:#}");
    sallyport_tests::harness::wait_until("it is canceled", SOON, || {
        show(&admin, &session)["status"] == "Canceled"
    });
    signal(tty.pid(), Signal::CONT);
    tty.wait_closed(SOON);
}

#[test]
fn only_administrators_of_its_scope_control_a_session() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    let session = gateway.session_with(&gateway.api("bob"), "web", "Logged In");
    for (who, verb, body, status) in [
        ("alice", "lock", json!({}), 403),
        ("alice", "terminate", json!({}), 403),
        ("alice", "message", json!({ "text": "x" }), 403),
        ("carol", "lock", json!({}), 403),
        ("carol", "end", json!({}), 403),
        // dave owns the account that is used: he sees the session, but may not touch it.
        ("dave", "terminate", json!({}), 403),
        ("erin", "terminate", json!({}), 404),
        ("frank", "lock", json!({}), 404),
        ("robot", "terminate", json!({}), 404),
    ] {
        let answer = order(&gateway.api(who), &session, verb, body);
        assert_eq!(answer.status, status, "{who} {verb}: {}", answer.text());
    }
    order(&gateway.api("bob"), &session, "unlock", json!({})).expect(409);
    tty.line("echo still-$((40+2))");
    tty.wait_screen("still-42", SOON);
}

#[test]
fn every_order_is_in_the_audit_trail_with_its_answer() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let _tty = gateway.shell("alice+web");
    let session = gateway.session_with(&admin, "web", "Logged In");
    order(
        &admin,
        &session,
        "lock",
        json!({ "title": "Stop", "message": "please" }),
    )
    .expect(200);
    order(&admin, &session, "unlock", json!({})).expect(200);
    order(&admin, &session, "message", json!({ "text": "hello" })).expect(200);
    order(&admin, &session, "extend", json!({ "by": "1m" })).expect(200);
    order(
        &admin,
        &session,
        "terminate",
        json!({ "cancel": true, "reason": "why" }),
    )
    .expect(200);
    let audit = gateway
        .api("carol")
        .get("/api/v1/audit?page_size=100&sort=seq")
        .expect(200)
        .json();
    let of_session = |row: &&Value| row.to_string().contains(text(&session, "id"));
    let actions: Vec<String> = items(&audit)
        .iter()
        .filter(of_session)
        .map(|row| text(row, "action").to_owned())
        .collect();
    for verb in ["lock", "unlock", "message", "extend", "terminate"] {
        let orders = actions
            .iter()
            .filter(|action| action.ends_with(&format!(".{verb}")))
            .count();
        assert_eq!(orders, 1, "{verb}: {actions:?}");
    }
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "command.answered")
            .count(),
        5,
        "{actions:?}"
    );
    let lock = items(&audit)
        .iter()
        .find(|row| text(row, "action").ends_with(".lock"))
        .unwrap()
        .to_string();
    for part in [
        "bob",
        "Bob",
        "Probe",
        "bob@acme.example",
        "local",
        "127.0.0.1",
        "Stop",
        "please",
    ] {
        assert!(lock.contains(part), "{part} is missing in {lock}");
    }
    sallyport_tests::harness::run(gateway.cli("admin", &["audit", "verify"]), SOON).ok();
}

#[test]
fn many_sessions_are_ended_at_once() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let ttys: Vec<_> = ["web", "effort", "keyed"]
        .map(|host| gateway.shell(&format!("alice+{host}")))
        .into();
    let mut ids: Vec<Value> = ["web", "effort", "keyed"]
        .map(|host| gateway.session_with(&admin, host, "Logged In")["id"].clone())
        .into();
    ids.push(json!("0197aaaa-0000-7000-8000-000000000000"));
    let answer = admin
        .post("/api/v1/sessions/end", json!({ "ids": ids }))
        .expect(200)
        .json();
    let statuses: Vec<i64> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_i64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 404], "{answer:#}");
    for tty in ttys {
        tty.wait_closed(Duration::from_secs(2));
    }
}

#[test]
fn a_lock_may_bar_the_user_from_the_host_or_altogether() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    let session = gateway.session_with(&admin, "web", "Logged In");
    order(
        &admin,
        &session,
        "lock",
        json!({ "title": "Halt", "prevent": "resource" }),
    )
    .expect(200);
    tty.wait_screen("Halt", SOON);
    let barred = gateway.ssh("alice+web").exec("true").failed();
    assert!(
        barred
            .all()
            .contains("barred you from new activities on web"),
        "{}",
        barred.all()
    );
    gateway.ssh("alice+effort").exec("true").ok();
    order(&admin, &session, "unlock", json!({})).expect(200);
    order(&admin, &session, "lock", json!({ "prevent": "all" })).expect(200);
    let locked = gateway.ssh("alice+effort").exec("true").failed();
    assert!(
        locked.all().contains("your account is locked"),
        "{}",
        locked.all()
    );
}

#[test]
fn who_is_still_on_the_way_is_turned_away_when_the_session_ends() {
    let target = Arc::new(Target::sshd());
    let gateway = Gateway::around(target.clone()).start();
    let admin = gateway.api("bob");
    for verb in ["end", "terminate"] {
        // It takes connections and says nothing.
        signal(target.pid(), Signal::STOP);
        std::thread::scope(|scope| {
            let late = scope.spawn(|| gateway.ssh("alice+web").exec("echo in").failed());
            let session = gateway.session_with(&admin, "web", "Available");
            let ordered = Instant::now();
            order(&admin, &session, verb, json!({ "reason": "wrong host" })).expect(200);
            let said = late.join().unwrap();
            let took = ordered.elapsed();
            assert!(took < Duration::from_secs(2), "{verb}: only after {took:?}");
            assert!(
                said.all().contains("administrator bob: wrong host"),
                "{verb}: {}",
                said.all()
            );
            signal(target.pid(), Signal::CONT);
            let session = gateway.session_with(&admin, "web", "Canceled");
            let log = events(&admin, text(&session, "id"));
            assert!(
                !log.iter().any(|event| event["kind"] == "secret.used"),
                "{verb}: for nothing: {log:#?}"
            );
        });
    }
    assert!(tapes(gateway.data()).is_empty(), "of nothing");
    gateway.ssh("alice+web").exec("true").ok();
}
