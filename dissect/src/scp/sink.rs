//! The side that answers: a zero for yes, or a line that says what is wrong.

use crate::fact::{Malformed, Outcome};
use crate::path::{MAX_NAME, Name};

/// The sink's statuses, in any cut.
#[derive(Debug, Default)]
pub struct Sink {
    /// A message that has begun.
    message: Option<Vec<u8>>,
}

impl Sink {
    /// Takes from `data` up to the end of one status: how many bytes, and the status if complete.
    pub fn take(&mut self, data: &[u8]) -> Result<(usize, Option<Outcome>), Malformed> {
        let Some(message) = &mut self.message else {
            return Ok(match data.first() {
                None => (0, None),
                Some(0) => (1, Some(Outcome::Done)),
                // As OpenSSH does: other bytes begin a message as well, but belong to it.
                Some(first) => {
                    let known = *first == 1 || *first == 2;
                    self.message = Some(if known { Vec::new() } else { vec![*first] });
                    (1, None)
                }
            });
        };
        let end = data.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(data.len());
        if message.len() + taken > MAX_NAME {
            return Err(Malformed::Unexpected("an scp message without an end"));
        }
        message.extend_from_slice(&data[..taken]);
        match end {
            None => Ok((taken, None)),
            Some(_) => {
                let said = Name::new(message)?;
                self.message = None;
                Ok((taken + 1, Some(Outcome::Said(said))))
            }
        }
    }
}
