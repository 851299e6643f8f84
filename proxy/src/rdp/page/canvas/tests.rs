use super::*;
use crate::rdp::page::font::{Size, Weight};

const BLACK: Color = Color(0, 0, 0);
const WHITE: Color = Color(255, 255, 255);
const FACE: Face = Face::new(Weight::Regular, Size::Small);

fn pixel(canvas: &Canvas, x: u16, y: u16) -> Color {
    let at = usize::from(y) * canvas.stride() + usize::from(x) * PIXEL;
    let pixel = &canvas.pixels()[at..at + PIXEL];
    Color(pixel[0], pixel[1], pixel[2])
}

/// The smallest rectangle around everything that is not black.
fn ink(canvas: &Canvas) -> Rectangle {
    let mut found = Rectangle::default();
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            if pixel(canvas, x, y) != BLACK {
                found = found.union(&Rectangle::new(x, y, 1, 1));
            }
        }
    }
    found
}

#[test]
fn rectangles_are_filled_and_clipped() {
    let mut canvas = Canvas::new(20, 10);
    canvas.fill(Rectangle::new(15, 5, 100, 100), WHITE);
    assert_eq!(ink(&canvas), Rectangle::new(15, 5, 5, 5));
    canvas.fill(
        Rectangle::new(u16::MAX, u16::MAX, u16::MAX, u16::MAX),
        WHITE,
    );
    canvas.fill(canvas.area(), BLACK);
    canvas.frame(Rectangle::new(2, 2, 6, 6), 2, WHITE);
    assert_eq!(ink(&canvas), Rectangle::new(2, 2, 6, 6));
    assert_eq!(pixel(&canvas, 4, 4), BLACK);
    assert_eq!(pixel(&canvas, 3, 3), WHITE);
}

#[test]
fn text_stays_in_its_place() {
    for (text, width) in [
        ("Wärme", 300),
        ("a long line that is cut", 50),
        ("日本語 x", 20),
        ("ab", 3),
        ("", 9),
    ] {
        for scale in [0, 1, 2, 3] {
            let mut canvas = Canvas::new(400, 120);
            let place = Rectangle::new(10, 10, width, 60);
            let face = Face { scale, ..FACE };
            canvas.text(place, text, face, WHITE);
            canvas.text_centred(place, text, face, WHITE);
            canvas.text_from(place, text, 1, face, WHITE);
            let ink = ink(&canvas);
            assert_eq!(ink.union(&place), place, "{text} at {scale}");
        }
    }
}

#[test]
fn text_may_hang_over_every_edge() {
    let mut canvas = Canvas::new(30, 12);
    for place in [
        Rectangle::new(25, 8, 100, 16),
        Rectangle::new(0, 0, 30, 4),
        Rectangle::new(u16::MAX - 3, u16::MAX - 3, 60, 60),
    ] {
        canvas.text(place, "hanging over", FACE, WHITE);
    }
}

#[test]
fn what_is_typed_is_seen_from_any_column_on() {
    let mut canvas = Canvas::new(100, 16);
    let place = canvas.area();
    for (text, skipped, expected) in [
        ("abc", 0, 0),
        ("abc", 2, 2),
        ("abc", 9, 3),
        ("日本", 1, 2),
        ("", 1, 0),
    ] {
        let left_out = canvas.text_from(place, text, skipped, FACE, WHITE);
        assert_eq!(left_out, expected, "{text} without {skipped}");
    }
}

#[test]
fn sizes_are_brought_within_bounds() {
    for (width, height, expected) in [
        (0, 0, (1, 1)),
        (1, 9000, (1, MAX_SIDE)),
        (4096, 2160, (4096, 2160)),
    ] {
        let mut canvas = Canvas::new(width, height);
        assert_eq!((canvas.area().width, canvas.area().height), expected);
        assert_eq!(canvas.take_damage(), [canvas.area()]);
    }
}

#[test]
fn damage_is_what_looks_different() {
    let mut canvas = Canvas::new(200, 200);
    assert_eq!(canvas.take_damage(), [canvas.area()]);
    assert_eq!(canvas.take_damage(), []);

    canvas.fill(Rectangle::new(70, 70, 4, 4), WHITE);
    assert_eq!(canvas.take_damage(), [Rectangle::new(64, 64, 64, 64)]);

    // Drawn anew, with one difference.
    canvas.fill(canvas.area(), BLACK);
    canvas.fill(Rectangle::new(70, 70, 4, 4), WHITE);
    canvas.fill(Rectangle::new(190, 190, 4, 4), WHITE);
    // 190 to 193 lies in two columns and two rows of tiles.
    assert_eq!(canvas.take_damage(), [Rectangle::new(128, 128, 72, 72)]);

    canvas.forget_what_was_seen();
    assert_eq!(canvas.take_damage(), [canvas.area()]);
}

#[test]
fn damage_in_two_corners_is_two_rectangles() {
    let mut canvas = Canvas::new(640, 480);
    canvas.take_damage();
    canvas.fill(Rectangle::new(0, 0, 1, 1), WHITE);
    canvas.fill(Rectangle::new(639, 479, 1, 1), WHITE);
    let corners = [
        Rectangle::new(0, 0, 64, 64),
        Rectangle::new(576, 448, 64, 32),
    ];
    assert_eq!(canvas.take_damage(), corners);
}

#[test]
fn mixing_reaches_both_ends() {
    assert_eq!(mixed(10, 200, 0), 10);
    assert_eq!(mixed(10, 200, 255), 200);
    assert_eq!(mixed(0, 255, 128), 128);
}
