//! Bad input: each is answered with a problem that says where and what would be right.

use serde_json::json;

use crate::fixture::World;

const JSON: &str = "application/json";
const USERS: &str = "/api/v1/users/eve";

/// Method, path, content type, body; the status, and what is said.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static str,
);

const MISTAKES: &[Case] = &[
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\",,}",
        400,
        "line 1, column 16",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\"",
        400,
        "line 1, column 14",
    ),
    ("PUT", USERS, JSON, "", 400, "the body is empty"),
    ("PUT", USERS, JSON, "\u{feff}{}", 400, "line 1"),
    ("PUT", USERS, JSON, "[]", 422, "expected"),
    ("PUT", USERS, JSON, "null", 422, "expected"),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\",\n\"nick\": 1}",
        422,
        "line 2, column 6: unknown field `nick`, expected one of `name`",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": 7}",
        422,
        "invalid type: integer `7`, expected a string",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\", \"name\": \"eve\"}",
        422,
        "duplicate field `name`",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"adam\"}",
        422,
        "the body declares `adam`, the path says `eve`",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\", \"scope\": \"a//b\"}",
        422,
        "is not a scope path",
    ),
    (
        "PUT",
        USERS,
        JSON,
        "{\"name\": \"eve\", \"password\": {\"from_env\": \"HOME\"}}",
        422,
        "resolve them where the document is",
    ),
    (
        "PUT",
        USERS,
        "text/plain",
        "{}",
        415,
        "Content-Type: application/json",
    ),
    (
        "PUT",
        USERS,
        "application/x-www-form-urlencoded",
        "name=eve",
        415,
        "Content-Type",
    ),
    (
        "POST",
        "/api/v1/apply",
        JSON,
        "{\"hosts\": [{\"name\": \"x\"}]}",
        422,
        "missing field `address`",
    ),
    (
        "POST",
        "/api/v1/apply",
        JSON,
        "{\"host\": []}",
        422,
        "unknown field `host`, expected one of `scopes`, `users`",
    ),
    (
        "POST",
        "/api/v1/apply?dry_run=maybe",
        JSON,
        "{}",
        400,
        "true or false",
    ),
    (
        "POST",
        "/api/v1/apply?dryrun=true",
        JSON,
        "{}",
        400,
        "allowed: dry_run",
    ),
    (
        "POST",
        "/api/v1/apply",
        JSON,
        "{\"groups\": [{\"name\": \"g\", \"scope\": \"acme\", \"members\": [\"nobody\"]}]}",
        422,
        "`nobody`",
    ),
    (
        "POST",
        "{own}/lock",
        JSON,
        "{\"titel\": \"x\"}",
        422,
        "unknown field `titel`, expected one of `title`, `message`, `prevent`",
    ),
    (
        "POST",
        "{own}/lock",
        JSON,
        "{\"title\": \"\\u001b]0;x\\u0007\"}",
        422,
        "control characters",
    ),
    (
        "POST",
        "{own}/message",
        JSON,
        "{}",
        422,
        "`text` is missing",
    ),
    ("POST", "/api/v1/sessions/lock", JSON, "{}", 422, "`ids`"),
    (
        "POST",
        "/api/v1/sessions/lock",
        JSON,
        "{\"ids\": []}",
        422,
        "`ids`",
    ),
    (
        "POST",
        "/api/v1/sessions/lock",
        JSON,
        "{\"ids\": [\"x\"], \"colour\": 1}",
        422,
        "unknown field `colour`",
    ),
    (
        "POST",
        "/api/v1/sessions",
        JSON,
        "{}",
        422,
        "missing field `host`",
    ),
    (
        "POST",
        "/api/v1/sessions",
        JSON,
        "{\"host\": \"web-01\", \"protocol\": \"telnet\"}",
        422,
        "expected `ssh` or `rdp`",
    ),
    (
        "POST",
        "/api/v1/login",
        JSON,
        "{\"username\": \"alice\"}",
        422,
        "missing field `password`",
    ),
    (
        "DELETE",
        "/api/v1/accounts/deploy%40web-01%2F..%2Fx",
        JSON,
        "",
        404,
        "no such account",
    ),
];

#[test]
fn malformed_and_mistaken_requests_are_explained() {
    let world = World::new();
    let bob = format!("Bearer {}", world.token("bob"));
    let own = format!("/api/v1/sessions/{}", world.own.id());
    for (method, path, kind, body, status, told) in MISTAKES {
        let path = path.replace("{own}", &own);
        let headers = [("authorization", bob.as_str()), ("content-type", kind)];
        let answer = world.client.send(method, &path, &headers, Some(body));
        assert_eq!(
            answer.status, *status,
            "{method} {path} {body}: {}",
            answer.text
        );
        let detail = answer.detail();
        assert!(detail.contains(told), "{method} {path} {body}: {detail}");
    }
}

#[test]
fn what_cannot_be_asked_of_a_list_is_told_with_what_can() {
    let world = World::new();
    let bob = world.token("bob");
    for (query, told) in [
        ("status=Asleep", "Logged In"),
        ("class=big", "suspended"),
        ("sort=colour", "requested_at"),
        ("from=yesterday", "2026-01-31T08:00:00Z"),
        ("page=-1", "a number from 1"),
        ("page_size=many", "a number from 1 to 100"),
        ("colour=red", "allowed: q, sort, from, to"),
        ("q=a&q=b", "twice"),
        (
            "columns=id,colour",
            "there is no column `colour`; there are: id, type, status",
        ),
    ] {
        let answer = world.client.get(&bob, &format!("/api/v1/sessions?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        assert!(
            answer.detail().contains(told),
            "{query}: {}",
            answer.detail()
        );
    }
}

#[test]
fn paths_methods_and_sizes() {
    let mut world = World::new();
    let bob = world.token("bob");
    let answer = world.client.get(&bob, "/api/v1/nothing");
    assert_eq!(
        (answer.status, answer.detail().contains("/api/v1/nothing")),
        (404, true)
    );
    assert_eq!(world.client.get(&bob, "/").status, 404);
    let answer = world
        .client
        .call(Some(&bob), "DELETE", "/api/v1/sessions", None);
    assert_eq!(answer.status, 405);
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    assert!(answer.detail().contains("DELETE"));

    let large = json!({ "username": "x".repeat(1024 * 1024), "password": "y" });
    let answer = world
        .client
        .call(None, "POST", "/api/v1/login", Some(&large));
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.detail().contains("1048576"));
    world.stop();
}
