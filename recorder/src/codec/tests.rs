use sallyport_domain::event::Event;

use super::*;
use crate::{DesktopBegun, DesktopChannel};

fn round_trip(record: Record<'_>, expected: Entry) {
    let at = Duration::from_micros(1_234_567);
    let mut bytes = b"before".to_vec();
    encode(at, &record, &mut bytes).unwrap();
    let (timed, used) = decode(&bytes[6..]).unwrap();
    assert_eq!(used, bytes.len() - 6);
    assert_eq!(
        timed,
        Timed {
            at,
            entry: expected
        }
    );
    for cut in 6..bytes.len() {
        assert!(decode(&bytes[6..cut]).is_none(), "cut at {cut}");
    }
}

#[test]
fn every_record_comes_back() {
    let data: &[u8] = b"\x00\xff text";
    let owned = data.to_vec();
    let channel = 7;
    let pairs = [
        (
            Record::Output {
                channel,
                stderr: false,
                data,
            },
            Entry::Output {
                channel,
                stderr: false,
                data: owned.clone(),
            },
        ),
        (
            Record::Output {
                channel,
                stderr: true,
                data: b"",
            },
            Entry::Output {
                channel,
                stderr: true,
                data: vec![],
            },
        ),
        (
            Record::Input { channel, data },
            Entry::Input {
                channel,
                data: owned.clone(),
            },
        ),
        (
            Record::InputMasked { channel, bytes: 3 },
            Entry::InputMasked { channel, bytes: 3 },
        ),
        (
            Record::InputRevealed { channel, data },
            Entry::InputRevealed {
                channel,
                data: owned,
            },
        ),
        (
            Record::InputKeptMasked {
                channel,
                bytes: u32::MAX,
            },
            Entry::InputKeptMasked {
                channel,
                bytes: u32::MAX,
            },
        ),
        (
            Record::ChannelOpened {
                channel,
                what: "exec ls é",
                pty: None,
            },
            Entry::ChannelOpened {
                channel,
                what: "exec ls é".into(),
                pty: None,
            },
        ),
        (
            Record::ChannelOpened {
                channel,
                what: "shell",
                pty: Some(("xterm", 80, 24)),
            },
            Entry::ChannelOpened {
                channel,
                what: "shell".into(),
                pty: Some(("xterm".into(), 80, 24)),
            },
        ),
        (
            Record::Resize {
                channel,
                cols: 65535,
                rows: 1,
            },
            Entry::Resize {
                channel,
                cols: 65535,
                rows: 1,
            },
        ),
        (
            Record::Eof {
                channel,
                from_client: true,
            },
            Entry::Eof {
                channel,
                from_client: true,
            },
        ),
        (
            Record::Exit {
                channel,
                status: Some(255),
                signal: None,
            },
            Entry::Exit {
                channel,
                status: Some(255),
                signal: None,
            },
        ),
        (
            Record::Exit {
                channel,
                status: None,
                signal: Some("KILL"),
            },
            Entry::Exit {
                channel,
                status: None,
                signal: Some("KILL".into()),
            },
        ),
        (
            Record::ChannelClosed { channel },
            Entry::ChannelClosed { channel },
        ),
        (
            Record::Bulk {
                channel,
                stream: Stream::Out,
                bytes: u64::MAX,
            },
            Entry::Bulk {
                channel,
                stream: Stream::Out,
                bytes: u64::MAX,
            },
        ),
        (
            Record::BulkDigest {
                channel,
                stream: Stream::In,
                bytes: 9,
                sha256: [5; 32],
            },
            Entry::BulkDigest {
                channel,
                stream: Stream::In,
                bytes: 9,
                sha256: [5; 32],
            },
        ),
        (Record::Gap { bytes: 11 }, Entry::Gap { bytes: 11 }),
        (
            Record::FromTarget { pdus: data },
            Entry::FromTarget {
                pdus: data.to_vec(),
            },
        ),
        (
            Record::FromClient { pdus: b"" },
            Entry::FromClient { pdus: vec![] },
        ),
        (
            Record::FromViewer {
                viewer: "bob",
                pdus: data,
            },
            Entry::FromViewer {
                viewer: "bob".into(),
                pdus: data.to_vec(),
            },
        ),
        (
            Record::Covered { shown: true },
            Entry::Covered { shown: true },
        ),
        (
            Record::Covered { shown: false },
            Entry::Covered { shown: false },
        ),
    ];
    for (record, entry) in pairs {
        round_trip(record, entry);
    }
    let event = Event::Unlocked { by: "carol".into() };
    round_trip(Record::Marker(&event), Entry::Marker(event.clone()));
    let begun = DesktopBegun {
        io_channel: 1003,
        user: 1007,
        message_channel: Some(1006),
        channels: vec![DesktopChannel {
            name: "drdynvc".into(),
            id: 1004,
        }],
    };
    round_trip(
        Record::DesktopBegun(&begun),
        Entry::DesktopBegun(begun.clone()),
    );
}

#[test]
fn what_a_later_version_adds_to_a_desktop_is_passed_over() {
    let json = br#"{"io_channel":1003,"user":1007,"colour":"blue"}"#;
    let begun = DesktopBegun {
        io_channel: 1003,
        user: 1007,
        ..DesktopBegun::default()
    };
    let read = entry(u32::MAX, 16, json);
    assert_eq!(read, Some(Entry::DesktopBegun(begun)));
    assert_eq!(
        entry(u32::MAX, 19, &[1, 2]),
        None,
        "a longer cover is a later version's"
    );
}

#[test]
fn a_record_of_a_later_version_is_kept_as_it_is() {
    let mut bytes = Vec::new();
    encode(Duration::ZERO, &Record::Gap { bytes: 1 }, &mut bytes).unwrap();
    bytes[12] = 200;
    let (timed, _) = decode(&bytes).unwrap();
    assert_eq!(
        timed.entry,
        Entry::Unknown {
            channel: u32::MAX,
            kind: 200,
            data: vec![1, 0, 0, 0, 0, 0, 0, 0]
        }
    );
    assert_eq!(timed.entry.channel(), None);
}

#[test]
fn an_overlong_terminal_name_is_cut_between_characters() {
    let term = "é".repeat(40_000);
    let mut bytes = Vec::new();
    let record = Record::ChannelOpened {
        channel: 1,
        what: "shell",
        pty: Some((&term, 1, 2)),
    };
    encode(Duration::ZERO, &record, &mut bytes).unwrap();
    let (timed, _) = decode(&bytes).unwrap();
    let Entry::ChannelOpened {
        what,
        pty: Some((term, 1, 2)),
        ..
    } = timed.entry
    else {
        panic!("not a channel: {timed:?}");
    };
    assert_eq!(what, "shell");
    assert_eq!(term, "é".repeat(32_767));
}
