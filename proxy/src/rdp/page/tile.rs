//! One tile of a picture as TS_BITMAP_DATA, MS-RDPBCGR 2.2.9.1.1.3.1.2.2.

use ironrdp_graphics::rdp6::BitmapStreamEncoder;

use super::geometry::Rectangle;
use super::interleaved;
use super::paint::{Depth, Format};
use super::picture::Picture;

/// The bitmap is compressed.
const BITMAP_COMPRESSION: u16 = 0x0001;
/// There is no TS_CD_HEADER before it.
const NO_BITMAP_COMPRESSION_HDR: u16 = 0x0400;
/// Bytes of TS_CD_HEADER.
const COMPRESSION_HEADER: usize = 8;
/// FormatHeader of a planar bitmap without alpha and without run-length encoding, MS-RDPEGDI 2.2.2.5.1.
const PLANAR_RAW: u8 = 0x20;

/// Encodes the pixels of a place, which lies inside the picture and is at most 64 pixels wide and high.
pub(super) fn encode(picture: &Picture, place: Rectangle, format: Format) -> Vec<u8> {
    // Some clients want whole groups of four pixels; what is too much of them falls outside the destination.
    let width = place.width.next_multiple_of(4);
    let colors = colors(picture, place, width);
    let (bitmap, scan_line) = match format.depth {
        Depth::Bits32 => (planar(&colors, width, place.height), usize::from(width) * 4),
        Depth::Bits24 => run_lengths(&colors, width, 3, |[red, green, blue]| {
            u32::from_le_bytes([blue, green, red, 0])
        }),
        Depth::Bits16 => run_lengths(&colors, width, 2, |color| packed(color, 6)),
        Depth::Bits15 => run_lengths(&colors, width, 2, |color| packed(color, 5)),
    };
    let with_header = format.compression_header && format.depth != Depth::Bits32;
    let flags = match with_header {
        true => BITMAP_COMPRESSION,
        false => BITMAP_COMPRESSION | NO_BITMAP_COMPRESSION_HDR,
    };
    let length = bitmap.len() + if with_header { COMPRESSION_HEADER } else { 0 };

    let mut encoded = Vec::with_capacity(26 + bitmap.len());
    for field in [
        place.left,
        place.top,
        // Both inclusive.
        place.right().saturating_sub(1),
        place.bottom().saturating_sub(1),
        width,
        place.height,
        format.depth.bits(),
        flags,
        clamped(length),
    ] {
        encoded.extend(field.to_le_bytes());
    }
    if with_header {
        let whole = scan_line * usize::from(place.height);
        for field in [0, clamped(bitmap.len()), width, clamped(whole)] {
            encoded.extend(field.to_le_bytes());
        }
    }
    encoded.extend(bitmap);
    encoded
}

/// No tile comes near the limit of these fields.
fn clamped(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// The colors of a place from the bottom row up, each row filled up to `width` with its last one.
fn colors(picture: &Picture, place: Rectangle, width: u16) -> Vec<[u8; 3]> {
    let mut colors = Vec::with_capacity(usize::from(width) * usize::from(place.height));
    for y in (place.top..place.bottom()).rev() {
        colors.extend(picture.row(place.left, y, place.width));
        let last = colors.last().copied().unwrap_or_default();
        colors.extend((place.width..width).map(|_| last));
    }
    colors
}

/// Interleaved run-length encoding; answers the bytes of an uncompressed row as well.
fn run_lengths(
    colors: &[[u8; 3]],
    width: u16,
    bytes: usize,
    value: impl Fn([u8; 3]) -> u32,
) -> (Vec<u8>, usize) {
    let pixels: Vec<u32> = colors.iter().map(|color| value(*color)).collect();
    (
        interleaved::encode(&pixels, bytes),
        usize::from(width) * bytes,
    )
}

/// Five bits of red, `green_bits` of green and five of blue; the lower bits of each are dropped.
fn packed([red, green, blue]: [u8; 3], green_bits: u32) -> u32 {
    let red = u32::from(red) >> 3;
    let green = u32::from(green) >> (8 - green_bits);
    let blue = u32::from(blue) >> 3;
    red << (5 + green_bits) | green << 5 | blue
}

/// RDP 6.0 planar: run-length encoded, or raw where that is smaller.
fn planar(colors: &[[u8; 3]], width: u16, height: u16) -> Vec<u8> {
    let plane = |channel: usize| colors.iter().map(move |color| color[channel]);
    let raw = colors.len() * 3 + 2;
    let mut encoded = vec![0; raw];
    let mut encoder = BitmapStreamEncoder::new(usize::from(width), usize::from(height));
    // Raw is smaller if run lengths do not even fit in as many bytes.
    if let Ok(length) =
        encoder.encode_channels_stream((plane(0), plane(1), plane(2)), &mut encoded, true)
    {
        encoded.truncate(length);
        return encoded;
    }
    encoded.clear();
    encoded.push(PLANAR_RAW);
    encoded.extend((0..3).flat_map(plane));
    // A byte of padding ends planes that are not run-length encoded.
    encoded.push(0);
    encoded
}
