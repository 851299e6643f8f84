//! A panic ends what it happened in, and nothing else (law 7).

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// Does the work; `None` if it panicked. What it left half done is for the caller to end: nothing
/// of it is to be used any more.
// Not an `async fn`: that would hold the work twice, and there is one for each channel.
pub fn shielded<T>(
    what: &'static str,
    work: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    AssertUnwindSafe(work).catch_unwind().map(move |done| {
        if done.is_err() {
            // The panic's own words, with their place, are in the log already.
            tracing::error!("{what} panicked; its session is ended");
        }
        done.ok()
    })
}

/// Panics if the program was started with `SALLYPORT_FAULT=WORD` and what passes this point says
/// `WORD-POINT`: shows what a mistake in one session does to the others. Debug builds only; in all
/// others there is nothing here to call.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "a panic is what was asked for")]
pub fn fault<T: AsRef<[u8]>>(point: &str, passing: impl FnOnce() -> T) {
    use std::sync::OnceLock;
    static WORD: OnceLock<Option<String>> = OnceLock::new();
    let word = WORD.get_or_init(|| std::env::var("SALLYPORT_FAULT").ok());
    let Some(word) = word.as_deref().filter(|word| !word.is_empty()) else {
        return;
    };
    let call = format!("{word}-{point}");
    let passing = passing();
    if passing
        .as_ref()
        .windows(call.len())
        .any(|part| part == call.as_bytes())
    {
        std::panic::panic_any(format!("a fault was asked for: {point}"));
    }
}

/// Nothing: faults cannot be asked for in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn fault<T: AsRef<[u8]>>(_: &str, _: impl FnOnce() -> T) {}
