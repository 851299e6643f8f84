//! Asking for a user and a password: on the terminal without echo, or line by line from a pipe.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::{Failure, OrFail as _};

/// Is somebody at the keyboard, as opposed to a pipe?
pub fn somebody_types() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks for a line that may be seen.
pub fn ask(what: &str) -> Result<String, Failure> {
    show(what)?;
    read_line().map(|line| line.as_str().to_owned())
}

/// Asks for a line that may not be seen.
pub fn ask_secret(what: &str) -> Result<Zeroizing<String>, Failure> {
    // Before the question: whoever types ahead is not shown either.
    let quiet = Quiet::new();
    show(what)?;
    let line = read_line();
    if quiet.is_some() {
        drop(quiet);
        show("\n")?;
    }
    line
}

/// Questions go to the error stream: the answer of `login` may be piped on.
fn show(what: &str) -> Result<(), Failure> {
    if !somebody_types() {
        return Ok(());
    }
    let mut out = std::io::stderr().lock();
    out.write_all(what.as_bytes())
        .and_then(|()| out.flush())
        .or_fail("asking")
}

fn read_line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .or_fail("reading the answer")?;
    if read == 0 {
        line.zeroize();
        return Err(Failure::new(
            "no answer was given; type it, or pipe it in as a line",
        ));
    }
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    Ok(line)
}

/// The terminal without echo, until dropped.
struct Quiet {
    before: Termios,
}

impl Quiet {
    /// Nothing if the standard input is no terminal.
    fn new() -> Option<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
