mod configuration;

use std::fmt::Write;
use std::fs;
use std::iter;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use self::configuration::{make_folders, sesman_ini, xrdp_ini};
use super::apart::Apart;
use super::display::{forget, free_number};
use super::{Certificate, Notepad, Screen};
use crate::harness::target::{ensure_user, ids};
use crate::harness::{ACCOUNT, eventually, free_port, wait_until};

/// For a server to listen, on a machine that is busy.
const UP: Duration = Duration::from_secs(30);
/// For a session to end by itself.
const DOWN: Duration = Duration::from_secs(20);
/// The variable with the folder of the newer xrdp.
const NEWER: &str = "SALLYPORT_TESTS_NEWER_XRDP";
/// Sessions that one server may have at a time.
const SESSIONS: u32 = 30;

/// How an xrdp server is to be.
pub struct XrdpBuilder {
    settings: Vec<(String, String)>,
    desktop: String,
    newer: Option<PathBuf>,
}

/// A real xrdp with real X sessions for [`ACCOUNT`], on loopback and with all of its own: ports,
/// configuration, certificate, the account's home folder and what PAM asks. Speaks TLS and RDP's
/// own security, not NLA; sends bitmaps and RemoteFX, and only if it is [newer](XrdpBuilder::newer)
/// the graphics pipeline.
pub struct Xrdp {
    dir: TempDir,
    newer: Option<PathBuf>,
    port: u16,
    sesman_port: u16,
    first_number: u32,
    certificate: Mutex<Certificate>,
    sesman: Mutex<Option<Apart>>,
    server: Mutex<Option<Apart>>,
}

/// An X session on an xrdp server: a [`Notepad`] without a window manager, unless told otherwise.
pub struct XrdpSession {
    screen: Screen,
    /// The number of its display.
    pub number: u32,
    /// What is typed on it.
    pub notepad: Notepad,
}

impl Deref for XrdpSession {
    type Target = Screen;

    fn deref(&self) -> &Screen {
        &self.screen
    }
}

impl XrdpBuilder {
    /// With another value in `xrdp.ini` or `sesman.ini`, of those that are set there already:
    /// `("security_layer", "rdp")`, `("max_bpp", "16")`, `("KillDisconnected", "true")`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these shell lines as its sessions, instead of the notepad; a session ends with them.
    /// Not with openbox, which misses the resizing at the start and then hangs for seconds.
    pub fn desktop(mut self, script: &str) -> Self {
        self.desktop = script.to_owned();
        self
    }

    /// That of Debian 13 (0.10), which `scripts/newer-xrdp.sh` puts into a folder; [`NEWER`] names that. It draws with the
    /// graphics pipeline (progressive RemoteFX), if the client is able to, and lets clients resize their desktops.
    pub fn newer(mut self) -> Self {
        let folder = std::env::var_os(NEWER);
        let folder = folder.unwrap_or_else(|| panic!("{NEWER} does not name a folder"));
        self.newer = Some(folder.into());
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> Xrdp {
        ensure_user(ACCOUNT);
        let dir = TempDir::with_prefix("sp-xrdp-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let xrdp = Xrdp {
            port: free_port(),
            sesman_port: free_port(),
            first_number: free_number(),
            certificate: Mutex::new(make_folders(dir.path(), self.newer.as_deref())),
            dir,
            newer: self.newer.clone(),
            sesman: Mutex::new(None),
            server: Mutex::new(None),
        };
        xrdp.configure(&self);
        *lock(&xrdp.sesman) = Some(xrdp.spawn("xrdp-sesman"));
        *lock(&xrdp.server) = Some(xrdp.spawn("xrdp"));
        xrdp.wait_up();
        xrdp
    }
}

impl Xrdp {
    /// The one that all cases of a run share. Each connection gets a session of its own there, so
    /// it is for cases that do not look at the session from inside.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Xrdp>> = Mutex::new(Weak::new());
        let mut shared = lock(&SHARED);
        shared.upgrade().unwrap_or_else(|| {
            let xrdp = Self::builder().setting("Policy", "UBDC").start();
            let xrdp = Arc::new(xrdp);
            *shared = Arc::downgrade(&xrdp);
            xrdp
        })
    }

    /// One of its own: who comes back finds the session he left.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// One to be told how to be.
    pub fn builder() -> XrdpBuilder {
        XrdpBuilder {
            newer: None,
            settings: Vec::new(),
            // Each session its own file, by its number: DISPLAY is `:21000.0`.
            desktop: format!(
                "number=${{DISPLAY#:}}\n{}",
                Notepad::script("$HOME/typed.${number%%.*}")
            ),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate it shows.
    pub fn certificate(&self) -> Certificate {
        lock(&self.certificate).clone()
    }

    /// The account's home folder, as its sessions see it.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// What xrdp and its session manager wrote to their logs so far.
    pub fn log(&self) -> String {
        let read = |name: &str| {
            let text = fs::read(self.dir.path().join("log").join(name)).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        ["xrdp.log", "sesman.log", "xrdp.out", "xrdp-sesman.out"]
            .map(read)
            .concat()
    }

    /// Cuts all connections and starts it anew; sessions stay and wait for their users.
    pub fn restart(&self) {
        let mut server = lock(&self.server);
        if let Some(server) = server.take() {
            server.end();
        }
        *server = Some(self.spawn("xrdp"));
        drop(server);
        self.wait_up();
    }

    /// Starts it anew with another certificate; answers that.
    pub fn change_certificate(&self) -> Certificate {
        let made = Certificate::make(&self.dir.path().join("etc"), "changed.test");
        *lock(&self.certificate) = made.clone();
        self.restart();
        made
    }

    /// The display numbers of its sessions, lowest first.
    pub fn sessions(&self) -> Vec<u32> {
        // The newer one makes a folder for each user, when he comes.
        let sockets = fs::read_dir(self.sockets()).into_iter().flatten();
        let mut numbers: Vec<u32> = sockets
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_prefix("xrdp_display_")?.parse().ok()
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Waits for a session that shows something; the first if there are several.
    #[track_caller]
    pub fn session(&self, limit: Duration) -> XrdpSession {
        let number = eventually("a session on xrdp", limit, || {
            self.sessions().first().copied()
        });
        let session = self.session_at(number);
        wait_until("a session with a window", limit, || {
            session.answers() && !session.windows().is_empty()
        });
        session
    }

    /// The session of this display number.
    pub fn session_at(&self, number: u32) -> XrdpSession {
        XrdpSession {
            screen: Screen::new(number, Some(&self.home().join(".Xauthority"))),
            number,
            notepad: Notepad::new(self.home().join(format!("typed.{number}"))),
        }
    }

    /// A program to be run as [`ACCOUNT`] on that session, with its home folder and its redirected
    /// drives, which are in `~/thinclient_drives`.
    pub fn program(&self, session: &XrdpSession, program: &str) -> Command {
        let mut command = match &*lock(&self.sesman) {
            Some(sesman) => sesman.program(ACCOUNT, program),
            None => panic!("the session manager does not run"),
        };
        session.environment(&mut command);
        let home = format!("/home/{ACCOUNT}");
        command
            .env("XAUTHORITY", format!("{home}/.Xauthority"))
            .env("HOME", home)
            .env("USER", ACCOUNT)
            .env("LOGNAME", ACCOUNT);
        command
    }

    /// Ends all its sessions, so that the next connection finds a fresh one.
    pub fn logoff(&self) {
        let numbers = self.sessions();
        let sesman = lock(&self.sesman);
        let Some(sesman) = &*sesman else { return };
        sesman.signal("Xorg", Signal::TERM);
        // With Xorg go its programs, then the manager of that session.
        wait_until("the sessions end", DOWN, || {
            let left = sesman.processes();
            let still = |name: &str| left.iter().any(|(_, program)| program == name);
            let managers = left.iter().filter(|(_, name)| name == "xrdp-sesman");
            let ended = ["Xorg", "xrdp-chansrv", "xrdp-sesexec"];
            !ended.into_iter().any(still) && managers.count() <= 1
        });
        for number in numbers {
            self.forget(number);
        }
    }

    fn forget(&self, number: u32) {
        forget(number);
        let folder = self.sockets();
        for name in ["display", "disconnect_display"] {
            let _ = fs::remove_file(folder.join(format!("xrdp_{name}_{number}")));
        }
        // The next session may get this number again.
        let _ = fs::remove_file(self.session_at(number).notepad.file());
    }

    /// Where its sessions listen.
    fn sockets(&self) -> PathBuf {
        let folder = self.dir.path().join("run/sockdir");
        match self.newer {
            Some(_) => folder.join(ids(ACCOUNT).0.to_string()),
            None => folder,
        }
    }

    /// What of the newer one goes over the system's (ours, theirs), if it is that.
    fn programs(&self) -> Vec<(PathBuf, PathBuf)> {
        let Some(folder) = &self.newer else {
            return Vec::new();
        };
        let list = fs::read_to_string(folder.join("mounts")).unwrap();
        let parts = list
            .lines()
            .map(|path| (folder.join(path), Path::new("/").join(path)));
        // First of all, where its programs look for each other.
        iter::once((folder.clone(), "/mnt".into()))
            .chain(parts)
            .collect()
    }

    fn spawn(&self, program: &str) -> Apart {
        let dir = self.dir.path();
        let mounts = [
            ("etc", "/etc/xrdp".to_owned()),
            ("etc/pam", "/etc/pam.d/xrdp-sesman".to_owned()),
            ("run", "/run/xrdp".to_owned()),
            ("home", format!("/home/{ACCOUNT}")),
        ];
        let ours = mounts.map(|(ours, theirs)| (dir.join(ours), theirs.into()));
        let mounts = [self.programs(), ours.to_vec()].concat();
        let log = dir.join(format!("log/{program}.out"));
        Apart::spawn(&mounts, &[program, "--nodaemon"], &log)
    }

    #[track_caller]
    fn wait_up(&self) {
        let start = Instant::now();
        // The newer session manager listens at a socket of its own.
        let manager = self.dir.path().join("run/sockdir/sesman.socket");
        let listens = |port| {
            // The other takes the one or the other loopback.
            let loopback = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ];
            TcpStream::connect(&loopback[..]).is_ok() || port != self.port && manager.exists()
        };
        for (port, apart) in [(self.port, &self.server), (self.sesman_port, &self.sesman)] {
            while !listens(port) {
                let alive = lock(apart).as_mut().is_some_and(Apart::alive);
                assert!(
                    alive && start.elapsed() < UP,
                    "xrdp does not listen on port {port}:\n{}",
                    self.log()
                );
                std::thread::sleep(Duration::from_millis(15));
            }
        }
    }

    fn configure(&self, wanted: &XrdpBuilder) {
        let etc = self.dir.path().join("etc");
        let log = self.dir.path().join("log");
        let files = [
            ("xrdp.ini", xrdp_ini(self.port, &log)),
            (
                "sesman.ini",
                sesman_ini(self.sesman_port, self.first_number, &log),
            ),
        ];
        let mut unknown: Vec<_> = wanted.settings.iter().collect();
        for (file, text) in files {
            let mut set = String::new();
            for line in text.lines() {
                // The newer session manager takes no port, and xrdp finds it without being told.
                if self.newer.is_some() && line.starts_with("Listen") {
                    continue;
                }
                let name = line.split('=').next().unwrap_or_default();
                let change = wanted.settings.iter().rfind(|(other, _)| other == name);
                match change {
                    Some((name, value)) => writeln!(set, "{name}={value}").unwrap(),
                    None => writeln!(set, "{line}").unwrap(),
                }
                unknown.retain(|(other, _)| other != name);
            }
            fs::write(etc.join(file), set).unwrap();
        }
        assert!(unknown.is_empty(), "xrdp has no settings {unknown:?}");
        let script = format!("#!/bin/sh\n{}", wanted.desktop);
        fs::write(etc.join("startwm.sh"), script).unwrap();
        fs::set_permissions(etc.join("startwm.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Xrdp {
    fn drop(&mut self) {
        let numbers = self.sessions();
        for apart in [&self.server, &self.sesman] {
            if let Some(apart) = lock(apart).take() {
                apart.end();
            }
        }
        for number in numbers {
            forget(number);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
