//! `rsync --server` on the target: which way, and where to.
//!
//! The protocol itself is not read: it is negotiated, compressed and full of checksums of parts.
//! Its streams are counted and digested as a whole.

use crate::digest::Rest;
use crate::fact::{Direction, Fact};
use crate::path::Name;
use crate::shell;

/// Options of a sender that write or remove on the target all the same.
const WRITING: [&[u8]; 4] = [
    b"--remove-s",
    b"--log-file",
    b"--write-batch",
    b"--only-write-batch",
];

/// An rsync server on the target.
#[derive(Debug)]
pub struct Rsync {
    /// Unknown if a daemon is spoken to.
    direction: Option<Direction>,
    writes: bool,
    paths: Vec<Name>,
    sent: [Rest; 2],
}

impl Rsync {
    /// Reads a command line; `None` if it is not `rsync --server`.
    pub fn of_command(words: &[Vec<u8>]) -> Option<Self> {
        let (program, rest) = words.split_first()?;
        let (first, rest) = rest.split_first()?;
        if shell::program(program) != b"rsync" || first != b"--server" {
            return None;
        }
        let sender = rest.first().is_some_and(|word| word == b"--sender");
        // The options end with a `.`, and what follows are paths; with --secluded-args they come
        // inside the protocol.
        let dot = rest.iter().position(|word| word == b".");
        let (options, paths) = rest.split_at(dot.unwrap_or(rest.len()));
        let writes = options
            .iter()
            .any(|option| WRITING.iter().any(|writing| option.starts_with(writing)));
        let paths = paths.iter().skip(1).filter_map(|path| Name::new(path).ok());
        Some(Self {
            direction: match sender {
                _ if options.iter().any(|option| option == b"--daemon") => None,
                true => Some(Direction::Download),
                false => Some(Direction::Upload),
            },
            writes,
            paths: paths.collect(),
            sent: Default::default(),
        })
    }

    /// Does it need this direction?
    pub fn needs(&self, direction: Direction) -> bool {
        self.direction.is_none_or(|own| own == direction)
            || (direction == Direction::Upload && self.writes)
    }

    /// Bytes that go `way`.
    pub fn sent(&mut self, way: Direction, data: &[u8]) {
        self.sent[way as usize].put(data);
    }

    /// Nothing more comes.
    pub fn finish(&mut self, facts: &mut Vec<Fact>) {
        facts.push(Fact::Synchronised {
            direction: self.direction,
            paths: std::mem::take(&mut self.paths),
        });
        for way in [Direction::Upload, Direction::Download] {
            let (bytes, sha256) = self.sent[way as usize].take();
            if bytes > 0 {
                facts.push(Fact::Rest {
                    direction: way,
                    bytes,
                    sha256,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Rsync> {
        Rsync::of_command(&shell::words(line.as_bytes())?)
    }

    #[test]
    fn command_lines() {
        let both = (true, true);
        for (line, direction, (upload, download), paths) in [
            (
                "rsync --server -vlogDtpre.iLsfxCIvu . /srv/copy/",
                Some(Direction::Upload),
                (true, false),
                &["/srv/copy/"][..],
            ),
            (
                "rsync --server --sender -vlogDtpre.iLsfxCIvu . '/srv/two words' b",
                Some(Direction::Download),
                (false, true),
                &["/srv/two words", "b"],
            ),
            (
                "/usr/bin/rsync --server --sender -re.iLsfxCIvu --remove-source-files . /srv",
                Some(Direction::Download),
                both,
                &["/srv"],
            ),
            (
                "rsync --server --sender --log-file=/etc/x -re.i . /srv",
                Some(Direction::Download),
                both,
                &["/srv"],
            ),
            (
                "rsync --server -s",
                Some(Direction::Upload),
                (true, false),
                &[],
            ),
            ("rsync --server --daemon .", None, both, &[]),
        ] {
            let rsync = read(line).unwrap();
            assert_eq!(rsync.direction, direction, "{line}");
            assert_eq!(rsync.needs(Direction::Upload), upload, "{line}");
            assert_eq!(rsync.needs(Direction::Download), download, "{line}");
            let named: Vec<String> = rsync.paths.iter().map(Name::to_string).collect();
            assert_eq!(named, paths, "{line}");
        }
    }

    #[test]
    fn other_commands() {
        for line in [
            "rsync",
            "rsync -a a b",
            "rsyncd --server . a",
            "rsync -a --server",
            "true",
            "",
        ] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
