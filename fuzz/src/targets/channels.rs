//! Both sides of a static channel of RDP. However its PDUs are cut into chunks, the same goes on, and the same is found out;
//! and what goes on is PDUs that can be put together.

use std::collections::HashSet;

use sallyport_dissect::Allowed;
use sallyport_dissect::rdp::clipboard::{Clipboard, Gives, Rules};
use sallyport_dissect::rdp::devices::{self, Devices};
use sallyport_dissect::rdp::dynamic::{self, Dynamic};
use sallyport_dissect::rdp::mcs::Sender;
use sallyport_dissect::rdp::static_channel::{
    Channel, Chunk, Course, Onward, Out, Protocol, Verdict, chunks,
};
use sallyport_dissect::rdp::{ChannelFact, Malformed};

use crate::allocated;
use crate::input::Input;

/// What a reader may hold.
const MOST: usize = 48 << 20;

/// One side sends a PDU.
type Step = (Sender, Vec<u8>);

/// What came of a conversation.
#[derive(Debug, Default, PartialEq)]
struct Came {
    passed: Vec<Step>,
    facts: Vec<ChannelFact>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, how) = (input.byte(), input.byte());
    match kind & 7 {
        0 => any_chunks(&mut input),
        1 => drop(check(|| Channel::new(Simple), &mut input, how)),
        2 => clipboard(&mut input, how),
        4 => dynamic_channels(&mut input, how),
        _ => devices(&mut input, how),
    }
}

fn dynamic_channels(input: &mut Input<'_>, how: u8) {
    let rights = input.byte();
    let rules = dynamic::Rules {
        sound: rights & 1 != 0,
        microphone: rights & 2 != 0,
    };
    let make = || {
        let mut channel = Channel::new(Dynamic::default());
        channel.protocol.set(rules);
        channel
    };
    let came = check(make, input, how);
    let mut opened = HashSet::new();
    for (from, pdu) in &came.passed {
        let Some(first) = pdu.first() else { continue };
        let size = [1, 2, 4, 4][usize::from(first & 3)];
        let id = pdu.get(1..1 + size).map(|id| {
            let zeros = std::iter::repeat(&0);
            id.iter().chain(zeros).take(4).copied().collect::<Vec<u8>>()
        });
        match (first >> 4, from) {
            (1, Sender::Server) => {
                let name = pdu[1 + size..].split(|byte| *byte == 0).next();
                match name.unwrap_or_default() {
                    b"AUDIO_INPUT" => assert!(rules.microphone),
                    b"AUDIO_PLAYBACK_DVC" | b"AUDIO_PLAYBACK_LOSSY_DVC" => assert!(rules.sound),
                    b"ECHO" => {}
                    other => assert!(other.starts_with(b"Microsoft::Windows::RDS::")),
                }
                opened.insert(id);
            }
            // Refusals are of channels that are not there.
            (1, Sender::Client) | (5, _) => {}
            _ => assert!(
                opened.contains(&id),
                "nothing passes under an id that was never opened"
            ),
        }
    }
}

fn devices(input: &mut Input<'_>, how: u8) {
    let rights = input.byte();
    let may = |bit: u8| rights & bit != 0;
    let rules = devices::Rules {
        drives: may(1),
        printers: may(2),
        smart_cards: may(4),
        files: Allowed {
            upload: may(8),
            download: may(16),
        },
    };
    let make = || {
        let mut channel = Channel::new(Devices::default());
        channel.protocol.set(rules, 0);
        channel
    };
    let came = check(make, input, how);
    let mut kinds = Vec::new();
    for (from, pdu) in &came.passed {
        let number = |at: usize| {
            let bytes = pdu.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        match (from, number(0)) {
            // What is announced has its right.
            (Sender::Client, Some(0x4441_4472)) => {
                let mut at = 8;
                for _ in 0..number(4).unwrap_or_default() {
                    let (Some(kind), Some(id)) = (number(at), number(at + 4)) else {
                        break;
                    };
                    let allowed = [(8, 1), (4, 2), (0x20, 4)];
                    assert!(
                        allowed
                            .iter()
                            .any(|(known, bit)| kind == *known && may(*bit))
                    );
                    kinds.push((id, kind));
                    at += 20 + number(at + 16).unwrap_or_default() as usize;
                }
            }
            // What is asked is about what was announced, and goes the way it may.
            (Sender::Server, Some(0x4952_4472)) => {
                let id = number(4).unwrap_or_default();
                assert!(kinds.iter().any(|(known, _)| *known == id));
                match number(16) {
                    Some(3) => assert!(rules.files.upload || !all_drives(&kinds, id)),
                    Some(4 | 6) => assert!(rules.files.download || !all_drives(&kinds, id)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Was whatever had that id a drive?
fn all_drives(kinds: &[(u32, u32)], id: u32) -> bool {
    kinds.iter().all(|(known, kind)| *known != id || *kind == 8)
}

fn clipboard(input: &mut Input<'_>, how: u8) {
    let rights = input.byte();
    let gives = |bit: u8| Gives {
        content: rights & bit != 0,
        files: rights & bit << 1 != 0,
    };
    let rules = Rules {
        client: gives(1),
        target: gives(4),
    };
    let make = || {
        let mut channel = Channel::new(Clipboard::default());
        channel.protocol.set(rules, 0);
        channel
    };
    let came = check(make, input, how);
    for (from, pdu) in &came.passed {
        let gives = match from {
            Sender::Client => rules.client,
            Sender::Server => rules.target,
        };
        let empty = pdu.len() == 8;
        // Format lists, data and parts of files (MS-RDPECLIP 2.2.1), and whether they say that they hold something.
        match (pdu.first(), pdu.get(2).map_or(0, |flags| flags & 1)) {
            (Some(2), _) => assert!(gives.content || empty),
            (Some(5), 1) => assert!(gives.content),
            (Some(9), 1) => assert!(gives.content && gives.files),
            _ => {}
        }
    }
}

/// Chunks as the fuzzer likes them: nothing panics.
fn any_chunks(input: &mut Input<'_>) {
    let mut channel = Channel::new(Simple);
    while !input.is_empty() {
        let from = side(input.byte());
        channel.pass(from, input.chunk());
        channel.take_ours(from);
    }
    channel.finish();
}

fn check<P: Protocol>(make: impl Fn() -> Channel<P>, input: &mut Input<'_>, how: u8) -> Came {
    let mut steps: Vec<Step> = Vec::new();
    while !input.is_empty() {
        // A PDU of one chunk of the input, or of up to four.
        let byte = input.byte();
        let parts = (0..=(byte >> 1 & 3)).map(|_| input.chunk());
        let pdu = parts.collect::<Vec<_>>().concat();
        steps.push((side(byte), pdu));
    }
    allocated::at_most(MOST, || {
        let whole = play(make(), &steps, usize::MAX);
        let cut = play(make(), &steps, 1 + usize::from(how));
        assert_eq!(whole, cut, "cut by {how}");
        whole
    })
}

fn side(byte: u8) -> Sender {
    match byte & 1 {
        0 => Sender::Client,
        _ => Sender::Server,
    }
}

fn play<P: Protocol>(mut channel: Channel<P>, steps: &[Step], size: usize) -> Came {
    let mut came = Came::default();
    for (from, pdu) in steps {
        let mut onward = Vec::new();
        for chunk in cut(pdu, size) {
            let passing = channel.pass(*from, &chunk);
            match passing.onward {
                Onward::AsItIs => onward.push(chunk),
                Onward::Chunks(instead) => onward.extend(instead),
            }
            came.facts.extend(passing.facts);
        }
        came.passed.extend(together(*from, &onward));
        for side in [Sender::Client, Sender::Server] {
            came.passed.extend(together(side, &channel.take_ours(side)));
        }
    }
    came.facts.extend(channel.finish());
    came
}

fn cut(pdu: &[u8], size: usize) -> Vec<Vec<u8>> {
    if pdu.is_empty() {
        return chunks(pdu, false);
    }
    let mut at = 0;
    let parts = pdu.chunks(size).map(|data| {
        let first = at == 0;
        at += data.len();
        let chunk = Chunk {
            total: pdu.len(),
            first,
            last: at == pdu.len(),
            shown: false,
            data,
        };
        chunk.write()
    });
    parts.collect()
}

fn together(from: Sender, chunks: &[Vec<u8>]) -> Vec<Step> {
    let mut pdus: Vec<Step> = Vec::new();
    let mut open = false;
    for bytes in chunks {
        let chunk = Chunk::read(bytes).expect("what goes on can be read");
        assert_eq!(chunk.first, !open);
        open = !chunk.last;
        if chunk.first {
            pdus.push((from, Vec::new()));
        }
        if let Some((_, pdu)) = pdus.last_mut() {
            pdu.extend_from_slice(chunk.data);
            assert_eq!(chunk.last, pdu.len() == chunk.total);
        }
    }
    assert!(!open, "a PDU without its end");
    pdus
}

/// Does everything that a protocol may do.
struct Simple;

impl Protocol for Simple {
    const HEAD: usize = 3;
    const KEPT: usize = 200;

    fn begins(
        &mut self,
        from: Sender,
        head: &[u8],
        _: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        match head.first().copied().unwrap_or_default() & 7 {
            0 | 1 => Ok(Course::Keep),
            2 | 3 => Ok(Course::Stream),
            4 => Ok(Course::Skip),
            5 => {
                out.say(from, head.to_vec());
                Ok(Course::Skip)
            }
            _ => Err(Malformed("as the fuzzer wants it")),
        }
    }

    fn whole(&mut self, _: Sender, pdu: &[u8], _: &mut Out) -> Result<Verdict, Malformed> {
        match pdu.len() % 4 {
            0 => Ok(Verdict::Replace(pdu.iter().rev().copied().collect())),
            1 => Ok(Verdict::Drop),
            2 => Ok(Verdict::Pass),
            _ => Err(Malformed("of that length")),
        }
    }

    fn passes(&mut self, _: Sender, _: usize, _: &[u8], _: &mut Out) {}

    fn passed(&mut self, _: Sender, _: bool, _: &mut Out) {}

    fn finishes(&mut self, _: &mut Out) {}
}
