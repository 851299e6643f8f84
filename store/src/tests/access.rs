use sallyport_domain::role::Role;

use super::data::{
    ALICE_KEY, ALICE_PASSWORD, EXAMPLE, ROBOT_KEY, apply_example, at, declaration, viewer,
};
use super::harness::{Bench, on_both};
use crate::{Author, Hint, ListQuery, Login, LoginOutcome, SessionType, StoreError};

on_both! {
    passwords_and_keys_open_for_their_owner_only,
    tokens_end_with_time_logout_lock_and_password,
    the_first_admin_is_made_once,
    every_attempt_is_on_record,
}

async fn passwords_and_keys_open_for_their_owner_only(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let alice = store
        .authenticate_password("alice", ALICE_PASSWORD)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (alice.first_name.as_str(), alice.scope.as_str()),
        ("Alice", "acme")
    );
    assert_eq!(
        (alice.roles.as_slice(), alice.application, alice.locked),
        ([Role::User].as_slice(), false, false)
    );
    for (user, password) in [
        ("alice", "wrong"),
        ("alice", ""),
        ("Alice", ALICE_PASSWORD),
        ("nobody", ALICE_PASSWORD),
        ("bob", ""),
        ("deploy-robot", ROBOT_KEY),
        ("a\0b", "x"),
    ] {
        assert!(
            store
                .authenticate_password(user, password)
                .await
                .unwrap()
                .is_none(),
            "{user:?} {password}"
        );
    }
    let (bare, _) = ALICE_KEY.rsplit_once(' ').unwrap();
    for (user, key, known) in [
        ("alice", bare, true),
        ("alice", ALICE_KEY, true),
        ("bob", bare, false),
        ("nobody", bare, false),
        (
            "alice",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJm",
            false,
        ),
        ("alice", "junk", false),
    ] {
        let identity = store.authenticate_key(user, key).await.unwrap();
        assert_eq!(identity.is_some(), known, "{user} {key}");
    }
    let robot = store
        .authenticate_api_key(ROBOT_KEY)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            robot.name.as_str(),
            robot.application,
            robot.identity_provider()
        ),
        ("deploy-robot", true, "application")
    );
    assert!(
        store
            .authenticate_api_key("robot-key")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        store.identity("deploy-robot").await.unwrap().unwrap(),
        robot
    );
}

async fn tokens_end_with_time_logout_lock_and_password(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let alice = store.identity("alice").await.unwrap().unwrap();
    let system = Author::system();
    let token = async || {
        store
            .create_token(&alice, "192.0.2.7", at(0), at(100))
            .await
            .unwrap()
            .text
    };
    let good = async |token: &str, now: i64| {
        store
            .token_identity(token, at(now))
            .await
            .unwrap()
            .is_some()
    };

    let (first, second) = (token().await, token().await);
    assert!(first.len() >= 43 && first != second);
    assert!(good(&first, 99).await && !good(&first, 100).await && !good("nonsense", 0).await);
    assert_eq!(
        store.token_identity(&first, at(1)).await.unwrap().unwrap(),
        alice
    );

    store.revoke_token(&first, at(1)).await.unwrap();
    assert!(!good(&first, 1).await && good(&second, 1).await);

    let mut hints = store.hints();
    store
        .set_user_locked(&system, "alice", true, "left the company", at(2))
        .await
        .unwrap();
    assert_eq!(hints.recv().await.unwrap(), Hint::Policy);
    assert!(!good(&second, 2).await, "a locked user is logged out");
    let locked = store
        .authenticate_password("alice", ALICE_PASSWORD)
        .await
        .unwrap()
        .unwrap();
    assert!(locked.locked, "the caller can tell her why");
    store
        .set_user_locked(&system, "alice", false, "", at(3))
        .await
        .unwrap();
    assert!(!store.identity("alice").await.unwrap().unwrap().locked);

    let third = token().await;
    store
        .set_password(&system, "alice", "Fresh-pass-1", at(4))
        .await
        .unwrap();
    assert!(
        !good(&third, 4).await,
        "a new password ends what the old one began"
    );
    assert!(
        store
            .authenticate_password("alice", ALICE_PASSWORD)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .authenticate_password("alice", "Fresh-pass-1")
            .await
            .unwrap()
            .is_some()
    );

    // Out of reach looks like not there.
    let mut stranger = Author::system();
    stranger.reach = "acme_2".to_owned().try_into().unwrap();
    for error in [
        store
            .set_password(&stranger, "alice", "x", at(5))
            .await
            .unwrap_err(),
        store
            .set_user_locked(&stranger, "alice", true, "", at(5))
            .await
            .unwrap_err(),
        store
            .set_user_locked(&system, "nobody", true, "", at(5))
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::NotFound { what: "user", .. }),
            "{error}"
        );
    }
    assert_eq!(
        store.verify_audit().await.unwrap().entries,
        EXAMPLE as u64 + 3
    );
}

async fn the_first_admin_is_made_once(bench: Bench) {
    let store = &bench.store;
    assert!(
        store
            .first_admin("admin", "One-time-1", true, at(0))
            .await
            .unwrap()
    );
    assert!(
        !store
            .first_admin("admin", "Another-1", true, at(1))
            .await
            .unwrap()
    );
    let admin = store
        .authenticate_password("admin", "One-time-1")
        .await
        .unwrap()
        .unwrap();
    assert!(
        admin.must_change_password
            && admin.roles == [Role::Admin]
            && admin.scope.as_str().is_empty()
    );
    store
        .set_password(&admin.author("192.0.2.1"), "admin", "My-own-1", at(2))
        .await
        .unwrap();
    let admin = store
        .authenticate_password("admin", "My-own-1")
        .await
        .unwrap()
        .unwrap();
    assert!(!admin.must_change_password);
    for bad in ["", &"x".repeat(2000)] {
        let refused = store
            .set_password(&admin.author(""), "admin", bad, at(3))
            .await;
        assert!(matches!(refused, Err(StoreError::Password(_))));
    }
    let declared = serde_json::json!({ "users": [{ "name": "root2", "roles": ["admin"] }] });
    store
        .apply(&Author::system(), &declaration(declared), false, at(4))
        .await
        .unwrap();
    assert!(!store.first_admin("third", "x", false, at(5)).await.unwrap());
}

async fn every_attempt_is_on_record(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let attempt = |user: &str, seconds: i64, outcome: LoginOutcome| Login {
        at: at(seconds),
        kind: SessionType::PamSsh,
        user: user.to_owned(),
        source_ip: "192.0.2.9".to_owned(),
        method: "password".to_owned(),
        outcome,
        code: if outcome == LoginOutcome::Refused {
            "bad_credentials".to_owned()
        } else {
            String::new()
        },
        text: "it went that way".to_owned(),
        service_provider: "web-01".to_owned(),
        session: None,
    };
    for (user, seconds, outcome) in [
        ("alice", 10, LoginOutcome::Accepted),
        ("alice", 20, LoginOutcome::Refused),
        ("mallory\0", 30, LoginOutcome::Refused),
    ] {
        store
            .record_login(&attempt(user, seconds, outcome))
            .await
            .unwrap();
    }
    let auditor = viewer(store, "carol", Role::Auditor, "").await;
    let of_acme = viewer(store, "carol", Role::Auditor, "acme").await;
    let alice = viewer(store, "alice", Role::User, "acme").await;
    let bob = viewer(store, "bob", Role::User, "acme").await;
    let all = ListQuery::default();
    for (viewer, query, expected) in [
        (&auditor, all.clone(), vec![30, 20, 10]),
        (&of_acme, all.clone(), vec![20, 10]),
        (&alice, all.clone(), vec![20, 10]),
        (&bob, all.clone(), vec![]),
        (
            &auditor,
            ListQuery {
                accepted: Some(false),
                ..all.clone()
            },
            vec![30, 20],
        ),
        (
            &auditor,
            ListQuery {
                q: "MALLORY".to_owned(),
                ..all.clone()
            },
            vec![30],
        ),
        (
            &auditor,
            ListQuery {
                sort: "at".to_owned(),
                from: Some(at(15)),
                to: Some(at(30)),
                ..all.clone()
            },
            vec![20, 30],
        ),
    ] {
        let page = store.list_logins(viewer, &query).await.unwrap();
        let times: Vec<_> = page
            .items
            .iter()
            .map(|row| (row.at - at(0)).num_seconds())
            .collect();
        assert_eq!(times, expected, "{} {query:?}", viewer.name);
    }
    let row = &store.list_logins(&auditor, &all).await.unwrap().items[0];
    assert_eq!(
        (row.user.as_str(), row.code.as_str()),
        ("mallory\u{fffd}", "bad_credentials")
    );
}
