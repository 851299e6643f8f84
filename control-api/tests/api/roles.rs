//! Every endpoint for every role, as one table.

use serde_json::{Value, json};

use crate::fixture::{UNKNOWN, World};

/// Method, path, body; the status for nobody, a user, an auditor, an administrator.
type Row = (&'static str, String, Option<Value>, [u16; 4]);

fn row(
    method: &'static str,
    path: impl Into<String>,
    body: Option<Value>,
    expected: [u16; 4],
) -> Row {
    (method, path.into(), body, expected)
}

fn table(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"] {
        rows.push(row("GET", path, None, [200; 4]));
    }
    rows.push(row("GET", "/api/v1/me", None, [401, 200, 200, 200]));
    nouns(&mut rows);
    sessions(&mut rows, world);
    recordings(&mut rows, world);
    for path in ["audit", "audit/verify", "access-log"] {
        rows.push(row(
            "GET",
            format!("/api/v1/{path}"),
            None,
            [401, 403, 200, 200],
        ));
    }
    rows
}

fn nouns(rows: &mut Vec<Row>) {
    let examples = [
        ("scopes", "acme/paris", json!({ "path": "acme/paris" })),
        ("users", "eve", json!({ "name": "eve", "scope": "acme" })),
        (
            "groups",
            "testers",
            json!({ "name": "testers", "scope": "acme" }),
        ),
        (
            "applications",
            "bot",
            json!({ "name": "bot", "scope": "acme" }),
        ),
        (
            "hosts",
            "db-01",
            json!({ "name": "db-01", "scope": "acme", "address": "10.0.0.9" }),
        ),
        (
            "accounts",
            "ops@web-01",
            json!({ "name": "ops", "host": "web-01" }),
        ),
        (
            "access-policies",
            "eve-web",
            json!({ "name": "eve-web", "scope": "acme", "users": ["alice"], "hosts": ["web-02"], "activities": ["shell"], "connection_profile": "standard" }),
        ),
    ];
    for (collection, name, body) in examples {
        let (all, one) = (
            format!("/api/v1/{collection}"),
            format!("/api/v1/{collection}/{name}"),
        );
        rows.push(row("GET", &all, None, [401, 403, 200, 200]));
        rows.push(row("GET", &one, None, [401, 403, 404, 404]));
        rows.push(row("DELETE", &one, None, [401, 403, 403, 404]));
        rows.push(row("PUT", &one, Some(body.clone()), [401, 403, 403, 201]));
        rows.push(row("PUT", &one, Some(body), [401, 403, 403, 200]));
        rows.push(row("GET", &one, None, [401, 403, 200, 200]));
        rows.push(row("DELETE", &one, None, [401, 403, 403, 204]));
        rows.push(row("PATCH", &one, None, [405; 4]));
    }
    global_nouns(rows);
    people(rows);
}

fn global_nouns(rows: &mut Vec<Row>) {
    for collection in ["activities", "connection-profiles"] {
        rows.push(row(
            "GET",
            format!("/api/v1/{collection}"),
            None,
            [401, 403, 200, 200],
        ));
        rows.push(row(
            "GET",
            format!("/api/v1/{collection}/nothing"),
            None,
            [401, 403, 404, 404],
        ));
        // They belong to the root: an administrator of a scope below may read but not change them.
        let shape = match collection {
            "activities" => json!({ "name": "new", "protocol": "ssh", "account": "deploy" }),
            _ => json!({ "name": "new", "max_duration": "1h" }),
        };
        rows.push(row(
            "PUT",
            format!("/api/v1/{collection}/new"),
            Some(shape),
            [401, 403, 403, 403],
        ));
    }
}

fn people(rows: &mut Vec<Row>) {
    for (path, body, admin) in [
        ("apply", json!({}), 200),
        (
            "apply?dry_run=true",
            json!({ "groups": [{ "name": "dry", "scope": "acme" }] }),
            200,
        ),
        ("users/dave/lock", json!({ "reason": "holiday" }), 200),
        ("users/dave/unlock", json!({}), 200),
        ("users/nobody/lock", json!({}), 404),
        ("users/bob/lock", json!({}), 409),
    ] {
        rows.push(row(
            "POST",
            format!("/api/v1/{path}"),
            Some(body),
            [401, 403, 403, admin],
        ));
    }
    let path = "/api/v1/connection-passwords";
    rows.push(row("GET", path, None, [401, 200, 200, 200]));
    rows.push(row("POST", path, Some(json!({})), [401, 201, 403, 201]));
    let one = format!("{path}/{UNKNOWN}");
    rows.push(row("DELETE", one, None, [401, 404, 404, 404]));
    let path = "/api/v1/users/me/nt-hash";
    rows.push(row("DELETE", path, None, [401, 204, 204, 204]));
    let guess = json!({ "password": "a guess" });
    rows.push(row("POST", path, Some(guess), [401; 4]));
    for keys in ["host-keys", "rdp-keys"] {
        for (method, host, expected) in [
            ("GET", "web-01", [401, 403, 200, 200]),
            ("GET", "nothing", [401, 403, 404, 404]),
            ("DELETE", "web-01", [401, 403, 403, 204]),
            ("DELETE", "nothing", [401, 403, 403, 404]),
        ] {
            let path = format!("/api/v1/hosts/{host}/{keys}");
            rows.push(row(method, path, None, expected));
        }
    }
    rows.push(row(
        "DELETE",
        "/api/v1/users/dave/barred-hosts/web-01",
        None,
        [401, 403, 403, 204],
    ));
}

fn sessions(rows: &mut Vec<Row>, world: &World) {
    let (own, other) = (world.own.id(), world.other.id());
    rows.push(row("GET", "/api/v1/sessions", None, [401, 200, 200, 200]));
    for below in ["", "/events", "/connections"] {
        let path = |id: &str| format!("/api/v1/sessions/{id}{below}");
        rows.push(row("GET", path(&own), None, [401, 200, 200, 200]));
        rows.push(row("GET", path(&other), None, [401, 404, 200, 200]));
        rows.push(row("GET", path(UNKNOWN), None, [401, 404, 404, 404]));
        rows.push(row("GET", path("not-an-id"), None, [401, 404, 404, 404]));
        rows.push(row("GET", path("%00"), None, [401, 404, 404, 404]));
    }
    let asked = json!({ "host": "web-01" });
    rows.push(row(
        "POST",
        "/api/v1/sessions",
        Some(asked),
        [401, 201, 403, 403],
    ));
    let watch = |id: &str| format!("/api/v1/sessions/{id}/watch");
    rows.push(row("GET", watch(&own), None, [401, 403, 426, 426]));
    rows.push(row("GET", watch(&other), None, [401, 404, 426, 426]));
    rows.push(row("GET", watch(UNKNOWN), None, [401, 404, 404, 404]));
    for (verb, body, user) in [
        ("lock", json!({ "title": "Wait", "message": "please" }), 403),
        ("lock", json!({ "prevent": "resource" }), 403),
        ("unlock", json!({}), 403),
        ("message", json!({ "text": "hello" }), 403),
        ("terminate", json!({ "cancel": false }), 403),
        ("extend", json!({}), 200),
        ("end", json!({ "reason": "done" }), 200),
    ] {
        let path = |id: &str| format!("/api/v1/sessions/{id}/{verb}");
        rows.push(row(
            "POST",
            path(&own),
            Some(body.clone()),
            [401, user, 403, 200],
        ));
        rows.push(row(
            "POST",
            path(&other),
            Some(body.clone()),
            [401, 404, 403, 200],
        ));
        rows.push(row(
            "POST",
            path(UNKNOWN),
            Some(body.clone()),
            [401, 404, 404, 404],
        ));
        rows.push(row("GET", path(&own), None, [405; 4]));
        let mut many = body;
        many["ids"] = json!([own, other]);
        rows.push(row(
            "POST",
            format!("/api/v1/sessions/{verb}"),
            Some(many),
            [401, user, 403, 200],
        ));
    }
}

fn recordings(rows: &mut Vec<Row>, world: &World) {
    rows.push(row("GET", "/api/v1/recordings", None, [401, 403, 200, 200]));
    for below in ["", "/tape", "/verify", "/export", "/export?format=text"] {
        let path = |id: String| format!("/api/v1/recordings/{id}{below}");
        rows.push(row(
            "GET",
            path(world.own.connection.to_string()),
            None,
            [401, 403, 200, 200],
        ));
        rows.push(row(
            "GET",
            path(world.other.connection.to_string()),
            None,
            [401, 404, 200, 200],
        ));
        rows.push(row(
            "GET",
            path(UNKNOWN.to_owned()),
            None,
            [401, 404, 404, 404],
        ));
        rows.push(row(
            "GET",
            path("not-an-id".to_owned()),
            None,
            [401, 404, 404, 404],
        ));
    }
}

#[test]
fn every_endpoint_for_every_role() {
    let world = World::new();
    let tokens = [
        None,
        Some(world.token("alice")),
        Some(world.token("carol")),
        Some(world.token("bob")),
    ];
    let mut wrong = Vec::new();
    for (method, path, body, expected) in table(&world) {
        for (role, (token, expected)) in ["nobody", "user", "auditor", "admin"]
            .iter()
            .zip(tokens.iter().zip(expected))
        {
            let answer = world
                .client
                .call(token.as_deref(), method, &path, body.as_ref());
            if answer.status != expected {
                wrong.push(format!(
                    "{method} {path} as {role}: {} instead of {expected}: {}",
                    answer.status, answer.text
                ));
            } else if answer.status >= 400 {
                assert!(!answer.detail().is_empty());
            }
            assert!(
                !answer.text.contains(crate::fixture::PLANTED),
                "{method} {path} as {role} gives a secret away"
            );
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_documented_operation_is_there_and_closed_to_strangers() {
    let world = World::new();
    let document = world
        .client
        .call(None, "GET", "/api/v1/openapi.json", None)
        .json();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path
                .replace("{id}", UNKNOWN)
                .replace("{name}", "x")
                .replace("{host}", "y");
            let open = operation["security"].is_array() && !path.ends_with("/login");
            let answer = world.client.call(None, &method.to_uppercase(), &path, None);
            let expected = if path.ends_with("/login") {
                415
            } else if path.ends_with("/rdp") {
                // Open, for a WebSocket only; who it is is asked inside.
                426
            } else if open {
                200
            } else {
                401
            };
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
