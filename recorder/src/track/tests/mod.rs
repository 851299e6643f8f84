//! Tracks: written, cut, entered in the middle, and compared with the desktop they show.

mod painter;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::TapeHeader;
use crate::fixture::{header, memory_dir, ms};
use crate::picture::{Image, Rect};

fn rect(x: u16, y: u16, width: u16, height: u16) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

/// One of every kind.
fn items() -> Vec<Item> {
    let png = b"a picture".to_vec();
    let whats = [
        What::Resize {
            width: 640,
            height: 480,
        },
        What::Keyframe { png: png.clone() },
        What::Covered { shown: true },
        What::Gap { faults: u64::MAX },
        What::PointerArrow,
        What::PointerPlace { x: 7, y: 65535 },
        What::Tile {
            rect: rect(1, 2, 3, 4),
            png: png.clone(),
        },
        What::PointerShape {
            hot_x: 5,
            hot_y: 6,
            png,
        },
        What::PointerHidden,
        What::Keyframe { png: vec![] },
        What::Covered { shown: false },
        What::End,
    ];
    let item = |(at, what): (u64, What)| Item {
        at: ms(at * 10),
        what,
    };
    (0..).zip(whats).map(item).collect()
}

fn written(dir: &Path, header: &TapeHeader, items: &[Item]) -> PathBuf {
    let path = dir.join("one.picture");
    let mut writer = PictureWriter::create(&path, header.nonce).unwrap();
    writer.append(&items[..items.len() / 2]).unwrap();
    writer.append(&items[items.len() / 2..]).unwrap();
    assert_eq!(writer.bytes(), fs::metadata(&path).unwrap().len());
    path
}

fn read(reader: &mut PictureReader) -> Vec<Item> {
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn every_item_comes_back_and_any_cut_is_a_prefix() {
    let dir = memory_dir();
    let header = header();
    let items = items();
    let path = written(dir.path(), &header, &items);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        read(&mut PictureReader::open(&path, &header).unwrap()),
        items
    );
    let mut seen = 0;
    for cut in 28..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let mut reader = PictureReader::open(&path, &header).unwrap();
        assert_eq!(reader.end().unwrap(), None, "cut at {cut}");
        let prefix = read(&mut reader);
        assert!(prefix.len() >= seen && prefix.len() < items.len());
        assert_eq!(prefix, items[..prefix.len()], "cut at {cut}");
        seen = prefix.len();
    }
    for damaged in 28..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[damaged] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let prefix = read(&mut PictureReader::open(&path, &header).unwrap());
        assert!(prefix.len() < items.len(), "damaged at {damaged}");
        assert_eq!(prefix, items[..prefix.len()], "damaged at {damaged}");
    }
}

#[test]
fn a_strangers_track_is_not_taken() {
    let dir = memory_dir();
    let header = header();
    let path = written(dir.path(), &header, &items());
    let other = PictureReader::open(&path, &crate::fixture::header());
    assert!(matches!(other.err(), Some(TrackError::OtherTape { .. })));
    for garbage in [&b""[..], b"SPPICT\x01\n", &[b'x'; 100]] {
        fs::write(&path, garbage).unwrap();
        let none = PictureReader::open(&path, &header);
        assert!(matches!(none.err(), Some(TrackError::NotATrack { .. })));
    }
}

#[test]
fn seeking_finds_the_keyframe_at_or_before() {
    let dir = memory_dir();
    let header = header();
    let items = items();
    let path = written(dir.path(), &header, &items);
    let mut reader = PictureReader::open(&path, &header).unwrap();
    assert_eq!(reader.seek(ms(9)).unwrap(), None);
    for (at, keyframe) in [(10, 1), (200, 9), (89, 1), (90, 9), (11, 1)] {
        let found = reader.seek(ms(at)).unwrap();
        assert_eq!(found, Some(items[keyframe].at), "to {at}");
        assert_eq!(read(&mut reader), items[keyframe..], "to {at}");
    }
    assert_eq!(reader.end().unwrap(), Some(ms(110)));
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let dir = memory_dir();
    let header = header();
    let path = written(dir.path(), &header, &items()[..2]);
    let mut bytes = fs::read(&path).unwrap();
    let mut later = bytes[28..52].to_vec();
    later[4] = 200;
    let crc = crc32c::crc32c(&later[..16]).to_le_bytes();
    later[16..20].copy_from_slice(&crc);
    later.extend_from_slice(&bytes[52..56]);
    bytes.splice(28..28, later);
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        read(&mut PictureReader::open(&path, &header).unwrap()),
        items()[..2]
    );
}

#[test]
fn time_never_goes_back_on_a_track() {
    let dir = memory_dir();
    let header = header();
    let at = |at, what| Item { at: ms(at), what };
    let items = [at(50, What::PointerArrow), at(40, What::PointerHidden)];
    let path = written(dir.path(), &header, &items);
    let read = read(&mut PictureReader::open(&path, &header).unwrap());
    assert_eq!(read[1], at(50, What::PointerHidden));
}

#[test]
fn a_live_track_is_followed_from_its_last_keyframe() {
    let dir = memory_dir();
    let header = header();
    let items = items();
    let path = dir.path().join("live.picture");
    let mut writer = PictureWriter::create(&path, header.nonce).unwrap();
    let mut early = PictureTail::open(&path, &header).unwrap();
    assert_eq!(early.poll(1 << 20).unwrap(), []);
    writer.append(&items[..5]).unwrap();
    assert_eq!(early.poll(1 << 20).unwrap(), items[..5]);
    let mut late = PictureTail::open(&path, &header).unwrap();
    assert_eq!(late.poll(1).unwrap(), items[1..2]);
    assert_eq!(late.poll(1 << 20).unwrap(), items[2..5]);
    // Half an item is not seen.
    let whole = fs::read(&path).unwrap();
    writer.append(&items[5..6]).unwrap();
    let more = fs::read(&path).unwrap();
    let mut torn = more.clone();
    torn.truncate(whole.len() + 26);
    fs::write(&path, &torn).unwrap();
    assert_eq!(late.poll(1 << 20).unwrap(), []);
    fs::write(&path, &more).unwrap();
    assert_eq!(late.poll(1 << 20).unwrap(), items[5..6]);
    assert!(!late.finished());
    writer.append(&items[6..]).unwrap();
    assert_eq!(late.poll(1 << 20).unwrap(), items[6..]);
    assert!(late.finished());
    let last = PictureTail::open(&path, &header).unwrap().poll(1 << 20);
    assert_eq!(last.unwrap(), items[9..]);
}

#[test]
fn who_is_behind_goes_on_at_the_newest_keyframe() {
    let dir = memory_dir();
    let header = header();
    let items = items();
    let path = dir.path().join("live.picture");
    let mut writer = PictureWriter::create(&path, header.nonce).unwrap();
    writer.append(&items[..4]).unwrap();
    let mut tail = PictureTail::open(&path, &header).unwrap();
    assert_eq!(tail.poll(1).unwrap(), items[1..2]);
    assert!(!tail.caught_up());
    tail.skip_to_newest().unwrap();
    assert_eq!(tail.poll(1 << 20).unwrap(), items[2..4], "none is newer");
    assert!(tail.caught_up());
    writer.append(&items[4..]).unwrap();
    tail.skip_to_newest().unwrap();
    assert_eq!(tail.poll(1 << 20).unwrap(), items[9..]);
    assert!(tail.caught_up() && tail.finished());
}

/// Every picture comes back from PNG as it was, whatever number of colours it has.
#[test]
fn pictures_survive_png() {
    let (width, height) = (37u16, 11u16);
    for colours in [1, 2, 3, 4, 5, 16, 17, 256, 257, 407u32] {
        let pixel = |n: u32| {
            let colour = (n % colours).wrapping_mul(40_503) & 0x00ff_ffff;
            colour.to_le_bytes()
        };
        let data: Vec<u8> = (0..u32::from(width) * u32::from(height))
            .flat_map(pixel)
            .collect();
        let image = Image {
            width,
            height,
            stride: usize::from(width) * 4,
            data: &data,
        };
        let png = png(image, Rect::whole(width, height)).unwrap();
        assert_eq!(png_size(&png), Some((width, height)));
        assert_eq!(png_size(&png[..23]), None);
        let mut canvas = Canvas::default();
        let whole = canvas.apply(&What::Keyframe { png }).unwrap();
        assert_eq!(whole, Some(Rect::whole(width, height)));
        let part = rect(3, 2, 13, 5);
        let tile = super::png(image, part).unwrap();
        let mut other = Canvas::default();
        other.apply(&What::Resize { width, height }).unwrap();
        assert_eq!(
            other
                .apply(&What::Tile {
                    rect: part,
                    png: tile
                })
                .unwrap(),
            Some(part)
        );
        for (at, sent) in data.chunks_exact(4).enumerate() {
            let at4 = at * 4..at * 4 + 3;
            assert_eq!(canvas.image().unwrap().data[at4.clone()], sent[..3]);
            let (x, y) = (at as u16 % width, at as u16 / width);
            let inside = (3..16).contains(&x) && (2..7).contains(&y);
            let wanted = if inside { &sent[..3] } else { &[0; 3] };
            assert_eq!(&other.image().unwrap().data[at4], wanted);
        }
    }
}

#[test]
fn a_canvas_takes_nothing_that_does_not_fit() {
    let data = [9; 4 * 4];
    let image = Image {
        width: 2,
        height: 2,
        stride: 8,
        data: &data,
    };
    let png = png(image, Rect::whole(2, 2)).unwrap();
    let mut canvas = Canvas::default();
    let huge = What::Resize {
        width: 9000,
        height: 2,
    };
    assert_eq!(canvas.apply(&huge).unwrap(), None);
    assert!(canvas.image().is_none());
    let small = What::Resize {
        width: 3,
        height: 3,
    };
    canvas.apply(&small).unwrap();
    for rect in [rect(2, 0, 2, 2), rect(0, 0, 2, 1), rect(65535, 0, 2, 2)] {
        let png = png.clone();
        assert_eq!(canvas.apply(&What::Tile { rect, png }).unwrap(), None);
    }
    let broken = What::Keyframe { png: vec![1, 2] };
    assert!(canvas.apply(&broken).is_err());
    assert_eq!(canvas.image().unwrap().data, [0; 36]);
}
