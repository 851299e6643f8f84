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
    up: Vec<u8>,
    down: Vec<u8>,
    /// Bytes of the gateway's own answers.
    ours: usize,
    facts: Vec<Fact>,
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
        assert_eq!(bytes_told(&whole, Direction::Upload), whole.up.len() as u64);
        // Where something may be refused, what passed is looked at once more.
        let sftp = matches!(free, Reader::Sftp(_));
        if sftp && !allowed.upload {
            harmless(second, &whole.up);
        }
    }
    if let Ok(free) = play(free, &steps, Allowed::BOTH, how) {
        // A request that the gateway does not know is answered by itself, and does not pass.
        if free.ours == 0 {
            untouched(&steps, &free);
        }
        let (up, down) = (free.up.len(), free.down.len() + free.ours);
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
        for piece in pieces(bytes, how) {
            let piece = Bytes::copy_from_slice(piece);
            let (passed, to) = match direction {
                Direction::Upload => (reader.client_sent(piece, allowed)?, &mut came.up),
                Direction::Download => (reader.target_sent(piece)?, &mut came.down),
            };
            passed
                .pieces
                .iter()
                .for_each(|piece| to.extend_from_slice(piece));
            came.facts.extend(passed.facts);
        }
        while let Some(answer) = reader.take_ours() {
            came.ours += answer.len();
        }
    }
    came.facts.extend(reader.finish());
    Ok(came)
}

fn untouched(steps: &[Step], came: &Came) {
    for (direction, passed) in [
        (Direction::Upload, &came.up),
        (Direction::Download, &came.down),
    ] {
        let said: Vec<u8> = steps
            .iter()
            .filter(|(from, _)| *from == direction)
            .flat_map(|(_, bytes)| bytes.iter().copied())
            .collect();
        // Only the version in SFTP's first packet may be another one.
        let first = passed.len().min(9);
        assert!(passed.len() <= said.len());
        assert_eq!(said[first..passed.len()], passed[first..], "{direction:?}");
    }
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

/// Reads what passed towards the target again: it asks for no change.
fn harmless(mut reader: Reader, passed: &[u8]) {
    let Ok(passing) = reader.client_sent(Bytes::copy_from_slice(passed), Allowed::BOTH) else {
        panic!("what passed cannot be read");
    };
    for fact in passing.facts.into_iter().chain(reader.finish()) {
        let changes = match &fact {
            Fact::Opened { access, .. } => access.write,
            Fact::Transferred(transfer) => transfer.direction == Direction::Upload,
            Fact::Acted { act, .. } => !matches!(act, Act::List(_) | Act::ReadLink(_)),
            Fact::Refused { .. } | Fact::Synchronised { .. } | Fact::Rest { .. } => false,
        };
        assert!(!changes, "passed without the right to: {fact:?}");
    }
}
