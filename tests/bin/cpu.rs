//! CPU time of a process and of all that it starts, such as an sshd's children.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running count. Looks often, because a process that has ended tells nothing any more.
pub struct CpuCount {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl CpuCount {
    /// From now on.
    pub fn start(root: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let before = family(root);
        let thread = std::thread::spawn(move || {
            let mut last = before.clone();
            loop {
                // Read the flag first, so that the last look is after the end.
                let end = stopped.load(Ordering::Relaxed);
                last.extend(family(root));
                if end {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let used = |(pid, ticks): (&u32, &f64)| ticks - before.get(pid).unwrap_or(&0.0);
            last.iter().map(used).sum::<f64>() / 100.0
        });
        Self { stop, thread }
    }

    /// CPU seconds until now.
    pub fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(0.0)
    }
}

/// The process and its descendants, each with its own CPU time so far in hundredths of a second.
fn family(root: u32) -> HashMap<u32, f64> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        // ppid is field 4; utime and stime are fields 14 and 15.
        if let (Some(pid), Some(ppid), Some(times)) = (pid, fields.get(1), fields.get(11..13)) {
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
    processes
        .into_iter()
        .filter(|(pid, _)| members.contains(pid))
        .map(|(pid, (_, ticks))| (pid, ticks))
        .collect()
}
