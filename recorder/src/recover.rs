//! Finishing what a crash left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::format;
use crate::frames::{Frames, Next};
use crate::sync::Medium;
use crate::writer::{Resume, lock_and_register, sync_folder};
use crate::{Finished, TapeError, TapeWriter, codec};

/// Folders below the tape folder: year, month, day.
const DEPTH: usize = 3;

/// What recovery found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The tape as it is now.
    pub finished: Finished,
    /// Bytes of the torn end that were cut off.
    pub torn_bytes: u64,
    /// It was finished already; nothing was done.
    pub already: bool,
}

/// Cuts a torn end and adds a final frame that says so. A frame that is merely short was never
/// acknowledged; whatever else is cut (a damaged disk, a hand in the file) is kept beside the
/// tape as `<tape>.torn`. A finished tape is left as it is, and so is one that is being written
/// ([`TapeError::InUse`]).
pub fn recover(path: &Path) -> Result<Recovered, TapeError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| TapeError::io("open", path, e))?;
    let reading = file
        .try_clone()
        .map_err(|e| TapeError::io("open", path, e))?;
    let medium = lock_and_register(file, path)?;
    let mut frames = Frames::of(reading, path)?;
    let scan = scan(&mut frames)?;
    if scan.finished {
        return Ok(Recovered {
            finished: Finished {
                bytes: frames.offset(),
                root: frames.chain(),
                frames: frames.seq(),
                duration: scan.last,
            },
            torn_bytes: 0,
            already: true,
        });
    }
    let torn_bytes = frames.file_len()?.saturating_sub(frames.offset());
    if scan.damaged {
        keep_torn(path, &frames, torn_bytes)?;
    }
    let resume = Resume {
        first: *frames.first(),
        chain: frames.chain(),
        seq: frames.seq(),
        records: scan.records,
        offset: frames.offset(),
        last: scan.last,
    };
    let finished = close(medium, path, resume, torn_bytes)?;
    Ok(Recovered {
        finished,
        torn_bytes,
        already: false,
    })
}

fn close(
    mut medium: impl Medium + 'static,
    path: &Path,
    resume: Resume,
    torn_bytes: u64,
) -> Result<Finished, TapeError> {
    medium
        .truncate(resume.offset)
        .map_err(|e| TapeError::io("cut", path, e))?;
    let last = resume.last;
    let mut writer = TapeWriter::resume(Box::new(medium), path.to_owned(), resume);
    writer.close(last, torn_bytes, true, None)
}

struct Scan {
    records: u64,
    last: Duration,
    finished: bool,
    damaged: bool,
}

fn scan(frames: &mut Frames) -> Result<Scan, TapeError> {
    let mut scan = Scan {
        records: 0,
        last: Duration::ZERO,
        finished: false,
        damaged: false,
    };
    loop {
        match frames.advance()? {
            Next::Data(range) => {
                let (records, last) = codec::count(frames.payload(range));
                scan.records += records;
                scan.last = last.unwrap_or(scan.last);
            }
            Next::Final(closing) => {
                scan.finished = true;
                scan.last = Duration::from_micros(closing.duration_us);
                return Ok(scan);
            }
            Next::End | Next::Short => return Ok(scan),
            Next::Bad(_) => {
                scan.damaged = true;
                return Ok(scan);
            }
        }
    }
}

/// Copies what is about to be cut.
fn keep_torn(path: &Path, frames: &Frames, torn_bytes: u64) -> Result<(), TapeError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".torn");
    let beside = PathBuf::from(beside);
    let failed = |e: io::Error| TapeError::io("write", &beside, e);
    let source = File::open(path).map_err(failed)?;
    let copy = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    let mut chunk = vec![0; 256 << 10];
    let mut done = 0;
    while done < torn_bytes {
        let n = source
            .read_at(&mut chunk, frames.offset() + done)
            .map_err(failed)?;
        if n == 0 {
            break;
        }
        copy.write_all_at(&chunk[..n], done).map_err(failed)?;
        done += n as u64;
    }
    copy.sync_all().map_err(failed)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        Some(_) | None => Ok(()),
    }
}

/// Tapes that nobody writes.
#[derive(Debug, Default)]
pub struct Shelf {
    /// With a final frame.
    pub finished: Vec<PathBuf>,
    /// Without: a crash left them behind.
    pub unfinished: Vec<PathBuf>,
}

/// The files in `dir` and below that are named like tapes, in the order of their names. None of them is
/// opened. A folder that does not exist holds none.
pub fn tapes(dir: &Path) -> Result<Vec<PathBuf>, TapeError> {
    let mut tapes = Vec::new();
    if dir.is_dir() {
        walk(dir, DEPTH, &mut tapes)?;
    }
    tapes.sort();
    Ok(tapes)
}

fn walk(dir: &Path, depth: usize, tapes: &mut Vec<PathBuf>) -> Result<(), TapeError> {
    let failed = |e| TapeError::io("read", dir, e);
    for item in fs::read_dir(dir).map_err(failed)? {
        let item = item.map_err(failed)?;
        let kind = item.file_type().map_err(failed)?;
        let path = item.path();
        if kind.is_dir() && depth > 0 {
            walk(&path, depth - 1, tapes)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == format::EXTENSION) {
            tapes.push(path);
        }
    }
    Ok(())
}

/// Looks into each of these files. Those that are no tapes are passed over with a warning: a crash before
/// the header was written leaves one, and a power cut before it was on the disk.
pub fn shelf(tapes: Vec<PathBuf>) -> Result<Shelf, TapeError> {
    let mut shelf = Shelf::default();
    for tape in tapes {
        put(tape, &mut shelf)?;
    }
    Ok(shelf)
}

fn put(path: PathBuf, shelf: &mut Shelf) -> Result<(), TapeError> {
    let frames = match Frames::open(&path) {
        Ok(frames) => frames,
        Err(error @ (TapeError::NotATape { .. } | TapeError::Version { .. })) => {
            tracing::warn!(error = %error, "passed over a file in the tape folder");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if frames.ends_finished()? {
        shelf.finished.push(path);
        return Ok(());
    }
    match frames.into_file().try_lock_shared() {
        Ok(()) => shelf.unfinished.push(path),
        Err(fs::TryLockError::WouldBlock) => {}
        Err(fs::TryLockError::Error(e)) => return Err(TapeError::io("lock", &path, e)),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
