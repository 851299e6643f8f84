//! What a crash left of a tape: finishing it loses nothing that could be read, and leaves a whole tape.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sallyport_recorder::{TapeReader, Timed, recover, verify};

use crate::tape::bytes;

pub fn run(data: &[u8]) {
    let path = file();
    fs::write(path, bytes(data)).expect("the folder can be written");
    let before = read(path);
    let recovered = recover(path);
    let Some(before) = before else {
        assert!(recovered.is_err(), "no tape, nothing to finish");
        return;
    };
    if recovered.is_ok_and(|recovered| !recovered.already) {
        let report = verify(path).expect("it is a tape");
        assert!(report.is_whole(), "{report:?}");
        let after = read(path).expect("it is a tape");
        assert_eq!(
            before, after,
            "what could be read still can be, and no more"
        );
    }
}

fn read(path: &Path) -> Option<Vec<Timed>> {
    let mut reader = TapeReader::open(path).ok()?;
    let mut entries = Vec::new();
    while let Some(timed) = reader.next().expect("it can be read") {
        entries.push(timed);
    }
    Some(entries)
}

/// A file of this process, in memory if the system has a place for that.
fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let folder = if shared.is_dir() {
            shared.to_owned()
        } else {
            std::env::temp_dir()
        };
        folder.join(format!("sallyport-fuzz-{}.tape", std::process::id()))
    })
}
