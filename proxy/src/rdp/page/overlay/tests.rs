use super::*;
use crate::rdp::page::client::{ADDRESS, Gallery, Screen};
use crate::rdp::page::paint::Depth;

const SIZES: [(u16, u16); 7] = [
    (1, 1),
    (40, 30),
    (200, 200),
    (640, 480),
    (1024, 768),
    (1920, 1080),
    (4096, 2160),
];

/// A target's desktop: stripes in all directions.
fn target(width: u16, height: u16) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels
        .flat_map(|(x, y)| [x, y, x ^ y].map(|value| value.to_le_bytes()[0]))
        .collect()
}

fn lock(width: u16, height: u16) -> Overlay {
    let paragraphs = [
        "An administrator has locked this session. Your work goes on behind this page, but you cannot see or change it."
            .to_owned(),
        String::new(),
        "Reason: “four eyes” check, 5 minutes. Locked by bob at 14:03 UTC.".to_owned(),
    ];
    Overlay::lock(width, height, "This session is locked", &paragraphs)
}

fn warning(width: u16, height: u16) -> Overlay {
    let text = "Save your work. Extensions left: 2.";
    Overlay::notice(
        width,
        height,
        Tone::Wait,
        "This session ends in 5 minutes",
        text,
    )
}

fn message(width: u16, height: u16) -> Overlay {
    let text =
        "Please close the export on web-01 before 15:00; the disk is nearly full. ".repeat(9);
    Overlay::notice(width, height, Tone::Info, "Message from bob", &text)
}

/// A client that shows the target's desktop.
fn client(width: u16, height: u16, target: &[u8], format: Format) -> Screen {
    let mut client = Screen::new(width, height);
    let all = Rectangle::new(0, 0, width, height);
    for pdu in paint::fast_path(picture(all, target), all, format) {
        client.take_fast_path(&pdu);
    }
    client
}

fn picture(all: Rectangle, target: &[u8]) -> Picture<'_> {
    let stride = usize::from(all.width) * 3;
    Picture::new(target, all, stride, PixelOrder::Rgb).unwrap()
}

fn flat(client: &Screen) -> Vec<u8> {
    client.pixels.iter().flatten().copied().collect()
}

#[test]
fn what_was_covered_comes_back_exactly() {
    let format = Format::new(Depth::Bits24);
    for (width, height) in [(1, 1), (200, 200), (640, 480), (1025, 771)] {
        let all = Rectangle::new(0, 0, width, height);
        let target = target(width, height);
        for overlay in [
            lock(width, height),
            warning(width, height),
            message(width, height),
        ] {
            let mut client = client(width, height, &target, format);
            for pdu in overlay.fast_path(format) {
                client.take_fast_path(&pdu);
            }
            let covered = overlay.covered();
            for (at, (now, before)) in client.pixels.iter().zip(target.chunks_exact(3)).enumerate()
            {
                let (x, y) = (at % client.width, at / client.width);
                let inside = covered.contains(x.try_into().unwrap(), y.try_into().unwrap());
                assert!(inside || now == before, "outside it nothing changes");
            }
            for rectangle in overlay.uncovered(None) {
                for pdu in paint::fast_path(picture(all, &target), rectangle, format) {
                    client.take_fast_path(&pdu);
                }
            }
            assert!(flat(&client) == target);
        }
    }
}

#[test]
fn a_lock_hides_every_pixel() {
    for depth in [Depth::Bits16, Depth::Bits24, Depth::Bits32] {
        let format = Format::new(depth);
        let mut one = client(640, 480, &target(640, 480), format);
        let mut other = Screen::new(640, 480);
        for pdu in lock(640, 480).fast_path(format) {
            one.take_fast_path(&pdu);
        }
        for pdu in lock(640, 480).slow_path(format, ADDRESS) {
            other.take_slow_path(&pdu);
        }
        assert!(
            one.pixels == other.pixels,
            "nothing of what was there before is left"
        );
    }
}

#[test]
fn one_notice_takes_the_place_of_another() {
    let format = Format::new(Depth::Bits24);
    let all = Rectangle::new(0, 0, 800, 600);
    let target = target(800, 600);
    let (first, second) = (message(800, 600), warning(800, 600));
    let mut used = client(800, 600, &target, format);
    for pdu in first.fast_path(format).chain(second.fast_path(format)) {
        used.take_fast_path(&pdu);
    }
    for rectangle in first.uncovered(Some(&second)) {
        for pdu in paint::fast_path(picture(all, &target), rectangle, format) {
            used.take_fast_path(&pdu);
        }
    }
    let mut fresh = client(800, 600, &target, format);
    for pdu in second.fast_path(format) {
        fresh.take_fast_path(&pdu);
    }
    assert!(used.pixels == fresh.pixels);
}

#[test]
fn it_is_painted_again_only_where_the_target_drew() {
    let format = Format::new(Depth::Bits24);
    let overlay = warning(800, 600);
    let covered = overlay.covered();
    let beside = Rectangle::new(0, 300, 800, 300);
    assert_eq!(overlay.fast_path_within(beside, format).count(), 0);
    let mut client = client(800, 600, &target(800, 600), format);
    for pdu in overlay.fast_path(format) {
        client.take_fast_path(&pdu);
    }
    let whole = flat(&client);
    let part = Rectangle::new(covered.left + 9, 0, 100, covered.bottom() - 5);
    for y in covered.top..part.bottom() {
        for x in part.left..part.right() {
            client.pixels[usize::from(y) * 800 + usize::from(x)] = [9, 9, 9];
        }
    }
    for pdu in overlay.fast_path_within(part, format) {
        client.take_fast_path(&pdu);
    }
    assert!(flat(&client) == whole);
}

#[test]
fn every_overlay_is_drawn_on_every_desktop() {
    let gallery = Gallery::new();
    let format = Format::new(Depth::Bits24);
    for (width, height) in SIZES {
        let all = Rectangle::new(0, 0, width, height);
        for (name, overlay) in [
            ("overlay-lock", lock(width, height)),
            ("overlay-warning", warning(width, height)),
            ("overlay-message", message(width, height)),
        ] {
            let covered = overlay.covered();
            assert_eq!(covered.intersection(&all), covered);
            let mut client = client(width, height, &target(width, height), format);
            for pdu in overlay.fast_path(format) {
                client.take_fast_path(&pdu);
            }
            gallery.save(&format!("{name}-{width}x{height}"), all, &flat(&client));
        }
    }
    for overlay in [lock(0, 0), warning(0, 0)] {
        assert_eq!(overlay.fast_path(format).count(), 0);
    }
}
