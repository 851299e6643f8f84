//! SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, read from both sides.
//!
//! Content is never kept: it is hashed as it streams by. Heads of packets are, until they are
//! complete; requests, until they are answered; open files, until they are closed; each of these up
//! to a bound, beyond which the channel has to end.

mod answers;
mod open;
mod pending;
mod request;
mod requests;
mod wire;

use bytes::Bytes;

use crate::digest::Rest;
use crate::fact::{Direction, Fact, Malformed, Outcome};
use open::{OpenFiles, Serial};
use pending::{Asked, Pending};
use wire::Head;

/// The version spoken (section 4). Servers answer a newer client with their own, so offering this
/// one at most keeps both sides to it.
const VERSION: u32 = 3;
/// The first packet of one of the sides is not what it has to be.
const FOREIGN: Malformed = Malformed::Foreign("SFTP");
/// Answers of ours that may wait for their turn, in bytes.
const MAX_OURS: usize = 1 << 20;

/// One SFTP conversation.
#[derive(Debug, Default)]
pub struct Sftp {
    /// For the facts' times, on the clock of the caller.
    pub now: u64,
    /// The client has said its version.
    begun: bool,
    /// The target has.
    agreed: bool,
    requests: Stream,
    answers: Stream,
    pending: Pending,
    open: OpenFiles,
    /// Answers of ours, whole packets.
    ours: Vec<u8>,
    rest: [Rest; 2],
}

/// Where one of the two streams stands.
#[derive(Debug, Default)]
struct Stream {
    head: Head,
    body: Option<Body>,
}

impl Stream {
    /// Between two packets?
    fn at_boundary(&self) -> bool {
        self.head.is_empty() && self.body.is_none()
    }
}

/// What follows the head of a packet.
#[derive(Debug)]
struct Body {
    /// Content of a file that is still to come, in bytes.
    content: usize,
    /// What comes after it, in bytes.
    after: usize,
    /// Whose content, and where the next byte of it belongs.
    file: Option<Serial>,
    offset: u64,
    /// It does not go on.
    dropped: bool,
}

impl Sftp {
    /// Answers of ours for the client, if the target's stream is between two packets.
    pub fn take_ours(&mut self) -> Option<Bytes> {
        if self.ours.is_empty() || !self.answers.at_boundary() {
            return None;
        }
        let ours = Bytes::from(std::mem::take(&mut self.ours));
        self.rest[Direction::Download as usize].put(&ours);
        Some(ours)
    }

    /// Content of a file, or whatever else is no head of a packet.
    fn body(&mut self, way: Direction, data: &[u8]) -> usize {
        let stream = match way {
            Direction::Upload => &mut self.requests,
            Direction::Download => &mut self.answers,
        };
        let Some(body) = &mut stream.body else {
            return 0;
        };
        let (part, file) = match body.content {
            0 => (&mut body.after, None),
            _ => (&mut body.content, body.file),
        };
        let taken = data.len().min(*part);
        *part -= taken;
        let (offset, dropped, ahead) = (body.offset, body.dropped, body.content);
        body.offset = offset.saturating_add(taken as u64);
        if body.content == 0 && body.after == 0 {
            stream.body = None;
        }
        let data = &data[..taken];
        let put = |file| self.open.put(file, way, offset, data, ahead);
        let hashed = dropped || file.is_some_and(put);
        if !hashed {
            self.rest[way as usize].put(data);
        }
        taken
    }

    /// Nothing more comes: what is under way is not finished.
    pub fn finish(&mut self, facts: &mut Vec<Fact>) {
        for asked in self.pending.finish() {
            match asked {
                Asked::Act(act) | Asked::Set { act, .. } => facts.push(Fact::Acted {
                    act,
                    outcome: Outcome::Unfinished,
                }),
                Asked::Open(..)
                | Asked::Close(_)
                | Asked::Read { .. }
                | Asked::Write(_)
                | Asked::Stat(_)
                | Asked::Harmless => {}
            }
        }
        self.open.finish(facts);
        for way in [Direction::Upload, Direction::Download] {
            let (bytes, sha256) = self.rest[way as usize].take();
            if bytes > 0 {
                facts.push(Fact::Rest {
                    direction: way,
                    bytes,
                    sha256,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
