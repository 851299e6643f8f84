//! Showing somebody else's terminal in this one, live or replayed.
//!
//! What a target printed never reaches this terminal as it is: it could ask the terminal questions,
//! write to its clipboard or change its title. A screen model stands in between and is painted.

mod keys;
mod painter;
mod terminal;

pub use keys::{Key, Keys};
pub use painter::Painter;
pub use terminal::Terminal;
