//! Pictures out of a desktop's tape.
//!
//! [`Desktop`] follows the PDUs of an RDP connection the way its client does and holds the picture the client shows.
//! It only watches: nothing it would answer is ever sent. Whatever a target sends, it neither fails nor panics; what
//! cannot be decoded is counted and the picture stays as it was there.

mod activation;
mod damage;
mod desktop;
mod graphics;
mod image;
pub(crate) mod keys;
mod legacy;
mod mouse;
mod pointer;
mod surface;
mod updates;
mod wire;

pub use damage::Rect;
pub use desktop::Desktop;
pub use image::Image;
pub use pointer::{Pointer, PointerShape};

/// The most pixels a desktop may have in one direction (MS-RDPEDISP 2.2.2.2.1).
pub const MAX_SIDE: u16 = 8192;
/// The most pixels a desktop may have: 64 MiB of them.
pub const MAX_PIXELS: usize = (64 << 20) / 4;

/// Something that could not be decoded, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault(&'static str);

#[cfg(test)]
pub(crate) mod tests;
