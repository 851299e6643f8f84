use futures::TryStreamExt;
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};

use super::data::{apply_example, at, viewer};
use super::harness::{Bench, on_both};
use crate::{AuditObject, Author, ListQuery, Store};

on_both! {
    nobody_changes_the_trail,
    every_tampering_is_found,
    writers_keep_the_chain_whole,
    auditors_find_what_was_done,
}

async fn act(store: &Store, by: &Author, action: &str, scope: &str, seconds: i64) {
    let scope = ScopePath::try_from(scope.to_owned()).unwrap();
    let object = AuditObject {
        kind: "recording",
        name: "deploy@web-01",
        id: "r-1",
        scope: &scope,
    };
    let detail = json!({ "format": "text", "lat": 52.53, "nul": "\0" });
    store
        .audit(by, action, object, &detail, at(seconds))
        .await
        .unwrap();
}

async fn nobody_changes_the_trail(bench: Bench) {
    act(
        &bench.store,
        &Author::system(),
        "recording.viewed",
        "acme",
        0,
    )
    .await;
    let mut raw = bench.raw().await;
    for attempt in [
        "UPDATE audit SET user_name = 'x'",
        "DELETE FROM audit",
        "UPDATE audit SET seq = 7",
    ] {
        let error = raw.execute(attempt).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    if bench.folder().is_none() {
        assert!(
            raw.execute("TRUNCATE audit")
                .await
                .unwrap_err()
                .to_string()
                .contains("append-only")
        );
    }
    assert_eq!(bench.store.verify_audit().await.unwrap().entries, 1);
}

async fn every_tampering_is_found(bench: Bench) {
    let store = &bench.store;
    for number in 0..5 {
        act(store, &Author::system(), "recording.viewed", "acme", number).await;
    }
    let whole = store.verify_audit().await.unwrap();
    assert_eq!(
        (whole.entries, &whole.fault, whole.head.len()),
        (5, &None, 64)
    );
    let mut raw = bench.raw().await;
    let triggers = if bench.folder().is_some() {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"
    } else {
        "DROP TRIGGER audit_no_change ON audit"
    };
    raw.execute(sqlx::raw_sql(triggers)).await.unwrap();
    for (column, value) in [
        ("user_name", "'mallory'"),
        ("at", "at + 1"),
        ("ip", "'::1'"),
        ("action", "'x'"),
        ("object_id", "'y'"),
        ("scope", "'other'"),
        ("after", "'null'"),
        ("after", "after || ' '"),
        ("previous", "hash"),
        ("hash", "previous"),
        ("seq", "30"),
        ("scope", "'not a / path'"),
    ] {
        raw.execute("CREATE TABLE kept AS SELECT * FROM audit")
            .await
            .unwrap();
        let change = format!("UPDATE audit SET {column} = {value} WHERE seq = 3");
        raw.execute(AssertSqlSafe(change)).await.unwrap();
        let fault = store.verify_audit().await.unwrap().fault;
        assert!(fault.is_some(), "{column} = {value}");
        raw.execute("DELETE FROM audit").await.unwrap();
        raw.execute("INSERT INTO audit SELECT * FROM kept")
            .await
            .unwrap();
        raw.execute("DROP TABLE kept").await.unwrap();
    }
    assert_eq!(store.verify_audit().await.unwrap(), whole);
    raw.execute("DELETE FROM audit WHERE seq = 2")
        .await
        .unwrap();
    let fault = store.verify_audit().await.unwrap().fault.unwrap();
    assert_eq!(
        (fault.seq, fault.problem.as_str()),
        (3, "entry 2 is missing")
    );
}

async fn writers_keep_the_chain_whole(bench: Bench) {
    let other = bench.again().await;
    let writers = (0..8).map(|number| {
        let store = if number % 2 == 0 {
            bench.store.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move {
            for turn in 0..5 {
                act(&store, &Author::system(), "recording.viewed", "acme", turn).await;
            }
        })
    });
    futures::future::join_all(writers)
        .await
        .into_iter()
        .for_each(Result::unwrap);
    let report = bench.store.verify_audit().await.unwrap();
    assert_eq!((report.entries, report.fault), (40, None));
}

async fn auditors_find_what_was_done(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let bob = store
        .identity("bob")
        .await
        .unwrap()
        .unwrap()
        .author("192.0.2.1");
    act(store, &bob, "recording.viewed", "acme/berlin", 10).await;
    act(store, &bob, "recording.exported", "acme_2", 20).await;
    let everything = ListQuery::default();
    let action = |action: &str| ListQuery {
        action: Some(action.to_owned()),
        ..ListQuery::default()
    };
    for (role, scope, query, total) in [
        (Role::Auditor, "", everything.clone(), 18),
        (Role::Admin, "acme", action("recording"), 1),
        (Role::Auditor, "", action("recording"), 2),
        (Role::Auditor, "", action("recording.exported"), 1),
        (Role::Auditor, "", action("rec"), 0),
        (Role::Auditor, "", action("user"), 3),
        (Role::User, "", everything.clone(), 0),
        (
            Role::Auditor,
            "",
            ListQuery {
                q: "BAKER".to_owned(),
                ..everything.clone()
            },
            2,
        ),
        (
            Role::Auditor,
            "",
            ListQuery {
                user: Some("bob".to_owned()),
                from: Some(at(15)),
                ..everything.clone()
            },
            1,
        ),
        (
            Role::Auditor,
            "",
            ListQuery {
                to: Some(at(10)),
                ..everything.clone()
            },
            17,
        ),
    ] {
        let viewer = viewer(store, "carol", role, scope).await;
        assert_eq!(
            store.list_audit(&viewer, &query).await.unwrap().total,
            total,
            "{role} {scope} {query:?}"
        );
        let all: Vec<_> = store
            .export_audit(&viewer, &query)
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(all.len() as u64, total);
    }
    let auditor = viewer(store, "carol", Role::Auditor, "").await;
    let newest = &store.list_audit(&auditor, &everything).await.unwrap().items[0];
    assert_eq!(
        (
            newest.seq,
            newest.action.as_str(),
            newest.first_name.as_str()
        ),
        (18, "recording.exported", "Bob")
    );
    assert_eq!(
        (newest.object_name.as_str(), newest.after["format"].as_str()),
        ("deploy@web-01", Some("text"))
    );
}
