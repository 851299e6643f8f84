//! The benchmark: a table for SSH and one for RDP, medians of runs that take turns, every leg with the same cipher.
//!
//! `bench [--quick] [--only PART,PART…] [--gateway user@host:port --gateway-key FILE]`
//!
//! Parts of SSH: connect, echo, bulk, pty, sftp, rate, memory, orders, evidence. Parts of RDP: rdp-keys, rdp-video,
//! rdp-memory, rdp-tape; `rdp` is all of them.

mod cpu;
mod desktops;
mod evidence;
mod load;
mod measure;
mod orders;
mod relay;
mod rows;
mod subjects;
mod table;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desktops::Desktops;
use orders::Order;
use rows::Row;
use sallyport_tests::harness::{Gateway, Target};
use subjects::{CIPHER, Subject};
use table::{OURS, Table};

/// How often and how much.
struct Plan {
    connects: usize,
    keys: usize,
    key_rounds: usize,
    bulk_rounds: usize,
    /// MiB of a bulk run, of a run through a terminal, and of a file.
    bulk: usize,
    terminal: usize,
    file: usize,
    /// Connections of a round when they are counted, and rounds.
    connections: usize,
    connection_rounds: usize,
    idle: usize,
    orders: usize,
    kills: usize,
}

const FULL: Plan = Plan {
    connects: 21,
    keys: 200,
    key_rounds: 5,
    bulk_rounds: 3,
    bulk: 512,
    terminal: 96,
    file: 512,
    connections: 120,
    connection_rounds: 3,
    idle: 500,
    orders: 20,
    kills: 6,
};
const QUICK: Plan = Plan {
    connects: 7,
    keys: 150,
    key_rounds: 2,
    bulk_rounds: 1,
    bulk: 256,
    terminal: 48,
    file: 256,
    connections: 80,
    connection_rounds: 1,
    idle: 100,
    orders: 7,
    kills: 2,
};

/// A run: what is compared, and what came of it so far.
struct Bench {
    plan: Plan,
    ways: Vec<Subject>,
    target: Arc<Target>,
    gateway: Arc<Gateway>,
    table: Table,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, listen, target, user, key] = arguments.as_slice()
        && word == "relay"
    {
        let port = |text: &str| text.parse().expect("a port");
        return relay::serve(port(listen), port(target), user.clone(), key.into());
    }
    if let [word, what] = arguments.as_slice()
        && word == "paint"
    {
        return desktops::painter::paint(what);
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).cloned()
    };
    let quick = arguments.iter().any(|word| word == "--quick");
    let only = value("--only");
    let other = value("--gateway").zip(value("--gateway-key"));
    let chosen = |name: &str| is_chosen(name, only.as_deref());
    let begun = Instant::now();
    if PARTS.iter().any(|(name, _)| chosen(name)) {
        let bench = Bench::start(if quick { QUICK } else { FULL }, other);
        bench.run(chosen);
    }
    if desktops::PARTS.iter().any(|(name, _)| chosen(name)) {
        desktops(quick, chosen);
    }
    println!(
        "\nMedians of runs that took turns, each way in turn; recording strict; client, gateway and target on this \
         machine, over loopback. {:.0} s.",
        begun.elapsed().as_secs_f64()
    );
}

/// Is this part asked for? By its name, by the first word of its name, or because all are.
fn is_chosen(name: &str, only: Option<&str>) -> bool {
    let Some(only) = only else { return true };
    let family = name.split('-').next();
    only.split(',')
        .any(|word| word == name || Some(word) == family)
}

/// Measures RDP.
fn desktops(quick: bool, chosen: impl Fn(&str) -> bool) {
    let plan = if quick {
        desktops::QUICK
    } else {
        desktops::FULL
    };
    let mut bench = Desktops::start(plan);
    for (name, part) in desktops::PARTS {
        if chosen(name) {
            timed(name, || part(&mut bench));
        }
    }
    println!();
    bench
        .table()
        .print(desktops::RDP, &desktops::WAYS, "TLS 1.3");
}

/// Says what is being measured, and how long it took.
fn timed(name: &str, part: impl FnOnce()) {
    let start = Instant::now();
    eprint!("{name} … ");
    part();
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
}

/// A part's name, and what it does.
type Part = (&'static str, fn(&mut Bench));

/// The parts, in the order in which they run. The one that restarts the gateway is the last.
const PARTS: [Part; 9] = [
    ("connect", Bench::connect),
    ("echo", Bench::echo),
    ("bulk", Bench::bulk),
    ("pty", Bench::pty),
    ("sftp", Bench::sftp),
    ("rate", Bench::rate),
    ("memory", Bench::memory),
    ("orders", Bench::orders),
    ("evidence", Bench::evidence),
];

const MIB: usize = 1 << 20;
/// Size of the random data that is sent again and again, in MiB.
const BLOCK: usize = 16;

impl Bench {
    /// Everything that is compared; `other` is one more gateway, its address and a key that it knows.
    fn start(plan: Plan, other: Option<(String, String)>) -> Self {
        let (target, jump) = (Target::shared(), Target::sshd());
        let gateway = Arc::new(
            Gateway::builder()
                // One key exchange for all subjects: what the oldest of them speaks.
                .env("SALLYPORT_SSH_ALGORITHMS", "compatible")
                .start(),
        );
        let mut ways = vec![
            subjects::direct(&target),
            subjects::proxy_jump(&target, &jump),
            subjects::relay(&target),
            subjects::sallyport(&gateway),
        ];
        if let Some((address, key)) = other {
            ways.push(subjects::other(&address, &key).expect("--gateway user@host:port"));
        }
        Self {
            plan,
            ways,
            target,
            gateway,
            table: Table::default(),
        }
    }

    fn run(mut self, chosen: impl Fn(&str) -> bool) {
        for (name, part) in PARTS {
            if chosen(name) {
                timed(name, || part(&mut self));
            }
        }
        let names: Vec<&str> = self.ways.iter().map(|way| way.name).collect();
        self.table.print(rows::SSH, &names, CIPHER);
    }

    /// Measures for every way in turn, `rounds` times.
    fn each(&mut self, rounds: usize, mut measure: impl FnMut(&Subject, &mut Table)) {
        for _ in 0..rounds {
            for way in &self.ways {
                measure(way, &mut self.table);
            }
        }
    }

    fn connect(&mut self) {
        for way in &self.ways {
            measure::connect(way);
        }
        self.each(self.plan.connects, |way, table| {
            table.add(Row::Connect, way.name, measure::connect(way));
        });
    }

    fn echo(&mut self) {
        let keys = self.plan.keys;
        self.each(self.plan.key_rounds, |way, table| {
            for time in measure::echo(way, keys) {
                table.add(Row::Echo, way.name, time);
                table.add(Row::EchoP99, way.name, time);
            }
        });
    }

    fn bulk(&mut self) {
        let (zeros, random) = (vec![0; BLOCK * MIB], random(BLOCK * MIB));
        let folder = self.target.folder();
        let file = folder.path().join("random");
        fs::write(&file, &random).expect("a file for the target");
        let (mib, repeats) = (self.plan.bulk, self.plan.bulk / BLOCK);
        let down_zeros = format!("head -c {mib}M /dev/zero");
        let down_random = format!("for i in $(seq {repeats}); do cat {}; done", file.display());
        self.each(self.plan.bulk_rounds, |way, table| {
            let down = |remote: &str| measure::download(way, false, remote);
            costly(way, table, mib, Row::DownZeros, Some(Row::CpuZeros), || {
                down(&down_zeros)
            });
            costly(
                way,
                table,
                mib,
                Row::DownRandom,
                Some(Row::CpuRandom),
                || down(&down_random),
            );
            let up = |data: &[u8]| measure::upload(way, data, repeats);
            costly(way, table, mib, Row::UpZeros, None, || up(&zeros));
            costly(way, table, mib, Row::UpRandom, Some(Row::CpuUp), || {
                up(&random)
            });
        });
    }

    fn pty(&mut self) {
        let mib = self.plan.terminal;
        let line = "the quick brown fox jumps over the lazy dog and runs off at once.";
        let lines = mib * MIB / (line.len() + 1);
        let text = format!("stty raw; yes '{line}' | head -n {lines}");
        let gateway = self.gateway.clone();
        self.each(self.plan.bulk_rounds, |way, table| {
            costly(way, table, mib, Row::Pty, Some(Row::CpuPty), || {
                measure::download(way, true, &text)
            });
            if way.name == OURS
                && let Some(ratio) = evidence::tape_ratio(&gateway)
            {
                table.add(Row::Tape, way.name, ratio);
            }
        });
    }

    fn sftp(&mut self) {
        // In memory: what is compared is not the disk.
        let folder = tempfile::TempDir::with_prefix_in("sp-bench-", "/dev/shm").expect("a folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("a folder for everybody");
        let file = folder.path().join("random");
        let block = random(BLOCK * MIB);
        fs::write(&file, block.repeat(self.plan.file / BLOCK)).expect("a file");
        let bytes = (self.plan.file * MIB) as u64;
        let copy = folder.path().join("copy");
        self.each(self.plan.bulk_rounds, |way, table| {
            for (verb, row) in [("get", Row::SftpGet), ("put", Row::SftpPut)] {
                table.add(row, way.name, measure::sftp(way, verb, &file, &copy, bytes));
                fs::remove_file(&copy).expect("there is a copy");
            }
        });
    }

    fn rate(&mut self) {
        let count = self.plan.connections;
        self.each(self.plan.connection_rounds, |way, table| {
            let (rate, cpu) = load::connections(way, count);
            table.add(Row::Rate, way.name, rate);
            if let Some(cpu) = cpu {
                table.add(Row::CpuConnection, way.name, cpu * 1000.0);
            }
        });
    }

    fn memory(&mut self) {
        let idle = self.plan.idle;
        self.each(1, |way, table| {
            // Before the many sessions, which leave memory behind that is used again.
            if way.door.is_some()
                && let Some(memory) = load::never_read(way)
            {
                table.add(Row::Unread, way.name, memory);
            }
            if let Some(memory) = load::idle_memory(way, idle) {
                table.add(Row::Idle, way.name, memory);
            }
        });
    }

    fn orders(&mut self) {
        let Some(way) = self.ways.iter().find(|way| way.name == OURS) else {
            return;
        };
        let api = self.gateway.api("bob");
        let rows = [
            (
                Order::Terminate,
                [Row::Terminate, Row::TerminateP95],
                [Row::TerminateStalled, Row::TerminateStalledP95],
            ),
            (
                Order::Lock,
                [Row::Lock, Row::LockP95],
                [Row::LockStalled, Row::LockStalledP95],
            ),
        ];
        for _ in 0..self.plan.orders {
            for (order, idle, stalled) in rows {
                let took = orders::idle(&self.gateway, way, &api, order);
                for row in idle {
                    self.table.add(row, OURS, took);
                }
                let took = orders::stalled(&self.gateway, way, &api, order);
                for row in stalled {
                    self.table.add(row, OURS, took);
                }
            }
        }
    }

    fn evidence(&mut self) {
        let Some(way) = self.ways.iter().find(|way| way.name == OURS) else {
            return;
        };
        for round in 0..self.plan.kills {
            let after = Duration::from_millis(100 + 130 * round as u64);
            let lost = evidence::missing_after_kill(&self.gateway, way, round % 2 == 0, after);
            self.table.add(Row::Killed, OURS, lost);
        }
    }
}

/// One run of `mib` MiB: its speed, and the gateway's CPU time for a GiB.
fn costly(
    way: &Subject,
    table: &mut Table,
    mib: usize,
    speed: Row,
    cost: Option<Row>,
    run: impl FnOnce() -> f64,
) {
    let cpu = way.cpu();
    table.add(speed, way.name, run());
    if let (Some(cost), Some(cpu)) = (cost, cpu) {
        table.add(cost, way.name, cpu.stop() * 1024.0 / mib as f64);
    }
}

/// Bytes without a pattern.
fn random(len: usize) -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; len];
    rand::rngs::StdRng::seed_from_u64(7).fill_bytes(&mut bytes);
    bytes
}
