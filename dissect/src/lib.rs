//! What passes inside the protocols: readers of byte streams that cross the gateway.
//!
//! Each reader is fed the bytes as they come, in any cut, and answers with facts: a file was
//! renamed, a transfer ended with this digest. None of them knows a socket, a file or a clock, none
//! keeps more than its documented bound, whatever the peers send, and none panics. What cannot be
//! understood is an error that names the reason: the caller ends the channel (fail closed).

mod digest;
mod fact;
pub mod path;
pub mod proxy_protocol;
pub mod rdp;
mod reader;
pub mod rsync;
pub mod scp;
pub mod sftp;
pub mod shell;

pub use fact::{Access, Act, Allowed, Direction, Fact, Malformed, Outcome, Transfer};
pub use reader::{Passing, Reader};
