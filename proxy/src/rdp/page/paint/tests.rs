use ironrdp_pdu::rdp::headers::{ShareControlPdu, ShareDataPdu, decode_share_control};
use proptest::prelude::*;

use super::*;
use crate::rdp::page::client::{ADDRESS, Screen};
use crate::rdp::page::picture::PixelOrder;
use crate::rdp::page::share::SystemPointer;

const DEPTHS: [Depth; 4] = [Depth::Bits15, Depth::Bits16, Depth::Bits24, Depth::Bits32];
/// What is left of a color at a depth.
fn rounded([red, green, blue]: [u8; 3], depth: Depth) -> [u8; 3] {
    match depth {
        Depth::Bits15 => [red & 0xf8, green & 0xf8, blue & 0xf8],
        Depth::Bits16 => [red & 0xf8, green & 0xfc, blue & 0xf8],
        Depth::Bits24 | Depth::Bits32 => [red, green, blue],
    }
}

/// Pixels that are hard (noise), easy (one color) or both.
fn pixels(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    (0..count)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed % 4 {
                0 => 77,
                1 => state.to_be_bytes()[0],
                2 => u8::try_from(at / 7 % 256).unwrap(),
                _ if state.is_multiple_of(13) => state.to_be_bytes()[1],
                _ => 33,
            }
        })
        .collect()
}

fn check(desktop: (u16, u16), area: Rectangle, rectangle: Rectangle, format: Format, seed: u32) {
    let bytes = pixels(usize::from(area.width) * usize::from(area.height) * 3, seed);
    let stride = usize::from(area.width) * 3;
    let picture = Picture::new(&bytes, area, stride, PixelOrder::Rgb).unwrap();
    let mut expected = Screen::new(desktop.0, desktop.1);
    let painted = rectangle.intersection(&area);
    for y in painted.top..painted.bottom() {
        for (x, color) in (painted.left..).zip(picture.row(painted.left, y, painted.width)) {
            let at = usize::from(y) * expected.width + usize::from(x);
            expected.pixels[at] = rounded(color, format.depth);
        }
    }
    let mut fast = Screen::new(desktop.0, desktop.1);
    let whole: Vec<u8> = fast_path(picture, rectangle, format).flatten().collect();
    fast.take_fast_path(&whole);
    assert!(
        fast.pixels == expected.pixels,
        "{area:?} {rectangle:?} {format:?} {seed}"
    );

    let mut slow = Screen::new(desktop.0, desktop.1);
    for pdu in slow_path(picture, rectangle, format, ADDRESS) {
        slow.take_slow_path(&pdu);
    }
    assert!(
        slow.pixels == expected.pixels,
        "{area:?} {rectangle:?} {format:?} {seed}"
    );
}

#[test]
fn a_desktop_arrives_pixel_by_pixel() {
    for depth in DEPTHS {
        for seed in 0..4 {
            for (width, height) in [(640, 480), (201, 131), (64, 64), (1, 1), (3, 70)] {
                let all = Rectangle::new(0, 0, width, height);
                check((width, height), all, all, Format::new(depth), seed);
            }
        }
    }
}

#[test]
fn older_clients_get_their_header() {
    for depth in DEPTHS {
        let all = Rectangle::new(0, 0, 130, 70);
        let format = Format {
            depth,
            compression_header: true,
        };
        check((130, 70), all, all, format, 3);
    }
}

proptest! {
    #[test]
    fn any_part_of_any_picture_arrives(
        depth in prop::sample::select(DEPTHS.to_vec()),
        (left, top, width, height) in (0_u16..60, 0_u16..60, 1_u16..140, 1_u16..140),
        (from_x, from_y, across, down) in (0_u16..220, 0_u16..220, 0_u16..220, 0_u16..220),
        seed in 0_u32..400,
    ) {
        let area = Rectangle::new(left, top, width, height);
        let rectangle = Rectangle::new(from_x, from_y, across, down);
        check((200, 200), area, rectangle, Format::new(depth), seed);
    }
}

#[test]
fn several_tiles_share_a_pdu() {
    let row = [40, 50, 60].repeat(1920);
    let all = Rectangle::new(0, 0, 1920, 1080);
    let solid = Picture::new(&row, all, 0, PixelOrder::Rgb).unwrap();
    for depth in DEPTHS {
        // Planar has runs of at most 47 pixels, and none beyond a row.
        let most = if depth == Depth::Bits32 { 40 } else { 1 };
        let pdus: Vec<Vec<u8>> = fast_path(solid, all, Format::new(depth)).collect();
        let bytes: usize = pdus.iter().map(Vec::len).sum();
        assert!(
            pdus.len() <= most,
            "{} PDUs, {bytes} bytes at {depth:?}",
            pdus.len()
        );
    }
    assert_eq!(
        fast_path(solid, Rectangle::default(), Format::new(Depth::Bits16)).count(),
        0
    );
}

#[test]
fn the_far_end_of_coordinates_is_safe() {
    let bytes = [9; 64 * 64 * 3];
    let area = Rectangle::new(u16::MAX - 9, u16::MAX - 9, 64, 64);
    let picture = Picture::new(&bytes, area, 64 * 3, PixelOrder::Rgb).unwrap();
    for depth in DEPTHS {
        assert_eq!(fast_path(picture, area, Format::new(depth)).count(), 1);
    }
}

#[test]
fn a_palette_is_refused() {
    for bits in [0, 4, 8, 17] {
        assert_eq!(Depth::from_bits(bits), Err(PaintError::Depth(bits)));
    }
    for depth in DEPTHS {
        assert_eq!(Depth::from_bits(depth.bits()), Ok(depth));
    }
}

#[test]
fn pointers_go_the_slow_way_too() {
    use ironrdp_pdu::pointer::PointerUpdateData;
    for (pointer, expected) in [
        (SystemPointer::Default, PointerUpdateData::SetDefault),
        (SystemPointer::Hidden, PointerUpdateData::SetHidden),
    ] {
        let pdu = pointer.slow_path(ADDRESS);
        let indication = ironrdp_pdu::mcs::decode_send_data_indication(&pdu).unwrap();
        let ShareControlPdu::Data(data) = decode_share_control(indication).unwrap().pdu else {
            panic!("no Share Data PDU");
        };
        let ShareDataPdu::Pointer(body) = data.share_data_pdu else {
            panic!("no pointer update");
        };
        let mut cursor = ironrdp_core::ReadCursor::new(&body);
        let decoded = ironrdp_pdu::slow_path::decode_slow_path_pointer(&mut cursor).unwrap();
        assert_eq!(decoded, expected);
    }
}
