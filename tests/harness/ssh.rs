use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Done, run, run_with_input, tool};
use super::target::{KEY_ACCOUNT, Target};
use super::{Gateway, passwords};

/// The real OpenSSH client programs, pointed at a gateway, with keys and known hosts of their own.
#[derive(Debug, Clone)]
pub struct Ssh {
    login: OsString,
    port: u16,
    dir: PathBuf,
    key: Option<PathBuf>,
    password: Option<String>,
    options: Vec<String>,
    limit: Duration,
}

impl Ssh {
    /// Logs in with alice's key as `login`, the connect string.
    pub fn new(gateway: &Gateway, login: &str) -> Self {
        Self {
            login: login.into(),
            port: gateway.ssh_port,
            dir: gateway.dir().to_owned(),
            key: Some(gateway.dir().join("alice")),
            password: None,
            options: Vec::new(),
            limit: Duration::from_secs(30),
        }
    }

    /// Logs in at a target itself, past any gateway, as [`KEY_ACCOUNT`].
    pub fn direct(target: &Target) -> Self {
        Self {
            login: KEY_ACCOUNT.into(),
            port: target.port(),
            dir: target.dir().to_owned(),
            key: Some(target.account_key()),
            password: None,
            options: Vec::new(),
            limit: Duration::from_secs(30),
        }
    }

    /// At another port.
    pub fn at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With this password, whoever's it is.
    pub fn with_password(mut self, login: &str, password: &str) -> Self {
        self.login = login.into();
        self.password(password)
    }

    /// Where it connects to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The login name it gives.
    pub fn login(&self) -> String {
        self.login.to_string_lossy().into_owned()
    }

    /// The private key it logs in with.
    pub fn key_file(&self) -> Option<&Path> {
        self.key.as_deref()
    }

    /// With a password instead of a key.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.key = None;
        self
    }

    /// With the password of a user of the test world.
    pub fn password_of(self, user: &str) -> Self {
        self.password(&passwords(user))
    }

    /// As a user whose name need not be text.
    pub fn login_bytes(mut self, login: &[u8]) -> Self {
        self.login = OsString::from_vec(login.to_vec());
        self
    }

    /// With another key of the gateway's folder.
    pub fn key(mut self, name: &str) -> Self {
        self.key = Some(self.dir.join(name));
        self
    }

    /// With one more `-o` option.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Killed after this long.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn words(&self) -> Vec<OsString> {
        // Quoted, because notes in a connect string have spaces.
        let mut user = OsString::from("User=\"");
        user.push(&self.login);
        user.push("\"");
        let mut words: Vec<OsString> = vec!["-F".into(), "/dev/null".into(), "-o".into(), user];
        let mut option = |text: String| words.extend(["-o".into(), text.into()]);
        // What a case says comes first: ssh takes the first value of an option.
        for text in &self.options {
            option(text.clone());
        }
        option(format!("Port={}", self.port));
        option(format!(
            "UserKnownHostsFile={}",
            self.dir.join("known_hosts").display()
        ));
        option("StrictHostKeyChecking=no".into());
        option("LogLevel=ERROR".into());
        option("IdentityAgent=none".into());
        option("ConnectTimeout=20".into());
        option("NumberOfPasswordPrompts=1".into());
        match &self.key {
            Some(key) => {
                option("IdentitiesOnly=yes".into());
                option(format!("IdentityFile={}", key.display()));
                option("PasswordAuthentication=no".into());
                option("KbdInteractiveAuthentication=no".into());
            }
            None => option("PubkeyAuthentication=no".into()),
        }
        words
    }

    /// `program` (ssh, sftp, scp) with this client's options; host and all else are to be added.
    pub fn program(&self, program: &str) -> Command {
        let mut command = tool(program);
        command.args(self.words());
        self.environment(&mut command);
        command
    }

    /// The variables that hand the password over.
    pub fn environment(&self, command: &mut Command) {
        command
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("DISPLAY")
            .env("LC_ALL", "C.UTF-8");
        if let Some(password) = &self.password {
            command
                .env("SSH_ASKPASS", self.dir.join("askpass"))
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("SSH_PASSWORD", password);
        }
    }

    /// `ssh HOST REMOTE`.
    pub fn command(&self, remote: &str) -> Command {
        let mut command = self.program("ssh");
        command.args(["127.0.0.1", remote]);
        command
    }

    /// `ssh -tt HOST [REMOTE]`: with a terminal on the far side.
    pub fn terminal(&self, remote: &str) -> Command {
        let mut command = self.program("ssh");
        command.args(["-tt", "127.0.0.1"]);
        if !remote.is_empty() {
            command.arg(remote);
        }
        command
    }

    /// Runs a remote command.
    pub fn exec(&self, remote: &str) -> Done {
        run(self.command(remote), self.limit)
    }

    /// Runs a remote command with bytes on its standard input.
    pub fn exec_with(&self, remote: &str, input: Vec<u8>) -> Done {
        run_with_input(self.command(remote), input, self.limit)
    }

    /// Runs `sftp` with these commands.
    pub fn sftp(&self, batch: &str) -> Done {
        let mut command = self.program("sftp");
        command.args(["-b", "-", "127.0.0.1"]);
        run_with_input(command, batch.as_bytes().to_vec(), self.limit)
    }

    /// Runs `scp` with these words; the remote side is `127.0.0.1:`.
    pub fn scp(&self, args: &[&str]) -> Done {
        let mut command = self.program("scp");
        command.args(args);
        run(command, self.limit)
    }

    /// The command line for programs that start `ssh` themselves (`rsync -e`, `GIT_SSH_COMMAND`).
    pub fn command_line(&self) -> String {
        self.command_line_of("ssh")
    }

    /// The command line of one of the client programs, for a shell; host and all else are to be added.
    pub fn command_line_of(&self, program: &str) -> String {
        let words: Vec<String> = self
            .words()
            .iter()
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        format!("{program} {}", words.join(" "))
    }
}
