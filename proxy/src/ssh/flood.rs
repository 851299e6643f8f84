//! A terminal that floods is handed on in larger pieces.
//!
//! A target writes a terminal's output in packets of a few kilobytes. Each one on its own costs a
//! write to the tape and one to the client; when they come in thousands a second, a rest of a
//! millisecond or two between them joins dozens into one, and nobody can see it.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The length of a turn, and the shortest rest.
const TURN: Duration = Duration::from_millis(1);
/// Output of one turn from which on there is a rest; a screenful is far below.
const FLOOD: usize = 32 << 10;

/// Watches how fast a terminal's output passes.
pub struct Flood {
    begun: Instant,
    passed: usize,
    resting: bool,
    // Made once: it lives as long as the channel.
    alarm: Pin<Box<Sleep>>,
}

impl Flood {
    /// Nothing has passed yet.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            passed: 0,
            resting: false,
            alarm: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// So many bytes passed, and `waiting` are here already: those are a large piece without a rest.
    pub fn passed(&mut self, bytes: usize, waiting: usize) {
        let now = Instant::now();
        if now.duration_since(self.begun) > TURN {
            (self.begun, self.passed) = (now, 0);
        }
        self.passed += bytes;
        if self.passed >= FLOOD && waiting < FLOOD {
            self.resting = true;
            self.alarm.as_mut().reset(now + TURN);
        }
    }

    /// Is it time for a rest?
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// Until the rest is over.
    pub async fn rest(&mut self) {
        self.alarm.as_mut().await;
        self.resting = false;
        (self.begun, self.passed) = (Instant::now(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_flood_rests() {
        let mut flood = Flood::new();
        for _ in 0..5 {
            flood.passed(FLOOD / 2, 0);
            assert!(!flood.is_resting(), "a screenful every now and then");
            sleep(2 * TURN).await;
        }
        flood.passed(FLOOD, FLOOD);
        assert!(!flood.is_resting(), "the next piece is large");
        flood.passed(FLOOD, 0);
        assert!(flood.is_resting());
        flood.rest().await;
        assert!(!flood.is_resting());
        flood.passed(1, 0);
        assert!(!flood.is_resting());
    }
}
