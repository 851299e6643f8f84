//! The tape of a live connection, shared by its pumps and its driver.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sallyport_domain::close::CloseReason;
use sallyport_domain::declared::RecordingMode;
use sallyport_domain::event::Event;
use sallyport_recorder::{Finished, Record, TapeError, TapeWriter};

/// Nothing may pass: the tape cannot hold it and the mode is strict.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RecordingLost(pub String);

/// Where a connection's bytes go before they go anywhere else (law 1).
pub struct Tape {
    mode: RecordingMode,
    state: Mutex<State>,
    path: Option<PathBuf>,
}

struct State {
    writer: Option<TapeWriter>,
    /// Bytes that could not be written since the last record (best effort only).
    gap: u64,
    /// Bytes that could not be written and are not in the log yet.
    unreported: u64,
}

impl Tape {
    /// A tape in `mode`; no writer when nothing is recorded.
    pub fn new(mode: RecordingMode, writer: Option<TapeWriter>) -> Self {
        let path = writer.as_ref().map(|writer| writer.path().to_owned());
        Self {
            mode,
            state: Mutex::new(State {
                writer,
                gap: 0,
                unreported: 0,
            }),
            path,
        }
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `records`, which describe `bytes` bytes about to pass. After `Ok` they may pass.
    ///
    /// Under `best_effort` a failure is counted and the gap is marked as soon as the tape takes
    /// records again; under `strict` it is the end.
    pub fn write(&self, records: &[Record<'_>], bytes: usize) -> Result<(), RecordingLost> {
        let mut state = self.state();
        let State {
            writer: Some(writer),
            gap,
            unreported,
        } = &mut *state
        else {
            return Ok(());
        };
        let written = if *gap == 0 {
            writer.append(records)
        } else {
            writer
                .append(&[Record::Gap { bytes: *gap }])
                .and_then(|()| {
                    *gap = 0;
                    writer.append(records)
                })
        };
        match (written, self.mode) {
            (Ok(()), _) => Ok(()),
            (Err(error), RecordingMode::Strict) => Err(RecordingLost(error.to_string())),
            (Err(_), RecordingMode::BestEffort | RecordingMode::Off) => {
                *gap += bytes as u64;
                *unreported += bytes as u64;
                Ok(())
            }
        }
    }

    /// Bytes that passed unrecorded since the last call, for the session's log.
    pub fn take_gap(&self) -> Option<u64> {
        let bytes = std::mem::take(&mut self.state().unreported);
        (bytes > 0).then_some(bytes)
    }

    /// Puts a fact on the time line.
    pub fn mark(&self, event: &Event) -> Result<(), RecordingLost> {
        self.write(&[Record::Marker(event)], 0)
    }

    /// Ends the tape; nothing can be written afterwards. `None` if there is none.
    pub fn finish(&self, reason: Option<&CloseReason>) -> Option<Result<Finished, TapeError>> {
        let (writer, gap) = {
            let mut state = self.state();
            (state.writer.take(), state.gap)
        };
        writer.map(|mut writer| {
            if gap > 0 {
                writer.append(&[Record::Gap { bytes: gap }])?;
            }
            writer.finish(reason)
        })
    }
}
