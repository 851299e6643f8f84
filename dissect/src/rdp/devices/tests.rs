use sha2::{Digest, Sha256};

use super::wire::{kind, major, status};
use super::*;
use crate::fact::{Act, Direction, Fact, Outcome, Transfer};
use crate::rdp::played::{CLIENT, Played, TARGET, numbers, utf16};

/// Ids of the devices in these tests.
const DRIVE: u32 = 1;
const PRINTER: u32 = 2;
const CARD: u32 = 3;
const PORT: u32 = 4;

const ALL: Rules = Rules {
    drives: true,
    printers: true,
    smart_cards: true,
    files: Allowed::BOTH,
};

fn entry(kind: u32, id: u32, name: &str, data: &[u8]) -> Vec<u8> {
    let mut entry = numbers(&[kind, id]);
    entry.extend(name.as_bytes());
    entry.resize(16, 0);
    entry.extend(numbers(&[data.len() as u32]));
    entry.extend(data);
    entry
}

fn entries() -> [Vec<u8>; 4] {
    [
        entry(0x20, CARD, "SCARD", &[]),
        entry(0x08, DRIVE, "papers", b"a longer name\0"),
        entry(0x04, PRINTER, "PRN1", &[7; 40]),
        entry(0x01, PORT, "COM1", &[]),
    ]
}

fn announcement(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = entries.len() as u32;
    [numbers(&[kind::DEVICE_LIST, count]), entries.concat()].concat()
}

/// Devices that the target has heard of.
fn devices(rules: Rules) -> Played<Devices> {
    let mut devices = Played::new(Devices::default());
    allow(&mut devices, rules);
    devices.send(CLIENT, &announcement(&entries()));
    devices.to_target.clear();
    devices.facts();
    devices
}

fn allow(devices: &mut Played<Devices>, rules: Rules) {
    devices.channel.protocol.set(rules, 0);
}

/// A request: to which device and file, with which id, what, and more of it.
fn request((device, file): (u32, u32), id: u32, major: u32, more: &[u8]) -> Vec<u8> {
    let head = numbers(&[kind::REQUEST, device, file, id, major, 0]);
    [&head, more].concat()
}

fn answer(device: u32, id: u32, status: u32, more: &[u8]) -> Vec<u8> {
    let head = numbers(&[kind::COMPLETION, device, id, status]);
    [&head, more].concat()
}

fn refusal(device: u32, id: u32, status: u32) -> Vec<u8> {
    answer(device, id, status, &[0; 5])
}

/// Opens a path with this access, disposition and options.
fn create(device: u32, id: u32, path: &str, how: [u32; 3]) -> Vec<u8> {
    let path = [utf16(path), vec![0, 0]].concat();
    let [access, disposition, options] = how;
    let fields = [access, 0, 0, 0, 7, disposition, options, path.len() as u32];
    let more = [numbers(&fields), path].concat();
    request((device, 0), id, major::CREATE, &more)
}

fn read(file: (u32, u32), id: u32, offset: u32, len: u32) -> Vec<u8> {
    let more = [numbers(&[len, offset, 0]), vec![0; 20]].concat();
    request(file, id, major::READ, &more)
}

fn data(device: u32, id: u32, data: &[u8]) -> Vec<u8> {
    let more = [numbers(&[data.len() as u32]), data.to_vec()].concat();
    answer(device, id, 0, &more)
}

fn write(file: (u32, u32), id: u32, offset: u32, data: &[u8]) -> Vec<u8> {
    let fields = numbers(&[data.len() as u32, offset, 0]);
    let more = [fields, vec![0; 20], data.to_vec()].concat();
    request(file, id, major::WRITE, &more)
}

fn set(file: (u32, u32), id: u32, class: u32, buffer: &[u8]) -> Vec<u8> {
    let fields = numbers(&[class, buffer.len() as u32]);
    let more = [fields, vec![0; 24], buffer.to_vec()].concat();
    request(file, id, major::SET_INFORMATION, &more)
}

fn rename(file: (u32, u32), id: u32, to: &str) -> Vec<u8> {
    let to = utf16(to);
    let len = (to.len() as u32).to_le_bytes();
    set(file, id, 10, &[&[0, 0], &len[..], &to].concat())
}

fn close(file: (u32, u32), id: u32) -> Vec<u8> {
    request(file, id, major::CLOSE, &[0; 32])
}

/// What is asked passes and is answered; and so is the answer.
#[track_caller]
fn talk(devices: &mut Played<Devices>, steps: &[(Vec<u8>, Vec<u8>)]) {
    for (asked, answered) in steps {
        devices.send(TARGET, asked);
        devices.client_gets(std::slice::from_ref(asked));
        devices.send(CLIENT, answered);
        devices.target_gets(std::slice::from_ref(answered));
    }
}

fn transfers(facts: Vec<ChannelFact>) -> Vec<Transfer> {
    let transfers = facts.into_iter().filter_map(|fact| match fact {
        ChannelFact::File(Fact::Transferred(transfer)) => Some(*transfer),
        _ => None,
    });
    transfers.collect()
}

fn acted(act: Act) -> ChannelFact {
    let outcome = Outcome::Done;
    ChannelFact::File(Fact::Acted { act, outcome })
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

#[test]
fn the_target_hears_of_devices_it_may_use_and_of_no_others() {
    let no = Rules::default();
    let [card, drive, printer, _] = entries();
    let every = [card.clone(), drive.clone(), printer.clone()];
    for (rules, heard, refused) in [
        (ALL, &every[..], 1),
        (
            Rules { drives: true, ..no },
            std::slice::from_ref(&drive),
            3,
        ),
        (
            Rules {
                printers: true,
                ..no
            },
            std::slice::from_ref(&printer),
            3,
        ),
        (
            Rules {
                smart_cards: true,
                ..no
            },
            std::slice::from_ref(&card),
            3,
        ),
        (no, &[], 4),
    ] {
        let mut devices = Played::new(Devices::default());
        allow(&mut devices, rules);
        devices.send(CLIENT, &announcement(&entries()));
        devices.target_gets(&Vec::from_iter(
            (!heard.is_empty()).then(|| announcement(heard)),
        ));
        let facts = devices.facts();
        let lacking = facts
            .iter()
            .filter(|fact| matches!(fact, ChannelFact::Refused(_)));
        assert_eq!(lacking.count(), refused);
        assert_eq!(facts.len(), heard.len() + refused);
        // And nothing reaches the others.
        for device in [DRIVE, PRINTER, CARD, PORT, 99] {
            let asked = create(device, 5, "\\x", [1, 1, 0]);
            devices.send(TARGET, &asked);
            let id = device.to_le_bytes();
            if heard.iter().any(|entry| entry[4..8] == id) {
                devices.client_gets(&[asked]);
                devices.target_gets(&[]);
            } else {
                devices.client_gets(&[]);
                devices.target_gets(&[refusal(device, 5, status::UNSUCCESSFUL)]);
            }
        }
    }
    let mut devices = devices(ALL);
    let empty = announcement(&[]);
    devices.send(CLIENT, &empty);
    devices.target_gets(&[empty]);
}

#[test]
fn a_device_that_is_taken_away_is_gone() {
    let mut devices = devices(ALL);
    talk(
        &mut devices,
        &[(
            create(DRIVE, 1, "\\f", [1, 1, 0]),
            answer(DRIVE, 1, 0, &[9, 0, 0, 0, 0]),
        )],
    );
    devices.send(TARGET, &read((DRIVE, 9), 2, 0, 5));
    devices.facts();
    devices.send(CLIENT, &numbers(&[kind::DEVICES_REMOVED, 2, DRIVE, PORT]));
    devices.target_gets(&[numbers(&[kind::DEVICES_REMOVED, 1, DRIVE])]);
    let removed = ChannelFact::DeviceRemoved {
        kind: DeviceKind::Drive,
        name: name("papers"),
    };
    assert_eq!(devices.facts(), [removed]);
    devices.send(CLIENT, &data(DRIVE, 2, b"12345"));
    devices.target_gets(&[]);
    assert!(matches!(devices.facts()[..], [ChannelFact::Dropped(_)]));
}

#[test]
fn a_file_that_the_target_reads_is_an_upload() {
    let mut devices = devices(ALL);
    let content: Vec<u8> = (0..9000_u32).map(|n| n as u8).collect();
    let (first, second) = content.split_at(5000);
    let file = (DRIVE, 77);
    talk(
        &mut devices,
        &[
            (
                create(DRIVE, 1, "\\folder\\a.txt", [0x8000_0000, 1, 0]),
                answer(DRIVE, 1, 0, &[77, 0, 0, 0, 0]),
            ),
            // Asked for at once, and answered out of order below.
            (read(file, 2, 0, 5000), data(DRIVE, 2, first)),
        ],
    );
    devices.send(TARGET, &read(file, 3, 5000, 5000));
    devices.send(TARGET, &read(file, 4, 10_000, 5000));
    devices.send(CLIENT, &answer(DRIVE, 4, status::END_OF_FILE, &[0; 4]));
    devices.send(CLIENT, &data(DRIVE, 3, second));
    devices.to_client.clear();
    devices.to_target.clear();
    talk(
        &mut devices,
        &[(close(file, 5), answer(DRIVE, 5, 0, &[0; 4]))],
    );
    let facts = devices.facts();
    assert!(
        matches!(&facts[0], ChannelFact::File(Fact::Opened { path, .. })
        if path.to_string() == "papers/folder/a.txt")
    );
    let [file] = &transfers(facts)[..] else {
        panic!();
    };
    assert_eq!(file.direction, Direction::Upload);
    assert_eq!((file.bytes, file.size), (9000, Some(9000)));
    assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
    assert!(file.whole && file.in_order, "{file:?}");
}

#[test]
fn a_file_that_the_target_writes_is_a_download() {
    for (disposition, size, whole) in [
        (2, None, true),
        (1, None, false),
        (1, Some(4000), true),
        (2, Some(5000), false),
    ] {
        let mut devices = devices(ALL);
        let file = (DRIVE, 8);
        let mut steps = vec![(
            create(DRIVE, 1, "\\new", [0x4000_0000, disposition, 0]),
            answer(DRIVE, 1, 0, &[8, 0, 0, 0, 2]),
        )];
        if let Some(size) = size {
            let buffer = [numbers(&[size]), vec![0; 4]].concat();
            steps.push((
                set(file, 9, 20, &buffer),
                answer(DRIVE, 9, 0, &[8, 0, 0, 0]),
            ));
        }
        for (id, offset) in [(2, 0), (3, 2000)] {
            let written = [numbers(&[2000]), vec![0]].concat();
            steps.push((
                write(file, id, offset, &[id as u8; 2000]),
                answer(DRIVE, id, 0, &written),
            ));
        }
        steps.push((close(file, 4), answer(DRIVE, 4, 0, &[0; 4])));
        talk(&mut devices, &steps);
        let [file] = &transfers(devices.facts())[..] else {
            panic!();
        };
        assert_eq!(file.direction, Direction::Download);
        let content = [[2; 2000], [3; 2000]].concat();
        assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(content)));
        assert_eq!(file.whole, whole, "{disposition} {size:?}");
    }
}

#[test]
fn what_is_done_to_files_by_name_is_told() {
    let mut devices = devices(ALL);
    let (file, folder) = ((DRIVE, 8), (DRIVE, 9));
    talk(
        &mut devices,
        &[
            (
                create(DRIVE, 1, "\\old", [0x1_0000, 1, 0]),
                answer(DRIVE, 1, 0, &[8, 0, 0, 0, 1]),
            ),
            (
                rename(file, 2, "\\sub\\new"),
                answer(DRIVE, 2, 0, &[0, 0, 0, 0]),
            ),
            (set(file, 3, 13, &[1]), answer(DRIVE, 3, 0, &[0; 4])),
            (close(file, 4), answer(DRIVE, 4, 0, &[0; 4])),
            (
                create(DRIVE, 5, "\\made\\", [0x8000_0000, 2, 1]),
                answer(DRIVE, 5, 0, &[9, 0, 0, 0, 2]),
            ),
            (
                request(
                    folder,
                    6,
                    major::DIRECTORY_CONTROL,
                    &[&numbers(&[3])[..], &[1], &[0; 30]].concat(),
                ),
                answer(DRIVE, 6, 0, &[0; 20]),
            ),
            (close(folder, 7), answer(DRIVE, 7, 0, &[0; 4])),
        ],
    );
    let expected = [
        acted(Act::Rename {
            from: name("papers/old"),
            to: name("papers/sub/new"),
        }),
        acted(Act::Remove(name("papers/sub/new"))),
        acted(Act::MakeFolder(name("papers/made"))),
        acted(Act::List(name("papers/made"))),
    ];
    assert_eq!(devices.facts(), expected);
    // Looking for what is not there is no news, making it in vain is.
    for (how, told) in [([0x8000_0000, 1, 0], 0), ([0x4000_0000, 2, 0], 1)] {
        let asked = create(DRIVE, 1, "\\none", how);
        talk(
            &mut devices,
            &[(asked, answer(DRIVE, 1, 0xc000_0034, &[0; 5]))],
        );
        assert_eq!(devices.facts().len(), told);
    }
}

#[test]
fn files_go_only_the_way_they_may() {
    let one_way = |upload, download| Rules {
        files: Allowed { upload, download },
        ..ALL
    };
    let file = (DRIVE, 8);
    let opened = (
        create(DRIVE, 1, "\\f", [0x8000_0000, 1, 0]),
        answer(DRIVE, 1, 0, &[8, 0, 0, 0, 1]),
    );
    let changes = [
        (create(DRIVE, 2, "\\f", [0x4000_0000, 2, 0]), "create"),
        (create(DRIVE, 2, "\\f", [0x1_0000, 1, 0x1000]), "create"),
        (write(file, 2, 0, &[1; 2000]), "write"),
        (rename(file, 2, "\\g"), "rename"),
        (set(file, 2, 13, &[]), "remove"),
        (set(file, 2, 4, &[0; 36]), "change"),
    ];
    let mut devices = devices(one_way(true, false));
    talk(&mut devices, &[opened]);
    devices.facts();
    for (asked, what) in changes {
        devices.send(TARGET, &asked);
        devices.client_gets(&[]);
        devices.target_gets(&[refusal(DRIVE, 2, status::ACCESS_DENIED)]);
        let refused = Fact::Refused {
            what,
            path: name("papers/f"),
            lacks: Direction::Download,
        };
        assert_eq!(devices.facts(), [ChannelFact::File(refused)]);
    }
    talk(
        &mut devices,
        &[(read(file, 2, 0, 3), data(DRIVE, 2, b"abc"))],
    );
    devices.send(TARGET, &request(file, 3, major::DEVICE_CONTROL, &[0; 32]));
    devices.target_gets(&[refusal(DRIVE, 3, status::NOT_SUPPORTED)]);
    // The right is gone between a request and its answer.
    devices.send(TARGET, &read(file, 3, 0, 3));
    allow(&mut devices, one_way(false, true));
    devices.send(CLIENT, &data(DRIVE, 3, b"abc"));
    devices.target_gets(&[refusal(DRIVE, 3, status::ACCESS_DENIED)]);
    devices.to_client.clear();
    devices.send(TARGET, &read(file, 3, 0, 3));
    devices.client_gets(&[]);
    devices.target_gets(&[refusal(DRIVE, 3, status::ACCESS_DENIED)]);
    // Drives are gone altogether: what is open can still be closed.
    allow(&mut devices, Rules::default());
    devices.send(TARGET, &write(file, 4, 0, b"abc"));
    devices.target_gets(&[refusal(DRIVE, 4, status::ACCESS_DENIED)]);
    talk(
        &mut devices,
        &[(close(file, 4), answer(DRIVE, 4, 0, &[0; 4]))],
    );
}

#[test]
fn print_jobs_are_told_with_their_digest() {
    let mut devices = devices(ALL);
    let job = (PRINTER, 3);
    let wrote = |id| answer(PRINTER, id, 0, &[0; 5]);
    talk(
        &mut devices,
        &[
            (
                create(PRINTER, 1, "", [0x4000_0000, 1, 0]),
                answer(PRINTER, 1, 0, &[3, 0, 0, 0, 0]),
            ),
            (write(job, 2, 0, &[1; 3000]), wrote(2)),
            (write(job, 3, 0, &[2; 10]), wrote(3)),
            (close(job, 4), answer(PRINTER, 4, 0, &[0; 4])),
        ],
    );
    let content = [vec![1; 3000], vec![2; 10]].concat();
    let printed = ChannelFact::Printed {
        printer: name("PRN1"),
        bytes: 3010,
        sha256: Sha256::digest(content).into(),
        whole: true,
    };
    assert_eq!(devices.facts(), [printed]);
}

#[test]
fn answers_and_files_that_nobody_knows_do_not_pass() {
    let mut devices = devices(ALL);
    for bad in [
        data(DRIVE, 2, b"unasked"),
        answer(DRIVE, 2, 0, &[]),
        numbers(&[0x1234_5678, 0]),
        numbers(&[kind::DEVICE_LIST, 3]),
        numbers(&[kind::DEVICES_REMOVED, 2, 1]),
    ] {
        devices.send(CLIENT, &bad);
        devices.target_gets(&[]);
        assert!(matches!(devices.facts()[..], [ChannelFact::Dropped(_)]));
    }
    let unknown = (DRIVE, 55);
    for asked in [read(unknown, 2, 0, 9), write(unknown, 2, 0, b"x")] {
        devices.send(TARGET, &asked);
        devices.client_gets(&[]);
        devices.target_gets(&[refusal(DRIVE, 2, status::INVALID_HANDLE)]);
    }
    devices.send(TARGET, &create(DRIVE, 2, "\\f", [1, 1, 0]));
    devices.to_client.clear();
    devices.send(TARGET, &create(DRIVE, 2, "\\g", [1, 1, 0]));
    devices.client_gets(&[]);
    let mut long = write((DRIVE, 8), 3, 0, b"x");
    long.extend([0; 9]);
    devices.send(TARGET, &long);
    devices.client_gets(&[]);
    assert_eq!(devices.facts().len(), 2);
}

#[test]
fn neither_requests_nor_files_are_kept_without_end() {
    let mut devices = devices(ALL);
    let open = |id| create(DRIVE, id, "\\f", [1, 1, 0]);
    for id in 0..open::MOST_OPEN as u32 {
        devices.send(TARGET, &open(id));
    }
    devices.to_target.clear();
    devices.send(TARGET, &open(5000));
    devices.target_gets(&[refusal(DRIVE, 5000, status::TOO_MANY_OPENED_FILES)]);
    for id in 6000..9000 {
        let asked = request((DRIVE, 0), id, 0x0a, &[0; 32]);
        devices.send(TARGET, &asked);
    }
    let last = devices.to_target.last().cloned();
    let refused = refusal(DRIVE, 8999, status::INSUFFICIENT_RESOURCES);
    assert_eq!(last, Some(refused));
}

#[test]
fn what_is_open_at_the_end_is_told_as_far_as_it_came() {
    let mut devices = devices(ALL);
    let file = (DRIVE, 8);
    talk(
        &mut devices,
        &[
            (
                create(DRIVE, 1, "\\f", [3, 1, 0]),
                answer(DRIVE, 1, 0, &[8, 0, 0, 0, 1]),
            ),
            (read(file, 2, 0, 9), data(DRIVE, 2, b"abc")),
        ],
    );
    let facts = devices.channel.finish();
    let [file] = &transfers(facts)[..] else {
        panic!();
    };
    assert_eq!((file.bytes, &file.outcome), (3, &Outcome::Unfinished));
    assert!(!file.whole);
}
