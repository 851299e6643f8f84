use ironrdp_graphics::rdp6::BitmapStreamDecoder;
use ironrdp_graphics::rle;
use ironrdp_pdu::Action;
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData, Compression};
use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode};
use ironrdp_pdu::rdp::headers::{ShareControlPdu, ShareDataPdu, decode_share_control};
use ironrdp_pdu::slow_path::{
    GraphicsUpdateType, decode_slow_path_bitmap, read_graphics_update_type,
};
use proptest::prelude::*;

use super::*;
use crate::rdp::page::picture::PixelOrder;
use crate::rdp::page::share::SystemPointer;

const DEPTHS: [Depth; 4] = [Depth::Bits15, Depth::Bits16, Depth::Bits24, Depth::Bits32];
const ADDRESS: ShareAddress = ShareAddress {
    share_id: 0x1_0000,
    user: 1002,
    channel: 1003,
};

/// A client's screen: red, green, blue.
struct Screen {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        Self {
            width: usize::from(width),
            pixels: vec![[1, 2, 3]; usize::from(width) * usize::from(height)],
        }
    }

    fn take_fast_path(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let info = ironrdp_pdu::find_size(bytes).unwrap().unwrap();
            assert_eq!(info.action, Action::FastPath);
            assert!(info.length <= MAX_PDU);
            let (pdu, rest) = bytes.split_at(info.length);
            let mut cursor = ironrdp_core::ReadCursor::new(pdu);
            let header: FastPathHeader = ironrdp_core::decode_cursor(&mut cursor).unwrap();
            assert_eq!(header.data_length, cursor.len());
            let update: FastPathUpdatePdu = ironrdp_core::decode_cursor(&mut cursor).unwrap();
            assert_eq!(update.update_code, UpdateCode::Bitmap);
            assert_eq!(update.fragmentation, Fragmentation::Single);
            assert!(cursor.is_empty());
            self.draw(&ironrdp_core::decode(update.data).unwrap());
            bytes = rest;
        }
    }

    fn take_slow_path(&mut self, pdu: &[u8]) {
        assert!(pdu.len() <= MAX_PDU);
        let indication = ironrdp_pdu::mcs::decode_send_data_indication(pdu).unwrap();
        assert_eq!(
            (indication.initiator_id, indication.channel_id),
            (1002, 1003)
        );
        let control = decode_share_control(indication).unwrap();
        assert_eq!((control.share_id, control.pdu_source), (0x1_0000, 1002));
        let ShareControlPdu::Data(data) = control.pdu else {
            panic!("no Share Data PDU: {:?}", control.pdu);
        };
        let ShareDataPdu::Update(update) = data.share_data_pdu else {
            panic!("no update: {:?}", data.share_data_pdu);
        };
        let mut cursor = ironrdp_core::ReadCursor::new(&update);
        let kind = read_graphics_update_type(&mut cursor).unwrap();
        assert_eq!(kind, GraphicsUpdateType::Bitmap);
        self.draw(&decode_slow_path_bitmap(&mut cursor).unwrap());
    }

    fn draw(&mut self, update: &BitmapUpdateData) {
        assert!(!update.rectangles.is_empty());
        for bitmap in &update.rectangles {
            let colors = decoded(bitmap);
            let place = &bitmap.rectangle;
            assert!(bitmap.width > place.right - place.left && bitmap.width.is_multiple_of(4));
            assert_eq!(bitmap.height, place.bottom - place.top + 1);
            for y in place.top..=place.bottom {
                let row = usize::from(place.bottom - y) * usize::from(bitmap.width);
                for x in place.left..=place.right {
                    let to = usize::from(y) * self.width + usize::from(x);
                    self.pixels[to] = colors[row + usize::from(x - place.left)];
                }
            }
        }
    }
}

/// Pixels as they come, rows from the bottom.
fn decoded(bitmap: &BitmapData) -> Vec<[u8; 3]> {
    assert!(
        bitmap
            .compression_flags
            .contains(Compression::BITMAP_COMPRESSION)
    );
    let (width, height) = (usize::from(bitmap.width), usize::from(bitmap.height));
    let mut bytes = Vec::new();
    if bitmap.bits_per_pixel == 32 {
        BitmapStreamDecoder::default()
            .decode_bitmap_stream_to_rgb24(bitmap.bitmap_data, &mut bytes, width, height)
            .unwrap();
        return bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    }
    let bits = usize::from(bitmap.bits_per_pixel);
    rle::decompress(bitmap.bitmap_data, &mut bytes, width, height, bits).unwrap();
    if let Some(header) = &bitmap.compressed_data_header {
        assert_eq!(usize::from(header.main_body_size), bitmap.bitmap_data.len());
        assert_eq!(header.scan_width, bitmap.width);
        assert_eq!(usize::from(header.uncompressed_size), bytes.len());
    }
    match bits {
        24 => bytes.chunks_exact(3).map(|p| [p[2], p[1], p[0]]).collect(),
        _ => bytes
            .chunks_exact(2)
            .map(|p| unpacked(u16::from_le_bytes([p[0], p[1]]), bits))
            .collect(),
    }
}

/// The upper bits of each color.
fn unpacked(value: u16, bits: usize) -> [u8; 3] {
    let eight =
        |value: u16, bits: usize| u8::try_from((value & ((1 << bits) - 1)) << (8 - bits)).unwrap();
    let green = bits - 10;
    [
        eight(value >> (5 + green), 5),
        eight(value >> 5, green),
        eight(value, 5),
    ]
}

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
