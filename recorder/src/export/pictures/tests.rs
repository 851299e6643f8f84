use std::fs;
use std::path::PathBuf;

use super::*;
use crate::fixture::{header, memory_dir, ms};
use crate::picture::tests::sent::{begun, bitmap, demand_active, fast_bitmaps};
use crate::{Record, TapeWriter};

/// A desktop of 40x30: red at 1 s, green at 2 s, blue at 60 s, covered at 61 s; the mouse moves at 62 s. Ends there.
fn tape(dir: &Path) -> PathBuf {
    let mut tape = TapeWriter::create(dir, &header()).unwrap();
    let path = tape.path().to_owned();
    let square = |x: u16, bgr: [u8; 3]| {
        let [b, g, r] = bgr;
        let data = [b, g, r, 0].repeat(100);
        fast_bitmaps(vec![bitmap((x, 0), (10, 10), 32, false, &data)])
    };
    let target = |tape: &mut TapeWriter, at: u64, pdus: &[u8]| {
        let record = Record::FromTarget { pdus };
        tape.append_at(ms(at), &[record]).unwrap();
    };
    tape.append_at(ms(0), &[Record::DesktopBegun(&begun())])
        .unwrap();
    target(&mut tape, 500, &demand_active(40, 30));
    target(&mut tape, 1000, &square(0, [0, 0, 255]));
    target(&mut tape, 2000, &square(10, [0, 255, 0]));
    target(&mut tape, 60_000, &square(20, [255, 0, 0]));
    let covered = Record::Covered { shown: true };
    tape.append_at(ms(61_000), &[covered]).unwrap();
    let pdus = &[0x04, 9, 0x20, 0, 8, 30, 0, 25, 0];
    tape.append_at(ms(62_000), &[Record::FromClient { pdus }])
        .unwrap();
    tape.finish(None).unwrap();
    path
}

fn pixel(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
    let image = canvas.image().unwrap();
    let at = y * image.stride + x * 4;
    image.data[at..at + 3].try_into().unwrap()
}

#[test]
fn a_picture_at_any_time_comes_with_and_without_a_track() {
    let dir = memory_dir();
    let tape = tape(dir.path());
    let mut pictures = Vec::new();
    for with_track in [false, true] {
        if with_track {
            track::rebuild(&tape, &track::path_of(&tape)).unwrap();
        }
        assert!(matches!(
            picture_at(&tape, ms(400)),
            Err(TrackError::NoPicture)
        ));
        let canvas = canvas_at(&tape, ms(1500)).unwrap();
        assert_eq!(pixel(&canvas, 5, 5), [255, 0, 0]);
        assert_eq!(pixel(&canvas, 15, 5), [0, 0, 0]);
        let canvas = canvas_at(&tape, ms(61_500)).unwrap();
        assert_eq!(pixel(&canvas, 25, 5), [0, 0, 255]);
        assert!(canvas.covered);
        let last = canvas_at(&tape, ms(1_000_000)).unwrap();
        assert_eq!((last.pointer.x, last.pointer.y), (30, 25));
        pictures.push(picture_at(&tape, ms(70_000)).unwrap());
    }
    assert_eq!(pictures[0], pictures[1]);
    assert!(pictures[0].starts_with(b"\x89PNG"));
    // The track of another tape, and one that is damaged, are not believed.
    for garbage in [&b"SPPICT\x01\ngarbage"[..], b""] {
        fs::write(track::path_of(&tape), garbage).unwrap();
        let canvas = canvas_at(&tape, ms(2500)).unwrap();
        assert_eq!(pixel(&canvas, 15, 5), [0, 255, 0]);
    }
}

#[test]
fn a_film_has_every_picture_and_short_pauses() {
    let dir = memory_dir();
    let tape = tape(dir.path());
    for (limit, times) in [
        (None, [0, 500, 1500, 59_500, 60_500, 61_500]),
        (Some(ms(3000)), [0, 500, 1500, 4500, 5500, 6500]),
    ] {
        let mut pictures = Pictures::open(&tape, limit).unwrap();
        let mut seen = Vec::new();
        let mut parts = Vec::new();
        while let Some(shown) = pictures.next().unwrap() {
            seen.push(shown.at);
            parts.push(shown.changed.map(|part| (part.x, part.width)));
            assert_eq!(shown.canvas.image().unwrap().width, 40);
        }
        assert_eq!(seen, times.map(ms));
        // After half a minute, the whole picture is written.
        let squares = [Some((0, 10)), Some((10, 10)), Some((0, 40))];
        assert_eq!(parts[1..4], squares);
        assert_eq!((parts[0], parts[4], parts[5]), (Some((0, 40)), None, None));
        assert_eq!(pictures.length(), ms(times[5]));
        assert!(pictures.next().unwrap().is_none());
    }
}

#[test]
fn a_tape_without_a_desktop_has_no_film() {
    let dir = memory_dir();
    let tape = crate::fixture::tape(dir.path(), &[(5, Record::Gap { bytes: 1 })]);
    let mut pictures = Pictures::open(&tape, None).unwrap();
    assert!(pictures.next().unwrap().is_none());
    assert!(matches!(
        picture_at(&tape, ms(9)),
        Err(TrackError::NoPicture)
    ));
}
