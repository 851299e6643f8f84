//! Where the pictures of desktops are painted, from their tapes, beside everything else.
//!
//! The threads here give way to all others: when the machine is busy, pictures come late. They are never lost, because all
//! they are made of is on the tape.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sallyport_recorder::track::{Painter, State, TrackError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes of a tape that are drawn before another desktop's turn.
const TURN: usize = 1 << 20;
/// The pause between two pictures.
const PAUSE: Duration = Duration::from_millis(100);
/// How nice the threads are (setpriority): they get what is left.
const NICE: i32 = 10;

/// The threads.
pub struct Studio {
    desks: Vec<Handle>,
    stop: CancellationToken,
}

impl Studio {
    /// Starts one thread for every two cores. They end when this is dropped, whatever is still to be painted.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let stop = CancellationToken::new();
        let desks = (0..cores.div_ceil(2)).map(|n| start(n, stop.clone()));
        let desks = desks.collect::<io::Result<_>>()?;
        Ok(Self { desks, stop })
    }

    /// Paints what is on a tape, and what comes: `grown` is told whenever something did.
    pub fn paint(&self, number: u128, tape: PathBuf, grown: Arc<Notify>) {
        let Ok(desks) = u128::try_from(self.desks.len()) else {
            return;
        };
        let desk = usize::try_from(number % desks.max(1)).unwrap_or_default();
        let Some(desk) = self.desks.get(desk) else {
            return;
        };
        desk.spawn(async move {
            if let Err(error) = paint(&tape, &grown).await {
                tracing::warn!(tape = %tape.display(), %error, "a desktop's pictures are not painted");
            }
        });
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn start(n: usize, stop: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("studio-{n}"))
        .spawn(move || {
            // On Linux it concerns the calling thread alone. Without the right to, it paints as everybody works.
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "a painter cannot give way");
            }
            runtime.block_on(stop.cancelled());
        })?;
    Ok(handle)
}

async fn paint(tape: &std::path::Path, grown: &Notify) -> Result<(), TrackError> {
    let mut painter = Painter::follow(tape)?;
    let mut is_settled = false;
    loop {
        match painter.step(TURN)?.state {
            State::Finished => return Ok(()),
            State::Behind => {
                is_settled = false;
                tokio::task::yield_now().await;
            }
            // What changed last is written one pause later.
            State::CaughtUp if is_settled => {
                grown.notified().await;
                is_settled = false;
                tokio::time::sleep(PAUSE).await;
            }
            State::CaughtUp => {
                is_settled = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
