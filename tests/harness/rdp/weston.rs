use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::Certificate;
use crate::harness::{Daemon, free_port, tool, wait_until};

/// For a server to listen, on a machine that is busy.
const UP: Duration = Duration::from_secs(30);

/// A real Wayland desktop served over RDP (weston 10): TLS and RDP's own security, no log-in at all;
/// RemoteFX, and NSCodec for clients that want it (`/nsc -gfx /network:lan`).
pub struct Weston {
    server: Daemon,
    dir: TempDir,
    port: u16,
    certificate: Certificate,
}

impl Weston {
    /// One with a screen of this size and a terminal on it.
    pub fn start(width: usize, height: usize) -> Self {
        let dir = TempDir::with_prefix("sp-weston-").unwrap();
        let runtime = dir.path().join("run");
        fs::create_dir(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        let certificate = Certificate::make(dir.path(), "weston.test");
        let config = dir.path().join("weston.ini");
        fs::write(&config, CONFIGURATION).unwrap();
        let port = free_port();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut server = tool("weston");
        server
            .args(["--backend=rdp-backend.so", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--width={width}"))
            .arg(format!("--height={height}"))
            .arg("--no-clients-resize")
            .arg(format!("--rdp-tls-cert={}", certificate.file().display()))
            .arg(format!(
                "--rdp-tls-key={}",
                certificate.key_file().display()
            ))
            .arg(format!("--config={}", config.display()))
            .arg("--socket=weston")
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .env("XDG_RUNTIME_DIR", &runtime)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut weston = Self {
            server: Daemon::spawn(server),
            dir,
            port,
            certificate,
        };
        wait_until("weston listens", UP, || {
            assert!(weston.server.alive(), "weston ended:\n{}", weston.log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        weston
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that the shell in its terminal begins in.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// The certificate it shows.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Nothing moves and nothing locks; the clock is off, because it changes by itself.
const CONFIGURATION: &str = "[core]
idle-time=0
[shell]
startup-animation=none
animation=none
locking=false
panel-position=top
clock-format=none
background-color=0xff203040
[terminal]
font-size=18
[autolaunch]
path=/usr/bin/weston-terminal
";
