//! Pages that the gateway itself shows inside an RDP client: drawn, encoded and driven by values alone.
//!
//! A [`Canvas`] is the picture; nothing here reads a socket, a file or a clock. Text comes from strangers (hosts, tickets,
//! messages), so every character is either drawn or replaced by a visible sign, and every size is clipped.

mod canvas;
#[cfg(test)]
mod client;
mod font;
mod geometry;
mod input;
mod interleaved;
mod keyboard;
mod line;
mod look;
mod overlay;
mod pages;
pub mod paint;
mod picture;
mod screen;
mod share;
mod text;
mod tile;
mod view;

pub use canvas::{Canvas, Color, MAX_SIDE};
pub use font::{Face, Size, Weight};
pub use geometry::Rectangle;
pub use input::Input;
pub use line::MAX_CHARACTERS;
pub use overlay::Overlay;
pub use pages::{Choice, Field, Form, Item, Notice, Outcome, Page, Progress, Tone};
pub use paint::{Depth, Format, MAX_PDU, PaintError};
pub use picture::{Picture, PixelOrder};
pub use screen::Screen;
pub use share::{ShareAddress, SystemPointer};
