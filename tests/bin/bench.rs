//! The benchmark: one table, medians of runs that take turns, every leg with the same cipher.
//!
//! `bench [--quick] [--gateway user@host:port --gateway-key FILE]`

mod cpu;
mod measure;
mod relay;
mod subjects;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use sallyport_tests::harness::{Gateway, Target};
use subjects::{CIPHER, Subject};

/// How often and how much.
struct Plan {
    connects: usize,
    keys: usize,
    key_rounds: usize,
    bulk_rounds: usize,
    /// MiB of a bulk run, and of a run through a terminal.
    bulk: usize,
    terminal: usize,
    idle: usize,
    orders: usize,
}

const FULL: Plan = Plan {
    connects: 15,
    keys: 200,
    key_rounds: 5,
    bulk_rounds: 3,
    bulk: 512,
    terminal: 96,
    idle: 500,
    orders: 15,
};
const QUICK: Plan = Plan {
    connects: 5,
    keys: 100,
    key_rounds: 2,
    bulk_rounds: 1,
    bulk: 128,
    terminal: 32,
    idle: 50,
    orders: 5,
};

/// All numbers, by row and by way.
#[derive(Default)]
struct Numbers(BTreeMap<(usize, &'static str), Vec<f64>>);

/// The rows of the table, in their order.
const ROWS: [&str; 16] = [
    "connect + `true`, ms",
    "keystroke echo, median, µs",
    "keystroke echo, p99, µs",
    "exec download, zeros, MB/s",
    "exec download, random, MB/s",
    "exec upload, zeros, MB/s",
    "exec upload, random, MB/s",
    "terminal output, text, MB/s",
    "terminal output, random, MB/s",
    "gateway CPU, exec download, s/GiB",
    "gateway CPU, exec upload, s/GiB",
    "gateway CPU, terminal output, s/GiB",
    "memory of an idle session, KiB",
    "API lock until seen at the client, ms",
    "API terminate until seen at the client, ms",
    "API terminate, slowest, ms",
];

impl Numbers {
    fn add(&mut self, row: usize, subject: &Subject, number: f64) {
        self.0.entry((row, subject.name)).or_default().push(number);
    }

    fn show(&self, row: usize, subject: &Subject) -> String {
        let Some(numbers) = self.0.get(&(row, subject.name)) else {
            return "–".to_owned();
        };
        let mut numbers = numbers.clone();
        numbers.sort_by(f64::total_cmp);
        let at = match row {
            2 => (numbers.len() * 99 / 100).min(numbers.len() - 1),
            15 => numbers.len() - 1,
            _ => numbers.len() / 2,
        };
        let number = numbers[at];
        if number < 10.0 {
            format!("{number:.2}")
        } else {
            format!("{number:.0}")
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, listen, target, user, key] = arguments.as_slice()
        && word == "relay"
    {
        let port = |text: &str| text.parse().expect("a port");
        return relay::serve(port(listen), port(target), user.clone(), key.into());
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).cloned()
    };
    let plan = if arguments.iter().any(|word| word == "--quick") {
        QUICK
    } else {
        FULL
    };
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
    if let (Some(address), Some(key)) = (value("--gateway"), value("--gateway-key")) {
        ways.push(subjects::other(&address, &key).expect("--gateway user@host:port"));
    }
    let begun = Instant::now();
    let mut numbers = Numbers::default();
    latency(&plan, &ways, &mut numbers);
    bulk(&plan, &ways, &target, &mut numbers);
    memory_and_orders(&plan, &ways, &gateway, &mut numbers);
    print(&ways, &numbers);
    eprintln!("{:.0} s", begun.elapsed().as_secs_f64());
}

fn latency(plan: &Plan, ways: &[Subject], numbers: &mut Numbers) {
    eprintln!("connecting and typing …");
    for way in ways {
        measure::connect(way);
    }
    for _ in 0..plan.connects {
        for way in ways {
            numbers.add(0, way, measure::connect(way));
        }
    }
    for _ in 0..plan.key_rounds {
        for way in ways {
            for time in measure::echo(way, plan.keys) {
                numbers.add(1, way, time);
                numbers.add(2, way, time);
            }
        }
    }
}

fn bulk(plan: &Plan, ways: &[Subject], target: &Target, numbers: &mut Numbers) {
    let mib = 1 << 20;
    let random = random(16 * mib);
    let folder = target.folder();
    let file = folder.path().join("random");
    fs::write(&file, &random).expect("a file for the target");
    let (zeros, file) = (vec![0; 16 * mib], file.display());
    let repeats = plan.bulk / 16;
    let download_zeros = format!("head -c {}M /dev/zero", plan.bulk);
    let download_random = format!("for i in $(seq {repeats}); do cat {file}; done");
    let lines = plan.terminal * mib / 65;
    let text = format!(
        "stty raw; yes 'the quick brown fox jumps over the lazy dog and runs off at once.' | head -n {lines}"
    );
    let noise = format!(
        "stty raw; for i in $(seq {}); do cat {file}; done",
        plan.terminal / 16
    );
    for round in 0..plan.bulk_rounds {
        eprintln!("moving data, round {} of {} …", round + 1, plan.bulk_rounds);
        for way in ways {
            let gib = |mib: usize| mib as f64 / 1024.0;
            let mut costs = |row: usize, mib: usize, run: &mut dyn FnMut()| {
                let count = way.cpu();
                run();
                if let Some(count) = count {
                    numbers.add(row, way, count.stop() / gib(mib));
                }
            };
            let mut speeds = [0.0; 6];
            costs(9, 2 * plan.bulk, &mut || {
                speeds[0] = measure::download(way, false, &download_zeros);
                speeds[1] = measure::download(way, false, &download_random);
            });
            costs(10, 2 * plan.bulk, &mut || {
                speeds[2] = measure::upload(way, &zeros, repeats);
                speeds[3] = measure::upload(way, &random, repeats);
            });
            costs(11, 2 * plan.terminal, &mut || {
                speeds[4] = measure::download(way, true, &text);
                speeds[5] = measure::download(way, true, &noise);
            });
            for (n, speed) in speeds.into_iter().enumerate() {
                numbers.add(3 + n, way, speed);
            }
        }
    }
}

fn memory_and_orders(plan: &Plan, ways: &[Subject], gateway: &Arc<Gateway>, numbers: &mut Numbers) {
    let api = gateway.api("bob");
    if let Some(way) = ways.iter().find(|way| way.name == "sallyport") {
        eprintln!("locking and terminating …");
        for _ in 0..plan.orders {
            numbers.add(13, way, measure::order(gateway, way, &api, "lock"));
            let slow = measure::order(gateway, way, &api, "terminate");
            numbers.add(14, way, slow);
            numbers.add(15, way, slow);
        }
    }
    for way in ways {
        eprintln!("{} idle sessions through {} …", plan.idle, way.name);
        if let Some(memory) = measure::idle_memory(way, plan.idle) {
            numbers.add(12, way, memory);
        }
    }
}

/// Bytes without a pattern.
fn random(len: usize) -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; len];
    rand::rngs::StdRng::seed_from_u64(7).fill_bytes(&mut bytes);
    bytes
}

fn print(ways: &[Subject], numbers: &Numbers) {
    let heads: Vec<&str> = ways.iter().map(|way| way.name).collect();
    println!("| | {} | cipher |", heads.join(" | "));
    println!("|---|{}---|", "---:|".repeat(ways.len()));
    for (row, name) in ROWS.iter().enumerate() {
        let cells: Vec<String> = ways.iter().map(|way| numbers.show(row, way)).collect();
        println!("| {name} | {} | {CIPHER} |", cells.join(" | "));
    }
    println!(
        "\nMedians of runs that took turns; recording strict; everything on one machine with the target on loopback."
    );
}
