//! The threads that connections live on.
//!
//! Both legs, the pumps and the driver of a connection take turns on one thread: a keystroke passes
//! from task to task without waking another thread, which would cost more than all that is done
//! with it. A thread that is busy with one connection serves its others in turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// One thread for each core.
pub struct Lanes {
    lanes: Vec<Lane>,
    stop: CancellationToken,
}

struct Lane {
    runtime: Handle,
    load: Arc<AtomicUsize>,
}

/// A connection's slot on a thread.
pub struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Starts the threads; they end when this is dropped, with whatever still lives on them.
    pub fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let stop = CancellationToken::new();
        let lanes = (0..count)
            .map(|n| start_lane(n, stop.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { lanes, stop })
    }

    /// For counting the tasks on all of them.
    pub fn counter(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let runtimes: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| lane.runtime.metrics())
            .collect();
        move || runtimes.iter().map(|one| one.num_alive_tasks()).sum()
    }

    /// The thread with the fewest connections, and a slot on it.
    pub fn slot(&self) -> Option<(&Handle, Slot)> {
        let lane = self
            .lanes
            .iter()
            .min_by_key(|lane| lane.load.load(Ordering::Relaxed))?;
        lane.load.fetch_add(1, Ordering::Relaxed);
        Some((&lane.runtime, Slot(lane.load.clone())))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn start_lane(n: usize, stop: CancellationToken) -> io::Result<Lane> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("lane-{n}"))
        .spawn(move || runtime.block_on(stop.cancelled()))?;
    Ok(Lane {
        runtime: handle,
        load: Arc::default(),
    })
}
