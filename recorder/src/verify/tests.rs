use std::fs;

use super::*;
use crate::fixture::write_some;
use crate::format::{FRAME_HEAD, FrameKind, close_frame};
use crate::{Ended, Record, TapeReader};

fn finished(frames: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), frames);
    let path = writer.path().to_owned();
    writer.finish(None).unwrap();
    (dir, path)
}

#[test]
fn a_whole_tape() {
    let (_dir, path) = finished(10);
    let report = verify(&path).unwrap();
    assert!(report.is_whole());
    assert_eq!((report.frames, report.records), (11, 19));
    assert_eq!(report.header.user, "alice");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["closing"]["records"], 19);
    assert!(json["duration"].is_f64());
    assert_eq!(json["root"].as_str().map(str::len), Some(64));
}

#[test]
fn an_open_tape_is_good_but_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), 4);
    let report = verify(writer.path()).unwrap();
    assert!(report.bad.is_none() && !report.finished() && !report.is_whole());
    assert_eq!(report.duration.as_millis(), 30);
}

#[test]
fn nothing_may_follow_the_end() {
    let (_dir, path) = finished(2);
    let mut bytes = fs::read(&path).unwrap();
    let size = bytes.len() as u64;
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let bad = verify(&path).unwrap().bad.unwrap();
    assert_eq!((bad.offset, bad.frame), (size, 3));
}

#[test]
fn frames_cannot_be_taken_out_or_exchanged() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 0);
    let path = writer.path().to_owned();
    let mut ends = vec![usize::try_from(writer.bytes()).unwrap()];
    for data in [b"one", b"two", b"six"] {
        let record = Record::Output {
            channel: 1,
            stderr: false,
            data,
        };
        writer.append(&[record]).unwrap();
        ends.push(usize::try_from(writer.bytes()).unwrap());
    }
    writer.finish(None).unwrap();
    let bytes = fs::read(&path).unwrap();
    let frame = |n: usize| &bytes[ends[n]..ends[n + 1]];
    let rest = &bytes[ends[3]..];
    let orders: [(&[usize], u64); 3] = [(&[1, 2], 0), (&[0, 2], 1), (&[0, 2, 1], 1)];
    for (order, bad_frame) in orders {
        let mut forged = bytes[..ends[0]].to_vec();
        order
            .iter()
            .for_each(|&n| forged.extend_from_slice(frame(n)));
        forged.extend_from_slice(rest);
        fs::write(&path, forged).unwrap();
        assert_eq!(verify(&path).unwrap().bad.unwrap().frame, bad_frame);
    }
}

/// What a writer gone wrong, or a forger with the means to write, could leave: checksums and chain are right,
/// the number of records is, and yet no reader gets to the end.
#[test]
fn records_fill_their_frame() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), 4);
    let path = writer.path().to_owned();
    drop(writer);
    let good = verify(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let chain = hex::decode(&good.root).unwrap().try_into().unwrap();
    for half in [&b"half"[..], &[1; 40]] {
        let mut frame = vec![0; FRAME_HEAD];
        frame.extend_from_slice(half);
        close_frame(&mut frame, FrameKind::Data, good.frames, &chain);
        let end = bytes.len();
        bytes.extend_from_slice(&frame);
        fs::write(&path, &bytes).unwrap();
        let report = verify(&path).unwrap();
        assert_eq!(
            report.bad.map(|bad| bad.offset),
            Some(end as u64),
            "{half:?}"
        );
        assert_eq!(report.records, good.records);
        let mut reader = TapeReader::open(&path).unwrap();
        while reader.next().unwrap().is_some() {}
        assert_eq!(reader.ended(), Ended::Torn { offset: end as u64 });
        bytes.truncate(end);
    }
}

#[test]
fn other_files_are_no_tapes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for content in [
        &b""[..],
        b"SPTAPE\x01\n",
        b"SPTAPE\x01\n\xff\xff\xff\xff",
        b"hello world, hello",
    ] {
        fs::write(&path, content).unwrap();
        let error = verify(&path).unwrap_err().to_string();
        assert!(error.contains("is not a tape"), "{error}");
    }
    assert!(verify(&dir.path().join("missing")).is_err());
}
