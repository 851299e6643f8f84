use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Certificate, Display, RdpClient, Security, remmina};
use crate::harness::Daemon;

/// The client programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Xfreerdp,
    Xfreerdp3,
    Rdesktop,
    Remmina,
}

/// A real RDP client, pointed at a port of 127.0.0.1 or opening a file.
#[derive(Debug, Clone)]
pub struct Rdp {
    program: Program,
    address: String,
    port: u16,
    file: Option<PathBuf>,
    user: Option<String>,
    password: Option<String>,
    domain: Option<String>,
    security: Security,
    certificate: String,
    size: (usize, usize),
    screen: Option<(usize, usize)>,
    depth: Option<u8>,
    clipboard: bool,
    drives: Vec<(String, PathBuf)>,
    home: Option<PathBuf>,
    options: Vec<String>,
}

impl Rdp {
    /// FreeRDP's client (2.11): NLA, TLS, every codec.
    pub fn xfreerdp(port: u16) -> Self {
        Self {
            program: Program::Xfreerdp,
            address: "127.0.0.1".to_owned(),
            port,
            file: None,
            user: None,
            password: None,
            domain: None,
            security: Security::Any,
            certificate: "ignore".to_owned(),
            size: (1024, 768),
            screen: None,
            depth: None,
            clipboard: false,
            drives: Vec::new(),
            home: None,
            options: Vec::new(),
        }
    }

    /// The same, opening a `.rdp` file, which says where to and who.
    pub fn xfreerdp_file(file: &Path, password: &str) -> Self {
        Self {
            file: Some(file.to_owned()),
            password: Some(password.to_owned()),
            ..Self::xfreerdp(0)
        }
    }

    /// FreeRDP's client of Debian 13 (3.15), which `scripts/newer-freerdp.sh` puts into a folder. It is
    /// also one whose drives xrdp 0.9 does not show.
    pub fn xfreerdp3(port: u16) -> Self {
        Self {
            program: Program::Xfreerdp3,
            ..Self::xfreerdp(port)
        }
    }

    /// rdesktop (1.9): TLS and RDP's own security, bitmaps and drawing orders. It trusts every
    /// certificate.
    pub fn rdesktop(port: u16) -> Self {
        Self {
            program: Program::Rdesktop,
            ..Self::xfreerdp(port)
        }
    }

    /// By Remmina (1.4) instead, whose window shows the desktop alone. It trusts every certificate, has no drives, and takes
    /// no options.
    pub fn remmina(mut self) -> Self {
        self.program = Program::Remmina;
        self
    }

    /// At this address instead.
    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// As this user. The password is handed over on standard input, never on the command line.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.user = Some(user.to_owned());
        self.password = Some(password.to_owned());
        self
    }

    /// Of this domain.
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// With this security only; [`Security::Any`] lets it choose.
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// What xfreerdp thinks of the server's certificate: `ignore` (always goes on, if not told),
    /// `deny`, `tofu` (the first one that it sees is trusted for ever).
    pub fn certificate(mut self, rule: &str) -> Self {
        self.certificate = rule.to_owned();
        self
    }

    /// Only if the server shows this certificate (xfreerdp).
    pub fn trust(self, certificate: &Certificate) -> Self {
        let digits = certificate.fingerprint().into_bytes();
        let pairs: Vec<_> = digits.chunks(2).map(String::from_utf8_lossy).collect();
        self.certificate(&format!("fingerprint:sha256:{}", pairs.join(":")))
    }

    /// With a desktop of this size; 1024x768 if not told.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width, height);
        self
    }

    /// With a screen larger than its desktop, for windows that grow.
    pub fn screen(mut self, width: usize, height: usize) -> Self {
        self.screen = Some((width, height));
        self
    }

    /// With this many bits for a pixel (8, 15, 16, 24, 32).
    pub fn depth(mut self, bits: u8) -> Self {
        self.depth = Some(bits);
        self
    }

    /// With its clipboard shared.
    pub fn clipboard(mut self) -> Self {
        self.clipboard = true;
        self
    }

    /// With a folder of ours shown as a drive. xrdp 0.9 shows rdesktop's, but not xfreerdp's: it says
    /// too early that the user is there, and FreeRDP then offers nothing (xrdp's issue 2834).
    pub fn drive(mut self, name: &str, folder: &Path) -> Self {
        self.drives.push((name.to_owned(), folder.to_owned()));
        self
    }

    /// With its settings and the certificates it trusts in this folder, which is kept.
    pub fn home(mut self, folder: &Path) -> Self {
        self.home = Some(folder.to_owned());
        self
    }

    /// With one more option of its own: `/gfx:AVC420`, `/rfx`, `/nsc`, `-gfx`, `-compression`,
    /// `+bitmap-cache` for xfreerdp, `-z`, `-P` for rdesktop.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Starts it on a display of its own.
    pub fn start(self) -> RdpClient {
        let (width, height) = self.screen.unwrap_or(self.size);
        let display = Display::start(width, height);
        let dir = TempDir::with_prefix("sp-rdp-client-").unwrap();
        let daemon = self.launch(self.command(&display, dir.path()), dir.path());
        RdpClient::new(daemon, display, dir)
    }

    /// Starts it on somebody's display, with its log in this folder; `place` says where the command is to run. What it
    /// shows among others there, nobody knows.
    pub fn start_among(
        self,
        display: &Display,
        folder: &Path,
        place: impl FnOnce(&Command) -> Command,
    ) -> Daemon {
        self.launch(place(&self.command(display, folder)), folder)
    }

    fn command(&self, display: &Display, folder: &Path) -> Command {
        let mut command = match self.program {
            Program::Xfreerdp => self.xfreerdp_command("xfreerdp", display),
            Program::Xfreerdp3 => self.xfreerdp_command("xfreerdp3", display),
            Program::Rdesktop => self.rdesktop_command(display),
            Program::Remmina => {
                self.remmina_command(display, self.home.as_deref().unwrap_or(folder))
            }
        };
        command
            .env("HOME", self.home.as_deref().unwrap_or(folder))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    fn launch(&self, mut command: Command, folder: &Path) -> Daemon {
        let log = fs::File::create(folder.join("log")).unwrap();
        command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut daemon = Daemon::spawn(command);
        if let Some(mut stdin) = daemon.child().stdin.take() {
            // It may have ended already; its log says why.
            let _ = stdin.write_all(self.input().as_bytes());
        }
        daemon
    }

    /// What is asked for on the terminal.
    fn input(&self) -> String {
        let password = self.password.as_deref().map(|text| format!("{text}\n"));
        let trust = match self.program {
            // Remmina reads it from its file.
            Program::Xfreerdp | Program::Xfreerdp3 | Program::Remmina => "",
            // Asked once for each fault of a certificate.
            Program::Rdesktop => "yes\nyes\nyes\n",
        };
        password.unwrap_or_default() + trust
    }

    fn xfreerdp_command(&self, program: &str, display: &Display) -> Command {
        let mut command = display.program(program);
        match &self.file {
            // It has to be the first.
            Some(file) => command.arg(file),
            None => command.arg(format!("/v:{}:{}", self.address, self.port)),
        };
        command
            .arg(format!("/size:{}x{}", self.size.0, self.size.1))
            .arg(format!("/cert:{}", self.certificate))
            // Keys that xdotool makes do not reach a client that holds the keyboard for itself.
            .args(["-decorations", "-grab-keyboard", "/log-level:INFO"]);
        if let Some(user) = &self.user {
            command.arg(format!("/u:{user}"));
        }
        if let Some(domain) = &self.domain {
            command.arg(format!("/d:{domain}"));
        }
        if self.password.is_some() {
            command.arg("/from-stdin:force");
        }
        match self.security {
            Security::Any => {}
            Security::Nla => drop(command.arg("/sec:nla")),
            Security::Tls => drop(command.arg("/sec:tls")),
            Security::Rdp => drop(command.arg("/sec:rdp")),
        }
        if let Some(depth) = self.depth {
            command.arg(format!("/bpp:{depth}"));
        }
        command.arg(match self.clipboard {
            true => "+clipboard",
            false => "-clipboard",
        });
        for (name, folder) in &self.drives {
            command.arg(format!("/drive:{name},{}", folder.display()));
        }
        command.args(&self.options);
        command
    }

    fn rdesktop_command(&self, display: &Display) -> Command {
        let mut command = display.program("rdesktop");
        command
            .args(["-g", &format!("{}x{}", self.size.0, self.size.1)])
            .args(["-a", &self.depth.unwrap_or(24).to_string()])
            // No decorations; the keyboard is not held; not a part of a session of its own.
            .args(["-D", "-K"]);
        if let Some(user) = &self.user {
            command.args(["-u", user]);
        }
        if let Some(domain) = &self.domain {
            command.args(["-d", domain]);
        }
        if self.password.is_some() {
            command.args(["-p", "-"]);
        }
        match self.security {
            Security::Any | Security::Tls => {}
            Security::Rdp => drop(command.args(["-V", "0"])),
            Security::Nla => panic!("rdesktop speaks NLA with Kerberos only"),
        }
        if self.clipboard {
            command.args(["-r", "clipboard:CLIPBOARD"]);
        } else {
            command.args(["-r", "clipboard:off"]);
        }
        for (name, folder) in &self.drives {
            command.args(["-r", &format!("disk:{name}={}", folder.display())]);
        }
        command.args(&self.options);
        command.arg(format!("{}:{}", self.address, self.port));
        command
    }

    fn remmina_command(&self, display: &Display, home: &Path) -> Command {
        assert!(
            self.options.is_empty() && self.drives.is_empty() && self.domain.is_none(),
            "Remmina is told nothing of that"
        );
        let (width, height) = (self.size.0.to_string(), self.size.1.to_string());
        let security = match self.security {
            Security::Any => "",
            Security::Nla => "nla",
            Security::Tls => "tls",
            Security::Rdp => "rdp",
        };
        let connection = [
            ("name", "target".to_owned()),
            ("protocol", "RDP".to_owned()),
            ("server", format!("{}:{}", self.address, self.port)),
            ("username", self.user.clone().unwrap_or_default()),
            ("security", security.to_owned()),
            ("cert_ignore", "1".to_owned()),
            ("colordepth", self.depth.unwrap_or(24).to_string()),
            ("disableclipboard", u8::from(!self.clipboard).to_string()),
            ("keyboard_grab", "0".to_owned()),
            ("scale", "0".to_owned()),
            ("viewmode", "1".to_owned()),
            ("resolution_mode", "0".to_owned()),
            ("resolution_width", width.clone()),
            ("resolution_height", height.clone()),
            ("window_width", width),
            ("window_height", height),
        ];
        let password = self.password.as_deref().unwrap_or_default();
        let file = remmina::make_files(home, &connection, password);
        let mut command = display.program("unshare");
        command
            // It starts others, and all of them die with it.
            .args(["--pid", "--fork", "--kill-child", "--"])
            .args(["dbus-run-session", "--", "remmina"])
            .args(["--disable-toolbar", "--no-tray-icon", "-c"])
            .arg(file)
            .env("NO_AT_BRIDGE", "1")
            .env_remove("XDG_RUNTIME_DIR");
        command
    }
}
