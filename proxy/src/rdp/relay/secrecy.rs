//! When keys may be those of a password: they are not recorded then, whatever the profile says.
//!
//! Nothing on the wire tells that a password is asked for. What leads to such a place is known: the keys that call the
//! secure desktop, and those that lock the screen.

use std::collections::HashSet;
use std::time::Duration;

use sallyport_dissect::rdp::input::{Event, Key};
use tokio::time::Instant;

/// How long after one of those keys a password is likely.
const LASTS: Duration = Duration::from_secs(120);

/// Scancodes; the bit of extended keys does not matter for them.
const CONTROL: u8 = 0x1d;
const ALT: u8 = 0x38;
const DELETE: u8 = 0x53;
const LEFT_WINDOWS: u8 = 0x5b;
const RIGHT_WINDOWS: u8 = 0x5c;
const L: u8 = 0x26;

/// Follows the keys.
#[derive(Debug, Default)]
pub struct Secrecy {
    down: HashSet<u8>,
    until: Option<Instant>,
}

impl Secrecy {
    /// A key went down or up, or something else happened.
    pub fn see(&mut self, event: &Event, now: Instant) {
        let Event::Key(Key { code, down, .. }) = *event else {
            return;
        };
        match down {
            true => self.down.insert(code),
            false => self.down.remove(&code),
        };
        let has = |code| self.down.contains(&code);
        let calls_log_in = code == DELETE && has(CONTROL) && has(ALT);
        let locks = code == L && (has(LEFT_WINDOWS) || has(RIGHT_WINDOWS));
        if down && (calls_log_in || locks) {
            self.until = Some(now + LASTS);
        }
    }

    /// Is a password likely?
    pub fn is_likely(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_keys_that_lead_to_a_password_nothing_is_recorded_for_a_while() {
        let start = Instant::now();
        for (keys, likely) in [
            (&[CONTROL, ALT, DELETE][..], true),
            (&[LEFT_WINDOWS, L], true),
            (&[RIGHT_WINDOWS, L], true),
            (&[CONTROL, DELETE], false),
            (&[L], false),
        ] {
            let mut secrecy = Secrecy::default();
            for code in keys {
                let key = Key {
                    code: *code,
                    extended: false,
                    down: true,
                };
                secrecy.see(&Event::Key(key), start);
            }
            assert_eq!(secrecy.is_likely(start), likely, "{keys:?}");
            assert!(!secrecy.is_likely(start + LASTS));
        }
        let mut secrecy = Secrecy::default();
        for (code, down) in [(ALT, true), (ALT, false), (CONTROL, true), (DELETE, true)] {
            let extended = false;
            let key = Key {
                code,
                extended,
                down,
            };
            secrecy.see(&Event::Key(key), start);
        }
        assert!(!secrecy.is_likely(start), "Alt was let go before");
    }
}
