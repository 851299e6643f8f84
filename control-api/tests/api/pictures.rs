//! Recorded desktops in pictures.

use std::thread;
use std::time::Duration;

use sallyport_recorder::export;
use sallyport_recorder::track::{self, Canvas, PictureWriter, What};
use sallyport_recorder::{Painter, TapeReader};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::fixture::{Live, World, desktop, everything};
use crate::pdus;

/// A session of alice's with a finished tape: a red square at 1 s, a green one at 40 s, a blue one at 50 s.
fn recorded(world: &World) -> (Live, std::path::PathBuf) {
    let (live, mut tape) = world.runtime.block_on(desktop(world, "alice"));
    pdus::begin(&mut tape, 160, 100);
    for (at, x, colour) in [
        (1000, 0, [255, 0, 0]),
        (40_000, 20, [0, 255, 0]),
        (50_000, 40, [0, 0, 255]),
    ] {
        pdus::square(&mut tape, at, (x, 0), 20, colour);
    }
    let path = tape.path().to_owned();
    tape.finish(None).unwrap();
    (live, path)
}

fn pictures(live: &Live) -> String {
    format!("/api/v1/recordings/{}/pictures", live.connection)
}

/// The colours at the middles of the three squares.
fn colours(answer: &Answer) -> [[u8; 3]; 3] {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "image/png");
    let mut canvas = Canvas::default();
    let png = answer.bytes.clone();
    canvas.apply(&What::Keyframe { png }).unwrap();
    let image = canvas.image().unwrap();
    assert_eq!((image.width, image.height), (160, 100));
    [10, 30, 50].map(|x| image.data[(15 * 160 + x) * 4..][..3].try_into().unwrap())
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const NONE: [u8; 3] = [0, 0, 0];

#[test]
fn a_recorded_desktop_is_shown_at_any_time() {
    let world = World::new();
    let carol = world.token("carol");
    let (live, tape) = recorded(&world);
    let base = pictures(&live);
    let at = |seconds: &str| world.client.get(&carol, &format!("{base}?at={seconds}"));
    assert!(
        !track::path_of(&tape).exists(),
        "it is made when it is asked for"
    );
    assert_eq!(colours(&at("45")), [RED, GREEN, NONE]);
    assert!(track::path_of(&tape).exists());
    assert_eq!(colours(&at("1.5")), [RED, NONE, NONE]);
    assert_eq!(colours(&at("99999")), [RED, GREEN, BLUE]);
    assert_eq!(at("0.004").status, 422);
    for wrong in ["", "-1", "soon", "NaN", "1e300"] {
        assert_eq!(at(wrong).status, 400, "{wrong}");
    }
    assert_eq!(world.client.get(&carol, &base).status, 400);

    let index = world.client.get(&carol, &format!("{base}/index")).json();
    assert_eq!(
        (&index["duration"], &index["finished"]),
        (&json!(50.0), &json!(true))
    );
    assert_eq!(
        (&index["width"], &index["height"]),
        (&json!(160), &json!(100))
    );
    assert_eq!(index["keyframes"], json!([0.005, 40.0]));
    let changes = index["activity"]["changes"].as_array().unwrap();
    assert_eq!(
        (changes.len(), &changes[40], &changes[41]),
        (51, &json!(1), &json!(0))
    );

    // One look, however many pictures.
    let audit = world
        .runtime
        .block_on(world.store.list_audit(&everything(), &Default::default()))
        .unwrap();
    let looks = audit
        .items
        .iter()
        .filter(|entry| entry.action == "recording.viewed");
    assert_eq!(looks.count(), 1);
}

#[test]
fn what_is_wrong_with_a_track_is_mended_once_for_all_who_ask() {
    let world = World::new();
    let carol = world.token("carol");
    let (live, tape) = recorded(&world);
    let track = track::path_of(&tape);
    let asked = format!("{}?at=45", pictures(&live));
    let get = || world.client.get(&carol, &asked);
    // Nothing, a stranger's, one without an end, one that is damaged in its middle.
    assert_eq!(colours(&get()), [RED, GREEN, NONE]);
    let whole = std::fs::read(&track).unwrap();
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 8].fill(0x5a);
    for wrong in [
        b"something else".to_vec(),
        whole[..whole.len() - 30].to_vec(),
        damaged,
    ] {
        std::fs::write(&track, &wrong).unwrap();
        thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(get)).collect();
            for answer in asking {
                assert_eq!(colours(&answer.join().unwrap()), [RED, GREEN, NONE]);
            }
        });
        assert_eq!(std::fs::read(&track).unwrap(), whole);
    }
    assert!(!track.with_extension("picture.new").exists());
}

#[test]
fn the_track_of_a_session_that_goes_on_is_left_alone() {
    let world = World::new();
    let carol = world.token("carol");
    let (live, mut tape) = world.runtime.block_on(desktop(&world, "alice"));
    let base = pictures(&live);
    let get = |path: &str| world.client.get(&carol, path);
    assert_eq!(get(&format!("{base}?at=1")).status, 409);
    assert_eq!(get(&format!("{base}/index")).status, 409);
    pdus::begin(&mut tape, 160, 100);
    pdus::square(&mut tape, 1000, (0, 0), 20, RED);
    let mut painter = Painter::follow(tape.path()).unwrap();
    for _ in 0..3 {
        painter.step(1 << 20).unwrap();
        thread::sleep(std::time::Duration::from_millis(120));
    }
    let before = std::fs::metadata(track::path_of(tape.path())).unwrap();
    assert_eq!(colours(&get(&format!("{base}?at=77"))), [RED, NONE, NONE]);
    let index: Value = get(&format!("{base}/index")).json();
    assert_eq!(
        (&index["duration"], &index["finished"]),
        (&json!(1.0), &json!(false))
    );
    let after = std::fs::metadata(track::path_of(tape.path())).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn a_recorded_desktop_is_sent_as_a_film() {
    let world = World::new();
    let carol = world.token("carol");
    let (live, tape) = recorded(&world);
    let base = format!("/api/v1/recordings/{}/export", live.connection);
    let get = |query: &str| world.client.get(&carol, &format!("{base}?{query}"));
    let film = get("format=mp4");
    assert_eq!(film.status, 200, "{}", film.text);
    assert_eq!(film.headers["content-type"], "video/mp4");
    assert!(track::path_of(&tape).exists(), "it is made first");
    let here = |limit| {
        let mut film = Vec::new();
        export::mp4(&tape, limit, &mut film).unwrap();
        film
    };
    assert!(film.bytes == here(Some(Duration::from_secs(2))));
    let cut = get("format=mp4&idle_cut=0.5");
    assert!(cut.bytes == here(Some(Duration::from_millis(500))));
    assert!(get("format=mp4&idle_cut=0").bytes == here(None));
    for wrong in ["-1", "soon", "NaN", "1e300"] {
        let refused = get(&format!("format=mp4&idle_cut={wrong}"));
        assert_eq!(refused.status, 400, "{wrong}");
    }
    let webm = get("format=webm");
    assert_eq!(webm.status, 400);
    assert!(webm.detail().contains("mp4"), "{}", webm.detail());
    let terminal = format!("/api/v1/recordings/{}/export", world.own.connection);
    let terminal = world.client.get(&carol, &format!("{terminal}?format=mp4"));
    assert_eq!(terminal.status, 422);
    assert!(terminal.detail().contains("asciicast"));
}

#[test]
fn pictures_are_for_those_who_may_read_recordings_and_of_desktops_only() {
    let world = World::new();
    let (live, tape) = recorded(&world);
    for (who, status) in [
        ("alice", 403),
        ("dave", 404),
        ("mallory", 404),
        ("bob", 200),
    ] {
        let token = world.token(who);
        for path in ["?at=45", "/index"] {
            let answer = world
                .client
                .get(&token, &format!("{}{path}", pictures(&live)));
            assert_eq!(answer.status, status, "{who} {path} {}", answer.text);
        }
    }
    let carol = world.token("carol");
    let terminal = world
        .client
        .get(&carol, &format!("{}?at=1", pictures(&world.own)));
    assert_eq!(terminal.status, 422);
    assert!(terminal.detail().contains("asciicast"));
    let base = format!("/api/v1/recordings/{}", live.connection);
    let cast = world.client.get(&carol, &format!("{base}/export"));
    assert_eq!(cast.status, 422);
    assert!(cast.detail().contains("mp4"), "{}", cast.detail());
    let text = world
        .client
        .get(&carol, &format!("{base}/export?format=text"));
    assert_eq!(text.status, 200, "{}", text.text);
    // A track of something else beside the tape is not believed.
    let nonce = TapeReader::open(&tape).unwrap().header().connection.into();
    PictureWriter::create(&track::path_of(&tape), nonce).unwrap();
    let mended = world
        .client
        .get(&carol, &format!("{}?at=45", pictures(&live)));
    assert_eq!(colours(&mended), [RED, GREEN, NONE]);
}
