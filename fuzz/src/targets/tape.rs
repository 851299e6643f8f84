//! A tape from anywhere: every reader of it ends, in bounded memory, and they agree.

use sallyport_recorder::export::{self, Pace, Replay};
use sallyport_recorder::{Ended, Screen, TapeReader, TapeTail, Timed, verify};

use crate::allocated;
use crate::tape::{Memory, bytes};

pub fn run(data: &[u8]) {
    let tape = bytes(data);
    let file = Memory::holding(&tape);
    let path = file.path();
    let most = (1 << 20) + 64 * tape.len();
    let Ok(mut reader) = allocated::at_most(most, || TapeReader::open(&path)) else {
        assert!(verify(&path).is_err() && TapeTail::open(&path).is_err());
        return;
    };
    let mut read: Vec<Timed> = Vec::new();
    allocated::at_most(most, || {
        while let Some(timed) = reader.next().expect("memory can be read") {
            read.push(timed);
        }
    });
    let report = allocated::at_most(most, || verify(&path)).expect("the reader opened it");
    if report.is_whole() {
        assert_eq!(reader.ended(), Ended::Finished);
        assert_eq!(report.records, read.len() as u64);
    }
    allocated::at_most(most, || {
        let mut tail = TapeTail::open(&path).expect("the reader opened it");
        let mut followed = Vec::new();
        while let Ok(entries) = tail.poll(64) {
            if entries.is_empty() {
                break;
            }
            followed.extend(entries);
        }
        assert!(
            read.starts_with(&followed),
            "the tail sees what the reader sees"
        );
    });
    // Screens may be as large as terminals get.
    allocated::at_most(most + (128 << 20), || {
        let _ = export::text(&path, &mut std::io::sink());
        let _ = export::asciicast(&path, None, &mut std::io::sink());
        let _ = Screen::of_tape(&path, 0, None);
        if let Ok(mut replay) = Replay::open(&path, None, Pace::default()) {
            while let Ok(Some(_)) = replay.next() {}
            let _ = replay.seek(replay.duration() / 2);
        }
    });
}
