//! What people do meanwhile, with real clients. Each job knows what it should have seen, and its session by its notes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sallyport_tests::harness::{Daemon, Ssh, in_terminal};
use tempfile::TempDir;

use super::super::noise;
use super::ground::{GATEWAY, Ground};

/// Sizes of the files that are transferred.
const SIZES: [usize; 6] = [0, 1, 40_000, 1 << 20, 3 << 20, 9 << 20];
/// No job takes longer than this, cut wires and stopped peers included.
const LIMIT: Duration = Duration::from_secs(40);

/// What kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command's output, as fast as it goes.
    Down,
    /// A command's input, as fast as it goes.
    Up,
    /// A command that says something now and then.
    Drip,
    /// Somebody types in a terminal.
    Shell,
    SftpGet,
    SftpPut,
    ScpDown,
    ScpUp,
    RsyncDown,
    RsyncUp,
    /// A connection to behind the target, inside the client's.
    Forward,
    /// A desktop on which something moves. Not among what everybody does: one person does nothing else.
    Desktop,
}

const KINDS: [Kind; 11] = [
    Kind::Down,
    Kind::Up,
    Kind::Drip,
    Kind::Shell,
    Kind::SftpGet,
    Kind::SftpPut,
    Kind::ScpDown,
    Kind::ScpUp,
    Kind::RsyncDown,
    Kind::RsyncUp,
    Kind::Forward,
];

/// A job that was begun.
#[derive(Debug, Clone)]
pub struct Job {
    /// The notes of its session.
    pub id: String,
    pub kind: Kind,
    /// How many bytes should pass.
    pub len: usize,
    /// What came at the client.
    pub seen: PathBuf,
    /// What came at the target.
    pub got: PathBuf,
    /// The client's exit status; `None` if it was killed, or did not end.
    pub code: Option<i32>,
}

/// The client of a job under way.
pub type Running = Arc<Mutex<Daemon>>;

/// All jobs.
pub struct Jobs {
    /// Random bytes; every stream is a beginning of them.
    pub noise: Vec<u8>,
    /// Where the clients keep their files.
    here: TempDir,
    /// Where the target keeps its files.
    there: TempDir,
    /// What forwards lead to, on the target.
    _source: Daemon,
    source: u16,
    running: Mutex<Vec<Running>>,
    done: Mutex<Vec<Job>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs {
    pub fn prepare(ground: &Ground, seed: u64) -> Self {
        let noise = noise(SIZES[5], seed);
        let (here, there) = (
            TempDir::with_prefix("sp-chaos-").unwrap(),
            ground.target.folder(),
        );
        for folder in [here.path(), there.path()] {
            for size in SIZES {
                let path = folder.join(format!("noise-{size}"));
                fs::write(&path, &noise[..size]).unwrap();
                ground.target.give(&path);
            }
        }
        let (daemon, source) = ground.source(&there.path().join(format!("noise-{}", SIZES[5])));
        Self {
            _source: daemon,
            source,
            noise,
            here,
            there,
            running: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// The clients at work.
    pub fn running(&self) -> Vec<Running> {
        held(&self.running).clone()
    }

    /// What was done.
    pub fn done(&self) -> Vec<Job> {
        held(&self.done).clone()
    }

    /// One job after another, until it is said to stop.
    pub fn work(&self, ground: &Ground, worker: usize, seed: u64, stop: &AtomicBool) {
        let mut dice = StdRng::seed_from_u64(seed ^ ((worker as u64 + 1) << 32));
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let kind = KINDS[dice.random_range(0..KINDS.len())];
            let id = format!("w{worker}n{number}");
            let mut job = Job {
                kind,
                len: SIZES[dice.random_range(0..SIZES.len())],
                seen: self.here.path().join(format!("{id}.seen")),
                got: self.there.path().join(format!("{id}.got")),
                id,
                code: None,
            };
            let old = dice.random();
            job.code = self.run(ground, &job, old);
            held(&self.done).push(job);
            std::thread::sleep(Duration::from_millis(dice.random_range(0..300)));
        }
    }

    /// One desktop after another, until it is said to stop.
    pub fn look(&self, ground: &Ground, seed: u64, stop: &AtomicBool) {
        let mut dice = StdRng::seed_from_u64(seed ^ (99 << 32));
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            self.desktop(ground, &format!("d{number}"), dice.random_range(2..12));
        }
    }

    /// A desktop for so many seconds, or until it ends, and keys now and then.
    pub fn desktop(&self, ground: &Ground, id: &str, seconds: u64) {
        let folder = self.here.path().join(id);
        fs::create_dir(&folder).unwrap();
        let login = format!("alice+desktop+desk+desk-standard+{id}");
        let client = ground.gateway.xfreerdp(&login).at(GATEWAY);
        let daemon = client.start_among(&ground.display, &folder, |command| {
            ground.at_clients(command)
        });
        let running: Running = Arc::new(Mutex::new(daemon));
        held(&self.running).push(running.clone());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(seconds) && held(&running).alive() {
            ground.display.key("a");
            std::thread::sleep(Duration::from_millis(300));
        }
        held(&running).signal(rustix::process::Signal::KILL);
        held(&running).wait(Duration::from_secs(5));
        held(&self.running).retain(|other| !Arc::ptr_eq(other, &running));
        held(&self.done).push(Job {
            id: id.to_owned(),
            kind: Kind::Desktop,
            len: 0,
            seen: folder.join("seen"),
            got: folder.join("got"),
            code: None,
        });
    }

    fn run(&self, ground: &Ground, job: &Job, old_scp: bool) -> Option<i32> {
        let activity = match job.kind {
            Kind::Forward => "reaching",
            _ => "shell",
        };
        let login = format!("alice+{activity}+chaos+chaos-standard+{}", job.id);
        let ssh = ground.gateway.ssh(&login).option("ServerAliveInterval=5");
        let mut keys = None;
        let daemon = if job.kind == Kind::Shell {
            let (master, daemon) =
                in_terminal(ground.at_clients(&self.command(&ssh, job, false)), 80, 24);
            keys = Some(master);
            daemon
        } else {
            let mut command = ground.at_clients(&self.command(&ssh, job, old_scp));
            self.streams(&mut command, job);
            Daemon::spawn(command)
        };
        let running: Running = Arc::new(Mutex::new(daemon));
        held(&self.running).push(running.clone());
        let code = match keys {
            Some(master) => type_along(&running, master, job),
            None => wait(&running),
        };
        held(&self.running).retain(|other| !Arc::ptr_eq(other, &running));
        code
    }

    fn command(&self, ssh: &Ssh, job: &Job, old_scp: bool) -> Command {
        let file = format!("noise-{}", job.len);
        let (here, there) = (self.here.path().join(&file), self.there.path().join(&file));
        let remote = |path: &Path| format!("{GATEWAY}:{}", path.display());
        let mut command = match job.kind {
            Kind::Shell | Kind::Down | Kind::Up | Kind::Drip | Kind::Forward | Kind::Desktop => {
                ssh.program("ssh")
            }
            Kind::SftpGet | Kind::SftpPut => ssh.program("sftp"),
            Kind::ScpDown | Kind::ScpUp => ssh.program("scp"),
            Kind::RsyncDown | Kind::RsyncUp => {
                let mut rsync = sallyport_tests::harness::tool("rsync");
                rsync.args(["--timeout=30", "-W", "-e", &ssh.command_line()]);
                ssh.environment(&mut rsync);
                rsync
            }
        };
        if matches!(job.kind, Kind::ScpDown | Kind::ScpUp) && old_scp {
            command.arg("-O");
        }
        match job.kind {
            Kind::Shell => command.args(["-tt", GATEWAY]),
            Kind::Down => command.args([GATEWAY, &format!("cat {}", there.display())]),
            Kind::Forward => command.args(["-W", &format!("127.0.0.1:{}", self.source), GATEWAY]),
            Kind::Up => command.args([GATEWAY, &format!("cat >{}", job.got.display())]),
            Kind::Drip => command.args([
                GATEWAY,
                &format!(
                    "for i in $(seq 1 40); do echo {}-$i; sleep 0.1; done",
                    job.id
                ),
            ]),
            Kind::SftpGet | Kind::SftpPut => command.args(["-b", "-", GATEWAY]),
            Kind::ScpDown | Kind::RsyncDown => command.arg(remote(&there)).arg(&job.seen),
            Kind::ScpUp | Kind::RsyncUp => command.arg(&here).arg(remote(&job.got)),
            Kind::Desktop => unreachable!("has a client of its own"),
        };
        command
    }

    fn streams(&self, command: &mut Command, job: &Job) {
        let file = |path: &Path| File::create(path).unwrap();
        let name = format!("noise-{}", job.len);
        let (here, there) = (self.here.path().join(&name), self.there.path().join(&name));
        // Given as a file: a client that is stopped must not stop the test.
        let said = |text: String| {
            let path = self.here.path().join(format!("{}.said", job.id));
            fs::write(&path, text).unwrap();
            File::open(path).unwrap()
        };
        let order = |verb: &str, from: &Path, to: &Path| {
            said(format!("{verb} {} {}\n", from.display(), to.display()))
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        match job.kind {
            Kind::Down | Kind::Drip => command.stdout(file(&job.seen)),
            Kind::Forward => command
                .stdin(said(format!("{}\n", job.len)))
                .stdout(file(&job.seen)),
            Kind::Up => command.stdin(File::open(here).unwrap()),
            Kind::SftpGet => command.stdin(order("get", &there, &job.seen)),
            Kind::SftpPut => command.stdin(order("put", &here, &job.got)),
            Kind::Shell | Kind::ScpDown | Kind::ScpUp | Kind::RsyncDown | Kind::RsyncUp => command,
            Kind::Desktop => command,
        };
        command.stderr(file(&job.seen.with_extension("err")));
    }
}

/// Waits for the end of a job, at most its limit; then it is killed.
fn wait(running: &Running) -> Option<i32> {
    let start = Instant::now();
    loop {
        let status = held(running).wait(Duration::ZERO);
        match status {
            Some(status) => return status.code(),
            None if start.elapsed() > LIMIT => {
                held(running).signal(rustix::process::Signal::KILL);
                held(running).wait(Duration::from_secs(5));
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Types lines whose output is unlike what was typed, and keeps all that is shown.
fn type_along(running: &Running, master: File, job: &Job) -> Option<i32> {
    let keys = master.try_clone().unwrap();
    let seen = File::create(&job.seen).unwrap();
    let mut screen = master;
    let reader = std::thread::spawn(move || {
        let (mut chunk, mut at) = (vec![0; 64 << 10], 0);
        while let Ok(n @ 1..) = screen.read(&mut chunk) {
            seen.write_all_at(&chunk[..n], at).unwrap();
            at += n as u64;
        }
    });
    let mut keys = keys;
    std::thread::sleep(Duration::from_millis(800));
    for line in 1..=25 {
        if !held(running).alive() {
            break;
        }
        let _ = writeln!(keys, "echo {}-$((1000+{line}))-\r", job.id);
        std::thread::sleep(Duration::from_millis(150));
    }
    let _ = write!(keys, "exit\r");
    let code = wait(running);
    drop(keys);
    let _ = reader.join();
    code
}
