//! What is compared: ways from a client to the same target.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::cpu::CpuCount;
use crate::table;
use sallyport_tests::harness::{Daemon, Gateway, KEY_ACCOUNT, Target, free_port, tool, wait_until};

/// The cipher on every leg.
pub const CIPHER: &str = "aes256-gcm@openssh.com";

/// One way from a client to the target.
pub struct Subject {
    /// Its heading.
    pub name: &'static str,
    words: Vec<String>,
    /// The process whose CPU time and memory it costs, with its children.
    pub pid: Option<u32>,
    /// How a client of our own gets in: port, user, key.
    pub door: Option<(u16, String, PathBuf)>,
    /// Keeps what it needs running.
    _daemon: Option<Daemon>,
}

impl Subject {
    /// `sftp` to the target this way; takes its orders from its standard input.
    pub fn sftp(&self) -> Command {
        let mut sftp = tool("sftp");
        sftp.args(["-q", "-b", "-"])
            .args(&self.words)
            .arg("bench-target");
        sftp.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
        sftp
    }

    /// `ssh` to the target this way; `remote` is run there, in a terminal or not.
    pub fn ssh(&self, terminal: bool, remote: &str) -> Command {
        let mut ssh = tool("ssh");
        ssh.args(&self.words);
        ssh.arg(if terminal { "-tt" } else { "-T" });
        ssh.args(["bench-target", remote]);
        ssh.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
        ssh
    }

    /// Begins to count CPU seconds, of its process and all that it starts.
    pub fn cpu(&self) -> Option<CpuCount> {
        self.pid.map(CpuCount::start)
    }

    /// Its clients are to come in by another port on this machine.
    pub fn behind(&self, port: u16) -> Self {
        let mut words = self.words.clone();
        for word in &mut words {
            if word.starts_with("Port=") {
                *word = format!("Port={port}");
            }
        }
        Self {
            name: self.name,
            words,
            pid: self.pid,
            door: None,
            _daemon: None,
        }
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

fn words(port: u16, user: &str, key: &str) -> Vec<String> {
    // Options only, which ssh and sftp have in common.
    let mut words: Vec<String> = ["-F", "/dev/null", "-i", key].map(str::to_owned).into();
    for option in [
        &format!("Port={port}"),
        &format!("User={user}"),
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "HostName=127.0.0.1",
        &format!("Ciphers={CIPHER}"),
        // Or the time to connect would tell which key exchange was agreed on, and nothing else.
        "KexAlgorithms=curve25519-sha256",
    ] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words
}

/// No gateway at all.
pub fn direct(target: &Target) -> Subject {
    let key = target.account_key();
    let words = words(target.port(), KEY_ACCOUNT, &key.display().to_string());
    Subject {
        name: table::DIRECT,
        words,
        pid: None,
        door: None,
        _daemon: None,
    }
}

/// `ssh -J`: a second sshd that forwards bytes it cannot read.
pub fn proxy_jump(target: &Target, jump: &Target) -> Subject {
    let hop = words(
        jump.port(),
        KEY_ACCOUNT,
        &jump.account_key().display().to_string(),
    )
    .join(" ");
    let mut words = words(
        target.port(),
        KEY_ACCOUNT,
        &target.account_key().display().to_string(),
    );
    // What `-J` runs, with a key and a configuration of its own for the hop.
    words.extend([
        "-o".to_owned(),
        format!("ProxyCommand=ssh {hop} -W 127.0.0.1:%p bench-jump"),
    ]);
    Subject {
        name: table::JUMP,
        words,
        pid: Some(jump.pid()),
        door: None,
        _daemon: None,
    }
}

/// The plain relay, as a process of its own.
pub fn relay(target: &Target) -> Subject {
    let port = free_port();
    let key = target.account_key();
    let mut relay = tool(std::env::current_exe().expect("a running program has a path"));
    relay
        .args([
            "relay",
            &port.to_string(),
            &target.port().to_string(),
            KEY_ACCOUNT,
        ])
        .arg(&key);
    let daemon = Daemon::spawn(relay);
    wait_until(
        "the relay listens",
        std::time::Duration::from_secs(10),
        || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
    );
    let words = words(port, KEY_ACCOUNT, &key.display().to_string());
    let door = Some((port, KEY_ACCOUNT.to_owned(), key));
    Subject {
        name: table::RELAY,
        words,
        pid: Some(daemon.pid()),
        door,
        _daemon: Some(daemon),
    }
}

/// Sallyport, recording strictly.
pub fn sallyport(gateway: &Arc<Gateway>) -> Subject {
    let key = gateway.dir().join("alice");
    let words = words(gateway.ssh_port, "alice+keyed", &key.display().to_string());
    let door = Some((gateway.ssh_port, "alice+keyed".to_owned(), key));
    Subject {
        name: table::OURS,
        words,
        pid: Some(gateway.pid()),
        door,
        _daemon: None,
    }
}

/// Any other gateway, `user@host:port`, with a key it knows; it must lead to a machine like the target.
pub fn other(address: &str, key: &str) -> Option<Subject> {
    let (user, place) = address.rsplit_once('@')?;
    let (host, port) = place.rsplit_once(':')?;
    let mut words = words(port.parse().ok()?, user, key);
    words.extend(["-o".to_owned(), format!("HostName={host}")]);
    // The first value of an option counts.
    let at = words.iter().position(|word| word == "HostName=127.0.0.1")?;
    words.drain(at - 1..=at);
    Some(Subject {
        name: "other",
        words,
        pid: None,
        door: None,
        _daemon: None,
    })
}
