use chrono::TimeDelta;
use sallyport_domain::id::NounId;
use sallyport_domain::role::Role;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::data::{ALICE_PASSWORD, apply_example, at, declaration, viewer};
use super::harness::{Bench, on_both};
use crate::connection_password::MOST;
use crate::ntlm::nt_hash;
use crate::{
    Author, CandidateId, ConnectionPasswordTerms, NewConnectionPassword, NtlmCandidate, Store,
    StoreError, Uses,
};

on_both! {
    one_use_is_one_use_however_many_ask,
    many_uses_end_with_time,
    candidates_are_those_that_are_good_now,
    a_password_told_is_compared_with_all,
    there_are_only_so_many_at_once,
    what_is_made_used_and_removed_is_on_record_and_never_in_clear,
    swapped_passwords_do_not_open,
    locks_and_new_passwords_void_them,
    the_hash_of_ones_own_password_is_kept_on_demand,
}

fn terms(uses: Uses, seconds: i64) -> ConnectionPasswordTerms {
    ConnectionPasswordTerms {
        host: None,
        activity: None,
        uses,
        lifetime: TimeDelta::seconds(seconds),
    }
}

async fn id_of(store: &Store, user: &str) -> NounId {
    store.identity(user).await.unwrap().unwrap().id
}

async fn make(
    store: &Store,
    user: &str,
    terms: &ConnectionPasswordTerms,
    now: i64,
) -> NewConnectionPassword {
    let id = id_of(store, user).await;
    store
        .make_connection_password(&Author::system(), id, terms, at(now))
        .await
        .unwrap()
}

async fn candidates(store: &Store, user: &str, now: i64) -> Vec<NtlmCandidate> {
    store.ntlm_candidates(user, at(now)).await.unwrap()
}

async fn one_use_is_one_use_however_many_ask(bench: Bench) {
    apply_example(&bench.store).await;
    let (store, other) = (&bench.store, bench.again().await);
    let made = make(store, "alice", &terms(Uses::One, 300), 0).await;
    let id = made.row.id;
    let uses = (0..8).map(|number| {
        let store = [store, &other][number % 2].clone();
        tokio::spawn(async move { store.use_connection_password(id, at(1)).await.unwrap() })
    });
    let taken = futures::future::join_all(uses).await;
    let taken = taken.into_iter().filter(|taken| *taken.as_ref().unwrap());
    assert_eq!(taken.count(), 1);
    assert!(candidates(store, "alice", 1).await.is_empty());
    let unknown = Uuid::now_v7();
    assert!(!store.use_connection_password(unknown, at(1)).await.unwrap());
    let late = make(store, "alice", &terms(Uses::One, 300), 0).await.row.id;
    assert!(!store.use_connection_password(late, at(300)).await.unwrap());
    assert!(store.use_connection_password(late, at(299)).await.unwrap());
}

async fn many_uses_end_with_time(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let day = terms(Uses::Many, 24 * 3600);
    let made = make(store, "alice", &day, 0).await.row;
    assert_eq!(made.expires_at, at(12 * 3600), "never longer than that");
    let taken = async |now: i64| {
        store
            .use_connection_password(made.id, at(now))
            .await
            .unwrap()
    };
    for _ in 0..3 {
        assert!(taken(12 * 3600 - 1).await);
    }
    assert!(!taken(12 * 3600).await);
    let alice = id_of(store, "alice").await;
    let live = async |now: i64| store.connection_passwords(alice, at(now)).await.unwrap();
    assert_eq!(live(1).await, std::slice::from_ref(&made));
    assert!(live(12 * 3600).await.is_empty());

    // Nobody removes another's.
    let (system, bob) = (Author::system(), id_of(store, "bob").await);
    let remove = async |user: NounId| {
        store
            .remove_connection_password(&system, user, made.id, at(2))
            .await
    };
    assert!(matches!(
        remove(bob).await,
        Err(StoreError::NotFound { .. })
    ));
    remove(alice).await.unwrap();
    assert!(matches!(
        remove(alice).await,
        Err(StoreError::NotFound { .. })
    ));
    assert!(!taken(3).await && candidates(store, "alice", 3).await.is_empty());
}

async fn candidates_are_those_that_are_good_now(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let bound = ConnectionPasswordTerms {
        host: Some("web-01".to_owned()),
        activity: Some("shell".to_owned()),
        ..terms(Uses::One, 60)
    };
    let short = make(store, "alice", &bound, 0).await;
    let long = make(store, "alice", &terms(Uses::Many, 600), 1).await;
    make(store, "bob", &terms(Uses::One, 600), 1).await;

    let found = candidates(store, "alice", 2).await;
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.id, found.host.as_deref(), found.activity.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (CandidateId::ConnectionPassword(long.row.id), None, None),
            (
                CandidateId::ConnectionPassword(short.row.id),
                Some("web-01"),
                Some("shell")
            ),
        ]
    );
    for (found, made) in found.iter().zip([&long, &short]) {
        assert!(*found.nt_hash == *nt_hash(&made.password));
    }
    assert_eq!(candidates(store, "alice", 60).await.len(), 1);
    for nobody in ["Alice", "carol", "nobody", "deploy-robot", "", "ali\0ce"] {
        assert!(candidates(store, nobody, 2).await.is_empty(), "{nobody:?}");
    }
    let robot = id_of(store, "deploy-robot").await;
    let refused = store
        .make_connection_password(&Author::system(), robot, &bound, at(2))
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
}

async fn a_password_told_is_compared_with_all(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let first = make(store, "alice", &terms(Uses::One, 60), 0).await;
    let second = make(store, "alice", &terms(Uses::One, 600), 0).await;
    let others = make(store, "bob", &terms(Uses::One, 600), 0).await;
    let found = async |password: &str, now: i64| {
        let found = store.check_connection_password("alice", password, at(now));
        found.await.unwrap().map(|found| found.id)
    };
    for (made, now, good) in [
        (&first, 59, true),
        (&first, 60, false),
        (&second, 60, true),
        (&others, 1, false),
    ] {
        let expected = good.then_some(CandidateId::ConnectionPassword(made.row.id));
        assert_eq!(found(&made.password, now).await, expected);
    }
    for wrong in [
        "",
        "x",
        &"x".repeat(2000),
        &second.password.replace('-', ""),
    ] {
        assert_eq!(found(wrong, 1).await, None, "{wrong:.20}");
    }
}

async fn there_are_only_so_many_at_once(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let (alice, system) = (id_of(store, "alice").await, Author::system());
    let other = bench.again().await;
    let making = (0..MOST + 4).map(|number| {
        let (store, system) = ([store, &other][number % 2].clone(), system.clone());
        tokio::spawn(async move {
            let terms = terms(Uses::One, 60);
            store
                .make_connection_password(&system, alice, &terms, at(0))
                .await
                .map(|_| ())
        })
    });
    let made = futures::future::join_all(making).await;
    let refused: Vec<String> = made
        .into_iter()
        .filter_map(|made| made.unwrap().err())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(
        refused,
        vec![
            "you have 16 connection passwords already, which is the most: remove one, or wait until one runs out";
            4
        ]
    );
    assert_eq!(candidates(store, "alice", 0).await.len(), MOST);
    make(store, "bob", &terms(Uses::One, 60), 0).await;
    // Those that have run out do not count.
    make(store, "alice", &terms(Uses::One, 60), 60).await;
}

async fn what_is_made_used_and_removed_is_on_record_and_never_in_clear(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let bound = ConnectionPasswordTerms {
        host: Some("web-01".to_owned()),
        ..terms(Uses::Many, 60)
    };
    let made = make(store, "alice", &bound, 0).await;
    let id = made.row.id;
    assert!(store.use_connection_password(id, at(1)).await.unwrap());
    let alice = id_of(store, "alice").await;
    store
        .remove_connection_password(&Author::system(), alice, id, at(2))
        .await
        .unwrap();
    make(store, "alice", &bound, 3).await;

    let admin = viewer(store, "bob", Role::Admin, "acme").await;
    let trail = store.list_audit(&admin, &Default::default()).await.unwrap();
    let told: Vec<_> = trail
        .items
        .iter()
        .filter(|entry| entry.object_kind == "connection-password")
        .map(|entry| (entry.action.as_str(), entry.object_name.as_str()))
        .collect();
    assert_eq!(
        told,
        ["created", "removed", "used", "created"].map(|deed| {
            let action = match deed {
                "created" => "connection-password.created",
                "removed" => "connection-password.removed",
                _ => "connection-password.used",
            };
            (action, "alice+web-01")
        })
    );
    let hash = hex::encode(nt_hash(&made.password).as_ref());
    let mut raw = bench.raw().await;
    for table in ["audit", "connection_password"] {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&mut raw)
            .await
            .unwrap();
        assert!(!rows.is_empty());
        for row in &rows {
            for column in 0..row.len() {
                let text = row.try_get::<Option<String>, _>(column).ok().flatten();
                let bytes = row.try_get::<Option<Vec<u8>>, _>(column).ok().flatten();
                let bytes = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                for text in text.into_iter().chain(bytes) {
                    assert!(!text.contains(&*made.password) && !text.contains(&hash));
                }
            }
        }
    }
}

async fn swapped_passwords_do_not_open(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let hers = make(store, "alice", &terms(Uses::One, 60), 0).await;
    let bobs = make(store, "bob", &terms(Uses::One, 60), 0).await;
    let mut raw = bench.raw().await;
    sqlx::query(
        "UPDATE connection_password SET sealed = (SELECT o.sealed FROM connection_password o WHERE o.id = $2)
         WHERE id = $1",
    )
    .bind(hers.row.id.to_string())
    .bind(bobs.row.id.to_string())
    .execute(&mut raw)
    .await
    .unwrap();
    let good = make(store, "alice", &terms(Uses::One, 60), 0).await;
    let found = candidates(store, "alice", 1).await;
    assert_eq!(
        found.iter().map(|found| found.id).collect::<Vec<_>>(),
        [CandidateId::ConnectionPassword(good.row.id)],
        "the others work on"
    );
    let moved = "UPDATE connection_password SET user_id = $1 WHERE id = $2";
    sqlx::query(moved)
        .bind(id_of(store, "alice").await.to_string())
        .bind(bobs.row.id.to_string())
        .execute(&mut raw)
        .await
        .unwrap();
    assert_eq!(candidates(store, "alice", 1).await.len(), 1);
}

async fn locks_and_new_passwords_void_them(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let system = Author::system();
    let made = make(store, "alice", &terms(Uses::Many, 600), 0).await;
    let lock = async |locked: bool, now: i64| {
        store
            .set_user_locked(&system, "alice", locked, "", at(now))
            .await
            .unwrap();
    };
    lock(true, 1).await;
    assert!(candidates(store, "alice", 1).await.is_empty());
    assert!(
        !store
            .use_connection_password(made.row.id, at(1))
            .await
            .unwrap()
    );
    let alice = id_of(store, "alice").await;
    let refused = store
        .make_connection_password(&system, alice, &terms(Uses::One, 60), at(1))
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    lock(false, 2).await;
    assert!(candidates(store, "alice", 2).await.is_empty());

    make(store, "alice", &terms(Uses::Many, 600), 3).await;
    // Declaring the password that she has changes nothing.
    apply_example(store).await;
    assert_eq!(candidates(store, "alice", 3).await.len(), 1);
    store
        .set_password(&system, "alice", "Fresh-pass-1", at(4))
        .await
        .unwrap();
    assert!(candidates(store, "alice", 4).await.is_empty());
}

async fn the_hash_of_ones_own_password_is_kept_on_demand(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let (alice, system) = (id_of(store, "alice").await, Author::system());
    let keep = async |password: &str, now: i64| {
        let kept = store.keep_nt_hash(&system, alice, password, at(now));
        kept.await.unwrap()
    };
    let kept = async |now: i64| -> Vec<CandidateId> {
        let found = candidates(store, "alice", now).await;
        found.iter().map(|found| found.id).collect()
    };
    assert!(!keep("wrong", 1).await && !keep("", 1).await);
    assert!(kept(1).await.is_empty());
    assert!(keep(ALICE_PASSWORD, 1).await && keep(ALICE_PASSWORD, 2).await);
    assert_eq!(kept(2).await, [CandidateId::UserHash]);
    assert!(store.keeps_nt_hash(alice).await.unwrap());
    let found = candidates(store, "alice", 2).await.remove(0);
    assert!(*found.nt_hash == *nt_hash(ALICE_PASSWORD));
    assert_eq!((found.host, found.activity), (None, None));
    let told = store.check_connection_password("alice", ALICE_PASSWORD, at(2));
    assert!(
        told.await.unwrap().is_none(),
        "it is no connection password"
    );
    let made = make(store, "alice", &terms(Uses::One, 60), 2).await.row.id;
    let both = [CandidateId::ConnectionPassword(made), CandidateId::UserHash];
    assert_eq!(kept(2).await, both);

    // A locked user logs in with nothing; unlocked, with her password as before.
    for locked in [true, false] {
        store
            .set_user_locked(&system, "alice", locked, "", at(3))
            .await
            .unwrap();
        assert_eq!(kept(3).await.is_empty(), locked);
    }
    store.drop_nt_hash(&system, alice, at(4)).await.unwrap();
    store.drop_nt_hash(&system, alice, at(4)).await.unwrap();
    assert!(kept(4).await.is_empty() && !store.keeps_nt_hash(alice).await.unwrap());

    // Another password, by herself or declared, drops it; the same one declared again does not.
    assert!(keep(ALICE_PASSWORD, 5).await);
    apply_example(store).await;
    assert_eq!(kept(5).await, [CandidateId::UserHash]);
    let other = declaration(serde_json::json!({ "users": [
        { "name": "alice", "scope": "acme", "password": { "value": "Declared-pass-2" } } ] }));
    store.apply(&system, &other, false, at(6)).await.unwrap();
    assert!(kept(6).await.is_empty());
    assert!(!keep(ALICE_PASSWORD, 6).await && keep("Declared-pass-2", 6).await);
    store
        .set_password(&system, "alice", "Fresh-pass-1", at(7))
        .await
        .unwrap();
    assert!(kept(7).await.is_empty());
    // Nobody without a password has a hash.
    let bob = id_of(store, "bob").await;
    assert!(!store.keep_nt_hash(&system, bob, "", at(8)).await.unwrap());
    store.drop_nt_hash(&system, bob, at(8)).await.unwrap();

    let admin = viewer(store, "bob", Role::Admin, "acme").await;
    let trail = store.list_audit(&admin, &Default::default()).await.unwrap();
    let told = trail
        .items
        .iter()
        .filter(|entry| entry.action == "user.nt_hash");
    let told: Vec<_> = told.map(|entry| &entry.after["nt_hash"]).collect();
    assert_eq!(told, ["kept", "kept", "dropped", "kept"]);
}
