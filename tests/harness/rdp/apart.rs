use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Daemon, signal, tool};

/// For the kernel to end the processes of a namespace.
const GONE: Duration = Duration::from_secs(20);

/// A server that starts processes of its own, in a mount and a process namespace: it sees its own
/// files where it looks for the system's, and all it started dies with it.
pub(super) struct Apart {
    daemon: Daemon,
}

impl Apart {
    /// Runs `words` with each of `mounts` (ours, theirs) in its place; output goes to `log`.
    pub(super) fn spawn(mounts: &[(PathBuf, PathBuf)], words: &[&str], log: &Path) -> Self {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut unshare = tool("unshare");
        unshare
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "--propagation", "private"])
            .args(["sh", "-ec"])
            .arg("while [ \"$1\" != -- ]; do mount --bind \"$1\" \"$2\"; shift 2; done; shift; exec \"$@\"")
            .arg("sh");
        for (ours, theirs) in mounts {
            unshare.arg(ours).arg(theirs);
        }
        unshare
            .arg("--")
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self {
            daemon: Daemon::spawn(unshare),
        }
    }

    /// Does it still run?
    pub(super) fn alive(&mut self) -> bool {
        self.daemon.alive()
    }

    /// A program that sees the same files, as another user.
    pub(super) fn program(&self, user: &str, program: impl AsRef<OsStr>) -> Command {
        let mut enter = tool("nsenter");
        enter
            .args(["--mount", "--target", &self.daemon.pid().to_string(), "--"])
            .args(["setpriv", "--reuid", user, "--regid", user, "--init-groups"])
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program);
        enter
    }

    /// The processes in it (as seen from outside) with the names of their programs.
    pub(super) fn processes(&self) -> Vec<(u32, String)> {
        let link = format!("/proc/{}/ns/pid_for_children", self.daemon.pid());
        let Ok(space) = fs::read_link(link) else {
            return Vec::new();
        };
        processes_of(&space)
    }

    /// Sends a signal to all processes of this program in it.
    pub(super) fn signal(&self, program: &str, which: Signal) {
        for (process, name) in self.processes() {
            if name == program {
                signal(process, which);
            }
        }
    }

    /// Kills it and everything in it, and waits until all of it is gone.
    pub(super) fn end(mut self) {
        // Its first process takes all others along. `unshare` waits for it; if that were killed, the
        // dead would lie about until the machine's own first process clears them away.
        for (process, _) in self.processes() {
            signal(process, Signal::KILL);
        }
        let _ = self.daemon.wait(GONE);
    }
}

fn processes_of(space: &Path) -> Vec<(u32, String)> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let inside = folders.filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let path = entry.path();
        (fs::read_link(path.join("ns/pid")).ok()? == *space).then_some(())?;
        let name = fs::read_to_string(path.join("comm")).ok()?;
        Some((process, name.trim().to_owned()))
    });
    inside.collect()
}
