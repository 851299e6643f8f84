//! Connection passwords: made for oneself, good for what one may reach, shown once.

use chrono::{DateTime, TimeDelta, Utc};
use sallyport_store::CandidateId;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::fixture::{ROBOT_KEY, UNKNOWN, World};

const PATH: &str = "/api/v1/connection-passwords";

fn make(world: &World, token: &str, body: Value) -> Answer {
    world.client.post(token, PATH, &body)
}

fn made(world: &World, token: &str, body: Value) -> Value {
    let answer = make(world, token, body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// For how many seconds it is good.
fn seconds(made: &Value) -> i64 {
    let time = |field: &str| -> DateTime<Utc> { made[field].as_str().unwrap().parse().unwrap() };
    (time("expires_at") - time("created_at")).num_seconds()
}

#[test]
fn a_password_is_made_shown_once_and_good_for_what_it_says() {
    let world = World::new();
    let alice = world.token("alice");
    let free = made(&world, &alice, json!({}));
    assert_eq!(
        (&free["login"], &free["uses"]),
        (&json!("alice"), &json!("one"))
    );
    assert_eq!(
        (&free["host"], &free["activity"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(seconds(&free), 300);
    let password = free["password"].as_str().unwrap();
    assert_eq!((password.len(), password.split('-').count()), (24, 5));

    let body =
        json!({ "host": "FRONT desk", "activity": "office_work", "ttl_s": 43200, "uses": "many" });
    let bound = made(&world, &alice, body);
    assert_eq!(bound["login"], "alice+office_work+desk-01");
    assert_eq!(
        (&bound["host"], &bound["activity"], &bound["uses"]),
        (&json!("desk-01"), &json!("office work"), &json!("many"))
    );
    assert_eq!(seconds(&bound), 43_200);
    assert_eq!(
        made(&world, &alice, json!({ "host": "desk-01" }))["login"],
        "alice+desk-01"
    );
    assert_eq!(
        made(&world, &alice, json!({ "activity": "desktop" }))["login"],
        "alice"
    );

    // It opens what it says: the store's side is what the gateway asks.
    let now = Utc::now();
    let bound_password = bound["password"].as_str().unwrap();
    let check = world
        .store
        .check_connection_password("alice", bound_password, now);
    let found = world.runtime.block_on(check).unwrap().unwrap();
    let id = bound["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(found.id, CandidateId::ConnectionPassword(id));
    assert_eq!(
        (found.host.as_deref(), found.activity.as_deref()),
        (Some("desk-01"), Some("office work"))
    );

    let list = world.client.get(&alice, PATH);
    let items = list.json()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 4);
    assert_eq!(items[1]["login"], bound["login"]);
    assert!(!list.text.contains("password\"") && !list.text.contains(password));
    let audit = world
        .client
        .get(&world.token("bob"), "/api/v1/audit?q=connection-password");
    assert_eq!(audit.json()["total"], 4);
    assert!(!audit.text.contains(password) && !audit.text.contains(bound_password));
}

#[test]
fn a_password_is_ones_own_business() {
    let world = World::new();
    let (alice, dave, bob) = (
        world.token("alice"),
        world.token("dave"),
        world.token("bob"),
    );
    let id = made(&world, &alice, json!({}))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let remove = |token: &str, id: &str| {
        let path = format!("{PATH}/{id}");
        world.client.call(Some(token), "DELETE", &path, None).status
    };
    for other in [&dave, &bob] {
        assert_eq!(world.client.get(other, PATH).json()["items"], json!([]));
        assert_eq!(remove(other, &id), 404);
    }
    assert_eq!(remove(&alice, UNKNOWN), 404);
    assert_eq!(remove(&alice, "not-an-id"), 404);
    assert_eq!((remove(&alice, &id), remove(&alice, &id)), (204, 404));
    let refused = make(&world, ROBOT_KEY, json!({}));
    assert_eq!(refused.status, 409, "{}", refused.text);
    // Who may use no sessions has no use for one.
    assert_eq!(make(&world, &world.token("carol"), json!({})).status, 403);
}

#[test]
fn what_cannot_be_reached_gets_no_password() {
    let world = World::new();
    let (alice, dave) = (world.token("alice"), world.token("dave"));
    for (token, body, status, told) in [
        (
            &alice,
            json!({ "host": "nowhere" }),
            403,
            "lets you reach nowhere",
        ),
        (
            &alice,
            json!({ "host": "web-01" }),
            403,
            "lets you reach web-01",
        ),
        (
            &alice,
            json!({ "host": "desk-01", "activity": "shell" }),
            403,
            "you may: desktop, office work",
        ),
        (
            &alice,
            json!({ "activity": "shell" }),
            403,
            "on any host; you may: desktop, office work",
        ),
        (
            &dave,
            json!({ "host": "desk-01" }),
            403,
            "lets you reach desk-01",
        ),
        (
            &dave,
            json!({ "activity": "desktop" }),
            403,
            "no access policy lets you reach any host",
        ),
        (
            &alice,
            json!({ "host": "a\u{1b}" }),
            422,
            "control characters",
        ),
        (
            &alice,
            json!({ "ttl_s": 0 }),
            422,
            "must be 1 to 43200 seconds",
        ),
        (
            &alice,
            json!({ "ttl_s": 43201 }),
            422,
            "must be 1 to 43200 seconds",
        ),
        (
            &alice,
            json!({ "uses": "two" }),
            422,
            "expected `one` or `many`",
        ),
        (
            &alice,
            json!({ "user": "bob" }),
            422,
            "unknown field `user`",
        ),
    ] {
        let answer = make(&world, token, body.clone());
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(
            answer.detail().contains(told),
            "{body}: {}",
            answer.detail()
        );
    }
    let now = Utc::now() + TimeDelta::seconds(1);
    for user in ["alice", "dave"] {
        let found = world
            .runtime
            .block_on(world.store.ntlm_candidates(user, now));
        assert!(found.unwrap().is_empty());
    }
    let log = world.client.get(
        &world.token("bob"),
        "/api/v1/access-log?user=dave&type=PAM%20RDP",
    );
    assert_eq!(
        log.json()["items"][0]["service_provider"],
        "",
        "{}",
        log.text
    );
    assert_eq!(log.json()["items"][1]["code"], "no_policy", "{}", log.text);
    for _ in 0..16 {
        made(&world, &alice, json!({}));
    }
    let refused = make(&world, &alice, json!({}));
    assert_eq!(refused.status, 409);
    assert!(
        refused
            .detail()
            .contains("you have 16 connection passwords already")
    );
}
