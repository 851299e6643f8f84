//! The picture track of a desktop's tape: what was to be seen, ready to be shown.
//!
//! It lies beside its tape as `<connection>.picture`, is derived from it, and may be deleted and made again
//! ([`rebuild`]). The tape is the evidence; the track spares decoding it, and can be entered anywhere.
//!
//! # File, version 1; all numbers are little-endian
//!
//! ```text
//! head    magic "SPPICT\x01\n" [8] | nonce of the tape's header [16] | crc32c u32 over all before it
//! items   item, item, …
//!
//! item     0  len    u32   bytes of payload, at most 64 MiB
//!          4  kind   u8
//!          5  zero   [3]
//!          8  time   u64   microseconds since the tape's start, never going back
//!         16  crc    u32   CRC-32C over bytes 0..16
//!         20  crc    u32   CRC-32C over the payload
//!         24  payload
//!
//!  1 resize         width u16, height u16; a keyframe follows
//!  2 keyframe       PNG of the whole picture; all that holds from before it (5 to 9) follows, with the same time
//!  3 tile           x u16, y u16, width u16, height u16, PNG
//!  4 (free)
//!  5 pointer shape  hot x u16, hot y u16, PNG with opacity; it is shown
//!  6 pointer arrow  the system's own is shown
//!  7 pointer hidden
//!  8 pointer place  x u16, y u16
//!  9 covered        shown u8: the client sees a cover from here on, or the picture again
//! 10 gap            faults u64: how many parts of the picture could not be decoded until here
//! 11 end            the tape ends here, and all of it is on the track
//! ```
//!
//! The head of an item has its own checksum, so that a keyframe is found by reading heads only. Any cut of a track
//! is a track: a reader stops at the first item that is short or does not hold together. Items of unknown kinds are
//! passed over.

mod brush;
mod canvas;
mod error;
mod file;
mod index;
mod item;
mod painter;
mod png;
mod reader;
mod standing;
mod tail;
mod writer;

use std::path::{Path, PathBuf};

pub use brush::Brush;
pub use canvas::Canvas;
pub use error::TrackError;
pub use index::{Activity, Index};
pub use item::{Item, What};
pub use painter::{Painter, Progress, State, rebuild};
pub use png::{encode as png, size as png_size};
pub use reader::PictureReader;
pub use standing::{Standing, standing};
pub use tail::PictureTail;
pub use writer::PictureWriter;

/// How a track's file name ends.
pub const EXTENSION: &str = "picture";

/// Where the track of a tape lies.
pub fn path_of(tape: &Path) -> PathBuf {
    tape.with_extension(EXTENSION)
}

#[cfg(test)]
mod tests;
