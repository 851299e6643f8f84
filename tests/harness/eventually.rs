use std::time::{Duration, Instant};

/// Asks `probe` until it answers `Some`, for at most `limit`; `what` is what was waited for.
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Waits until `probe` is true, for at most `limit`, and tells how long it took.
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    eventually(what, limit, || probe().then_some(()));
    start.elapsed()
}
