use std::fs::File;
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::fs::{FlockOperation, flock};

/// Ports of one run; below the range from which the kernel takes ports for outgoing connections.
const RUN: u16 = 950;
const FIRST: u16 = 12_000;
const RUNS: u16 = 21;

/// A TCP port on loopback that nobody listens on, and that this run has to itself: a gateway that is started again finds
/// its port free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = range();
    for _ in 0..RUN {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % RUN;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback between {base} and {}", base + RUN);
}

/// The first port of this run's range; other runs on this machine have others.
fn range() -> u16 {
    static RANGE: OnceLock<(u16, File)> = OnceLock::new();
    let (base, _held) = RANGE.get_or_init(|| {
        for run in 0..RUNS {
            let file = File::options()
                .create(true)
                .append(true)
                .open(format!("/tmp/.sallyport-ports-{run}"));
            if let Ok(file) = file
                && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                return (FIRST + run * RUN, file);
            }
        }
        panic!("{RUNS} other runs of these tests hold all ranges of ports");
    });
    *base
}
