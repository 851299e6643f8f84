use std::fs;
use std::io;
use std::path::PathBuf;

use rusty_h264_common::YuvFrame;
use rusty_h264_decoder::Decoder;

use super::*;
use crate::export::{asciicast, canvas_at};
use crate::fixture::{header, memory_dir, ms};
use crate::picture::tests::sent::{begun, bitmap, demand_active, fast_bitmaps};
use crate::track;
use crate::{Record, TapeWriter};

/// A desktop's tape, drawn on in squares of 20 pixels.
struct Drawn(TapeWriter);

impl Drawn {
    fn new(dir: &Path, width: u16, height: u16) -> Self {
        let mut tape = TapeWriter::create(dir, &header()).unwrap();
        let begun = begun();
        tape.append_at(ms(0), &[Record::DesktopBegun(&begun)])
            .unwrap();
        let mut drawn = Self(tape);
        drawn.target(1000, &demand_active(width, height));
        drawn
    }

    fn target(&mut self, at: u64, pdus: &[u8]) {
        let record = Record::FromTarget { pdus };
        self.0.append_at(ms(at), &[record]).unwrap();
    }

    fn square(&mut self, at: u64, x: u16, [red, green, blue]: [u8; 3]) {
        let data = [blue, green, red, 0].repeat(400);
        let square = bitmap((x, 0), (20, 20), 32, false, &data);
        self.target(at, &fast_bitmaps(vec![square]));
    }

    fn finish(self) -> PathBuf {
        let path = self.0.path().to_owned();
        self.0.finish(None).unwrap();
        path
    }
}

/// Red at 2 s, green at 2.02 s, blue at 2.5 s, covered at 60 s; ends there.
fn tape(dir: &Path) -> PathBuf {
    let mut tape = Drawn::new(dir, 161, 99);
    for (at, x, colour) in [
        (2000, 0, [255, 0, 0]),
        (2020, 40, [0, 255, 0]),
        (2500, 80, [0, 0, 255]),
    ] {
        tape.square(at, x, colour);
    }
    let covered = Record::Covered { shown: true };
    tape.0.append_at(ms(60_000), &[covered]).unwrap();
    tape.finish()
}

/// What is in a film, taken apart by the words of ISO/IEC 14496-12 and nothing of the writer's.
struct Watched {
    /// When each picture is shown, and up to when the last one is, in milliseconds.
    times: Vec<u64>,
    keyframes: Vec<u32>,
    frames: Vec<YuvFrame>,
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The content of the box that a path of names leads to; names with a number skip so many bytes of their content.
fn find<'a>(mut bytes: &'a [u8], path: &[(&str, usize)]) -> &'a [u8] {
    for (name, skip) in path {
        loop {
            let length = number(bytes, 0) as usize;
            if &bytes[4..8] == name.as_bytes() {
                bytes = &bytes[8 + skip..length];
                break;
            }
            bytes = &bytes[length..];
        }
    }
    bytes
}

/// The numbers of a table behind its version and, at `from`, how many rows of `columns` it has.
fn table(bytes: &[u8], from: usize, columns: usize) -> Vec<u32> {
    let rows = number(bytes, from) as usize;
    let numbers = bytes[from + 4..].chunks_exact(4).take(rows * columns);
    let numbers: Vec<u32> = numbers.map(|bytes| number(bytes, 0)).collect();
    assert_eq!(numbers.len(), rows * columns);
    numbers
}

fn watch(film: &[u8]) -> Watched {
    const TABLES: [(&str, usize); 5] = [
        ("moov", 0),
        ("trak", 0),
        ("mdia", 0),
        ("minf", 0),
        ("stbl", 0),
    ];
    let at = |name| find(film, &[&TABLES[..], &[(name, 0)]].concat());
    let sizes = table(at("stsz"), 8, 1);
    let chunks = table(at("stco"), 4, 1);
    let in_chunks = table(at("stsc"), 4, 3);
    let avcc = find(
        film,
        &[&TABLES[..], &[("stsd", 8), ("avc1", 78), ("avcC", 0)]].concat(),
    );
    let mut times = vec![0];
    for lasts in table(at("stts"), 4, 2).chunks_exact(2) {
        for _ in 0..lasts[0] {
            times.push(times.last().unwrap() + u64::from(lasts[1]));
        }
    }
    assert_eq!(number(find(film, &[("moov", 0), ("mvhd", 0)]), 12), 1000);
    let length = number(find(film, &[("moov", 0), ("mvhd", 0)]), 16);
    assert_eq!(u64::from(length), *times.last().unwrap());

    // One set of each kind (14496-15, 5.3.3.1).
    let unit = |at: usize| {
        let length = u16::from_be_bytes(avcc[at..at + 2].try_into().unwrap());
        &avcc[at + 2..at + 2 + usize::from(length)]
    };
    let (sequence, start) = (unit(6), [0, 0, 0, 1]);
    let mut stream = [&start, sequence, &start, unit(6 + 2 + sequence.len() + 1)].concat();
    let mut sizes = sizes.iter();
    for (chunk, offset) in (1..).zip(chunks) {
        let rows = in_chunks.chunks_exact(3);
        let row = rows.rev().find(|row| row[0] <= chunk).unwrap();
        let mut bytes = &film[offset as usize..];
        for size in sizes.by_ref().take(row[1] as usize) {
            let (mut picture, rest) = bytes.split_at(*size as usize);
            while !picture.is_empty() {
                let (unit, others) = picture[4..].split_at(number(picture, 0) as usize);
                stream.extend([&start, unit].concat());
                picture = others;
            }
            bytes = rest;
        }
    }
    assert_eq!(sizes.next(), None);
    let frames = Decoder::new().decode_stream(&stream).unwrap();
    assert_eq!(frames.len() + 1, times.len());
    Watched {
        times,
        keyframes: table(at("stss"), 4, 1),
        frames,
    }
}

fn film(tape: &Path, idle_limit: Option<Duration>) -> Watched {
    let mut film = Vec::new();
    mp4(tape, idle_limit, &mut film).unwrap();
    watch(&film)
}

/// How bright, blue and red a decoded picture is at a place.
fn seen(frame: &YuvFrame, x: usize, y: usize) -> [u8; 3] {
    let colour = y / 2 * (frame.width / 2) + x / 2;
    [
        frame.y[y * frame.width + x],
        frame.u[colour],
        frame.v[colour],
    ]
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 4)
}

const BLACK: [u8; 3] = [16, 128, 128];
const RED: [u8; 3] = [63, 102, 240];
const GREEN: [u8; 3] = [173, 42, 26];
const BLUE: [u8; 3] = [32, 240, 118];

#[test]
fn a_film_shows_what_the_tape_shows_when_it_does() {
    let dir = memory_dir();
    let film = film(&tape(dir.path()), Some(ms(2000)));
    // Black at 1 s, red and green at once at 2.02 s, blue at 2.5 s; then time is cut, but for the clock.
    assert_eq!(film.times, [0, 1020, 1500, 2500, 3500, 4500]);
    assert_eq!(film.keyframes, [1]);
    for (frame, squares) in film.frames.iter().zip([
        [BLACK, BLACK, BLACK],
        [RED, GREEN, BLACK],
        [RED, GREEN, BLUE],
        [RED, GREEN, BLUE],
        [RED, GREEN, BLUE],
    ]) {
        assert_eq!((frame.width, frame.height), (162, 100 + 24));
        for (x, colour) in [10, 50, 90].into_iter().zip(squares) {
            assert!(near(seen(frame, x, 15), colour), "{:?}", seen(frame, x, 15));
        }
    }
    let strips: Vec<&[u8]> = film.frames.iter().map(|f| &f.y[162 * 100..]).collect();
    assert!(
        strips.windows(2).all(|pair| pair[0] != pair[1]),
        "the clock"
    );
    let tones: Vec<bool> = film
        .frames
        .iter()
        .map(|f| near(seen(f, 1, 101), BLACK))
        .collect();
    assert_eq!(tones, [true, true, true, true, false], "the cover");
}

#[test]
fn a_film_lasts_as_long_as_the_session_if_it_shall() {
    let dir = memory_dir();
    let film = film(&tape(dir.path()), None);
    assert_eq!(film.times.last(), Some(&60_000));
    let lasts = film.times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(lasts.clone().all(|lasts| (66..1066).contains(&lasts)));
    assert_eq!(film.frames.len(), 61);
    assert_eq!(film.keyframes, [1]);
}

/// A desktop full of small print, as far as stripes of all widths are it.
#[test]
fn what_is_sharp_on_the_desktop_is_sharp_in_the_film() {
    let dir = memory_dir();
    let mut tape = Drawn::new(dir.path(), 320, 200);
    for y in (0..200).step_by(20) {
        let mut squares = Vec::new();
        for x in (0..320).step_by(20) {
            let pixel = |at: usize| match (at % 20 + at / 20 * usize::from(x / 20 + 1)) % 5 < 2 {
                true => [20, 20, 20, 0],
                false => [250, 250, 250, 0],
            };
            let data: Vec<u8> = (0..400).flat_map(pixel).collect();
            squares.push((x, data));
        }
        for (x, data) in squares {
            let square = bitmap((x, y), (20, 20), 32, false, &data);
            tape.target(2000, &fast_bitmaps(vec![square]));
        }
    }
    let tape = tape.finish();
    let film = film(&tape, Some(ms(1000)));
    let mut stage = Stage::new(320, 200);
    stage.put(&canvas_at(&tape, ms(9000)).unwrap(), None);
    let frame = film.frames.last().unwrap();
    let planes = stage.planes();
    let off = |part: &[u8], all: &[u8]| -> u64 {
        let pairs = part.iter().zip(all);
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let pixels = 320 * 200;
    // 36 dB: the eye finds no difference in print.
    assert!(off(&frame.y[..pixels], planes.y) / (pixels as u64) < 16);
    assert!(off(&frame.u[..pixels / 4], planes.u) / (pixels as u64 / 4) < 16);
}

#[test]
fn a_desktop_that_is_resized_has_the_largest_size() {
    let dir = memory_dir();
    let mut tape = Drawn::new(dir.path(), 60, 40);
    tape.square(2000, 0, [255, 0, 0]);
    tape.target(3000, &demand_active(100, 60));
    tape.square(4000, 0, [0, 0, 255]);
    let film = film(&tape.finish(), Some(ms(5000)));
    let (small, large) = (&film.frames[1], film.frames.last().unwrap());
    assert_eq!((small.width, small.height), (100, 60 + 24));
    assert!(near(seen(small, 10, 5), BLACK));
    assert!(near(seen(small, 36, 14), RED));
    assert!(near(seen(large, 16, 4), BLUE));
}

/// Takes so many bytes, then no more.
struct Full(Vec<u8>, usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_cut_off_is_no_film() {
    let dir = memory_dir();
    let tape = tape(dir.path());
    let mut whole = Vec::new();
    mp4(&tape, None, &mut whole).unwrap();
    let mut cut = Full(Vec::new(), whole.len() - 1);
    let failed = mp4(&tape, None, &mut cut);
    assert!(matches!(failed, Err(ExportError::Write(_))), "{failed:?}");
    assert!(cut.0.windows(4).all(|name| name != b"moov"));
    assert!(whole.starts_with(&cut.0));

    let track = track::path_of(&tape);
    let mut bytes = fs::read(&track).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&track, &bytes).unwrap();
    let mut out = Vec::new();
    let failed = mp4(&tape, None, &mut out);
    let damaged = matches!(failed, Err(ExportError::Track(TrackError::Broken { .. })));
    assert!(damaged, "{failed:?}");
    assert!(out.windows(4).all(|name| name != b"moov"));
}

#[test]
fn a_film_is_made_where_no_track_can_be_written() {
    let dir = memory_dir();
    let tape = tape(dir.path());
    let mut expected = Vec::new();
    mp4(&tape, None, &mut expected).unwrap();
    let track = track::path_of(&tape);
    fs::remove_file(&track).unwrap();
    fs::create_dir(&track).unwrap();
    let mut film = Vec::new();
    mp4(&tape, None, &mut film).unwrap();
    assert!(film == expected);
}

#[test]
fn what_has_no_film_says_what_it_has() {
    let dir = memory_dir();
    let opened = Record::ChannelOpened {
        channel: 1,
        what: "shell",
        pty: None,
    };
    let terminal = crate::fixture::tape(dir.path(), &[(5, opened)]);
    let refused = mp4(&terminal, None, &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("asciicast"), "{refused}");
    assert!(!track::path_of(&terminal).exists());
    let refused = asciicast(&tape(dir.path()), None, &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("mp4"), "{refused}");
    let begun = begun();
    let empty = crate::fixture::tape(dir.path(), &[(5, Record::DesktopBegun(&begun))]);
    let refused = mp4(&empty, None, &mut Vec::new());
    assert!(
        matches!(refused, Err(ExportError::NoPictures)),
        "{refused:?}"
    );
    let huge = Drawn::new(dir.path(), 8000, 2000).finish();
    let refused = mp4(&huge, None, &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("8000x2024"), "{refused}");
}
