//! From the target: answers complete what was asked.

use bytes::Bytes;

use super::pending::Asked;
use super::wire::{self, Complete, Fields, HEADER, Pieces, kind};
use super::{Body, FOREIGN, Sftp, VERSION};
use crate::fact::{Act, Direction, Fact, Malformed, Outcome};

/// A target that says anything nobody could have asked for is not listened to any further.
const ODD: Malformed = Malformed::Unexpected("an answer of the wrong type");

impl Sftp {
    /// Bytes from the target; they all go on, and answers of ours between them: see `pass`.
    /// The facts have to be recorded before they do.
    ///
    /// # Errors
    /// [`Malformed`]: the channel has to end, and nothing of `data` may go on.
    pub fn target_sent(
        &mut self,
        data: &Bytes,
        pass: &mut Vec<Bytes>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Malformed> {
        let read = self.read_answers(data, pass, facts);
        match self.agreed {
            true => read,
            false => read.map_err(|_| FOREIGN),
        }
    }

    fn read_answers(
        &mut self,
        data: &Bytes,
        pass: &mut Vec<Bytes>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Malformed> {
        let mut pieces = Pieces::new(data, pass);
        let mut at = 0;
        while at < data.len() {
            if let Some(ours) = self.take_ours() {
                pieces.insert(ours);
            }
            let taken = match &self.answers.body {
                Some(_) => self.body(Direction::Download, &data[at..]),
                None => self.answer_head(&data[at..], facts)?,
            };
            pieces.pass(at, taken);
            at += taken;
        }
        if let Some(ours) = self.take_ours() {
            pieces.insert(ours);
        }
        pieces.flush();
        Ok(())
    }

    /// Takes of a head what there is; answers how many bytes of `data` that is.
    fn answer_head(&mut self, data: &[u8], facts: &mut Vec<Fact>) -> Result<usize, Malformed> {
        let mut collected = std::mem::take(&mut self.answers.head);
        let taken = match collected.take(data, wire::answer_head)? {
            None => {
                self.answers.head = collected;
                data.len()
            }
            Some(Complete::Here(len, head)) => {
                self.answered(head, facts)?;
                len
            }
            Some(Complete::Across(taken, head)) => {
                self.answered(&head, facts)?;
                taken
            }
        };
        self.rest[Direction::Download as usize].put(&data[..taken]);
        Ok(taken)
    }

    fn answered(&mut self, head: &[u8], facts: &mut Vec<Fact>) -> Result<(), Malformed> {
        let mut body = Body {
            content: 0,
            after: wire::packet_len(head)? - head.len(),
            file: None,
            offset: 0,
            dropped: false,
        };
        if !self.agreed && head[4] != kind::VERSION {
            return Err(ODD);
        }
        let mut fields = Fields(head.get(HEADER..).unwrap_or_default());
        let id = fields.u32()?;
        match head[4] {
            kind::VERSION => self.version(id)?,
            kind::STATUS => {
                let code = fields.u32()?;
                self.status(id, code, facts)?;
            }
            kind::HANDLE => {
                let handle = fields.handle()?;
                self.opened(id, handle, facts)?;
            }
            kind::DATA => self.data(id, fields.u32()?, &mut body)?,
            kind::ATTRS => {
                let size = match fields.u32()? & 1 {
                    0 => None,
                    _ => Some(fields.u64()?),
                };
                match self.pending.take(id)? {
                    Asked::Stat(serial) => {
                        let file = serial.and_then(|serial| self.open.get(serial));
                        if let (Some(file), Some(_)) = (file, size) {
                            file.size = size;
                        }
                    }
                    Asked::Harmless => {}
                    _ => return Err(ODD),
                }
            }
            kind::NAME | kind::EXTENDED_REPLY => match self.pending.take(id)? {
                Asked::Harmless => {}
                Asked::Act(act @ Act::ReadLink(_)) => {
                    let outcome = Outcome::Done;
                    facts.push(Fact::Acted { act, outcome });
                }
                _ => return Err(ODD),
            },
            _ => return Err(ODD),
        }
        self.answers.body = (body.content + body.after > 0).then_some(body);
        Ok(())
    }

    /// A VERSION has the version where other answers have an id.
    fn version(&mut self, version: u32) -> Result<(), Malformed> {
        if !self.begun || std::mem::replace(&mut self.agreed, true) {
            return Err(ODD);
        }
        // From here on it is SFTP, if not as agreed.
        match version <= VERSION {
            true => Ok(()),
            false => Err(Malformed::Unexpected("a version that was not offered")),
        }
    }

    fn status(&mut self, id: u32, code: u32, facts: &mut Vec<Fact>) -> Result<(), Malformed> {
        let outcome = match code {
            0 => Outcome::Done,
            code => Outcome::Status(code),
        };
        match self.pending.take(id)? {
            Asked::Open(path, flags) => facts.push(Fact::Opened {
                path,
                access: flags.access(),
                outcome,
            }),
            Asked::Close(serial) => {
                if let Some(serial) = serial {
                    self.open.close(serial, &outcome, facts);
                }
            }
            Asked::Read { file, offset, .. } => {
                match (file.and_then(|file| self.open.get(file)), code) {
                    (Some(file), wire::EOF) => file.end_at(offset),
                    (Some(file), code) => file.failed(code),
                    (None, _) => {}
                }
            }
            Asked::Write(file) => {
                let file = file.and_then(|file| self.open.get(file));
                if let (Some(file), 1..) = (file, code) {
                    file.failed(code);
                }
            }
            Asked::Set { file, size, act } => {
                let file = file.and_then(|file| self.open.get(file));
                if let (Some(file), Some(_), 0) = (file, size, code) {
                    file.set_size = size;
                }
                facts.push(Fact::Acted { act, outcome });
            }
            Asked::Act(act) => facts.push(Fact::Acted { act, outcome }),
            Asked::Stat(_) | Asked::Harmless => {}
        }
        Ok(())
    }

    fn opened(&mut self, id: u32, handle: &[u8], facts: &mut Vec<Fact>) -> Result<(), Malformed> {
        let outcome = Outcome::Done;
        match self.pending.take(id)? {
            Asked::Open(path, flags) => {
                self.open
                    .open(handle, path.clone(), Some(flags), self.now)?;
                let access = flags.access();
                facts.push(Fact::Opened {
                    path,
                    access,
                    outcome,
                });
            }
            Asked::Act(act @ Act::List(_)) => {
                let path = act.names().0.clone();
                self.open.open(handle, path, None, self.now)?;
                facts.push(Fact::Acted { act, outcome });
            }
            _ => return Err(ODD),
        }
        Ok(())
    }

    /// The content that a READ asked for follows.
    fn data(&mut self, id: u32, content: u32, body: &mut Body) -> Result<(), Malformed> {
        match self.pending.take(id)? {
            Asked::Read { file, offset, len } if content <= len => {
                body.content = content as usize;
                body.after = body
                    .after
                    .checked_sub(body.content)
                    .ok_or(Malformed::Truncated)?;
                body.file = file;
                body.offset = offset;
                Ok(())
            }
            Asked::Read { .. } => Err(Malformed::Unexpected("more data than were asked for")),
            _ => Err(ODD),
        }
    }
}
