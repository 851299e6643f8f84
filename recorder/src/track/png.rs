//! Pictures to PNG and back.

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, DeflateCompression, Encoder, Filter, Limits};
use png::{EncodingError, Transformations};

use super::TrackError;
use crate::picture::{Image, MAX_PIXELS, PointerShape, Rect};

/// The most colours of a palette.
const MAX_COLOURS: usize = 256;
/// Slots of the table that finds a colour's number: a power of two, four times the colours.
const SLOTS: usize = 1024;
/// The quickest compression that looks for repetitions, of 1 to 9.
const REPETITIONS: u8 = 1;

/// A part of a picture as PNG: 8 bits, with a palette if it has few colours.
pub fn encode(image: Image<'_>, part: Rect) -> Result<Vec<u8>, TrackError> {
    let Some(part) = part.within(image.width, image.height) else {
        return Err(TrackError::Png("it has no size".to_owned()));
    };
    let encoded = match Indexed::of(image, part) {
        Some(indexed) => indexed.encode(part),
        None => encode_rgb(image, part),
    };
    encoded.map_err(|e| TrackError::Png(e.to_string()))
}

/// A pointer's shape as PNG, with its opacity; empty if it has no pixel.
pub(super) fn encode_shape(shape: &PointerShape) -> Result<Vec<u8>, TrackError> {
    if shape.width == 0 || shape.height == 0 {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, shape.width.into(), shape.height.into());
    encoder.set_color(ColorType::Rgba);
    encoder.set_compression(Compression::Fast);
    write(encoder, &shape.rgba).map_err(|e| TrackError::Png(e.to_string()))?;
    Ok(out)
}

fn encode_rgb(image: Image<'_>, part: Rect) -> Result<Vec<u8>, EncodingError> {
    let mut rgb = Vec::with_capacity(part.area() * 3);
    let mut repeated = 0;
    for row in image.rows(part) {
        let mut last: &[u8] = &[];
        for pixel in row.chunks_exact(4) {
            repeated += usize::from(pixel[..3] == *last);
            last = &pixel[..3];
            rgb.extend_from_slice(last);
        }
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, part.width.into(), part.height.into());
    encoder.set_color(ColorType::Rgb);
    // Windows and text are a third as large if repetitions are looked for, and take no longer. Photographs and films
    // get no smaller by it, and take five times as long.
    encoder.set_deflate_compression(match repeated * 2 >= part.area() {
        true => DeflateCompression::Level(REPETITIONS),
        false => DeflateCompression::FdeflateUltraFast,
    });
    encoder.set_filter(Filter::Sub);
    write(encoder, &rgb)?;
    Ok(out)
}

fn write(encoder: Encoder<'_, &mut Vec<u8>>, data: &[u8]) -> Result<(), EncodingError> {
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()
}

/// A picture in numbers of colours.
struct Indexed {
    palette: Vec<u8>,
    numbers: Vec<u8>,
}

impl Indexed {
    /// `None`: it has too many colours. Most pictures that have show it soon.
    fn of(image: Image<'_>, part: Rect) -> Option<Self> {
        let mut found = Self {
            palette: Vec::new(),
            numbers: Vec::with_capacity(part.area()),
        };
        // What colour is in a slot, and its number. Alpha has no meaning: 1 marks a slot that is taken.
        let mut slots = [(0u32, 0u8); SLOTS];
        let mut last = (0, 0);
        for row in image.rows(part) {
            for pixel in row.chunks_exact(4) {
                let colour = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 1]);
                if colour != last.0 {
                    last = (colour, found.number(colour, &mut slots)?);
                }
                found.numbers.push(last.1);
            }
        }
        Some(found)
    }

    fn number(&mut self, colour: u32, slots: &mut [(u32, u8); SLOTS]) -> Option<u8> {
        let mut slot = (colour.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        loop {
            let (taken, number) = slots[slot];
            if taken == colour {
                return Some(number);
            }
            if taken == 0 {
                let count = self.palette.len() / 3;
                if count == MAX_COLOURS {
                    return None;
                }
                self.palette.extend_from_slice(&colour.to_le_bytes()[..3]);
                let number = u8::try_from(count).ok()?;
                slots[slot] = (colour, number);
                return Some(number);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    fn encode(self, part: Rect) -> Result<Vec<u8>, EncodingError> {
        let (depth, per_byte) = match self.palette.len() / 3 {
            0..=2 => (BitDepth::One, 8),
            3..=4 => (BitDepth::Two, 4),
            5..=16 => (BitDepth::Four, 2),
            _ => (BitDepth::Eight, 1),
        };
        let data = match per_byte {
            1 => self.numbers,
            _ => pack(&self.numbers, part.width, per_byte),
        };
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, part.width.into(), part.height.into());
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(depth);
        encoder.set_palette(self.palette);
        encoder.set_deflate_compression(DeflateCompression::Level(REPETITIONS));
        encoder.set_filter(Filter::NoFilter);
        write(encoder, &data)?;
        Ok(out)
    }
}

/// Several numbers into a byte, the first in the upper bits; each row begins with a byte.
fn pack(numbers: &[u8], width: u16, per_byte: usize) -> Vec<u8> {
    let bits = 8 / per_byte;
    let byte = |group: &[u8]| {
        let number = |(at, number): (usize, &u8)| number << (8 - bits * (at + 1));
        group
            .iter()
            .enumerate()
            .map(number)
            .fold(0, |byte, bits| byte | bits)
    };
    numbers
        .chunks(usize::from(width))
        .flat_map(|row| row.chunks(per_byte).map(byte))
        .collect()
}

/// How large a PNG's picture says it is, in pixels: width and height (PNG 11.2.1, IHDR). `None`: it is no PNG, or no
/// picture of a desktop.
pub fn size(png: &[u8]) -> Option<(u16, u16)> {
    let rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let fields = rest.get(4..)?.strip_prefix(b"IHDR")?;
    let side = |at: usize| {
        let bytes = fields.get(at..at + 4)?.try_into().ok()?;
        u16::try_from(u32::from_be_bytes(bytes)).ok()
    };
    Some((side(0)?, side(4)?))
}

/// A PNG's pixels: width, height, and four bytes for each (red, green, blue, opacity).
pub(super) fn decode(png: &[u8]) -> Result<(u16, u16, Vec<u8>), TrackError> {
    let wrong = |e: String| TrackError::Png(e);
    let limits = Limits {
        bytes: MAX_PIXELS * 4 + (1 << 20),
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(png), limits);
    decoder.set_transformations(Transformations::EXPAND | Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(|e| wrong(e.to_string()))?;
    let info = reader.info();
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| wrong("it is too large".to_owned()));
    let (width, height) = (side(info.width)?, side(info.height)?);
    if usize::from(width) * usize::from(height) > MAX_PIXELS {
        return Err(wrong("it is too large".to_owned()));
    }
    let colour = reader.output_color_type();
    if colour != (ColorType::Rgba, BitDepth::Eight) {
        return Err(wrong("it is not of 8 bits".to_owned()));
    }
    let mut pixels = vec![0; usize::from(width) * usize::from(height) * 4];
    let frame = reader.next_frame(&mut pixels);
    frame.map_err(|e| wrong(e.to_string()))?;
    Ok((width, height, pixels))
}
