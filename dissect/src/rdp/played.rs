//! A channel between two sides of a test.

use super::ChannelFact;
use super::mcs::Sender;
use super::static_channel::{Channel, Chunk, Onward, Protocol, chunks};

pub const CLIENT: Sender = Sender::Client;
pub const TARGET: Sender = Sender::Server;

/// A channel, with what each side has got so far.
pub struct Played<P> {
    pub channel: Channel<P>,
    pub to_client: Vec<Vec<u8>>,
    pub to_target: Vec<Vec<u8>>,
    facts: Vec<ChannelFact>,
}

impl<P: Protocol> Played<P> {
    pub fn new(protocol: P) -> Self {
        Self {
            channel: Channel::new(protocol),
            to_client: Vec::new(),
            to_target: Vec::new(),
            facts: Vec::new(),
        }
    }

    pub fn send(&mut self, from: Sender, pdu: &[u8]) {
        let mut onward = Vec::new();
        for chunk in chunks(pdu, false) {
            let passing = self.channel.pass(from, &chunk);
            match passing.onward {
                Onward::AsItIs => onward.push(chunk),
                Onward::Chunks(instead) => onward.extend(instead),
            }
            self.facts.extend(passing.facts);
        }
        self.got(from, &onward);
        for side in [CLIENT, TARGET] {
            let ours = self.channel.take_ours(side);
            self.got(side, &ours);
        }
    }

    fn got(&mut self, from: Sender, chunks: &[Vec<u8>]) {
        let to = match from {
            CLIENT => &mut self.to_target,
            TARGET => &mut self.to_client,
        };
        for bytes in chunks {
            let chunk = Chunk::read(bytes).unwrap();
            if chunk.first {
                to.push(Vec::new());
            }
            to.last_mut().unwrap().extend_from_slice(chunk.data);
        }
    }

    #[track_caller]
    pub fn client_gets(&mut self, expected: &[Vec<u8>]) {
        assert_eq!(std::mem::take(&mut self.to_client), expected);
    }

    #[track_caller]
    pub fn target_gets(&mut self, expected: &[Vec<u8>]) {
        assert_eq!(std::mem::take(&mut self.to_target), expected);
    }

    /// What was found out since the last call.
    pub fn facts(&mut self) -> Vec<ChannelFact> {
        std::mem::take(&mut self.facts)
    }
}

/// Numbers, one behind the other.
pub fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// A text in 16-bit units.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
