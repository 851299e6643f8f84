//! A client for tests: decodes what it is sent and has a screen.

use std::path::PathBuf;

use ironrdp_graphics::rdp6::BitmapStreamDecoder;
use ironrdp_graphics::rle;
use ironrdp_pdu::Action;
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData, Compression};
use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode};
use ironrdp_pdu::rdp::headers::{ShareControlPdu, ShareDataPdu, decode_share_control};
use ironrdp_pdu::slow_path::{
    GraphicsUpdateType, decode_slow_path_bitmap, read_graphics_update_type,
};

use super::geometry::Rectangle;
use super::paint::MAX_PDU;
use super::share::ShareAddress;

/// Where slow-path PDUs have to be sent.
pub const ADDRESS: ShareAddress = ShareAddress {
    share_id: 0x1_0000,
    user: 1002,
    channel: 1003,
};

/// A client's screen: red, green, blue.
pub struct Screen {
    pub width: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Screen {
    pub fn new(width: u16, height: u16) -> Self {
        Self {
            width: usize::from(width),
            pixels: vec![[1, 2, 3]; usize::from(width) * usize::from(height)],
        }
    }

    pub fn take_fast_path(&mut self, mut bytes: &[u8]) {
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

    pub fn take_slow_path(&mut self, pdu: &[u8]) {
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

/// A folder of pictures to look at: that which PAGES names, else one that is gone after the test.
pub enum Gallery {
    Kept(PathBuf),
    Gone(tempfile::TempDir),
}

impl Gallery {
    pub fn new() -> Self {
        match std::env::var_os("PAGES") {
            Some(folder) => Self::Kept(folder.into()),
            None => Self::Gone(tempfile::tempdir().unwrap()),
        }
    }

    pub fn save(&self, name: &str, area: Rectangle, pixels: &[u8]) {
        let folder = match self {
            Self::Kept(folder) => folder,
            Self::Gone(folder) => folder.path(),
        };
        let file = std::fs::File::create(folder.join(format!("{name}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, u32::from(area.width), u32::from(area.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
    }
}
