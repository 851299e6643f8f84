use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

use super::{Daemon, free_port, run, tool, wait_until};

/// The account on the target that a password opens.
pub const ACCOUNT: &str = "sptarget";
/// Its password: unusual, so that a search for it finds nothing else.
pub const ACCOUNT_PASSWORD: &str = "Vq7-zaunkoenig-%42-herbstlaub";
/// The account on the target that a key opens.
pub const KEY_ACCOUNT: &str = "spkeyed";

/// A real OpenSSH server on loopback with its own configuration, keys and users.
pub struct Target {
    dir: TempDir,
    place: Place,
    port: u16,
    daemon: Mutex<Daemon>,
    uid: u32,
    gid: u32,
}

/// Where it runs.
struct Place {
    /// The process whose network namespace it is in, if it is another one than ours.
    inside: Option<u32>,
    address: String,
}

impl Target {
    /// The one that all cases of a run share.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Target>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let target = Arc::new(Self::sshd());
            *shared = Arc::downgrade(&target);
            target
        })
    }

    /// One of its own.
    pub fn sshd() -> Self {
        Self::with("")
    }

    /// One with more lines in its configuration.
    pub fn with(more: &str) -> Self {
        let place = Place {
            inside: None,
            address: "127.0.0.1".to_owned(),
        };
        Self::make(place, more)
    }

    /// One in the network namespace of a process, listening on `address` there.
    pub fn inside(process: u32, address: &str) -> Self {
        let place = Place {
            inside: Some(process),
            address: address.to_owned(),
        };
        Self::make(place, "")
    }

    fn make(place: Place, more: &str) -> Self {
        for user in [ACCOUNT, KEY_ACCOUNT] {
            ensure_user(user);
        }
        let dir = TempDir::with_prefix("sp-target-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for key in ["host_ed25519", "host_other", "account_ed25519"] {
            keygen(&dir.path().join(key));
        }
        let keys = dir.path().join("authorized");
        fs::create_dir(&keys).unwrap();
        fs::copy(
            dir.path().join("account_ed25519.pub"),
            keys.join(KEY_ACCOUNT),
        )
        .unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let port = free_port();
        fs::write(
            dir.path().join("sshd_config"),
            configuration(dir.path(), &place.address, port, more),
        )
        .unwrap();
        let (uid, gid) = ids(ACCOUNT);
        let target = Self {
            daemon: Mutex::new(start(dir.path(), &place)),
            dir,
            place,
            port,
            uid,
            gid,
        };
        target.wait_up();
        target
    }

    fn wait_up(&self) {
        wait_until("sshd listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect((&*self.place.address, self.port)).is_ok()
        });
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pid()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its configuration and keys.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its host key, as `ssh-ed25519 AAAA…`.
    pub fn host_key(&self) -> String {
        public_key(&self.dir.path().join("host_ed25519.pub"))
    }

    /// A key that is not its own.
    pub fn other_key(&self) -> String {
        public_key(&self.dir.path().join("host_other.pub"))
    }

    /// The private key of [`KEY_ACCOUNT`].
    pub fn account_key(&self) -> PathBuf {
        self.dir.path().join("account_ed25519")
    }

    /// Kills what listens, not those it serves already, and starts it anew.
    pub fn restart(&self) {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        *daemon = tool_true();
        *daemon = start(self.dir.path(), &self.place);
    }

    /// Restarts it with another host key.
    pub fn change_host_key(&self) {
        let mut daemon = self.daemon.lock().unwrap();
        let config = self.dir.path().join("sshd_config");
        let text = fs::read_to_string(&config)
            .unwrap()
            .replace("host_ed25519", "host_other");
        fs::write(&config, text).unwrap();
        *daemon = tool_true();
        *daemon = start(self.dir.path(), &self.place);
        drop(daemon);
        self.wait_up();
    }

    /// A fresh folder that [`ACCOUNT`] may write to.
    pub fn folder(&self) -> TempDir {
        let folder = TempDir::with_prefix("sp-files-").unwrap();
        self.give(folder.path());
        folder
    }

    /// A fresh folder that this account may write to.
    pub fn folder_of(&self, account: &str) -> TempDir {
        let folder = TempDir::with_prefix("sp-files-").unwrap();
        let (uid, gid) = ids(account);
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
        folder
    }

    /// Makes a file or folder [`ACCOUNT`]'s own.
    pub fn give(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }

    /// A plain `ssh` to it, past any gateway, with a key that opens [`KEY_ACCOUNT`].
    pub fn direct(&self) -> Command {
        let mut ssh = tool("ssh");
        ssh.args([
            "-F",
            "/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "LogLevel=ERROR",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-i",
        ])
        .arg(self.account_key())
        .args(["-p", &self.port.to_string(), "-l", KEY_ACCOUNT, "127.0.0.1"]);
        ssh
    }
}

/// A daemon that has nothing to do: takes the place of one being stopped.
fn tool_true() -> Daemon {
    Daemon::spawn(tool("true"))
}

fn start(dir: &Path, place: &Place) -> Daemon {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("sshd.log"))
        .unwrap();
    // sshd starts itself anew for each connection and therefore wants an absolute path.
    let mut sshd = match place.inside {
        None => tool("/usr/sbin/sshd"),
        Some(process) => {
            let mut enter = tool("nsenter");
            enter.args(["-t", &process.to_string(), "-n", "/usr/sbin/sshd"]);
            enter
        }
    };
    sshd.args(["-D", "-e", "-f"])
        .arg(dir.join("sshd_config"))
        .stderr(log)
        .stdin(std::process::Stdio::null());
    Daemon::spawn(sshd)
}

fn configuration(dir: &Path, address: &str, port: u16, more: &str) -> String {
    let dir = dir.display();
    format!(
        "Port {port}
ListenAddress {address}
HostKey {dir}/host_ed25519
PidFile none
AuthorizedKeysFile {dir}/authorized/%u
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
AllowTcpForwarding yes
AllowAgentForwarding yes
X11Forwarding yes
AcceptEnv LANG LC_* TEST_*
MaxSessions 400
MaxStartups 600:30:700
UseDNS no
PrintMotd no
PrintLastLog no
PermitUserEnvironment no
Subsystem sftp internal-sftp
LogLevel INFO
{more}
"
    )
}

/// Makes the user if he is missing. Runs side by side must not make him twice.
pub(super) fn ensure_user(name: &str) {
    let script = format!(
        "exec 9>/tmp/.{name}.lock; flock 9; id {name} >/dev/null 2>&1 || useradd -m -s /bin/bash {name}; \
         echo '{name}:{ACCOUNT_PASSWORD}' | chpasswd; touch /home/{name}/.hushlogin"
    );
    let mut shell = tool("bash");
    shell.args(["-c", &script]);
    run(shell, Duration::from_secs(20)).ok();
}

pub(super) fn ids(user: &str) -> (u32, u32) {
    let id = |flag: &str| {
        let mut id = tool("id");
        id.args([flag, user]);
        run(id, Duration::from_secs(5))
            .ok()
            .text()
            .trim()
            .parse()
            .unwrap()
    };
    (id("-u"), id("-g"))
}

/// Makes an Ed25519 key pair at `path` and `path`.pub.
pub fn keygen(path: &Path) {
    let mut keygen = tool("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path);
    run(keygen, Duration::from_secs(10)).ok();
}

/// The type and key of a `.pub` file, without its comment.
pub(super) fn public_key(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}
