//! Rights reach downwards from a scope, never sideways.

use serde_json::{Value, json};

use crate::fixture::{World, live};

/// What lies beyond an administrator's scope, and two things within it.
fn beyond(world: &World) -> Vec<(&'static str, String, Option<Value>, u16)> {
    let (own, recording) = (world.own.id(), world.own.connection);
    vec![
        ("GET", format!("/api/v1/sessions/{own}"), None, 404),
        (
            "POST",
            format!("/api/v1/sessions/{own}/lock"),
            Some(json!({})),
            404,
        ),
        ("GET", format!("/api/v1/sessions/{own}/watch"), None, 404),
        (
            "GET",
            format!("/api/v1/recordings/{recording}/tape"),
            None,
            404,
        ),
        ("GET", "/api/v1/users/alice".to_owned(), None, 404),
        (
            "POST",
            "/api/v1/users/alice/lock".to_owned(),
            Some(json!({})),
            404,
        ),
        ("DELETE", "/api/v1/hosts/web-01".to_owned(), None, 404),
        (
            "DELETE",
            "/api/v1/hosts/web-01/host-keys".to_owned(),
            None,
            404,
        ),
        (
            "PUT",
            "/api/v1/users/alice".to_owned(),
            Some(json!({ "name": "alice", "scope": "other" })),
            403,
        ),
        (
            "PUT",
            "/api/v1/users/eve".to_owned(),
            Some(json!({ "name": "eve", "scope": "acme" })),
            403,
        ),
        (
            "PUT",
            "/api/v1/users/eve".to_owned(),
            Some(json!({ "name": "eve", "scope": "", "roles": ["admin"] })),
            403,
        ),
        (
            "PUT",
            "/api/v1/users/eve".to_owned(),
            Some(json!({ "name": "eve", "scope": "other" })),
            201,
        ),
    ]
}

#[test]
fn an_administrator_of_another_scope_sees_and_reaches_nothing_here() {
    let world = World::new();
    let mallory = world.token("mallory");
    for (method, path, body, expected) in beyond(&world) {
        let answer = world
            .client
            .call(Some(&mallory), method, &path, body.as_ref());
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
        assert!(
            !answer.text.contains("acme/"),
            "{method} {path} tells where it lies: {}",
            answer.text
        );
    }
    assert_eq!(
        world.client.get(&mallory, "/api/v1/sessions").json()["total"],
        0
    );
    assert_eq!(
        world.client.get(&mallory, "/api/v1/recordings").json()["total"],
        0
    );
}

#[test]
fn a_role_does_not_reach_ones_own_session_in_another_scope() {
    let world = World::new();
    let mallory = world.token("mallory");
    let tapes = world.tape_dir();
    let own = live(&world.store, world.node, "mallory", "web-01", &tapes);
    let own = world.runtime.block_on(own);
    for (method, path, expected) in [
        ("GET", format!("sessions/{}", own.id()), 200),
        ("GET", format!("sessions/{}/watch", own.id()), 403),
        ("POST", format!("sessions/{}/lock", own.id()), 403),
        ("GET", format!("recordings/{}/tape", own.connection), 403),
        ("POST", format!("sessions/{}/end", own.id()), 200),
    ] {
        let answer = world
            .client
            .call(Some(&mallory), method, &format!("/api/v1/{path}"), None);
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
    }
}
