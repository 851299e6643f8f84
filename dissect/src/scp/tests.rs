use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::shell;

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Plays a run: `>` is sent by the client, `<` by the target; each is cut as `cuts` say.
fn play(command: &str, steps: &[(char, &[u8])], cuts: &[usize]) -> Result<Vec<Fact>, Malformed> {
    let words = shell::words(command.as_bytes()).unwrap();
    let mut scp = Scp::new(Command::of(&words).unwrap());
    let mut facts = Vec::new();
    let mut cuts = cuts.iter().copied().cycle();
    for (who, bytes) in steps {
        let way = match who {
            '>' => Direction::Upload,
            _ => Direction::Download,
        };
        let mut bytes = *bytes;
        while !bytes.is_empty() {
            let at = cuts.next().unwrap_or(usize::MAX).clamp(1, bytes.len());
            let (now, later) = bytes.split_at(at);
            scp.sent(way, now, &mut facts)?;
            bytes = later;
        }
    }
    scp.finish(&mut facts);
    Ok(facts)
}

#[track_caller]
fn transfer(facts: &[Fact], which: usize) -> &Transfer {
    facts.iter().filter_map(of).nth(which).unwrap()
}

fn of(fact: &Fact) -> Option<&Transfer> {
    match fact {
        Fact::Transferred(transfer) => Some(transfer),
        _ => None,
    }
}

const UPLOAD: &[(char, &[u8])] = &[
    ('<', b"\0"),
    ('>', b"T1700000000 0 1700000000 0\n"),
    ('<', b"\0"),
    ('>', b"C0640 5 two words\n"),
    ('<', b"\0"),
    ('>', b"hello\0"),
    ('<', b"\0"),
];

#[test]
fn an_upload() {
    let facts = play("scp -p -t /srv/file", UPLOAD, &[usize::MAX]).unwrap();
    let sent = transfer(&facts, 0);
    assert_eq!(sent.path.to_string(), "/srv/file");
    assert_eq!(sent.name.as_ref().unwrap().to_string(), "two words");
    assert_eq!((sent.size, sent.bytes), (Some(5), 5));
    assert_eq!(sent.sha256, sha(b"hello"));
    assert!(sent.whole);
    let rest: u64 = facts
        .iter()
        .map(|fact| {
            if let Fact::Rest { bytes, .. } = fact {
                *bytes
            } else {
                0
            }
        })
        .sum();
    let all: usize = UPLOAD.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(rest + 5, all as u64, "every byte is in some digest");
}

#[test]
fn where_files_lie() {
    for (command, way, path, name) in [
        ("scp -t /x", ('<', '>'), "/x", Some("f")),
        ("scp -d -t /x", ('<', '>'), "/x/f", None),
        ("scp -f /x/f", ('>', '<'), "/x/f", None),
        ("scp -f '/x/*'", ('>', '<'), "/x/f", None),
        ("scp -f f", ('>', '<'), "f", None),
        ("scp -f /x/f /y/g", ('>', '<'), "f", None),
    ] {
        let (sink, source) = way;
        let steps: &[(char, &[u8])] = &[
            (sink, b"\0"),
            (source, b"C0644 0 f\n"),
            (sink, b"\0"),
            (source, b"\0"),
            (sink, b"\0"),
        ];
        let facts = play(command, steps, &[usize::MAX]).unwrap();
        let sent = transfer(&facts, 0);
        assert_eq!(sent.path.to_string(), path, "{command}");
        assert_eq!(
            sent.name.as_ref().map(Name::to_string).as_deref(),
            name,
            "{command}"
        );
        assert_eq!((sent.whole, sent.sha256), (true, sha(b"")));
    }
}

const TREE: &[(char, &[u8])] = &[
    ('>', b"\0"),
    ('<', b"D0755 0 tree\n"),
    ('>', b"\0"),
    ('<', b"C0644 3 a\n"),
    ('>', b"\0"),
    ('<', b"aaa\0"),
    ('>', b"\0"),
    ('<', b"D0755 0 sub\n"),
    ('>', b"\0"),
    ('<', b"C0644 2 b\n"),
    ('>', b"\0"),
    ('<', b"bb\0"),
    ('>', b"\0"),
    ('<', b"E\n"),
    ('>', b"\0"),
    ('<', b"\x01scp: /srv/tree/secret: Permission denied\n"),
    ('<', b"E\n"),
    ('>', b"\0"),
];

#[test]
fn a_tree() {
    let facts = play("scp -r -f /srv/tree", TREE, &[usize::MAX]).unwrap();
    assert_eq!(transfer(&facts, 0).path.to_string(), "/srv/tree/a");
    assert_eq!(transfer(&facts, 1).path.to_string(), "/srv/tree/sub/b");
    assert_eq!(transfer(&facts, 1).sha256, sha(b"bb"));
    let denied = |fact: &Fact| matches!(fact, Fact::Opened { outcome, .. } if outcome.to_string().ends_with("secret: Permission denied"));
    assert!(facts.iter().any(denied), "{facts:?}");
    let listed = |fact: &&Fact| {
        matches!(
            fact,
            Fact::Acted {
                act: Act::List(_),
                ..
            }
        )
    };
    assert_eq!(facts.iter().filter(listed).count(), 2);
}

#[test]
fn failures() {
    // The sink does not want it: no content follows.
    let facts = play(
        "scp -d -t /srv",
        &[
            ('<', b"\0"),
            ('>', b"C0644 3 a\n"),
            ('<', b"\x01scp: /srv/a: Permission denied\n"),
            ('>', b"C0644 3 b\n"),
            ('<', b"\0"),
            ('>', b"bbb\0"),
            ('<', b"\x01scp: /srv/b: No space left on device\n"),
        ],
        &[usize::MAX],
    )
    .unwrap();
    assert!(matches!(&facts[0], Fact::Opened { path, .. } if path.to_string() == "/srv/a"));
    let failed = transfer(&facts, 0);
    assert_eq!(failed.path.to_string(), "/srv/b");
    assert!(!failed.whole);
    assert!(failed.outcome.to_string().contains("No space"));

    // The source could not read on.
    let facts = play(
        "scp -f /srv/a",
        &[
            ('>', b"\0"),
            ('<', b"C0644 3 a\n"),
            ('>', b"\0"),
            ('<', b"a\0\0\x01scp: /srv/a: Input/output error\n"),
            ('>', b"\0"),
        ],
        &[usize::MAX],
    )
    .unwrap();
    assert!(
        transfer(&facts, 0)
            .outcome
            .to_string()
            .contains("Input/output")
    );

    // The client was killed.
    let facts = play(
        "scp -t /srv/a",
        &[
            ('<', b"\0"),
            ('>', b"C0644 9 a\n"),
            ('<', b"\0"),
            ('>', b"abc"),
        ],
        &[usize::MAX],
    )
    .unwrap();
    let cut = transfer(&facts, 0);
    assert_eq!((&cut.outcome, cut.whole), (&Outcome::Unfinished, false));
    assert_eq!((cut.bytes, cut.sha256), (3, sha(b"abc")));
}

#[test]
fn a_source_that_does_not_wait() {
    let facts = play(
        "scp -t /srv/a",
        &[('>', b"C0644 5 a\nhello\0"), ('<', b"\0\0\0")],
        &[usize::MAX],
    )
    .unwrap();
    assert!(transfer(&facts, 0).whole);
}

#[test]
fn what_is_not_scp_ends_the_channel() {
    for line in [
        &b"Welcome!\n"[..],
        b"C64 5 a\n",
        b"C0644 -5 a\n",
        b"C0644 5\n",
        b"\n",
        &[b'C'; 9000],
    ] {
        assert!(
            play("scp -t a", &[('>', line)], &[usize::MAX]).is_err(),
            "{line:?}"
        );
    }
    let longer: &[(char, &[u8])] = &[('>', b"C0644 1 a\n"), ('>', b"abc")];
    assert!(play("scp -t a", longer, &[usize::MAX]).is_err());
    let deep = [('>', &b"D0755 0 d\n"[..]), ('<', &b"\0"[..])].repeat(300);
    assert!(play("scp -r -t a", &deep, &[usize::MAX]).is_err());
    let ahead = [('>', &b"T1 0 1 0\n"[..])].repeat(300);
    assert!(play("scp -r -t a", &ahead, &[usize::MAX]).is_err());
    assert!(play("scp -t a", &[('<', &[1; 9000])], &[usize::MAX]).is_err());
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1_usize..9, 1..20)) {
        for (command, steps) in [("scp -p -t /srv/file", UPLOAD), ("scp -r -f /srv/tree", TREE)] {
            let whole = play(command, steps, &[usize::MAX]).unwrap();
            prop_assert_eq!(play(command, steps, &cuts).unwrap(), whole);
        }
    }

    #[test]
    fn any_bytes_are_survived(steps in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(
            prop_oneof![Just(0_u8), Just(b'\n'), Just(b'C'), Just(b' '), Just(b'1'), any::<u8>()], 0..60)), 0..20)) {
        let steps: Vec<(char, &[u8])> = steps
            .iter()
            .map(|(client, bytes)| (if *client { '>' } else { '<' }, &bytes[..]))
            .collect();
        let _ = play("scp -t a", &steps, &[usize::MAX]);
    }
}
