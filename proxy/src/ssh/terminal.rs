//! What is typed into a terminal and what is echoed, on its way to the tape.
//!
//! Typed bytes are written to the tape masked, before they go to the target, and revealed when the
//! target has echoed them: what is typed while the terminal does not echo stays masked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sallyport_recorder::{EchoTracker, Record, Verdict, Verdicts};

use crate::recording::{RecordingLost, Tape};

/// The terminal of one channel.
pub struct Terminal {
    zero: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since somebody typed.
    echo: Option<EchoTracker>,
    /// Asked for, not started yet: TERM, columns, rows.
    size: Option<(String, u16, u16)>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self {
            zero: Instant::now(),
            state: Mutex::default(),
        }
    }
}

impl Terminal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client asked for it, or resized it.
    pub fn set_size(&self, term: Option<&str>, cols: u32, rows: u32) -> (u16, u16) {
        let (cols, rows) = (clamp(cols, 80), clamp(rows, 24));
        let mut state = self.state();
        match (term, &mut state.size) {
            (Some(term), size) => *size = Some((term.to_owned(), cols, rows)),
            (None, Some(size)) => (size.1, size.2) = (cols, rows),
            (None, None) => {}
        }
        (cols, rows)
    }

    /// TERM, columns and rows, if the client asked for a terminal.
    pub fn size(&self) -> Option<(String, u16, u16)> {
        self.state().size.clone()
    }

    /// Records typed bytes, masked. Held while writing, so that no echo overtakes what it echoes.
    pub fn typed(&self, tape: &Tape, channel: u32, data: &[u8]) -> Result<(), RecordingLost> {
        let mut state = self.state();
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        tape.write(&[Record::InputMasked { channel, bytes }], data.len())?;
        state
            .echo
            .get_or_insert_default()
            .typed(self.zero.elapsed(), data);
        Ok(())
    }

    /// Records output, and before it what it reveals.
    pub fn shown(
        &self,
        tape: &Tape,
        channel: u32,
        stderr: bool,
        data: &[u8],
    ) -> Result<(), RecordingLost> {
        let mut state = self.state();
        let output = Record::Output {
            channel,
            stderr,
            data,
        };
        match &mut state.echo {
            Some(echo) if echo.withheld() > 0 => {
                let verdicts = echo.shown(self.zero.elapsed(), data);
                let mut records = to_records(channel, &verdicts);
                records.push(output);
                tape.write(&records, data.len())
            }
            Some(_) | None => tape.write(&[output], data.len()),
        }
    }

    /// Decides what is still withheld.
    pub fn flush(&self, tape: &Tape, channel: u32) -> Result<(), RecordingLost> {
        let mut state = self.state();
        let Some(echo) = &mut state.echo else {
            return Ok(());
        };
        let verdicts = echo.flush();
        if verdicts.is_empty() {
            return Ok(());
        }
        tape.write(&to_records(channel, &verdicts), 0)
    }

    /// How long until [`Terminal::flush`] is due.
    pub fn flush_in(&self) -> Option<Duration> {
        let due = self.state().echo.as_ref()?.flush_at()?;
        Some(due.saturating_sub(self.zero.elapsed()))
    }
}

fn to_records(channel: u32, verdicts: &Verdicts) -> Vec<Record<'_>> {
    verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Reveal(data) => Record::InputRevealed { channel, data },
            Verdict::KeepMasked(bytes) => Record::InputKeptMasked {
                channel,
                bytes: *bytes,
            },
        })
        .collect()
}

/// A size a screen can have; 0 means unknown (RFC 4254 section 6.2).
fn clamp(size: u32, unknown: u16) -> u16 {
    match u16::try_from(size) {
        Ok(0) => unknown,
        Ok(size) => size.min(1000),
        Err(_) => 1000,
    }
}
