//! Where it happens: the gateway in this network namespace, clients and targets each in their own, with a wire to
//! the gateway that can be made bad; a small disk for tapes; a clock that can be set.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use sallyport_tests::harness::{
    Daemon, Display, Gateway, HostSpec, Postgres, RdpHost, Target, Xrdp, run, signal, tool,
    wait_until,
};
use tempfile::TempDir;

use super::super::rdp_common::BUSY;
use super::super::storage::SmallDisk;

/// The gateway, as clients see it.
pub const GATEWAY: &str = "10.9.1.1";
const TARGET: &str = "10.9.2.2";
/// Sets the wall clock of the gateway only.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases/chaos")
        .join(name)
}

/// Starts a program and waits for its first line.
fn say_first(command: &mut Command) -> (Daemon, String) {
    let command = std::mem::replace(command.stdout(Stdio::piped()), Command::new("true"));
    let mut daemon = Daemon::spawn(command);
    let mut said = String::new();
    let out = daemon.child().stdout.take().unwrap();
    BufReader::new(out).read_line(&mut said).unwrap();
    (daemon, said.trim().to_owned())
}

/// A wire to the gateway.
pub struct Wire {
    orders: Mutex<ChildStdin>,
    _daemon: Daemon,
}

impl Wire {
    fn between(here: &str, other: u32, there: &str) -> Self {
        let mut command = tool("python3");
        command
            .arg(script("wire.py"))
            .args(["self", here, &other.to_string(), there]);
        let (mut daemon, said) = say_first(command.stdin(Stdio::piped()));
        assert_eq!(said, "up", "the wire does not come up");
        let orders = daemon.child().stdin.take().unwrap();
        Self {
            orders: Mutex::new(orders),
            _daemon: daemon,
        }
    }

    /// Makes it so: `delay=MS jitter=MS loss=PERCENT rate=KBIT cut=0|1`.
    pub fn order(&self, settings: &str) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(orders, "{settings}").unwrap();
    }

    /// As good as it gets.
    pub fn heal(&self) {
        self.order("delay=0 jitter=0 loss=0 rate=0 cut=0");
    }
}

/// All of it.
pub struct Ground {
    pub gateway: Gateway,
    pub target: Arc<Target>,
    pub client_wire: Wire,
    pub target_wire: Wire,
    pub disk: SmallDisk,
    pub postgres: Option<Postgres>,
    /// The clients' display.
    pub display: Display,
    /// A target with pictures that move, on the gateway's side of its wire.
    _xrdp: Xrdp,
    clock: Option<PathBuf>,
    clients: Daemon,
    targets: Daemon,
    _aside: TempDir,
}

/// A process in a network namespace of its own.
fn namespace() -> Daemon {
    let mut holder = tool("unshare");
    holder.args(["--net", "sleep", "infinity"]);
    let holder = Daemon::spawn(holder);
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let other = format!("/proc/{}/ns/net", holder.pid());
    wait_until("a network namespace", Duration::from_secs(10), || {
        fs::read_link(&other).is_ok_and(|other| other != own)
    });
    holder
}

impl Ground {
    /// Builds it, with SQLite or PostgreSQL behind the gateway.
    pub fn prepare(postgres: bool) -> Self {
        let mut loopback = tool("ip");
        loopback.args(["link", "set", "lo", "up"]);
        run(loopback, Duration::from_secs(10)).ok();
        let (clients, targets) = (namespace(), namespace());
        let client_wire = Wire::between("10.9.1.1/30", clients.pid(), "10.9.1.2/30");
        let target_wire = Wire::between("10.9.2.1/30", targets.pid(), "10.9.2.2/30");
        let target = Arc::new(Target::inside(targets.pid(), TARGET));
        let disk = SmallDisk::mount("size=400m").expect("a mount namespace of our own");
        let postgres = postgres.then(Postgres::start);
        let xrdp = Xrdp::builder().desktop(BUSY).start();
        let mut builder = Gateway::around(target.clone())
            .rdp_host(RdpHost::new("desk", xrdp.port()))
            .host(
                HostSpec::new("chaos", target.port())
                    .at(TARGET)
                    .activities(&["shell", "reaching"]),
            )
            .listen("0.0.0.0")
            .config("[limits]\nkeepalive = \"5s\"\n")
            .env(
                "SALLYPORT_TAPES_URL",
                &format!("file://{}", disk.path().display()),
            )
            .env("SALLYPORT_TAPES_MIN_FREE", "2MiB");
        if let Some(postgres) = &postgres {
            builder = builder
                .env("SALLYPORT_STORE_URL", &postgres.url())
                .env("SALLYPORT_VAULT_KEY", &"5a".repeat(32));
        }
        let aside = TempDir::with_prefix("sp-clock-").unwrap();
        let clock = aside.path().join("clock");
        fs::write(&clock, "+0\n").unwrap();
        let faked = Path::new(FAKETIME).is_file();
        if faked {
            builder = builder
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("FAKETIME_DISABLE_SHM", "1");
        } else {
            eprintln!("NOT TESTED: clock steps need libfaketime");
        }
        Self {
            gateway: builder.start(),
            display: Display::start(1024, 768),
            _xrdp: xrdp,
            target,
            client_wire,
            target_wire,
            disk,
            postgres,
            clock: faked.then_some(clock),
            clients,
            targets,
            _aside: aside,
        }
    }

    /// Sets the gateway's wall clock so many seconds off.
    pub fn step_clock(&self, seconds: i32) -> bool {
        let Some(clock) = &self.clock else {
            return false;
        };
        // In one step: a file half written is no time.
        let next = clock.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n")).unwrap();
        fs::rename(next, clock).unwrap();
        true
    }

    /// Fills the disk for tapes but for so many bytes; `None` if it is fuller already.
    pub fn fill_disk(&self, but: u64) -> Option<PathBuf> {
        let mut df = tool("df");
        df.args(["--output=avail", "-B1"]).arg(self.disk.path());
        let text = run(df, Duration::from_secs(10)).ok().text();
        let free: u64 = text.lines().last()?.trim().parse().ok()?;
        let path = self.disk.path().join("filler");
        let mut fill = tool("fallocate");
        fill.args(["-l", &free.checked_sub(but)?.to_string()])
            .arg(&path);
        (run(fill, Duration::from_secs(20)).code == 0).then_some(path)
    }

    /// A service on the target's loopback that sends parts of a file; and its port there.
    pub fn source(&self, file: &Path) -> (Daemon, u16) {
        let mut command = tool("python3");
        command.arg(script("source.py")).arg(file);
        let (daemon, port) = say_first(&mut inside(self.targets.pid(), &command));
        (daemon, port.parse().expect("it says its port"))
    }

    /// A command, run where the clients are.
    pub fn at_clients(&self, command: &Command) -> Command {
        inside(self.clients.pid(), command)
    }
}

/// What still runs there would wait for ever for peers that are gone.
impl Drop for Ground {
    fn drop(&mut self) {
        for holder in [self.clients.pid(), self.targets.pid()] {
            let namespace = fs::read_link(format!("/proc/{holder}/ns/net"));
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
                let same = match fs::read_link(format!("/proc/{pid}/ns/net")) {
                    Ok(own) => namespace.as_ref().is_ok_and(|there| *there == own),
                    Err(_) => false,
                };
                if same && pid != holder {
                    signal(pid, Signal::KILL);
                }
            }
        }
    }
}

/// A command, run in the network namespace of a process.
fn inside(process: u32, command: &Command) -> Command {
    let mut inside = tool("nsenter");
    inside
        .args(["-t", &process.to_string(), "-n", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}
