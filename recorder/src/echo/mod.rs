//! Which typed input did the terminal echo?

use std::time::Duration;

/// What became of the oldest withheld bytes.
#[derive(PartialEq, Eq, Clone)]
pub enum Verdict {
    /// They were echoed: write them to the tape.
    Reveal(Vec<u8>),
    /// They stay masked for good.
    KeepMasked(u32),
}

/// Verdicts, in typing order.
pub type Verdicts = Vec<Verdict>;

/// Follows one terminal channel.
#[derive(Default)]
pub struct EchoTracker {}

#[allow(clippy::todo, missing_docs)]
impl EchoTracker {
    pub fn new() -> Self {
        Self::default()
    }
    /// The user typed. `now`: on any monotonic clock, the same in every call.
    pub fn typed(&mut self, now: Duration, data: &[u8]) {
        let _ = (now, data);
        todo!()
    }
    /// The target printed.
    pub fn shown(&mut self, now: Duration, data: &[u8]) -> Verdicts {
        let _ = (now, data);
        todo!()
    }
    /// Decides all that is withheld: at the channel's end, or when nothing came for two seconds.
    pub fn flush(&mut self) -> Verdicts {
        todo!()
    }
    /// How many bytes are withheld.
    pub fn withheld(&self) -> usize {
        todo!()
    }
    /// When [`EchoTracker::flush`] should be called, on the callers' clock.
    pub fn flush_at(&self) -> Option<Duration> {
        todo!()
    }
}
