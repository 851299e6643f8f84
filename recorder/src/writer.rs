//! Writing a tape.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sallyport_domain::close::CloseReason;

use crate::format::{self, Chain, FRAME_HEAD, FrameKind, MAX_PAYLOAD};
use crate::sync::{Medium, SyncedFile};
use crate::{Closing, Record, TapeError, TapeHeader, codec};

/// Buffers above this are given back when frames get small again: an idle session keeps little.
const KEEP_BUFFER: usize = 16 << 10;

/// Writes one tape. Calls are synchronous, one `write(2)` each; when one answers `Ok`, the
/// records are in the file.
pub struct TapeWriter {
    path: PathBuf,
    medium: Box<dyn Medium>,
    started: Instant,
    last: Duration,
    first: Chain,
    chain: Chain,
    seq: u64,
    records: u64,
    /// Size of the file; everything before it is whole frames.
    bytes: u64,
    buffer: Vec<u8>,
    poisoned: Option<String>,
}

/// What is known of a finished tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Size of the file.
    pub bytes: u64,
    /// Last value of its chain, the final frame included.
    pub root: [u8; 32],
    /// Frames, the final one included.
    pub frames: u64,
    /// From its start to its end.
    pub duration: Duration,
}

impl TapeWriter {
    /// Makes `<dir>/YYYY/MM/DD/<connection>.tape` (day of `started_at`, mode 0600) and writes the
    /// header. It may block for as long as the disk takes.
    pub fn create(dir: &Path, header: &TapeHeader) -> Result<Self, TapeError> {
        let day = header.started_at.format("%Y/%m/%d").to_string();
        let folder = dir.join(day);
        make_folders(dir, &folder)?;
        let path = folder.join(format!("{}.{}", header.connection, format::EXTENSION));
        let file = match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(TapeError::Exists { path });
            }
            Err(e) => return Err(TapeError::io("create", &path, e)),
        };
        let made = lock_and_register(file, &path)
            .and_then(|medium| Self::on(Box::new(medium), path.clone(), header));
        if made.is_err() {
            // Nothing was recorded yet; what is left would only look like a torn tape.
            let _ = fs::remove_file(&path);
        }
        made
    }

    /// Writes the header to an empty medium.
    pub(crate) fn on(
        medium: Box<dyn Medium>,
        path: PathBuf,
        header: &TapeHeader,
    ) -> Result<Self, TapeError> {
        let (bytes, first) = format::encode_header(header)
            .map_err(|e| TapeError::io("encode the header of", &path, e.into()))?;
        let mut writer = Self {
            path,
            medium,
            started: Instant::now(),
            last: Duration::ZERO,
            first,
            chain: first,
            seq: 0,
            records: 0,
            bytes: 0,
            buffer: bytes,
            poisoned: None,
        };
        writer.write_buffer()?;
        Ok(writer)
    }

    /// Goes on behind the last good frame of a tape that recovery read.
    pub(crate) fn resume(medium: Box<dyn Medium>, path: PathBuf, at: Resume) -> Self {
        Self {
            path,
            medium,
            started: Instant::now(),
            last: at.last,
            first: at.first,
            chain: at.chain,
            seq: at.seq,
            records: at.records,
            bytes: at.offset,
            buffer: Vec::new(),
            poisoned: None,
        }
    }

    /// Appends records as one frame, stamped with the time since [`TapeWriter::create`]. On an
    /// error nothing of them is on the tape, and nothing of them may be relayed.
    pub fn append(&mut self, records: &[Record<'_>]) -> Result<(), TapeError> {
        self.append_at(self.started.elapsed(), records)
    }

    /// The same at a given time since the tape's start; a time before the last one counts as that.
    pub fn append_at(&mut self, at: Duration, records: &[Record<'_>]) -> Result<(), TapeError> {
        if records.is_empty() {
            return Ok(());
        }
        let at = at.max(self.last);
        self.begin_frame();
        for record in records {
            codec::encode(at, record, &mut self.buffer)
                .map_err(|e| TapeError::io("encode a record for", &self.path, e.into()))?;
        }
        self.write_frame(FrameKind::Data)?;
        self.last = at;
        self.records += records.len() as u64;
        Ok(())
    }

    /// Where the tape is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The time since the tape's start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes the final frame and waits for the disk. Blocks for as long as that takes.
    pub fn finish(mut self, reason: Option<&CloseReason>) -> Result<Finished, TapeError> {
        let duration = self.started.elapsed().max(self.last);
        self.close(duration, 0, false, reason)
    }

    pub(crate) fn close(
        &mut self,
        duration: Duration,
        torn_bytes: u64,
        recovered: bool,
        reason: Option<&CloseReason>,
    ) -> Result<Finished, TapeError> {
        let closing = Closing {
            recovered,
            torn_bytes,
            records: self.records,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            reason: reason.cloned(),
        };
        self.begin_frame();
        serde_json::to_writer(&mut self.buffer, &closing)
            .map_err(|e| TapeError::io("encode the end of", &self.path, e.into()))?;
        let trailer = format::trailer(self.bytes, &self.first);
        self.buffer.extend_from_slice(&trailer);
        self.write_frame(FrameKind::Final)?;
        self.flush()?;
        Ok(Finished {
            bytes: self.bytes,
            root: self.chain,
            frames: self.seq,
            duration: Duration::from_micros(closing.duration_us),
        })
    }

    fn begin_frame(&mut self) {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEAD, 0);
    }

    fn write_frame(&mut self, kind: FrameKind) -> Result<(), TapeError> {
        let payload = self.buffer.len() - FRAME_HEAD;
        if payload > MAX_PAYLOAD {
            self.buffer = Vec::new();
            return Err(TapeError::TooLarge {
                bytes: payload,
                limit: MAX_PAYLOAD,
            });
        }
        let chain = format::close_frame(&mut self.buffer, kind, self.seq, &self.chain);
        self.write_buffer()?;
        self.chain = chain;
        self.seq += 1;
        if self.buffer.capacity() > KEEP_BUFFER && payload < KEEP_BUFFER / 4 {
            self.buffer.clear();
            self.buffer.shrink_to(KEEP_BUFFER / 4);
        }
        Ok(())
    }

    /// Writes the buffer behind what is there, whole or not at all.
    fn write_buffer(&mut self) -> Result<(), TapeError> {
        if let Some(why) = self.medium.failed() {
            self.poisoned.get_or_insert(why);
        }
        if let Some(why) = &self.poisoned {
            return Err(TapeError::Poisoned {
                path: self.path.clone(),
                why: why.clone(),
            });
        }
        let mut done = 0;
        while done < self.buffer.len() {
            let at = self.bytes + done as u64;
            let error = match self.medium.write_at(&self.buffer[done..], at) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(n) => {
                    done += n;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => e,
            };
            // A part of the frame may be there: readers would stop at it, and so would recovery.
            if let Err(again) = self.medium.truncate(self.bytes) {
                self.poisoned = Some(format!("{error}, then {again}"));
            }
            return Err(TapeError::io("write", &self.path, error));
        }
        self.bytes += done as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TapeError> {
        self.medium.sync().map_err(|error| {
            self.poisoned = Some(error.to_string());
            TapeError::io("flush", &self.path, error)
        })
    }
}

/// Where writing goes on.
pub(crate) struct Resume {
    pub first: Chain,
    pub chain: Chain,
    pub seq: u64,
    pub records: u64,
    pub offset: u64,
    pub last: Duration,
}

/// The lock says "being written": it ends with the process, however that ends.
pub(crate) fn lock_and_register(file: File, path: &Path) -> Result<SyncedFile, TapeError> {
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(TapeError::InUse {
                path: path.to_owned(),
            });
        }
        Err(fs::TryLockError::Error(e)) => return Err(TapeError::io("lock", path, e)),
    }
    // Opened now: for want of a descriptor a tape may be refused, but not break off later.
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => Some(File::open(folder)),
        Some(_) | None => None,
    };
    folder
        .transpose()
        .and_then(|folder| SyncedFile::new(file, folder))
        .map_err(|e| TapeError::io("flush", path, e))
}

/// Makes the day's folder (0700), and sees that each new one is in its parent on the disk.
fn make_folders(dir: &Path, folder: &Path) -> Result<(), TapeError> {
    let mut missing = Vec::new();
    let mut at = Some(folder);
    while let Some(path) = at.filter(|path| !path.as_os_str().is_empty() && !path.is_dir()) {
        missing.push(path);
        at = path.parent();
    }
    if missing.is_empty() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| TapeError::io("make", dir, e))?;
    for path in missing {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), TapeError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| TapeError::io("flush", folder, e))
}

#[cfg(test)]
mod tests;
