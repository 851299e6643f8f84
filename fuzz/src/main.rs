//! Fuzz targets for every parser of ours that reads what a peer, a file or an administrator sends.
//!
//! One program holds all of them; `FUZZ_TARGET` names the one to run. It is built by
//! `scripts/fuzz.sh`, with coverage counters in all code, dependencies included. A target looks for
//! more than panics: the same events however the stream is cut, bounded memory, round trips.

#![no_main]

mod allocated;
mod apply;
mod config;
mod failure;
mod input;
mod panics;
mod tape;
mod targets;

use std::sync::OnceLock;

/// What is done with one input. A panic is a finding.
type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("channels", targets::channels::run),
    ("command_line", targets::command_line::run),
    ("connect_string", targets::connect_string::run),
    ("csv_cells", targets::csv_cells::run),
    ("declaration", targets::declaration::run),
    ("desktop", targets::desktop::run),
    ("echo", targets::echo::run),
    ("files", targets::files::run),
    ("picture_track", targets::picture_track::run),
    ("proxy_protocol", targets::proxy_protocol::run),
    ("rdp", targets::rdp::run),
    ("screen", targets::screen::run),
    ("tape", targets::tape::run),
    ("tape_recovery", targets::tape_recovery::run),
];

fn target() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        panics::watch();
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        let Some((_, target)) = found else {
            for (name, _) in TARGETS {
                println!("{name}");
            }
            std::process::exit(if name.is_empty() { 0 } else { 2 });
        };
        *target
    })
}

libfuzzer_sys::fuzz_target!(init: { target(); }, |data: &[u8]| {
    panics::fatal(|| target()(data));
});
