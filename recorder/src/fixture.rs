//! What the tests of this crate share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{TimeZone, Utc};
use sallyport_domain::event::Event;
use uuid::Uuid;

use crate::{Record, TapeHeader, TapeReader, TapeWriter, Timed};

pub fn header() -> TapeHeader {
    let started = Utc.with_ymd_and_hms(2025, 3, 9, 23, 59, 58).unwrap();
    let mut header = TapeHeader::new(Uuid::new_v4().into(), Uuid::new_v4().into(), started);
    header.user = "alice".into();
    header.host = "db1".into();
    header.account = "root".into();
    header.activity = "shell".into();
    header
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A folder in memory where there is one: tests that finish hundreds of tapes need no real disk.
pub fn memory_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Writes a small tape with `frames` frames of different kinds; leaves it unfinished.
pub fn write_some(dir: &Path, frames: u64) -> TapeWriter {
    let mut writer = TapeWriter::create(dir, &header()).unwrap();
    let event = Event::Unlocked { by: "carol".into() };
    for n in 0..frames {
        let text = format!("line {n}\r\n");
        let records = [
            Record::Output {
                channel: 3,
                stderr: false,
                data: text.as_bytes(),
            },
            Record::InputMasked {
                channel: 3,
                bytes: 1,
            },
            Record::Marker(&event),
        ];
        let count = 1 + usize::try_from(n % 3).unwrap();
        writer.append_at(ms(n * 10), &records[..count]).unwrap();
    }
    writer
}

pub fn entries(path: &Path) -> Vec<Timed> {
    let mut reader = TapeReader::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(timed) = reader.next().unwrap() {
        all.push(timed);
    }
    all
}

/// A tape with these records, finished.
pub fn tape(dir: &Path, records: &[(u64, Record<'_>)]) -> PathBuf {
    let mut writer = TapeWriter::create(dir, &header()).unwrap();
    for (at, record) in records {
        writer.append_at(ms(*at), &[*record]).unwrap();
    }
    let path = writer.path().to_owned();
    writer.finish(None).unwrap();
    path
}
