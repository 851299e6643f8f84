use std::sync::Arc;

use sallyport_domain::declared::{AccessPolicy, Declaration, NounKind, Protocol};
use sallyport_domain::id::{NounId, SessionId};
use sallyport_domain::policy::{Decision, Request, evaluate};
use sallyport_domain::role::Role;
use sqlx::{AssertSqlSafe, Row};

use super::data::{
    DEPLOY_PASSWORD, ROOT_KEY, apply_example, at, declaration, permit, requested, session, viewer,
};
use super::harness::{Bench, on_both};
use crate::sql::new_id;
use crate::{Author, ListQuery, SecretField, StoreError, VaultError};

on_both! {
    a_snapshot_holds_what_the_decision_needs,
    a_host_is_found_by_its_names_or_else_by_its_address,
    secrets_open_with_a_permit_and_leave_a_trace,
    swapped_rows_do_not_open,
    of_many_first_uses_one_pins,
    pins_of_ssh_and_rdp_do_not_mix,
    rules_in_memory_are_those_of_the_database,
}

async fn a_snapshot_holds_what_the_decision_needs(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    for host in ["web-01", "WEB-01", "web front END"] {
        let snapshot = store.policy_snapshot("alice", host).await.unwrap();
        assert_eq!(snapshot.host.as_ref().unwrap().1.name, "web-01", "{host}");
        assert_eq!(snapshot.groups, ["operators"]);
        let accounts: Vec<_> = snapshot
            .accounts
            .iter()
            .map(|(_, account, secret)| (account.name.as_str(), *secret))
            .collect();
        assert_eq!(accounts, [("deploy", true), ("root", true)]);
        assert_eq!(
            (
                snapshot.rules.policies.len(),
                snapshot.rules.activities.len(),
                snapshot.rules.profiles.len()
            ),
            (2, 2, 1)
        );
        assert!(!snapshot.user_locked && !snapshot.host_barred && !snapshot.is_application);
    }
    let nowhere = store.policy_snapshot("nobody\0", "nowhere").await.unwrap();
    assert!(
        nowhere.host.is_none() && nowhere.groups.is_empty() && nowhere.rules.policies.len() == 2
    );
    assert!(
        store
            .policy_snapshot("deploy-robot", "web-01")
            .await
            .unwrap()
            .is_application
    );

    let system = Author::system();
    let host = store
        .policy_snapshot("alice", "web-01")
        .await
        .unwrap()
        .host
        .unwrap()
        .0;
    for barred in [true, true, false] {
        store
            .bar_host(&system, "alice", host, barred, at(1))
            .await
            .unwrap();
        assert_eq!(
            store
                .policy_snapshot("alice", "web-01")
                .await
                .unwrap()
                .host_barred,
            barred
        );
        assert!(
            !store
                .policy_snapshot("bob", "web-01")
                .await
                .unwrap()
                .host_barred
        );
    }
    let missing = store
        .bar_host(&system, "alice", new_id(), true, at(1))
        .await
        .unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "host", .. }));
    store
        .set_user_locked(&system, "alice", true, "", at(2))
        .await
        .unwrap();
    let snapshot = store.policy_snapshot("alice", "web-01").await.unwrap();
    assert!(snapshot.user_locked);
    let (activity, policy, notes, ticket) = (None, None, None, None);
    let request = Request {
        protocol: Protocol::Ssh,
        host: "web-01".to_owned(),
        account: None,
        activity,
        policy,
        notes,
        ticket,
    };
    assert!(matches!(evaluate(&snapshot, &request), Decision::Deny(_)));
}

async fn a_host_is_found_by_its_names_or_else_by_its_address(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let more = declaration(serde_json::json!({ "hosts": [
        { "name": "twin", "address": "127.0.0.1", "ssh": {} },
        { "name": "six", "address": "FD00:0:0::5", "ssh": {} },
        { "name": "dns", "address": "Box_1.example", "ssh": {} },
        { "name": "10.0.0.9", "address": "10.0.0.8", "ssh": {} },
        { "name": "ten", "address": "10.0.0.9", "ssh": {} },
    ] }));
    let system = Author::system();
    store.apply(&system, &more, false, at(1)).await.unwrap();
    for (asked, expected) in [
        ("web-01", &["web-01"][..]),
        ("web FRONT end", &["web-01"]),
        ("127.0.0.1", &["twin", "web-01"]),
        ("fd00::5", &["six"]),
        ("fd00:0::0:5", &["six"]),
        ("box_1.EXAMPLE", &["dns"]),
        // `_` is no wildcard, and a part of an address is none.
        ("boxx1.example", &[]),
        ("127.0.0", &[]),
        // A name is meant before an address.
        ("10.0.0.9", &["10.0.0.9"]),
        ("%", &[]),
        ("", &[]),
        ("nul\0", &[]),
    ] {
        let found = store.hosts_called(asked).await.unwrap();
        let names: Vec<_> = found.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, expected, "{asked}");
    }
}

async fn secrets_open_with_a_permit_and_leave_a_trace(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[requested()]).await.unwrap();
    for (activity, field, secret) in [
        ("shell", SecretField::Password, DEPLOY_PASSWORD),
        ("root-shell", SecretField::PrivateKey, ROOT_KEY),
    ] {
        let opened = store
            .open_secret(&permit(store, activity).await, new.id, at(5))
            .await
            .unwrap();
        assert_eq!(
            (opened.field, opened.version, opened.value.as_str()),
            (field, 1, secret)
        );
    }
    // Where only a password will do, a key is as good as nothing.
    let key_only = permit(store, "root-shell").await;
    let none = store.open_password(&key_only, new.id, at(5)).await;
    assert!(matches!(none.map(|_| ()), Err(StoreError::NoSecret { .. })));
    let page = store
        .session_events(
            new.id,
            &ListQuery {
                kind: Some("secret.used".to_owned()),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    let told: Vec<_> = page
        .items
        .iter()
        .map(|event| (event.line, event.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                2,
                "password version 1 of deploy used for web-01 under operators-web / shell"
            ),
            (
                3,
                "private_key version 1 of root used for web-01 under root-on-prod / root-shell"
            ),
        ]
    );
    // Without a session there is nowhere to leave a trace, and so no secret.
    let nowhere: SessionId = new_id();
    let refused = store
        .open_secret(&permit(store, "shell").await, nowhere, at(5))
        .await
        .map(|_| ());
    assert!(matches!(
        refused,
        Err(StoreError::NotFound {
            what: "session",
            ..
        })
    ));
    // A changed secret is a new version; the old one is gone.
    let changed = serde_json::json!({ "accounts": [{ "name": "deploy", "host": "web-01", "secret": { "password": { "value": "second" } }, "owners": ["alice"] }] });
    store
        .apply(&Author::system(), &declaration(changed), false, at(6))
        .await
        .unwrap();
    let opened = store
        .open_secret(&permit(store, "shell").await, new.id, at(7))
        .await
        .unwrap();
    assert_eq!((opened.version, opened.value.as_str()), (2, "second"));
}

async fn swapped_rows_do_not_open(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    let mut raw = bench.raw().await;
    let deploy = permit(store, "shell").await;
    let root = permit(store, "root-shell").await;
    let id = |permit: &sallyport_domain::permit::Permit| permit.account_id().to_string();
    let row = sqlx::query("SELECT sealed FROM secret WHERE owner_id = $1")
        .bind(id(&root))
        .fetch_one(&mut raw)
        .await
        .unwrap();
    let of_root: Vec<u8> = row.get("sealed");
    for tampering in [
        // Somebody else's ciphertext, another field, another version.
        format!(
            "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE owner_id = '{}') WHERE owner_id = '{}'",
            id(&root),
            id(&deploy)
        ),
        format!(
            "UPDATE secret SET field = 'password' WHERE owner_id = '{}'",
            id(&root)
        ),
        format!(
            "UPDATE secret SET field = 'private_key', version = 2 WHERE owner_id = '{}'",
            id(&root)
        ),
    ] {
        sqlx::query(AssertSqlSafe(tampering))
            .execute(&mut raw)
            .await
            .unwrap();
    }
    for permit in [&deploy, &root] {
        let refused = store
            .open_secret(permit, new.id, at(1))
            .await
            .map(|_| ())
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::Vault(VaultError::Tampered { .. })),
            "{refused}"
        );
    }
    assert_eq!(
        store
            .session_events(new.id, &ListQuery::default())
            .await
            .unwrap()
            .total,
        0,
        "nothing was used"
    );
    sqlx::query("UPDATE secret SET version = 1, sealed = $2 WHERE owner_id = $1")
        .bind(id(&root))
        .bind(of_root)
        .execute(&mut raw)
        .await
        .unwrap();
    assert!(
        store.open_secret(&root, new.id, at(2)).await.is_ok(),
        "put back, it opens"
    );
    // Declaring a damaged secret again mends it.
    store
        .apply(
            &Author::system(),
            &declaration(super::data::example()),
            false,
            at(3),
        )
        .await
        .unwrap();
    assert_eq!(
        store
            .open_secret(&deploy, new.id, at(4))
            .await
            .unwrap()
            .value
            .as_str(),
        DEPLOY_PASSWORD
    );
    // An account without one says so.
    sqlx::query("DELETE FROM secret")
        .execute(&mut raw)
        .await
        .unwrap();
    let none = store
        .open_secret(&root, new.id, at(4))
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        none.to_string(),
        "there is no secret for root@web-01 in the vault: declare one with `sallyport apply`"
    );
}

async fn of_many_first_uses_one_pins(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let host = store
        .policy_snapshot("alice", "web-01")
        .await
        .unwrap()
        .host
        .unwrap()
        .0;
    assert!(store.host_keys(host).await.unwrap().is_empty());
    let uses = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .pin_host_key(host, &format!("ssh-ed25519 KEY{number}"), at(1))
                .await
                .unwrap()
        })
    });
    let pinned = futures::future::join_all(uses)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    assert!(
        pinned
            .iter()
            .all(|keys| keys.len() == 1 && keys == &pinned[0]),
        "{pinned:?}"
    );
    assert_eq!(store.host_keys(host).await.unwrap(), pinned[0]);
    store
        .unpin_host_keys(&Author::system(), "WEB-01", at(2))
        .await
        .unwrap();
    assert!(store.host_keys(host).await.unwrap().is_empty());
    assert_eq!(
        store
            .pin_host_key(host, "ssh-ed25519 NEW", at(3))
            .await
            .unwrap(),
        ["ssh-ed25519 NEW"]
    );
    let unknown: NounId = new_id();
    let refused = store
        .pin_host_key(unknown, "ssh-ed25519 NEW", at(3))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::Constraint { .. }),
        "{refused:?}"
    );
}

async fn pins_of_ssh_and_rdp_do_not_mix(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let snapshot = store.policy_snapshot("alice", "web-01").await.unwrap();
    let host = snapshot.host.unwrap().0;
    let digest = "0123456789abcdef".repeat(4);
    let uses = (0..8).map(|number| {
        let (store, key) = (store.clone(), digest.replacen('0', &number.to_string(), 1));
        tokio::spawn(async move { store.pin_rdp_key(host, &key, at(1)).await.unwrap() })
    });
    let pinned: Vec<_> = futures::future::join_all(uses).await;
    let pinned: Vec<Vec<String>> = pinned.into_iter().map(Result::unwrap).collect();
    let one = pinned[0].clone();
    assert!(
        pinned.iter().all(|keys| keys.len() == 1 && *keys == one),
        "{pinned:?}"
    );
    assert!(store.host_keys(host).await.unwrap().is_empty());
    let ssh = store.pin_host_key(host, "ssh-ed25519 KEY", at(2)).await;
    assert_eq!(ssh.unwrap(), ["ssh-ed25519 KEY"]);
    assert_eq!(store.rdp_pins(host).await.unwrap(), one);

    let bob = viewer(store, "bob", Role::Admin, "acme_2").await;
    let elsewhere = Author {
        reach: bob.scope,
        ..Author::system()
    };
    let refused = store.unpin_rdp_keys(&elsewhere, "web-01", at(3)).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    let system = Author::system();
    store
        .unpin_rdp_keys(&system, "WEB-01", at(3))
        .await
        .unwrap();
    assert!(store.rdp_pins(host).await.unwrap().is_empty());
    assert_eq!(store.host_keys(host).await.unwrap().len(), 1);
    let trail = store
        .list_audit(
            &viewer(store, "bob", Role::Admin, "").await,
            &Default::default(),
        )
        .await
        .unwrap();
    assert_eq!(
        (
            trail.items[0].action.as_str(),
            &trail.items[0].before["rdp_keys"]
        ),
        ("host.rdp_unpinned", &serde_json::json!(one))
    );
}

async fn rules_in_memory_are_those_of_the_database(bench: Bench) {
    let (store, other) = (&bench.store, bench.again().await);
    apply_example(store).await;
    let rules = async || {
        let here = store.policy_snapshot("alice", "web-01").await.unwrap();
        let there = other.policy_snapshot("alice", "web-01").await.unwrap();
        let names = |policies: &[AccessPolicy]| -> Vec<String> {
            policies.iter().map(|policy| policy.name.clone()).collect()
        };
        let seen = names(&here.rules.policies);
        assert_eq!(seen, names(&there.rules.policies), "on both nodes at once");
        (here.rules, seen)
    };
    let (first, before) = rules().await;
    let (again, _) = rules().await;
    assert!(Arc::ptr_eq(&first, &again), "read once");
    // Other nouns are no rules.
    let more =
        declaration(serde_json::json!({ "groups": [{ "name": "new", "members": ["alice"] }] }));
    let system = Author::system();
    store.apply(&system, &more, false, at(1)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &rules().await.0));

    let mut policy = first.policies[0].clone();
    policy.name = "zz".to_owned();
    let added = Declaration {
        access_policies: vec![policy],
        ..Declaration::default()
    };
    other.apply(&system, &added, false, at(2)).await.unwrap();
    let (_, seen) = rules().await;
    assert_eq!(seen, [before.clone(), vec!["zz".to_owned()]].concat());
    store
        .remove_noun(&system, NounKind::AccessPolicy, "zz", at(3))
        .await
        .unwrap();
    assert_eq!(rules().await.1, before);
    // Whatever wrote it.
    let mut raw = bench.raw().await;
    sqlx::query(
        "UPDATE noun SET doc = replace(doc, 'standard', 'gone') WHERE kind = 'access-policy'",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let (rules, _) = rules().await;
    assert!(
        rules
            .policies
            .iter()
            .all(|policy| policy.connection_profile == "gone")
    );
}
