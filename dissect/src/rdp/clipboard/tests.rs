use sha2::{Digest, Sha256};

use super::wire::pdu;
use super::*;
use crate::fact::{Direction, Fact, Outcome};
use crate::rdp::played::{CLIENT, Played, TARGET, numbers, utf16};
use crate::rdp::{ChannelFact, Lacking};

const ALL: Gives = Gives {
    content: true,
    files: true,
};
const TEXT: Gives = Gives {
    content: true,
    files: false,
};
const NOTHING: Gives = Gives {
    content: false,
    files: false,
};

type Shared = Played<Clipboard>;

fn shared(client: Gives, target: Gives) -> Shared {
    let mut shared = Played::new(Clipboard::default());
    allow(&mut shared, client, target);
    for side in [TARGET, CLIENT] {
        shared.send(side, &capabilities(0x3e));
    }
    shared.to_client.clear();
    shared.to_target.clear();
    shared
}

fn allow(shared: &mut Shared, client: Gives, target: Gives) {
    shared.channel.protocol.set(Rules { client, target }, 0);
}

fn capabilities(flags: u32) -> Vec<u8> {
    let mut data = vec![1, 0, 0, 0, 1, 0, 12, 0, 2, 0, 0, 0];
    data.extend(flags.to_le_bytes());
    pdu(kind::CAPABILITIES, 0, &data)
}

fn list(formats: &[(u32, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (id, name) in formats {
        data.extend(id.to_le_bytes());
        data.extend(utf16(name));
        data.extend([0, 0]);
    }
    pdu(kind::FORMAT_LIST, 0, &data)
}

fn list_answer() -> Vec<u8> {
    pdu(kind::FORMAT_LIST_RESPONSE, wire::OK, &[])
}

fn ask(format: u32) -> Vec<u8> {
    pdu(kind::DATA_REQUEST, 0, &format.to_le_bytes())
}

fn data(content: &[u8]) -> Vec<u8> {
    pdu(kind::DATA_RESPONSE, wire::OK, content)
}

fn no_data() -> Vec<u8> {
    pdu(kind::DATA_RESPONSE, wire::FAIL, &[])
}

fn ask_range(stream: u32, index: u32, offset: u32, bytes: u32) -> Vec<u8> {
    pdu(
        kind::CONTENTS_REQUEST,
        0,
        &numbers(&[stream, index, 2, offset, 0, bytes]),
    )
}

fn range(stream: u32, content: &[u8]) -> Vec<u8> {
    let data = [&stream.to_le_bytes()[..], content].concat();
    pdu(kind::CONTENTS_RESPONSE, wire::OK, &data)
}

fn descriptors(files: &[(&str, u32)]) -> Vec<u8> {
    let mut data = numbers(&[files.len() as u32]);
    for (name, size) in files {
        let mut descriptor = vec![0; 592];
        descriptor[0] = 0x40;
        descriptor[68..72].copy_from_slice(&size.to_le_bytes());
        let name = utf16(name);
        descriptor[72..72 + name.len()].copy_from_slice(&name);
        data.extend(descriptor);
    }
    data
}

fn copied(from: Sender, formats: &[&str], files: bool) -> ChannelFact {
    ChannelFact::Copied {
        from,
        formats: formats.iter().map(ToString::to_string).collect(),
        files,
    }
}

fn pasted(from: Sender, format: &str, content: &[u8]) -> ChannelFact {
    ChannelFact::Pasted {
        from,
        format: format.to_owned(),
        bytes: content.len() as u64,
        sha256: Sha256::digest(content).into(),
        whole: true,
    }
}

#[test]
fn text_goes_where_it_may_and_is_told_of() {
    for (from, to) in [(CLIENT, TARGET), (TARGET, CLIENT)] {
        let mut shared = shared(TEXT, TEXT);
        let text = utf16("any text").repeat(500);
        let listed = list(&[(13, ""), (0xc001, "HTML\u{7} Format")]);
        shared.send(from, &listed);
        shared.send(to, &list_answer());
        shared.send(to, &ask(13));
        shared.send(from, &data(&text));
        let (got, answered) = ([listed, data(&text)], [list_answer(), ask(13)]);
        match from {
            CLIENT => {
                shared.target_gets(&got);
                shared.client_gets(&answered);
            }
            TARGET => {
                shared.client_gets(&got);
                shared.target_gets(&answered);
            }
        }
        let names = ["CF_UNICODETEXT", "HTML\\u{7} Format"];
        let told = [
            copied(from, &names, false),
            pasted(from, "CF_UNICODETEXT", &text),
        ];
        assert_eq!(shared.facts(), told);
    }
}

#[test]
fn a_client_that_may_not_give_shows_nothing_and_is_answered() {
    let mut shared = shared(NOTHING, TEXT);
    // The first list is awaited; what it lists is not.
    shared.send(CLIENT, &list(&[(13, "")]));
    shared.target_gets(&[list(&[])]);
    shared.send(TARGET, &list_answer());
    shared.client_gets(&[list_answer()]);
    shared.send(CLIENT, &list(&[(1, "")]));
    shared.target_gets(&[]);
    shared.client_gets(&[list_answer()]);
    shared.send(TARGET, &ask(13));
    shared.client_gets(&[]);
    shared.target_gets(&[no_data()]);
    let refused = ChannelFact::Refused(Lacking::Clipboard(CLIENT));
    assert_eq!(shared.facts(), [refused], "and only once");
    // The other way goes on.
    shared.send(TARGET, &list(&[(13, "")]));
    shared.client_gets(&[list(&[(13, "")])]);
    shared.send(CLIENT, &list_answer());
    shared.target_gets(&[list_answer()]);
}

#[test]
fn a_target_that_may_not_give_shows_nothing_and_is_answered() {
    let mut shared = shared(TEXT, NOTHING);
    shared.send(TARGET, &list(&[(13, "")]));
    shared.client_gets(&[]);
    shared.target_gets(&[list_answer()]);
    shared.send(CLIENT, &ask(13));
    shared.target_gets(&[]);
    shared.client_gets(&[no_data()]);
    // An answer that nobody asked for.
    shared.send(TARGET, &data(b"secret"));
    shared.client_gets(&[]);
    let refused = ChannelFact::Refused(Lacking::Clipboard(TARGET));
    let dropped = ChannelFact::Dropped(Malformed("clipboard data that nobody asked for"));
    assert_eq!(shared.facts(), [refused, dropped]);
}

#[test]
fn a_right_that_is_gone_ends_what_was_begun_under_it() {
    let mut shared = shared(ALL, ALL);
    shared.send(CLIENT, &list(&[(13, "")]));
    shared.send(TARGET, &ask(13));
    shared.send(TARGET, &ask_range(5, 0, 0, 9));
    shared.to_target.clear();
    shared.facts();
    allow(&mut shared, NOTHING, ALL);
    shared.send(TARGET, &ask(1));
    shared.target_gets(&[]);
    shared.send(CLIENT, &data(b"late"));
    // In the order in which they were asked for.
    shared.target_gets(&[no_data(), no_data()]);
    shared.send(CLIENT, &range(5, b"late"));
    let failed = pdu(kind::CONTENTS_RESPONSE, wire::FAIL, &[5, 0, 0, 0]);
    shared.target_gets(&[failed]);
    let refused = ChannelFact::Refused(Lacking::Clipboard(CLIENT));
    assert_eq!(shared.facts(), [refused]);
}

#[test]
fn files_are_told_by_name_with_digest_and_whole_or_not() {
    let mut shared = shared(ALL, ALL);
    shared.send(TARGET, &list(&[(0xc0bc, "FileGroupDescriptorW")]));
    shared.send(CLIENT, &ask(0xc0bc));
    let listed = descriptors(&[("folder\\a.txt", 5), ("b.bin", 4000), ("empty", 0)]);
    shared.send(TARGET, &data(&listed));
    let facts = shared.facts();
    assert_eq!(facts[0], copied(TARGET, &["FileGroupDescriptorW"], true));
    assert_eq!(facts[1], pasted(TARGET, "FileGroupDescriptorW", &listed));
    let ChannelFact::FilesListed { names, count, .. } = &facts[2] else {
        panic!("{facts:?}");
    };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["folder/a.txt", "b.bin", "empty"]);
    assert_eq!(*count, 3);
    let content = [7; 4000];
    for (index, content) in [(0, &b"12345"[..]), (1, &content), (2, b"")] {
        shared.to_client.clear();
        let (first, second) = content.split_at(content.len() / 2);
        for (stream, offset, part) in [(8, 0, first), (9, first.len(), second)] {
            if stream == 9 && content.is_empty() {
                continue;
            }
            shared.send(CLIENT, &ask_range(stream, index, offset as u32, 3000));
            shared.send(TARGET, &range(stream, part));
            shared.client_gets(&[range(stream, part)]);
        }
        let facts = shared.facts();
        let [ChannelFact::File(Fact::Transferred(file))] = &facts[..] else {
            panic!("{index}: {facts:?}");
        };
        assert_eq!(file.path.to_string(), names[index as usize]);
        assert_eq!(file.direction, Direction::Download);
        assert_eq!(file.bytes, content.len() as u64);
        assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(content)));
        assert!(file.whole && file.outcome == Outcome::Done, "{file:?}");
    }
    // Something else is copied before all of it came.
    shared.send(CLIENT, &ask_range(1, 1, 0, 3000));
    shared.send(TARGET, &range(1, &[7; 3000]));
    shared.send(TARGET, &list(&[(13, "")]));
    let facts = shared.facts();
    let [ChannelFact::File(Fact::Transferred(file)), _] = &facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!((file.bytes, file.whole), (3000, false));
    assert_eq!(file.outcome, Outcome::Unfinished);
}

#[test]
fn a_lock_keeps_the_names_of_what_was_copied_before() {
    let mut shared = shared(ALL, ALL);
    shared.send(CLIENT, &list(&[(0xc0bc, "FileGroupDescriptorW")]));
    shared.send(TARGET, &pdu(kind::LOCK, 0, &numbers(&[3])));
    shared.send(TARGET, &ask(0xc0bc));
    shared.send(CLIENT, &data(&descriptors(&[("kept", 9)])));
    shared.send(CLIENT, &list(&[(13, "")]));
    shared.facts();
    let request = pdu(
        kind::CONTENTS_REQUEST,
        0,
        &numbers(&[1, 0, 2, 0, 0, 100, 3]),
    );
    shared.send(TARGET, &request);
    shared.send(CLIENT, &range(1, b"nine byte"));
    let unlock = pdu(kind::UNLOCK, 0, &numbers(&[3]));
    shared.send(TARGET, &unlock);
    assert_eq!(shared.to_client.last(), Some(&unlock));
    let facts = shared.facts();
    let [ChannelFact::File(Fact::Transferred(file))] = &facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!(file.path.to_string(), "kept");
    assert!(file.whole && file.direction == Direction::Upload);
}

#[test]
fn without_the_right_to_files_they_are_left_out() {
    let mut shared = shared(TEXT, ALL);
    let formats = [
        (0xc0bc, "FileGroupDescriptorW"),
        (13, ""),
        (0xc0bd, "FileContents"),
    ];
    shared.send(CLIENT, &list(&formats));
    shared.target_gets(&[list(&[(13, "")])]);
    shared.send(TARGET, &ask(0xc0bc));
    shared.target_gets(&[no_data()]);
    shared.send(TARGET, &ask_range(1, 0, 0, 9));
    let failed = pdu(kind::CONTENTS_RESPONSE, wire::FAIL, &numbers(&[1]));
    shared.target_gets(&[failed]);
    shared.send(TARGET, &pdu(kind::LOCK, 0, &numbers(&[3])));
    shared.client_gets(&[]);
    let refused = ChannelFact::Refused(Lacking::ClipboardFiles(CLIENT));
    let told = [copied(CLIENT, &["CF_UNICODETEXT"], false), refused];
    assert_eq!(shared.facts(), told);
}

#[test]
fn capabilities_say_no_more_than_what_can_be_followed() {
    for (rules, said, expected) in [
        ((ALL, NOTHING), 0xffff_ffff, 0x3e),
        ((TEXT, TEXT), 0xffff_ffff, 0x3a),
        ((TEXT, TEXT), 0x02, 0x02),
    ] {
        let mut shared = shared(rules.0, rules.1);
        shared.send(CLIENT, &capabilities(said));
        shared.target_gets(&[capabilities(expected)]);
    }
}

#[test]
fn short_names_are_read_where_one_side_knows_no_others() {
    for (flags, name) in [
        (0, utf16("FileGroupDescriptorW")[..32].to_vec()),
        (wire::ASCII_NAMES, b"FileGroupDescriptorW".to_vec()),
    ] {
        let mut shared = shared(TEXT, TEXT);
        shared.send(TARGET, &capabilities(0));
        shared.to_client.clear();
        let mut entry = 0xc0bc_u32.to_le_bytes().to_vec();
        entry.extend(name);
        entry.resize(36, 0);
        let mut text = vec![13, 0, 0, 0];
        text.resize(36, 0);
        let both = [entry, text.clone()].concat();
        shared.send(TARGET, &pdu(kind::FORMAT_LIST, flags, &both));
        shared.client_gets(&[pdu(kind::FORMAT_LIST, flags, &text)]);
    }
}

#[test]
fn what_makes_no_sense_goes_nowhere() {
    for bad in [
        pdu(99, 0, &[]),
        pdu(kind::MONITOR_READY, 0, &[]),
        pdu(kind::DATA_REQUEST, 0, &[1, 2]),
        pdu(kind::FORMAT_LIST, 0, &[1, 2, 3]),
        pdu(kind::CONTENTS_REQUEST, 0, &numbers(&[1, 0, 3, 0, 0, 9])),
        pdu(kind::CONTENTS_RESPONSE, wire::OK, &[]),
        [list_answer(), vec![0; 9]].concat(),
        list_answer()[..7].to_vec(),
    ] {
        let mut shared = shared(ALL, ALL);
        shared.send(CLIENT, &bad);
        shared.target_gets(&[]);
        let facts = shared.facts();
        assert!(matches!(facts[..], [ChannelFact::Dropped(_)]), "{bad:?}");
    }
    let mut shared = shared(ALL, ALL);
    shared.send(CLIENT, &list_answer());
    shared.target_gets(&[]);
}
