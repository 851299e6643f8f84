//! CPU time of a gateway, what paints the picture tracks told apart.

use std::fs;
use std::path::Path;
use std::time::Instant;

/// How the threads that paint begin their names.
const PAINTERS: &str = "studio-";
/// The kernel counts in hundredths of a second.
const TICKS: f64 = 100.0;

/// A running count.
pub struct Threads {
    process: u32,
    begun: Instant,
    all: f64,
    painters: f64,
}

/// Parts of a core that were used.
pub struct Load {
    /// By everything but the painters.
    pub live: f64,
    /// By the painters.
    pub track: f64,
}

impl Threads {
    /// From now on.
    pub fn start(process: u32) -> Self {
        Self {
            process,
            begun: Instant::now(),
            all: of_process(process),
            painters: of_painters(process),
        }
    }

    /// Until now.
    pub fn stop(self) -> Load {
        let track = of_painters(self.process) - self.painters;
        let all = of_process(self.process) - self.all;
        let time = self.begun.elapsed().as_secs_f64();
        Load {
            live: (all - track) / time,
            track: track / time,
        }
    }
}

/// All its threads, those that ended as well.
fn of_process(process: u32) -> f64 {
    seconds(Path::new(&format!("/proc/{process}/stat")))
}

fn of_painters(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let painters = threads.filter(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        name.starts_with(PAINTERS)
    });
    painters
        .map(|thread| seconds(&thread.path().join("stat")))
        .sum()
}

/// utime and stime, the fields 14 and 15; the name, field 2, may hold anything.
fn seconds(stat: &Path) -> f64 {
    let stat = fs::read_to_string(stat).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|time| time.parse().unwrap_or(0.0)).sum::<f64>() / TICKS
}

/// Memory that would be free without it, in KiB: what it shares with others counts in part.
pub fn memory(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("the kernel tells what a process of ours takes")
}
