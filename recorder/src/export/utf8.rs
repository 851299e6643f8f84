//! Bytes to text, piece by piece.

use crate::screen::scan::incomplete_tail;

/// Decodes UTF-8 that arrives in pieces; what is none becomes U+FFFD.
#[derive(Default)]
pub(super) struct Decoder {
    tail: Vec<u8>,
}

impl Decoder {
    /// The text of the next bytes, but for a character still incomplete.
    pub fn push(&mut self, data: &[u8]) -> String {
        self.tail.extend_from_slice(data);
        let whole = self.tail.len() - incomplete_tail(&self.tail);
        let text = String::from_utf8_lossy(&self.tail[..whole]).into_owned();
        self.tail.drain(..whole);
        text
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        self.tail.clear();
        text
    }
}
