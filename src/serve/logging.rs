//! The server's own log, on the standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::failure::{Failure, OrFail as _};

/// Libraries that write secrets into their own log when they are asked for details: nobody can ask for them here.
const SECRETIVE: [&str; 6] = [
    "sspi=off",
    "picky=off",
    "ironrdp_pdu=off",
    "ironrdp_session=off",
    "ironrdp_dvc=off",
    "ironrdp_egfx=off",
];

/// Starts the log as configured; once a process.
pub fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .or_fail(format!("log.filter (SALLYPORT_LOG) is `{}`", log.filter))?;
    let filter = SECRETIVE
        .iter()
        .fold(filter, |filter, quiet| match quiet.parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        });
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
