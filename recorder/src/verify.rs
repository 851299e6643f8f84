//! Checking a tape, offline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::frames::{Frames, Next};
use crate::{Closing, TapeError, TapeHeader, codec};

/// What a check of a tape found.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Which file.
    pub path: PathBuf,
    /// What it says about itself.
    pub header: TapeHeader,
    /// Good frames.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Time of the last record, in seconds with fraction.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// Last good value of the chain, in hex.
    pub root: String,
    /// What the final frame says; none if there is none.
    pub closing: Option<Closing>,
    /// The first frame that does not hold together.
    pub bad: Option<BadFrame>,
}

/// A frame that does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadFrame {
    /// Where it begins.
    pub offset: u64,
    /// Its number, from 0.
    pub frame: u64,
    /// What is wrong with it.
    pub why: String,
}

impl VerifyReport {
    /// Every frame holds together and the final one is there?
    pub fn is_whole(&self) -> bool {
        self.bad.is_none() && self.closing.is_some()
    }
    /// Is the final frame there?
    pub fn finished(&self) -> bool {
        self.closing.is_some()
    }
}

/// Why a file could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be opened, or is no tape.
    #[error(transparent)]
    Tape(#[from] TapeError),
}

fn seconds<S: serde::Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(duration.as_secs_f64())
}

/// Checks every frame of a tape: lengths, checksums, order, chain, and that nothing follows the
/// final frame. Works on a tape that is being written as well: it is then not finished.
pub fn verify(path: &Path) -> Result<VerifyReport, VerifyError> {
    let mut frames = Frames::open(path)?;
    let mut records = 0;
    let mut duration = Duration::ZERO;
    let mut closing = None;
    let mut why: Option<String> = None;
    loop {
        match frames.advance()? {
            Next::Data(_) | Next::Final(_) if closing.is_some() => {
                why = Some("a frame follows the final one".to_owned());
                break;
            }
            Next::Data(range) => {
                let (count, last) = codec::count(frames.payload(range));
                records += count;
                duration = last.unwrap_or(duration);
            }
            Next::Final(end) => {
                duration = Duration::from_micros(end.duration_us);
                closing = Some(end);
            }
            Next::End => break,
            Next::Short => {
                why = Some("the frame is cut off".to_owned());
                break;
            }
            Next::Bad(what) => {
                why = Some(what.to_owned());
                break;
            }
        }
    }
    if let Some(end) = closing.as_ref().filter(|end| end.records != records) {
        why.get_or_insert_with(|| {
            format!("{} records were written, {records} are here", end.records)
        });
    }
    Ok(VerifyReport {
        path: path.to_owned(),
        header: frames.header().clone(),
        frames: frames.seq(),
        records,
        bytes: frames.file_len()?,
        duration,
        root: hex::encode(frames.chain()),
        closing,
        bad: why.map(|why| BadFrame {
            offset: frames.offset(),
            frame: frames.seq(),
            why,
        }),
    })
}

#[cfg(test)]
mod tests;
