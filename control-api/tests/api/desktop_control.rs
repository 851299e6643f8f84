//! Taking control of a desktop over the WebSocket.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::SinkExt;
use sallyport_domain::control::ControlInput;
use sallyport_domain::id::SeatId;
use sallyport_recorder::TapeWriter;
use sallyport_store::ListQuery;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::desktop_watch::path;
use crate::fixture::{Live, World, desktop, everything};
use crate::watch::{Socket, actions, bearer, connect, told};

async fn say(socket: &mut Socket, message: Value) {
    let text = message.to_string();
    socket.send(Message::Text(text.into())).await.unwrap();
}

async fn refused(socket: &mut Socket, message: Value) -> String {
    say(socket, message).await;
    let told = told(socket, "refused").await;
    told["reason"].as_str().unwrap().to_owned()
}

/// Somebody watches a desktop of alice.
async fn watching(world: &World, token: &str) -> (Socket, Live, TapeWriter) {
    let (live, tape) = desktop(world, "alice").await;
    let socket = connect(world, &path(&live), &bearer(token)).await.unwrap();
    (socket, live, tape)
}

fn last_seat(world: &World) -> (SeatId, mpsc::Receiver<ControlInput>) {
    world.seats.taken.lock().unwrap().pop().unwrap()
}

/// What arrives at the session, in time.
async fn arrives(inputs: &mut mpsc::Receiver<ControlInput>) -> Option<ControlInput> {
    tokio::time::timeout(Duration::from_secs(5), inputs.recv())
        .await
        .unwrap()
}

fn key() -> Value {
    json!({ "type": "key", "scancode": 30, "down": true })
}

#[test]
fn an_administrator_takes_control_and_what_he_does_arrives() {
    let world = World::new();
    let bob = world.token("bob");
    world.runtime.block_on(async {
        let (mut socket, live, _tape) = watching(&world, &bob).await;
        let early = refused(&mut socket, key()).await;
        assert!(early.contains("take it first"), "{early}");
        say(&mut socket, json!({ "type": "take", "mode": "shared" })).await;
        let control = told(&mut socket, "control").await;
        assert_eq!(
            control,
            json!({ "type": "control", "yours": true, "mode": "shared" })
        );
        let (seat, mut inputs) = last_seat(&world);
        say(&mut socket, key()).await;
        say(&mut socket, json!({ "type": "text", "text": "hé\n" })).await;
        let mouse = json!({ "type": "mouse", "x": 5, "y": 6, "buttons": 1, "wheel": -120 });
        say(&mut socket, mouse).await;
        let pressed = ControlInput::Key {
            scancode: 30,
            extended: false,
            down: true,
        };
        assert!(arrives(&mut inputs).await == Some(pressed));
        let typed = ControlInput::Text("hé\n".to_owned());
        assert!(arrives(&mut inputs).await == Some(typed));
        let turned = ControlInput::Mouse {
            x: 5,
            y: 6,
            buttons: 1,
            wheel: -120,
        };
        assert!(arrives(&mut inputs).await == Some(turned));
        let again = refused(&mut socket, json!({ "type": "take" })).await;
        assert!(again.contains("already"), "{again}");
        let secret = json!({ "type": "text", "text": "hunter2\u{1b}" });
        let wrong = refused(&mut socket, secret).await;
        assert!(!wrong.contains("hunter2"), "{wrong}");
        say(&mut socket, json!({ "type": "release" })).await;
        assert_eq!(told(&mut socket, "control").await["yours"], false);
        assert!(arrives(&mut inputs).await.is_none(), "his way is closed");
        let ordered = orders(&world, &live).await;
        let taken = json!({ "command": "take_over", "seat": seat, "connection": live.connection, "exclusive": false });
        let back = json!({ "command": "hand_back", "seat": seat });
        assert!(ordered.contains(&taken) && ordered.contains(&back), "{ordered:#?}");
    });
    let actions = actions(&world);
    for action in ["session.take-over", "session.hand-back"] {
        assert!(actions.iter().any(|found| found == action), "{actions:?}");
    }
}

/// What was ordered of a session, as the audit trail keeps it.
async fn orders(world: &World, live: &Live) -> Vec<Value> {
    let (viewer, query) = (everything(), ListQuery::default());
    let all = world.store.list_audit(&viewer, &query).await.unwrap();
    let of_it = all.items.into_iter().filter_map(|entry| {
        let entry = serde_json::to_value(entry).unwrap();
        let mut after = entry["after"].clone();
        after.as_object_mut()?.remove("id");
        (entry["object_id"] == live.id()).then_some(after)
    });
    of_it.collect()
}

#[test]
fn it_is_taken_from_him_and_goes_back_when_he_leaves() {
    let world = World::new();
    let bob = world.token("bob");
    world.runtime.block_on(async {
        let (mut socket, _live, _tape) = watching(&world, &bob).await;
        say(&mut socket, json!({ "type": "take" })).await;
        assert_eq!(told(&mut socket, "control").await["mode"], "exclusive");
        // The session takes it away.
        drop(last_seat(&world));
        assert_eq!(told(&mut socket, "control").await["yours"], false);
        let late = refused(&mut socket, key()).await;
        assert!(late.contains("take it first"), "{late}");
        // A desktop that takes nothing: no key is lost of those before the last.
        say(&mut socket, json!({ "type": "take" })).await;
        assert_eq!(told(&mut socket, "control").await["yours"], true);
        for _ in 0..9 {
            say(&mut socket, key()).await;
        }
        let lost = told(&mut socket, "control").await;
        assert!(lost["reason"].as_str().unwrap().contains("fast enough"));
        drop(last_seat(&world));
        say(&mut socket, json!({ "type": "take" })).await;
        assert_eq!(told(&mut socket, "control").await["yours"], true);
        let (_, mut inputs) = last_seat(&world);
        drop(socket);
        assert!(arrives(&mut inputs).await.is_none(), "he left");
    });
}

#[test]
fn others_may_not_and_what_is_out_of_reach_is_named() {
    let world = World::new();
    let (carol, bob) = (world.token("carol"), world.token("bob"));
    world.runtime.block_on(async {
        let (mut socket, ..) = watching(&world, &carol).await;
        let auditor = refused(&mut socket, json!({ "type": "take" })).await;
        assert!(auditor.contains("only administrators"), "{auditor}");
        assert!(world.seats.taken.lock().unwrap().is_empty());
        let terminal = format!("/api/v1/sessions/{}/watch", world.own.id());
        let mut socket = connect(&world, &terminal, &bearer(&bob)).await.unwrap();
        let terminal = refused(&mut socket, json!({ "type": "take" })).await;
        assert!(terminal.contains("only desktops"), "{terminal}");
        world.seats.elsewhere.store(true, Ordering::Relaxed);
        let (mut socket, ..) = watching(&world, &bob).await;
        let elsewhere = refused(&mut socket, json!({ "type": "take" })).await;
        assert!(elsewhere.contains("node `test`"), "{elsewhere}");
        for wrong in [
            json!({ "type": "take", "mode": "all" }),
            json!({ "type": "release" }),
            json!(7),
            json!({ "type": "key", "scancode": 0, "down": true }),
        ] {
            refused(&mut socket, wrong).await;
        }
    });
    let actions = actions(&world);
    let on_record = |action: &String| action == "session.refused";
    assert!(actions.iter().any(on_record), "{actions:?}");
    let taken = |action: &String| action == "session.take-over";
    assert!(!actions.iter().any(taken), "{actions:?}");
}

#[test]
fn whoever_is_no_administrator_any_more_loses_it() {
    let world = World::new();
    let bob = world.token("bob");
    world.runtime.block_on(async {
        let (mut socket, _live, _tape) = watching(&world, &bob).await;
        say(&mut socket, json!({ "type": "take" })).await;
        assert_eq!(told(&mut socket, "control").await["yours"], true);
        let (_, mut inputs) = last_seat(&world);
        let demoted =
            json!({ "users": [{ "name": "bob", "scope": "acme", "roles": ["auditor"] }] });
        let demoted = serde_json::from_value(demoted).unwrap();
        let by = sallyport_store::Author::system();
        let applied = world.store.apply(&by, &demoted, false, chrono::Utc::now());
        applied.await.unwrap();
        let lost = told(&mut socket, "control").await;
        assert!(lost["reason"].as_str().unwrap().contains("may not control"));
        assert!(arrives(&mut inputs).await.is_none(), "his way is closed");
        // To watch is an auditor's as well.
        let refused = refused(&mut socket, json!({ "type": "take" })).await;
        assert!(refused.contains("only administrators"), "{refused}");
    });
}
