//! Watching live over the WebSocket.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::{SinkExt, StreamExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sallyport_domain::id::ConnectionId;
use sallyport_domain::status::Status;
use sallyport_recorder::{Record, TapeHeader, TapeWriter};
use sallyport_store::{Author, NewConnection};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::fixture::{World, everything, update};

pub type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

pub async fn connect(
    world: &World,
    path: &str,
    headers: &[(&'static str, String)],
) -> Result<Socket, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(world.certificate.as_bytes()).unwrap())
        .unwrap();
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut request = format!("wss://{}{path}", world.addr)
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let connector = Connector::Rustls(Arc::new(tls));
    tokio_tungstenite::connect_async_tls_with_config(request, None, true, Some(connector))
        .await
        .map(|(socket, _)| socket)
}

pub async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(Duration::from_secs(10), socket.next())
        .await
        .expect("in time")
        .unwrap()
        .unwrap()
}

/// The next text frame of that type; others are passed over.
pub async fn told(socket: &mut Socket, kind: &str) -> Value {
    loop {
        if let Message::Text(text) = next(socket).await {
            let value: Value = serde_json::from_str(&text).unwrap();
            if value["type"] == kind {
                return value;
            }
        }
    }
}

/// Reads output until it holds this text.
async fn shown(socket: &mut Socket, text: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        if let Message::Binary(bytes) = next(socket).await {
            all.extend_from_slice(&bytes);
        }
    }
}

/// One more connection of a session, whose tape the test writes itself.
async fn joined(world: &World) -> (ConnectionId, TapeWriter) {
    let (session, connection, now) = (
        world.own.session,
        ConnectionId::from(Uuid::now_v7()),
        Utc::now(),
    );
    let mut tape = TapeWriter::create(
        &world.tape_dir(),
        &TapeHeader::new(session, connection, now),
    )
    .unwrap();
    let opened = Record::ChannelOpened {
        channel: 3,
        what: "shell",
        pty: Some(("xterm", 100, 30)),
    };
    tape.append(&[
        opened,
        Record::Output {
            channel: 3,
            stderr: false,
            data: b"good morning\r\n$ ",
        },
    ])
    .unwrap();
    let new = NewConnection {
        id: connection,
        session,
        source_ip: "192.0.2.8".to_owned(),
        client: "SSH-2.0-Test".to_owned(),
        connected_at: now + chrono::TimeDelta::seconds(1),
        tape: tape
            .path()
            .strip_prefix(world.tape_dir())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
    };
    world.store.insert_connection(&new).await.unwrap();
    (connection, tape)
}

fn path(world: &World) -> String {
    format!("/api/v1/sessions/{}/watch", world.own.id())
}

pub fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("authorization", format!("Bearer {token}"))]
}

pub fn actions(world: &World) -> Vec<String> {
    let query = Default::default();
    let audit = world
        .runtime
        .block_on(world.store.list_audit(&everything(), &query))
        .unwrap();
    audit.items.into_iter().map(|entry| entry.action).collect()
}

#[test]
fn a_viewer_sees_the_screen_then_what_comes_then_the_end() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (connection, mut tape) = joined(&world).await;
        let mut socket = connect(&world, &path(&world), &bearer(&carol))
            .await
            .unwrap();
        let hello = told(&mut socket, "hello").await;
        assert_eq!(hello["connection"], connection.to_string());
        assert_eq!(
            (&hello["channel"], &hello["cols"], &hello["rows"]),
            (&json!(3), &json!(100), &json!(30))
        );
        shown(&mut socket, "good morning").await;
        tape.append(&[Record::Output {
            channel: 3,
            stderr: false,
            data: b"uptime\r\n",
        }])
        .unwrap();
        shown(&mut socket, "uptime").await;
        tape.append(&[Record::Resize {
            channel: 3,
            cols: 120,
            rows: 40,
        }])
        .unwrap();
        assert_eq!(told(&mut socket, "resize").await["cols"], 120);
        let event = sallyport_domain::event::Event::Unlocked {
            by: "bob".to_owned(),
        };
        tape.append(&[Record::Marker(&event)]).unwrap();
        assert_eq!(
            told(&mut socket, "event").await["message"],
            "unlocked by bob"
        );
        tape.finish(None).unwrap();
        assert!(told(&mut socket, "end").await["reason"].is_string());
    });
    let actions = actions(&world);
    assert!(
        actions
            .iter()
            .any(|action| action == "session.viewer-joined"),
        "{actions:?}"
    );
}

#[test]
fn leaving_is_on_record_and_the_token_may_stand_in_the_query() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (_, _tape) = joined(&world).await;
        let mut socket = connect(&world, &format!("{}?token={carol}", path(&world)), &[])
            .await
            .unwrap();
        told(&mut socket, "hello").await;
        socket.send(Message::Close(None)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    });
    let actions = actions(&world);
    assert!(
        actions.iter().any(|action| action == "session.viewer-left"),
        "{actions:?}"
    );
    let plain = world
        .client
        .call(None, "GET", &format!("/api/v1/me?token={carol}"), None);
    assert_eq!(plain.status, 401, "in the query only for WebSockets");
}

#[test]
fn who_may_not_watch_any_more_is_shown_out() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (_, _tape) = joined(&world).await;
        let mut socket = connect(&world, &path(&world), &bearer(&carol))
            .await
            .unwrap();
        told(&mut socket, "hello").await;
        world
            .store
            .set_user_locked(&Author::system(), "carol", true, "test", Utc::now())
            .await
            .unwrap();
        assert!(
            told(&mut socket, "end").await["reason"]
                .as_str()
                .unwrap()
                .contains("may not watch")
        );
    });
}

#[test]
fn a_session_whose_node_died_ends_for_its_viewers_too() {
    let mut world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (_, _tape) = joined(&world).await;
        let mut socket = connect(&world, &path(&world), &bearer(&carol))
            .await
            .unwrap();
        told(&mut socket, "hello").await;
        world
            .store
            .save_session(world.own.session, &update(Status::Failed, Utc::now()), &[])
            .await
            .unwrap();
        told(&mut socket, "end").await;
        let refused = connect(&world, &path(&world), &bearer(&carol)).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 409));
    });
    world.stop();
}

#[test]
fn stopping_tells_the_viewers() {
    let mut world = World::new();
    let carol = world.token("carol");
    let (mut socket, _tape) = world.runtime.block_on(async {
        let (_, tape) = joined(&world).await;
        let mut socket = connect(&world, &path(&world), &bearer(&carol))
            .await
            .unwrap();
        told(&mut socket, "hello").await;
        (socket, tape)
    });
    let reading = world
        .runtime
        .spawn(async move { told(&mut socket, "end").await });
    world.stop();
    let end = world.runtime.block_on(reading).unwrap();
    assert_eq!(end["reason"], "the gateway is shutting down");
}

#[test]
fn another_site_cannot_watch_with_our_cookie() {
    let world = World::new();
    let carol = world.token("carol");
    let cookie = ("cookie", format!("__Host-sallyport={carol}"));
    world.runtime.block_on(async {
        let (_, _tape) = joined(&world).await;
        let ours = ("origin", format!("https://{}", world.addr));
        assert!(
            connect(&world, &path(&world), &[cookie.clone(), ours])
                .await
                .is_ok()
        );
        let theirs = ("origin", "https://evil.example".to_owned());
        let refused = connect(&world, &path(&world), &[cookie, theirs]).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 403));
    });
}
