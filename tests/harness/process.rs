use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that runs beside the test; killed, by its own pid, when dropped and when the run ends.
pub struct Daemon {
    child: Child,
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// The kernel sends the parent-death signal when the *thread* that started the child ends, and a
/// test's thread ends with the test; so one thread that never ends starts all of them.
fn spawner() -> &'static SyncSender<Order> {
    static SPAWNER: OnceLock<SyncSender<Order>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (orders, inbox) = sync_channel::<Order>(16);
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    })
}

/// A command that dies with the test run.
pub fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

impl Daemon {
    /// Starts a command made by [`tool`].
    pub fn spawn(command: Command) -> Self {
        let (answer, child) = sync_channel(1);
        let shown = format!("{command:?}");
        spawner()
            .send((command, answer))
            .expect("the spawner thread never ends");
        let child = child.recv().expect("the spawner thread always answers");
        Self {
            child: child.unwrap_or_else(|error| panic!("cannot start {shown}: {error}")),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if start.elapsed() > limit => return None,
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("cannot wait for a child: {error}"),
            }
        }
    }

    /// Is it still there?
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Takes over its standard streams, where they were piped.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process by its id.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Done {
    /// Exit status; -1 if it was killed by a signal.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error, as text.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
    /// Was it killed because it did not end in time?
    pub timed_out: bool,
}

impl Done {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Both outputs, for looking for a message wherever it was shown.
    pub fn all(&self) -> String {
        format!("{}{}", self.text(), self.err)
    }

    /// Fails the test unless it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            self.code == 0 && !self.timed_out,
            "exit status {} (timed out: {}) after {:?}\nout: {}\nerr: {}",
            self.code,
            self.timed_out,
            self.took,
            tail(&self.text()),
            tail(&self.err)
        );
        self
    }

    /// Fails the test unless it failed by itself.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert!(
            self.code != 0 && !self.timed_out,
            "exit status {} (timed out: {}), a failure was wanted\nout: {}\nerr: {}",
            self.code,
            self.timed_out,
            tail(&self.text()),
            tail(&self.err)
        );
        self
    }
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(3000);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Runs a command to its end, killed after `limit`.
pub fn run(command: Command, limit: Duration) -> Done {
    run_with_input(command, Vec::new(), limit)
}

/// Runs a command with bytes on its standard input, killed after `limit`.
pub fn run_with_input(mut command: Command, input: Vec<u8>, limit: Duration) -> Done {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let mut daemon = Daemon::spawn(command);
    let stdin = daemon.child().stdin.take();
    let feeder = thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&input);
        }
    });
    let out = drain(daemon.child().stdout.take());
    let err = drain(daemon.child().stderr.take());
    let status = daemon.wait(limit);
    let took = start.elapsed();
    drop(daemon);
    let _ = feeder.join();
    let code = status.and_then(|status| status.code()).unwrap_or(-1);
    Done {
        code,
        out: out.join().unwrap_or_default(),
        err: String::from_utf8_lossy(&err.join().unwrap_or_default()).into_owned(),
        took,
        timed_out: status.is_none(),
    }
}

fn drain(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}
