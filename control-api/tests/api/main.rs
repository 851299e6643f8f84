//! The whole API, through a real HTTPS client, on SQLite: who may what, what is said to those who may not, and
//! what becomes of bad input.

mod client;
mod fixture;
mod input;
mod lists;
mod login;
mod orders;
mod recordings;
mod roles;
mod trail;
mod watch;
