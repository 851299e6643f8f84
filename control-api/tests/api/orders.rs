//! Orders to sessions, and sessions asked for.

use std::time::{Duration, Instant};

use chrono::Utc;
use sallyport_domain::status::Status;
use serde_json::json;

use crate::fixture::{UNKNOWN, World, update};

#[test]
fn an_order_is_done_when_the_session_says_so() {
    let world = World::new();
    let bob = world.token("bob");
    let path = |verb: &str| format!("/api/v1/sessions/{}/{verb}", world.own.id());
    let answer = world.client.post(
        &bob,
        &path("lock"),
        &json!({ "title": "Stop", "message": "call us" }),
    );
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    assert_eq!(
        (&json["confirmed"], &json["outcome"]),
        (&json!(true), &json!("done"))
    );
    assert!(json["effective_at"].as_str().unwrap() >= json["ordered_at"].as_str().unwrap());
    assert!(json["connections"][0]["at"].is_string());

    let answer = world
        .client
        .post(&bob, &path("message"), &json!({ "text": "refuse this" }));
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.json()["type"],
        "urn:sallyport:problem:command-denied"
    );
    assert_eq!(answer.detail(), "nobody is connected to the session");

    let start = Instant::now();
    let answer = world
        .client
        .post(&bob, &path("message"), &json!({ "text": "never answer" }));
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["confirmed"], &json["outcome"]),
        (202, &json!(false), &json!(null))
    );
    assert!(
        (5.0..8.0).contains(&start.elapsed().as_secs_f64()),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn an_ended_session_takes_no_orders() {
    let world = World::new();
    let bob = world.token("bob");
    let ended = update(Status::Completed, Utc::now());
    let save = world.store.save_session(world.own.session, &ended, &[]);
    world.runtime.block_on(save).unwrap();
    let start = Instant::now();
    let answer = world.client.post(
        &bob,
        &format!("/api/v1/sessions/{}/lock", world.own.id()),
        &json!({}),
    );
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (409, "the session has ended")
    );
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "nobody is waited for"
    );
}

#[test]
fn many_at_once_are_answered_one_by_one() {
    let world = World::new();
    let (bob, alice) = (world.token("bob"), world.token("alice"));
    let ids = json!([world.own.id(), world.other.id(), UNKNOWN, world.own.id()]);
    let statuses = |token: &str, verb: &str| -> Vec<u64> {
        let answer = world.client.post(
            token,
            &format!("/api/v1/sessions/{verb}"),
            &json!({ "ids": ids }),
        );
        assert_eq!(answer.status, 200, "{}", answer.text);
        let json = answer.json();
        json["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["status"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        statuses(&bob, "lock"),
        [200, 200, 404],
        "named twice is ordered once"
    );
    assert_eq!(statuses(&alice, "end"), [200, 404, 404]);
}

#[test]
fn a_lock_may_prevent_more() {
    let world = World::new();
    let (bob, alice) = (world.token("bob"), world.token("alice"));
    let path = format!("/api/v1/sessions/{}/lock", world.own.id());
    assert_eq!(
        world
            .client
            .post(&bob, &path, &json!({ "prevent": "resource" }))
            .status,
        200
    );
    let ask = || {
        world
            .client
            .post(&alice, "/api/v1/sessions", &json!({ "host": "web-01" }))
    };
    let refused = ask();
    assert_eq!(
        (refused.status, &refused.json()["errors"]),
        (403, &json!(["host_barred"])),
        "{}",
        refused.text
    );
    let unbar = "/api/v1/users/alice/barred-hosts/web-01";
    assert_eq!(
        world.client.call(Some(&bob), "DELETE", unbar, None).status,
        204
    );
    let asked = ask();
    assert_eq!(asked.status, 201, "{}", asked.text);

    let answer = world.client.post(&bob, &path, &json!({ "prevent": "all" }));
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    assert_eq!(json["others"][0]["session"], asked.json()["id"], "{json}");
    assert_ne!(world.client.get(&alice, "/api/v1/me").status, 200);
    assert_eq!(
        world.client.get(&bob, "/api/v1/users/alice").json()["locked"],
        true
    );
}

#[test]
fn a_session_remembers_the_bookmark_it_came_from() {
    let world = World::new();
    let alice = world.token("alice");
    let ask = |launch_point: serde_json::Value| {
        let body = json!({ "host": "web-01", "notes": "n", "launch_point": launch_point });
        world.client.post(&alice, "/api/v1/sessions", &body)
    };
    for (id, name) in [("b-1", "Web"), ("b-2", "")] {
        let json = ask(json!({ "id": id, "name": name })).json();
        let remembered = (&json["launch_point_id"], &json["launch_point_name"]);
        assert_eq!(remembered, (&json!(id), &json!(name)), "{json}");
    }
    for refused in [
        json!({ "id": "" }),
        json!({ "id": "menu" }),
        json!({ "id": "x".repeat(256) }),
        json!({ "id": "a\u{1b}[2J" }),
        json!({ "name": "no id" }),
    ] {
        assert_eq!(ask(refused.clone()).status, 422, "{refused}");
    }
}

#[test]
fn a_session_can_be_asked_for() {
    let world = World::new();
    let alice = world.token("alice");
    let answer = world.client.post(
        &alice,
        "/api/v1/sessions",
        &json!({ "host": "WEB-01", "notes": "backup" }),
    );
    let json = answer.json();
    assert_eq!(answer.status, 201, "{json}");
    let id = json["id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("/api/v1/sessions/{id}"));
    for (name, value) in [
        ("status", "Provisioning"),
        ("origin", "api"),
        ("user", "alice"),
        ("host", "web-01"),
        ("login_account", "deploy"),
        ("access_policy", "operators-web"),
        ("notes", "backup"),
        ("ssh", "ssh -p 2222 'alice+shell+web-01@127.0.0.1'"),
        ("service_url", "ssh://deploy@10.0.0.1:2200"),
        ("service_provider", "web-01"),
        ("account_link", "/api/v1/accounts/deploy@web-01"),
        ("launch_point_id", "api"),
        ("launch_point_name", "API"),
    ] {
        assert_eq!(json[name], value, "{name}");
    }
    let bob = world.token("bob");
    let account = world
        .client
        .get(&bob, json["account_link"].as_str().unwrap());
    assert_eq!(account.json()["id"], json["account_id"]);
    let events = world
        .client
        .get(&alice, &format!("/api/v1/sessions/{id}/events?sort=line"))
        .json();
    let kinds: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["session.requested", "session.authorised"]);

    for (body, status, code) in [
        (json!({ "host": "far-01" }), 403, "no_policy"),
        (json!({ "host": "no-such-host" }), 403, "no_policy"),
        (
            json!({ "host": "web-01", "activity": "root" }),
            403,
            "no_such_activity",
        ),
        (json!({ "host": "web-02" }), 422, "notes_required"),
        (
            json!({ "host": "web-01", "protocol": "rdp" }),
            403,
            "no_policy",
        ),
    ] {
        let answer = world.client.post(&alice, "/api/v1/sessions", &body);
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]),
            (status, &json!(code)),
            "{body}: {}",
            answer.text
        );
    }
    let bob = world.token("bob");
    let refused = world
        .client
        .get(&bob, "/api/v1/access-log?user=alice&outcome=refused")
        .json();
    assert_eq!(refused["total"], 5, "{refused}");
}

#[test]
fn an_order_names_who_gave_it() {
    let world = World::new();
    let alice = world.token("alice");
    let answer = world.client.post(
        &alice,
        &format!("/api/v1/sessions/{}/end", world.own.id()),
        &json!({}),
    );
    let id = answer.json()["command"].as_str().unwrap().parse().unwrap();
    let row = world
        .runtime
        .block_on(world.store.command(id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.by.name.as_str(), row.by.own, row.by.admin),
        ("alice", true, false)
    );
}
