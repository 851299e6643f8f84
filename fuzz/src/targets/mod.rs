//! The targets.

pub mod channels;
pub mod command_line;
pub mod connect_string;
pub mod csv_cells;
pub mod declaration;
pub mod desktop;
pub mod echo;
pub mod files;
pub mod picture_track;
pub mod proxy_protocol;
pub mod rdp;
pub mod screen;
pub mod tape;
pub mod tape_recovery;
