//! The whole API, through a real HTTPS client, on SQLite: who may what, what is said to those who may not, and
//! what becomes of bad input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod client;
mod connection_passwords;
mod desktop_control;
mod desktop_watch;
mod fixture;
mod input;
mod lists;
mod login;
mod orders;
mod pdus;
mod pictures;
mod rdp;
mod recordings;
mod roles;
mod scopes;
mod trail;
mod watch;
