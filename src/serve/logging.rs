//! The server's own log, on the standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::failure::{Failure, OrFail as _};

/// Starts the log as configured; once a process.
pub fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .or_fail(format!("log.filter (SALLYPORT_LOG) is `{}`", log.filter))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if log.json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
    started.or_fail("starting the log")
}
