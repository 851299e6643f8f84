//! Both sides of a channel that carries files: SFTP, scp, rsync. Bytes pass as they came, each is in
//! one digest, and nothing passes that changes a target without the right to.

use bytes::Bytes;
use sallyport_dissect::{Act, Allowed, Direction, Fact, Malformed, Reader};

use crate::allocated;
use crate::input::{Input, pieces};

/// What the readers may hold: parts of files that came early, names of what waits.
const MOST: usize = 48 << 20;

/// One side says something.
type Step = (Direction, Vec<u8>);

/// What came of a conversation.
#[derive(Debug, Default, PartialEq)]
struct Came {
    /// What went on of each step, for the same side.
    passed: Vec<Step>,
    /// Bytes of the gateway's own answers.
    ours: usize,
    facts: Vec<Fact>,
}

impl Came {
    /// All that one side said and that went on.
    fn of(&self, side: Direction) -> Vec<u8> {
        said(&self.passed, side)
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let command = input.chunk();
    let start = || match command {
        [] => Some(Reader::sftp()),
        line => Reader::of_command(line),
    };
    let (how, rights) = (input.byte(), input.byte());
    let allowed = Allowed {
        upload: rights & 1 == 0,
        download: rights & 2 == 0,
    };
    let steps = steps(&mut input);
    let (Some(whole), Some(cut), Some(free), Some(second)) = (start(), start(), start(), start())
    else {
        return;
    };
    let sftp = matches!(free, Reader::Sftp(_));
    let (whole, cut) = allocated::at_most(MOST, || {
        (
            play(whole, &steps, allowed, 0),
            play(cut, &steps, allowed, how),
        )
    });
    assert_eq!(
        whole.is_ok(),
        cut.is_ok(),
        "cut by {how}: {whole:?} {cut:?}"
    );
    if let (Ok(whole), Ok(cut)) = (whole, cut) {
        assert_eq!(whole, cut, "cut by {how}");
        let up = whole.of(Direction::Upload).len();
        assert_eq!(bytes_told(&whole, Direction::Upload), up as u64);
        // Where something may be refused, what passed is looked at once more.
        if sftp && !allowed.upload {
            harmless(second, &whole.passed);
        }
    }
    if let Ok(free) = play(free, &steps, Allowed::BOTH, how) {
        untouched(&steps, &free, Direction::Download);
        // A request that the gateway does not know is answered by itself, and does not pass.
        if !sftp || all_known(&said(&steps, Direction::Upload)) {
            untouched(&steps, &free, Direction::Upload);
        }
        let up = free.of(Direction::Upload).len();
        let down = free.of(Direction::Download).len() + free.ours;
        assert_eq!(bytes_told(&free, Direction::Upload), up as u64);
        assert_eq!(bytes_told(&free, Direction::Download), down as u64);
    }
}

/// A packet with its length, or bytes as they are; of the client, or of the target.
fn steps(input: &mut Input<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    while !input.is_empty() {
        let kind = input.byte();
        let said = input.chunk();
        let mut bytes = match kind & 2 {
            0 => u32::try_from(said.len())
                .unwrap_or_default()
                .to_be_bytes()
                .to_vec(),
            _ => Vec::new(),
        };
        bytes.extend_from_slice(said);
        let direction = match kind & 1 {
            0 => Direction::Upload,
            _ => Direction::Download,
        };
        steps.push((direction, bytes));
    }
    steps
}

fn play(mut reader: Reader, steps: &[Step], allowed: Allowed, how: u8) -> Result<Came, Malformed> {
    let mut came = Came::default();
    for (direction, bytes) in steps {
        let mut to = Vec::new();
        for piece in pieces(bytes, how) {
            let piece = Bytes::copy_from_slice(piece);
            let passed = match direction {
                Direction::Upload => reader.client_sent(piece, allowed)?,
                Direction::Download => reader.target_sent(piece)?,
            };
            passed
                .pieces
                .iter()
                .for_each(|piece| to.extend_from_slice(piece));
            came.facts.extend(passed.facts);
        }
        came.passed.push((*direction, to));
        while let Some(answer) = reader.take_ours() {
            came.ours += answer.len();
        }
    }
    came.facts.extend(reader.finish());
    Ok(came)
}

/// All that one side said.
fn said(steps: &[Step], side: Direction) -> Vec<u8> {
    let steps = steps.iter().filter(|(from, _)| *from == side);
    steps.flat_map(|(_, bytes)| bytes).copied().collect()
}

fn untouched(steps: &[Step], came: &Came, side: Direction) {
    let (said, passed) = (said(steps, side), came.of(side));
    // Only the version in SFTP's first packet may be another one.
    let first = passed.len().min(9);
    assert!(passed.len() <= said.len());
    assert_eq!(said[first..passed.len()], passed[first..], "{side:?}");
}

/// Are all of these packets ones that version 3 of SFTP has for a client (section 3)?
fn all_known(mut packets: &[u8]) -> bool {
    while let [a, b, c, d, kind, ..] = *packets {
        if !matches!(kind, 1 | 3..=20 | 200) {
            return false;
        }
        let whole = 4 + u32::from_be_bytes([a, b, c, d]) as usize;
        packets = packets.get(whole..).unwrap_or_default();
    }
    true
}

fn bytes_told(came: &Came, wanted: Direction) -> u64 {
    let told = came.facts.iter().map(|fact| match fact {
        Fact::Transferred(transfer) if transfer.direction == wanted => transfer.bytes,
        Fact::Rest {
            direction, bytes, ..
        } if *direction == wanted => *bytes,
        _ => 0,
    });
    told.sum()
}

/// Reads what passed again, answers as well (without them, an id would be in use for good): it asks
/// for no change.
fn harmless(second: Reader, passed: &[Step]) {
    let again = play(second, passed, Allowed::BOTH, 0);
    let again = again.unwrap_or_else(|why| panic!("what passed cannot be read: {why}"));
    for fact in again.facts {
        let changes = match &fact {
            Fact::Opened { access, .. } => access.write,
            Fact::Transferred(transfer) => transfer.direction == Direction::Upload,
            Fact::Acted { act, .. } => !matches!(act, Act::List(_) | Act::ReadLink(_)),
            Fact::Refused { .. } | Fact::Synchronised { .. } | Fact::Rest { .. } => false,
        };
        assert!(!changes, "passed without the right to: {fact:?}");
    }
}
