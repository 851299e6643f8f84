//! CPU time of a process and of all that it starts, such as an sshd's children.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often one looks. An sshd may leave a child's time to nobody: what was seen of it last counts.
const EVERY: Duration = Duration::from_millis(50);

/// A running count.
pub struct CpuCount {
    root: u32,
    before: f64,
    most: Arc<Mutex<f64>>,
    done: Arc<AtomicBool>,
    looks: JoinHandle<()>,
}

impl CpuCount {
    /// From now on.
    pub fn start(root: u32) -> Self {
        let before = family(root);
        let most = Arc::new(Mutex::new(before));
        let done = Arc::new(AtomicBool::new(false));
        let looks = thread::spawn({
            let (most, done) = (most.clone(), done.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    look(root, &most);
                    thread::sleep(EVERY);
                }
            }
        });
        Self {
            root,
            before,
            most,
            done,
            looks,
        }
    }

    /// CPU seconds until now.
    pub fn stop(self) -> f64 {
        look(self.root, &self.most);
        // Children that have just ended count once their parent has taken their leave.
        thread::sleep(2 * EVERY);
        look(self.root, &self.most);
        self.done.store(true, Ordering::Relaxed);
        let _ = self.looks.join();
        *self.most.lock().unwrap_or_else(PoisonError::into_inner) - self.before
    }
}

fn look(root: u32, most: &Mutex<f64>) {
    let now = family(root);
    let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
    *most = most.max(now);
}

/// CPU seconds of the process, its descendants, and those of them that have ended.
fn family(root: u32) -> f64 {
    let mut ticks = 0.0;
    let mut members = vec![root];
    while let Some(pid) = members.pop() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // utime, stime and those of ended children are fields 14 to 17; the name, field 2, may hold anything.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(4);
        ticks += times.map(|time| time.parse().unwrap_or(0.0)).sum::<f64>();
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            members.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    ticks / 100.0
}
