//! What becomes of PDUs of a target, and of the fragments of its updates.

use sallyport_dissect::rdp::{Malformed, output};

/// What becomes of a PDU.
pub enum Fate {
    /// It goes on, with ids exchanged where it has some.
    Forward,
    /// It ends here.
    Drop,
    /// This goes on in its place.
    Replace(Vec<u8>),
    /// It goes on when the lock is over.
    Hold,
}

/// Fast-path updates come in fragments, and between those of one there may be nothing else.
#[derive(Debug, Default)]
pub struct Unfinished {
    /// The target has begun one.
    target: bool,
    /// The client has got the beginning of one.
    pub client: bool,
}

impl Unfinished {
    /// What becomes of a fast-path PDU. While `locked` it may only finish what the client has the beginning of; and never
    /// the rest of something of which it has not goes on.
    pub fn pass(&mut self, frame: &[u8], locked: bool) -> Result<Fate, Malformed> {
        let begun = self.target;
        self.target = output::stays_open(frame, begun)?;
        if locked && self.client {
            return Ok(match output::rest_of_update(frame)? {
                Some(rest) => {
                    self.client = false;
                    Fate::Replace(rest)
                }
                None => Fate::Forward,
            });
        }
        if locked || (begun && !self.client) {
            return Ok(Fate::Drop);
        }
        self.client = self.target;
        Ok(Fate::Forward)
    }
}
