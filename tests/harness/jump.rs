use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::process::{Done, run, tool};
use super::{Gateway, Tty};

/// The real OpenSSH client programs, going through a gateway with `ProxyJump`: the host's own names,
/// no credential but the gateway's, and nobody who could answer a prompt.
pub struct Jump {
    config: PathBuf,
    limit: Duration,
}

/// Every one has files of its own.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Jump {
    /// Alice's, with her key for the gateway.
    pub fn new(gateway: &Gateway) -> Self {
        Self::with(gateway, "")
    }

    /// With more lines for the connections to hosts; they win over the usual ones.
    pub fn with(gateway: &Gateway, lines: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = gateway.dir();
        let config = dir.join(format!("jump-{number}"));
        let text = format!(
            "Host gateway\n  HostName 127.0.0.1\n  Port {port}\n  User alice\n  IdentityFile {key}\n\
             \x20 IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile {dir}/known_hosts\n\
             Host !gateway *\n{lines}\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile {dir}/jump_hosts_{number}\n\
             Host *\n  IdentityAgent none\n  BatchMode yes\n  LogLevel INFO\n  ConnectTimeout 20\n",
            port = gateway.ssh_port,
            key = dir.join("alice").display(),
            dir = dir.display(),
        );
        fs::write(&config, text).unwrap();
        Self {
            config,
            limit: Duration::from_secs(60),
        }
    }

    /// As an `-o` option of a client that is to reach `host` this way, under whatever name it knows.
    pub fn proxy_command(&self, host: &str) -> String {
        format!(
            "ProxyCommand=ssh -F {} -o LogLevel=ERROR -W {host}:22 gateway",
            self.config.display()
        )
    }

    /// `program` (ssh, scp, sftp) told to jump.
    pub fn program(&self, program: &str) -> Command {
        let mut command = self.bare(program);
        command.args(["-J", "gateway"]);
        command
    }

    /// `program` that knows the gateway as `gateway`, and no more.
    pub fn bare(&self, program: &str) -> Command {
        let mut command = tool(program);
        command.arg("-F").arg(&self.config);
        command
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("DISPLAY")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// The command line for programs that start `ssh` themselves.
    pub fn command_line(&self) -> String {
        format!("ssh -F {} -J gateway", self.config.display())
    }

    /// `ssh -J gateway LOGIN REMOTE`.
    pub fn exec(&self, login: &str, remote: &str) -> Done {
        let mut command = self.program("ssh");
        command.args([login, remote]);
        run(command, self.limit)
    }

    /// A terminal with `ssh -J` in it, 80 by 24.
    pub fn terminal(&self, login: &str, remote: &str) -> Tty {
        let mut command = self.program("ssh");
        command.args(["-tt", login, remote]);
        Tty::start(command, 80, 24)
    }
}
