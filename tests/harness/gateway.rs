use std::collections::HashMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::target::{keygen, public_key};
use super::{
    Api, Daemon, HostSpec, Rdp, RdpHost, Security, Ssh, Target, Tty, World, eventually, free_port,
    passwords, tool,
};

/// The `sallyport` program, built beside this one.
pub fn product() -> PathBuf {
    if let Some(path) = std::env::var_os("SALLYPORT_BINARY") {
        return path.into();
    }
    let this = std::env::current_exe().expect("a running program has a path");
    // target/PROFILE/deps/all-… for the tests, target/PROFILE/bench for the benchmark.
    let found = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("sallyport"))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "no `sallyport` program beside {}: run `cargo build` (with the same profile) first",
            this.display()
        )
    })
}

/// A running gateway of its own: own ports, own data folder, own declared world.
pub struct Gateway {
    dir: TempDir,
    data: PathBuf,
    /// Where it speaks SSH, on 127.0.0.1 and where it was told to listen.
    pub ssh_port: u16,
    /// Where it speaks RDP, on 127.0.0.1 and where it was told to listen.
    pub rdp_port: u16,
    /// Where it speaks HTTPS, on 127.0.0.1.
    pub api_port: u16,
    target: Arc<Target>,
    environment: Vec<(String, String)>,
    daemon: Mutex<Option<Daemon>>,
    logged_in: Mutex<HashMap<String, Api>>,
}

/// How a gateway is to be.
pub struct GatewayBuilder {
    world: World,
    target: Arc<Target>,
    data: Option<PathBuf>,
    listen: String,
    config: String,
    environment: Vec<(String, String)>,
}

impl GatewayBuilder {
    /// With one more host, or another one of the same name.
    pub fn host(mut self, host: HostSpec) -> Self {
        self.world.hosts.retain(|other| other.name != host.name);
        self.world.hosts.push(host);
        self
    }

    /// With one more host that is reached by RDP.
    pub fn rdp_host(mut self, host: RdpHost) -> Self {
        self.world.rdp_hosts.push(host);
        self
    }

    /// With one more connection profile, as a YAML flow mapping.
    pub fn profile(mut self, yaml: &str) -> Self {
        self.world.profiles.push_str(&format!("  - {yaml}\n"));
        self
    }

    /// With its data in this folder, which is kept.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Listening for SSH and RDP on this address; it has to include 127.0.0.1.
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With more tables in its configuration.
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self
    }

    /// Prepares everything but does not start it.
    pub fn prepare(self) -> Gateway {
        let dir = TempDir::with_prefix("sp-gateway-").unwrap();
        let data = self.data.unwrap_or_else(|| dir.path().join("data"));
        let (ssh_port, rdp_port, api_port) = (free_port(), free_port(), free_port());
        for name in ["alice", "stranger"] {
            keygen(&dir.path().join(name));
        }
        fs::copy(self.target.account_key(), dir.path().join("account_key")).unwrap();
        fs::write(dir.path().join("world.yaml"), self.world.yaml()).unwrap();
        let askpass = dir.path().join("askpass");
        fs::write(&askpass, "#!/bin/sh\nprintf '%s\\n' \"$SSH_PASSWORD\"\n").unwrap();
        fs::set_permissions(
            &askpass,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let config = format!(
            "[ssh]\nlisten = \"{}:{ssh_port}\"\n[rdp]\nlisten = \"{}:{rdp_port}\"\n\
             [api]\nlisten = \"127.0.0.1:{api_port}\"\n[serve]\napply = \"{}\"\n{}\n",
            self.listen,
            self.listen,
            dir.path().join("world.yaml").display(),
            self.config
        );
        fs::write(dir.path().join("sallyport.toml"), config).unwrap();
        Gateway {
            dir,
            data,
            ssh_port,
            rdp_port,
            api_port,
            target: self.target,
            environment: self.environment,
            daemon: Mutex::new(None),
            logged_in: Mutex::default(),
        }
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Gateway {
        let gateway = self.prepare();
        gateway.launch();
        gateway
    }
}

impl Gateway {
    /// The usual one, with the shared target.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// To change something first.
    pub fn builder() -> GatewayBuilder {
        Self::around(Target::shared())
    }

    /// Around a target of one's own.
    pub fn around(target: Arc<Target>) -> GatewayBuilder {
        GatewayBuilder {
            world: World::around(target.port()),
            target,
            data: None,
            listen: "127.0.0.1".to_owned(),
            config: String::new(),
            environment: Vec::new(),
        }
    }

    /// The program with a clean environment and this gateway's variables.
    pub fn program(&self) -> Command {
        let mut command = tool(product());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path());
        command
            .envs(World::environment())
            .env("SALLYPORT_ADMIN_PASSWORD", passwords("admin"));
        command.env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `sallyport` as an administrator's command line: pointed at this gateway, logged in as `user`.
    pub fn cli(&self, user: &str, args: &[&str]) -> Command {
        let mut command = self.program();
        command
            .args(args)
            .env(
                "SALLYPORT_URL",
                format!("https://127.0.0.1:{}", self.api_port),
            )
            .env("SALLYPORT_CA", self.certificate())
            .env("SALLYPORT_TOKEN", self.api(user).token());
        command
    }

    fn serve(&self) -> Command {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let mut command = self.program();
        command
            .args(["serve", "--config"])
            .arg(self.dir.path().join("sallyport.toml"))
            .arg("--data-dir")
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn daemon(&self) -> MutexGuard<'_, Option<Daemon>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process, and waits until both doors are open.
    pub fn launch(&self) {
        *self.daemon() = Some(Daemon::spawn(self.serve()));
        let start = Instant::now();
        eventually("the gateway is ready", Duration::from_secs(60), || {
            if !self.daemon().as_mut().is_some_and(Daemon::alive) {
                panic!("the gateway ended by itself:\n{}", self.log());
            }
            let ready = self.certificate().is_file()
                && TcpStream::connect(("127.0.0.1", self.ssh_port)).is_ok()
                && TcpStream::connect(("127.0.0.1", self.api_port)).is_ok()
                && Api::anonymous(self)
                    .try_get("/readyz")
                    .is_some_and(|answer| answer.status == 200);
            if !ready && start.elapsed() > Duration::from_secs(55) {
                panic!("the gateway does not get ready:\n{}", self.log());
            }
            ready.then_some(())
        });
    }

    /// Starts the process and waits until it gives up by itself; answers what it logged.
    pub fn launch_in_vain(&self, limit: Duration) -> String {
        let mut daemon = Daemon::spawn(self.serve());
        match daemon.wait(limit) {
            Some(status) => assert!(
                !status.success(),
                "it ended without an error:\n{}",
                self.log()
            ),
            None => panic!("it started although it should not have:\n{}", self.log()),
        }
        self.log()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon()
            .as_ref()
            .map(Daemon::pid)
            .expect("the gateway runs")
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&self) {
        self.daemon().take();
    }

    /// SIGTERM; answers how long it took to end in order.
    pub fn terminate(&self, limit: Duration) -> Duration {
        let start = Instant::now();
        let mut daemon = self.daemon().take().expect("the gateway runs");
        daemon.signal(Signal::TERM);
        match daemon.wait(limit) {
            Some(status) => assert!(
                status.success(),
                "it ended with {status} on SIGTERM:\n{}",
                self.log()
            ),
            None => panic!(
                "it did not end within {limit:?} of SIGTERM:\n{}",
                self.log()
            ),
        }
        start.elapsed()
    }

    /// Are panics part of the case?
    fn asks_for_faults(&self) -> bool {
        let asks = |(name, _): &(String, String)| name == "SALLYPORT_FAULT";
        self.environment.iter().any(asks)
    }

    /// Stops (SIGSTOP) or continues the process.
    pub fn signal(&self, signal: Signal) {
        if let Some(daemon) = self.daemon().as_ref() {
            daemon.signal(signal);
        }
    }

    /// What it wrote to its standard output and error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap_or_default())
            .into_owned()
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder with its configuration, keys and log.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file with its declared world.
    pub fn world_file(&self) -> PathBuf {
        self.dir.path().join("world.yaml")
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> PathBuf {
        self.data.join("api-cert.pem")
    }

    /// The target behind it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A user's SSH public key.
    pub fn public_key(&self, user: &str) -> String {
        public_key(&self.dir.path().join(format!("{user}.pub")))
    }

    /// The API, logged in as `user`; once for each, as a person would.
    #[track_caller]
    pub fn api(&self, user: &str) -> Api {
        let mut logged_in = self
            .logged_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        logged_in
            .entry(user.to_owned())
            .or_insert_with(|| Api::login(self, user))
            .clone()
    }

    /// An SSH client that logs in with alice's key, as this connect string.
    pub fn ssh(&self, connect: &str) -> Ssh {
        Ssh::new(self, connect)
    }

    /// xfreerdp over TLS with 24 bits a pixel, as this connect string and with that user's own password.
    pub fn xfreerdp(&self, connect: &str) -> Rdp {
        let user = connect.split(['+', '#']).next().unwrap_or_default();
        Rdp::xfreerdp(self.rdp_port)
            .login(connect, &passwords(user))
            .security(Security::Tls)
            .depth(24)
    }

    /// A terminal with `ssh` in it, 80 by 24, at the target's shell prompt.
    #[track_caller]
    pub fn shell(&self, connect: &str) -> Tty {
        let tty = Tty::start(self.ssh(connect).terminal(""), 80, 24);
        tty.wait_for("$ ", Duration::from_secs(20));
        tty
    }

    /// The newest session on a host, as the list shows it to the first administrator.
    pub fn newest_session(&self, api: &Api, host: &str) -> Option<Value> {
        let list = api
            .get(&format!(
                "/api/v1/sessions?host={host}&sort=-requested_at&page_size=1"
            ))
            .json();
        list["items"]
            .as_array()
            .and_then(|items| items.first())
            .cloned()
    }

    /// Waits for a session on `host` that has this status, and answers it.
    #[track_caller]
    pub fn session_with(&self, api: &Api, host: &str, status: &str) -> Value {
        let mut last = None;
        let start = Instant::now();
        loop {
            let session = self.newest_session(api, host);
            if let Some(session) = session
                .as_ref()
                .filter(|session| session["status"] == status)
            {
                return session.clone();
            }
            last = session.or(last);
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "no session on {host} gets {status}; newest: {last:#?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0)
    }

    /// How many files, sockets among them, it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, Iterator::count)
    }

    /// How many tasks it has: those of connections, and the rest.
    pub fn tasks(&self) -> (u64, u64) {
        let metrics = Api::anonymous(self).get("/metrics").expect(200).text();
        let of = |what: &str| {
            let name = format!("sallyport_tasks{{of=\"{what}\"}} ");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
            count
                .and_then(|count| count.parse().ok())
                .unwrap_or_else(|| panic!("no {name}in:\n{metrics}"))
        };
        (of("connections"), of("rest"))
    }

    /// Sockets of SSH connections it holds, to clients and to the target, however far closed.
    pub fn ssh_sockets(&self) -> usize {
        self.sockets_at(&[self.ssh_port, self.target.port()])
    }

    /// Sockets it holds that have one of these ports on either side, however far closed; not those that listen.
    pub fn sockets_at(&self, ports: &[u16]) -> usize {
        let folder = format!("/proc/{}", self.pid());
        let held: Vec<String> = fs::read_dir(format!("{folder}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .map(|to| to.display().to_string())
            .collect();
        let table = fs::read_to_string(format!("{folder}/net/tcp")).unwrap_or_default();
        let ours = |row: &&str| {
            // sl, local address, remote address, state, …, inode: the tenth.
            let fields: Vec<&str> = row.split_whitespace().collect();
            let port = |address: &str| u16::from_str_radix(&address[9..], 16).unwrap_or_default();
            let listens = fields[3] == "0A";
            let either = [fields[1], fields[2]];
            !listens
                && either.iter().any(|address| ports.contains(&port(address)))
                && held.contains(&format!("socket:[{}]", fields[9]))
        };
        table.lines().skip(1).filter(ours).count()
    }

    /// CPU time used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| {
            fields
                .get(field)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        // utime and stime are fields 14 and 15; the kernel counts in hundredths of a second.
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.daemon().take();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the gateway's log, last lines ---");
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("{line}");
            }
        } else if !self.asks_for_faults() {
            // A panic ends one session and no other, but it is a mistake all the same.
            assert!(
                !log.contains("panicked"),
                "something in the gateway panicked:\n{log}"
            );
        }
    }
}
