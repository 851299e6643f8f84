//! What is on a tape and on its picture track, while they are written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;
use sallyport_recorder::track::path_of;
use sallyport_recorder::{Entry, PictureReader, PictureTail, TapeHeader, TapeReader};
use sallyport_tests::harness::{Gateway, tapes};

/// For a painter that is far behind.
const PATIENCE: Duration = Duration::from_secs(600);

/// A desktop's tape, with its track.
pub struct Film {
    tape: PathBuf,
    header: TapeHeader,
}

/// How much there is.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// PDUs that passed, in both directions, in bytes.
    pub stream: f64,
    /// Bytes of the tape.
    pub tape: f64,
    /// Bytes of the track.
    pub track: f64,
}

impl Film {
    /// Of the newest session.
    pub fn newest(gateway: &Gateway) -> Self {
        let tape = tapes(gateway.data()).pop().expect("there is a tape");
        let reader = TapeReader::open(&tape).expect("a tape");
        let header = reader.header().clone();
        Self { tape, header }
    }

    /// Bytes of the tape.
    pub fn bytes(&self) -> f64 {
        len(&self.tape)
    }

    /// All sizes.
    pub fn sizes(&self) -> Sizes {
        let (tape, track) = (self.bytes(), len(&path_of(&self.tape)));
        let mut reader = TapeReader::open(&self.tape).expect("a tape");
        let mut stream = 0;
        while let Some(timed) = reader.next().expect("a sound tape") {
            if let Entry::FromTarget { pdus } | Entry::FromClient { pdus } = timed.entry {
                stream += pdus.len();
            }
        }
        Sizes {
            stream: stream as f64,
            tape,
            track,
        }
    }

    /// By how many seconds the track is behind now.
    pub fn lag(&self) -> f64 {
        let mut track = PictureTail::open(&path_of(&self.tape), &self.header).expect("a track");
        let items = track.poll(usize::MAX).expect("a sound track");
        let shown = items.last().map_or(Duration::ZERO, |item| item.at);
        let now = (Utc::now() - self.header.started_at).to_std();
        now.unwrap_or_default().saturating_sub(shown).as_secs_f64()
    }

    /// Waits until all of a tape that ended is on its track; answers how many seconds that took.
    pub fn wait_whole(&self) -> f64 {
        let start = Instant::now();
        loop {
            let track = PictureReader::open(&path_of(&self.tape), &self.header).expect("a track");
            if track.closed().expect("a sound track").is_some() {
                return start.elapsed().as_secs_f64();
            }
            assert!(start.elapsed() < PATIENCE, "a track is not finished");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Removes it: hours of noise are many gigabytes.
    pub fn remove(self) {
        for path in [path_of(&self.tape), self.tape] {
            let _ = fs::remove_file(path);
        }
    }
}

fn len(path: &Path) -> f64 {
    fs::metadata(path).map_or(0.0, |file| file.len() as f64)
}
