//! The rules of Sallyport, and nothing else: who may do what, what a session is, when it ends.
//!
//! Pure by construction: no clock (time is a value), no I/O, no protocol, no SQL. Everything here
//! can be tested with data alone.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod algorithm;
pub mod client_os;
pub mod close;
pub mod command;
pub mod connect_string;
pub mod control;
pub mod deadline;
pub mod declared;
pub mod destination;
pub mod event;
pub mod id;
pub mod launch_point;
pub mod meters;
pub mod network;
pub mod openssh;
pub mod permit;
pub mod policy;
pub mod refusal;
pub mod right;
pub mod role;
pub mod scope;
pub mod session;
pub mod span;
pub mod status;
