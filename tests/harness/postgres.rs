use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Daemon, free_port, run, tool, wait_until};

/// The user it runs as; PostgreSQL refuses to run as root.
const USER: &str = "sppostgres";

/// A throw-away PostgreSQL cluster on loopback.
pub struct Postgres {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    daemon: Mutex<Option<Daemon>>,
}

impl Postgres {
    /// Makes and starts one.
    pub fn start() -> Self {
        let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is installed")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        versions.sort();
        let bin = versions.pop().expect("PostgreSQL is installed").join("bin");
        let script = format!(
            "exec 9>/tmp/.{USER}.lock; flock 9; id {USER} >/dev/null 2>&1 || useradd -M -s /bin/sh {USER}"
        );
        let mut shell = tool("bash");
        shell.args(["-c", &script]);
        run(shell, Duration::from_secs(20)).ok();
        let dir = TempDir::with_prefix("sp-postgres-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut own = tool("chown");
        own.arg(USER).arg(dir.path());
        run(own, Duration::from_secs(5)).ok();
        let postgres = Self {
            dir,
            bin,
            port: free_port(),
            daemon: Mutex::new(None),
        };
        let mut initdb = postgres.tool("initdb");
        initdb.arg("-D").arg(postgres.dir.path().join("data"));
        initdb.args([
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]);
        run(initdb, Duration::from_secs(60)).ok();
        postgres.up();
        postgres
    }

    fn tool(&self, program: &str) -> std::process::Command {
        let mut command = tool("setpriv");
        command.args([
            "--reuid",
            USER,
            "--regid",
            USER,
            "--clear-groups",
            "--pdeathsig",
            "KILL",
            "--",
        ]);
        command
            .arg(self.bin.join(program))
            .current_dir(self.dir.path());
        command
    }

    /// Starts it (again) and waits until it answers.
    pub fn up(&self) {
        let mut server = self.tool("postgres");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        server
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-p", &self.port.to_string()]);
        server.arg("-k").arg(self.dir.path());
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=60",
        ] {
            server.args(["-c", setting]);
        }
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        *self.daemon.lock().unwrap() = Some(Daemon::spawn(server));
        wait_until("PostgreSQL answers", Duration::from_secs(30), || {
            let mut ready = self.tool("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            run(ready, Duration::from_secs(5)).code == 0
        });
    }

    /// Stops it at once; clients lose their connections.
    pub fn down(&self) {
        if let Some(mut daemon) = self.daemon.lock().unwrap().take() {
            daemon.signal(Signal::QUIT);
            let _ = daemon.wait(Duration::from_secs(10));
        }
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Everything in it as SQL text.
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = self.tool("pg_dump");
        dump.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "postgres"]);
        run(dump, Duration::from_secs(60)).ok().out
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
    }
}
