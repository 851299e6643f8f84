//! Everything end to end: the real `sallyport` program between real clients and real servers.
//!
//! [`harness`] starts and drives them; the cases are in the one test binary, `all.rs`; the benchmark
//! is `bin/bench.rs`. All of it keeps to loopback, to free ports and to temporary folders, so that
//! cases run side by side.

pub mod harness;
