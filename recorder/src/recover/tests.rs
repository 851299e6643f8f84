use proptest::prelude::*;

use super::*;
use crate::fixture::{entries, header, memory_dir, write_some};
use crate::{Ended, Record, TapeReader, TapeTail, verify};

fn shelf_of(dir: &Path) -> Shelf {
    shelf(tapes(dir).unwrap()).unwrap()
}

/// A finished tape's bytes, where its frames end, and how many records are before each such place.
struct Sample {
    bytes: Vec<u8>,
    /// (end of frame, records so far); the first is the header's end.
    ends: Vec<(usize, usize)>,
}

fn sample() -> Sample {
    let dir = memory_dir();
    let mut writer = write_some(dir.path(), 0);
    let path = writer.path().to_owned();
    let mut ends = vec![(usize::try_from(writer.bytes()).unwrap(), 0)];
    for n in 0..6 {
        let data = format!("output {n}");
        let record = Record::Output {
            channel: 0,
            stderr: false,
            data: data.as_bytes(),
        };
        let records = vec![record; 1 + n % 2];
        writer
            .append_at(Duration::from_millis(n as u64), &records)
            .unwrap();
        let before = ends.last().unwrap().1;
        ends.push((
            usize::try_from(writer.bytes()).unwrap(),
            before + records.len(),
        ));
    }
    writer.finish(None).unwrap();
    Sample {
        bytes: fs::read(path).unwrap(),
        ends,
    }
}

fn read_all(path: &Path) -> (usize, Ended) {
    let mut reader = TapeReader::open(path).unwrap();
    let mut n = 0;
    while reader.next().unwrap().is_some() {
        n += 1;
    }
    (n, reader.ended())
}

#[test]
fn every_cut_is_a_prefix_and_recovers() {
    let sample = sample();
    let dir = memory_dir();
    let path = dir.path().join("cut.tape");
    for cut in 0..sample.bytes.len() {
        fs::write(&path, &sample.bytes[..cut]).unwrap();
        if cut < sample.ends[0].0 {
            assert!(matches!(
                TapeReader::open(&path).err(),
                Some(TapeError::NotATape { .. })
            ));
            assert!(matches!(recover(&path), Err(TapeError::NotATape { .. })));
            assert!(shelf_of(dir.path()).unfinished.is_empty());
            continue;
        }
        let &(end, records) = sample
            .ends
            .iter()
            .rev()
            .find(|(end, _)| *end <= cut)
            .unwrap();
        let ended = if end == cut {
            Ended::Open
        } else {
            Ended::Torn { offset: end as u64 }
        };
        assert_eq!(read_all(&path), (records, ended), "cut at {cut}");
        let tail = TapeTail::open(&path).unwrap().poll(usize::MAX).unwrap();
        assert_eq!(tail.len(), records);
        assert_eq!(shelf_of(dir.path()).unfinished, std::slice::from_ref(&path));

        let recovered = recover(&path).unwrap();
        assert_eq!(recovered.torn_bytes, (cut - end) as u64);
        assert!(!recovered.already);
        assert_eq!(read_all(&path), (records, Ended::Finished));
        let report = verify(&path).unwrap();
        assert!(report.is_whole(), "{:?}", report.bad);
        assert_eq!(
            report.closing.as_ref().unwrap().torn_bytes,
            (cut - end) as u64
        );
        assert!(report.closing.unwrap().recovered);
        assert_eq!(report.root, hex::encode(recovered.finished.root));
        let Shelf {
            finished,
            unfinished,
        } = shelf_of(dir.path());
        assert!(unfinished.is_empty() && finished == [path.as_path()]);
        let again = recover(&path).unwrap();
        assert!(again.already);
        assert_eq!(again.finished, recovered.finished);
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing kept beside"
    );
}

#[test]
fn a_finished_tape_is_left_as_it_is() {
    let dir = memory_dir();
    let writer = write_some(dir.path(), 5);
    let path = writer.path().to_owned();
    let finished = writer.finish(None).unwrap();
    let before = fs::read(&path).unwrap();
    let recovered = recover(&path).unwrap();
    assert!(recovered.already);
    assert_eq!(recovered.finished, finished);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(shelf_of(dir.path()).unfinished.is_empty());
}

#[test]
fn a_tape_being_written_is_nobody_elses() {
    let dir = memory_dir();
    let writer = write_some(dir.path(), 5);
    let path = writer.path().to_owned();
    assert!(shelf_of(dir.path()).unfinished.is_empty());
    assert!(matches!(recover(&path), Err(TapeError::InUse { .. })));
    drop(writer);
    assert_eq!(shelf_of(dir.path()).unfinished, std::slice::from_ref(&path));
    assert_eq!(recover(&path).unwrap().torn_bytes, 0);
}

#[test]
fn damaged_frames_are_kept_beside_the_tape() {
    let sample = sample();
    let dir = memory_dir();
    let path = dir.path().join("bad.tape");
    let (third, records) = sample.ends[2];
    let mut bytes = sample.bytes.clone();
    bytes[third + 60] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let recovered = recover(&path).unwrap();
    assert_eq!(recovered.torn_bytes, (bytes.len() - third) as u64);
    assert_eq!(
        fs::read(dir.path().join("bad.tape.torn")).unwrap(),
        bytes[third..]
    );
    assert_eq!(read_all(&path), (records, Ended::Finished));
}

#[test]
fn a_target_cannot_print_the_end_of_a_tape() {
    let dir = memory_dir();
    let mut writer = write_some(dir.path(), 1);
    let path = writer.path().to_owned();
    // All that somebody who knows the format, but not this tape's nonce, could print.
    let mut forged = vec![0; format::FRAME_HEAD];
    forged.extend_from_slice(
        b"{\"recovered\":false,\"torn_bytes\":0,\"records\":0,\"duration_us\":0}",
    );
    forged.extend_from_slice(&format::trailer(writer.bytes() + 69, &[7; 32]));
    format::close_frame(&mut forged, format::FrameKind::Final, 1, &[7; 32]);
    let record = Record::Output {
        channel: 0,
        stderr: false,
        data: &forged,
    };
    writer.append(&[record]).unwrap();
    drop(writer);
    assert_eq!(shelf_of(dir.path()).unfinished, std::slice::from_ref(&path));
    assert_eq!(recover(&path).unwrap().torn_bytes, 0);
    assert_eq!(entries(&path).len(), 2);
}

#[test]
fn folders_without_tapes_hold_none() {
    let dir = memory_dir();
    let Shelf {
        finished,
        unfinished,
    } = shelf_of(&dir.path().join("missing"));
    assert!(finished.is_empty() && unfinished.is_empty());
    fs::write(dir.path().join("readme.txt"), b"text").unwrap();
    fs::write(dir.path().join("empty.tape"), b"").unwrap();
    assert!(shelf_of(dir.path()).unfinished.is_empty());
    let bytes = format::encode_header(&{
        let mut later = header();
        later.version = 99;
        later
    });
    let path = dir.path().join("later.tape");
    fs::write(&path, bytes.unwrap().0).unwrap();
    assert!(matches!(
        recover(&path),
        Err(TapeError::Version { version: 99, .. })
    ));
    assert!(shelf_of(dir.path()).unfinished.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_damage_is_found_and_what_is_read_was_written(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let sample = sample();
        let mut bytes = sample.bytes.clone();
        for (at, mask) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        let cut = cut.index(bytes.len() * 2).min(bytes.len());
        bytes.truncate(cut);
        let first_difference = bytes.iter().zip(&sample.bytes).position(|(a, b)| a != b);
        let dir = memory_dir();
        let path = dir.path().join("damaged.tape");
        fs::write(&path, &bytes).unwrap();
        let good = first_difference.unwrap_or(cut);
        let Some(&(_, records)) = sample.ends.iter().rev().find(|(end, _)| *end <= good) else {
            prop_assert!(TapeReader::open(&path).is_err());
            return Ok(());
        };
        prop_assert_eq!(read_all(&path).0, records);
        if bytes != sample.bytes {
            prop_assert!(!verify(&path).unwrap().is_whole());
        }
        recover(&path).unwrap();
        prop_assert_eq!(read_all(&path), (records, Ended::Finished));
    }
}
