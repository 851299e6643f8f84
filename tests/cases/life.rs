//! The life of a session: made by connecting or through the API, ended by its deadline, by idleness, by its user.

use std::time::{Duration, Instant};

use chrono::Utc;
use sallyport_tests::harness::{Gateway, eventually};
use serde_json::{Value, json};

use super::{SOON, events, text, time};

/// The session, once it has ended.
fn ended(gateway: &Gateway, host: &str) -> Value {
    let admin = gateway.api("bob");
    eventually("the session has ended", Duration::from_secs(5), || {
        let session = gateway.newest_session(&admin, host)?;
        session["ended_at"].is_string().then_some(session)
    })
}

#[test]
fn a_connections_session_ends_with_it_and_has_its_six_times() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("sleep 2").ok();
    let session = ended(&gateway, "web");
    assert_eq!(text(&session, "status"), "Completed");
    assert_eq!(
        (text(&session, "close_code"), text(&session, "close_reason")),
        ("user", "Closed by user")
    );
    let times = [
        "requested_at",
        "provisioned_at",
        "connected_at",
        "disconnected_at",
        "ended_at",
    ]
    .map(|name| time(&session, name));
    assert!(times.is_sorted(), "{times:?}");
    let scheduled = time(&session, "scheduled_end") - time(&session, "provisioned_at");
    assert_eq!(scheduled.num_seconds(), 8 * 3600);
    assert_eq!(text(&session, "deadline_reason"), "max_duration");
    let duration = session["duration_s"].as_i64().unwrap();
    assert!((1..=4).contains(&duration), "{duration} s");
    let kinds: Vec<String> = events(&gateway.api("bob"), text(&session, "id"))
        .iter()
        .map(|event| text(event, "kind").to_owned())
        .collect();
    for kind in [
        "session.requested",
        "session.authorised",
        "secret.used",
        "connection.target",
        "session.logged_in",
        "right.used",
        "channel.exit",
        "recording.stored",
        "session.ended",
    ] {
        assert!(
            kinds.iter().any(|known| known == kind),
            "{kind} is missing in {kinds:?}"
        );
    }
}

#[test]
fn the_deadline_cuts_within_a_second_and_warns_before() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+short");
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "short", "Logged In");
    let end = time(&session, "scheduled_end");
    assert_eq!((end - time(&session, "provisioned_at")).num_seconds(), 6);
    tty.wait_for("This session ends in", SOON);
    let left = (end - Utc::now()).num_milliseconds();
    assert!(
        (1800..=3200).contains(&left),
        "warned {left} ms before the end"
    );
    tty.wait_closed(SOON);
    let late = (Utc::now() - end).num_milliseconds();
    assert!((-100..=1000).contains(&late), "cut {late} ms after the end");
    assert!(
        tty.output().contains("maximum duration"),
        "the user is told why: {:?}",
        tty.output()
    );
    let session = ended(&gateway, "short");
    assert_eq!(
        (text(&session, "status"), text(&session, "close_code")),
        ("Completed", "deadline")
    );
}

#[test]
fn the_deadline_cuts_commands_and_transfers_too() {
    let gateway = Gateway::start();
    let mut clients = vec![
        gateway.ssh("alice+short").command("sleep 60"),
        gateway.ssh("alice+short").command("cat /dev/zero"),
    ];
    let start = Instant::now();
    let running: Vec<_> = clients
        .drain(..)
        .map(|client| {
            std::thread::spawn(move || {
                sallyport_tests::harness::run(client, Duration::from_secs(20))
            })
        })
        .collect();
    for one in running {
        let done = one.join().unwrap().failed();
        assert!(done.err.contains("maximum duration"), "{:?}", done.err);
    }
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(5) && took < Duration::from_secs(9),
        "{took:?}"
    );
}

#[test]
fn ctrl_x_extends_when_offered() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+stretch");
    let admin = gateway.api("bob");
    let before = gateway.session_with(&admin, "stretch", "Logged In");
    tty.wait_for("Press Ctrl+X to extend it", SOON);
    tty.mark();
    tty.send("\x18");
    tty.wait_for("This session now ends at", SOON);
    let after = eventually("the new end is in the list", SOON, || {
        let session = gateway.newest_session(&admin, "stretch")?;
        (session["extensions_used"] == 1).then_some(session)
    });
    assert_eq!(
        (time(&after, "scheduled_end") - time(&before, "scheduled_end")).num_seconds(),
        40
    );
    assert_eq!(text(&after, "deadline_reason"), "extended");
    assert_eq!(after["extensions_used"], 1);
    // The limit is enforced, by key and through the API; the key is the target's again.
    let refused = gateway
        .api("alice")
        .post(
            &format!("/api/v1/sessions/{}/extend", text(&after, "id")),
            json!({}),
        )
        .expect(409);
    assert!(refused.text().contains("used up"), "{}", refused.text());
    tty.line("cat -v");
    std::thread::sleep(Duration::from_millis(300));
    tty.send("\x18\r");
    std::thread::sleep(Duration::from_millis(500));
    let end = time(
        &gateway.newest_session(&admin, "stretch").unwrap(),
        "scheduled_end",
    );
    assert_eq!(end, time(&after, "scheduled_end"));
}

#[test]
fn extension_through_the_api_follows_the_rules() {
    let gateway = Gateway::start();
    let _tty = gateway.shell("alice+web");
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    let session = gateway.session_with(&admin, "web", "Logged In");
    let path = format!("/api/v1/sessions/{}/extend", text(&session, "id"));
    let early = alice.post(&path, json!({})).expect(409);
    assert!(
        early.text().contains("5 minutes or less"),
        "{}",
        early.text()
    );
    // An administrator may at any time, by as much as he says.
    admin.post(&path, json!({ "by": "1h" })).expect(200);
    let after = gateway.newest_session(&admin, "web").unwrap();
    assert_eq!(
        (time(&after, "scheduled_end") - time(&session, "scheduled_end")).num_seconds(),
        3600
    );
    let _effort = gateway.shell("alice+effort");
    let effort = gateway.session_with(&admin, "effort", "Logged In");
    alice
        .post(
            &format!("/api/v1/sessions/{}/extend", text(&effort, "id")),
            json!({}),
        )
        .expect(409);
}

#[test]
fn idleness_counts_typing_only() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+idle");
    // Output all the time does not keep it; typing does.
    tty.line("while :; do echo tick; sleep 0.2; done &");
    for _ in 0..5 {
        std::thread::sleep(Duration::from_secs(1));
        tty.send(" ");
    }
    let typed = Instant::now();
    tty.wait_closed(SOON);
    let after = typed.elapsed();
    assert!(
        (2500..5000).contains(&after.as_millis()),
        "closed {after:?} after the last key"
    );
    assert!(
        tty.output().contains("Idle timeout has expired"),
        "{:?}",
        tty.output()
    );
    assert_eq!(text(&ended(&gateway, "idle"), "close_code"), "idle");
}

#[test]
fn a_session_made_through_the_api_is_entered_twice_and_then_ended() {
    let gateway = Gateway::start();
    let alice = gateway.api("alice");
    let made = alice
        .post(
            "/api/v1/sessions",
            json!({ "host": "web", "notes": "twice" }),
        )
        .expect(201)
        .json();
    let session = made.get("session").unwrap_or(&made).clone();
    let id = text(&session, "id").to_owned();
    assert_eq!(text(&session, "status"), "Available", "{made:#}");
    assert!(session["connected_at"].is_null());
    assert!(
        made.to_string().contains("alice+"),
        "the answer says what to type: {made:#}"
    );
    let show = || {
        alice
            .get(&format!("/api/v1/sessions/{id}"))
            .expect(200)
            .json()
    };
    for _ in 0..2 {
        gateway.ssh("alice+web").exec("true").ok();
        eventually("it is available again", SOON, || {
            (show()["status"] == "Available").then_some(())
        });
    }
    let connections = alice
        .get(&format!("/api/v1/sessions/{id}/connections"))
        .expect(200)
        .json();
    assert_eq!(super::items(&connections).len(), 2, "{connections:#}");
    let live = gateway.shell("alice+web");
    eventually("it is entered once more", SOON, || {
        (show()["status"] == "Logged In").then_some(())
    });
    alice
        .post(&format!("/api/v1/sessions/{id}/end"), json!({}))
        .expect(200);
    live.wait_closed(Duration::from_secs(2));
    let session = eventually("it has ended", SOON, || {
        let session = show();
        session["ended_at"].is_string().then_some(session)
    });
    assert_eq!(
        (text(&session, "status"), text(&session, "close_code")),
        ("Completed", "user")
    );
    // From now on connecting makes a session of its own.
    gateway.ssh("alice+web").exec("true").ok();
    assert_ne!(
        text(
            &gateway.newest_session(&gateway.api("bob"), "web").unwrap(),
            "id"
        ),
        id
    );
    let recordings = gateway
        .api("carol")
        .get("/api/v1/recordings?page_size=100")
        .expect(200)
        .json();
    let of_it = super::items(&recordings)
        .iter()
        .filter(|recording| recording.to_string().contains(&id))
        .count();
    assert_eq!(of_it, 3, "one recording for each log-on: {recordings:#}");
}

#[test]
fn an_api_session_nobody_enters_ends_at_its_deadline() {
    let gateway = Gateway::start();
    let alice = gateway.api("alice");
    for (body, status, words) in [
        (json!({ "host": "nowhere" }), 403, "no access policy"),
        (json!({ "host": "noted" }), 422, "note"),
        (json!({ "host": "ticketed", "notes": "x" }), 422, "ticket"),
        (json!({ "host": "twoways" }), 409, "several ways"),
        (json!({}), 422, "host"),
    ] {
        let answer = alice.post("/api/v1/sessions", body.clone());
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    alice
        .post(
            "/api/v1/sessions",
            json!({ "host": "ticketed", "ticket": "T-1" }),
        )
        .expect(201);
    gateway.ssh("alice+ticketed").exec("true").ok();
    let made = alice
        .post("/api/v1/sessions", json!({ "host": "short" }))
        .expect(201)
        .json();
    let id = text(made.get("session").unwrap_or(&made), "id").to_owned();
    std::thread::sleep(Duration::from_secs(6));
    let session = eventually("it has ended", Duration::from_secs(2), || {
        let session = alice.get(&format!("/api/v1/sessions/{id}")).json();
        session["ended_at"].is_string().then_some(session)
    });
    assert_eq!(
        (text(&session, "status"), text(&session, "close_code")),
        ("Completed", "deadline")
    );
}

#[test]
fn a_policy_that_is_taken_away_ends_what_it_allowed() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let (gone, stays) = (gateway.shell("alice+web"), gateway.shell("alice+effort"));
    let removed = admin.request("DELETE", "/api/v1/access-policies/web-standard", None);
    assert!([200, 204].contains(&removed.status), "{}", removed.text());
    gone.wait_closed(SOON);
    assert!(
        gone.output().contains("no longer allowed"),
        "{:?}",
        gone.output()
    );
    assert_eq!(text(&ended(&gateway, "web"), "close_code"), "policy");
    stays.line("echo stays-$((40+2))");
    stays.wait_screen("stays-42", SOON);
    gateway.ssh("alice+web").exec("true").failed();
}
