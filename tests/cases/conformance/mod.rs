//! The same, directly and through the gateway.
//!
//! A case is a small function of a [`Way`]; it runs every way to the same account of the same target,
//! and what came out must be the same. Whatever differs is shown with both outcomes at the end.

mod commands;
mod connections;
mod files;
mod forwards;
mod other_clients;
mod programs;
mod targets;
mod terminals;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sallyport_tests::harness::{
    Daemon, Done, Gateway, Jump, KEY_ACCOUNT, Ssh, Target, tool, wait_until,
};
use tempfile::TempDir;

use super::SOON;

/// For one case on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way to the account.
struct Way {
    /// What it is called in a difference.
    name: &'static str,
    /// OpenSSH's client that goes this way.
    ssh: Ssh,
    target: Arc<Target>,
}

impl Way {
    /// A fresh folder on the target that the account may write to.
    fn folder(&self) -> TempDir {
        self.target.folder_of(KEY_ACCOUNT)
    }

    /// A fresh folder on the client's side.
    fn local(&self) -> TempDir {
        TempDir::with_prefix("sp-local-").unwrap()
    }

    /// A master connection, and the client that shares it.
    fn mux(&self, options: &[&str]) -> Mux {
        let folder = self.local();
        let socket = folder.path().join("mux");
        let ssh = self
            .ssh
            .clone()
            .option(&format!("ControlPath={}", socket.display()));
        let mut master = ssh.clone().option("ControlMaster=yes");
        for option in options {
            master = master.option(option);
        }
        let mut master = master.program("ssh");
        master.args(["-N", "127.0.0.1"]);
        let master = Daemon::spawn(master);
        wait_until("the master connection", SOON, || socket.exists());
        Mux {
            ssh,
            master,
            _folder: folder,
        }
    }
}

/// A master connection of OpenSSH (ControlMaster).
struct Mux {
    /// Shares the connection.
    ssh: Ssh,
    /// The client that holds it.
    master: Daemon,
    _folder: TempDir,
}

/// All ways to one target, and the differences found between them.
struct Ways {
    ways: Vec<Way>,
    differences: Mutex<Vec<String>>,
    // Looks for panics in its log when it is dropped.
    gateway: Gateway,
}

impl Ways {
    /// To the shared target.
    fn start() -> Self {
        Self::to(Target::shared())
    }

    /// To a target of one's own.
    fn to(target: Arc<Target>) -> Self {
        let gateway = Gateway::around(target.clone())
            // What clients ask for by name is theirs to have here.
            .env("SALLYPORT_SSH_ALGORITHMS", "compatible")
            .start();
        let (direct, through) = (Ssh::direct(&target), gateway.ssh("alice+all"));
        Self::between(direct, gateway, through, target)
    }

    /// To the shared target, also with `ssh -J`.
    fn jumping() -> Self {
        let mut ways = Self::start();
        let jump = Jump::new(&ways.gateway).proxy_command("all");
        let ssh = ways.gateway.ssh(KEY_ACCOUNT);
        ways.ways.push(Way {
            name: "with -J",
            ssh: ssh.option(&jump).option("HostKeyAlias=all"),
            target: ways.ways[0].target.clone(),
        });
        ways
    }

    /// With these two clients, of which the second goes through the gateway.
    fn between(direct: Ssh, gateway: Gateway, through: Ssh, target: Arc<Target>) -> Self {
        let way = |name, ssh| Way {
            name,
            ssh,
            target: target.clone(),
        };
        Self {
            ways: vec![way("directly", direct), way("through the gateway", through)],
            differences: Mutex::default(),
            gateway,
        }
    }

    /// Runs a case every way, side by side, and answers the direct outcome.
    fn same<T: PartialEq + fmt::Debug + Send>(
        &self,
        case: &str,
        run: impl Fn(&Way) -> T + Sync,
    ) -> T {
        let start = std::time::Instant::now();
        let outcomes: Vec<T> = thread::scope(|scope| {
            let running: Vec<_> = self
                .ways
                .iter()
                .map(|way| scope.spawn(|| run(way)))
                .collect();
            let outcome = |running: thread::ScopedJoinHandle<'_, T>| {
                running
                    .join()
                    .unwrap_or_else(|_| panic!("`{case}` itself failed"))
            };
            running.into_iter().map(outcome).collect()
        });
        if start.elapsed() > Duration::from_secs(10) {
            eprintln!("`{case}` took {:?}", start.elapsed());
        }
        let mut outcomes = outcomes.into_iter();
        let direct = outcomes.next().expect("there is always the direct way");
        for (outcome, way) in outcomes.zip(&self.ways[1..]) {
            if outcome != direct {
                self.note(format!(
                    "`{case}` differs\n{}",
                    difference(&direct, way.name, &outcome)
                ));
            }
        }
        direct
    }

    /// Like [`Ways::same`], and the outcome must be this one.
    fn same_as<T: PartialEq + fmt::Debug + Send>(
        &self,
        case: &str,
        expected: T,
        run: impl Fn(&Way) -> T + Sync,
    ) {
        let direct = self.same(case, run);
        if direct != expected {
            self.note(format!(
                "`{case}` is another case than thought\n  expected: {expected:?}\n  directly: {direct:?}"
            ));
        }
    }

    fn note(&self, difference: String) {
        self.differences
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(difference);
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        let differences = self
            .differences
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let all = differences.join("\n");
        if thread::panicking() {
            eprintln!("{all}");
        } else {
            assert!(differences.is_empty(), "{all}");
        }
    }
}

/// What a client program left behind, without how long it took.
#[derive(PartialEq)]
struct Seen {
    code: i32,
    timed_out: bool,
    out: Vec<u8>,
    err: String,
}

impl Seen {
    fn of(done: Done) -> Self {
        Self {
            code: done.code,
            timed_out: done.timed_out,
            out: done.out,
            err: done.err,
        }
    }

    /// With the login name and the port, which differ from way to way, replaced.
    fn anonymous(mut self, way: &Way) -> Self {
        self.err = self
            .err
            .replace(&way.ssh.login(), "LOGIN")
            .replace(&format!(":{}", way.ssh.port()), ":PORT");
        self
    }

    /// With every mention of a folder, which differs from way to way, replaced.
    fn without(mut self, folder: &TempDir, name: &str) -> Self {
        let path = folder.path().display().to_string();
        self.err = self.err.replace(&path, name);
        if let Ok(text) = std::str::from_utf8(&self.out) {
            self.out = text.replace(&path, name).into_bytes();
        }
        self
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit {}{}, {} bytes {:?}, stderr {:?}",
            self.code,
            if self.timed_out { " (timed out)" } else { "" },
            self.out.len(),
            shortened(&String::from_utf8_lossy(&self.out)),
            shortened(&self.err)
        )
    }
}

/// The lines of two outcomes that are not in both.
fn difference<T: fmt::Debug>(direct: &T, name: &str, outcome: &T) -> String {
    let (direct, outcome) = (format!("{direct:#?}"), format!("{outcome:#?}"));
    let only = |text: &str, other: &str| {
        let others: Vec<&str> = other.lines().collect();
        let lines: Vec<&str> = text.lines().filter(|line| !others.contains(line)).collect();
        lines.join("\n")
    };
    format!(
        "  directly:\n{}\n  {name}:\n{}",
        only(&direct, &outcome),
        only(&outcome, &direct)
    )
}

/// The beginning and the end of a long text.
fn shortened(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= 600 {
        return text.to_owned();
    }
    let (start, end) = (&chars[..300], &chars[chars.len() - 300..]);
    start.iter().chain(&[' ', '…', ' ']).chain(end).collect()
}

/// Bytes, compared by all and shown by their number and digest.
#[derive(PartialEq)]
struct Content(Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use sha2::{Digest, Sha256};
        let digest = hex::encode(Sha256::digest(&self.0));
        write!(f, "{} bytes {}", self.0.len(), &digest[..16])
    }
}

/// The clients and sizes that take long: `make test-wide`.
fn wide() -> bool {
    std::env::var_os("SALLYPORT_TESTS_LONG").is_some()
}

/// A script around a client program; all of it is killed after [`PATIENCE`].
fn shell(script: &str) -> std::process::Command {
    shell_for(script, PATIENCE)
}

/// A script; all of it is killed shortly before `limit`, when whoever runs it would kill only the
/// shell, and wait for the rest.
fn shell_for(script: &str, limit: Duration) -> std::process::Command {
    let mut bash = tool("timeout");
    let limit = limit.as_secs().saturating_sub(3).max(1).to_string();
    bash.args(["-s", "KILL", &limit, "bash", "-c", script]);
    bash
}
