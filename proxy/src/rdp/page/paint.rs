//! Pictures as bitmap updates: MS-RDPBCGR 2.2.9.1.2.1.2 (fast-path) and 2.2.9.1.1.3.1.2 (slow-path), encoded for the
//! client's color depth, in tiles, several of them to a PDU.

use super::canvas::TILE;
use super::geometry::Rectangle;
use super::picture::Picture;
use super::share::{self, ShareAddress};
use super::tile;

/// Bytes that one PDU has at most, with its headers: what clients take without fragments.
pub const MAX_PDU: usize = 0x3fff;
/// Bytes set aside for the headers around an update: slow-path needs 33, fast-path 6.
const HEADERS: usize = 40;
/// Bytes of `updateType` and `numberRectangles`.
const UPDATE_HEADER: usize = 4;
/// `updateType` of a bitmap update.
const UPDATETYPE_BITMAP: u16 = 1;
/// `updateCode` of a bitmap update.
const FASTPATH_UPDATETYPE_BITMAP: u8 = 1;
/// `pduType2` of a graphics update.
const PDUTYPE2_UPDATE: u8 = 0x02;

/// Why something cannot be painted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    /// The client's color depth is none that the gateway's own pages have.
    #[error("the client asks for {0} bits a pixel; choose 15, 16, 24 or 32 in its settings")]
    Depth(u16),
    /// The buffer of a picture is smaller than its size says.
    #[error("{bytes} bytes are not enough for a picture of {width}x{height}")]
    ShortPicture {
        /// Pixels across.
        width: u16,
        /// Pixels down.
        height: u16,
        /// Bytes that are there.
        bytes: usize,
    },
}

/// Bits of a pixel on the client's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Five bits for each color, interleaved run-length encoding.
    Bits15,
    /// Five, six and five bits, interleaved run-length encoding.
    Bits16,
    /// Interleaved run-length encoding.
    Bits24,
    /// RDP 6.0 planar, MS-RDPEGDI 2.2.2.5.1.
    Bits32,
}

impl Depth {
    /// From `preferredBitsPerPixel` of the Bitmap capability set.
    ///
    /// # Errors
    /// [`PaintError::Depth`] for any other than 15, 16, 24 and 32: a palette is not offered.
    pub fn from_bits(bits: u16) -> Result<Self, PaintError> {
        match bits {
            15 => Ok(Self::Bits15),
            16 => Ok(Self::Bits16),
            24 => Ok(Self::Bits24),
            32 => Ok(Self::Bits32),
            other => Err(PaintError::Depth(other)),
        }
    }

    /// The number that stands for it on the wire.
    pub const fn bits(self) -> u16 {
        match self {
            Self::Bits15 => 15,
            Self::Bits16 => 16,
            Self::Bits24 => 24,
            Self::Bits32 => 32,
        }
    }
}

/// How a client takes bitmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bits of a pixel.
    pub depth: Depth,
    /// Does the client want TS_CD_HEADER (2.2.9.1.1.3.1.2.3) before compressed bitmaps? Only if it did not announce
    /// NO_BITMAP_COMPRESSION_HDR in its General capability set; never at 32 bits.
    pub compression_header: bool,
}

impl Format {
    /// For a client of this depth that wants no TS_CD_HEADER, as all do today.
    pub const fn new(depth: Depth) -> Self {
        Self {
            depth,
            compression_header: false,
        }
    }
}

/// TS_UPDATE_BITMAP_DATA structures that together paint a rectangle, each small enough for one PDU.
struct Updates<'a> {
    picture: Picture<'a>,
    format: Format,
    /// What of the picture is to be painted.
    area: Rectangle,
    /// Where in `area` the next tile begins: `None` after the last one.
    next: Option<(u16, u16)>,
    /// A tile that did not fit in the last update.
    held: Option<Vec<u8>>,
}

impl<'a> Updates<'a> {
    fn new(picture: Picture<'a>, rectangle: Rectangle, format: Format) -> Self {
        let area = rectangle.intersection(&picture.area());
        let next = (!area.is_empty()).then_some((area.left, area.top));
        Self {
            picture,
            format,
            area,
            next,
            held: None,
        }
    }

    /// The next TS_BITMAP_DATA: row by row of tiles.
    fn tile(&mut self) -> Option<Vec<u8>> {
        let (left, top) = self.next?;
        let place = Rectangle::new(left, top, TILE, TILE).intersection(&self.area);
        self.next = if place.right() < self.area.right() {
            Some((place.right(), top))
        } else if place.bottom() < self.area.bottom() {
            Some((self.area.left, place.bottom()))
        } else {
            None
        };
        Some(tile::encode(&self.picture, place, self.format))
    }
}

impl Iterator for Updates<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut count = 0_u16;
        let mut update = Vec::with_capacity(MAX_PDU);
        update.extend(UPDATETYPE_BITMAP.to_le_bytes());
        update.extend(count.to_le_bytes());
        while let Some(tile) = self.held.take().or_else(|| self.tile()) {
            // A single tile always fits: at most 64 x 64 x 3 bytes and its header.
            if count > 0 && update.len() + tile.len() > MAX_PDU - HEADERS {
                self.held = Some(tile);
                break;
            }
            update.extend(tile);
            count += 1;
        }
        if let Some(number) = update.get_mut(UPDATE_HEADER - 2..UPDATE_HEADER) {
            number.copy_from_slice(&count.to_le_bytes());
        }
        (count > 0).then_some(update)
    }
}

/// Paints what of a rectangle the picture has: one whole fast-path PDU after the other, each at most [`MAX_PDU`] bytes.
///
/// They are made when they are asked for, so that a caller with a bounded queue never holds them all.
pub fn fast_path<'a>(
    picture: Picture<'a>,
    rectangle: Rectangle,
    format: Format,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    Updates::new(picture, rectangle, format)
        .map(|update| share::fast_path(FASTPATH_UPDATETYPE_BITMAP, &update))
}

/// Like [`fast_path`], for a client that did not announce fast-path output: whole TPKT packets with a Share Data PDU each.
pub fn slow_path<'a>(
    picture: Picture<'a>,
    rectangle: Rectangle,
    format: Format,
    address: ShareAddress,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    Updates::new(picture, rectangle, format)
        .map(move |update| share::share_data(address, PDUTYPE2_UPDATE, &update))
}

#[cfg(test)]
mod tests;
