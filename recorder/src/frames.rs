//! Walking over a tape's frames, each checked before it is believed.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::format::{self, Chain, FRAME_HEAD, FrameKind, HeaderParse, TRAILER};
use crate::{Closing, TapeError, TapeHeader, codec};

/// How much is read at once.
const READ: usize = 256 << 10;
/// No final frame is longer: it holds a few numbers and a reason.
const LONGEST_FINAL: u64 = 1 << 20;

/// A cursor on a tape: behind the frames that were good so far.
pub(crate) struct Frames {
    file: File,
    path: PathBuf,
    header: TapeHeader,
    first: Chain,
    chain: Chain,
    /// Where the next frame begins.
    offset: u64,
    seq: u64,
    /// The file's bytes from `buffer_at` on.
    buffer: Vec<u8>,
    buffer_at: u64,
}

/// What is at the cursor.
#[derive(Debug)]
pub(crate) enum Next {
    /// Records; the range is of [`Frames::payload`].
    Data(Range<usize>),
    /// The end of a finished tape.
    Final(Closing),
    /// Nothing: the file ends here.
    End,
    /// The start of a frame, the rest of which is missing.
    Short,
    /// Something that does not hold together; the cursor stays before it.
    Bad(&'static str),
}

impl Frames {
    /// Opens a tape and reads its header.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        let file = File::open(path).map_err(|e| TapeError::io("open", path, e))?;
        Self::of(file, path)
    }

    /// The same, for a file opened already.
    pub fn of(file: File, path: &Path) -> Result<Self, TapeError> {
        let bad = |why: &str| TapeError::NotATape {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let mut bytes = read_up_to(&file, path, 0, 4096)?;
        loop {
            match format::parse_header(&bytes) {
                HeaderParse::Whole(header, len, first) => {
                    return Ok(Self {
                        file,
                        path: path.to_owned(),
                        header: *header,
                        first,
                        chain: first,
                        offset: len as u64,
                        seq: 0,
                        buffer: Vec::new(),
                        buffer_at: len as u64,
                    });
                }
                HeaderParse::Version(version) => {
                    return Err(TapeError::Version {
                        path: path.to_owned(),
                        version,
                    });
                }
                HeaderParse::Bad(why) => return Err(bad(why)),
                HeaderParse::Needs(len) => {
                    let more = read_up_to(&file, path, 0, len)?;
                    if more.len() < len {
                        return Err(bad("its header is cut off"));
                    }
                    bytes = more;
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn header(&self) -> &TapeHeader {
        &self.header
    }

    /// Where the good part ends.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many good frames there were.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The chain behind the last good frame.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The first chain value.
    pub fn first(&self) -> &Chain {
        &self.first
    }

    /// The bytes of the last [`Next::Data`].
    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// The size of the file now.
    pub fn file_len(&self) -> Result<u64, TapeError> {
        let meta = self.file.metadata();
        Ok(meta
            .map_err(|e| TapeError::io("read", &self.path, e))?
            .len())
    }

    /// Does the file end with its final frame? Looks at its last bytes only.
    pub fn ends_finished(&self) -> Result<bool, TapeError> {
        let size = self.file_len()?;
        let Some(at) = size.checked_sub(TRAILER as u64) else {
            return Ok(false);
        };
        let tail = read_up_to(&self.file, &self.path, at, TRAILER)?;
        let Some(begins) = format::parse_trailer(&format::array_at(&tail, 0), &self.first) else {
            return Ok(false);
        };
        let len = size.saturating_sub(begins);
        if len > LONGEST_FINAL {
            return Ok(false);
        }
        let len = usize::try_from(len).unwrap_or(0);
        let frame = read_up_to(&self.file, &self.path, begins, len)?;
        Ok(format::is_whole_final(&frame))
    }

    /// Gives the file back, to be written on.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Goes over the next frame that this version knows.
    pub fn advance(&mut self) -> Result<Next, TapeError> {
        loop {
            let have = self.fill(FRAME_HEAD)?;
            if have == 0 {
                return Ok(Next::End);
            }
            if have < FRAME_HEAD {
                return Ok(self.stop(Next::Short));
            }
            let at = self.in_buffer();
            let head_bytes: [u8; FRAME_HEAD] = format::array_at(&self.buffer, at);
            let head = match format::parse_head(&head_bytes) {
                Ok(head) => head,
                Err(why) => return Ok(self.stop(Next::Bad(why))),
            };
            let whole = FRAME_HEAD + head.len;
            if self.fill(whole)? < whole {
                return Ok(self.stop(Next::Short));
            }
            let at = self.in_buffer();
            let payload = at + FRAME_HEAD..at + whole;
            let bytes = self.payload(payload.clone());
            let chain = match format::check_frame(&head_bytes, bytes, self.seq, &self.chain) {
                Ok(chain) => chain,
                Err(why) => return Ok(self.stop(Next::Bad(why))),
            };
            let next = match head.kind {
                FrameKind::Data if codec::fills(bytes) => Some(Next::Data(payload)),
                FrameKind::Data => return Ok(self.stop(Next::Bad("a record in it is cut off"))),
                FrameKind::Final => match self.closing(payload) {
                    Some(closing) => Some(Next::Final(closing)),
                    None => return Ok(self.stop(Next::Bad("the final frame cannot be read"))),
                },
                FrameKind::Other(_) => None,
            };
            self.chain = chain;
            self.seq += 1;
            self.offset += whole as u64;
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// Goes over all frames that are there, up to the final one. Believes their heads: what is passed over is not
    /// checked.
    pub fn skip(&mut self) -> Result<(), TapeError> {
        let size = self.file_len()?;
        loop {
            let bytes = read_up_to(&self.file, &self.path, self.offset, FRAME_HEAD)?;
            if bytes.len() < FRAME_HEAD {
                break;
            }
            let Ok(head) = format::parse_head(&format::array_at(&bytes, 0)) else {
                break;
            };
            let next = self.offset + (FRAME_HEAD + head.len) as u64;
            if head.seq != self.seq || head.kind == FrameKind::Final || next > size {
                break;
            }
            self.chain = head.chain;
            self.seq += 1;
            self.offset = next;
        }
        self.buffer.clear();
        self.buffer_at = self.offset;
        Ok(())
    }

    fn closing(&self, payload: Range<usize>) -> Option<Closing> {
        let bytes = self.payload(payload);
        let json_len = bytes.len().checked_sub(TRAILER)?;
        let (json, trailer) = bytes.split_at(json_len);
        let trailer = format::array_at(trailer, 0);
        let begins = format::parse_trailer(&trailer, &self.first)?;
        (begins == self.offset).then(|| serde_json::from_slice(json).ok())?
    }

    fn in_buffer(&self) -> usize {
        usize::try_from(self.offset - self.buffer_at).unwrap_or(usize::MAX)
    }

    /// What was read behind the cursor may be replaced by the writer (who takes a torn frame away
    /// again), so it is read anew next time.
    fn stop(&mut self, next: Next) -> Next {
        self.buffer.clear();
        self.buffer_at = self.offset;
        next
    }

    /// Tries to have `need` bytes from the cursor on in the buffer; answers how many there are.
    fn fill(&mut self, need: usize) -> Result<usize, TapeError> {
        let at = self.in_buffer().min(self.buffer.len());
        let have = self.buffer.len() - at;
        if have >= need {
            return Ok(have);
        }
        self.buffer.drain(..at);
        self.buffer_at = self.offset;
        let from = self.offset + have as u64;
        let more = read_up_to(&self.file, &self.path, from, (need - have).max(READ))?;
        self.buffer.extend_from_slice(&more);
        Ok(self.buffer.len())
    }
}

/// Reads up to `len` bytes at `offset`; fewer only at the end of the file.
fn read_up_to(file: &File, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, TapeError> {
    // A following reader asks for much and mostly finds little: take what the file has.
    let size = file
        .metadata()
        .map_err(|e| TapeError::io("read", path, e))?
        .len();
    let present = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(present)];
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(TapeError::io("read", path, e)),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}
