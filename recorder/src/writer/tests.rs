use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use sallyport_domain::close::CloseReason;

use super::*;
use crate::fixture::{entries, header, ms, write_some};
use crate::{Ended, Entry, TapeReader, Timed, check_space, verify};

const OUT: Record<'static> = Record::Output {
    channel: 1,
    stderr: false,
    data: b"0123456789",
};

/// A medium in memory with a limited number of bytes, and faults on demand.
#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    room: usize,
    /// No write takes more than this.
    most: usize,
    error: Option<io::ErrorKind>,
    truncate_fails: bool,
    flush_failed: Option<String>,
}

impl Faulty {
    fn with_room(room: usize) -> Self {
        let state = State {
            room,
            most: usize::MAX,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn writer(&self) -> TapeWriter {
        TapeWriter::on(Box::new(self.clone()), "memory".into(), &header()).unwrap()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    /// What a reader of these bytes gets.
    fn read_back(&self) -> (Vec<Timed>, Ended) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy.tape");
        fs::write(&path, &self.0.lock().unwrap().bytes).unwrap();
        let mut reader = TapeReader::open(&path).unwrap();
        let mut all = Vec::new();
        while let Some(timed) = reader.next().unwrap() {
            all.push(timed);
        }
        (all, reader.ended())
    }
}

impl Medium for Faulty {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        assert_eq!(at, state.bytes.len(), "appends only");
        if let Some(error) = state.error {
            return Err(error.into());
        }
        let n = bytes.len().min(state.room - at).min(state.most);
        if n == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.bytes.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.truncate_fails {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        state.bytes.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self) -> Option<String> {
        self.0.lock().unwrap().flush_failed.clone()
    }
}

#[test]
fn the_file_lies_under_its_day_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let header = header();
    let tapes = dir.path().join("new/tapes");
    let writer = TapeWriter::create(&tapes, &header).unwrap();
    let expected = tapes.join(format!("2025/03/09/{}.tape", header.connection));
    assert_eq!(writer.path(), expected);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&expected), 0o600);
    assert_eq!(mode(&tapes.join("2025/03")), 0o700);
    assert_eq!(writer.bytes(), fs::metadata(&expected).unwrap().len());
    let again = TapeWriter::create(&tapes, &header);
    assert!(matches!(again, Err(TapeError::Exists { .. })));
    assert_eq!(TapeReader::open(&expected).unwrap().header(), &header);
}

#[test]
fn what_append_acknowledged_is_in_the_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 0);
    let path = writer.path().to_owned();
    for n in 1..=50 {
        writer.append(&[OUT]).unwrap();
        assert_eq!(entries(&path).len(), n);
    }
    assert_eq!(writer.bytes(), fs::metadata(&path).unwrap().len());
}

#[test]
fn time_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 0);
    let path = writer.path().to_owned();
    for at in [5, 3, 9] {
        writer.append_at(ms(at), &[OUT]).unwrap();
    }
    let times: Vec<_> = entries(&path).iter().map(|timed| timed.at).collect();
    assert_eq!(times, [ms(5), ms(5), ms(9)]);
}

#[test]
fn a_finished_tape_says_why_and_how_much() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), 7);
    let path = writer.path().to_owned();
    let finished = writer.finish(Some(&CloseReason::Idle)).unwrap();
    assert_eq!(finished.frames, 8);
    assert_eq!(finished.bytes, fs::metadata(&path).unwrap().len());
    let mut reader = TapeReader::open(&path).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.ended(), Ended::Finished);
    let closing = reader.closing().unwrap();
    assert_eq!((closing.records, closing.recovered), (13, false));
    assert_eq!(closing.reason, Some(CloseReason::Idle));
    assert_eq!(verify(&path).unwrap().root, hex::encode(finished.root));
}

#[test]
fn a_full_disk_leaves_whole_frames_and_the_tape_goes_on_when_there_is_room() {
    let medium = Faulty::with_room(usize::MAX);
    let mut writer = medium.writer();
    writer.append_at(ms(1), &[OUT]).unwrap();
    let size = writer.bytes();
    for room in 0..FRAME_HEAD + 27 {
        medium.set(|s| s.room = usize::try_from(size).unwrap() + room);
        let error = writer.append_at(ms(2), &[OUT]).unwrap_err();
        assert!(matches!(error, TapeError::Full { .. }), "{error}");
        assert_eq!(writer.bytes(), size);
        let (all, ended) = medium.read_back();
        assert_eq!((all.len(), ended), (1, Ended::Open));
    }
    medium.set(|s| s.room = usize::MAX);
    writer.append_at(ms(3), &[OUT]).unwrap();
    writer.finish(None).unwrap();
    let (all, ended) = medium.read_back();
    assert_eq!((all.len(), ended), (2, Ended::Finished));
}

#[test]
fn writes_in_pieces_make_the_same_frame() {
    let medium = Faulty::with_room(usize::MAX);
    medium.set(|s| s.most = 7);
    let mut writer = medium.writer();
    writer.append_at(ms(1), &[OUT, OUT]).unwrap();
    let (all, _) = medium.read_back();
    let output = Entry::Output {
        channel: 1,
        stderr: false,
        data: b"0123456789".to_vec(),
    };
    assert_eq!(
        all,
        vec![
            Timed {
                at: ms(1),
                entry: output
            };
            2
        ]
    );
}

#[test]
fn a_torn_frame_that_cannot_be_taken_away_ends_the_tape() {
    let medium = Faulty::with_room(usize::MAX);
    let mut writer = medium.writer();
    medium.set(|s| {
        s.room = s.bytes.len() + 20;
        s.truncate_fails = true;
    });
    assert!(matches!(writer.append(&[OUT]), Err(TapeError::Full { .. })));
    medium.set(|s| s.room = usize::MAX);
    assert!(matches!(
        writer.append(&[OUT]),
        Err(TapeError::Poisoned { .. })
    ));
    assert!(matches!(
        writer.finish(None),
        Err(TapeError::Poisoned { .. })
    ));
    assert!(matches!(medium.read_back().1, Ended::Torn { .. }));
}

#[test]
fn errors_are_sorted_by_what_can_be_done_about_them() {
    let cases = [
        (io::ErrorKind::StorageFull, "no space left"),
        (io::ErrorKind::QuotaExceeded, "no space left"),
        (io::ErrorKind::FileTooLarge, "no space left"),
        (io::ErrorKind::ReadOnlyFilesystem, "may not be written"),
        (io::ErrorKind::Other, "cannot write"),
    ];
    for (kind, expected) in cases {
        let medium = Faulty::with_room(usize::MAX);
        let mut writer = medium.writer();
        medium.set(|s| s.error = Some(kind));
        let error = writer.append(&[OUT]).unwrap_err().to_string();
        assert!(error.contains(expected), "{kind:?}: {error}");
    }
}

#[test]
fn a_failed_flush_ends_the_tape() {
    let medium = Faulty::with_room(usize::MAX);
    let mut writer = medium.writer();
    writer.append(&[OUT]).unwrap();
    medium.set(|s| s.flush_failed = Some("I/O error".into()));
    let error = writer.append(&[OUT]).unwrap_err().to_string();
    assert!(error.contains("I/O error"), "{error}");
}

#[test]
fn the_system_says_full() {
    let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let medium = Box::new(SyncedFile::new(file, None).unwrap());
    let error = TapeWriter::on(medium, "/dev/full".into(), &header()).err();
    assert!(matches!(error, Some(TapeError::Full { .. })));
}

#[test]
fn a_frame_too_large_is_refused_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 1);
    let data = vec![0; MAX_PAYLOAD];
    let large = Record::Output {
        channel: 1,
        stderr: false,
        data: &data,
    };
    assert!(matches!(
        writer.append(&[large]),
        Err(TapeError::TooLarge { .. })
    ));
    let fits = Record::Output {
        channel: 1,
        stderr: false,
        data: &data[..MAX_PAYLOAD - 17],
    };
    writer.append(&[fits]).unwrap();
    assert_eq!(entries(writer.path()).len(), 2);
    writer.append(&[OUT]).unwrap();
    assert!(writer.buffer.capacity() <= KEEP_BUFFER);
}

#[test]
fn folders_that_cannot_be_used_are_told_before_a_session_begins() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = dir.path().join("a/b");
    check_space(&tapes, 1).unwrap();
    assert!(tapes.is_dir());
    let low = check_space(&tapes, u64::MAX).unwrap_err();
    assert!(
        matches!(low, TapeError::LowSpace { need: u64::MAX, .. }),
        "{low}"
    );
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(check_space(&file, 1).is_err());
    assert!(TapeWriter::create(&file, &header()).is_err());
    // The superuser may write everywhere, so this holds for others only; /proc for everybody.
    fs::set_permissions(&tapes, Permissions::from_mode(0o500)).unwrap();
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(
            check_space(&tapes, 1),
            Err(TapeError::NotWritable { .. })
        ));
        let made = TapeWriter::create(&tapes, &header());
        assert!(matches!(made, Err(TapeError::NotWritable { .. })));
    }
    assert!(TapeWriter::create(Path::new("/proc"), &header()).is_err());
}
