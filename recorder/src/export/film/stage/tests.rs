use std::time::Duration;

use super::super::caption::State;
use super::*;
use crate::fixture::{header, ms};
use crate::track::{What, png};

/// A picture whose pixels are told by their places.
fn canvas(width: u16, height: u16, pixel: impl Fn(u16, u16) -> [u8; 3]) -> Canvas {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend(pixel(x, y));
            data.push(0);
        }
    }
    let image = Image {
        width,
        height,
        stride: usize::from(width) * 4,
        data: &data,
    };
    let png = png(image, Rect::whole(width, height)).unwrap();
    let mut canvas = Canvas::default();
    canvas.apply(&What::Keyframe { png }).unwrap();
    canvas.apply(&What::PointerHidden).unwrap();
    canvas
}

/// Brightness, blue and red of a pixel.
fn seen(stage: &Stage, x: usize, y: usize) -> [u8; 3] {
    let colour = y / 2 * (stage.width / 2) + x / 2;
    let luma = stage.luma[y * stage.width + x];
    [luma, stage.blue[colour], stage.red[colour]]
}

#[test]
fn colours_are_those_of_bt_709() {
    for (rgb, expected) in [
        ([0, 0, 0], [16, 128, 128]),
        ([255, 255, 255], [235, 128, 128]),
        ([255, 0, 0], [63, 102, 240]),
        ([0, 255, 0], [173, 42, 26]),
        ([0, 0, 255], [32, 240, 118]),
    ] {
        let mut stage = Stage::new(4, 4);
        stage.put(&canvas(4, 4, |_, _| rgb), None);
        assert_eq!(seen(&stage, 1, 2), expected, "{rgb:?}");
    }
}

#[test]
fn a_smaller_picture_is_in_the_middle_and_an_odd_one_fits() {
    let white = |_, _| [255; 3];
    let mut stage = Stage::new(13, 9);
    assert_eq!(stage.size(), (14, 10 + STRIP));
    stage.put(&canvas(13, 9, white), None);
    let all = (0..10).flat_map(|y| (0..14).map(move |x| (x, y)));
    for (x, y) in all.clone() {
        assert_eq!(seen(&stage, x, y), [WHITE, GREY, GREY], "{x} {y}");
    }
    stage.put(&canvas(5, 4, white), None);
    for (x, y) in all {
        // The fifth column is there twice.
        let within = (4..10).contains(&x) && (2..6).contains(&y);
        let expected = if within { WHITE } else { BLACK };
        assert_eq!(seen(&stage, x, y)[0], expected, "{x} {y}");
    }
    // Larger than it was said to be: cut, not written elsewhere.
    stage.put(&canvas(99, 99, white), None);
    assert_eq!(seen(&stage, 13, 9)[0], WHITE);
    assert_eq!(seen(&stage, 13, 10)[0], BLACK);
}

#[test]
fn parts_that_changed_and_the_pointer_are_drawn_anew_and_nothing_else() {
    let mut stage = Stage::new(80, 60);
    stage.put(&canvas(80, 60, |_, _| [0; 3]), None);
    let mut white = canvas(80, 60, |_, _| [255; 3]);
    white.apply(&What::PointerArrow).unwrap();
    white.apply(&What::PointerPlace { x: 50, y: 30 }).unwrap();
    let part = Rect {
        x: 11,
        y: 7,
        width: 4,
        height: 3,
    };
    stage.put(&white, Some(part));
    let bright = |stage: &Stage, x, y| seen(stage, x, y)[0] > 200;
    // Squares that are touched are drawn as a whole.
    assert!(bright(&stage, 10, 6) && bright(&stage, 15, 9));
    assert!(!bright(&stage, 9, 7) && !bright(&stage, 16, 7) && !bright(&stage, 10, 10));
    assert!(!bright(&stage, 50, 30), "the pointer's edge is black");
    assert!(bright(&stage, 52, 40) && !bright(&stage, 70, 40));
    white.apply(&What::PointerPlace { x: 0, y: 59 }).unwrap();
    stage.put(&white, None);
    assert!(bright(&stage, 50, 30), "it is not there any more");
    assert!(!bright(&stage, 0, 59));
}

#[test]
fn a_note_is_readable_also_where_there_is_no_room_for_both() {
    let state = State {
        covered: true,
        faults: 0,
    };
    let caption = Caption::of(&header(), ms(0), state, Duration::ZERO);
    let ink = |width: u16| {
        let mut stage = Stage::new(width, 20);
        stage.write(caption.clone());
        let strip = stage.luma[stage.width * 20..].to_vec();
        let right = usize::from(width) - MARGIN - caption::width(&caption.note);
        let rows = strip.chunks_exact(stage.width);
        let note: Vec<u8> = rows.flat_map(|row| row[right - 1..].to_vec()).collect();
        assert_ne!(seen(&stage, 0, 20), [BLACK, GREY, GREY]);
        note
    };
    let wide = ink(900);
    assert!(wide.contains(&WHITE));
    assert_eq!(ink(240), wide);
    // No room at all: nothing breaks.
    let mut stage = Stage::new(20, 20);
    stage.write(caption.clone());
    assert!(stage.luma.iter().any(|luma| *luma > 150));
}
