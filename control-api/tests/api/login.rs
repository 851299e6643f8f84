//! Logging in and out, one-time passwords, cookies, locks, and guessing.

use std::time::{Duration, Instant};

use sallyport_store::Author;
use serde_json::json;

use crate::fixture::{PASSWORD, ROBOT_KEY, World};

#[test]
fn a_token_works_until_it_is_given_back() {
    let world = World::new();
    let answer = world.login("alice", PASSWORD);
    let json = answer.json();
    assert_eq!(json["must_change_password"], false);
    assert!(
        json["expires_at"].as_str().unwrap().ends_with('Z'),
        "{json}"
    );
    let token = json["token"].as_str().unwrap();
    let me = world.client.get(token, "/api/v1/me").json();
    assert_eq!(
        (&me["name"], &me["roles"], &me["scope"]),
        (&json!("alice"), &json!(["user"]), &json!("acme"))
    );
    assert_eq!(
        world
            .client
            .call(Some(token), "POST", "/api/v1/logout", None)
            .status,
        204
    );
    let answer = world.client.get(token, "/api/v1/me");
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json()["type"],
        "urn:sallyport:problem:unauthenticated"
    );
}

#[test]
fn an_api_key_is_as_good_as_a_token() {
    let world = World::new();
    let me = world.client.get(ROBOT_KEY, "/api/v1/me").json();
    assert_eq!(
        (&me["name"], &me["application"]),
        (&json!("robot"), &json!(true))
    );
    let body = json!({ "current_password": ROBOT_KEY, "new_password": "something else" });
    assert_eq!(
        world
            .client
            .post(ROBOT_KEY, "/api/v1/password", &body)
            .status,
        409
    );
    assert_eq!(world.client.get("robot-key", "/api/v1/me").status, 401);
    assert_eq!(world.client.get(ROBOT_KEY, "/api/v1/users").status, 403);
}

#[test]
fn the_cookie_works_from_our_own_pages_only() {
    let world = World::new();
    let answer = world.login("bob", PASSWORD);
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let ours = format!("https://{}", world.addr);
    let json = ("content-type", "application/json");
    for (extra, status) in [
        (vec![], 403),
        (vec![("x-requested-with", "fetch")], 200),
        (vec![("origin", ours.as_str())], 200),
        (
            vec![
                ("origin", "https://evil.example"),
                ("x-requested-with", "fetch"),
            ],
            403,
        ),
    ] {
        let mut headers = vec![("cookie", pair), json];
        headers.extend(extra);
        let answer = world
            .client
            .send("POST", "/api/v1/apply", &headers, Some("{}"));
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text);
    }
    assert_eq!(
        world
            .client
            .send("GET", "/api/v1/me", &[("cookie", pair)], None)
            .status,
        200
    );
    let key = format!("__Host-sallyport={ROBOT_KEY}");
    assert_eq!(
        world
            .client
            .send("GET", "/api/v1/me", &[("cookie", &key)], None)
            .status,
        401,
        "no API keys in cookies"
    );
    let headers = [("cookie", pair), ("x-requested-with", "fetch")];
    let answer = world.client.send("POST", "/api/v1/logout", &headers, None);
    assert!(
        answer.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(
        world
            .client
            .send("GET", "/api/v1/me", &[("cookie", pair)], None)
            .status,
        401
    );
}

#[test]
fn a_one_time_password_opens_nothing_but_its_own_change() {
    let world = World::new();
    let now = chrono::Utc::now();
    world.runtime.block_on(async {
        // There are administrators already, so none is made: the password of one is replaced by hand.
        world
            .store
            .first_admin("ada", "for one use only", true, now)
            .await
            .unwrap();
    });
    let answer = world.login("ada", "for one use only");
    if answer.status == 401 {
        return fresh_store();
    }
    one_time(&world.client, answer);
}

/// The same on a store without any administrator.
fn fresh_store() {
    let world = World::new();
    world.runtime.block_on(async {
        for user in ["bob", "mallory", "root"] {
            let kind = sallyport_domain::declared::NounKind::User;
            world
                .store
                .remove_noun(&Author::system(), kind, user, chrono::Utc::now())
                .await
                .unwrap();
        }
        assert!(
            world
                .store
                .first_admin("ada", "for one use only", true, chrono::Utc::now())
                .await
                .unwrap()
        );
    });
    one_time(&world.client, world.login("ada", "for one use only"));
}

fn one_time(client: &crate::client::Client, answer: crate::client::Answer) {
    assert_eq!(
        answer.json()["must_change_password"],
        true,
        "{}",
        answer.text
    );
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    for path in ["/api/v1/sessions", "/api/v1/users", "/api/v1/audit"] {
        let answer = client.get(&token, path);
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.json()["type"],
            "urn:sallyport:problem:password-change-required"
        );
        assert!(
            answer.detail().contains("POST /api/v1/password"),
            "{}",
            answer.detail()
        );
    }
    assert_eq!(
        client.get(&token, "/api/v1/me").json()["must_change_password"],
        true
    );
    let change = |current: &str, new: &str| {
        client
            .post(
                &token,
                "/api/v1/password",
                &json!({ "current_password": current, "new_password": new }),
            )
            .status
    };
    assert_eq!(change("wrong one", "a new password"), 401);
    assert_eq!(change("for one use only", "short"), 422);
    assert_eq!(change("for one use only", "for one use only"), 422);
    assert_eq!(change("for one use only", "a new password"), 204);
    let body = json!({ "username": "ada", "password": "a new password" });
    let answer = client.call(None, "POST", "/api/v1/login", Some(&body));
    assert_eq!(answer.json()["must_change_password"], false);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&token, "/api/v1/audit").status, 200);
}

#[test]
fn wrong_names_and_wrong_passwords_are_the_same() {
    let world = World::new();
    let took = |user: &str| {
        let start = Instant::now();
        let answer = world.login(user, "some password");
        assert_eq!(answer.status, 401);
        assert_eq!(answer.detail(), "the user name or the password is wrong");
        start.elapsed()
    };
    // In turns, and the fastest of each: what else the machine does cancels out.
    let (unknown, wrong) = (0..3).fold((Duration::MAX, Duration::MAX), |fastest, _| {
        (fastest.0.min(took("nobody")), fastest.1.min(took("alice")))
    });
    let ratio = unknown.as_secs_f64() / wrong.as_secs_f64();
    assert!(
        (0.3..3.0).contains(&ratio),
        "{unknown:?} for an unknown user, {wrong:?} for a wrong password"
    );
    let long = "x".repeat(5000);
    assert_eq!(world.login(&long, "p").status, 401);
    assert_eq!(world.login("alice", &long).status, 401);
}

#[test]
fn guessing_is_slowed_and_every_attempt_is_on_record() {
    let world = World::new();
    let bob = world.token("bob");
    let mut refused = None;
    for _ in 0..10 {
        let answer = world.login("alice", "guess");
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.expect("guesses without end");
    assert!(
        refused.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    assert_eq!(
        world.login("alice", PASSWORD).status,
        429,
        "the right one is not looked at either"
    );
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        world.login("alice", PASSWORD).status,
        200,
        "the wait is short and ends by itself"
    );
    assert_eq!(
        world.login("dave", PASSWORD).status,
        200,
        "others are not touched"
    );

    let log = world
        .client
        .get(&bob, "/api/v1/access-log?user=alice&page_size=100")
        .json();
    let codes: Vec<&str> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "wrong_password")
            .count(),
        6,
        "{codes:?}"
    );
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "too_many_attempts")
            .count(),
        1,
        "{codes:?}"
    );
    let row = &log["items"][0];
    assert_eq!(
        (&row["type"], &row["source_ip"], &row["method"]),
        (&json!("CONSOLE"), &json!("127.0.0.1"), &json!("password"))
    );
}

#[test]
fn a_locked_user_is_out_at_once() {
    let world = World::new();
    let (bob, dave) = (world.token("bob"), world.token("dave"));
    let answer = world.client.post(
        &bob,
        "/api/v1/users/dave/lock",
        &json!({ "reason": "left", "title": "Out" }),
    );
    let json = answer.json();
    assert_eq!(json["locked"], true);
    assert_eq!(json["sessions"][0]["session"], world.other.id(), "{json}");
    assert_eq!(json["sessions"][0]["answer"]["outcome"], "done", "{json}");
    let refused = world.client.get(&dave, "/api/v1/me");
    assert!(matches!(refused.status, 401 | 403), "{}", refused.text);
    let refused = world.login("dave", PASSWORD);
    assert_eq!(refused.status, 403);
    assert!(refused.detail().contains("locked"));
    assert_eq!(
        world
            .client
            .post(&bob, "/api/v1/users/dave/unlock", &json!({}))
            .status,
        200
    );
    assert_eq!(world.login("dave", PASSWORD).status, 200);
}

#[test]
fn the_hash_of_ones_own_password_is_kept_only_for_it() {
    let world = World::new();
    let (alice, bob) = (world.token("alice"), world.token("bob"));
    const PATH: &str = "/api/v1/users/me/nt-hash";
    let keep = |token: &str, password: &str| {
        let body = json!({ "password": password });
        world.client.post(token, PATH, &body)
    };
    let hashes = || {
        let now = chrono::Utc::now();
        let found = world.store.ntlm_candidates("alice", now);
        world.runtime.block_on(found).unwrap().len()
    };
    assert_eq!(keep(ROBOT_KEY, ROBOT_KEY).status, 409);
    assert_eq!(keep(&alice, "a guess").status, 401);
    assert_eq!(hashes(), 0);
    assert_eq!(keep(&alice, PASSWORD).status, 204);
    assert_eq!(hashes(), 1);
    let forgotten = world.client.call(Some(&alice), "DELETE", PATH, None);
    assert_eq!((forgotten.status, hashes()), (204, 0));

    assert_eq!(keep(&alice, PASSWORD).status, 204);
    let change = json!({ "current_password": PASSWORD, "new_password": "another word" });
    let changed = world.client.post(&alice, "/api/v1/password", &change);
    assert_eq!((changed.status, hashes()), (204, 0));

    // Guessing here is slowed like guessing at the door, and both are on record.
    let alice = world.login("alice", "another word").json()["token"].clone();
    let alice = alice.as_str().unwrap();
    let guesses: Vec<u16> = (0..10).map(|_| keep(alice, "a guess").status).collect();
    assert!(guesses.contains(&429), "{guesses:?}");
    assert_eq!(world.login("alice", "another word").status, 429);
    let log = world
        .client
        .get(&bob, "/api/v1/access-log?user=alice&page_size=100");
    let methods = log.json()["items"].as_array().unwrap().clone();
    let methods = methods.iter().filter(|row| row["method"] == "nt-hash");
    assert!(methods.count() > 5);
}

#[test]
fn a_user_called_me_can_be_locked() {
    let world = World::new();
    let bob = world.token("bob");
    let body = json!({ "name": "me", "scope": "acme" });
    let made = world
        .client
        .call(Some(&bob), "PUT", "/api/v1/users/me", Some(&body));
    assert_eq!(made.status, 201, "{}", made.text);
    let locked = world.client.post(&bob, "/api/v1/users/me/lock", &json!({}));
    assert_eq!(locked.status, 200, "{}", locked.text);
}
