//! Typing and output in any order: every byte typed gets one verdict, in order, and nothing that
//! was never shown comes out in clear.

use std::time::Duration;

use sallyport_recorder::{EchoTracker, Verdict, Verdicts};

use crate::allocated;
use crate::input::Input;

/// What was typed, and what became of it.
#[derive(Default)]
struct Typed {
    bytes: Vec<u8>,
    decided: usize,
    revealed: Vec<u8>,
}

impl Typed {
    fn take(&mut self, verdicts: Verdicts) {
        for verdict in verdicts {
            let len = match &verdict {
                Verdict::Reveal(bytes) => bytes.len(),
                Verdict::KeepMasked(n) => *n as usize,
            };
            let meant = &self.bytes[self.decided..][..len];
            if let Verdict::Reveal(bytes) = verdict {
                assert!(bytes == meant, "revealed is what was typed, in its order");
                self.revealed.extend(bytes);
            }
            self.decided += len;
        }
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut shown = Vec::new();
    let mut typed = Typed::default();
    allocated::at_most((1 << 20) + 64 * data.len(), || {
        let mut tracker = EchoTracker::new();
        let mut now = Duration::from_secs(10);
        while !input.is_empty() {
            match input.byte() {
                kind @ 0..96 => {
                    let chunk = input.take(usize::from(kind) + 1);
                    typed.bytes.extend_from_slice(chunk);
                    tracker.typed(now, chunk);
                }
                kind @ 96..224 => {
                    let chunk = input.take(usize::from(kind) - 95);
                    shown.extend_from_slice(chunk);
                    typed.take(tracker.shown(now, chunk));
                }
                kind @ 224.. => {
                    now += Duration::from_millis(20 + 100 * u64::from(kind - 224));
                    if tracker.flush_at().is_some_and(|at| at <= now) {
                        typed.take(tracker.flush());
                    }
                }
            }
            assert_eq!(typed.bytes.len() - typed.decided, tracker.withheld());
        }
        typed.take(tracker.flush());
        assert_eq!(tracker.withheld(), 0);
    });
    assert_eq!(
        typed.decided,
        typed.bytes.len(),
        "every byte gets its verdict"
    );
    // Answers of full-screen programs need not show the key.
    if !shown.contains(&0x1b) {
        let secret = |byte: &&u8| byte.is_ascii_graphic() && !shown.contains(byte);
        let leaked = typed.revealed.iter().find(secret);
        // A key inside an escape sequence is no character typed.
        if !typed.bytes.contains(&0x1b) {
            assert_eq!(leaked, None, "revealed, and never shown");
        }
    }
}
