//! Tapes: the recording of one connection, from the first byte written to what is read back.
//!
//! The writer's promise is law 1: when [`TapeWriter::append`] returned `Ok`, the bytes are in the
//! file. Nothing here knows SQL, policies or sockets; reading and verifying work offline.

mod codec;
mod desktop;
pub mod echo;
mod entry;
mod error;
pub mod export;
#[cfg(test)]
mod fixture;
pub mod format;
mod frames;
mod header;
pub mod picture;
mod reader;
mod recover;
pub mod screen;
mod space;
mod sync;
mod tail;
pub mod track;
mod verify;
mod writer;

pub use desktop::{DesktopBegun, DesktopChannel};
pub use echo::{EchoTracker, Verdict, Verdicts};
pub use entry::{Entry, Record, Stream, Timed};
pub use error::TapeError;
pub use header::{Closing, TapeHeader};
pub use reader::{Ended, TapeReader};
pub use recover::{Recovered, Shelf, recover, shelf, tapes};
pub use screen::{LiveScreen, Screen};
pub use space::check_space;
pub use tail::TapeTail;
pub use track::{Painter, PictureReader, PictureTail, PictureWriter};
pub use verify::{BadFrame, VerifyError, VerifyReport, verify};
pub use writer::{Finished, TapeWriter};
