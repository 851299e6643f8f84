use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::Daemon;

/// A program in a terminal of its own: what a person would have in front of him.
pub struct Tty {
    keys: Mutex<File>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    daemon: Mutex<Daemon>,
}

struct Seen {
    raw: Vec<u8>,
    screen: vt100::Parser,
    mark: usize,
    closed: bool,
}

impl Tty {
    /// Starts `command` in a terminal of that size.
    pub fn start(command: Command, cols: u16, rows: u16) -> Self {
        let (master, daemon) = in_terminal(command, cols, rows);
        let daemon = Mutex::new(daemon);
        let seen = Arc::new((
            Mutex::new(Seen {
                raw: Vec::new(),
                screen: vt100::Parser::new(rows, cols, 0),
                mark: 0,
                closed: false,
            }),
            Condvar::new(),
        ));
        let reader = master.try_clone().unwrap();
        thread::spawn({
            let seen = seen.clone();
            move || read(reader, &seen)
        });
        Self {
            keys: Mutex::new(master),
            seen,
            daemon,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types.
    pub fn send(&self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    /// Types bytes.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = keys.write_all(bytes);
    }

    /// Types a line and Enter.
    pub fn line(&self, text: &str) {
        self.send(&format!("{text}\r"));
    }

    /// Makes the terminal another size.
    pub fn resize(&self, cols: u16, rows: u16) {
        set_size(
            &self.keys.lock().unwrap_or_else(PoisonError::into_inner),
            cols,
            rows,
        );
        self.seen().screen.screen_mut().set_size(rows, cols);
    }

    /// From now on, only what comes later counts for [`Tty::wait_for`] and [`Tty::output`].
    pub fn mark(&self) {
        let mut seen = self.seen();
        seen.mark = seen.raw.len();
    }

    /// The output since the mark.
    pub fn output(&self) -> String {
        let seen = self.seen();
        String::from_utf8_lossy(&seen.raw[seen.mark..]).into_owned()
    }

    /// All output since the start.
    pub fn raw(&self) -> Vec<u8> {
        self.seen().raw.clone()
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.seen().screen.screen().contents()
    }

    /// Is the alternate screen shown?
    pub fn alternate(&self) -> bool {
        self.seen().screen.screen().alternate_screen()
    }

    /// Waits until the output since the mark holds `text`; answers how long it took.
    #[track_caller]
    pub fn wait_for(&self, text: &str, limit: Duration) -> Duration {
        // Where there was nothing it is not looked for again: after a flood that would take longer than the flood.
        let looked = Cell::new(0);
        self.wait(&format!("the output {text:?}"), limit, |seen| {
            let from = looked.get().max(seen.mark);
            looked.set((seen.raw.len() + 1).saturating_sub(text.len()));
            find(seen.raw.get(from..).unwrap_or_default(), text.as_bytes())
        })
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn wait_screen(&self, text: &str, limit: Duration) -> Duration {
        self.wait(&format!("the screen with {text:?}"), limit, |seen| {
            seen.screen.screen().contents().contains(text)
        })
    }

    /// Waits until the program has closed its terminal.
    #[track_caller]
    pub fn wait_closed(&self, limit: Duration) -> Duration {
        self.wait("the end of the program", limit, |seen| seen.closed)
    }

    #[track_caller]
    fn wait(&self, what: &str, limit: Duration, done: impl Fn(&Seen) -> bool) -> Duration {
        let start = Instant::now();
        let mut seen = self.seen();
        while !done(&seen) {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() || (seen.closed && !done(&seen)) {
                let raw = &seen.raw[seen.mark..];
                let tail =
                    String::from_utf8_lossy(&raw[raw.len().saturating_sub(1500)..]).into_owned();
                panic!(
                    "waited {:?} in vain for {what}; closed: {}; output since the mark: {tail:?}\nscreen:\n{}",
                    start.elapsed(),
                    seen.closed,
                    seen.screen.screen().contents()
                );
            }
            seen = match self.seen.1.wait_timeout(seen, left) {
                Ok((seen, _)) => seen,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        start.elapsed()
    }

    /// Waits for the program's end and answers its exit status.
    pub fn exit_code(&self, limit: Duration) -> Option<i32> {
        self.daemon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait(limit)
            .and_then(|status| status.code())
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.daemon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pid()
    }
}

/// Starts `command` in a terminal of that size; answers the keyboard-and-screen side of it.
pub fn in_terminal(command: Command, cols: u16, rows: u16) -> (File, Daemon) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    set_size(&slave, cols, rows);
    // `setsid -c` makes the terminal the controlling one, so that ssh can ask and ^C works.
    let mut wrapped = Command::new("setsid");
    wrapped
        .arg("-c")
        .arg(command.get_program())
        .args(command.get_args());
    wrapped.env("TERM", "xterm-256color");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::from(slave.try_clone().unwrap()));
    wrapped.stdout(Stdio::from(slave.try_clone().unwrap()));
    wrapped.stderr(Stdio::from(slave));
    (File::from(master), Daemon::spawn(wrapped))
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len().max(1))
        .any(|window| window == needle)
}

fn set_size(terminal: &File, cols: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

fn read(mut from: File, seen: &(Mutex<Seen>, Condvar)) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut chunk).unwrap_or(0);
        let mut seen_now = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count == 0 {
            seen_now.closed = true;
        } else {
            seen_now.raw.extend_from_slice(&chunk[..count]);
            seen_now.screen.process(&chunk[..count]);
        }
        seen.1.notify_all();
        if count == 0 {
            return;
        }
    }
}
