//! Pictures out of streams that are made here, with the pixels that must come out.

mod graphics;
mod pointers;
pub mod sent;
mod surfaces;

use std::time::Duration;

use ironrdp_graphics::rdp6::{BitmapStreamEncoder, RgbChannels};
use ironrdp_pdu::fast_path::{FastPathUpdate, Fragmentation, UpdateCode};
use sent::{bitmap, demand_active, fast_bitmaps, fast_path, slow_bitmaps};

use super::*;

const AT: Duration = Duration::from_secs(1);

fn desktop(width: u16, height: u16) -> Desktop {
    let mut desktop = Desktop::new(&sent::begun());
    desktop.from_target(&demand_active(width, height), Duration::ZERO);
    assert_eq!(desktop.take_damage(), [Rect::whole(width, height)]);
    desktop
}

fn pixel(desktop: &Desktop, x: u16, y: u16) -> [u8; 3] {
    let image = desktop.image().unwrap();
    let at = usize::from(y) * image.stride + usize::from(x) * 4;
    image.data[at..at + 3].try_into().unwrap()
}

fn rect(x: u16, y: u16, width: u16, height: u16) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

/// 3x2 pixels: each another colour.
fn colours() -> [[[u8; 3]; 3]; 2] {
    [
        [[255, 0, 0], [0, 255, 0], [0, 0, 255]],
        [[255, 255, 255], [8, 16, 24], [200, 100, 48]],
    ]
}

/// Are those colours at that place, and black around them?
#[track_caller]
fn colours_at(desktop: &Desktop, left: u16, top: u16) {
    let image = desktop.image().unwrap();
    for y in 0..image.height {
        for x in 0..image.width {
            let colours = colours();
            let row = y
                .checked_sub(top)
                .and_then(|row| colours.get(usize::from(row)));
            let cell = x.checked_sub(left).zip(row);
            let colour = cell.and_then(|(column, row)| row.get(usize::from(column)));
            let wanted = colour.copied().unwrap_or_default();
            assert_eq!(pixel(desktop, x, y), wanted, "at {x},{y}");
        }
    }
}

/// From the bottom up, rows filled to four bytes, each pixel turned into bytes.
fn raw<const N: usize>(turn: impl Fn([u8; 3]) -> [u8; N]) -> Vec<u8> {
    let mut data = Vec::new();
    for row in colours().iter().rev() {
        for colour in row {
            data.extend(turn(*colour));
        }
        data.resize(data.len().next_multiple_of(4), 0);
    }
    data
}

fn bgr([r, g, b]: [u8; 3]) -> [u8; 3] {
    [b, g, r]
}

fn bgrx([r, g, b]: [u8; 3]) -> [u8; 4] {
    [b, g, r, 0]
}

fn rgb565([r, g, b]: [u8; 3]) -> [u8; 2] {
    (u16::from(r) >> 3 << 11 | u16::from(g) >> 2 << 5 | u16::from(b) >> 3).to_le_bytes()
}

/// What is left of a colour in 16 bits, spread evenly.
fn through_565([r, g, b]: [u8; 3]) -> [u8; 3] {
    let spread = |bits: u8, most: u16| ((u16::from(bits) * 255 + most / 2) / most) as u8;
    [spread(r >> 3, 31), spread(g >> 2, 63), spread(b >> 3, 31)]
}

#[test]
fn raw_bitmaps_of_24_and_32_bits_come_on_both_paths() {
    for (bits, data) in [(24, raw(bgr)), (32, raw(bgrx))] {
        for slow in [false, true] {
            let mut desktop = desktop(8, 6);
            let bitmap = bitmap((4, 3), (3, 2), bits, false, &data);
            let pdu = match slow {
                true => slow_bitmaps(vec![bitmap]),
                false => fast_bitmaps(vec![bitmap]),
            };
            desktop.from_target(&pdu, AT);
            assert_eq!(desktop.faults(), 0);
            assert_eq!(desktop.take_damage(), [rect(4, 3, 3, 2)]);
            assert_eq!(desktop.changed(), AT);
            colours_at(&desktop, 4, 3);
        }
    }
}

#[test]
fn sixteen_bits_are_spread_over_24() {
    let mut desktop = desktop(3, 2);
    let data = raw(rgb565);
    desktop.from_target(
        &fast_bitmaps(vec![bitmap((0, 0), (3, 2), 16, false, &data)]),
        AT,
    );
    for (y, row) in (0..).zip(colours()) {
        for (x, colour) in (0..).zip(row) {
            assert_eq!(pixel(&desktop, x, y), through_565(colour));
        }
    }
}

#[test]
fn rdp6_bitmaps_are_decoded() {
    for rle in [false, true] {
        let mut desktop = desktop(8, 6);
        let rgb: Vec<u8> = colours()
            .iter()
            .rev()
            .flatten()
            .flatten()
            .copied()
            .collect();
        let mut data = vec![0; 200];
        let length = BitmapStreamEncoder::new(3, 2)
            .encode_bitmap::<RgbChannels>(&rgb, &mut data, rle)
            .unwrap();
        let bitmap = bitmap((5, 4), (3, 2), 32, true, &data[..length]);
        desktop.from_target(&slow_bitmaps(vec![bitmap]), AT);
        assert_eq!(desktop.faults(), 0);
        colours_at(&desktop, 5, 4);
    }
}

#[test]
fn run_length_bitmaps_are_decoded() {
    const COLOUR_IMAGE: u8 = 0x80;
    const COLOUR_RUN: u8 = 0x60;
    for bits in [16, 24] {
        let bytes = |colour| match bits {
            16 => rgb565(colour).to_vec(),
            _ => bgr(colour).to_vec(),
        };
        let seen = |colour| match bits {
            16 => through_565(colour),
            _ => colour,
        };
        // The lower row: four different pixels. The upper: one colour.
        let lower = [[9, 9, 9], [255, 0, 0], [0, 255, 0], [1, 2, 3]];
        let upper = [77, 88, 99];
        let mut data = vec![COLOUR_IMAGE | 4];
        lower.iter().for_each(|colour| data.extend(bytes(*colour)));
        data.push(COLOUR_RUN | 4);
        data.extend(bytes(upper));
        let mut desktop = desktop(4, 2);
        desktop.from_target(
            &fast_bitmaps(vec![bitmap((0, 0), (4, 2), bits, true, &data)]),
            AT,
        );
        assert_eq!(desktop.faults(), 0);
        for (x, colour) in (0..).zip(lower) {
            assert_eq!(pixel(&desktop, x, 0), seen(upper), "{bits} bits");
            assert_eq!(pixel(&desktop, x, 1), seen(colour), "{bits} bits");
        }
    }
}

#[test]
fn fragments_and_several_pdus_at_once_are_put_together() {
    let data = raw(bgrx);
    let update = FastPathUpdate::Bitmap(ironrdp_pdu::bitmap::BitmapUpdateData {
        rectangles: vec![bitmap((1, 1), (3, 2), 32, false, &data)],
    });
    let whole = sent::encoded(&update);
    let (first, rest) = whole.split_at(7);
    let (next, last) = rest.split_at(11);
    let code = UpdateCode::Bitmap;
    let mut pdus = fast_path(&[(code, Fragmentation::First, first)]);
    pdus.extend(fast_path(&[
        (code, Fragmentation::Next, next),
        (code, Fragmentation::Last, last),
        (UpdateCode::Synchronize, Fragmentation::Single, b""),
    ]));
    let mut desktop = desktop(6, 4);
    desktop.from_target(&pdus, AT);
    assert_eq!(desktop.faults(), 0);
    colours_at(&desktop, 1, 1);
}

#[test]
fn a_palette_colours_what_has_eight_bits() {
    let mut palette = vec![2, 0, 0, 0, 0, 1, 0, 0];
    (0..=255).for_each(|n: u8| palette.extend([n, 255 - n, n / 2]));
    let mut desktop = desktop(4, 1);
    let code = UpdateCode::Palette;
    desktop.from_target(&fast_path(&[(code, Fragmentation::Single, &palette)]), AT);
    let pdu = fast_bitmaps(vec![bitmap((0, 0), (4, 1), 8, false, &[0, 255, 100, 7])]);
    desktop.from_target(&pdu, AT);
    assert_eq!(desktop.faults(), 0);
    assert_eq!(pixel(&desktop, 2, 0), [100, 155, 50]);
    assert_eq!(pixel(&desktop, 3, 0), [7, 248, 3]);
}

#[test]
fn a_new_size_is_a_new_picture_and_the_same_size_is_not() {
    let data = raw(bgrx);
    let mut desktop = desktop(6, 4);
    desktop.from_target(
        &fast_bitmaps(vec![bitmap((2, 1), (3, 2), 32, false, &data)]),
        AT,
    );
    desktop.from_target(&sent::deactivate_all(), AT);
    colours_at(&desktop, 2, 1);
    desktop.from_target(&demand_active(6, 4), AT);
    colours_at(&desktop, 2, 1);
    desktop.from_target(&[sent::deactivate_all(), demand_active(3, 2)].concat(), AT);
    assert_eq!(desktop.take_damage(), [Rect::whole(3, 2)]);
    assert_eq!(pixel(&desktop, 2, 1), [0, 0, 0]);
    desktop.from_target(
        &slow_bitmaps(vec![bitmap((0, 0), (3, 2), 32, false, &data)]),
        AT,
    );
    colours_at(&desktop, 0, 0);
    assert_eq!(desktop.faults(), 0);
}

#[test]
fn several_share_pdus_in_one_and_those_that_draw_nothing_are_no_matter() {
    let data = raw(bgrx);
    let update = sent::encoded(&ironrdp_pdu::bitmap::BitmapUpdateData {
        rectangles: vec![bitmap((0, 0), (3, 2), 32, false, &data)],
    });
    // Synchronize, Control, Font Map, Set Error Info, a flow PDU, the picture.
    let parts = [
        sent::share_data(0x1f, &[1, 0, 1, 0]),
        sent::share_data(0x14, &[2, 0, 0, 0, 0, 0, 0, 0]),
        sent::share_data(0x28, &[0; 8]),
        sent::share_data(0x2f, &[0; 4]),
        vec![0, 0x80, 0x41, 0, 0, 0, 0, 0],
        sent::share_data(2, &update),
    ];
    let mut desktop = desktop(3, 2);
    desktop.from_target(&sent::indication(sent::IO, &parts.concat()), AT);
    desktop.from_target(&sent::indication(1099, b"some channel"), AT);
    assert_eq!(desktop.faults(), 0);
    colours_at(&desktop, 0, 0);
}

#[test]
fn what_cannot_be_decoded_is_counted_and_the_rest_goes_on() {
    let data = raw(bgrx);
    let good = || bitmap((0, 0), (3, 2), 32, false, &data);
    let mut desktop = desktop(3, 2);
    let mut faults = 0;
    let mut wrong = |desktop: &mut Desktop, pdus: &[u8], what: &str| {
        desktop.from_target(pdus, AT);
        assert!(desktop.faults() > faults, "{what} is no fault");
        faults = desktop.faults();
    };
    let outside = fast_bitmaps(vec![bitmap((1, 1), (3, 2), 32, false, &data), good()]);
    wrong(&mut desktop, &outside, "a bitmap outside");
    colours_at(&desktop, 0, 0);
    let short = fast_bitmaps(vec![bitmap((0, 0), (3, 2), 32, false, &data[..8])]);
    wrong(&mut desktop, &short, "a bitmap with too few bytes");
    let mut huge = good();
    (huge.width, huge.compression_flags) = (u16::MAX, ironrdp_pdu::bitmap::Compression::all());
    wrong(&mut desktop, &fast_bitmaps(vec![huge]), "a huge bitmap");
    let orders = fast_path(&[(UpdateCode::Orders, Fragmentation::Single, &[1, 0, 9])]);
    wrong(&mut desktop, &orders, "drawing orders");
    let stray = fast_path(&[(UpdateCode::Bitmap, Fragmentation::Last, b"x")]);
    wrong(&mut desktop, &stray, "a stray fragment");
    wrong(
        &mut desktop,
        &[0, 9, 0x41, 0x26, 4, 0, 1, 2, 3],
        "a compressed update",
    );
    wrong(&mut desktop, &[0, 0x30, 1], "half a PDU");
    wrong(&mut desktop, b"\xffgarbage", "garbage");
    wrong(&mut desktop, &demand_active(9000, 10), "a desktop too wide");
    wrong(
        &mut desktop,
        &demand_active(8192, 8192),
        "a desktop too large",
    );
    wrong(&mut desktop, &demand_active(0, 5), "no desktop");
    colours_at(&desktop, 0, 0);
}

#[test]
fn an_update_cannot_grow_without_end() {
    let mut desktop = desktop(3, 2);
    let piece = vec![0; 30_000];
    let code = UpdateCode::SurfaceCommands;
    desktop.from_target(&fast_path(&[(code, Fragmentation::First, &piece)]), AT);
    let next = fast_path(&[(code, Fragmentation::Next, &piece)]);
    for _ in 0..600 {
        desktop.from_target(&next, AT);
    }
    // One for the size, and one for each behind it.
    assert!(desktop.faults() > 1);
}

#[test]
fn damage_stays_few_rectangles_and_loses_nothing() {
    let mut desktop = desktop(640, 480);
    let data = [1, 2, 3, 0];
    let places: Vec<(u16, u16)> = (0..200).map(|n| (n * 37 % 640, n * 91 % 480)).collect();
    for place in &places {
        desktop.from_target(
            &fast_bitmaps(vec![bitmap(*place, (1, 1), 32, false, &data)]),
            AT,
        );
    }
    let damage = desktop.take_damage();
    assert!(damage.len() <= 32, "{} rectangles", damage.len());
    for (x, y) in places {
        let holds = |rect: &Rect| {
            (rect.x..rect.x + rect.width).contains(&x)
                && (rect.y..rect.y + rect.height).contains(&y)
        };
        assert!(damage.iter().any(holds), "{x},{y} is lost");
    }
    assert!(!desktop.is_damaged());
}

#[test]
fn a_desktop_may_move_to_another_thread() {
    fn moves<T: Send>() {}
    moves::<Desktop>();
}
