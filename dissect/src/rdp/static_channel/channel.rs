//! Both directions of one channel, each put together from its chunks.

use std::collections::VecDeque;

use super::super::Malformed;
use super::super::mcs::Sender;
use super::{Chunk, chunks, cut};
use crate::rdp::ChannelFact;

/// PDUs of ours that may wait in one direction.
const MOST_OURS: usize = 256;
/// PDUs that are dropped, because they cannot be read, before the channel is closed.
pub const MOST_FAULTS: u32 = 16;

/// What is done with a PDU, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It is kept until it is whole.
    Keep,
    /// It passes as it comes, and is looked at.
    Stream,
    /// It goes nowhere.
    Skip,
}

/// What becomes of a PDU that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// This one instead.
    Replace(Vec<u8>),
    /// It goes nowhere.
    Drop,
}

/// What a protocol finds out, and says itself.
#[derive(Debug, Default)]
pub struct Out {
    /// To be recorded before anything of this passes.
    pub facts: Vec<ChannelFact>,
    said: Vec<(Sender, Vec<u8>)>,
}

impl Out {
    /// A PDU of ours, as if that side had sent it.
    pub fn say(&mut self, as_of: Sender, pdu: Vec<u8>) {
        self.said.push((as_of, pdu));
    }
}

/// What a channel carries.
pub trait Protocol {
    /// How many bytes of a PDU decide what is done with it; shorter ones are given whole.
    const HEAD: usize;
    /// The longest PDU that is kept, in bytes.
    const KEPT: usize;

    /// A PDU of `total` bytes begins.
    ///
    /// # Errors
    /// It cannot be read and goes nowhere.
    fn begins(
        &mut self,
        from: Sender,
        head: &[u8],
        total: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed>;

    /// A PDU that was kept is whole.
    ///
    /// # Errors
    /// It cannot be read and goes nowhere.
    fn whole(&mut self, from: Sender, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed>;

    /// Bytes of a PDU that passes as it comes, from `at` on.
    fn passes(&mut self, from: Sender, at: usize, data: &[u8], out: &mut Out);

    /// A PDU that passed as it came is over: `whole`, or broken off.
    fn passed(&mut self, from: Sender, whole: bool, out: &mut Out);

    /// Nothing more comes: what is under way is told as far as it came.
    fn finishes(&mut self, out: &mut Out);
}

/// What goes on of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward {
    /// The chunk as it is.
    AsItIs,
    /// These chunks; none at all, if there are none.
    Chunks(Vec<Vec<u8>>),
}

/// What becomes of a chunk.
#[derive(Debug)]
pub struct Passing {
    /// What goes on.
    pub onward: Onward,
    /// To be recorded before it does.
    pub facts: Vec<ChannelFact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Between two PDUs.
    #[default]
    Idle,
    /// Too little is there to decide.
    Head,
    Keep,
    Stream,
    /// Nothing passes up to the next first chunk.
    Skip,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    state: State,
    total: usize,
    got: usize,
    kept: Vec<u8>,
    ours: VecDeque<Vec<u8>>,
}

/// A channel with its protocol.
#[derive(Debug, Default)]
pub struct Channel<P> {
    /// What it carries.
    pub protocol: P,
    lanes: [Lane; 2],
    shown: bool,
    faults: u32,
}

fn index(of: Sender) -> usize {
    match of {
        Sender::Client => 0,
        Sender::Server => 1,
    }
}

impl<P: Protocol> Channel<P> {
    /// With that protocol, before its first byte.
    pub fn new(protocol: P) -> Self {
        Self {
            protocol,
            lanes: Default::default(),
            shown: false,
            faults: 0,
        }
    }

    /// A chunk of one side.
    pub fn pass(&mut self, from: Sender, bytes: &[u8]) -> Passing {
        let nothing = Onward::Chunks(Vec::new());
        if self.faults >= MOST_FAULTS {
            let facts = Vec::new();
            return Passing {
                onward: nothing,
                facts,
            };
        }
        let mut out = Out::default();
        let onward = self.chunk(from, bytes, &mut out).unwrap_or_else(|why| {
            self.fault(from, why, &mut out);
            nothing
        });
        for (as_of, pdu) in std::mem::take(&mut out.said) {
            let ours = &mut self.lanes[index(as_of)].ours;
            if ours.len() < MOST_OURS {
                ours.push_back(pdu);
            } else {
                self.fault(as_of, Malformed("too many answers wait"), &mut out);
            }
        }
        Passing {
            onward,
            facts: out.facts,
        }
    }

    /// Is there something of ours that may go now, as if that side had sent it?
    pub fn has_ours(&self, as_of: Sender) -> bool {
        let lane = &self.lanes[index(as_of)];
        lane.state != State::Stream && !lane.ours.is_empty()
    }

    /// What there is of ours, in chunks. Nothing, while a PDU of the other side is on its way: there may be no other
    /// between its chunks.
    pub fn take_ours(&mut self, as_of: Sender) -> Vec<Vec<u8>> {
        if !self.has_ours(as_of) {
            return Vec::new();
        }
        let ours = std::mem::take(&mut self.lanes[index(as_of)].ours);
        ours.iter()
            .flat_map(|pdu| chunks(pdu, self.shown))
            .collect()
    }

    /// Nothing more comes: what is under way is told as far as it came.
    pub fn finish(&mut self) -> Vec<ChannelFact> {
        let mut out = Out::default();
        for from in [Sender::Client, Sender::Server] {
            self.break_off(from, &mut out);
        }
        self.protocol.finishes(&mut out);
        out.facts
    }

    fn break_off(&mut self, from: Sender, out: &mut Out) {
        let lane = &mut self.lanes[index(from)];
        let was = std::mem::replace(&mut lane.state, State::Skip);
        lane.kept = Vec::new();
        if was == State::Stream {
            self.protocol.passed(from, false, out);
        }
    }

    fn fault(&mut self, from: Sender, why: Malformed, out: &mut Out) {
        self.break_off(from, out);
        self.faults += 1;
        out.facts.push(match self.faults < MOST_FAULTS {
            true => ChannelFact::Dropped(why),
            false => ChannelFact::Closed(why),
        });
    }

    fn chunk(&mut self, from: Sender, bytes: &[u8], out: &mut Out) -> Result<Onward, Malformed> {
        let chunk = Chunk::read(bytes)?;
        self.shown = chunk.shown;
        if chunk.first {
            self.begin(from, &chunk, out);
        }
        let lane = &mut self.lanes[index(from)];
        match lane.state {
            State::Skip => return Ok(self.skipped(from, &chunk)),
            State::Idle => return Err(Malformed("a chunk without those before it")),
            State::Head | State::Keep | State::Stream => {}
        }
        let before = lane.got;
        lane.got += chunk.data.len();
        if lane.got > lane.total || chunk.last != (lane.got == lane.total) {
            return Err(Malformed("a PDU is not as long as its chunks say"));
        }
        match lane.state {
            State::Head => self.head(from, &chunk, out),
            State::Keep => self.keep(from, &chunk, out),
            State::Idle | State::Stream | State::Skip => {
                self.protocol.passes(from, before, chunk.data, out);
                self.ends(from, &chunk, out);
                Ok(Onward::AsItIs)
            }
        }
    }

    fn begin(&mut self, from: Sender, chunk: &Chunk<'_>, out: &mut Out) {
        match self.lanes[index(from)].state {
            State::Idle | State::Skip => {}
            State::Head | State::Keep | State::Stream => {
                self.fault(from, Malformed("a PDU without its end"), out);
            }
        }
        let lane = &mut self.lanes[index(from)];
        (lane.state, lane.total, lane.got) = (State::Head, chunk.total, 0);
        lane.kept.clear();
    }

    fn skipped(&mut self, from: Sender, chunk: &Chunk<'_>) -> Onward {
        if chunk.last {
            self.lanes[index(from)].state = State::Idle;
        }
        Onward::Chunks(Vec::new())
    }

    /// More of the beginning; decides as soon as it can.
    fn head(
        &mut self,
        from: Sender,
        chunk: &Chunk<'_>,
        out: &mut Out,
    ) -> Result<Onward, Malformed> {
        let lane = &mut self.lanes[index(from)];
        let total = lane.total;
        let enough = P::HEAD.min(total);
        // Most PDUs are decided by their first chunk, which is not copied for that.
        let at_once = lane.kept.is_empty() && chunk.data.len() >= enough;
        if !at_once {
            lane.kept.extend_from_slice(chunk.data);
            if lane.kept.len() < enough {
                return Ok(Onward::Chunks(Vec::new()));
            }
        }
        let kept = std::mem::take(&mut lane.kept);
        let begin = if at_once { chunk.data } else { kept.as_slice() };
        match self.protocol.begins(from, &begin[..enough], total, out)? {
            Course::Skip => {
                self.lanes[index(from)].state = State::Skip;
                Ok(self.skipped(from, chunk))
            }
            Course::Keep if total > P::KEPT => Err(Malformed("a PDU of this kind is too long")),
            Course::Keep => {
                let kept = begin.to_vec();
                let lane = &mut self.lanes[index(from)];
                (lane.state, lane.kept) = (State::Keep, kept);
                self.kept(from, chunk, out)
            }
            Course::Stream => {
                self.lanes[index(from)].state = State::Stream;
                self.protocol.passes(from, 0, begin, out);
                self.ends(from, chunk, out);
                Ok(match at_once {
                    true => Onward::AsItIs,
                    false => Onward::Chunks(cut(&Chunk {
                        first: true,
                        data: begin,
                        ..*chunk
                    })),
                })
            }
        }
    }

    fn keep(
        &mut self,
        from: Sender,
        chunk: &Chunk<'_>,
        out: &mut Out,
    ) -> Result<Onward, Malformed> {
        self.lanes[index(from)].kept.extend_from_slice(chunk.data);
        self.kept(from, chunk, out)
    }

    fn kept(
        &mut self,
        from: Sender,
        chunk: &Chunk<'_>,
        out: &mut Out,
    ) -> Result<Onward, Malformed> {
        if !chunk.last {
            return Ok(Onward::Chunks(Vec::new()));
        }
        let lane = &mut self.lanes[index(from)];
        lane.state = State::Idle;
        let kept = std::mem::take(&mut lane.kept);
        Ok(match self.protocol.whole(from, &kept, out)? {
            Verdict::Pass if chunk.first => Onward::AsItIs,
            Verdict::Pass => Onward::Chunks(chunks(&kept, chunk.shown)),
            Verdict::Replace(pdu) => Onward::Chunks(chunks(&pdu, chunk.shown)),
            Verdict::Drop => Onward::Chunks(Vec::new()),
        })
    }

    fn ends(&mut self, from: Sender, chunk: &Chunk<'_>, out: &mut Out) {
        if chunk.last {
            self.lanes[index(from)].state = State::Idle;
            self.protocol.passed(from, true, out);
        }
    }
}
