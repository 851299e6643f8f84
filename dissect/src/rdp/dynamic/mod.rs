//! Dynamic channels (MS-RDPEDYC), which all lie in one static channel.
//!
//! The server opens them, by name; what is not on the list of [`Kind`] is refused in the client's place, and the client does
//! not hear of it. Nothing passes under an id that is not open. Of what passes, only what a client says about graphics is
//! looked at: it decides in which form pictures come, and the recorder has to understand them.

mod display;
mod graphics;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use super::mcs::Sender;
use super::static_channel::{Course, Out, Protocol, Verdict};
use super::{ChannelFact, Malformed};
use crate::path::Name;
use wire::{Head, command};

/// Channels that may be open at the same time.
const MOST_OPEN: usize = 64;
/// Names of which it is told that they are refused.
const MOST_TOLD: usize = 32;
/// Layouts of monitors that are told; a window that is dragged makes many.
const MOST_LAYOUTS: u32 = 256;

/// What may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Sound to the client.
    pub sound: bool,
    /// Sound from the client.
    pub microphone: bool,
}

/// The channels that are known. All others bring input or pixels past the recorder, or reach into the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Pictures (MS-RDPEGFX).
    Graphics,
    /// The client's monitors (MS-RDPEDISP).
    Display,
    /// Round trips (MS-RDPEECO).
    Echo,
    /// Sound to the client (MS-RDPEA 2.1).
    Sound,
    /// Sound from the client (MS-RDPEAI).
    Microphone,
}

impl Kind {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"Microsoft::Windows::RDS::Graphics" => Self::Graphics,
            b"Microsoft::Windows::RDS::DisplayControl" => Self::Display,
            b"ECHO" => Self::Echo,
            b"AUDIO_PLAYBACK_DVC" | b"AUDIO_PLAYBACK_LOSSY_DVC" => Self::Sound,
            b"AUDIO_INPUT" => Self::Microphone,
            _ => return None,
        })
    }
}

impl Rules {
    fn allow(self, kind: Kind) -> bool {
        match kind {
            Kind::Graphics | Kind::Display | Kind::Echo => true,
            Kind::Sound => self.sound,
            Kind::Microphone => self.microphone,
        }
    }
}

/// A channel that the client knows.
#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Who has closed it, while the other side may not have heard of that yet.
    closed_by: Option<Sender>,
    /// A message of the client about graphics that is not whole.
    gathering: Option<Gathering>,
}

#[derive(Debug)]
struct Gathering {
    total: usize,
    message: Vec<u8>,
}

/// All dynamic channels of a connection.
#[derive(Debug, Default)]
pub struct Dynamic {
    rules: Rules,
    open: BTreeMap<u32, Open>,
    told: BTreeSet<Vec<u8>>,
    layouts: u32,
    layout: Option<ChannelFact>,
    /// The server has sent something for the picture, and nobody has looked since.
    drawn: bool,
}

impl Dynamic {
    /// What may pass from now on.
    pub fn set(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Has the server sent something for the picture since the last call?
    pub fn take_drawn(&mut self) -> bool {
        std::mem::take(&mut self.drawn)
    }

    /// The server opens a channel (MS-RDPEDYC 2.2.2.1).
    fn asked_for(&mut self, head: &Head<'_>, out: &mut Out) -> Verdict {
        let name = head.body.split(|byte| *byte == 0).next();
        let name = name.unwrap_or_default();
        let kind = Kind::named(name).filter(|kind| self.rules.allow(*kind));
        let room = self.open.len() < MOST_OPEN || self.open.contains_key(&head.channel);
        match kind.filter(|_| room) {
            Some(kind) => {
                let open = Open {
                    kind,
                    closed_by: None,
                    gathering: None,
                };
                self.open.insert(head.channel, open);
                Verdict::Pass
            }
            None => {
                out.say(Sender::Client, wire::refusal(head));
                self.tell_refused(name, out);
                Verdict::Drop
            }
        }
    }

    fn tell_refused(&mut self, name: &[u8], out: &mut Out) {
        if self.told.len() < MOST_TOLD && self.told.insert(name.to_vec()) {
            let name = Name::new(name).unwrap_or_else(|_| Name::empty());
            out.facts.push(ChannelFact::NotOpened { name });
        }
    }

    /// The client has opened it, or not (2.2.2.2).
    fn answered(&mut self, head: &Head<'_>) -> Result<Verdict, Malformed> {
        let failed = wire::has_failed(head)?;
        if !self.open.contains_key(&head.channel) {
            return Ok(Verdict::Drop);
        }
        if failed {
            self.open.remove(&head.channel);
        }
        Ok(Verdict::Pass)
    }

    /// A side closes a channel; the other one says the same (2.2.4).
    fn closes(&mut self, from: Sender, channel: u32) -> Verdict {
        let Some(open) = self.open.get_mut(&channel) else {
            return Verdict::Drop;
        };
        match open.closed_by.replace(from) {
            None => {}
            Some(first) if first == from => return Verdict::Drop,
            Some(_) => {
                self.open.remove(&channel);
            }
        }
        Verdict::Pass
    }

    fn kind(&self, channel: u32) -> Option<Kind> {
        self.open.get(&channel).map(|open| open.kind)
    }

    /// The client says something about its monitors.
    fn laid_out(&mut self, head: &Head<'_>, out: &mut Out) {
        let layout = display::monitors(head.body);
        if layout.is_some() && layout != self.layout && self.layouts < MOST_LAYOUTS {
            self.layouts += 1;
            out.facts.extend(layout.clone());
            self.layout = layout;
        }
    }

    /// The client says something about graphics, all of it or a part (2.2.3.1, 2.2.3.2).
    fn said(&mut self, head: &Head<'_>) -> Result<Verdict, Malformed> {
        let Some(open) = self.open.get_mut(&head.channel) else {
            return Ok(Verdict::Drop);
        };
        let (mut gathering, data) = match (head.command, open.gathering.take()) {
            (command::DATA, None) => {
                let taken = graphics::from_client(head.body)?;
                return match taken {
                    None => Ok(Verdict::Pass),
                    Some(message) => wire::data(head, &message),
                };
            }
            (command::DATA, Some(gathering)) => (gathering, head.body),
            _ => {
                let (total, data) = wire::total(head)?;
                if total > graphics::LONGEST {
                    return Err(Malformed("a client says too much about graphics at once"));
                }
                let message = Vec::new();
                (Gathering { total, message }, data)
            }
        };
        gathering.message.extend_from_slice(data);
        if gathering.message.len() > gathering.total {
            return Err(Malformed("more of a message than there is of it"));
        }
        if gathering.message.len() < gathering.total {
            open.gathering = Some(gathering);
            return Ok(Verdict::Drop);
        }
        let taken = graphics::from_client(&gathering.message)?;
        wire::data(head, &taken.unwrap_or(gathering.message))
    }
}

impl Protocol for Dynamic {
    /// Command and the longest id.
    const HEAD: usize = 5;
    const KEPT: usize = 64 << 10;

    fn begins(
        &mut self,
        from: Sender,
        head: &[u8],
        _: usize,
        _: &mut Out,
    ) -> Result<Course, Malformed> {
        let command = wire::command_of(head)?;
        match command {
            command::CAPABILITIES => Ok(Course::Stream),
            command::CREATE | command::CLOSE => Ok(Course::Keep),
            command::DATA_FIRST
            | command::DATA
            | command::DATA_FIRST_COMPRESSED
            | command::DATA_COMPRESSED => {
                let Some(kind) = self.kind(Head::read(head)?.channel) else {
                    return Ok(Course::Skip);
                };
                self.drawn |= from == Sender::Server && kind == Kind::Graphics;
                match (from, kind, command) {
                    (Sender::Client, Kind::Graphics, command::DATA_FIRST | command::DATA)
                    | (Sender::Client, Kind::Display, command::DATA) => Ok(Course::Keep),
                    (Sender::Client, Kind::Graphics, _) => {
                        Err(Malformed("a client compresses what it says about graphics"))
                    }
                    (Sender::Client | Sender::Server, ..) => Ok(Course::Stream),
                }
            }
            // Ways past the gateway; none was agreed on (2.2.5).
            command::SOFT_SYNC_REQUEST | command::SOFT_SYNC_RESPONSE => Ok(Course::Skip),
            _ => Err(Malformed("a PDU of no kind that dynamic channels have")),
        }
    }

    fn whole(&mut self, from: Sender, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let head = Head::read(pdu)?;
        match (head.command, from) {
            (command::CREATE, Sender::Server) => Ok(self.asked_for(&head, out)),
            (command::CREATE, Sender::Client) => self.answered(&head),
            (command::CLOSE, from) => Ok(self.closes(from, head.channel)),
            _ if self.kind(head.channel) == Some(Kind::Display) => {
                self.laid_out(&head, out);
                Ok(Verdict::Pass)
            }
            _ => self.said(&head),
        }
    }

    fn passes(&mut self, _: Sender, _: usize, _: &[u8], _: &mut Out) {}

    fn passed(&mut self, _: Sender, _: bool, _: &mut Out) {}

    fn finishes(&mut self, _: &mut Out) {}
}

#[cfg(test)]
mod tests;
