//! The waiting room.

pub mod activation;
