//! The side that sends: lines, and files between them.

use sha2::{Digest, Sha256};

use crate::fact::{Malformed, Outcome};
use crate::path::{MAX_NAME, Name};

/// The longest line: a name, its mode and its size.
const MAX_LINE: usize = MAX_NAME + 64;

/// A line of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `C0644 12 name`
    File {
        /// Its name.
        name: Vec<u8>,
        /// Its size in bytes.
        size: u64,
    },
    /// `D0755 0 name`
    Folder {
        /// Its name.
        name: Vec<u8>,
    },
    /// `E`
    FolderEnd,
    /// `T…`
    Times,
}

/// What a piece of the source's stream was.
#[derive(Debug)]
pub enum Seen {
    /// Part of something.
    More,
    /// A whole line.
    Line(Line),
    /// Content of the current file.
    Content,
    /// The current file is complete: its digest, and what the source says of it.
    Sent([u8; 32], Outcome),
    /// The source could not read something.
    Error(Name),
}

#[derive(Debug)]
enum At {
    Line(Vec<u8>),
    /// After a `C` line, before the sink answered it.
    Offered(u64),
    Content(u64),
    /// The status after the content; the message of a bad one.
    Status(Option<Vec<u8>>),
}

/// The source's stream, in any cut.
#[derive(Debug)]
pub struct Source {
    at: At,
    hash: Sha256,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            at: At::Line(Vec::new()),
            hash: Sha256::new(),
        }
    }
}

impl Source {
    /// The sink wants the file.
    pub fn accept(&mut self) {
        if let At::Offered(size) = self.at {
            self.content(size);
        }
    }

    /// The sink does not want the file. `false` if the source sends it already.
    pub fn refuse(&mut self) -> bool {
        let offered = matches!(self.at, At::Offered(_));
        if offered {
            self.at = At::Line(Vec::new());
        }
        offered
    }

    fn content(&mut self, size: u64) {
        self.at = match size {
            0 => At::Status(None),
            size => At::Content(size),
        };
    }

    /// The digest of the content so far; starts anew.
    pub fn digest(&mut self) -> [u8; 32] {
        self.hash.finalize_reset().into()
    }

    /// Takes one piece of `data`, which is not empty: how many bytes, and what they are.
    pub fn take(&mut self, data: &[u8]) -> Result<(usize, Seen), Malformed> {
        // A source that does not wait for the sink's answer goes on as if it were a yes.
        self.accept();
        match &mut self.at {
            At::Line(line) => {
                let Some(taken) = take_line(line, data)? else {
                    return Ok((data.len(), Seen::More));
                };
                let line = std::mem::take(line);
                Ok((taken, self.line(&line)?))
            }
            At::Content(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                self.hash.update(&data[..taken]);
                *left -= taken as u64;
                if *left == 0 {
                    self.at = At::Status(None);
                }
                Ok((taken, Seen::Content))
            }
            At::Status(None) => Ok((1, self.status(data[0])?)),
            At::Status(Some(message)) => {
                let Some(taken) = take_line(message, data)? else {
                    return Ok((data.len(), Seen::More));
                };
                let said = Outcome::Said(clipped(message)?);
                Ok((taken, self.sent(said)))
            }
            At::Offered(_) => Err(Malformed::Unexpected("an scp file nobody asked for")),
        }
    }

    fn status(&mut self, status: u8) -> Result<Seen, Malformed> {
        match status {
            0 => Ok(self.sent(Outcome::Done)),
            1 | 2 => {
                self.at = At::Status(Some(Vec::new()));
                Ok(Seen::More)
            }
            _ => Err(Malformed::Unexpected(
                "an scp file is longer than announced",
            )),
        }
    }

    fn sent(&mut self, outcome: Outcome) -> Seen {
        self.at = At::Line(Vec::new());
        Seen::Sent(self.digest(), outcome)
    }

    fn line(&mut self, line: &[u8]) -> Result<Seen, Malformed> {
        if let Some((1 | 2, message)) = line.split_first() {
            return Ok(Seen::Error(clipped(message)?));
        }
        let line = parse(line).ok_or(Malformed::Unexpected("a line that is not scp's"))?;
        if let Line::File { size, .. } = line {
            self.at = At::Offered(size);
        }
        Ok(Seen::Line(line))
    }
}

/// Adds `data` up to a line's end to `line`: how many bytes that is, the end included, if it came.
fn take_line(line: &mut Vec<u8>, data: &[u8]) -> Result<Option<usize>, Malformed> {
    let end = data.iter().position(|byte| *byte == b'\n');
    let taken = end.unwrap_or(data.len());
    if line.len() + taken > MAX_LINE {
        return Err(Malformed::Unexpected("an scp line without an end"));
    }
    line.extend_from_slice(&data[..taken]);
    Ok(end.map(|end| end + 1))
}

fn clipped(message: &[u8]) -> Result<Name, Malformed> {
    Ok(Name::new(&message[..message.len().min(MAX_NAME)])?)
}

fn parse(line: &[u8]) -> Option<Line> {
    let (first, rest) = line.split_first()?;
    match first {
        b'E' => Some(Line::FolderEnd),
        b'T' => Some(Line::Times),
        b'C' | b'D' => {
            let mut parts = rest.splitn(3, |byte| *byte == b' ');
            let mode = parts.next()?;
            let size = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
            let name = parts.next()?.to_vec();
            let octal = mode.len() == 4 && mode.iter().all(|byte| (b'0'..=b'7').contains(byte));
            match (octal && !name.is_empty(), first) {
                (false, _) => None,
                (true, b'C') => Some(Line::File { name, size }),
                (true, _) => Some(Line::Folder { name }),
            }
        }
        _ => None,
    }
}
