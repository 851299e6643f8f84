use std::time::Duration;

use sallyport_domain::command::{Actor, Command, CommandDenied, ConnectionEffect, Outcome};
use sallyport_domain::id::{CommandId, SessionId};
use sallyport_domain::role::Role;
use sallyport_domain::status::Status;

use super::data::{apply_example, at, session, update, viewer};
use super::harness::{Bench, on_both, postgres};
use crate::sql::new_id;
use crate::{Author, Hint, ListQuery, StoreError};

on_both! {
    an_order_is_answered_once_and_both_are_audited,
    an_ended_session_answers_at_once,
    hints_follow_the_commit,
}

fn lock() -> Command {
    Command::Lock {
        title: "Stop".to_owned(),
        message: "Please wait".to_owned(),
    }
}

fn bob() -> Actor {
    Actor {
        name: "bob".to_owned(),
        own: false,
        admin: true,
    }
}

async fn an_order_is_answered_once_and_both_are_audited(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    let by = store
        .identity("bob")
        .await
        .unwrap()
        .unwrap()
        .author("192.0.2.1");
    let before = store.verify_audit().await.unwrap().entries;
    let id = store
        .order(&by, &bob(), new.id, &lock(), at(10))
        .await
        .unwrap();

    let open = store.open_commands(new.node.unwrap()).await.unwrap();
    assert_eq!(
        (open.len(), open[0].id, &open[0].command, &open[0].by),
        (1, id, &lock(), &bob())
    );
    assert!(
        store.open_commands(new_id()).await.unwrap().is_empty(),
        "each node its own"
    );
    assert_eq!(store.command(id).await.unwrap().unwrap().outcome, None);

    let done = Outcome::Done {
        connections: vec![ConnectionEffect {
            connection: new_id(),
            at: at(11),
        }],
    };
    store.answer_command(id, &done, at(11)).await.unwrap();
    store
        .answer_command(id, &Outcome::AlreadySo, at(99))
        .await
        .unwrap();
    let row = store.command(id).await.unwrap().unwrap();
    assert_eq!(
        (row.outcome, row.ordered_at, row.effective_at),
        (Some(done), at(10), Some(at(11)))
    );
    assert!(
        store
            .open_commands(new.node.unwrap())
            .await
            .unwrap()
            .is_empty()
    );

    let admin = viewer(store, "bob", Role::Admin, "acme").await;
    let query = ListQuery {
        session: Some(new.id.to_string()),
        ..ListQuery::default()
    };
    let entries = store.list_audit(&admin, &query).await.unwrap().items;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.action.as_str(), entry.user.as_str()))
        .collect();
    assert_eq!(
        told,
        [("command.answered", "system"), ("session.lock", "bob")]
    );
    assert_eq!(
        (
            entries[1].after["title"].as_str(),
            entries[1].after["id"].as_str()
        ),
        (Some("Stop"), Some(id.to_string().as_str()))
    );
    assert_eq!(
        (entries[1].first_name.as_str(), entries[1].ip.as_str()),
        ("Bob", "192.0.2.1")
    );
    assert_eq!(
        (
            entries[0].before["by"].as_str(),
            entries[0].after["outcome"].as_str()
        ),
        (Some("bob"), Some("done"))
    );
    assert_eq!(store.verify_audit().await.unwrap().entries, before + 2);

    let (nothing, nobody): (CommandId, SessionId) = (new_id(), new_id());
    assert!(store.command(nothing).await.unwrap().is_none());
    let unknown = store
        .answer_command(nothing, &Outcome::AlreadySo, at(1))
        .await
        .unwrap_err();
    assert!(matches!(
        unknown,
        StoreError::NotFound {
            what: "command",
            ..
        }
    ));
    let unknown = store
        .order(&by, &bob(), nobody, &lock(), at(1))
        .await
        .unwrap_err();
    assert!(matches!(
        unknown,
        StoreError::NotFound {
            what: "session",
            ..
        }
    ));
}

async fn an_ended_session_answers_at_once(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    store
        .save_session(new.id, &update(&new, Status::Completed), &[])
        .await
        .unwrap();
    let id = store
        .order(&Author::system(), &bob(), new.id, &Command::Unlock, at(1))
        .await
        .unwrap();
    let row = store.command(id).await.unwrap().unwrap();
    assert_eq!(
        row.outcome,
        Some(Outcome::Denied {
            why: CommandDenied::Ended
        })
    );
    assert!(
        store
            .open_commands(new.node.unwrap())
            .await
            .unwrap()
            .is_empty()
    );
}

async fn hints_follow_the_commit(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    let mut hints = store.hints();
    store.insert_session(&new, &[]).await.unwrap();
    let id = store
        .order(&Author::system(), &bob(), new.id, &lock(), at(1))
        .await
        .unwrap();
    store
        .answer_command(id, &Outcome::AlreadySo, at(2))
        .await
        .unwrap();
    for expected in [Hint::Commands, Hint::CommandAnswered(id)] {
        assert_eq!(hints.recv().await.unwrap(), expected);
    }
    // One's own notifications do not come back as news.
    tokio::time::sleep(Duration::from_millis(100)).await;
    while let Ok(hint) = hints.try_recv() {
        assert!(
            matches!(
                hint,
                Hint::Commands | Hint::Sessions | Hint::Unowned | Hint::Policy
            ),
            "{hint:?}"
        );
    }
    store.close().await;
    assert!(store.ping().await.is_err());
}

#[tokio::test]
async fn nodes_on_one_postgresql_hear_each_other() {
    let bench = postgres().await;
    apply_example(&bench.store).await;
    let new = session(&bench.store, 0).await;
    bench.store.insert_session(&new, &[]).await.unwrap();
    let other = bench.again().await;
    let mut hints = other.hints();
    let (store, id) = (bench.store.clone(), new.id);
    let next = async |wanted: fn(&Hint) -> bool,
                      hints: &mut tokio::sync::broadcast::Receiver<Hint>| {
        let heard = async {
            loop {
                let hint = hints.recv().await.unwrap();
                if wanted(&hint) {
                    return hint;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard)
            .await
            .unwrap()
    };
    // The three hints at the start say that it listens now.
    next(|hint| *hint == Hint::Policy, &mut hints).await;
    let command = store
        .order(&Author::system(), &bob(), id, &lock(), at(1))
        .await
        .unwrap();
    next(|hint| *hint == Hint::Commands, &mut hints).await;
    assert_eq!(
        other.open_commands(new.node.unwrap()).await.unwrap()[0].id,
        command
    );
    store
        .answer_command(command, &Outcome::AlreadySo, at(2))
        .await
        .unwrap();
    let answered = next(|hint| matches!(hint, Hint::CommandAnswered(_)), &mut hints).await;
    assert_eq!(answered, Hint::CommandAnswered(command));

    // The connection that listens is cut; it comes back and says that everything may have changed.
    let mut raw = bench.raw().await;
    sqlx::query("SELECT CAST(pg_terminate_backend(pid) AS TEXT) AS done FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    next(|hint| *hint == Hint::Policy, &mut hints).await;
    store
        .order(&Author::system(), &bob(), id, &Command::Unlock, at(3))
        .await
        .unwrap();
    next(|hint| *hint == Hint::Commands, &mut hints).await;
}
