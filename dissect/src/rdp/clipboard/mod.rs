//! The clipboard (MS-RDPECLIP): who may give what to whom, and what was given.
//!
//! A side that copies something lists the formats it can give; the other side asks for one of them when somebody pastes. So
//! each side is the giver of its own half: its lists, its answers, its files. What may not be given is not listed, and who
//! asks for it all the same is told that there is none. The content passes as it comes and is not kept.

mod files;
mod formats;
mod giver;
mod wire;

use self::giver::Giver;
use self::wire::{Head, kind};
use super::Malformed;
use super::mcs::Sender;
use super::static_channel::{Course, Out, Protocol, Verdict};

/// What one side may give to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gives {
    /// Anything at all.
    pub content: bool,
    /// Files among it. Nothing without `content`.
    pub files: bool,
}

impl Gives {
    fn files(self) -> bool {
        self.content && self.files
    }
}

/// What both sides may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The client to the target.
    pub client: Gives,
    /// The target to the client.
    pub target: Gives,
}

impl Rules {
    fn of(&self, side: Sender) -> Gives {
        match side {
            Sender::Client => self.client,
            Sender::Server => self.target,
        }
    }
}

/// A clipboard that two sides share.
#[derive(Debug)]
pub struct Clipboard {
    rules: Rules,
    now: u64,
    client: Giver,
    target: Giver,
}

impl Default for Clipboard {
    /// One of which nothing may be given yet.
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            now: 0,
            client: Giver::new(Sender::Client),
            target: Giver::new(Sender::Server),
        }
    }
}

impl Clipboard {
    /// What may be given from now on, and the time on the clock of the caller.
    pub fn set(&mut self, rules: Rules, now: u64) {
        (self.rules, self.now) = (rules, now);
    }

    fn giver(&mut self, side: Sender) -> (&mut Giver, Gives) {
        let gives = self.rules.of(side);
        match side {
            Sender::Client => (&mut self.client, gives),
            Sender::Server => (&mut self.target, gives),
        }
    }

    fn capabilities(&mut self, from: Sender, data: &[u8]) -> Result<Verdict, Malformed> {
        let files = self.rules.client.files() || self.rules.target.files();
        let (pdu, flags) = wire::capabilities(data, files)?;
        self.giver(from).0.long_names = flags & wire::LONG_NAMES != 0;
        Ok(Verdict::Replace(pdu))
    }

    /// A side has copied something.
    fn list(
        &mut self,
        from: Sender,
        head: &Head,
        data: &[u8],
        out: &mut Out,
    ) -> Result<Verdict, Malformed> {
        let long = self.client.long_names && self.target.long_names;
        let ascii = head.flags & wire::ASCII_NAMES != 0;
        let formats = formats::list(data, long, ascii)?;
        let (giver, gives) = self.giver(from);
        giver.copied(formats, (head, data), gives, out)
    }
}

impl Protocol for Clipboard {
    /// The header, and what an answer with a part of a file refers to.
    const HEAD: usize = wire::HEADER + 4;
    const KEPT: usize = 256 << 10;

    fn begins(
        &mut self,
        from: Sender,
        bytes: &[u8],
        total: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        let head = wire::head(bytes, total)?;
        let now = self.now;
        let (giver, gives) = self.giver(from);
        match head.kind {
            kind::DATA_RESPONSE => giver.data_begins(&head, gives, out),
            kind::CONTENTS_RESPONSE => {
                let len = head.len.min(4);
                let stream = wire::number(wire::data(bytes, &Head { len, ..head }))?;
                giver.contents_begin((&head, stream), gives, now, out)
            }
            kind::MONITOR_READY
            | kind::FORMAT_LIST
            | kind::FORMAT_LIST_RESPONSE
            | kind::DATA_REQUEST
            | kind::TEMPORARY_DIRECTORY
            | kind::CAPABILITIES
            | kind::CONTENTS_REQUEST
            | kind::LOCK
            | kind::UNLOCK => Ok(Course::Keep),
            _ => Err(Malformed("a clipboard PDU of no known kind")),
        }
    }

    fn whole(&mut self, from: Sender, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let head = wire::head(pdu, pdu.len())?;
        let data = wire::data(pdu, &head);
        let only_if = |passes| if passes { Verdict::Pass } else { Verdict::Drop };
        match (head.kind, from) {
            (kind::CAPABILITIES, _) => return self.capabilities(from, data),
            (kind::FORMAT_LIST, _) => return self.list(from, &head, data, out),
            (kind::MONITOR_READY, Sender::Server) => return Ok(Verdict::Pass),
            // Where a client has files to be copied from.
            (kind::TEMPORARY_DIRECTORY, Sender::Client) => {
                return Ok(only_if(self.rules.client.files()));
            }
            (kind::MONITOR_READY | kind::TEMPORARY_DIRECTORY, _) => {
                return Err(Malformed("a clipboard PDU of the wrong side"));
            }
            _ => {}
        }
        // The rest is about what the other side has to give.
        let (giver, gives) = self.giver(other(from));
        match head.kind {
            kind::FORMAT_LIST_RESPONSE => Ok(only_if(giver.list_answered())),
            kind::DATA_REQUEST => giver.asked(wire::number(data)?, gives, out),
            kind::CONTENTS_REQUEST => {
                giver.contents_asked(wire::contents_request(data)?, gives, out)
            }
            kind::LOCK if gives.files() => {
                giver.files.lock(wire::number(data)?);
                Ok(Verdict::Pass)
            }
            kind::UNLOCK => {
                giver.unlocked(wire::number(data)?, out);
                Ok(only_if(gives.files()))
            }
            _ => Ok(Verdict::Drop),
        }
    }

    fn passes(&mut self, from: Sender, at: usize, data: &[u8], out: &mut Out) {
        let now = self.now;
        self.giver(from).0.passes(at, data, now, out);
    }

    fn passed(&mut self, from: Sender, whole: bool, out: &mut Out) {
        self.giver(from).0.passed(whole, out);
    }

    fn finishes(&mut self, out: &mut Out) {
        self.client.finish(out);
        self.target.finish(out);
    }
}

fn other(side: Sender) -> Sender {
    match side {
        Sender::Client => Sender::Server,
        Sender::Server => Sender::Client,
    }
}

#[cfg(test)]
mod tests;
