//! The command line of an scp server.

use crate::fact::Direction;
use crate::path::Name;
use crate::shell;

/// What `scp -t …` or `scp -f …` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `-t`: to the target; `-f`: from it.
    pub direction: Direction,
    /// `-d`: its path has to be a folder.
    pub into_folder: bool,
    /// The paths, as written.
    pub paths: Vec<Name>,
}

impl Command {
    /// Reads a command line; `None` if it starts no scp server.
    pub fn of(words: &[Vec<u8>]) -> Option<Self> {
        let (program, rest) = words.split_first()?;
        if shell::program(program) != b"scp" {
            return None;
        }
        let (mut to, mut from, mut into_folder) = (false, false, false);
        let mut rest = rest.iter();
        let mut paths = Vec::new();
        for word in rest.by_ref() {
            match word.strip_prefix(b"-") {
                Some(b"-") => break,
                Some(flags) if !flags.is_empty() => {
                    to |= flags.contains(&b't');
                    from |= flags.contains(&b'f');
                    into_folder |= flags.contains(&b'd');
                }
                Some(_) | None => {
                    paths.push(word);
                    break;
                }
            }
        }
        paths.extend(rest);
        let direction = match (to, from) {
            (true, false) => Direction::Upload,
            (false, true) => Direction::Download,
            _ => return None,
        };
        let paths: Result<Vec<_>, _> = paths.into_iter().map(|path| Name::new(path)).collect();
        let paths = paths.ok().filter(|paths| !paths.is_empty())?;
        Some(Self {
            direction,
            into_folder,
            paths,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Command> {
        Command::of(&shell::words(line.as_bytes())?)
    }

    #[test]
    fn command_lines() {
        for (line, direction, into_folder, paths) in [
            ("scp -t /tmp/x", Direction::Upload, false, &["/tmp/x"][..]),
            ("scp -f /tmp/x", Direction::Download, false, &["/tmp/x"]),
            ("scp -r -p -d -t -- -x", Direction::Upload, true, &["-x"]),
            (
                "/usr/bin/scp -vrpt 'a b'",
                Direction::Upload,
                false,
                &["a b"],
            ),
            ("scp -f -- a b*", Direction::Download, false, &["a", "b*"]),
            ("scp -t ''", Direction::Upload, false, &[""]),
        ] {
            let command = read(line).unwrap();
            assert_eq!(command.direction, direction, "{line}");
            assert_eq!(command.into_folder, into_folder, "{line}");
            let named: Vec<String> = command.paths.iter().map(Name::to_string).collect();
            assert_eq!(named, paths, "{line}");
        }
    }

    #[test]
    fn other_commands() {
        for line in [
            "scp",
            "scp a b:c",
            "scp -t",
            "scp -t -f x",
            "scp -t x; id",
            "pscp -t x",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
