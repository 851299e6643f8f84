//! CPU time of a process and of all that it starts, such as an sshd's children.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

/// A running count.
pub struct CpuCount {
    root: u32,
    before: f64,
}

impl CpuCount {
    /// From now on.
    pub fn start(root: u32) -> Self {
        let before = family(root);
        Self { root, before }
    }

    /// CPU seconds until now.
    pub fn stop(self) -> f64 {
        // Children that have just ended count once their parent has taken their leave.
        std::thread::sleep(Duration::from_millis(100));
        family(self.root) - self.before
    }
}

/// CPU seconds of the process, its descendants, and those of them that have ended.
fn family(root: u32) -> f64 {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        // ppid is field 4; utime, stime and those of ended children are fields 14 to 17.
        if let (Some(pid), Some(ppid), Some(times)) = (pid, fields.get(1), fields.get(11..15)) {
            processes.insert(pid, (*ppid as u32, times.iter().sum::<f64>()));
        }
    }
    let mut members = HashSet::from([root]);
    loop {
        let before = members.len();
        for (pid, (ppid, _)) in &processes {
            if members.contains(ppid) {
                members.insert(*pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    let ticks = |pid| processes.get(pid).map_or(0.0, |(_, ticks)| *ticks);
    members.iter().map(ticks).sum::<f64>() / 100.0
}
