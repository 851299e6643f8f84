//! Watching desktops, live and afterwards.

use std::fs;
use std::time::{Duration, Instant};

use sallyport_recorder::picture::Rect;
use sallyport_recorder::track::{Canvas, What};
use sallyport_tests::harness::{
    Film, Frame, Gateway, Picture, RdpHost, Watcher, Xrdp, eventually, run, tapes,
};
use serde_json::{Value, json};

use super::rdp_common::{PATIENCE, desktop, ended, order, write};
use super::{SOON, items, text};

/// More than a pointer covers, where it is drawn into a picture.
pub const POINTER: usize = 32 * 32;

/// What a frame says of the picture.
fn what(frame: Frame) -> Option<What> {
    let bytes = match frame {
        Frame::Bytes(bytes) => bytes,
        Frame::Json(json) if json["type"] == "cover" => {
            let shown = json["shown"] == true;
            return Some(What::Covered { shown });
        }
        Frame::Json(_) | Frame::Closed(_) => return None,
    };
    let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let (x, y, width, height) = (number(1), number(3), number(5), number(7));
    let rect = Rect {
        x,
        y,
        width,
        height,
    };
    let png = bytes[9..].to_vec();
    match bytes[0] {
        1 => Some(What::Keyframe { png }),
        2 => Some(What::Tile { rect, png }),
        _ => None,
    }
}

/// What a viewer sees of a desktop.
fn seen(watcher: &Watcher) -> Canvas {
    let mut canvas = Canvas::default();
    for what in watcher
        .frames()
        .into_iter()
        .filter_map(|(_, frame)| what(frame))
    {
        canvas.apply(&what).unwrap();
    }
    canvas
}

/// When a viewer saw this colour in the last pixel for the first time.
fn seen_at(watcher: &Watcher, colour: [u8; 3]) -> Option<Instant> {
    let mut canvas = Canvas::default();
    watcher.frames().into_iter().find_map(|(at, frame)| {
        canvas.apply(&what(frame)?).unwrap();
        let data = canvas.image()?.data;
        (data[data.len() - 4..][..3] == colour).then_some(at)
    })
}

pub fn from_png(path: &std::path::Path) -> Picture {
    Picture::from_png(&fs::read(path).unwrap())
}

#[test]
fn a_viewer_sees_what_the_user_sees_within_a_second() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "before\n");
    target.notepad.wait_typed("before\n", PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let id = text(&session, "id");
    let watcher = Watcher::start(&gateway, &admin, id);
    let hello = watcher.wait_json("desktop", SOON);
    watcher.wait_json("live", SOON);
    let shown = target.settled(PATIENCE);
    assert_eq!(hello["width"], json!(shown.width));
    eventually("the viewer sees it", SOON, || {
        (Picture::from_canvas(&seen(&watcher)).differing(&shown, 0.0) == 0).then_some(())
    });
    client.wait_says("bob is now watching this session.", PATIENCE);

    let mut behind = Vec::new();
    for colour in ["#206040", "#602040", "#402060"] {
        let mut root = target.program("xsetroot");
        root.args(["-solid", colour]);
        run(root, PATIENCE).ok();
        let byte = |at: usize| u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        let colour = [byte(1), byte(3), byte(5)];
        client.wait_until("the colour", PATIENCE, |now| {
            now.contains_color(colour, 0.0)
        });
        let drawn = Instant::now();
        let seen = eventually("the viewer sees the colour", SOON, || {
            seen_at(&watcher, colour)
        });
        behind.push(seen.saturating_duration_since(drawn));
    }
    // Pictures come late when the machine is busy, as it may be here at any moment.
    let quickest = behind.iter().min().unwrap();
    assert!(*quickest < Duration::from_secs(1), "{behind:?}");
    let lock = json!({ "title": "Halt", "message": "m" });
    order(&admin, &session, "lock", lock).expect(200);
    assert_eq!(watcher.wait_json("cover", SOON)["shown"], true);
    // The desktop goes on behind the cover, and is seen.
    let shown = target.settled(PATIENCE);
    assert_eq!(
        Picture::from_canvas(&seen(&watcher)).differing(&shown, 0.0),
        0
    );
    assert!(seen(&watcher).covered);
    order(&admin, &session, "unlock", json!({})).expect(200);
    watcher.wait("the cover goes", SOON, |frame| {
        matches!(frame, Frame::Json(json) if json["type"] == "cover" && json["shown"] == false)
    });
    order(&admin, &session, "terminate", json!({ "reason": "over" })).expect(200);
    watcher.wait_json("end", SOON);
}

/// The upper left of a picture, as large as another.
fn cut(picture: &Picture, like: &Picture) -> Picture {
    let rows = picture.rgb.chunks_exact(picture.width * 3);
    let rows = rows.take(like.height).map(|row| &row[..like.width * 3]);
    Picture {
        width: like.width,
        height: like.height,
        rgb: rows.flatten().copied().collect(),
    }
}

#[test]
fn the_command_line_takes_pictures_live_and_makes_films_of_recordings() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "seen\n");
    target.notepad.wait_typed("seen\n", PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let id = text(&session, "id");
    let bob = |words: &[&str]| run(gateway.cli("bob", words), PATIENCE);
    let file = |name: &str| gateway.dir().join(name);
    let name = |path: &std::path::Path| path.to_str().unwrap().to_owned();

    let refused = bob(&["sessions", "watch", id]).failed();
    assert!(
        refused.err.contains(&format!("/watch/{id}")),
        "{}",
        refused.err
    );
    let shown = target.settled(PATIENCE);
    let live = file("live.png");
    eventually("the picture is up to date", SOON, || {
        bob(&["sessions", "watch", id, "--png", &name(&live)]).ok();
        (from_png(&live).differing(&shown, 0.0) <= POINTER).then_some(())
    });
    assert_eq!(client.close(), 0);
    ended(&admin, &session, PATIENCE);

    let list = admin.get("/api/v1/recordings").expect(200).json();
    let recording = text(&items(&list)[0], "id").to_owned();
    let of = format!("/api/v1/recordings/{recording}/pictures/index");
    let index: Value = admin.get(&of).expect(200).json();
    assert_eq!(index["finished"], true, "{index:#}");
    let last = format!("{}s", index["duration"]);
    let tape = tapes(gateway.data()).remove(0);
    fs::remove_file(tape.with_extension("picture")).unwrap();
    let export = |what: &str, to: &std::path::Path| {
        bob(&[
            "recordings",
            "export",
            what,
            "--format",
            "png-at",
            "--at",
            &last,
            "-o",
            &name(to),
        ])
    };
    let (here, there) = (file("here.png"), file("there.png"));
    export(&name(&tape), &here).ok();
    assert!(!tape.with_extension("picture").exists());
    export(&recording, &there).ok();
    assert!(tape.with_extension("picture").exists(), "it is made again");
    assert_eq!(from_png(&there), from_png(&here));
    assert!(from_png(&there).differing(&shown, 0.0) <= POINTER);

    fs::remove_file(tape.with_extension("picture")).unwrap();
    let film = |what: &str, to: &std::path::Path| {
        let to = name(to);
        let words = ["recordings", "export", what, "--format", "mp4", "-o", &to];
        bob(&words).ok();
    };
    let (here, there) = (file("here.mp4"), file("there.mp4"));
    film(&recording, &there);
    film(&name(&tape), &here);
    let bytes = fs::read(&there).unwrap();
    assert!(bytes == fs::read(&here).unwrap());
    let film = Film::of(&bytes);
    assert!(film.pictures > 1);
    let session = Duration::from_secs_f64(index["duration"].as_f64().unwrap());
    assert!(film.length <= session + Duration::from_secs(1));
    assert!(film.last.height > shown.height, "the strip");
    let last = cut(&film.last, &shown);
    // Colours at the edges of letters are those of four pixels together.
    let edges = shown.width * shown.height / 100;
    assert!(last.differing(&shown, 10.0) <= POINTER + edges);
    for refused in [
        bob(&["recordings", "replay", &recording]),
        bob(&["recordings", "replay", &name(&tape)]),
        bob(&["recordings", "export", &recording]),
        bob(&["recordings", "export", &name(&tape)]),
    ] {
        let refused = refused.failed();
        assert!(refused.err.contains("png-at"), "{}", refused.err);
        assert!(refused.err.contains("mp4"), "{}", refused.err);
    }
    let webm = bob(&["recordings", "export", &recording, "--format", "webm"]).failed();
    assert!(webm.err.contains("mp4"), "{}", webm.err);
}
