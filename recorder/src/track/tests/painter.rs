//! From tapes to tracks.

use super::*;
use crate::picture::Desktop;
use crate::picture::tests::sent::{begun, bitmap, confirm_active, demand_active, fast_bitmaps};
use crate::{Record, TapeWriter};

const WIDTH: u16 = 160;
const HEIGHT: u16 = 100;

/// A square of one colour.
fn square(x: u16, y: u16, side: u16, colour: [u8; 3]) -> Vec<u8> {
    let [r, g, b] = colour;
    let data = [b, g, r, 0].repeat(usize::from(side) * usize::from(side));
    fast_bitmaps(vec![bitmap((x, y), (side, side), 32, false, &data)])
}

/// A square that cannot be compressed.
fn noise(side: u16, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    let count = usize::from(side) * usize::from(side) * 4;
    let data: Vec<u8> = (0..count).map(|_| random()).collect();
    fast_bitmaps(vec![bitmap((0, 0), (side, side), 32, false, &data)])
}

enum Sent {
    Target(Vec<u8>),
    Client(Vec<u8>),
    Viewer(Vec<u8>),
    Covered(bool),
}

use Sent::{Client, Covered, Target, Viewer};

fn append(tape: &mut TapeWriter, at: u64, sent: &Sent) {
    let record = match sent {
        Target(pdus) => Record::FromTarget { pdus },
        Client(pdus) => Record::FromClient { pdus },
        Viewer(pdus) => Record::FromViewer {
            viewer: "bob",
            pdus,
        },
        Covered(shown) => Record::Covered { shown: *shown },
    };
    tape.append_at(ms(at), &[record]).unwrap();
}

fn begin(dir: &Path, header: &TapeHeader) -> TapeWriter {
    let mut tape = TapeWriter::create(dir, header).unwrap();
    tape.append_at(ms(0), &[Record::DesktopBegun(&begun())])
        .unwrap();
    append(&mut tape, 1, &Target(demand_active(WIDTH, HEIGHT)));
    append(&mut tape, 2, &Client(confirm_active(3)));
    tape
}

/// A finished tape and its track.
fn painted(dir: &Path, sent: &[(u64, Sent)]) -> (PathBuf, TapeHeader) {
    let header = header();
    let mut tape = begin(dir, &header);
    for (at, sent) in sent {
        append(&mut tape, *at, sent);
    }
    let path = tape.path().to_owned();
    tape.finish(None).unwrap();
    rebuild(&path, &path_of(&path)).unwrap();
    (path, header)
}

fn track(tape: &Path, header: &TapeHeader) -> PictureReader {
    PictureReader::open(&path_of(tape), header).unwrap()
}

/// What the desktop shows after all that was sent until then.
fn desktop_at(sent: &[(u64, Sent)], until: u64) -> Desktop {
    let mut desktop = Desktop::new(&begun());
    desktop.from_target(&demand_active(WIDTH, HEIGHT), ms(1));
    for (at, sent) in sent.iter().filter(|(at, _)| *at <= until) {
        match sent {
            Target(pdus) => desktop.from_target(pdus, ms(*at)),
            Client(pdus) | Viewer(pdus) => desktop.from_client(pdus, ms(*at)),
            Covered(_) => {}
        }
    }
    desktop
}

fn pixels(image: Image<'_>) -> Vec<[u8; 3]> {
    let pixel = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2]];
    image.data.chunks_exact(4).map(pixel).collect()
}

/// What the track shows at a time.
fn shown(reader: &mut PictureReader, at: u64) -> Canvas {
    reader.seek(ms(at)).unwrap().expect("a keyframe");
    let mut canvas = Canvas::default();
    while let Some(item) = reader.next().unwrap() {
        if item.at > ms(at) {
            break;
        }
        canvas.apply(&item.what).unwrap();
    }
    canvas
}

/// Squares that come one a second, for three minutes.
fn squares() -> Vec<(u64, Sent)> {
    let square = |n: u64| {
        let (x, y) = (n * 23 % 140, n * 31 % 80);
        let colour = [n as u8, (n * 7) as u8, 200];
        (n * 1000, Target(square(x as u16, y as u16, 20, colour)))
    };
    (1..180).map(square).collect()
}

#[test]
fn a_track_shows_what_the_desktop_showed_at_any_time() {
    let dir = memory_dir();
    let sent = squares();
    let (tape, header) = painted(dir.path(), &sent);
    let mut reader = track(&tape, &header);
    for at in [170_500, 2500, 31_100, 30_999, 90_000, 178_999, 60_500] {
        let canvas = shown(&mut reader, at);
        let desktop = desktop_at(&sent, at);
        assert_eq!(
            pixels(canvas.image().unwrap()),
            pixels(desktop.image().unwrap()),
            "at {at}"
        );
    }
    assert_eq!(reader.end().unwrap(), Some(ms(179_000)));
}

#[test]
fn keyframes_come_every_half_minute_and_every_four_megabytes() {
    let dir = memory_dir();
    let (tape, header) = painted(dir.path(), &squares());
    let keyframes = |items: &[Item]| {
        let keyframe = |item: &&Item| matches!(item.what, What::Keyframe { .. });
        items.iter().filter(keyframe).count()
    };
    let items = read(&mut track(&tape, &header));
    assert_eq!(keyframes(&items), 6);
    // 80x80 pixels of noise are 19 KB: 4 MiB after 218 of them, which takes 24 s.
    let much: Vec<_> = (1..500)
        .map(|n| (n * 110, Target(noise(80, n as u32))))
        .collect();
    let (tape, header) = painted(dir.path(), &much);
    let items = read(&mut track(&tape, &header));
    let by_time = 2;
    assert!(
        keyframes(&items) > by_time,
        "{} keyframes",
        keyframes(&items)
    );
}

#[test]
fn at_most_ten_pictures_a_second() {
    let dir = memory_dir();
    let square = |n: u64| {
        let at = 1000 + n * 5;
        (at, Target(square((n % 140) as u16, 0, 20, [n as u8, 1, 2])))
    };
    let sent: Vec<_> = (0..400).map(square).collect();
    let (tape, header) = painted(dir.path(), &sent);
    let mut times: Vec<Duration> = read(&mut track(&tape, &header))
        .iter()
        .map(|item| item.at)
        .filter(|at| *at > ms(900))
        .collect();
    times.dedup();
    assert!(
        (19..=22).contains(&times.len()),
        "{} pictures in two seconds",
        times.len()
    );
    // None is older than a tenth of a second when it is written.
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] <= ms(110), "{pair:?}");
    }
}

#[test]
fn size_pointer_cover_and_gaps_are_on_the_track() {
    let dir = memory_dir();
    let red = [255, 0, 0];
    let click = vec![0x04, 9, 0x20, 0, 0x90, 30, 0, 40, 0];
    let click_there = vec![0x04, 9, 0x20, 0, 0x90, 50, 0, 60, 0];
    let hide = vec![0, 5, 5, 0, 0];
    let sent = [
        (1000, Target(square(0, 0, 10, red))),
        (2000, Client(click)),
        (3000, Covered(true)),
        (4000, Target(square(150, 90, 20, red))),
        (5000, Covered(false)),
        (5500, Viewer(click_there)),
        (6000, Target(hide)),
        (7000, Target(demand_active(64, 48))),
        (8000, Target(square(1, 1, 10, red))),
    ];
    let (tape, header) = painted(dir.path(), &sent);
    let items = read(&mut track(&tape, &header));
    let brief = |item: &Item| {
        let what = match &item.what {
            What::Keyframe { .. } => "keyframe".to_owned(),
            What::Tile { rect, .. } => format!("tile {}x{}", rect.width, rect.height),
            What::PointerShape { .. } => "shape".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{} {what}", item.at.as_millis())
    };
    let seen: Vec<String> = items.iter().map(brief).collect();
    assert_eq!(
        seen,
        [
            "1 Resize { width: 160, height: 100 }",
            "1 keyframe",
            "1 PointerArrow",
            "1 PointerPlace { x: 0, y: 0 }",
            "1000 tile 10x10",
            "2000 PointerPlace { x: 30, y: 40 }",
            "3000 Covered { shown: true }",
            "4000 Gap { faults: 1 }",
            "5000 Covered { shown: false }",
            "5500 PointerPlace { x: 50, y: 60 }",
            "6000 PointerHidden",
            "7000 Resize { width: 64, height: 48 }",
            "7000 keyframe",
            "7000 Gap { faults: 1 }",
            "7000 PointerArrow",
            "7000 PointerPlace { x: 50, y: 60 }",
            "8000 tile 10x10",
            "8000 End",
        ]
    );
    let mut reader = track(&tape, &header);
    let canvas = shown(&mut reader, 3500);
    assert!(canvas.covered);
    assert_ne!(canvas.with_pointer(), canvas);
    let canvas = shown(&mut reader, 6500);
    assert_eq!(
        canvas.with_pointer(),
        canvas,
        "a hidden pointer is not drawn"
    );
    let canvas = shown(&mut reader, 8000);
    assert_eq!(
        (canvas.pointer.x, canvas.pointer.y, canvas.pointer.hidden),
        (50, 60, false)
    );
    assert_eq!(canvas.faults, 1);
}

#[test]
fn a_painter_follows_a_live_tape() {
    let dir = memory_dir();
    let header = header();
    let mut tape = begin(dir.path(), &header);
    let path = tape.path().to_owned();
    let mut painter = Painter::follow(&path).unwrap();
    assert!(painter.screen().is_none());
    let green = [0, 255, 0];
    append(&mut tape, 50, &Target(square(5, 6, 20, green)));
    // Bit by bit, then all.
    let progress = painter.step(1).unwrap();
    assert_eq!((progress.position, progress.state), (ms(0), State::Behind));
    while painter.step(1).unwrap().state == State::Behind {}
    let screen = painter.screen().unwrap();
    assert_eq!(pixels(screen.image().unwrap())[6 * 160 + 5], green);
    // What is not followed by anything is written all the same, a little later.
    std::thread::sleep(ms(110));
    assert_eq!(painter.step(1 << 20).unwrap().state, State::CaughtUp);
    let mut viewer = PictureTail::open(&path_of(&path), &header).unwrap();
    let mut canvas = Canvas::default();
    for item in viewer.poll(1 << 20).unwrap() {
        canvas.apply(&item.what).unwrap();
    }
    assert_eq!(
        pixels(canvas.image().unwrap()),
        pixels(screen.image().unwrap())
    );
    append(&mut tape, 500, &Target(square(100, 50, 20, green)));
    tape.finish(None).unwrap();
    let state = painter.step(1 << 20).unwrap().state;
    assert_eq!(state, State::Finished);
    assert_eq!(painter.step(1 << 20).unwrap().state, State::Finished);
    for item in viewer.poll(1 << 20).unwrap() {
        canvas.apply(&item.what).unwrap();
    }
    assert!(viewer.finished());
    let last = painter.screen().unwrap();
    assert_eq!(
        pixels(canvas.image().unwrap()),
        pixels(last.image().unwrap())
    );
    // Made again from the tape, it shows the same.
    fs::remove_file(path_of(&path)).unwrap();
    rebuild(&path, &path_of(&path)).unwrap();
    let canvas = shown(&mut track(&path, &header), 500);
    assert_eq!(
        pixels(canvas.image().unwrap()),
        pixels(last.image().unwrap())
    );
}

#[test]
fn of_a_tape_without_an_end_the_track_has_none() {
    let dir = memory_dir();
    let header = header();
    let mut tape = begin(dir.path(), &header);
    append(&mut tape, 50, &Target(square(5, 6, 20, [1, 2, 3])));
    let path = tape.path().to_owned();
    rebuild(&path, &path_of(&path)).unwrap();
    let mut reader = track(&path, &header);
    assert_eq!(reader.end().unwrap(), None);
    let canvas = shown(&mut reader, 50);
    assert_eq!(pixels(canvas.image().unwrap())[6 * 160 + 5], [1, 2, 3]);
    let drawn = canvas.with_pointer();
    assert_eq!(
        pixels(drawn.image().unwrap())[160 * 2 + 1],
        [255, 255, 255],
        "the arrow"
    );
    drop(tape);
}

#[test]
fn an_index_tells_what_a_player_needs() {
    let dir = memory_dir();
    let (tape, header) = painted(dir.path(), &squares());
    let index = track(&tape, &header).index().unwrap();
    assert!(index.finished);
    assert_eq!(index.length, ms(179_000));
    assert_eq!((index.width, index.height), (WIDTH, HEIGHT));
    assert_eq!(index.activity.interval, ms(1000));
    assert_eq!(index.activity.changes.len(), 180);
    assert!(index.activity.changes.iter().all(|changes| *changes <= 2));
    let mut reader = track(&tape, &header);
    for keyframe in &index.keyframes {
        assert_eq!(reader.seek(*keyframe).unwrap(), Some(*keyframe));
    }
    assert_eq!(index.keyframes.len(), 6);
}

#[test]
fn a_track_says_how_far_it_is() {
    let dir = memory_dir();
    let header = header();
    let mut tape = begin(dir.path(), &header);
    let path = tape.path().to_owned();
    assert_eq!(standing(&path).unwrap(), Standing::NotBegun);
    let mut painter = Painter::follow(&path).unwrap();
    append(&mut tape, 10, &Target(square(0, 0, 20, [1, 2, 3])));
    painter.step(1 << 20).unwrap();
    assert_eq!(standing(&path).unwrap(), Standing::Growing);
    tape.finish(None).unwrap();
    assert_eq!(standing(&path).unwrap(), Standing::Unfinished);
    painter.step(1 << 20).unwrap();
    assert_eq!(painter.step(1 << 20).unwrap().state, State::Finished);
    assert_eq!(standing(&path).unwrap(), Standing::Whole);
    let shown = |at| track(&path, &header).canvas_at(ms(at)).unwrap();
    assert!(shown(0).is_none());
    let (canvas, reached) = shown(500).unwrap();
    assert!(reached && canvas.image().unwrap().data[..3] == [1, 2, 3]);
    // Damaged in the middle, it does not pretend to reach further.
    let track_path = path_of(&path);
    let mut bytes = fs::read(&track_path).unwrap();
    let middle = bytes.len() - 40;
    bytes[middle] ^= 1;
    fs::write(&track_path, &bytes).unwrap();
    assert_eq!(standing(&path).unwrap(), Standing::Whole);
    assert!(!shown(500).is_some_and(|(_, reached)| reached));
    fs::remove_file(&track_path).unwrap();
    assert_eq!(standing(&path).unwrap(), Standing::Unfinished);
}

#[test]
fn what_cannot_be_rebuilt_leaves_nothing_behind() {
    let dir = memory_dir();
    let (tape, _) = painted(dir.path(), &squares());
    let folder = dir.path().join("no-file");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x"), "").unwrap();
    assert!(rebuild(&tape, &folder).is_err());
    assert!(!dir.path().join("no-file.new").exists());
}
