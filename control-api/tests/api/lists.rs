//! Lists: pages, filters, CSV; and the shapes that OpenAPI promises.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixture::{World, live};

fn csv(world: &World, token: &str, path: &str) -> Vec<Vec<String>> {
    let bearer = format!("Bearer {token}");
    let answer = world.client.send(
        "GET",
        path,
        &[("authorization", &bearer), ("accept", "text/csv")],
        None,
    );
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv; charset=utf-8")
    );
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(answer.text.as_bytes());
    reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn pages_filters_and_sorting() {
    let world = World::new();
    let bob = world.token("bob");
    for _ in 0..28 {
        world.runtime.block_on(live(
            &world.store,
            world.node,
            "alice",
            "web-01",
            &world.tape_dir(),
        ));
    }
    let get = |query: &str| world.client.get(&bob, &format!("/api/v1/sessions?{query}"));
    let first = get("").json();
    assert_eq!(
        (&first["total"], &first["page"], &first["page_size"]),
        (&json!(30), &json!(1), &json!(25))
    );
    assert_eq!(get("page=2").json()["items"].as_array().unwrap().len(), 5);
    assert_eq!(get("page_size=500").json()["page_size"], 100);
    for (query, total) in [
        ("user=dave", 1),
        ("q=WEB-02", 1),
        ("q=dave%40acme", 1),
        ("host=web-02", 1),
        ("status=Locked", 0),
        ("status=Logged%20In", 30),
        ("class=active&user=dave", 1),
        ("class=closed,failed", 0),
        ("group=operators", 29),
        ("activity=shell", 30),
        ("type=PAM%20SSH", 30),
        ("open=false", 0),
        ("to=2000-01-01", 0),
        ("from=2000-01-01", 30),
        ("application=robot", 0),
    ] {
        assert_eq!(get(query).json()["total"], total, "{query}");
    }
    let up = get("sort=user&page_size=100").ids();
    let down = get("sort=-user&page_size=100").ids();
    assert_eq!(
        (up.last(), down.first()),
        (Some(&world.other.id()), Some(&world.other.id()))
    );
}

#[test]
fn csv_has_every_row_and_is_harmless() {
    let world = World::new();
    let bob = world.token("bob");
    for _ in 0..128 {
        world.runtime.block_on(live(
            &world.store,
            world.node,
            "alice",
            "web-01",
            &world.tape_dir(),
        ));
    }
    let all = csv(&world, &bob, "/api/v1/sessions");
    assert_eq!(all.len(), 1 + 130, "not only a page");
    assert_eq!(
        all[0][..6],
        ["id", "type", "status", "state_class", "user", "first_name"]
    );
    let ids: BTreeSet<&String> = all[1..].iter().map(|row| &row[0]).collect();
    assert_eq!(ids.len(), 130);

    let some = csv(
        &world,
        &bob,
        "/api/v1/sessions?columns=notes,user,target_port&user=dave",
    );
    assert_eq!(some[0], ["notes", "user", "target_port"]);
    assert_eq!(
        some[1],
        ["'=HYPERLINK(\"https://evil.example\")", "dave", "2200"]
    );
    assert_eq!(some.len(), 2);

    let alice = world.token("alice");
    let own = csv(&world, &alice, "/api/v1/sessions?columns=user");
    assert_eq!(own.len(), 1 + 129);
    assert!(own[1..].iter().all(|row| row[0] == "alice"));

    let events = csv(
        &world,
        &bob,
        &format!("/api/v1/sessions/{}/events?level=info", world.own.id()),
    );
    assert_eq!(
        events[0],
        ["line", "at", "level", "kind", "message", "detail"]
    );
    assert_eq!(
        events[1][3..5],
        ["session.requested", "alice asked for shell on web-01"]
    );
    assert_eq!(
        csv(&world, &bob, "/api/v1/users?columns=name").len(),
        1 + 4,
        "those of his scope"
    );
    assert!(csv(&world, &bob, "/api/v1/audit").len() > 5);
    assert!(csv(&world, &bob, "/api/v1/access-log").len() > 2);
    assert_eq!(csv(&world, &bob, "/api/v1/recordings").len(), 1 + 130);
}

/// The names of the fields of what is really answered, and of what OpenAPI shows.
#[test]
fn answers_have_the_shapes_that_the_document_shows() {
    let world = World::new();
    let bob = world.token("bob");
    let document = world.client.get(&bob, "/api/v1/openapi.json").json();
    let get = |path: &str| world.client.get(&bob, path).json();
    let first = |path: &str| get(path)["items"][0].clone();
    let own = format!("/api/v1/sessions/{}", world.own.id());
    let recording = format!("/api/v1/recordings/{}", world.own.connection);
    let locked = world
        .client
        .post(&bob, &format!("{own}/lock"), &json!({ "title": "x" }))
        .json();
    for (answer, shape) in [
        (get(&own), "Session"),
        (first("/api/v1/sessions"), "Session"),
        (first(&format!("{own}/events")), "Event"),
        (first(&format!("{own}/connections")), "Connection"),
        (get(&recording), "Recording"),
        (get(&format!("{recording}/verify")), "TapeReport"),
        (first("/api/v1/audit"), "AuditEntry"),
        (get("/api/v1/audit/verify"), "AuditReport"),
        (first("/api/v1/access-log"), "LoginEntry"),
        (get("/api/v1/users/alice"), "Noun"),
        (get("/api/v1/me"), "Me"),
        (locked, "CommandAnswer"),
    ] {
        let names = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let shown = names(&document["components"]["schemas"][shape]["properties"]);
        assert_eq!(names(&answer), shown, "{shape}");
    }
}
