use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::wire::{self, kind};
use super::*;
use crate::fact::{Act, Allowed, Malformed, Outcome, Transfer};

const NO_UPLOAD: Allowed = Allowed {
    upload: false,
    download: true,
};
const NO_DOWNLOAD: Allowed = Allowed {
    upload: true,
    download: false,
};

/// Who sends a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Client,
    Target,
}
use Who::{Client, Target};

fn packet(kind: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![kind];
    body.extend(fields.concat());
    let len = u32::try_from(body.len()).unwrap();
    [len.to_be_bytes().to_vec(), body].concat()
}

fn n(word: u32) -> Vec<u8> {
    word.to_be_bytes().to_vec()
}

fn long(word: u64) -> Vec<u8> {
    word.to_be_bytes().to_vec()
}

fn s(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [n(u32::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

type Step = (Who, Vec<u8>);

fn hello() -> Vec<Step> {
    vec![
        (Client, packet(kind::INIT, &[n(3)])),
        (
            Target,
            packet(kind::VERSION, &[n(3), s("limits@openssh.com"), s("1")]),
        ),
    ]
}

fn open(id: u32, path: &str, flags: u32) -> Step {
    (
        Client,
        packet(kind::OPEN, &[n(id), s(path), n(flags), n(0)]),
    )
}

fn handle(id: u32, handle: &str) -> Step {
    (Target, packet(kind::HANDLE, &[n(id), s(handle)]))
}

fn status(id: u32, code: u32) -> Step {
    (Target, wire::status(id, code, "as the target says"))
}

fn read(id: u32, handle: &str, offset: u64, len: u32) -> Step {
    (
        Client,
        packet(kind::READ, &[n(id), s(handle), long(offset), n(len)]),
    )
}

fn data(id: u32, bytes: &[u8]) -> Step {
    (Target, packet(kind::DATA, &[n(id), s(bytes)]))
}

fn write(id: u32, handle: &str, offset: u64, bytes: &[u8]) -> Step {
    (
        Client,
        packet(kind::WRITE, &[n(id), s(handle), long(offset), s(bytes)]),
    )
}

fn close(id: u32, handle: &str) -> Step {
    (Client, packet(kind::CLOSE, &[n(id), s(handle)]))
}

fn request(kind: u8, id: u32, fields: &[Vec<u8>]) -> Step {
    (
        Client,
        packet(kind, &[vec![n(id)], fields.to_vec()].concat()),
    )
}

fn extended(id: u32, name: &str, fields: &[Vec<u8>]) -> Step {
    request(
        kind::EXTENDED,
        id,
        &[vec![s(name)], fields.to_vec()].concat(),
    )
}

/// What came of a conversation.
#[derive(Debug, Default, PartialEq)]
struct Came {
    to_target: Vec<u8>,
    to_client: Vec<u8>,
    facts: Vec<Fact>,
}

impl Came {
    /// Facts without the digests of the rest.
    fn said(&self) -> Vec<Fact> {
        let rest = |fact: &&Fact| !matches!(fact, Fact::Rest { .. });
        self.facts.iter().filter(rest).cloned().collect()
    }

    fn transfers(&self) -> Vec<&Transfer> {
        let transfers = self.facts.iter().filter_map(transfer);
        transfers.collect()
    }
}

fn transfer(fact: &Fact) -> Option<&Transfer> {
    match fact {
        Fact::Transferred(transfer) => Some(transfer),
        _ => None,
    }
}

/// Plays a conversation; each side's bytes are cut as `cuts` say, over and over.
fn play(steps: &[Step], allowed: Allowed, cuts: &[usize]) -> Result<Came, Malformed> {
    let mut sftp = Sftp::default();
    let mut came = Came::default();
    let mut cuts = cuts.iter().copied().cycle();
    let mut steps = steps.iter().peekable();
    while let Some((from, bytes)) = steps.next() {
        let mut bytes = bytes.clone();
        while let Some((_, more)) = steps.next_if(|(next, _)| next == from) {
            bytes.extend(more);
        }
        while !bytes.is_empty() {
            let at = cuts.next().unwrap_or(usize::MAX).clamp(1, bytes.len());
            let rest = bytes.split_off(at);
            let chunk = Bytes::from(std::mem::replace(&mut bytes, rest));
            let mut pass = Vec::new();
            match from {
                Client => sftp.client_sent(&chunk, allowed, &mut pass, &mut came.facts)?,
                Target => sftp.target_sent(&chunk, &mut pass, &mut came.facts)?,
            }
            match from {
                Client => came.to_target.extend(pass.concat()),
                Target => came.to_client.extend(pass.concat()),
            }
        }
    }
    came.to_client.extend(sftp.take_ours().unwrap_or_default());
    sftp.finish(&mut came.facts);
    Ok(came)
}

#[track_caller]
fn played(steps: Vec<Step>) -> Came {
    let all = [hello(), steps].concat();
    let came = play(&all, Allowed::BOTH, &[usize::MAX]).unwrap();
    let sent = |who| -> Vec<u8> {
        let of = all.iter().filter(|(from, _)| *from == who);
        of.flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(came.to_target, sent(Client), "nothing is changed");
    assert_eq!(came.to_client, sent(Target), "nothing is changed");
    came
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn name(path: &str) -> crate::path::Name {
    crate::path::Name::new(path.as_bytes()).unwrap()
}

/// A download of `len` bytes, 64 requests in flight, answered in the order that `order` makes of them.
fn download(content: &[u8], order: impl Fn(&mut Vec<Step>)) -> Vec<Step> {
    let mut steps = vec![open(1, "/srv/file", 1), handle(1, "h")];
    let parts: Vec<(u64, &[u8])> = (0..).step_by(100).zip(content.chunks(100)).collect();
    let mut id = 10;
    for wave in parts.chunks(64) {
        let mut answers = Vec::new();
        for (offset, part) in wave {
            steps.push(read(id, "h", *offset, 100));
            answers.push(data(id, part));
            id += 1;
        }
        order(&mut answers);
        steps.extend(answers);
    }
    steps.push(read(id, "h", content.len() as u64, 100));
    steps.push(status(id, wire::EOF));
    steps.extend([close(2, "h"), status(2, 0)]);
    steps
}

#[test]
fn a_download_is_whole_in_any_order_of_its_answers() {
    let content = noise(20_050);
    type Order = fn(&mut Vec<Step>);
    let orders: [Order; 3] = [
        |_| {},
        |steps| steps.reverse(),
        |steps| {
            steps.sort_by_key(|(_, bytes)| sha(bytes));
        },
    ];
    for order in orders {
        let came = played(download(&content, order));
        let [transfer] = came.transfers()[..] else {
            panic!("{:?}", came.facts);
        };
        assert_eq!(transfer.path, name("/srv/file"));
        assert_eq!(transfer.direction, Direction::Download);
        assert_eq!((transfer.offset, transfer.bytes), (0, 20_050));
        assert_eq!(transfer.size, Some(20_050));
        assert_eq!(transfer.sha256, sha(&content));
        assert!(transfer.whole && transfer.in_order);
        assert_eq!(transfer.outcome, Outcome::Done);
    }
}

#[test]
fn an_upload_is_whole_if_the_file_was_emptied_or_sized() {
    let content = noise(300);
    let set_size = |size| request(kind::FSETSTAT, 90, &[s("h"), n(1), long(size)]);
    for (flags, more, whole) in [
        (0x1a, vec![], true),
        (0x0a, vec![], false),
        (0x2a, vec![], true),
        (0x0a, vec![set_size(300), status(90, 0)], true),
        (0x0a, vec![set_size(301), status(90, 0)], false),
        (0x0a, vec![set_size(300), status(90, 4)], false),
        (0x1e, vec![], false),
    ] {
        let mut steps = vec![open(1, "/srv/file", flags), handle(1, "h")];
        for (id, at) in [(10, 0), (11, 100), (12, 200)] {
            steps.push(write(id, "h", at as u64, &content[at..at + 100]));
        }
        steps.extend([status(11, 0), status(10, 0), status(12, 0)]);
        steps.extend(more);
        steps.extend([close(2, "h"), status(2, 0)]);
        let came = played(steps);
        let [transfer] = came.transfers()[..] else {
            panic!("{:?}", came.facts);
        };
        assert_eq!(transfer.direction, Direction::Upload);
        assert_eq!(transfer.sha256, sha(&content));
        assert_eq!(transfer.whole, whole, "{flags:#x}");
    }
}

#[test]
fn parts_of_files_are_told_as_what_they_are() {
    let content = noise(1000);
    let part = |from: usize, to: usize| (from as u64, &content[from..to]);
    let twice = [&content[0..100], &content[50..150], &content[150..200]].concat();
    for (parts, offset, bytes, in_order, digest) in [
        // Resumed.
        (
            vec![part(400, 500), part(500, 1000)],
            400,
            600,
            true,
            sha(&content[400..]),
        ),
        // A hole.
        (
            vec![part(0, 100), part(900, 1000)],
            0,
            200,
            true,
            sha(&[&content[..100], &content[900..]].concat()),
        ),
        // Out of order.
        (
            vec![part(100, 200), part(200, 300), part(0, 100)],
            0,
            300,
            true,
            sha(&content[..300]),
        ),
        // Twice.
        (
            vec![part(0, 100), part(50, 150), part(150, 200)],
            0,
            250,
            false,
            sha(&twice),
        ),
        // Twice, the later one first.
        (
            vec![part(50, 150), part(0, 100)],
            0,
            200,
            false,
            sha(&[&content[50..150], &content[..100]].concat()),
        ),
        (
            vec![part(600, 700), part(500, 650), part(400, 450)],
            400,
            300,
            false,
            sha(&[&content[600..700], &content[500..650], &content[400..450]].concat()),
        ),
        // Where no file has bytes.
        (
            vec![(u64::MAX - 50, &content[..100]), part(0, 10)],
            0,
            110,
            false,
            sha(&[&content[..100], &content[..10]].concat()),
        ),
    ] {
        let mut steps = vec![open(1, "/f", 1), handle(1, "h")];
        for (id, (offset, bytes)) in (10..).zip(parts) {
            steps.push(read(id, "h", offset, bytes.len() as u32));
            steps.push(data(id, bytes));
        }
        steps.extend([close(2, "h"), status(2, 0)]);
        for cuts in [[usize::MAX], [1], [30]] {
            let came = play(&[hello(), steps.clone()].concat(), Allowed::BOTH, &cuts).unwrap();
            let [transfer] = came.transfers()[..] else {
                panic!("{:?}", came.facts);
            };
            assert_eq!((transfer.offset, transfer.bytes), (offset, bytes));
            assert_eq!((transfer.in_order, transfer.whole), (in_order, false));
            assert_eq!(transfer.sha256, digest, "{offset}, cut by {cuts:?}");
        }
    }
}

#[test]
fn a_file_written_and_read_has_both() {
    let came = played(vec![
        open(1, "/f", 0x1b),
        handle(1, "h"),
        write(2, "h", 0, b"abc"),
        status(2, 0),
        read(3, "h", 0, 10),
        data(3, b"abc"),
        read(4, "h", 3, 10),
        status(4, wire::EOF),
        close(5, "h"),
        status(5, 0),
    ]);
    let both: Vec<_> = came.transfers();
    assert_eq!(both.len(), 2);
    assert!(
        both.iter()
            .all(|way| way.whole && way.sha256 == sha(b"abc"))
    );
}

#[test]
fn a_channel_that_ends_leaves_partial_transfers() {
    let came = played(vec![
        open(1, "/f", 0x1a),
        handle(1, "h"),
        write(2, "h", 0, b"abc"),
        status(2, 0),
        (
            Client,
            packet(kind::WRITE, &[n(3), s("h"), long(3), s("defgh")])[..30].to_vec(),
        ),
    ]);
    let [transfer] = came.transfers()[..] else {
        panic!("{:?}", came.facts);
    };
    assert_eq!(transfer.outcome, Outcome::Unfinished);
    assert!(!transfer.whole);
    assert_eq!((transfer.bytes, transfer.sha256), (7, sha(b"abcdefg")));
}

#[test]
fn failures_are_told() {
    let came = played(vec![
        open(1, "/missing", 1),
        status(1, 2),
        open(2, "/full", 0x1a),
        handle(2, "h"),
        write(3, "h", 0, b"abc"),
        status(3, 4),
        close(4, "h"),
        status(4, 0),
    ]);
    let Fact::Opened { outcome, .. } = &came.facts[0] else {
        panic!("{:?}", came.facts);
    };
    assert_eq!(outcome.to_string(), "no such file");
    let [transfer] = came.transfers()[..] else {
        panic!("{:?}", came.facts);
    };
    assert_eq!(
        (&transfer.outcome, transfer.whole),
        (&Outcome::Status(4), false)
    );
}

/// Every operation on names, what it is, and whether it changes anything.
fn operations() -> Vec<(Step, Act, bool)> {
    let attributes = [n(0xd), long(5), n(0o100_640), n(1), n(2)];
    let set = [vec![s("/a")], attributes.to_vec()].concat();
    let (one, two) = ([s("/a")], [s("/a"), s("/b")]);
    let (a, b) = (|| name("/a"), || name("/b"));
    let rename = || Act::Rename { from: a(), to: b() };
    let link = |symbolic| Act::Link {
        path: b(),
        to: a(),
        symbolic,
    };
    let change = || Act::Change {
        path: a(),
        change: "size 5, mode 0640, times".into(),
    };
    vec![
        (request(kind::RENAME, 7, &two), rename(), true),
        (
            extended(7, "posix-rename@openssh.com", &two),
            rename(),
            true,
        ),
        (request(kind::REMOVE, 7, &one), Act::Remove(a()), true),
        (request(kind::RMDIR, 7, &one), Act::RemoveFolder(a()), true),
        (
            request(kind::MKDIR, 7, &[s("/a"), n(0)]),
            Act::MakeFolder(a()),
            true,
        ),
        (request(kind::SYMLINK, 7, &two), link(true), true),
        (extended(7, "hardlink@openssh.com", &two), link(false), true),
        (request(kind::SETSTAT, 7, &set), change(), true),
        (extended(7, "lsetstat@openssh.com", &set), change(), true),
        (
            extended(7, "copy-file", &[s("/a"), s("/b"), vec![0]]),
            Act::Copy { from: a(), to: b() },
            true,
        ),
        (request(kind::READLINK, 7, &one), Act::ReadLink(a()), false),
        (request(kind::OPENDIR, 7, &one), Act::List(a()), false),
    ]
}

#[test]
fn operations_on_names_are_facts() {
    for (step, act, changes) in operations() {
        // A folder that could be listed is open: see below.
        for code in if changes { 0..5 } else { 1..5 } {
            let came = played(vec![step.clone(), status(7, code)]);
            let outcome = match code {
                0 => Outcome::Done,
                code => Outcome::Status(code),
            };
            let act = act.clone();
            assert_eq!(came.said(), [Fact::Acted { act, outcome }]);
        }
        let came = played(vec![step]);
        let outcome = Outcome::Unfinished;
        assert_eq!(came.said(), [Fact::Acted { act, outcome }]);
    }
}

#[test]
fn folders_and_links_are_read() {
    let came = played(vec![
        request(kind::OPENDIR, 1, &[s("/d")]),
        handle(1, "d"),
        request(kind::READDIR, 2, &[s("d")]),
        (
            Target,
            packet(kind::NAME, &[n(2), n(1), s("a"), s("-rw a"), n(0)]),
        ),
        request(kind::FSETSTAT, 3, &[s("d"), n(4), n(0o700)]),
        status(3, 0),
        close(4, "d"),
        status(4, 0),
        request(kind::READLINK, 5, &[s("/l")]),
        (
            Target,
            packet(kind::NAME, &[n(5), n(1), s("/to"), s(""), n(0)]),
        ),
    ]);
    let change = "mode 0700".into();
    let acts = [
        Act::List(name("/d")),
        Act::Change {
            path: name("/d"),
            change,
        },
        Act::ReadLink(name("/l")),
    ];
    let outcome = Outcome::Done;
    let acted = acts.map(|act| Fact::Acted {
        act,
        outcome: outcome.clone(),
    });
    assert_eq!(came.said(), acted);
}

#[test]
fn content_under_the_handle_of_a_folder_is_of_no_file() {
    let came = played(vec![
        request(wire::kind::OPENDIR, 1, &[s("/etc")]),
        handle(1, "d"),
        write(2, "d", 0, b"abc"),
        status(2, 4),
        read(3, "d", 0, 5),
        data(3, b"hello"),
        close(4, "d"),
        status(4, 0),
    ]);
    assert!(came.transfers().is_empty());
    let rest = came.facts.iter().filter_map(|fact| match fact {
        Fact::Rest { bytes, .. } => Some(*bytes),
        _ => None,
    });
    let passed = came.to_target.len() + came.to_client.len();
    assert_eq!(rest.sum::<u64>(), passed as u64, "every byte is told");
}

#[test]
fn a_copy_on_the_target_is_no_transfer() {
    let copy = [s("a"), long(0), long(0), s("b"), long(0)];
    let came = played(vec![
        open(1, "/a", 1),
        handle(1, "a"),
        open(2, "/b", 0x1a),
        handle(2, "b"),
        extended(3, "copy-data", &copy),
        status(3, 0),
        close(4, "a"),
        status(4, 0),
        close(5, "b"),
        status(5, 0),
    ]);
    assert!(came.transfers().is_empty());
    let copied = Act::Copy {
        from: name("/a"),
        to: name("/b"),
    };
    assert!(came.said().contains(&Fact::Acted {
        act: copied,
        outcome: Outcome::Done
    }));
}

#[test]
fn what_changes_something_needs_upload() {
    for (step, _, changes) in operations() {
        let (_, bytes) = &step;
        let steps = [hello(), vec![step.clone()]].concat();
        let came = play(&steps, NO_UPLOAD, &[usize::MAX]).unwrap();
        assert_eq!(came.to_target.ends_with(bytes), !changes);
        let refused = came.said().iter().any(|fact| {
            matches!(fact, Fact::Refused { lacks: Direction::Upload, path, .. } if path.as_bytes().len() == 2)
        });
        assert_eq!(refused, changes);
        let answer = wire::status(7, wire::PERMISSION_DENIED, "");
        assert_eq!(
            came.to_client.windows(8).any(|at| *at == answer[5..13]),
            changes
        );
    }
}

#[test]
fn each_direction_is_refused_for_itself() {
    let up = open(1, "/f", 0x1a);
    let down = open(1, "/f", 1);
    let both = open(1, "/f", 3);
    let bare = open(1, "/f", 0);
    for (step, allowed, passes) in [
        (&up, NO_UPLOAD, false),
        (&up, NO_DOWNLOAD, true),
        (&down, NO_UPLOAD, true),
        (&down, NO_DOWNLOAD, false),
        (&both, NO_UPLOAD, false),
        (&both, NO_DOWNLOAD, false),
        (&bare, NO_UPLOAD, true),
        (&bare, NO_DOWNLOAD, false),
        (&extended(1, "what@example.org", &[]), NO_UPLOAD, false),
        (&extended(1, "what@example.org", &[]), NO_DOWNLOAD, false),
        (&extended(1, "limits@openssh.com", &[]), NO_DOWNLOAD, true),
        (&request(kind::STAT, 1, &[s("/f")]), NO_DOWNLOAD, true),
    ] {
        let steps = [hello(), vec![step.clone()]].concat();
        let came = play(&steps, allowed, &[usize::MAX]).unwrap();
        assert_eq!(
            came.to_target.ends_with(&step.1),
            passes,
            "{step:?} {allowed:?}"
        );
        assert_eq!(came.said().is_empty(), passes);
    }
}

#[test]
fn a_right_that_is_taken_away_stops_writes_under_way() {
    let mut sftp = Sftp::default();
    let (mut pass, mut facts) = (Vec::new(), Vec::new());
    for (from, bytes) in [hello(), vec![open(1, "/f", 0x1a), handle(1, "h")]].concat() {
        let bytes = bytes.into();
        match from {
            Client => sftp.client_sent(&bytes, Allowed::BOTH, &mut pass, &mut facts),
            Target => sftp.target_sent(&bytes, &mut pass, &mut facts),
        }
        .unwrap();
    }
    pass.clear();
    let late = [write(5, "h", 0, &noise(500)).1, close(6, "h").1.clone()].concat();
    sftp.client_sent(&late.into(), NO_UPLOAD, &mut pass, &mut facts)
        .unwrap();
    assert_eq!(pass.concat(), close(6, "h").1);
    assert!(matches!(
        facts.last(),
        Some(Fact::Refused { what: "write", .. })
    ));
}

#[test]
fn answers_of_ours_go_between_packets_only() {
    let steps = [
        hello(),
        vec![open(1, "/f", 1), handle(1, "h"), read(2, "h", 0, 1000)],
    ]
    .concat();
    let content = data(2, &noise(1000)).1;
    for cut in 1..content.len() {
        let mut sftp = Sftp::default();
        let mut facts = Vec::new();
        let mut pass = Vec::new();
        for (from, bytes) in &steps {
            let bytes = bytes.clone().into();
            match from {
                Client => sftp.client_sent(&bytes, NO_UPLOAD, &mut pass, &mut facts),
                Target => sftp.target_sent(&bytes, &mut pass, &mut facts),
            }
            .unwrap();
        }
        let (first, second) = content.split_at(cut);
        pass.clear();
        sftp.target_sent(&first.to_vec().into(), &mut pass, &mut facts)
            .unwrap();
        let refused: Bytes = request(kind::REMOVE, 9, &[s("/f")]).1.into();
        sftp.client_sent(&refused, NO_UPLOAD, &mut Vec::new(), &mut facts)
            .unwrap();
        assert_eq!(sftp.take_ours(), None, "in the middle of a packet");
        sftp.target_sent(&second.to_vec().into(), &mut pass, &mut facts)
            .unwrap();
        let passed = pass.concat();
        assert_eq!(passed[..content.len()], content);
        assert_eq!(passed[content.len() + 5..][..4], n(9));
        assert_eq!(sftp.take_ours(), None);
    }
}

#[test]
fn a_newer_client_is_offered_version_3() {
    let steps = [(Client, packet(kind::INIT, &[n(6)]))];
    let came = play(&steps, Allowed::BOTH, &[usize::MAX]).unwrap();
    assert_eq!(came.to_target, packet(kind::INIT, &[n(3)]));
}

#[test]
fn what_is_not_sftp_ends_the_channel() {
    let hello = hello();
    let after = |step: Step| [hello.clone(), vec![step]].concat();
    let opened =
        |steps: Vec<Step>| [hello.clone(), vec![open(1, "/f", 1), handle(1, "h")], steps].concat();
    for (steps, why) in [
        (vec![(Client, b"hello world".to_vec())], "not SFTP"),
        (
            vec![(Client, packet(kind::OPEN, &[n(1), s("/"), n(1), n(0)]))],
            "not SFTP",
        ),
        (after((Client, packet(kind::INIT, &[n(3)]))), "out of place"),
        (after((Client, vec![0, 0, 0, 0, 3])), "a packet of 0 bytes"),
        (
            after((Client, [n(70_000), vec![kind::OPEN]].concat())),
            "70000 bytes",
        ),
        (
            after((Client, packet(kind::OPEN, &[n(1), n(999), vec![0; 9]]))),
            "shorter",
        ),
        (after(open(1, &"x".repeat(5000), 1)), "a file name of 5000"),
        (
            after((Client, packet(kind::CLOSE, &[n(1), s([b'h'; 257])]))),
            "a handle",
        ),
        (
            after((Client, packet(kind::WRITE, &[n(1), n(257), vec![0; 999]]))),
            "a handle",
        ),
        (
            after((
                Client,
                packet(kind::WRITE, &[n(1), s("h"), long(0), n(99), vec![0; 98]]),
            )),
            "shorter",
        ),
        (
            after((Target, packet(kind::VERSION, &[n(3)]))),
            "wrong type",
        ),
        (
            vec![hello[0].clone(), (Target, packet(kind::VERSION, &[n(6)]))],
            "not offered",
        ),
        (after(status(5, 0)), "nobody asked"),
        (
            opened(vec![read(2, "h", 0, 9), data(2, b"more than ni")]),
            "more data",
        ),
        (
            opened(vec![read(2, "h", 0, 9), read(2, "h", 9, 9)]),
            "in use",
        ),
        (
            opened(vec![read(2, "h", 0, 9), handle(2, "i")]),
            "wrong type",
        ),
        (
            opened(vec![open(2, "/g", 1), handle(2, "h")]),
            "a handle that is in use",
        ),
        (after((Target, b"motd: welcome".to_vec())), "a packet of"),
    ] {
        let error = play(&steps, Allowed::BOTH, &[usize::MAX]).unwrap_err();
        assert!(error.to_string().contains(why), "{error}: {steps:?}");
    }
}

#[test]
fn another_program_than_sftp_gets_what_was_held_back() {
    let both = Allowed::BOTH;
    let (mut pass, mut facts) = (Vec::new(), Vec::new());
    // The client speaks something else: what came of it before is given back.
    let mut sftp = Sftp::default();
    let mut say = |sftp: &mut Sftp, bytes: &'static [u8]| {
        sftp.client_sent(&Bytes::from_static(bytes), both, &mut pass, &mut facts)
    };
    assert_eq!(say(&mut sftp, b"GET"), Ok(()));
    let foreign = Malformed::Foreign("SFTP");
    assert_eq!(say(&mut sftp, b" / HTTP"), Err(foreign.clone()));
    assert_eq!(sftp.give_up().unwrap(), &b"GET"[..]);
    // It ends before anybody knows.
    let mut sftp = Sftp::default();
    assert_eq!(say(&mut sftp, b"x"), Ok(()));
    assert_eq!(sftp.client_ended().unwrap(), &b"x"[..]);
    assert!(pass.is_empty());

    // The target does, in any cut; but not once it has begun.
    let (mut pass, mut facts) = (Vec::new(), Vec::new());
    let text = Bytes::from_static(b"This account is not available.");
    for first in 1..text.len() {
        let mut sftp = Sftp::default();
        let first = sftp.target_sent(&text.slice(..first), &mut pass, &mut facts);
        let came = first.and_then(|()| sftp.target_sent(&text.slice(4..), &mut pass, &mut facts));
        assert_eq!(came, Err(foreign.clone()));
        assert!(sftp.give_up().is_some());
    }
    let mut sftp = Sftp::default();
    for (from, bytes) in hello() {
        let bytes = bytes.into();
        match from {
            Client => sftp.client_sent(&bytes, both, &mut pass, &mut facts),
            Target => sftp.target_sent(&bytes, &mut pass, &mut facts),
        }
        .unwrap();
    }
    assert!(sftp.target_sent(&text, &mut pass, &mut facts).is_err());
    assert_eq!((sftp.give_up(), sftp.client_ended()), (None, None));
}

#[test]
fn what_waits_is_bounded() {
    let mut flood = hello();
    flood.extend((0..20_000).map(|id| request(kind::STAT, id, &[s("/f")])));
    let error = play(&flood, Allowed::BOTH, &[usize::MAX]).unwrap_err();
    assert_eq!(error, Malformed::TooMany("requests without an answer"));

    let mut names = hello();
    names.extend((0..2000).map(|id| request(kind::REMOVE, id, &[s("x".repeat(4000))])));
    let error = play(&names, Allowed::BOTH, &[usize::MAX]).unwrap_err();
    assert_eq!(error, Malformed::TooMany("requests without an answer"));

    let mut refused = hello();
    refused.extend((0..40_000).map(|id| request(kind::REMOVE, id, &[s("/f")])));
    let error = play(&refused, NO_UPLOAD, &[usize::MAX]).unwrap_err();
    assert_eq!(error, Malformed::TooMany("refused requests"));

    let mut files = hello();
    for id in 0..5000 {
        files.extend([open(id, "/f", 1), handle(id, &format!("h{id}"))]);
    }
    let error = play(&files, Allowed::BOTH, &[usize::MAX]).unwrap_err();
    assert_eq!(error, Malformed::TooMany("open files"));
}

#[test]
fn early_parts_beyond_the_bound_leave_a_hole_and_no_memory() {
    use crate::digest::{FileDigest, MAX_EARLY_TOTAL, Waiting};
    let mut waiting = Waiting::default();
    let mut files: Vec<FileDigest> = (0..4).map(|_| FileDigest::default()).collect();
    let part = noise(100_000);
    for at in 0..400_u64 {
        for file in &mut files {
            file.put(1_000_000 + at * 200_000, &part, 0, &mut waiting);
            assert!(waiting.bytes() <= MAX_EARLY_TOTAL);
        }
    }
    for file in files {
        let done = file.finish(&mut waiting);
        assert_eq!((done.offset, done.end), (1_000_000, None));
        assert_eq!(done.sha256, sha(&part.repeat(400)));
        assert!(done.in_order);
    }
    assert_eq!(waiting.bytes(), 0);
}

/// A conversation with everything in it.
fn long_talk() -> Vec<Step> {
    let content = noise(3000);
    let mut steps = hello();
    steps.extend(download(&content[..1500], |answers| answers.reverse()));
    steps.extend([open(3, "/up", 0x1a), handle(3, "w")]);
    steps.extend([
        write(4, "w", 0, &content[..2000]),
        write(5, "w", 2000, &content[2000..]),
    ]);
    steps.extend([status(5, 0), status(4, 0), close(6, "w"), status(6, 0)]);
    for (step, _, _) in operations() {
        steps.extend([step, status(7, 0)]);
    }
    steps.push(request(kind::STAT, 8, &[s("/f")]));
    steps.push((Target, packet(kind::ATTRS, &[n(8), n(1), long(5)])));
    steps.push(request(kind::READDIR, 9, &[s("d")]));
    steps.push((
        Target,
        packet(kind::NAME, &[n(9), n(1), s("a"), s("-rw a"), n(0)]),
    ));
    steps
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1_usize..90, 1..40)) {
        let talk = long_talk();
        let whole = play(&talk, Allowed::BOTH, &[usize::MAX]).unwrap();
        let cut = play(&talk, Allowed::BOTH, &cuts).unwrap();
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_cut_refuses_the_same(cuts in proptest::collection::vec(1_usize..90, 1..40)) {
        // Only requests: what the target would answer depends on what it is asked.
        let talk: Vec<Step> = long_talk().into_iter().filter(|(from, _)| *from == Client).collect();
        let whole = play(&talk, NO_UPLOAD, &[usize::MAX]);
        let cut = play(&talk, NO_UPLOAD, &cuts);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_bytes_are_survived(steps in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..20)) {
        let steps: Vec<Step> = steps
            .into_iter()
            .map(|(client, bytes)| (if client { Client } else { Target }, bytes))
            .collect();
        let _ = play(&[hello(), steps].concat(), Allowed::BOTH, &[7]);
    }

    #[test]
    fn any_fields_are_survived(steps in proptest::collection::vec(
        (any::<bool>(), prop_oneof![0_u8..22, 100_u8..106, 200_u8..202],
         proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 4..40)), 0..20)) {
        let steps: Vec<Step> = steps
            .into_iter()
            .map(|(client, kind, body)| (if client { Client } else { Target }, packet(kind, &[body])))
            .collect();
        let _ = play(&[hello(), steps].concat(), Allowed::BOTH, &[usize::MAX]);
    }

    #[test]
    fn a_digest_in_any_order_is_that_of_the_file(
        parts in proptest::collection::vec(1_usize..500, 1..60), seed in any::<u64>()) {
        use crate::digest::{FileDigest, Waiting};
        let content = noise(parts.iter().sum());
        let mut at = 0;
        let mut placed: Vec<(usize, usize)> = parts
            .iter()
            .map(|len| {
                at += len;
                (at - len, at)
            })
            .collect();
        placed.sort_by_key(|(from, _)| sha(&[*from as u64, seed].map(u64::to_be_bytes).concat()));
        let (mut digest, mut waiting) = (FileDigest::default(), Waiting::default());
        for (from, to) in placed {
            digest.put(from as u64, &content[from..to], 0, &mut waiting);
        }
        let done = digest.finish(&mut waiting);
        prop_assert_eq!(done.sha256, sha(&content));
        prop_assert_eq!((done.offset, done.end), (0, Some(content.len() as u64)));
        prop_assert_eq!(waiting.bytes(), 0);
    }
}
