//! A command line as a POSIX shell splits it into words.

/// Words of one command line; more is not a command of ours to read.
const MAX_WORDS: usize = 1024;

/// Splits a simple command into words, quotes and backslashes removed (POSIX.1-2024, Shell Command
/// Language, section 2.2). What the shell would expand (`~`, `*`, `$HOME`) stays as it is written.
///
/// `None` if it is not one simple command: with operators, substitutions, unclosed quotes.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => {
                words.extend(word.take());
                if words.len() > MAX_WORDS {
                    return None;
                }
                continue;
            }
            b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'`' => return None,
            b'$' if bytes.peek() == Some(&b'(') => return None,
            b'#' if word.is_none() => return None,
            _ => {}
        }
        let word = word.get_or_insert_default();
        match byte {
            b'\\' => match bytes.next()? {
                b'\n' => {}
                escaped => word.push(escaped),
            },
            b'\'' => loop {
                match bytes.next()? {
                    b'\'' => break,
                    inside => word.push(inside),
                }
            },
            b'"' => loop {
                match bytes.next()? {
                    b'"' => break,
                    b'`' => return None,
                    b'$' if bytes.peek() == Some(&b'(') => return None,
                    b'\\' => match bytes.next()? {
                        b'\n' => {}
                        escaped @ (b'$' | b'`' | b'"' | b'\\') => word.push(escaped),
                        other => word.extend([b'\\', other]),
                    },
                    inside => word.push(inside),
                }
            },
            plain => word.push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

/// The last part of a program's path.
pub fn program(word: &[u8]) -> &[u8] {
    word.rsplit(|byte| *byte == b'/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (line, expected) in [
            ("scp -t /tmp/x", &["scp", "-t", "/tmp/x"][..]),
            ("  a   b ", &["a", "b"]),
            ("a 'b c' d", &["a", "b c", "d"]),
            (r#"a "b 'c' \" \$x \n" d"#, &["a", r#"b 'c' " $x \n"#, "d"]),
            (r"a b\ c \'", &["a", "b c", "'"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("a '' b", &["a", "", "b"]),
            ("scp -f ~/x* $HOME", &["scp", "-f", "~/x*", "$HOME"]),
            ("a b#c", &["a", "b#c"]),
            ("a 'b\nc;d'", &["a", "b\nc;d"]),
            ("", &[]),
        ] {
            let split = words(line.as_bytes()).unwrap();
            let split: Vec<&str> = split
                .iter()
                .map(|word| std::str::from_utf8(word).unwrap())
                .collect();
            assert_eq!(split, expected, "{line}");
        }
    }

    #[test]
    fn what_is_more_than_one_command_is_not_read() {
        for line in [
            "a; b",
            "a && b",
            "a | b",
            "a > b",
            "a < b",
            "a `b`",
            "a $(b)",
            "a \"$(b)\"",
            "a \"`b`\"",
            "(a)",
            "a\nb",
            "a 'b",
            "a \"b",
            "a \\",
            "# a",
        ] {
            assert_eq!(words(line.as_bytes()), None, "{line}");
        }
    }
}
