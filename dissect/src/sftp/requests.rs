//! From the client: requests are decided on before a byte of them goes on.

use bytes::Bytes;

use super::pending::Asked;
use super::request::{self, Request};
use super::wire::{self, Complete, HEADER, Head, Pieces, kind};
use super::{Body, FOREIGN, MAX_OURS, Sftp, VERSION};
use crate::fact::{Act, Allowed, Direction, Fact, Malformed};
use crate::path::Name;

/// What becomes of a request.
enum Decision {
    Pass,
    /// This instead.
    Replace(Vec<u8>),
    /// Answered by us.
    Drop,
}

impl Sftp {
    /// Bytes from the client; those that go on to the target are added to `pass`.
    ///
    /// # Errors
    /// [`Malformed`]: the channel has to end, and nothing of `data` may go on.
    pub fn client_sent(
        &mut self,
        data: &Bytes,
        allowed: Allowed,
        pass: &mut Vec<Bytes>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Malformed> {
        // Kept for the case that it is not SFTP at all.
        let held = match self.begun {
            true => Vec::new(),
            false => self.requests.head.held().to_vec(),
        };
        let read = self.read_requests(data, allowed, pass, facts);
        if read.is_err() && !self.begun {
            self.requests.head = Head::of(held);
            return Err(FOREIGN);
        }
        read
    }

    /// What was held back of the client's stream, if that turned out to be no SFTP.
    pub fn give_up(&mut self) -> Option<Bytes> {
        let held = std::mem::take(&mut self.requests.head);
        (!self.begun || !self.agreed).then(|| held.held().to_vec().into())
    }

    /// The client sends nothing more: what was held back, if it has not even begun.
    pub fn client_ended(&mut self) -> Option<Bytes> {
        let nothing = self.begun || self.requests.head.is_empty();
        (!nothing).then(|| self.give_up()).flatten()
    }

    fn read_requests(
        &mut self,
        data: &Bytes,
        allowed: Allowed,
        pass: &mut Vec<Bytes>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Malformed> {
        let mut pieces = Pieces::new(data, pass);
        let mut at = 0;
        while at < data.len() {
            if let Some(body) = &self.requests.body {
                let dropped = body.dropped;
                let taken = self.body(Direction::Upload, &data[at..]);
                if !dropped {
                    pieces.pass(at, taken);
                }
                at += taken;
                continue;
            }
            let mut collected = std::mem::take(&mut self.requests.head);
            let complete = collected.take(&data[at..], wire::request_head)?;
            match complete {
                None => {
                    self.requests.head = collected;
                    break;
                }
                Some(Complete::Here(len, head)) => {
                    match self.request(head, allowed, facts)? {
                        Decision::Pass => pieces.pass(at, len),
                        Decision::Replace(other) => pieces.insert(other.into()),
                        Decision::Drop => {}
                    }
                    at += len;
                }
                Some(Complete::Across(taken, head)) => {
                    match self.request(&head, allowed, facts)? {
                        Decision::Pass => pieces.insert(head.into()),
                        Decision::Replace(other) => pieces.insert(other.into()),
                        Decision::Drop => {}
                    }
                    at += taken;
                }
            }
        }
        pieces.flush();
        Ok(())
    }

    fn request(
        &mut self,
        head: &[u8],
        allowed: Allowed,
        facts: &mut Vec<Fact>,
    ) -> Result<Decision, Malformed> {
        if head[4] == kind::INIT || !self.begun {
            return self.init(head);
        }
        let id = request::id(head)?;
        let request = request::read(head)?;
        let lacking = [Direction::Upload, Direction::Download]
            .into_iter()
            .filter(|direction| !allowed.has(*direction))
            .find_map(|direction| Some((direction, request.needs(direction)?)));
        let known = head[4] == kind::EXTENDED || !matches!(request, Request::Unknown);
        let decision = match lacking {
            Some((lacks, what)) => {
                let path = self.path_of(&request)?;
                facts.push(Fact::Refused { what, path, lacks });
                let text = format!("{what} refused by the gateway: no {} here", lacks.as_str());
                self.answer(id, wire::PERMISSION_DENIED, &text)?;
                Decision::Drop
            }
            None if !known => {
                self.answer(id, wire::OP_UNSUPPORTED, "not part of SFTP version 3")?;
                Decision::Drop
            }
            None => {
                let asked = self.asked(&request)?;
                self.pending.add(id, asked)?;
                self.rest[Direction::Upload as usize].put(head);
                Decision::Pass
            }
        };
        if let Request::Write {
            handle,
            offset,
            len,
        } = request
        {
            self.content(
                head,
                handle,
                offset,
                len,
                matches!(decision, Decision::Drop),
            )?;
        }
        Ok(decision)
    }

    fn init(&mut self, head: &[u8]) -> Result<Decision, Malformed> {
        if self.begun || head[4] != kind::INIT {
            return Err(Malformed::Unexpected("a request out of place"));
        }
        // INIT has a version where other requests have an id.
        let version = request::id(head)?;
        self.begun = true;
        let mut patched = head.to_vec();
        patched[HEADER..HEADER + 4].copy_from_slice(&version.min(VERSION).to_be_bytes());
        self.rest[Direction::Upload as usize].put(&patched);
        Ok(match version <= VERSION {
            true => Decision::Pass,
            false => Decision::Replace(patched),
        })
    }

    /// The data of a WRITE follows.
    fn content(
        &mut self,
        head: &[u8],
        handle: &[u8],
        offset: u64,
        len: u32,
        dropped: bool,
    ) -> Result<(), Malformed> {
        let left = wire::packet_len(head)? - head.len();
        let content = len as usize;
        let after = left.checked_sub(content).ok_or(Malformed::Truncated)?;
        self.requests.body = (left > 0).then_some(Body {
            content,
            after,
            file: self.open.serial(handle),
            offset,
            dropped,
        });
        Ok(())
    }

    /// What the answer to `request`, which passes, will mean.
    fn asked(&mut self, request: &Request<'_>) -> Result<Asked, Malformed> {
        Ok(match request {
            Request::Open(path, flags) => Asked::Open(path.clone(), *flags),
            Request::Close(handle) => {
                let serial = self.open.serial(handle);
                if let Some(file) = serial.and_then(|serial| self.open.get(serial)) {
                    file.closing = true;
                }
                Asked::Close(serial)
            }
            Request::Read {
                handle,
                offset,
                len,
            } => Asked::Read {
                file: self.open.serial(handle),
                offset: *offset,
                len: *len,
            },
            Request::Write { handle, .. } => Asked::Write(self.open.serial(handle)),
            Request::Stat(handle) => Asked::Stat(self.open.serial(handle)),
            Request::Set(handle, change, size) => Asked::Set {
                file: self.open.serial(handle),
                size: *size,
                act: Act::Change {
                    path: self.path_of(request)?,
                    change: change.clone(),
                },
            },
            Request::Copy { from, to } => {
                let (from, to) = (self.copied(from)?, self.copied(to)?);
                Asked::Act(Act::Copy { from, to })
            }
            Request::Act(act) => Asked::Act(act.clone()),
            Request::Harmless | Request::Unknown => Asked::Harmless,
        })
    }

    fn copied(&mut self, handle: &[u8]) -> Result<Name, Malformed> {
        let serial = self.open.serial(handle);
        match serial.and_then(|serial| self.open.get(serial)) {
            None => Ok(Name::new(b"")?),
            Some(file) => {
                file.copied = true;
                Ok(file.path.clone())
            }
        }
    }

    fn path_of(&mut self, request: &Request<'_>) -> Result<Name, Malformed> {
        if let Some(path) = request.path() {
            return Ok(path);
        }
        let serial = request.handle().and_then(|handle| self.open.serial(handle));
        match serial.and_then(|serial| self.open.get(serial)) {
            Some(file) => Ok(file.path.clone()),
            None => Ok(Name::new(b"")?),
        }
    }

    fn answer(&mut self, id: u32, code: u32, text: &str) -> Result<(), Malformed> {
        if self.ours.len() > MAX_OURS {
            return Err(Malformed::TooMany("refused requests"));
        }
        self.ours.extend(wire::status(id, code, text));
        Ok(())
    }
}
