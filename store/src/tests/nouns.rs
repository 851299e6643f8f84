use sallyport_domain::declared::NounKind;
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::data::{
    ALICE_PASSWORD, DEPLOY_PASSWORD, EXAMPLE, ROBOT_KEY, ROOT_KEY, apply_example, at, declaration,
    example, viewer,
};
use super::harness::{Bench, on_both};
use crate::{ApplyError, Author, ChangeAction, ListQuery};

on_both! {
    applying_twice_changes_nothing,
    a_dry_run_keeps_nothing,
    what_changed_is_told_without_secrets,
    mistakes_are_named_and_nothing_is_kept,
    what_is_in_use_stays,
    reach_ends_at_the_scope,
    lists_show_what_the_viewer_may_see,
    secrets_are_nowhere_in_clear,
}

async fn applying_twice_changes_nothing(bench: Bench) {
    let store = &bench.store;
    let first = store
        .apply(&Author::system(), &declaration(example()), false, at(0))
        .await
        .unwrap();
    assert_eq!(first.len(), EXAMPLE);
    assert!(
        first
            .iter()
            .all(|change| change.action == ChangeAction::Created && change.before.is_null())
    );
    let again = store
        .apply(&Author::system(), &declaration(example()), false, at(1))
        .await
        .unwrap();
    let changed: Vec<_> = again
        .iter()
        .filter(|change| change.action != ChangeAction::Unchanged)
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    let report = store.verify_audit().await.unwrap();
    assert_eq!(
        (report.entries, report.fault),
        (EXAMPLE as u64, None),
        "one entry a change, none for what did not change"
    );
}

async fn a_dry_run_keeps_nothing(bench: Bench) {
    let changes = bench
        .store
        .apply(&Author::system(), &declaration(example()), true, at(0))
        .await
        .unwrap();
    assert_eq!(changes.len(), EXAMPLE);
    assert_eq!(bench.store.verify_audit().await.unwrap().entries, 0);
    assert!(bench.store.identity("alice").await.unwrap().is_none());
}

async fn what_changed_is_told_without_secrets(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    for (document, action, told) in [
        (
            json!({ "users": [{ "name": "alice", "scope": "acme", "password": { "value": "new" } }] }),
            ChangeAction::Changed,
            "password",
        ),
        (
            json!({ "applications": [{ "name": "deploy-robot", "scope": "acme", "api_key": { "value": "k2" } }] }),
            ChangeAction::Changed,
            "api_key",
        ),
        (
            json!({ "accounts": [{ "name": "root", "host": "web-01", "secret": { "private_key": { "value": "k3" } } }] }),
            ChangeAction::Changed,
            "private_key",
        ),
        (
            json!({ "accounts": [{ "name": "root", "host": "web-01" }] }),
            ChangeAction::Unchanged,
            "",
        ),
        (
            json!({ "hosts": [{ "name": "web-02", "address": "10.0.0.2" }] }),
            ChangeAction::Created,
            "",
        ),
    ] {
        let changes = store
            .apply(&Author::system(), &declaration(document), false, at(1))
            .await
            .unwrap();
        assert_eq!(changes[0].action, action);
        if !told.is_empty() {
            assert_eq!(changes[0].after[told], "changed");
        }
        assert!(
            !serde_json::to_string(&changes)
                .unwrap()
                .contains("\"value\"")
        );
    }
}

async fn mistakes_are_named_and_nothing_is_kept(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let host = |name: &str, friendly: &str| json!({ "hosts": [{ "name": name, "friendly_name": friendly, "address": "h" }] });
    for (document, expected) in [
        (
            json!({ "groups": [{ "name": "g", "members": ["alice", "zoe"] }] }),
            "group `g`: members names user `zoe`, which does not exist; allowed: alice, bob, carol",
        ),
        (
            json!({ "accounts": [{ "name": "x", "host": "Web-01" }] }),
            "account `x@Web-01`: host names host `Web-01`, which does not exist; allowed: web-01",
        ),
        (
            json!({ "access_policies": [{ "name": "p", "activities": ["none"], "connection_profile": "standard" }] }),
            "access-policy `p`: activities names activity `none`, which does not exist; allowed: root-shell, shell",
        ),
        (
            json!({ "users": [{ "name": "dave", "scope": "acme/paris" }] }),
            "user `dave`: scope names scope `acme/paris`, which does not exist; allowed: acme, acme/berlin, acme_2, fresh",
        ),
        (
            json!({ "users": [{ "name": "deploy-robot" }] }),
            "user `deploy-robot`: `deploy-robot` is already the name of application deploy-robot; choose another",
        ),
        (
            json!({ "users": [{ "name": "d" }, { "name": "d" }] }),
            "user `d` is declared twice",
        ),
        (
            json!({ "users": [{ "name": "d+e" }] }),
            "user `d+e`: a name has no `+`, which parts a connect string",
        ),
        (
            json!({ "users": [{ "name": "d", "password": { "from_env": "X" } }] }),
            "user `d`: password: was not read from its file or variable; send its `value`",
        ),
        (
            json!({ "users": [{ "name": "d", "ssh_keys": ["junk"] }] }),
            "user `d`: ssh_keys: is not an SSH public key: write `ssh-ed25519 AAAA… comment`",
        ),
        (
            json!({ "hosts": [{ "name": "w", "address": "h", "rdp": { "certificate": "any" } }] }),
            "host `w`: rdp.certificate: `any` is not allowed here: write `first-use`, `ca`, or the SHA-256 of the certificate's public key in 64 hexadecimal digits",
        ),
        (
            json!({ "applications": [{ "name": "r2", "api_key": { "value": ROBOT_KEY } }] }),
            "application `r2`: api_key: is already the key of application deploy-robot; each needs its own",
        ),
        (
            host("WEB-01", ""),
            "host `WEB-01`: `WEB-01` is already the name of host web-01; choose another",
        ),
        (
            host("web front end", ""),
            "host `web front end`: `web front end` is already the name of host web-01; choose another",
        ),
        (
            host("x", "Web-01"),
            "host `x`: `x / web-01` is already the name of host web-01; choose another",
        ),
    ] {
        // Something good before it must not stay either.
        let mut document = document;
        document["scopes"] = json!([{ "path": "fresh" }]);
        let error = store
            .apply(&Author::system(), &declaration(document), false, at(1))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let admin = viewer(store, "bob", Role::Admin, "").await;
    assert!(
        store
            .noun(&admin, NounKind::Scope, "fresh")
            .await
            .unwrap()
            .is_none()
    );
    // A host may take its own name as its friendly one.
    store
        .apply(
            &Author::system(),
            &declaration(host("x", "X")),
            false,
            at(1),
        )
        .await
        .unwrap();
}

async fn what_is_in_use_stays(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let by = Author::system();
    for (kind, name, in_the_way) in [
        (
            NounKind::User,
            "alice",
            "access-policy root-on-prod, account deploy@web-01, group operators",
        ),
        (NounKind::Group, "operators", "access-policy operators-web"),
        (
            NounKind::Host,
            "web-01",
            "access-policy operators-web, account deploy@web-01, account root@web-01",
        ),
        (
            NounKind::ConnectionProfile,
            "standard",
            "access-policy operators-web, access-policy root-on-prod",
        ),
        (
            NounKind::Scope,
            "acme/berlin",
            "account deploy@web-01, account root@web-01, host web-01",
        ),
    ] {
        match store.remove_noun(&by, kind, name, at(1)).await.unwrap_err() {
            ApplyError::InUse { by, .. } => assert_eq!(by, in_the_way),
            other => panic!("{other}"),
        }
    }
    let missing = store
        .remove_noun(&by, NounKind::Host, "nowhere", at(1))
        .await
        .unwrap_err();
    assert_eq!(missing.to_string(), "there is no host `nowhere`");
    for (kind, name) in [
        (NounKind::AccessPolicy, "root-on-prod"),
        (NounKind::AccessPolicy, "operators-web"),
        (NounKind::Account, "deploy@web-01"),
        (NounKind::Account, "root@web-01"),
        (NounKind::Host, "web-01"),
        (NounKind::Group, "operators"),
        (NounKind::User, "alice"),
        (NounKind::Scope, "acme_2"),
    ] {
        store.remove_noun(&by, kind, name, at(2)).await.unwrap();
    }
    assert!(store.identity("alice").await.unwrap().is_none());
    assert!(
        store
            .authenticate_password("alice", ALICE_PASSWORD)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        store.verify_audit().await.unwrap().entries,
        EXAMPLE as u64 + 8
    );
}

async fn reach_ends_at_the_scope(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let bob = store
        .identity("bob")
        .await
        .unwrap()
        .unwrap()
        .author("192.0.2.1");
    assert_eq!(bob.reach.as_str(), "acme");
    for (document, allowed) in [
        (
            json!({ "hosts": [{ "name": "h1", "scope": "acme/berlin", "address": "h" }] }),
            true,
        ),
        (
            json!({ "hosts": [{ "name": "h2", "scope": "acme_2", "address": "h" }] }),
            false,
        ),
        (
            json!({ "hosts": [{ "name": "h3", "address": "h" }] }),
            false,
        ),
        // Moved out of reach.
        (
            json!({ "hosts": [{ "name": "h1", "scope": "acme_2", "address": "h" }] }),
            false,
        ),
        (
            json!({ "connection_profiles": [{ "name": "new", "max_duration": "1h" }] }),
            false,
        ),
        (json!({ "scopes": [{ "path": "acme/paris" }] }), true),
        (json!({ "scopes": [{ "path": "other" }] }), false),
        // Does not change: harmless.
        (
            json!({ "scopes": [{ "path": "acme_2", "name": "Another tenant" }] }),
            true,
        ),
    ] {
        let result = store
            .apply(&bob, &declaration(document.clone()), false, at(1))
            .await;
        match (allowed, result) {
            (true, Ok(_)) | (false, Err(ApplyError::OutOfReach { .. })) => {}
            (_, other) => panic!("{document}: {other:?}"),
        }
    }
    let removed = store
        .remove_noun(&bob, NounKind::Scope, "acme_2", at(1))
        .await;
    assert!(matches!(removed, Err(ApplyError::OutOfReach { .. })));
    // A host that moves takes its accounts along.
    let moved = json!({ "hosts": [{ "name": "web-01", "scope": "acme", "address": "127.0.0.1" }] });
    store
        .apply(&bob, &declaration(moved), false, at(2))
        .await
        .unwrap();
    let admin = viewer(store, "bob", Role::Admin, "").await;
    let account = store
        .noun(&admin, NounKind::Account, "root@web-01")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        account.scope,
        ScopePath::try_from("acme".to_owned()).unwrap()
    );
}

async fn lists_show_what_the_viewer_may_see(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let query = ListQuery::default();
    for (name, role, scope, kind, expected) in [
        (
            "bob",
            Role::Admin,
            "acme",
            NounKind::User,
            vec!["alice", "bob", "carol"],
        ),
        (
            "bob",
            Role::Admin,
            "acme",
            NounKind::Scope,
            vec!["acme", "acme/berlin"],
        ),
        (
            "carol",
            Role::Auditor,
            "acme/berlin",
            NounKind::Host,
            vec!["web-01"],
        ),
        (
            "carol",
            Role::Auditor,
            "acme/berlin",
            NounKind::User,
            vec![],
        ),
        (
            "carol",
            Role::Auditor,
            "acme_2",
            NounKind::Activity,
            vec!["root-shell", "shell"],
        ),
        ("alice", Role::User, "acme", NounKind::User, vec!["alice"]),
        ("alice", Role::User, "acme", NounKind::Host, vec![]),
    ] {
        let viewer = viewer(store, name, role, scope).await;
        let page = store.list_nouns(&viewer, kind, &query).await.unwrap();
        let names: Vec<&str> = page.items.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, expected, "{name} {scope} {kind:?}");
        assert_eq!(page.total, expected.len() as u64);
    }
    let admin = viewer(store, "bob", Role::Admin, "").await;
    for (q, expected) in [
        ("BERLIN data", vec!["acme/berlin"]),
        ("another", vec!["acme_2"]),
        ("labels", vec![]),
        ("%", vec![]),
    ] {
        let query = ListQuery {
            q: q.to_owned(),
            ..ListQuery::default()
        };
        let page = store
            .list_nouns(&admin, NounKind::Scope, &query)
            .await
            .unwrap();
        assert_eq!(
            page.items
                .iter()
                .map(|row| row.name.as_str())
                .collect::<Vec<_>>(),
            expected,
            "{q}"
        );
    }
    let alice = store
        .noun(&admin, NounKind::User, "alice")
        .await
        .unwrap()
        .unwrap();
    assert!(alice.has_secret && !alice.locked && alice.version == 1);
    assert!(
        !store
            .noun(&admin, NounKind::User, "bob")
            .await
            .unwrap()
            .unwrap()
            .has_secret
    );
    let by_scope = ListQuery {
        sort: "-scope".to_owned(),
        page_size: 1,
        page: 2,
        ..ListQuery::default()
    };
    let page = store
        .list_nouns(&admin, NounKind::Scope, &by_scope)
        .await
        .unwrap();
    assert_eq!(
        (page.items[0].name.as_str(), page.total, page.page),
        ("acme/berlin", 3, 2)
    );
}

/// Every text and every byte of the database, and its files.
async fn secrets_are_nowhere_in_clear(bench: Bench) {
    apply_example(&bench.store).await;
    let mut raw = bench.raw().await;
    for table in [
        "noun",
        "credential",
        "token",
        "audit",
        "schema_version",
        "noun_link",
    ] {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&mut raw)
            .await
            .unwrap();
        for row in &rows {
            for column in 0..row.len() {
                if let Ok(Some(text)) = row.try_get::<Option<String>, _>(column) {
                    assert_none(text.as_bytes(), table);
                }
            }
        }
    }
    let sealed = sqlx::query("SELECT sealed FROM secret")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 2);
    sealed
        .iter()
        .for_each(|row| assert_none(row.get::<Vec<u8>, _>("sealed").as_slice(), "secret"));
    for file in bench
        .folder()
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
    {
        let file = file.unwrap();
        assert_none(
            &std::fs::read(file.path()).unwrap(),
            &file.file_name().to_string_lossy(),
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{file:?} can be read by others");
    }
    let admin = viewer(&bench.store, "bob", Role::Admin, "").await;
    for kind in NounKind::ALL {
        let page = bench
            .store
            .list_nouns(&admin, kind, &ListQuery::default())
            .await
            .unwrap();
        for row in page.items {
            assert_none(serde_json::to_string(&row).unwrap().as_bytes(), &row.name);
            for field in ["password", "secret", "api_key"] {
                assert_eq!(row.doc.get(field), None::<&Value>, "{} {field}", row.name);
            }
        }
    }
}

fn assert_none(bytes: &[u8], place: &str) {
    for secret in [
        ALICE_PASSWORD,
        DEPLOY_PASSWORD,
        ROOT_KEY,
        ROBOT_KEY,
        "root-key-55de",
    ] {
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "a secret lies in {place}");
    }
}
