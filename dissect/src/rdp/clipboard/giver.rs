//! One side of a clipboard, as the one that gives.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use super::Gives;
use super::files::{Files, ListReader, Which};
use super::formats::{self, Format};
use super::wire::{self, ContentsRequest, HEADER, Head, Part, kind};
use crate::fact::{Direction, Fact};
use crate::rdp::mcs::Sender;
use crate::rdp::static_channel::{Course, Out, Verdict};
use crate::rdp::{ChannelFact, Lacking, Malformed};

/// Lists that may be without an answer.
const MOST_LISTS: u8 = 64;
/// Requests for data that may be.
const MOST_ASKED: usize = 32;
/// Requests for parts of files that may be.
const MOST_CONTENTS: usize = 64;
/// Formats of a list whose names are kept, and told.
const MOST_NAMED: usize = 64;
/// Names of files that are told of a list.
const MOST_FILES: usize = 100;

/// What an answer carries that passes now.
#[derive(Debug)]
enum Passing {
    /// An answer without content.
    Nothing,
    /// The content of one format.
    Data {
        format: String,
        len: usize,
        hash: Sha256,
        bytes: u64,
        files: Option<ListReader>,
    },
    /// A part of a file, or its size.
    Contents {
        which: Which,
        part: Part,
        len: usize,
        bytes: usize,
        size: Vec<u8>,
    },
}

/// Somebody has asked for data.
#[derive(Debug)]
enum Asked {
    /// For this format; the giver knows of it.
    Format(u32),
    /// In vain: the answer is ours, as soon as the earlier ones are given.
    InVain,
}

/// One half of a clipboard.
#[derive(Debug)]
pub struct Giver {
    side: Sender,
    /// The side said that it can do with long names.
    pub long_names: bool,
    /// Its first list has come.
    begun: bool,
    /// Lists that the other side has not answered.
    lists: u8,
    named: Vec<(u32, String)>,
    /// The ids under which it gives files.
    as_files: Vec<u32>,
    /// The one that lists them.
    file_list: Option<u32>,
    asked: VecDeque<Asked>,
    contents: Vec<(u32, Which, Part)>,
    passing: Passing,
    /// Its files.
    pub files: Files,
    refused: bool,
    refused_files: bool,
}

impl Giver {
    /// One of whom nothing is known.
    pub fn new(side: Sender) -> Self {
        Self {
            side,
            long_names: false,
            begun: false,
            lists: 0,
            named: Vec::new(),
            as_files: Vec::new(),
            file_list: None,
            asked: VecDeque::new(),
            contents: Vec::new(),
            passing: Passing::Nothing,
            files: Files::new(match side {
                Sender::Client => Direction::Upload,
                Sender::Server => Direction::Download,
            }),
            refused: false,
            refused_files: false,
        }
    }

    /// It lists what it has copied.
    pub fn copied(
        &mut self,
        formats: Vec<Format>,
        (head, data): (&Head, &[u8]),
        gives: Gives,
        out: &mut Out,
    ) -> Result<Verdict, Malformed> {
        let first = !std::mem::replace(&mut self.begun, true);
        tell(out, |facts| self.files.replaced(facts));
        self.forget_lists();
        (self.named, self.as_files, self.file_list) = (Vec::new(), Vec::new(), None);
        if !gives.content {
            if !formats.is_empty() {
                self.refuse(out);
            }
            // A client begins with a list, and a target may wait for that one before it shows its own.
            if first && self.side == Sender::Client {
                self.lists += 1;
                return Ok(Verdict::Replace(wire::pdu(kind::FORMAT_LIST, 0, &[])));
            }
            out.say(
                self.taker(),
                wire::pdu(kind::FORMAT_LIST_RESPONSE, wire::OK, &[]),
            );
            return Ok(Verdict::Drop);
        }
        if self.lists == MOST_LISTS {
            return Err(Malformed("too many lists of formats without an answer"));
        }
        self.lists += 1;
        let files = formats.iter().any(Format::is_files);
        // Nothing is told of that: there are clients that list all they know at the start.
        let dropped = files && !gives.files();
        let left = |format: &&Format| !(dropped && format.is_files());
        self.learn(formats.iter().filter(left), files && !dropped, out);
        self.as_files = formats
            .iter()
            .filter(|format| format.is_files())
            .map(|format| format.id)
            .collect();
        if !dropped {
            return Ok(Verdict::Pass);
        }
        let left = formats.iter().filter(left);
        let left: Vec<u8> = left
            .flat_map(|format| data.get(format.place.clone()).unwrap_or_default())
            .copied()
            .collect();
        Ok(Verdict::Replace(wire::pdu(
            kind::FORMAT_LIST,
            head.flags,
            &left,
        )))
    }

    fn learn<'a>(&mut self, formats: impl Iterator<Item = &'a Format>, files: bool, out: &mut Out) {
        let mut told = Vec::new();
        for format in formats {
            if format.is_file_list() {
                self.file_list = Some(format.id);
            }
            if told.len() < MOST_NAMED {
                told.push(format.shown());
                self.named.push((format.id, format.name.clone()));
            }
        }
        // At the start, and whenever its own clipboard is emptied, a side has nothing to give.
        if !told.is_empty() {
            out.facts.push(ChannelFact::Copied {
                from: self.side,
                formats: told,
                files,
            });
        }
    }

    /// The other side has answered a list. Did it get one?
    pub fn list_answered(&mut self) -> bool {
        let any = self.lists > 0;
        self.lists = self.lists.saturating_sub(1);
        any
    }

    /// The other side asks for what is on it, in that format.
    pub fn asked(
        &mut self,
        format: u32,
        gives: Gives,
        out: &mut Out,
    ) -> Result<Verdict, Malformed> {
        if self.asked.len() == MOST_ASKED {
            return Err(Malformed("too many requests to the clipboard at once"));
        }
        let refused = match gives.content {
            false => {
                self.refuse(out);
                true
            }
            true if self.as_files.contains(&format) && !gives.files() => {
                self.refuse_files(out);
                true
            }
            true => false,
        };
        if !refused {
            self.asked.push_back(Asked::Format(format));
            return Ok(Verdict::Pass);
        }
        self.asked.push_back(Asked::InVain);
        self.answer_in_vain(out);
        Ok(Verdict::Drop)
    }

    /// The answers that are ours, up to the next one that is the giver's.
    fn answer_in_vain(&mut self, out: &mut Out) {
        while let Some(Asked::InVain) = self.asked.front() {
            self.asked.pop_front();
            out.say(self.side, wire::pdu(kind::DATA_RESPONSE, wire::FAIL, &[]));
        }
    }

    /// Its answer begins.
    pub fn data_begins(
        &mut self,
        head: &Head,
        gives: Gives,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        let Some(Asked::Format(format)) = self.asked.pop_front() else {
            return Err(Malformed("clipboard data that nobody asked for"));
        };
        let is_files = self.as_files.contains(&format);
        let course = if gives.content && (gives.files() || !is_files) {
            let name = self.named.iter().find(|(id, _)| *id == format);
            let listed = Some(format) == self.file_list;
            self.passing = match head.flags & wire::OK {
                0 => Passing::Nothing,
                _ => Passing::Data {
                    format: formats::shown(format, name.map_or("", |(_, name)| name)),
                    len: head.len,
                    hash: Sha256::new(),
                    bytes: 0,
                    files: listed.then(ListReader::default),
                },
            };
            Course::Stream
        } else {
            // The right is gone since it was asked.
            out.say(self.side, wire::pdu(kind::DATA_RESPONSE, wire::FAIL, &[]));
            Course::Skip
        };
        self.answer_in_vain(out);
        Ok(course)
    }

    /// The other side asks for a part of a file.
    pub fn contents_asked(
        &mut self,
        request: ContentsRequest,
        gives: Gives,
        out: &mut Out,
    ) -> Result<Verdict, Malformed> {
        if !gives.files() {
            self.refuse_files(out);
            self.contents_failed(request.stream, out);
            return Ok(Verdict::Drop);
        }
        if self.contents.len() == MOST_CONTENTS {
            return Err(Malformed("too many requests for parts of files at once"));
        }
        let which = self.files.which(request.lock, request.index);
        self.contents.push((request.stream, which, request.part));
        Ok(Verdict::Pass)
    }

    fn contents_failed(&self, stream: u32, out: &mut Out) {
        let failed = wire::pdu(kind::CONTENTS_RESPONSE, wire::FAIL, &stream.to_le_bytes());
        out.say(self.side, failed);
    }

    /// Its answer begins.
    pub fn contents_begin(
        &mut self,
        (head, stream): (&Head, u32),
        gives: Gives,
        now: u64,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        let asked = self.contents.iter().position(|(id, ..)| *id == stream);
        let asked = asked.ok_or(Malformed("a part of a file that nobody asked for"))?;
        let (_, which, part) = self.contents.remove(asked);
        if !gives.files() {
            self.contents_failed(stream, out);
            return Ok(Course::Skip);
        }
        self.passing = match head.flags & wire::OK {
            0 => Passing::Nothing,
            _ => {
                if let Part::Range(offset, _) = part {
                    // Of an empty file nothing else comes.
                    let nothing = (&[][..], 0);
                    tell(out, |facts| {
                        self.files.put(&which, offset, nothing, now, facts)
                    });
                }
                Passing::Contents {
                    which,
                    part,
                    len: head.len.saturating_sub(4),
                    bytes: 0,
                    size: Vec::new(),
                }
            }
        };
        Ok(Course::Stream)
    }

    /// More of an answer passes.
    pub fn passes(&mut self, at: usize, data: &[u8], now: u64, out: &mut Out) {
        let content = |begin: usize, len: usize| {
            let from = begin.saturating_sub(at).min(data.len());
            let to = (begin + len).saturating_sub(at).min(data.len());
            data.get(from..to).unwrap_or_default()
        };
        match &mut self.passing {
            Passing::Nothing => {}
            Passing::Data {
                len,
                hash,
                bytes,
                files,
                ..
            } => {
                let content = content(HEADER, *len);
                hash.update(content);
                *bytes += content.len() as u64;
                if let Some(files) = files {
                    files.put(content);
                }
            }
            Passing::Contents {
                which,
                part,
                len,
                bytes,
                size,
            } => {
                let content = content(HEADER + 4, *len);
                let before = *bytes;
                *bytes += content.len();
                match part {
                    Part::Size => {
                        size.extend_from_slice(&content[..content.len().min(8 - size.len())]);
                    }
                    Part::Range(offset, _) => {
                        let offset = offset.saturating_add(before as u64);
                        let piece = (content, *len - *bytes);
                        let files = &mut self.files;
                        tell(out, |facts| files.put(which, offset, piece, now, facts));
                    }
                }
            }
        }
    }

    /// An answer is over.
    pub fn passed(&mut self, whole: bool, out: &mut Out) {
        match std::mem::replace(&mut self.passing, Passing::Nothing) {
            Passing::Nothing => {}
            Passing::Data {
                format,
                hash,
                bytes,
                files,
                ..
            } => {
                out.facts.push(ChannelFact::Pasted {
                    from: self.side,
                    format,
                    bytes,
                    sha256: hash.finalize().into(),
                    whole,
                });
                if let Some(files) = files {
                    let list = files.finish();
                    out.facts.push(ChannelFact::FilesListed {
                        from: self.side,
                        names: list.names(MOST_FILES),
                        count: list.count,
                    });
                    self.files.listed(list);
                }
            }
            Passing::Contents {
                which,
                part,
                bytes,
                size,
                ..
            } => {
                if let Ok(size) = <[u8; 8]>::try_from(size) {
                    self.files.sized(&which, u64::from_le_bytes(size));
                }
                if whole {
                    tell(out, |facts| self.files.answered(&which, part, bytes, facts));
                }
            }
        }
    }

    /// The other side does not need the files any more that it locked under that id.
    pub fn unlocked(&mut self, id: u32, out: &mut Out) {
        tell(out, |facts| self.files.unlock(id, facts));
        self.forget_lists();
    }

    /// What was asked of lists that are gone is still answered, but keeps none of them.
    fn forget_lists(&mut self) {
        for (_, which, _) in &mut self.contents {
            if !self.files.knows(which) {
                which.forget();
            }
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, out: &mut Out) {
        tell(out, |facts| self.files.finish(facts));
    }

    fn taker(&self) -> Sender {
        super::other(self.side)
    }

    fn refuse(&mut self, out: &mut Out) {
        if !std::mem::replace(&mut self.refused, true) {
            let lacking = Lacking::Clipboard(self.side);
            out.facts.push(ChannelFact::Refused(lacking));
        }
    }

    fn refuse_files(&mut self, out: &mut Out) {
        if !std::mem::replace(&mut self.refused_files, true) {
            let lacking = Lacking::ClipboardFiles(self.side);
            out.facts.push(ChannelFact::Refused(lacking));
        }
    }
}

/// Adds what is found out about files.
fn tell(out: &mut Out, find: impl FnOnce(&mut Vec<Fact>)) {
    let mut facts = Vec::new();
    find(&mut facts);
    out.facts.extend(facts.into_iter().map(ChannelFact::File));
}
