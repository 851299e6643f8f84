use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A TCP port on loopback that nobody listens on.
///
/// Below the range from which the kernel takes ports for outgoing connections, and never the same
/// twice in one run, so that cases running side by side do not take each other's.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 197) as u16 * 101;
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (next.wrapping_add(offset)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!(
        "no free port on loopback between {FIRST} and {}",
        FIRST + COUNT
    );
}
