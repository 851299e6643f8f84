//! The table: its rows in their order, their goals, and the numbers under each way.

use std::collections::BTreeMap;

/// What of many numbers stands in the table.
#[derive(Clone, Copy)]
enum Pick {
    Median,
    P95,
    P99,
    Most,
}

/// What Sallyport is to reach.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    /// So many times the number of another way, or less.
    BelowTimes(&'static str, f64),
    /// So many times the number of another way, or more.
    AboveTimes(&'static str, f64),
}

use Goal::{AboveTimes, AtMost, BelowTimes};

/// The name of the way the goals are for.
pub const OURS: &str = "sallyport";
/// The stock client's own way over a gateway.
pub const JUMP: &str = "ProxyJump";
/// Two legs of the same library, and nothing between them.
pub const RELAY: &str = "plain relay";

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Row {
    Connect,
    Echo,
    EchoP99,
    DownZeros,
    DownRandom,
    UpZeros,
    UpRandom,
    Pty,
    SftpGet,
    SftpPut,
    CpuZeros,
    CpuRandom,
    CpuUp,
    CpuPty,
    Rate,
    CpuConnection,
    Idle,
    Unread,
    Terminate,
    TerminateP95,
    Lock,
    LockP95,
    TerminateStalled,
    TerminateStalledP95,
    LockStalled,
    LockStalledP95,
    Killed,
    Tape,
}

/// All rows: what is measured, how many numbers become one, and the goals.
const ROWS: &[(Row, &str, Pick, &[Goal])] = &[
    (
        Row::Connect,
        "connect + auth + `true`, ms",
        Pick::Median,
        &[BelowTimes(RELAY, 1.05)],
    ),
    (
        Row::Echo,
        "keystroke echo, µs, median",
        Pick::Median,
        &[BelowTimes(JUMP, 1.0)],
    ),
    (
        Row::EchoP99,
        "keystroke echo, µs, p99",
        Pick::P99,
        &[BelowTimes(JUMP, 1.0)],
    ),
    (
        Row::DownZeros,
        "exec, target → client, zeros, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.0), AboveTimes(RELAY, 0.9)],
    ),
    (
        Row::DownRandom,
        "exec, target → client, random, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.0), AboveTimes(RELAY, 0.9)],
    ),
    (
        Row::UpZeros,
        "exec, client → target, zeros, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.0)],
    ),
    (
        Row::UpRandom,
        "exec, client → target, random, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.0)],
    ),
    (
        Row::Pty,
        "pty output, text, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.0)],
    ),
    (
        Row::SftpGet,
        "sftp get, random, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.15)],
    ),
    (
        Row::SftpPut,
        "sftp put, random, MB/s",
        Pick::Median,
        &[AboveTimes(JUMP, 1.5)],
    ),
    (
        Row::CpuZeros,
        "gateway CPU, exec down zeros, s/GiB",
        Pick::Median,
        &[BelowTimes(RELAY, 1.25)],
    ),
    (
        Row::CpuRandom,
        "gateway CPU, exec down random, s/GiB",
        Pick::Median,
        &[BelowTimes(RELAY, 1.25)],
    ),
    (
        Row::CpuUp,
        "gateway CPU, exec up random, s/GiB",
        Pick::Median,
        &[BelowTimes(RELAY, 1.25)],
    ),
    (
        Row::CpuPty,
        "gateway CPU, pty text, s/GiB",
        Pick::Median,
        &[BelowTimes(RELAY, 1.25)],
    ),
    (
        Row::Rate,
        "new connections per second, 8 at once",
        Pick::Median,
        &[AboveTimes(RELAY, 0.95)],
    ),
    (
        Row::CpuConnection,
        "gateway CPU per connection, ms",
        Pick::Median,
        &[AtMost(4.0)],
    ),
    (
        Row::Idle,
        "memory of an idle session, KiB",
        Pick::Median,
        &[AtMost(180.0)],
    ),
    (
        Row::Unread,
        "target never reads, client sends 1 GiB: memory, MiB",
        Pick::Most,
        &[AtMost(8.0)],
    ),
    (
        Row::Terminate,
        "API terminate → client gone, idle, ms, median",
        Pick::Median,
        &[AtMost(5.0)],
    ),
    (
        Row::TerminateP95,
        "the same, p95",
        Pick::P95,
        &[AtMost(10.0)],
    ),
    (
        Row::Lock,
        "API lock → client sees it, idle, ms, median",
        Pick::Median,
        &[AtMost(5.0)],
    ),
    (Row::LockP95, "the same, p95", Pick::P95, &[AtMost(10.0)]),
    (
        Row::TerminateStalled,
        "API terminate → gone and acknowledged, client does not read, ms, median",
        Pick::Median,
        &[AtMost(50.0)],
    ),
    (
        Row::TerminateStalledP95,
        "the same, p95",
        Pick::P95,
        &[AtMost(100.0)],
    ),
    (
        Row::LockStalled,
        "API lock → acknowledged, client does not read, ms, median",
        Pick::Median,
        &[AtMost(50.0)],
    ),
    (
        Row::LockStalledP95,
        "the same, p95",
        Pick::P95,
        &[AtMost(100.0)],
    ),
    (
        Row::Killed,
        "`kill -9` under a flood: bytes the client saw and the tape lacks",
        Pick::Most,
        &[AtMost(0.0)],
    ),
    (
        Row::Tape,
        "tape bytes per byte of pty output",
        Pick::Median,
        &[AtMost(1.05)],
    ),
];

/// All numbers, by row and way.
#[derive(Default)]
pub struct Table(BTreeMap<(Row, &'static str), Vec<f64>>);

impl Table {
    /// One more number.
    pub fn add(&mut self, row: Row, way: &'static str, number: f64) {
        self.0.entry((row, way)).or_default().push(number);
    }

    fn number(&self, row: Row, pick: Pick, way: &str) -> Option<f64> {
        let (_, numbers) = self.0.iter().find(|((r, w), _)| *r == row && *w == way)?;
        let mut numbers = numbers.clone();
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len().checked_sub(1)?;
        let at = match pick {
            Pick::Median => numbers.len() / 2,
            Pick::P95 => numbers.len() * 95 / 100,
            Pick::P99 => numbers.len() * 99 / 100,
            Pick::Most => last,
        };
        numbers.get(at.min(last)).copied()
    }

    /// The goal in words, and whether it is met; `None` where something was not measured.
    fn judge(&self, row: Row, pick: Pick, goal: Goal) -> (String, Option<bool>) {
        let ours = self.number(row, pick, OURS);
        let of = |way| self.number(row, pick, way);
        match goal {
            AtMost(most) => (format!("≤ {most}"), ours.map(|ours| ours <= most)),
            BelowTimes(way, factor) => {
                let met = ours
                    .zip(of(way))
                    .map(|(ours, theirs)| ours <= theirs * factor);
                (format!("≤ {factor} × {way}"), met)
            }
            AboveTimes(way, factor) => {
                let met = ours
                    .zip(of(way))
                    .map(|(ours, theirs)| ours >= theirs * factor);
                (format!("≥ {factor} × {way}"), met)
            }
        }
    }

    /// How far we are from another way: 1.00 is even.
    fn ratio(&self, row: Row, pick: Pick, goal: Goal) -> Option<f64> {
        let ours = self.number(row, pick, OURS)?;
        match goal {
            AtMost(_) => None,
            BelowTimes(way, _) | AboveTimes(way, _) => Some(ours / self.number(row, pick, way)?),
        }
    }

    /// Prints the table for these ways, rows without any number left out.
    pub fn print(&self, ways: &[&'static str], cipher: &str) {
        println!(
            "| measure | {} | goal for {OURS} | met | cipher |",
            ways.join(" | ")
        );
        println!("|---|{}---|---|---|", "---:|".repeat(ways.len()));
        for (row, name, pick, goals) in ROWS {
            let cells: Vec<Option<f64>> = ways
                .iter()
                .map(|way| self.number(*row, *pick, way))
                .collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = cells.into_iter().map(show).collect();
            let (mut words, mut marks) = (Vec::new(), Vec::new());
            for goal in *goals {
                let (word, met) = self.judge(*row, *pick, *goal);
                let ratio = self.ratio(*row, *pick, *goal);
                words.push(ratio.map_or(word.clone(), |ratio| format!("{word} (is {ratio:.2})")));
                marks.push(match met {
                    Some(true) => "yes",
                    Some(false) => "NO",
                    None => "–",
                });
            }
            println!(
                "| {name} | {} | {} | {} | {cipher} |",
                cells.join(" | "),
                words.join("; "),
                marks.join("; ")
            );
        }
    }
}

fn show(number: Option<f64>) -> String {
    match number {
        None => "–".to_owned(),
        Some(number) if number == number.trunc() && number < 10.0 => format!("{number:.0}"),
        Some(number) if number < 10.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.0}"),
    }
}
