//! How long the steps take that a user waits for. Run on purpose:
//! `cargo test -p sallyport-store --lib latency -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use sallyport_domain::command::{Actor, Command, Outcome};
use sallyport_domain::status::Status;

use super::data::{apply_example, at, permit, requested, session, update};
use super::harness::{Bench, postgres, sqlite};
use crate::Author;

#[tokio::test]
#[ignore = "a measurement"]
async fn sqlite_steps() {
    measure("sqlite", sqlite().await).await;
}

#[tokio::test]
#[ignore = "a measurement"]
async fn postgres_steps() {
    measure("postgres (fsync off)", postgres().await).await;
}

async fn measure(name: &str, bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let permit = permit(store, "shell").await;
    let actor = Actor {
        name: "bob".to_owned(),
        own: false,
        admin: true,
    };
    let steps = [
        "snapshot",
        "insert_session",
        "open_secret",
        "save_session",
        "heartbeat",
        "order",
        "open_commands",
        "answer_command",
    ];
    let mut times = vec![Vec::new(); steps.len()];
    let template = session(store, 0).await;
    let node = template.node.unwrap();
    store.register_node(node, "n", "", at(0)).await.unwrap();
    for _ in 0..200 {
        let new = crate::NewSession {
            id: crate::sql::new_id(),
            ..template.clone()
        };
        let mut step = 0;
        let mut took = |since: Instant| {
            times[step].push(since.elapsed());
            step += 1;
        };
        let since = Instant::now();
        store.policy_snapshot("alice", "web-01").await.unwrap();
        took(since);
        let since = Instant::now();
        store
            .insert_session(&new, &[requested(), requested()])
            .await
            .unwrap();
        took(since);
        let since = Instant::now();
        store
            .open_secret(&permit, new.id, at(1))
            .await
            .map(|_| ())
            .unwrap();
        took(since);
        let since = Instant::now();
        store
            .save_session(new.id, &update(&new, Status::LoggedIn), &[requested()])
            .await
            .unwrap();
        took(since);
        let since = Instant::now();
        store.heartbeat(node, at(1)).await.unwrap();
        took(since);
        let since = Instant::now();
        let id = store
            .order(&Author::system(), &actor, new.id, &Command::Unlock, at(1))
            .await
            .unwrap();
        took(since);
        let since = Instant::now();
        store.open_commands(node).await.unwrap();
        took(since);
        let since = Instant::now();
        store
            .answer_command(id, &Outcome::AlreadySo, at(1))
            .await
            .unwrap();
        took(since);
    }
    for (step, times) in steps.iter().zip(&mut times) {
        times.sort_unstable();
        let part = |share: f64| micros(times[(times.len() as f64 * share) as usize]);
        println!(
            "{name:22} {step:16} median {:>8} p99 {:>8}",
            part(0.5),
            part(0.99)
        );
    }
}

fn micros(time: Duration) -> String {
    format!("{} us", time.as_micros())
}
