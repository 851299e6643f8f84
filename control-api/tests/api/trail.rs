//! The audit trail: every change makes exactly one entry, and so does every look into what is sensitive.

use serde_json::{Value, json};

use crate::fixture::{PLANTED, World};

/// Method, path, body; how many entries it makes.
type Deed = (&'static str, String, Option<Value>, u64);

fn deeds(world: &World) -> Vec<Deed> {
    let host = json!({ "name": "db-01", "scope": "acme", "address": "10.0.0.9" });
    let own = world.own.id();
    let recording = format!("/api/v1/recordings/{}", world.own.connection);
    vec![
        ("GET", "/api/v1/users".to_owned(), None, 0),
        ("GET", "/api/v1/sessions".to_owned(), None, 0),
        ("GET", recording.clone(), None, 0),
        (
            "PUT",
            "/api/v1/hosts/db-01".to_owned(),
            Some(host.clone()),
            1,
        ),
        (
            "PUT",
            "/api/v1/hosts/db-01".to_owned(),
            Some(host.clone()),
            0,
        ),
        (
            "POST",
            "/api/v1/apply?dry_run=true".to_owned(),
            Some(json!({ "groups": [{ "name": "g", "scope": "acme" }] })),
            0,
        ),
        ("DELETE", "/api/v1/hosts/db-01".to_owned(), None, 1),
        (
            "POST",
            "/api/v1/users/carol/lock".to_owned(),
            Some(json!({})),
            1,
        ),
        (
            "POST",
            "/api/v1/users/carol/unlock".to_owned(),
            Some(json!({})),
            1,
        ),
        // The order, and the session's answer.
        (
            "POST",
            format!("/api/v1/sessions/{own}/lock"),
            Some(json!({})),
            2,
        ),
        ("GET", format!("{recording}/tape"), None, 1),
        ("GET", format!("{recording}/export"), None, 1),
        ("GET", format!("{recording}/verify"), None, 1),
    ]
}

#[test]
fn every_change_is_one_entry_and_reading_is_none() {
    let world = World::new();
    let bob = world.token("bob");
    let own = world.own.id();
    for (method, path, body, entries) in deeds(&world) {
        let before = world.audit_entries();
        let answer = world.client.call(Some(&bob), method, &path, body.as_ref());
        assert!(answer.status < 300, "{method} {path}: {}", answer.text);
        assert_eq!(world.audit_entries() - before, entries, "{method} {path}");
    }
    let alice = world.token("alice");
    let before = world.audit_entries();
    assert_eq!(
        world
            .client
            .get(&alice, &format!("/api/v1/sessions/{own}/watch"))
            .status,
        403
    );
    assert_eq!(
        world.audit_entries() - before,
        1,
        "what was refused is on record as well"
    );

    let before = world.audit_entries();
    assert_eq!(
        world
            .client
            .post(&alice, "/api/v1/sessions", &json!({ "host": "web-01" }))
            .status,
        201
    );
    assert_eq!(world.audit_entries() - before, 1);
    let report = world.client.get(&bob, "/api/v1/audit/verify").json();
    assert_eq!(report["fault"], Value::Null, "{report}");
}

#[test]
fn the_trail_says_who_and_what_and_never_a_secret() {
    let world = World::new();
    let bob = world.token("bob");
    let account =
        json!({ "name": "ops", "host": "web-01", "secret": { "password": { "value": PLANTED } } });
    let answer = world.client.call(
        Some(&bob),
        "PUT",
        "/api/v1/accounts/ops%40web-01",
        Some(&account),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["has_secret"], true);
    assert!(!answer.text.contains(PLANTED));
    let trail = world.client.get(&bob, "/api/v1/audit?user=bob&q=ops");
    let entry = &trail.json()["items"][0];
    for (name, value) in [
        ("user", "bob"),
        ("first_name", "BOB"),
        ("email", "bob@acme.example"),
        ("ip", "127.0.0.1"),
    ] {
        assert_eq!(entry[name], value, "{entry}");
    }
    assert_eq!(
        (&entry["object_kind"], &entry["object_name"]),
        (&json!("account"), &json!("ops@web-01")),
        "{entry}"
    );
    assert!(!trail.text.contains(PLANTED));
}
