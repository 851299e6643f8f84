use sqlx::{Connection, Executor, Row};

use super::data::{apply_example, at, session};
use super::harness::{Bench, KEY, on_both, sqlite};
use crate::{Author, Store, StoreError, VaultKey};

on_both! {
    opening_again_keeps_everything,
    a_newer_schema_is_refused,
    a_failed_step_leaves_no_lock,
}

fn key() -> VaultKey {
    VaultKey::from_text(KEY).unwrap()
}

async fn opening_again_keeps_everything(bench: Bench) {
    apply_example(&bench.store).await;
    bench.store.ping().await.unwrap();
    bench.store.close().await;
    let again = bench.again().await;
    assert!(again.identity("alice").await.unwrap().is_some());
    assert_eq!(again.verify_audit().await.unwrap().fault, None);
}

async fn a_newer_schema_is_refused(bench: Bench) {
    let mut raw = bench.raw().await;
    raw.execute("INSERT INTO schema_version (version) VALUES (999)")
        .await
        .unwrap();
    let refused = Store::open(&bench.url, key())
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::SchemaTooNew { found: 999, .. }),
        "{refused}"
    );
}

/// An error in a transaction must not keep the writer's only connection.
async fn a_failed_step_leaves_no_lock(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    let system = Author::system();
    for _ in 0..30 {
        assert!(store.insert_session(&new, &[]).await.is_err());
        let gone = store
            .set_user_locked(&system, "nobody", true, "", at(1))
            .await;
        assert!(gone.is_err());
        // A caller who loses patience.
        let slow = store.insert_session(&new, &[]);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(50), slow).await;
    }
    store
        .set_user_locked(&Author::system(), "alice", true, "", at(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn addresses_that_are_none_are_explained_without_their_password() {
    for (url, told) in [
        (
            "mysql://root:hunter2@db/x",
            "it begins with neither sqlite: nor postgres:",
        ),
        ("", "it begins with neither"),
        ("sqlite://", "it names no file"),
        ("sqlite::memory:", "it names no file"),
        (
            "sqlite:///tmp/x.db?cache=shared",
            "the only parameter is mode",
        ),
        (
            "sqlite:///no/such/folder/x.db?mode=rwc",
            "/no/such/folder/x.db",
        ),
    ] {
        let error = Store::open(url, key())
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(told) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn sqlite_syncs_every_commit() {
    let bench = sqlite().await;
    let mut connection = bench.store.begin().await.unwrap();
    for (pragma, expected) in [
        ("PRAGMA synchronous", 2),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA busy_timeout", 5000),
    ] {
        let row = sqlx::query(pragma)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(row.get::<i64, _>(0), expected, "{pragma}");
    }
    let mode = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(mode.get::<String, _>(0), "wal");
    let mut reader = bench.store.inner.reader.acquire().await.unwrap();
    assert!(
        reader.execute("DELETE FROM noun").await.is_err(),
        "readers cannot write"
    );
}

/// What was answered is on the disk: a process that dies right after finds it again.
#[tokio::test]
async fn a_copy_of_the_files_holds_everything_that_was_answered() {
    let bench = sqlite().await;
    apply_example(&bench.store).await;
    let new = session(&bench.store, 0).await;
    bench
        .store
        .insert_session(&new, &[super::data::requested()])
        .await
        .unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in ["store.db", "store.db-wal"] {
        std::fs::copy(bench.folder().unwrap().join(file), copy.path().join(file)).unwrap();
    }
    let url = format!("sqlite://{}/store.db?mode=rw", copy.path().display());
    let store = Store::open(&url, key()).await.unwrap();
    assert_eq!(
        store.stored_session(new.id).await.unwrap().unwrap().session,
        new
    );
    assert_eq!(store.verify_audit().await.unwrap().fault, None);
    let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
    raw.ping().await.unwrap();
}
