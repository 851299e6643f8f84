//! The legacy scp protocol: `scp -t` and `scp -f` on the target.
//!
//! One side is the source: it sends lines (`C0644 12 name`, `D0755 0 name`, `E`, `T…`) and, after a
//! `C` line, the file and a status. The other is the sink: it answers each of these with a status.
//! There is no specification but the programs; what a source may do beyond them is an error.

mod command;
mod sink;
mod source;

use std::collections::VecDeque;

pub use command::Command;

use crate::digest::Rest;
use crate::fact::{Access, Act, Direction, Fact, Malformed, Outcome, Transfer};
use crate::path::Name;
use sink::Sink;
use source::{Line, Seen, Source};

/// Statuses of the sink that may be outstanding.
const MAX_AWAITED: usize = 256;
/// How deep folders may be.
const MAX_DEPTH: usize = 256;

/// Something that the sink has to answer.
#[derive(Debug)]
enum Awaited {
    /// The start, a time or the end of a folder.
    Nothing,
    /// A file that is to come.
    File,
    /// A folder.
    Folder(Name),
    /// A file that has come.
    Sent(Box<Transfer>),
}

/// One run of an scp server.
#[derive(Debug)]
pub struct Scp {
    command: Command,
    /// For the facts' times, on the clock of the caller.
    pub now: u64,
    /// The source has said something that is scp.
    begun: bool,
    source: Source,
    sink: Sink,
    awaited: VecDeque<Awaited>,
    /// The file that is coming, or whose `C` line the sink has not answered.
    current: Option<Box<Transfer>>,
    folders: Vec<Name>,
    rest: [Rest; 2],
}

impl Scp {
    /// A run of `command`.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            now: 0,
            begun: false,
            source: Source::default(),
            sink: Sink::default(),
            // The sink speaks first.
            awaited: VecDeque::from([Awaited::Nothing]),
            current: None,
            folders: Vec::new(),
            rest: Default::default(),
        }
    }

    /// Which way its files go.
    pub fn direction(&self) -> Direction {
        self.command.direction
    }

    /// Bytes that go `way`.
    ///
    /// # Errors
    /// [`Malformed`]: the channel has to end.
    pub fn sent(
        &mut self,
        way: Direction,
        mut data: &[u8],
        facts: &mut Vec<Fact>,
    ) -> Result<(), Malformed> {
        while !data.is_empty() {
            let left = if way == self.command.direction {
                self.source_sent(data, facts)
            } else {
                self.sink_sent(data, facts)
            };
            data = match self.begun {
                true => left?,
                false => left.map_err(|_| Malformed::Foreign("scp"))?,
            };
        }
        Ok(())
    }

    /// Has nothing come that is scp?
    pub fn is_foreign(&self) -> bool {
        !self.begun
    }

    fn source_sent<'a>(
        &mut self,
        data: &'a [u8],
        facts: &mut Vec<Fact>,
    ) -> Result<&'a [u8], Malformed> {
        let (taken, seen) = self.source.take(data)?;
        let (taken, left) = data.split_at(taken);
        if !matches!(seen, Seen::Content) {
            self.rest[self.command.direction as usize].put(taken);
        }
        match seen {
            Seen::More => {}
            Seen::Content => {
                if let Some(transfer) = &mut self.current {
                    transfer.bytes += taken.len() as u64;
                }
            }
            Seen::Line(line) => {
                self.begun = true;
                self.line(line)?;
            }
            Seen::Sent(sha256, outcome) => self.file_sent(sha256, outcome)?,
            Seen::Error(message) => {
                self.begun = true;
                let path = self.command.paths.first().cloned();
                facts.extend(path.map(|path| self.not_opened(path, message)));
            }
        }
        Ok(left)
    }

    fn line(&mut self, line: Line) -> Result<(), Malformed> {
        match line {
            Line::File { name, size } => {
                let (path, name) = self.place(&name)?;
                self.current = Some(Box::new(Transfer {
                    path,
                    name,
                    direction: self.command.direction,
                    offset: 0,
                    bytes: 0,
                    size: Some(size),
                    sha256: [0; 32],
                    in_order: true,
                    whole: false,
                    outcome: Outcome::Unfinished,
                    began: self.now,
                }));
                self.awaits(Awaited::File)
            }
            Line::Folder { name } => {
                let (path, _) = self.place(&name)?;
                if self.folders.len() >= MAX_DEPTH {
                    return Err(Malformed::TooMany("folders within each other"));
                }
                self.folders.push(path.clone());
                self.awaits(Awaited::Folder(path))
            }
            Line::FolderEnd => {
                self.folders.pop();
                self.awaits(Awaited::Nothing)
            }
            Line::Times => self.awaits(Awaited::Nothing),
        }
    }

    fn awaits(&mut self, what: Awaited) -> Result<(), Malformed> {
        if self.awaited.len() >= MAX_AWAITED {
            return Err(Malformed::TooMany("scp lines without an answer"));
        }
        self.awaited.push_back(what);
        Ok(())
    }

    fn file_sent(&mut self, sha256: [u8; 32], outcome: Outcome) -> Result<(), Malformed> {
        let Some(mut transfer) = self.current.take() else {
            return Ok(());
        };
        transfer.sha256 = sha256;
        transfer.outcome = outcome;
        self.awaits(Awaited::Sent(transfer))
    }

    fn sink_sent<'a>(
        &mut self,
        data: &'a [u8],
        facts: &mut Vec<Fact>,
    ) -> Result<&'a [u8], Malformed> {
        let (taken, status) = self.sink.take(data)?;
        let (taken, left) = data.split_at(taken);
        let sink = match self.command.direction {
            Direction::Upload => Direction::Download,
            Direction::Download => Direction::Upload,
        };
        self.rest[sink as usize].put(taken);
        let Some(outcome) = status else {
            return Ok(left);
        };
        match self.awaited.pop_front() {
            Some(Awaited::File) => self.file_answered(outcome, facts),
            Some(Awaited::Folder(path)) => {
                // A source does not enter a folder that the sink refuses.
                if outcome != Outcome::Done {
                    self.folders.pop();
                }
                facts.push(self.folder(path, outcome));
            }
            Some(Awaited::Sent(transfer)) => facts.push(sent(*transfer, outcome)),
            Some(Awaited::Nothing) | None => {
                if let (Outcome::Said(message), Some(path)) = (outcome, self.command.paths.first())
                {
                    facts.push(self.not_opened(path.clone(), message));
                }
            }
        }
        Ok(left)
    }

    /// The sink has answered a `C` line.
    fn file_answered(&mut self, outcome: Outcome, facts: &mut Vec<Fact>) {
        match outcome {
            Outcome::Said(message) if self.source.refuse() => {
                let path = self.current.take().map(|transfer| transfer.path);
                facts.extend(path.map(|path| self.not_opened(path, message)));
            }
            _ => self.source.accept(),
        }
    }

    fn folder(&self, path: Name, outcome: Outcome) -> Fact {
        let act = match self.command.direction {
            Direction::Upload => Act::MakeFolder(path),
            Direction::Download => Act::List(path),
        };
        Fact::Acted { act, outcome }
    }

    fn not_opened(&self, path: Name, message: Name) -> Fact {
        let write = self.command.direction == Direction::Upload;
        Fact::Opened {
            path,
            access: Access {
                read: !write,
                write,
            },
            outcome: Outcome::Said(message),
        }
    }

    /// Where `name` lies on the target, and the name itself if that is not certain.
    ///
    /// A target `x` may be a folder that the file goes into, or the file itself: only the target
    /// knows. The path is then `x`, and the name stands beside it.
    fn place(&self, name: &[u8]) -> Result<(Name, Option<Name>), Malformed> {
        if let Some(folder) = self.folders.last() {
            return Ok((folder.join(name)?, None));
        }
        let [path] = &self.command.paths[..] else {
            return Ok((Name::new(name)?, None));
        };
        Ok(match self.command.direction {
            Direction::Download => (path.sibling(name)?, None),
            Direction::Upload if self.command.into_folder => (path.join(name)?, None),
            Direction::Upload => (path.clone(), Some(Name::new(name)?)),
        })
    }

    /// Nothing more comes: what is under way is not finished.
    pub fn finish(&mut self, facts: &mut Vec<Fact>) {
        for awaited in std::mem::take(&mut self.awaited) {
            match awaited {
                Awaited::Sent(transfer) => facts.push(sent(*transfer, Outcome::Unfinished)),
                Awaited::Folder(path) => facts.push(self.folder(path, Outcome::Unfinished)),
                Awaited::Nothing | Awaited::File => {}
            }
        }
        if let Some(mut transfer) = self.current.take() {
            transfer.sha256 = self.source.digest();
            facts.push(Fact::Transferred(transfer));
        }
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

/// The sink has said how a file arrived.
fn sent(mut transfer: Transfer, by_sink: Outcome) -> Fact {
    if transfer.outcome == Outcome::Done {
        transfer.outcome = by_sink;
    }
    transfer.whole = transfer.outcome == Outcome::Done && transfer.size == Some(transfer.bytes);
    Fact::Transferred(Box::new(transfer))
}

#[cfg(test)]
mod tests;
