//! File names as bytes, and how they are written down.

use std::fmt::{self, Write};
use std::sync::Arc;

/// The longest name that is kept, in bytes: PATH_MAX of every system that OpenSSH runs on.
pub const MAX_NAME: usize = 4096;

/// A file name as it came: any bytes, at most [`MAX_NAME`] of them. Cheap to clone.
///
/// [`Display`](fmt::Display) writes it so that different names stay different, and that no name can
/// steer a terminal or end a line: UTF-8 as it is, but `\\` for a backslash, `\n`, `\r`, `\t`,
/// `\u{202e}` for what is invisible, and `\xff` for bytes that are no UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<[u8]>);

/// A name beyond [`MAX_NAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file name of {0} bytes; at most {MAX_NAME} are allowed")]
pub struct TooLong(pub usize);

impl Name {
    /// Takes a name.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        if bytes.len() > MAX_NAME {
            return Err(TooLong(bytes.len()));
        }
        Ok(Self(bytes.into()))
    }

    /// No name.
    pub fn empty() -> Self {
        Self([].into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What follows the last slash.
    pub fn base(&self) -> &[u8] {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// `self/name`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn join(&self, name: &[u8]) -> Result<Self, TooLong> {
        let mut joined = self.0.to_vec();
        if !joined.is_empty() && !joined.ends_with(b"/") {
            joined.push(b'/');
        }
        joined.extend_from_slice(name);
        Self::new(&joined)
    }

    /// `name` in the same folder.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn sibling(&self, name: &[u8]) -> Result<Self, TooLong> {
        let folder = &self.0[..self.0.len() - self.base().len()];
        Self::new(&[folder, name].concat())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' | '\r' | '\t' => write!(f, "{}", c.escape_default())?,
                    c if is_invisible(c) => write!(f, "{}", c.escape_unicode())?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Control characters, and those that hide or turn the text around them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    #[test]
    fn names_are_written_so_that_they_stay_different() {
        for (bytes, written) in [
            (&b"/tmp/two words"[..], "/tmp/two words"),
            ("/srv/Größe.txt".as_bytes(), "/srv/Größe.txt"),
            (b"a\nb\tc", "a\\nb\\tc"),
            (b"a\\nb", "a\\\\nb"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            ("cod\u{202e}gpj.exe".as_bytes(), "cod\\u{202e}gpj.exe"),
            (b"", ""),
        ] {
            assert_eq!(name(bytes).to_string(), written);
        }
    }

    #[test]
    fn names_are_put_together() {
        assert_eq!(name(b"/a").join(b"b").unwrap(), name(b"/a/b"));
        assert_eq!(name(b"/a/").join(b"b").unwrap(), name(b"/a/b"));
        assert_eq!(name(b"").join(b"b").unwrap(), name(b"b"));
        assert_eq!(name(b"/a/b*").sibling(b"bc").unwrap(), name(b"/a/bc"));
        assert_eq!(name(b"b").sibling(b"c").unwrap(), name(b"c"));
        assert_eq!(name(b"/a/b").base(), b"b");
        assert_eq!(Name::new(&[b'x'; 5000]), Err(TooLong(5000)));
    }
}
