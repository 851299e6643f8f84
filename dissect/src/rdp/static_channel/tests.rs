use super::*;
use crate::rdp::ChannelFact;
use crate::rdp::mcs::Sender;
use proptest::prelude::*;

/// Decides by the first two bytes of a PDU.
#[derive(Default)]
struct Spoken {
    kept: Vec<Vec<u8>>,
    streamed: Vec<Vec<u8>>,
    broken: usize,
}

impl Protocol for Spoken {
    const HEAD: usize = 2;
    const KEPT: usize = 5000;

    fn begins(
        &mut self,
        from: Sender,
        head: &[u8],
        _: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        match head {
            b"ke" | b"re" | b"dr" => Ok(Course::Keep),
            b"st" => {
                self.streamed.push(Vec::new());
                Ok(Course::Stream)
            }
            b"sk" => Ok(Course::Skip),
            b"an" => {
                let other = match from {
                    Sender::Client => Sender::Server,
                    Sender::Server => Sender::Client,
                };
                out.say(other, b"ours".to_vec());
                Ok(Course::Skip)
            }
            _ => Err(Malformed("no such kind")),
        }
    }

    fn whole(&mut self, _: Sender, pdu: &[u8], _: &mut Out) -> Result<Verdict, Malformed> {
        self.kept.push(pdu.to_vec());
        Ok(match &pdu[..2] {
            b"ke" => Verdict::Pass,
            b"re" => Verdict::Replace(b"another".to_vec()),
            _ => Verdict::Drop,
        })
    }

    fn passes(&mut self, _: Sender, at: usize, data: &[u8], _: &mut Out) {
        let streamed = self.streamed.last_mut().unwrap();
        assert_eq!(streamed.len(), at);
        streamed.extend_from_slice(data);
    }

    fn passed(&mut self, _: Sender, whole: bool, _: &mut Out) {
        self.broken += usize::from(!whole);
    }

    fn finishes(&mut self, _: &mut Out) {}
}

fn pdu(kind: &[u8], len: usize) -> Vec<u8> {
    let mut pdu = kind.to_vec();
    pdu.extend((0..len).map(|n| n as u8));
    pdu
}

/// A PDU in chunks of `size` bytes.
fn by(pdu: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = pdu.len().div_ceil(size);
    let parts = pdu.chunks(size).enumerate();
    parts
        .map(|(n, data)| {
            let chunk = Chunk {
                total: pdu.len(),
                first: n == 0,
                last: n + 1 == count,
                shown: true,
                data,
            };
            chunk.write()
        })
        .collect()
}

/// What goes on of these chunks, put together again, and what was found out.
fn pass(
    channel: &mut Channel<Spoken>,
    from: Sender,
    chunks: &[Vec<u8>],
) -> (Vec<Vec<u8>>, Vec<ChannelFact>) {
    let (mut onward, mut facts) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let passing = channel.pass(from, chunk);
        match passing.onward {
            Onward::AsItIs => onward.push(chunk.clone()),
            Onward::Chunks(instead) => onward.extend(instead),
        }
        facts.extend(passing.facts);
    }
    (together(&onward), facts)
}

fn together(chunks: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut pdus: Vec<Vec<u8>> = Vec::new();
    for bytes in chunks {
        let chunk = Chunk::read(bytes).unwrap();
        assert!(chunk.shown);
        if chunk.first {
            pdus.push(Vec::new());
        }
        let pdu = pdus.last_mut().unwrap();
        pdu.extend_from_slice(chunk.data);
        assert_eq!(chunk.last, pdu.len() == chunk.total);
    }
    pdus
}

#[test]
fn a_pdu_is_kept_changed_streamed_or_dropped_however_it_is_cut() {
    for size in [1, 2, 3, 1600, 9000] {
        let mut channel = Channel::new(Spoken::default());
        let cases = [
            (pdu(b"ke", 4000), Some(pdu(b"ke", 4000))),
            (pdu(b"st", 8000), Some(pdu(b"st", 8000))),
            (pdu(b"re", 3), Some(b"another".to_vec())),
            (pdu(b"dr", 2000), None),
            (pdu(b"sk", 70_000), None),
            (pdu(b"st", 0), Some(pdu(b"st", 0))),
        ];
        for (sent, expected) in cases {
            let (onward, facts) = pass(&mut channel, Sender::Client, &by(&sent, size));
            assert_eq!(onward, Vec::from_iter(expected), "{size}");
            assert_eq!(facts, []);
        }
        let spoken = &channel.protocol;
        assert_eq!(spoken.streamed, [pdu(b"st", 8000), pdu(b"st", 0)]);
        assert_eq!(spoken.kept.len(), 3);
    }
}

#[test]
fn what_cannot_be_followed_goes_nowhere_and_what_comes_then_passes() {
    let good = by(&pdu(b"ke", 10), 100);
    let whole = Chunk {
        total: 4,
        first: true,
        last: true,
        shown: true,
        data: b"ke12",
    };
    let cases: [(&str, Vec<Vec<u8>>); 9] = [
        ("no such kind", by(b"??", 100)),
        ("too long to be kept", by(&pdu(b"ke", 6000), 1600)),
        (
            "the rest of something",
            by(&pdu(b"ke", 400), 100)[1..].to_vec(),
        ),
        ("no end", by(&pdu(b"ke", 400), 100)[..2].to_vec()),
        (
            "less than it says",
            vec![Chunk { total: 5, ..whole }.write()],
        ),
        (
            "more than it says",
            vec![Chunk { total: 3, ..whole }.write()],
        ),
        (
            "no last chunk",
            vec![
                Chunk {
                    last: false,
                    ..whole
                }
                .write(),
            ],
        ),
        (
            "longer than all",
            vec![
                Chunk {
                    total: LONGEST + 1,
                    ..whole
                }
                .write(),
            ],
        ),
        ("half a header", vec![vec![4, 0, 0, 0, 3]]),
    ];
    for (what, bad) in cases {
        let mut channel = Channel::new(Spoken::default());
        let mut chunks = bad;
        chunks.extend(good.clone());
        let (onward, facts) = pass(&mut channel, Sender::Server, &chunks);
        assert_eq!(onward, [pdu(b"ke", 10)], "{what}");
        assert!(
            matches!(facts[..], [ChannelFact::Dropped(_)]),
            "{what}: {facts:?}"
        );
    }
    let mut compressed = good[0].clone();
    compressed[6] |= 0x20;
    assert!(Chunk::read(&compressed).is_err());
}

#[test]
fn a_stream_that_breaks_off_is_told_of() {
    let mut channel = Channel::new(Spoken::default());
    let sent = by(&pdu(b"st", 400), 100);
    pass(&mut channel, Sender::Client, &sent[..2]);
    let (_, facts) = pass(&mut channel, Sender::Client, &sent);
    assert!(matches!(facts[..], [ChannelFact::Dropped(_)]));
    assert_eq!(channel.protocol.broken, 1);
    pass(&mut channel, Sender::Client, &sent[..2]);
    assert_eq!(channel.finish(), []);
    assert_eq!(channel.protocol.broken, 2);
}

#[test]
fn answers_of_ours_wait_for_the_end_of_what_is_on_its_way() {
    let mut channel = Channel::new(Spoken::default());
    let sent = by(&pdu(b"st", 400), 300);
    assert_eq!(
        channel.pass(Sender::Server, &sent[0]).onward,
        Onward::AsItIs
    );
    pass(&mut channel, Sender::Client, &by(b"an", 100));
    assert!(channel.take_ours(Sender::Server).is_empty());
    assert!(!channel.has_ours(Sender::Client));
    assert_eq!(
        channel.pass(Sender::Server, &sent[1]).onward,
        Onward::AsItIs
    );
    assert!(channel.has_ours(Sender::Server));
    let ours = channel.take_ours(Sender::Server);
    assert_eq!(together(&ours), [b"ours".to_vec()]);
    assert!(!channel.has_ours(Sender::Server));
}

#[test]
fn a_side_that_never_makes_sense_has_its_channel_closed() {
    let mut channel = Channel::new(Spoken::default());
    let mut facts = Vec::new();
    for _ in 0..2 * MOST_FAULTS {
        facts.extend(pass(&mut channel, Sender::Client, &by(b"??", 100)).1);
    }
    assert_eq!(facts.len(), MOST_FAULTS as usize);
    assert!(matches!(facts.last(), Some(ChannelFact::Closed(_))));
    let (onward, _) = pass(&mut channel, Sender::Server, &by(b"ke", 100));
    assert_eq!(onward, [] as [Vec<u8>; 0]);
}

#[test]
fn answers_that_nobody_takes_are_not_kept_without_end() {
    let mut channel = Channel::new(Spoken::default());
    for _ in 0..1000 {
        pass(&mut channel, Sender::Client, &by(b"an", 100));
    }
    let ours = channel.take_ours(Sender::Server);
    assert_eq!(together(&ours).len(), 256);
}

#[test]
fn long_pdus_are_written_in_chunks_that_everybody_takes() {
    let pdu = pdu(b"ke", 4000);
    let written = chunks(&pdu, false);
    let lens: Vec<usize> = written.iter().map(Vec::len).collect();
    assert_eq!(lens, [1608, 1608, 810]);
    assert_eq!(written[0][..8], [0xa2, 0x0f, 0, 0, 1, 0, 0, 0]);
    assert_eq!(written[2][4..8], [2, 0, 0, 0]);
    assert_eq!(chunks(&[], false), [vec![0, 0, 0, 0, 3, 0, 0, 0]]);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(chunks in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..20
    )) {
        let mut channel = Channel::new(Spoken::default());
        for (client, bytes) in chunks {
            let from = if client { Sender::Client } else { Sender::Server };
            channel.pass(from, &bytes);
        }
        channel.finish();
    }
}
