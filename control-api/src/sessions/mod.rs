//! Sessions: listed, shown, asked for, ordered about, watched.

pub mod control;
pub mod log;
pub mod orders;
pub mod rdp_file;
pub mod request;
pub mod show;
pub mod watch;
