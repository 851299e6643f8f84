//! What a tape says.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sallyport_domain::event::Event;
use sallyport_recorder::{Entry, Stream, TapeReader, verify};

/// A lock has taken effect so long after it is on the tape, even if the gateway was stopped meanwhile.
const LOCKING: Duration = Duration::from_secs(3);

/// What a tape says passed, all channels together.
#[derive(Debug, Default)]
pub struct Passed {
    pub out: Vec<u8>,
    pub input: Vec<u8>,
    /// With what was only counted.
    pub out_bytes: u64,
    pub in_bytes: u64,
    /// `out_bytes` when the lock fell that was never taken off.
    pub out_at_lock: Option<u64>,
    /// Bytes that passed while it was locked.
    pub through_lock: u64,
    /// Of what is not recorded.
    pub digests: Vec<Digest>,
    terminal: bool,
    pub whole: bool,
}

/// Bytes that passed without being recorded.
#[derive(Debug)]
pub struct Digest {
    pub offset: u64,
    pub bytes: u64,
    pub sha256: String,
}

impl Digest {
    fn of(event: Event) -> Option<Self> {
        match event {
            Event::FileTransferred {
                offset,
                bytes,
                sha256,
                in_order: true,
                ..
            } => Some(Self {
                offset,
                bytes,
                sha256,
            }),
            Event::ForwardClosed {
                bytes_out,
                sha256_out,
                ..
            } if bytes_out > 0 => Some(Self {
                offset: 0,
                bytes: bytes_out,
                sha256: sha256_out,
            }),
            _ => None,
        }
    }
}

/// Reads a tape: its session, and what passed.
pub fn read(path: &Path) -> Result<(String, Passed), sallyport_recorder::TapeError> {
    let mut passed = Passed {
        whole: verify(path).is_ok_and(|report| report.is_whole()),
        ..Passed::default()
    };
    let mut reader = TapeReader::open(path)?;
    let session = reader.header().session.to_string();
    let mut counted = Counted::new();
    let mut digests = Vec::new();
    let mut locked: Option<(Duration, u64)> = None;
    while let Some(timed) = reader.next()? {
        let before = total(&counted);
        take(
            timed.entry,
            &mut passed,
            &mut counted,
            |event| match event {
                Event::Locked { .. } => locked = Some((timed.at + LOCKING, 0)),
                Event::Unlocked { .. } => locked = None,
                event => digests.extend(Digest::of(event)),
            },
        );
        // Terminals go on, to the tape only.
        if let Some((from, at_lock)) = &mut locked {
            if timed.at <= *from {
                *at_lock = of(&counted, Stream::Out);
            } else if !passed.terminal {
                passed.through_lock += total(&counted) - before;
            }
        }
    }
    passed.digests = digests;
    passed.out_bytes = of(&counted, Stream::Out);
    passed.in_bytes = of(&counted, Stream::In);
    passed.out_at_lock = locked.map(|(_, bytes)| bytes).filter(|_| !passed.terminal);
    Ok((session, passed))
}

type Counted = HashMap<(u32, Stream), u64>;

fn take(entry: Entry, passed: &mut Passed, counted: &mut Counted, on: impl FnOnce(Event)) {
    match entry {
        Entry::ChannelOpened { pty, .. } => passed.terminal |= pty.is_some(),
        Entry::Output {
            channel,
            stderr: false,
            data,
        } => {
            *counted.entry((channel, Stream::Out)).or_default() += data.len() as u64;
            passed.out.extend(data);
        }
        Entry::Input { channel, data } => {
            *counted.entry((channel, Stream::In)).or_default() += data.len() as u64;
            passed.input.extend(data);
        }
        // Fast-path, that is what was typed and where the mouse was, as opposed to what keeps a desktop going.
        Entry::FromClient { pdus } if pdus.first().is_some_and(|first| first & 3 == 0) => {
            *counted.entry((u32::MAX, Stream::In)).or_default() += pdus.len() as u64;
        }
        Entry::Bulk {
            channel,
            stream,
            bytes,
        } => {
            let count = counted.entry((channel, stream)).or_default();
            *count = bytes.max(*count);
        }
        Entry::Marker(event) => on(event),
        _ => {}
    }
}

fn total(counted: &Counted) -> u64 {
    counted.values().sum()
}

fn of(counted: &Counted, wanted: Stream) -> u64 {
    let streams = counted.iter().filter(|((_, stream), _)| *stream == wanted);
    streams.map(|(_, bytes)| bytes).sum()
}
