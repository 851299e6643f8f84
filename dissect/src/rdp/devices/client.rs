//! From the client: what it announces, and its answers.

use super::open::Key;
use super::pending::Asked;
use super::request::Opening;
use super::wire::{self, COMPLETION, READ_DATA, status};
use super::{Device, DeviceKind, Devices, MOST_DEVICES, content};
use crate::fact::{Act, Fact, Outcome};
use crate::path::Name;
use crate::rdp::mcs::Sender;
use crate::rdp::static_channel::{Course, Out, Verdict};
use crate::rdp::{ChannelFact, Malformed, u32_le};

/// An answer to a read that passes now.
#[derive(Debug)]
pub struct Reading {
    file: Key,
    offset: u64,
    asked: u32,
    len: usize,
}

/// What is changed by setting basic information (FileBasicInformation).
const TOUCHED: &str = "times, attributes";

impl Devices {
    /// The client announces devices: the target hears of those that it may use.
    pub fn announced(&mut self, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let entries = wire::device_list(pdu)?;
        let count = entries.len();
        let mut kept = Vec::new();
        for entry in entries {
            if !self.rules.allow(entry.kind) {
                self.refuse(entry.kind, out);
                continue;
            }
            self.gone(Some(entry.id), out);
            if self.devices.len() == MOST_DEVICES {
                continue;
            }
            let (kind, name) = (entry.kind, entry.name);
            out.facts.push(ChannelFact::DeviceOffered {
                kind,
                name: name.clone(),
            });
            self.devices.insert(entry.id, Device { kind, name });
            kept.push(entry.bytes);
        }
        Ok(match kept.len() == count {
            true => Verdict::Pass,
            false if kept.is_empty() => Verdict::Drop,
            false => Verdict::Replace(wire::announce(kept.into_iter())),
        })
    }

    /// The client takes devices away.
    pub fn removed(&mut self, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let mut gone = wire::removed(pdu)?;
        gone.retain(|id| self.devices.contains_key(id));
        gone.dedup();
        for id in &gone {
            if let Some(Device { kind, name }) = self.devices.get(id).cloned() {
                self.gone(Some(*id), out);
                out.facts.push(ChannelFact::DeviceRemoved { kind, name });
            }
        }
        Ok(match gone.is_empty() {
            true => Verdict::Drop,
            false => Verdict::Replace(wire::remove(&gone)),
        })
    }

    /// An answer begins. What was read passes as it comes.
    pub fn completion_begins(
        &mut self,
        head: &[u8],
        total: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        let (id, status) = wire::completion(head)?;
        let asked = self.pending.take(id)?;
        let Asked::Read { file, offset, len } = asked else {
            self.pending.add(id, asked);
            return Ok(Course::Keep);
        };
        if !wire::is_success(status) {
            if let Some(file) = self.opened.get(file) {
                match status {
                    status::END_OF_FILE => file.end_at(offset),
                    other => file.failed(wire::outcome(other)),
                }
            }
            // Nothing comes with it.
            return match total <= READ_DATA + wire::PADDING {
                true => Ok(Course::Stream),
                false => Err(Malformed("a read that failed has data all the same")),
            };
        }
        let count = u32_le(head, COMPLETION).ok_or(wire::SHORT)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let behind = total.checked_sub(READ_DATA);
        let behind = behind.and_then(|data| data.checked_sub(count));
        let behind = behind.ok_or(wire::SHORT)?;
        if behind > wire::PADDING {
            return Err(Malformed("an answer to a read is longer than it says"));
        }
        if !(self.rules.drives && self.rules.files.upload) && self.is_drive(id.0) {
            // The right is gone since it was asked.
            out.say(Sender::Client, wire::failure(id, status::ACCESS_DENIED));
            return Ok(Course::Skip);
        }
        self.reading = Some(Reading {
            file,
            offset,
            asked: len,
            len: count,
        });
        Ok(Course::Stream)
    }

    fn is_drive(&self, device: u32) -> bool {
        let device = self.devices.get(&device);
        device.is_some_and(|device| device.kind == DeviceKind::Drive)
    }

    /// More of what was read passes.
    pub fn reads(&mut self, at: usize, data: &[u8]) {
        let Some(Reading {
            file, offset, len, ..
        }) = self.reading
        else {
            return;
        };
        let (before, content) = content(READ_DATA, len, at, data);
        let offset = offset.saturating_add(before as u64);
        let ahead = len - before - content.len();
        self.opened.read(file, offset, content, ahead);
    }

    /// What was read has passed.
    pub fn has_read(&mut self, whole: bool) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        let len = u64::try_from(reading.len).unwrap_or(u64::MAX);
        if let Some(file) = self.opened.get(reading.file).filter(|_| whole)
            && len < u64::from(reading.asked)
        {
            file.end_at(reading.offset.saturating_add(len));
        }
    }

    /// Another answer is whole.
    pub fn completed(&mut self, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let (id, status) = wire::completion(pdu)?;
        let outcome = wire::outcome(status);
        let done = outcome == Outcome::Done;
        match self.pending.take(id)? {
            Asked::Create(path, opening) if done => {
                let file = u32_le(pdu, COMPLETION).ok_or(wire::SHORT)?;
                self.created((id.0, file), path, opening, out);
            }
            Asked::Create(path, opening) => {
                // Targets look for many files that are not there.
                let told = opening.access.write || opening.changes() || !wire::is_missing(status);
                if told && self.is_drive(id.0) {
                    not_opened(path, opening, outcome, out);
                }
            }
            Asked::Close(file) => {
                self.pending.closed(file);
                self.opened.close(file, &outcome, &mut out.facts);
            }
            Asked::Write(file) if !done => {
                if let Some(file) = self.opened.get(file) {
                    file.failed(outcome);
                }
            }
            Asked::Size(file) if done => {
                // FileStandardInformation: the size on disk, then the size.
                let size = wire::u64_le(pdu, COMPLETION + 4 + 8);
                if let Some(file) = self.opened.get(file) {
                    file.size = size.or(file.size);
                }
            }
            Asked::Rename(file, to) => self.renamed(file, to, outcome, out),
            Asked::Remove(file, removes) => {
                let Some(file) = self.opened.get(file) else {
                    return Ok(Verdict::Pass);
                };
                match done {
                    true => file.removes = removes,
                    false => acted(Act::Remove(file.path.clone()), outcome, out),
                }
            }
            Asked::Resize(file, size) => {
                if let Some(file) = self.opened.get(file) {
                    if done {
                        file.set_size = Some(size);
                    }
                    changed(file.path.clone(), format!("size {size}"), outcome, out);
                }
            }
            Asked::Touch(file) => {
                if let Some(file) = self.opened.get(file) {
                    changed(file.path.clone(), TOUCHED.to_owned(), outcome, out);
                }
            }
            Asked::List(file, initial) if initial => {
                let listed = self.opened.get(file).filter(|file| !file.listed);
                if let Some(file) = listed {
                    file.listed = done;
                    acted(Act::List(file.path.clone()), outcome, out);
                }
            }
            Asked::Write(_)
            | Asked::Size(_)
            | Asked::List(..)
            | Asked::Read { .. }
            | Asked::Other => {}
        }
        Ok(Verdict::Pass)
    }

    fn created(&mut self, key: Key, path: Name, opening: Opening, out: &mut Out) {
        let kind = self.devices.get(&key.0).map(|device| device.kind);
        match kind {
            Some(DeviceKind::Drive) => {}
            Some(DeviceKind::Printer) => return self.opened.job(key, path, &mut out.facts),
            Some(DeviceKind::SmartCard | DeviceKind::Port) | None => {
                return self.opened.other(key, &mut out.facts);
            }
        }
        let access = opening.access;
        if opening.folder {
            if opening.empties {
                acted(Act::MakeFolder(path.clone()), Outcome::Done, out);
            }
        } else if access.read || access.write {
            let opened = Fact::Opened {
                path: path.clone(),
                access,
                outcome: Outcome::Done,
            };
            out.facts.push(ChannelFact::File(opened));
        }
        self.opened
            .file(key, path, opening, self.now, &mut out.facts);
    }

    fn renamed(&mut self, file: Key, to: Name, outcome: Outcome, out: &mut Out) {
        if let Some(file) = self.opened.get(file) {
            let from = file.path.clone();
            if outcome == Outcome::Done {
                file.path = to.clone();
            }
            acted(Act::Rename { from, to }, outcome, out);
        }
    }
}

fn not_opened(path: Name, opening: Opening, outcome: Outcome, out: &mut Out) {
    let access = opening.access;
    if opening.folder && opening.empties {
        return acted(Act::MakeFolder(path), outcome, out);
    }
    let opened = Fact::Opened {
        path,
        access,
        outcome,
    };
    out.facts.push(ChannelFact::File(opened));
}

fn changed(path: Name, change: String, outcome: Outcome, out: &mut Out) {
    acted(Act::Change { path, change }, outcome, out);
}

fn acted(act: Act, outcome: Outcome, out: &mut Out) {
    let acted = Fact::Acted { act, outcome };
    out.facts.push(ChannelFact::File(acted));
}
