use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;

use super::*;
use crate::fixture::{entries, ms, write_some};
use crate::{Entry, Record};

#[test]
fn it_gives_everything_once_and_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 30);
    let path = writer.path().to_owned();
    let mut tail = TapeTail::open(&path).unwrap();
    let mut seen = Vec::new();
    loop {
        let some = tail.poll(200).unwrap();
        if some.is_empty() {
            break;
        }
        assert!(some.len() <= 9, "stops behind the limit");
        seen.extend(some);
    }
    assert_eq!(seen, entries(&path));
    assert_eq!(tail.position(), ms(290));
    writer
        .append(&[Record::ChannelClosed { channel: 3 }])
        .unwrap();
    let more = tail.poll(usize::MAX).unwrap();
    assert_eq!(more[0].entry, Entry::ChannelClosed { channel: 3 });
    assert!(!tail.finished());
    writer.finish(None).unwrap();
    assert!(tail.poll(usize::MAX).unwrap().is_empty());
    assert!(tail.finished());
    assert_eq!(tail.closing().unwrap().records, 61);
}

#[test]
fn half_a_frame_is_never_seen() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), 3);
    let whole = fs::read(writer.path()).unwrap();
    let expected = entries(writer.path());
    let path = dir.path().join("growing.tape");
    fs::write(
        &path,
        &whole[..usize::try_from(write_some(dir.path(), 0).bytes()).unwrap()],
    )
    .unwrap();
    let mut tail = TapeTail::open(&path).unwrap();
    let mut seen = Vec::new();
    for end in 0..=whole.len() {
        fs::write(&path, &whole[..end.max(1)]).unwrap();
        seen.extend(tail.poll(usize::MAX).unwrap());
        assert!(expected.starts_with(&seen));
    }
    assert_eq!(seen, expected);
}

#[test]
fn a_frame_that_stays_damaged_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_some(dir.path(), 3);
    let path = writer.path();
    let last = fs::metadata(path).unwrap().len() - 1;
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(b"X", last).unwrap();
    let mut tail = TapeTail::open(path).unwrap();
    assert!(!tail.poll(usize::MAX).unwrap().is_empty());
    let second = tail.poll(usize::MAX);
    let third = tail.poll(usize::MAX);
    assert!(second.is_ok_and(|entries| entries.is_empty()));
    assert!(matches!(third, Err(TapeError::Broken { .. })));
}

#[test]
fn following_a_busy_writer_sees_it_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 0);
    let mut tail = TapeTail::open(writer.path()).unwrap();
    let writing = thread::spawn(move || {
        let data = vec![b'x'; 100_000];
        for n in 0..300usize {
            let data = &data[..n * 333 % data.len()];
            writer
                .append(&[Record::Output {
                    channel: 0,
                    stderr: false,
                    data,
                }])
                .unwrap();
        }
        writer.finish(None).unwrap();
    });
    let mut sizes = Vec::new();
    while !tail.finished() {
        for timed in tail.poll(1 << 20).unwrap() {
            let Entry::Output { data, .. } = timed.entry else {
                panic!("{timed:?}")
            };
            sizes.push(data.len());
        }
    }
    writing.join().unwrap();
    assert_eq!(
        sizes,
        (0..300).map(|n| n * 333 % 100_000).collect::<Vec<_>>()
    );
}

#[test]
fn events_alone_are_followed_from_the_present_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 7);
    let mut tail = TapeTail::open(writer.path()).unwrap();
    let markers = |entries: Vec<Timed>| -> Vec<Timed> {
        let is_marker = |timed: &Timed| matches!(timed.entry, Entry::Marker(_));
        entries.into_iter().filter(is_marker).collect()
    };
    assert_eq!(
        tail.poll_markers(usize::MAX).unwrap(),
        markers(entries(writer.path()))
    );
    let mut late = TapeTail::open(writer.path()).unwrap();
    late.skip().unwrap();
    assert_eq!(late.poll(usize::MAX).unwrap(), []);
    let event = sallyport_domain::event::Event::Unlocked { by: "bob".into() };
    let output = Record::Output {
        channel: 3,
        stderr: false,
        data: b"x",
    };
    writer
        .append_at(ms(900), &[output, Record::Marker(&event)])
        .unwrap();
    let seen = late.poll_markers(usize::MAX).unwrap();
    assert_eq!((seen.len(), seen[0].at), (1, ms(900)));
    let path = writer.path().to_owned();
    writer.finish(None).unwrap();
    late.poll_markers(usize::MAX).unwrap();
    assert!(late.finished());
    let mut later = TapeTail::open(&path).unwrap();
    later.skip().unwrap();
    assert!(!later.finished());
    assert_eq!(later.poll(usize::MAX).unwrap(), []);
    assert!(later.finished(), "the end itself is read");
}
