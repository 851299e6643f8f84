//! Carrying written frames from the page cache to the disk, behind the writers' backs.
//!
//! A `kill -9` loses nothing that was written. A power cut does, until the disk has it: one thread
//! of the process goes over all tapes as often as it must for that to be at most one second. Not
//! oftener: while the file system writes, whoever types waits a millisecond for the tape.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What a power cut may take, less what a late wake-up may cost.
const AT_RISK: Duration = Duration::from_millis(850);
/// The shortest rest between two rounds, however slow the disk is.
const REST: Duration = Duration::from_millis(50);
/// So many tapes are flushed one after the other; beyond, on several threads, because the file
/// system joins flushes that wait at the same time.
const ONE_THREAD: usize = 8;
const MOST_THREADS: usize = 8;

/// Where a tape's bytes go. The file; in tests, one that fails on purpose.
pub(crate) trait Medium: Send {
    /// Writes at a place, maybe less than asked for.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Waits until the disk has everything.
    fn sync(&mut self) -> io::Result<()>;
    /// Why an earlier flush failed, if one did.
    fn failed(&self) -> Option<String>;
}

/// A file that the background thread flushes.
pub(crate) struct SyncedFile(Arc<Shared>);

struct Shared {
    file: File,
    /// The file's folder, until the disk knows for sure that the file is in it.
    folder: Mutex<Option<File>>,
    dirty: AtomicBool,
    failed: OnceLock<String>,
}

impl SyncedFile {
    /// From now on the file is flushed whenever it was written, until it is dropped. It may be new in
    /// `folder`: the first flush carries its place there as well.
    pub fn new(file: File, folder: Option<File>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            file,
            folder: Mutex::new(folder),
            dirty: AtomicBool::new(false),
            failed: OnceLock::new(),
        });
        register(&shared)?;
        Ok(Self(shared))
    }
}

impl Medium for SyncedFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let written = self.0.file.write_at(bytes, offset)?;
        // After the write: a flush that begins now carries these bytes.
        if !self.0.dirty.load(Ordering::Acquire) {
            self.0.dirty.store(true, Ordering::Release);
        }
        Ok(written)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.dirty.store(false, Ordering::Release);
        self.0.sync()
    }

    fn failed(&self) -> Option<String> {
        self.0.failed.get().cloned()
    }
}

impl Shared {
    fn flush(&self) {
        // Before the flush: what is written meanwhile makes it dirty again.
        if self.dirty.swap(false, Ordering::AcqRel)
            && let Err(error) = self.sync()
        {
            // The kernel tells a lost page once; the tape must not go on as if nothing were missing.
            let _ = self.failed.set(error.to_string());
            tracing::error!(error = %error, "a tape could not be flushed to the disk");
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        // Held meanwhile: nobody says that all is on the disk while another is still at it.
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = folder.as_ref() {
            open.sync_all()?;
            *folder = None;
        }
        Ok(())
    }
}

static TAPES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static FLUSHER: OnceLock<Thread> = OnceLock::new();

fn register(shared: &Arc<Shared>) -> io::Result<()> {
    if FLUSHER.get().is_none() {
        let spawned = thread::Builder::new()
            .name("tape-flush".to_owned())
            .spawn(run)?;
        // Two first tapes at once make two threads; both work, one too many does no harm.
        let _ = FLUSHER.set(spawned.thread().clone());
    }
    let mut tapes = TAPES.lock().unwrap_or_else(PoisonError::into_inner);
    tapes.push(Arc::downgrade(shared));
    drop(tapes);
    if let Some(thread) = FLUSHER.get() {
        thread.unpark();
    }
    Ok(())
}

fn run() {
    loop {
        let live = live_tapes();
        if live.is_empty() {
            thread::park();
            continue;
        }
        let dirty: Vec<_> = live
            .into_iter()
            .filter(|tape| tape.dirty.load(Ordering::Acquire))
            .collect();
        let begun = Instant::now();
        flush_all(&dirty);
        drop(dirty);
        thread::sleep(rest(begun.elapsed()));
    }
}

/// Until the next round. A byte that just missed this one, which took so long, waits for all of it,
/// then rests, and is safe at the end of the next, which may take as long.
fn rest(took: Duration) -> Duration {
    AT_RISK.saturating_sub(2 * took).max(REST)
}

fn live_tapes() -> Vec<Arc<Shared>> {
    let mut tapes = TAPES.lock().unwrap_or_else(PoisonError::into_inner);
    tapes.retain(|tape| tape.strong_count() > 0);
    tapes.iter().filter_map(Weak::upgrade).collect()
}

fn flush_all(dirty: &[Arc<Shared>]) {
    if dirty.len() <= ONE_THREAD {
        dirty.iter().for_each(|tape| tape.flush());
        return;
    }
    let share = dirty.len().div_ceil(MOST_THREADS);
    thread::scope(|scope| {
        for some in dirty.chunks(share) {
            let work = move || some.iter().for_each(|tape| tape.flush());
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                some.iter().for_each(|tape| tape.flush());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_takes_less_than_a_second() {
        for took in [0, 1, 50, 200, 300, 400].map(Duration::from_millis) {
            let lost = took + rest(took) + took;
            assert!(lost < Duration::from_secs(1), "{took:?}: {lost:?}");
        }
        assert_eq!(rest(Duration::from_secs(2)), REST);
    }

    #[test]
    fn the_first_flush_carries_the_place_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("tape")).unwrap();
        // A pipe cannot be flushed: standing in for a folder, it tells whether that is tried.
        let (pipe, _other) = io::pipe().unwrap();
        let unflushable = File::from(std::os::fd::OwnedFd::from(pipe));
        let mut file = SyncedFile::new(file, Some(unflushable)).unwrap();
        let refused = file.sync().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let folder = File::open(dir.path()).unwrap();
        *file.0.folder.lock().unwrap() = Some(folder);
        file.sync().unwrap();
        assert!(file.0.folder.lock().unwrap().is_none(), "once is enough");
    }
}
