//! Panics: those the product catches go on, all others end the run.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes panics instead of ending the process at once, as the fuzzer would: the product is allowed
/// to catch those of the terminal model.
pub fn watch() {
    panic::set_hook(Box::new(|panicked| {
        LAST.with(|last| *last.borrow_mut() = Some(panicked.to_string()));
    }));
}

/// Did anything panic since the last call?
pub fn caught() -> bool {
    LAST.with(|last| last.borrow_mut().take()).is_some()
}

/// What the last panic since the last call said, with its place.
pub fn last() -> Option<String> {
    LAST.with(|last| last.borrow_mut().take())
}

/// A panic that comes out of `run` ends the process, with its message.
pub fn fatal(run: impl FnOnce()) {
    if panic::catch_unwind(AssertUnwindSafe(run)).is_err() {
        let message = LAST.with(|last| last.borrow_mut().take());
        eprintln!("\n{}", message.unwrap_or_default());
        std::process::abort();
    }
}
