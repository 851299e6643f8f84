//! Items to bytes and back.

use std::time::Duration;

use crate::format::{array_at, u32_at, u64_at};
use crate::picture::Rect;

/// Bytes of an item before its payload.
pub(super) const ITEM_HEAD: usize = 24;
/// The most bytes of a payload: a picture of the largest desktop that cannot be compressed.
pub(super) const MAX_PAYLOAD: usize = 64 << 20;

pub(super) const RESIZE: u8 = 1;
pub(super) const KEYFRAME: u8 = 2;
pub(super) const TILE: u8 = 3;
const SHAPE: u8 = 5;
const ARROW: u8 = 6;
const HIDDEN: u8 = 7;
const PLACE: u8 = 8;
const COVERED: u8 = 9;
const GAP: u8 = 10;
pub(super) const END: u8 = 11;

/// Something to be shown, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Since the tape's start.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The picture has this size from here on; a keyframe follows.
    Resize {
        /// Pixels in a row.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The whole picture.
    Keyframe {
        /// As PNG, 8 bits, RGB or with a palette.
        png: Vec<u8>,
    },
    /// A part of the picture.
    Tile {
        /// Which part.
        rect: Rect,
        /// As PNG, 8 bits, RGB or with a palette.
        png: Vec<u8>,
    },
    /// The pointer has this shape, and is to be seen.
    PointerShape {
        /// Which of its pixels is where it points: from the left.
        hot_x: u16,
        /// From the top.
        hot_y: u16,
        /// As PNG, 8 bits, RGBA; empty for a shape without a pixel.
        png: Vec<u8>,
    },
    /// The pointer is the system's own arrow, and is to be seen.
    PointerArrow,
    /// The pointer is not to be seen.
    PointerHidden,
    /// The pointer points there.
    PointerPlace {
        /// From the left.
        x: u16,
        /// From the top.
        y: u16,
    },
    /// What the client sees from here on.
    Covered {
        /// A cover, as opposed to the picture?
        shown: bool,
    },
    /// The picture may be older than what the client saw.
    Gap {
        /// How many parts of it could not be decoded, from the tape's start until here.
        faults: u64,
    },
    /// The tape ends here, and all of it is on the track.
    End,
}

/// Appends an item's bytes.
pub(super) fn encode(at: Duration, what: &What, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + ITEM_HEAD, 0);
    let kind = payload(what, out);
    let (head, payload) = out[start..].split_at_mut(ITEM_HEAD);
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let time = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
    head[0..4].copy_from_slice(&len.to_le_bytes());
    head[4] = kind;
    head[8..16].copy_from_slice(&time.to_le_bytes());
    let crc = crc32c::crc32c(&head[..16]);
    head[16..20].copy_from_slice(&crc.to_le_bytes());
    head[20..24].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
}

fn payload(what: &What, out: &mut Vec<u8>) -> u8 {
    let mut numbers = |numbers: &[u16]| {
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
    };
    match what {
        What::Resize { width, height } => {
            numbers(&[*width, *height]);
            RESIZE
        }
        What::Keyframe { png } => {
            out.extend_from_slice(png);
            KEYFRAME
        }
        What::Tile { rect, png } => {
            numbers(&[rect.x, rect.y, rect.width, rect.height]);
            out.extend_from_slice(png);
            TILE
        }
        What::PointerShape { hot_x, hot_y, png } => {
            numbers(&[*hot_x, *hot_y]);
            out.extend_from_slice(png);
            SHAPE
        }
        What::PointerArrow => ARROW,
        What::PointerHidden => HIDDEN,
        What::PointerPlace { x, y } => {
            numbers(&[*x, *y]);
            PLACE
        }
        What::Covered { shown } => {
            out.push(u8::from(*shown));
            COVERED
        }
        What::Gap { faults } => {
            out.extend_from_slice(&faults.to_le_bytes());
            GAP
        }
        What::End => END,
    }
}

/// The head of an item.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemHead {
    pub len: usize,
    pub kind: u8,
    pub at: Duration,
    crc: u32,
}

impl ItemHead {
    /// Reads a head; `None` if it does not hold together.
    pub fn read(bytes: &[u8; ITEM_HEAD]) -> Option<Self> {
        let head = Self {
            len: u32_at(bytes, 0) as usize,
            kind: bytes[4],
            at: Duration::from_micros(u64_at(bytes, 8)),
            crc: u32_at(bytes, 20),
        };
        let whole = crc32c::crc32c(&bytes[..16]) == u32_at(bytes, 16);
        (whole && head.len <= MAX_PAYLOAD).then_some(head)
    }

    /// Is that its payload?
    pub fn holds(&self, payload: &[u8]) -> bool {
        payload.len() == self.len && crc32c::crc32c(payload) == self.crc
    }

    /// Reads the item; `None` if a later version wrote it.
    pub fn item(&self, payload: &[u8]) -> Option<Item> {
        let number = |at| u16::from_le_bytes(array_at(payload, at));
        let what = match (self.kind, payload.len()) {
            (RESIZE, 4) => What::Resize {
                width: number(0),
                height: number(2),
            },
            (KEYFRAME, _) => What::Keyframe {
                png: payload.to_vec(),
            },
            (TILE, 8..) => What::Tile {
                rect: Rect {
                    x: number(0),
                    y: number(2),
                    width: number(4),
                    height: number(6),
                },
                png: payload[8..].to_vec(),
            },
            (SHAPE, 4..) => What::PointerShape {
                hot_x: number(0),
                hot_y: number(2),
                png: payload[4..].to_vec(),
            },
            (ARROW, 0) => What::PointerArrow,
            (HIDDEN, 0) => What::PointerHidden,
            (PLACE, 4) => What::PointerPlace {
                x: number(0),
                y: number(2),
            },
            (COVERED, 1) => What::Covered {
                shown: payload[0] != 0,
            },
            (GAP, 8) => What::Gap {
                faults: u64_at(payload, 0),
            },
            (END, 0) => What::End,
            _ => return None,
        };
        Some(Item { at: self.at, what })
    }
}
