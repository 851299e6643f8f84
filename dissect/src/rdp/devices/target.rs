//! From the target: requests are decided on before a byte of them goes on.

use super::open::Key;
use super::pending::Asked;
use super::request::{self, Function, Request};
use super::wire::{self, Id, WRITE_DATA, status};
use super::{Device, DeviceKind, Devices, content};
use crate::fact::{Allowed, Direction, Fact};
use crate::path::Name;
use crate::rdp::mcs::Sender;
use crate::rdp::static_channel::{Course, Out, Verdict};
use crate::rdp::{ChannelFact, Malformed};

/// A write that passes now.
#[derive(Debug)]
pub struct Writing {
    file: Key,
    offset: u64,
    len: usize,
}

/// Why a request goes no further: the answer to it, and what direction it lacks.
struct Refusal {
    status: u32,
    lacks: Option<(&'static str, Direction)>,
}

impl From<u32> for Refusal {
    fn from(status: u32) -> Self {
        let lacks = None;
        Self { status, lacks }
    }
}

impl Devices {
    /// The target heard what the client announced.
    pub fn replied(&self, pdu: &[u8]) -> Result<Verdict, Malformed> {
        let device = super::super::u32_le(pdu, 4).ok_or(wire::SHORT)?;
        Ok(match self.devices.contains_key(&device) {
            true => Verdict::Pass,
            false => Verdict::Drop,
        })
    }

    /// A request begins. Writes pass as they come.
    pub fn request_begins(
        &mut self,
        head: &[u8],
        total: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        // Others may end before what of them is read.
        if super::super::u32_le(head, 16) != Some(wire::major::WRITE) {
            return Ok(Course::Keep);
        }
        let request = request::read(head)?;
        let Function::Write(offset, len) = request.function else {
            return Ok(Course::Keep);
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let behind = total
            .checked_sub(WRITE_DATA)
            .and_then(|data| data.checked_sub(len))
            .ok_or(wire::SHORT)?;
        if behind > wire::PADDING {
            return Err(Malformed("a write is longer than it says"));
        }
        Ok(match self.decide(&request, out)? {
            Verdict::Drop => Course::Skip,
            Verdict::Pass | Verdict::Replace(_) => {
                let file = (request.id.0, request.file);
                self.writing = Some(Writing { file, offset, len });
                Course::Stream
            }
        })
    }

    /// More of a write passes.
    pub fn writes(&mut self, at: usize, data: &[u8]) {
        let Some(Writing { file, offset, len }) = self.writing else {
            return;
        };
        let (before, content) = content(WRITE_DATA, len, at, data);
        let offset = offset.saturating_add(before as u64);
        let ahead = len - before - content.len();
        self.opened.write(file, offset, content, ahead);
    }

    /// Another request is whole.
    pub fn requested(&mut self, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let request = request::read(pdu)?;
        self.decide(&request, out)
    }

    fn decide(&mut self, request: &Request<'_>, out: &mut Out) -> Result<Verdict, Malformed> {
        self.pending.is_free(request.id)?;
        match self.admit(request, out)? {
            Ok(()) => Ok(Verdict::Pass),
            Err(refusal) => {
                if let Some((what, lacks)) = refusal.lacks {
                    let path = self.path_of(request)?;
                    let refused = Fact::Refused { what, path, lacks };
                    out.facts.push(ChannelFact::File(refused));
                }
                out.say(Sender::Client, wire::failure(request.id, refusal.status));
                Ok(Verdict::Drop)
            }
        }
    }

    /// Lets a request pass, and remembers what its answer will mean.
    fn admit(
        &mut self,
        request: &Request<'_>,
        out: &mut Out,
    ) -> Result<Result<(), Refusal>, Malformed> {
        let Some(device) = self.devices.get(&request.id.0).cloned() else {
            return Ok(Err(status::UNSUCCESSFUL.into()));
        };
        let closes = matches!(request.function, Function::Close);
        if !self.rules.allow(device.kind) && !closes {
            self.refuse(device.kind, out);
            return Ok(Err(status::ACCESS_DENIED.into()));
        }
        if !self.pending.has_room() {
            return Ok(Err(status::INSUFFICIENT_RESOURCES.into()));
        }
        if device.kind == DeviceKind::Drive {
            if let Some(lacks) = self.lacks(&request.function) {
                return Ok(Err(Refusal {
                    status: status::ACCESS_DENIED,
                    lacks: Some(lacks),
                }));
            }
            // It may do anything.
            let control = matches!(request.function, Function::Control);
            if control && self.rules.files != Allowed::BOTH {
                return Ok(Err(status::NOT_SUPPORTED.into()));
            }
        }
        self.remember(request, &device)
    }

    /// What a request to a drive is, and which direction it lacks.
    fn lacks(&self, function: &Function<'_>) -> Option<(&'static str, Direction)> {
        let change = |what| Some((what, Direction::Download));
        let (what, direction) = match function {
            Function::Create(opening, _) if opening.changes() => change("create"),
            Function::Write(..) => change("write"),
            Function::Rename(_) => change("rename"),
            Function::Remove(_) => change("remove"),
            Function::Resize(_) | Function::Touch | Function::Change => change("change"),
            Function::Read(..) => Some(("read", Direction::Upload)),
            Function::Create(..)
            | Function::Close
            | Function::Size
            | Function::List(_)
            | Function::Notify
            | Function::Control
            | Function::Other => None,
        }?;
        (!self.rules.files.has(direction)).then_some((what, direction))
    }

    fn remember(
        &mut self,
        request: &Request<'_>,
        device: &Device,
    ) -> Result<Result<(), Refusal>, Malformed> {
        let file = (request.id.0, request.file);
        let known = self.opened.has(file);
        let asked = match request.function {
            Function::Create(opening, path) => {
                if !self.opened.has_room(self.pending.creates()) {
                    return Ok(Err(status::TOO_MANY_OPENED_FILES.into()));
                }
                Asked::Create(wire::path(&device.name, path)?, opening)
            }
            // What cannot be attributed to a file does not pass.
            Function::Read(..)
            | Function::Write(..)
            | Function::Rename(_)
            | Function::Remove(_)
            | Function::Resize(_)
            | Function::Touch
            | Function::Change
            | Function::List(_)
                if !known =>
            {
                return Ok(Err(status::INVALID_HANDLE.into()));
            }
            Function::Notify => {
                self.pending.add_notice(request.id, file);
                return Ok(Ok(()));
            }
            Function::Close => Asked::Close(file),
            Function::Read(offset, len) => Asked::Read { file, offset, len },
            Function::Write(..) => Asked::Write(file),
            Function::Size => Asked::Size(file),
            Function::Rename(to) => Asked::Rename(file, wire::path(&device.name, to)?),
            Function::Remove(removes) => Asked::Remove(file, removes),
            Function::Resize(size) => Asked::Resize(file, size),
            Function::Touch => Asked::Touch(file),
            Function::List(initial) => Asked::List(file, initial),
            Function::Change | Function::Control | Function::Other => Asked::Other,
        };
        self.pending.add(request.id, asked);
        Ok(Ok(()))
    }

    fn path_of(&mut self, request: &Request<'_>) -> Result<Name, Malformed> {
        let (device, _): Id = request.id;
        let name = self.devices.get(&device).map(|device| device.name.clone());
        let name = name.unwrap_or_else(Name::empty);
        if let Function::Create(_, path) = request.function {
            return wire::path(&name, path);
        }
        let file = self.opened.get((device, request.file));
        Ok(file.map_or(name, |file| file.path.clone()))
    }
}
