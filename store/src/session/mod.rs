//! Sessions and what they leave behind.

mod connection;
mod event;
mod list;
mod model;
mod read;
mod recording;
mod trace;
mod write;

pub(crate) use event::append;
pub use model::{NewSession, SessionRow, SessionType, SessionUpdate, StoredSession};
pub(crate) use read::kind;
pub use trace::{
    ConnectionRow, EventRow, NewConnection, NewRecording, Passed, RecordingRow, RecordingState,
};
