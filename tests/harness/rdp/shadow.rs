use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::{Display, Notepad, Security};
use crate::harness::{ACCOUNT, ACCOUNT_PASSWORD, Daemon, free_port, run, tool, wait_until};

/// For a server to listen, on a machine that is busy.
const UP: Duration = Duration::from_secs(30);

/// How a shadow server is to be.
pub struct ShadowBuilder {
    security: Security,
    size: (usize, usize),
    accounts: Vec<(String, String)>,
    options: Vec<String>,
    program: &'static str,
}

/// A real FreeRDP shadow server (2.11) that shows a [`Notepad`] on a display of its own to everybody
/// who knows the password of [`ACCOUNT`]: the target that speaks NLA, and the graphics pipeline with
/// H.264. All clients see the same desktop.
pub struct Shadow {
    // Dropped in this order: the server before what it shows.
    server: Daemon,
    _terminal: Daemon,
    display: Display,
    dir: TempDir,
    port: u16,
    /// What is typed on it.
    pub notepad: Notepad,
}

impl ShadowBuilder {
    /// With this security only; with [`Security::Any`] the client chooses. Without NLA it asks for no
    /// password.
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// With a screen of this size; 1024x768 if not told.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width, height);
        self
    }

    /// With one more account that NLA lets in.
    pub fn account(mut self, user: &str, password: &str) -> Self {
        self.accounts.push((user.to_owned(), password.to_owned()));
        self
    }

    /// With one more option of its own.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// That of FreeRDP 3, which has to be in the path. It draws with the graphics pipeline and without H.264, if the client
    /// is able to.
    pub fn newer(mut self) -> Self {
        self.program = "freerdp-shadow-cli3";
        self.options = vec!["-gfx-avc420".to_owned(), "-gfx-avc444".to_owned()];
        self
    }

    /// Starts it and waits until it listens and has something to show.
    pub fn start(self) -> Shadow {
        let dir = TempDir::with_prefix("sp-shadow-").unwrap();
        let display = Display::start(self.size.0, self.size.1);
        let file = dir.path().join("typed");
        let mut terminal = display.program("sh");
        terminal
            .args(["-c", &Notepad::script(&file.to_string_lossy())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let terminal = Daemon::spawn(terminal);
        wait_until("a terminal to show", UP, || {
            let windows = display.windows();
            windows.iter().any(|window| window.title == "notepad") && file.exists()
        });
        let port = free_port();
        let mut shadow = Shadow {
            server: self.server(&display, dir.path(), port),
            _terminal: terminal,
            display,
            dir,
            port,
            notepad: Notepad::new(file),
        };
        wait_until("the shadow server listens", UP, || {
            assert!(
                shadow.server.alive(),
                "the shadow server ended:\n{}",
                shadow.log()
            );
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        shadow
    }

    fn server(&self, display: &Display, dir: &Path, port: u16) -> Daemon {
        let lines = self.accounts.iter().map(|(user, pass)| sam(user, pass));
        let accounts = dir.join("sam");
        fs::write(&accounts, lines.collect::<String>()).unwrap();
        let certificate = dir.join("freerdp/server");
        fs::create_dir_all(&certificate).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut server = display.program(self.program);
        server
            .arg(format!("/port:{port}"))
            .arg("/bind-address:127.0.0.1")
            .arg(format!("/sam-file:{}", accounts.display()))
            .args(match self.security {
                // It offers NLA only when told, whatever its help says.
                Security::Any => &["+sec-nla", "+sec-tls", "+sec-rdp"][..],
                Security::Nla => &["/sec:nla"],
                Security::Tls => &["/sec:tls"],
                Security::Rdp => &["/sec:rdp"],
            })
            .args(&self.options)
            .env("HOME", dir)
            .env("XDG_CONFIG_HOME", dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Daemon::spawn(server)
    }
}

impl Shadow {
    /// One that only speaks NLA.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// One to be told how to be.
    pub fn builder() -> ShadowBuilder {
        ShadowBuilder {
            security: Security::Nla,
            size: (1024, 768),
            accounts: vec![(ACCOUNT.to_owned(), ACCOUNT_PASSWORD.to_owned())],
            options: Vec::new(),
            program: "freerdp-shadow-cli",
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it shows, from inside.
    pub fn display(&self) -> &Display {
        &self.display
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The line by which the server knows an account (NTLM). Its domain is empty: any will do.
fn sam(user: &str, password: &str) -> String {
    let mut hash = tool("winpr-hash");
    hash.args(["-u", user, "-p", password, "-f", "sam"]);
    let line = run(hash, Duration::from_secs(30)).ok().text();
    format!("{}\n", line.trim())
}
