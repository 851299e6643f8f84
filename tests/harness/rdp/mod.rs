//! Real desktops for RDP: X servers of their own, servers, clients, and what they show.

mod display;
mod picture;
mod screen;

pub use display::Display;
pub use picture::Picture;
pub use screen::{Screen, Window};
