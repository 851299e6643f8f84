//! Watching a desktop live over the WebSocket.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt, StreamExt};
use sallyport_recorder::picture::{Image, Rect};
use sallyport_recorder::track::{self, Item, PictureWriter, What};
use sallyport_recorder::{Painter, Record, TapeReader, TapeWriter};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::fixture::{Live, World, desktop};
use crate::pdus;
use crate::watch::{Socket, actions, bearer, connect, next, told};

pub fn path(live: &Live) -> String {
    format!("/api/v1/sessions/{}/watch", live.id())
}

/// The next picture: its kind, its place, its PNG; texts are passed over.
async fn picture(socket: &mut Socket) -> (u8, [u16; 4], Vec<u8>) {
    loop {
        if let Message::Binary(bytes) = next(socket).await {
            let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let place = [number(1), number(3), number(5), number(7)];
            return (bytes[0], place, bytes[9..].to_vec());
        }
    }
}

fn png(width: u16, height: u16, colour: u8) -> Vec<u8> {
    let data = vec![colour; usize::from(width) * usize::from(height) * 4];
    let image = Image {
        width,
        height,
        stride: usize::from(width) * 4,
        data: &data,
    };
    track::png(image, Rect::whole(width, height)).unwrap()
}

fn keyframe(width: u16, height: u16, colour: u8) -> What {
    let png = png(width, height, colour);
    What::Keyframe { png }
}

fn tile(x: u16, y: u16, colour: u8) -> What {
    let rect = Rect {
        x,
        y,
        width: 8,
        height: 8,
    };
    let png = png(8, 8, colour);
    What::Tile { rect, png }
}

/// The track beside a tape, as a painter begins it.
fn track(tape: &TapeWriter) -> PictureWriter {
    let nonce = TapeReader::open(tape.path()).unwrap().header().nonce;
    PictureWriter::create(&track::path_of(tape.path()), nonce).unwrap()
}

fn write(track: &mut PictureWriter, at: u64, whats: Vec<What>) {
    let at = Duration::from_millis(at);
    let items: Vec<Item> = whats.into_iter().map(|what| Item { at, what }).collect();
    track.append(&items).unwrap();
}

#[test]
fn a_viewer_sees_the_picture_then_what_changes_then_the_end() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (live, mut tape) = desktop(&world, "alice").await;
        let event = sallyport_domain::event::Event::Unlocked { by: "bob".into() };
        tape.append(&[Record::Marker(&event)]).unwrap();
        let mut track = track(&tape);
        let shape = What::PointerShape {
            hot_x: 3,
            hot_y: 4,
            png: png(16, 16, 7),
        };
        let resize = |width, height| What::Resize { width, height };
        write(&mut track, 1, vec![resize(64, 48), keyframe(64, 48, 1)]);
        let place = What::PointerPlace { x: 9, y: 8 };
        write(
            &mut track,
            2,
            vec![keyframe(64, 48, 2), shape.clone(), place],
        );
        write(&mut track, 3, vec![tile(5, 6, 3)]);
        let mut socket = connect(&world, &path(&live), &bearer(&carol))
            .await
            .unwrap();
        // The last keyframe, what came behind it, and that this is all.
        let hello = told(&mut socket, "desktop").await;
        assert_eq!(hello["connection"], live.connection.to_string());
        assert_eq!(
            (&hello["width"], &hello["height"]),
            (&json!(64), &json!(48))
        );
        let first = picture(&mut socket).await;
        assert_eq!(first, (1, [0, 0, 64, 48], png(64, 48, 2)));
        let pointer = picture(&mut socket).await;
        assert_eq!(pointer, (3, [3, 4, 16, 16], png(16, 16, 7)));
        let place = told(&mut socket, "pointer").await;
        assert_eq!((&place["x"], &place["y"]), (&json!(9), &json!(8)));
        assert!(place["at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(picture(&mut socket).await, (2, [5, 6, 8, 8], png(8, 8, 3)));
        told(&mut socket, "live").await;

        // What comes then.
        let written = Instant::now();
        write(&mut track, 4, vec![tile(0, 0, 4), What::PointerHidden]);
        assert_eq!(picture(&mut socket).await, (2, [0, 0, 8, 8], png(8, 8, 4)));
        assert!(written.elapsed() < Duration::from_secs(1));
        assert_eq!(told(&mut socket, "pointer").await["shape"], "hidden");
        write(
            &mut track,
            5,
            vec![What::Covered { shown: true }, What::Gap { faults: 2 }],
        );
        assert_eq!(told(&mut socket, "cover").await["shown"], true);
        assert_eq!(told(&mut socket, "gap").await["faults"], 2);
        tape.append(&[Record::Marker(&event)]).unwrap();
        let event = told(&mut socket, "event").await;
        assert_eq!(event["message"], "unlocked by bob");
        write(&mut track, 6, vec![resize(80, 60), keyframe(80, 60, 5)]);
        let resized = told(&mut socket, "desktop").await;
        assert_eq!(
            (&resized["width"], &resized["height"]),
            (&json!(80), &json!(60))
        );
        assert_eq!(picture(&mut socket).await.1, [0, 0, 80, 60]);
        let uncovered = told(&mut socket, "cover").await;
        assert_eq!(uncovered["shown"], false, "said, though it was skipped");
        tape.finish(None).unwrap();
        write(&mut track, 7, vec![tile(1, 1, 6), What::End]);
        assert_eq!(picture(&mut socket).await, (2, [1, 1, 8, 8], png(8, 8, 6)));
        assert!(told(&mut socket, "end").await["reason"].is_string());
    });
    let actions = actions(&world);
    let joined = |action: &String| action == "session.viewer-joined";
    assert!(actions.iter().any(joined), "{actions:?}");
}

#[test]
fn a_viewer_waits_for_the_first_picture_and_sees_what_is_painted() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (live, mut tape) = desktop(&world, "alice").await;
        let mut socket = connect(&world, &path(&live), &bearer(&carol))
            .await
            .unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(300), socket.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        pdus::begin(&mut tape, 160, 100);
        pdus::square(&mut tape, 10, (20, 30), 40, [200, 100, 50]);
        let mut painter = Painter::follow(tape.path()).unwrap();
        for _ in 0..3 {
            painter.step(1 << 20).unwrap();
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        let hello = told(&mut socket, "desktop").await;
        assert_eq!(
            (&hello["width"], &hello["height"]),
            (&json!(160), &json!(100))
        );
        let (kind, place, first) = picture(&mut socket).await;
        assert_eq!((kind, place), (1, [0, 0, 160, 100]));
        let mut canvas = track::Canvas::default();
        canvas.apply(&What::Keyframe { png: first }).unwrap();
        let pixel = |x: usize, y: usize| {
            let image = canvas.image().unwrap();
            image.data[(y * 160 + x) * 4..][..3].to_vec()
        };
        assert_eq!(pixel(20, 30), [200, 100, 50]);
        assert_eq!(pixel(60, 70), [0, 0, 0]);
        // Nobody paints the rest: the end is not waited for without end.
        tape.finish(None).unwrap();
        assert!(told(&mut socket, "end").await["reason"].is_string());
    });
}

/// Whoever takes pictures slowly sees fewer of them: not those that newer ones replaced.
#[test]
fn a_slow_viewer_goes_on_at_a_newer_keyframe() {
    let world = World::new();
    let carol = world.token("carol");
    world.runtime.block_on(async {
        let (live, tape) = desktop(&world, "alice").await;
        let mut track = track(&tape);
        let noise = |seed: u32| noisy(400, seed);
        write(&mut track, 0, vec![noise(1)]);
        let mut socket = connect(&world, &path(&live), &bearer(&carol))
            .await
            .unwrap();
        told(&mut socket, "live").await;
        // Far more than the sockets hold between the two of them.
        let count: u32 = 120;
        for n in 2..=count {
            write(&mut track, u64::from(n), vec![noise(n)]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let What::Keyframe { png: last } = noise(count) else {
            panic!("a keyframe");
        };
        let mut seen = 1;
        while picture(&mut socket).await.2 != last {
            seen += 1;
        }
        assert!(seen < count / 2, "{seen} of {count}");
    });
}

/// A keyframe that cannot be compressed.
fn noisy(side: u16, seed: u32) -> What {
    let mut state = seed.wrapping_mul(0x9e37_79b1) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    let count = usize::from(side) * usize::from(side) * 4;
    let data: Vec<u8> = (0..count).map(|_| random()).collect();
    let image = Image {
        width: side,
        height: side,
        stride: usize::from(side) * 4,
        data: &data,
    };
    let png = track::png(image, Rect::whole(side, side)).unwrap();
    What::Keyframe { png }
}

#[test]
fn a_desktop_is_watched_by_the_same_rules() {
    let world = World::new();
    let (carol, dave) = (world.token("carol"), world.token("dave"));
    world.runtime.block_on(async {
        let (live, tape) = desktop(&world, "alice").await;
        let _track = track(&tape);
        let refused = |answer: Result<Socket, Error>| match answer {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("{other:?}"),
        };
        let answer = connect(&world, &path(&live), &bearer(&dave)).await;
        assert_eq!(refused(answer), 404, "not his");
        let alice = world.client.clone();
        let token = tokio::task::spawn_blocking(move || {
            let body = json!({ "username": "alice", "password": crate::fixture::PASSWORD });
            let answer: Value = alice
                .call(None, "POST", "/api/v1/login", Some(&body))
                .json();
            answer["token"].as_str().unwrap().to_owned()
        })
        .await
        .unwrap();
        let answer = connect(&world, &path(&live), &bearer(&token)).await;
        assert_eq!(refused(answer), 403, "his own, but no auditor");
        let channel = format!("{}?channel=1", path(&live));
        let answer = connect(&world, &channel, &bearer(&carol)).await;
        assert_eq!(refused(answer), 400);
        let mut socket = connect(&world, &path(&live), &bearer(&carol))
            .await
            .unwrap();
        socket.send(Message::Close(None)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    });
    let actions = actions(&world);
    let left = |action: &String| action == "session.viewer-left";
    assert!(actions.iter().any(left), "{actions:?}");
}

#[test]
fn the_page_is_served_with_a_strict_policy_and_its_token_comes_in_no_address() {
    let world = World::new();
    let carol = world.token("carol");
    let page = world.client.call(None, "GET", "/watch/any-session", None);
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let files = [
        ("control.js", "text/javascript"),
        ("watch.js", "text/javascript"),
        ("watch.css", "text/css"),
    ];
    for (file, kind) in files {
        assert!(page.text.contains(&format!("/console/{file}")));
        let path = format!("/console/{file}");
        let answer = world.client.call(None, "GET", &path, None);
        let found = answer.headers["content-type"].to_str().unwrap();
        assert!(answer.status == 200 && found.starts_with(kind), "{found}");
    }
    let nothing = world.client.call(None, "GET", "/console/other.js", None);
    assert_eq!(nothing.status, 404);
    world.runtime.block_on(async {
        let (live, tape) = desktop(&world, "alice").await;
        let mut track = track(&tape);
        write(&mut track, 1, vec![keyframe(64, 48, 1)]);
        let offer = |token: &str| {
            let encoded = URL_SAFE_NO_PAD.encode(token);
            let offered = format!("sallyport.watch, bearer.{encoded}");
            [("sec-websocket-protocol", offered)]
        };
        let mut socket = connect(&world, &path(&live), &offer(&carol)).await.unwrap();
        told(&mut socket, "desktop").await;
        let refused = connect(&world, &path(&live), &offer("nobody's")).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 401));
    });
}
