use sallyport_domain::status::Status;
use sqlx::Row;

use super::data::{apply_example, at, requested, session, update};
use super::harness::{Bench, on_both};
use crate::StoreError;
use crate::script::{Script, Statement};
use crate::sql::new_id;

on_both! {
    all_or_nothing,
    however_long,
    a_batch_is_one_transaction,
    one_that_is_given_up_leaves_nothing_locked,
}

/// A node begins.
fn started(node: usize, name: &str) -> Statement {
    Statement::new(
        "INSERT INTO node (id, name, gateway_group, started_at, seen_at) VALUES ($1, $2, '', $3, $3)",
    )
    .bind(format!("node-{node:03}"))
    .bind(name)
    .bind(i64::try_from(node).unwrap())
}

fn renamed(node: usize, name: &str) -> Statement {
    Statement::new("UPDATE node SET name = $2 WHERE id = $1")
        .bind(format!("node-{node:03}"))
        .bind(name)
        .demand("node", node.to_string())
}

async fn names(bench: &Bench) -> Vec<String> {
    let rows = sqlx::query("SELECT name FROM node ORDER BY id")
        .fetch_all(&mut bench.raw().await)
        .await
        .unwrap();
    rows.iter().map(|row| row.get("name")).collect()
}

async fn run(bench: &Bench, statements: Vec<Statement>) -> Result<(), StoreError> {
    let mut script = Script::default();
    for statement in statements {
        script.add(statement);
    }
    bench.store.run(script, &[]).await
}

async fn all_or_nothing(bench: Bench) {
    let good = vec![started(1, "one"), started(2, "two"), renamed(1, "uno")];
    run(&bench, good).await.unwrap();
    assert_eq!(names(&bench).await, ["uno", "two"]);

    let missing = vec![started(3, "three"), renamed(9, "nove"), renamed(2, "due")];
    let missing = run(&bench, missing).await.unwrap_err();
    assert!(
        matches!(&missing, StoreError::NotFound { what: "node", name } if name == "9"),
        "{missing:?}"
    );
    let twice = vec![renamed(2, "due"), started(1, "one")];
    let twice = run(&bench, twice).await.unwrap_err();
    assert!(matches!(twice, StoreError::Exists { .. }), "{twice:?}");
    assert_eq!(names(&bench).await, ["uno", "two"]);

    // What failed is in nobody's way.
    run(&bench, vec![renamed(2, "due")]).await.unwrap();
    assert_eq!(names(&bench).await, ["uno", "due"]);
}

async fn however_long(bench: Bench) {
    for count in [0, 1, 12, 13, 100] {
        let first = names(&bench).await.len();
        let many = (first..first + count).map(|node| started(node, "n"));
        run(&bench, many.collect()).await.unwrap();
        assert_eq!(names(&bench).await.len(), first + count);
        let mut many: Vec<_> = (0..count).map(|node| renamed(node, "m")).collect();
        many.push(renamed(999, "m"));
        run(&bench, many).await.unwrap_err();
        assert!(!names(&bench).await.contains(&"m".to_owned()));
    }
}

async fn a_batch_is_one_transaction(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[requested()]).await.unwrap();
    let mut change = update(&new, Status::Available);
    change.extensions_used = 7;
    let mut batch = store.batch();
    batch
        .save_session(new.id, &change, &[requested(), requested()])
        .unwrap();
    batch.finish_recording(new_id(), 1, "", crate::RecordingState::Complete, at(1));
    let error = batch.commit().await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::NotFound {
                what: "recording",
                ..
            }
        ),
        "{error:?}"
    );
    let row = sqlx::query("SELECT extensions_used, events FROM session")
        .fetch_one(&mut bench.raw().await)
        .await
        .unwrap();
    let (extensions, events): (i64, i64) = (row.get("extensions_used"), row.get("events"));
    assert_eq!((extensions, events), (0, 1));
}

async fn one_that_is_given_up_leaves_nothing_locked(bench: Bench) {
    for node in 0..200 {
        let given_up = run(&bench, vec![started(node, "n"), renamed(node, "m")]);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(50), given_up).await;
    }
    run(&bench, vec![started(999, "last")]).await.unwrap();
    let names = names(&bench).await;
    assert_eq!(names.last().unwrap(), "last");
    assert!(!names.contains(&"n".to_owned()), "half of one: {names:?}");
}
