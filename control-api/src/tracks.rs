//! Picture tracks that are missing are made again from their tapes: one at a time for each tape, few in all, and by
//! threads that give way to all others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use sallyport_recorder::track::{self, Standing, TrackError};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::pictures;
use crate::problem::Problem;

/// Tracks made at once.
const MAKING: usize = 2;
/// Pictures drawn at once: the largest takes 64 MiB, twice.
const DRAWING: usize = 4;
/// Films made at once: each takes a processor, and three times the memory of a picture.
const FILMING: usize = 2;
/// When to ask again for a film.
const LATER: Duration = Duration::from_secs(60);
/// How nice the threads are (setpriority): they get what is left.
const NICE: i32 = 10;

/// Who makes which track, and what there is room for.
pub struct Tracks {
    turns: Mutex<HashMap<PathBuf, Weak<Turn<()>>>>,
    making: Arc<Semaphore>,
    drawing: Arc<Semaphore>,
    filming: Arc<Semaphore>,
}

impl Default for Tracks {
    fn default() -> Self {
        Self {
            turns: Mutex::default(),
            making: Arc::new(Semaphore::new(MAKING)),
            drawing: Arc::new(Semaphore::new(DRAWING)),
            filming: Arc::new(Semaphore::new(FILMING)),
        }
    }
}

impl Tracks {
    /// Makes the track of a finished tape, if it is not whole, or is the file that was found `damaged`; waits if somebody
    /// else does already. Takes as long as the tape is large. Answers how far the track is then.
    pub async fn make(&self, tape: &Path, damaged: Option<u64>) -> Result<Standing, Problem> {
        let found = look(tape, damaged).await?;
        match found {
            Standing::Whole | Standing::Growing => return Ok(found),
            Standing::NotBegun => {
                return Err(Problem::conflict(
                    "the session goes on, and there is no picture of it yet: try again in a moment",
                ));
            }
            Standing::Unfinished => {}
        }
        let turn = self.turn(tape).lock_owned().await;
        // Somebody else may have made it meanwhile.
        if look(tape, damaged).await? == Standing::Unfinished {
            let place = place(&self.making).await?;
            let made = on_a_thread(tape.to_owned(), turn, place)?;
            made.await.map_err(Problem::internal)??;
        }
        look(tape, None).await
    }

    /// A place to draw a picture in.
    pub async fn drawing(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.drawing).await
    }

    /// A place to make a film in. Nobody waits for one: whoever has it may take hours to fetch his film.
    pub fn filming(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.filming).try_acquire_owned();
        place.map_err(|_| {
            Problem::too_many(
                format!(
                    "{FILMING} films are being made already: try again when one of them is done"
                ),
                LATER,
            )
        })
    }

    fn turn(&self, tape: &Path) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(tape).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(tape.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

async fn place(room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(room).acquire_owned().await;
    place.map_err(Problem::internal)
}

/// Goes on to its end even if nobody waits for it any more: `turn` and `place` are given back then, not before.
fn on_a_thread(
    tape: PathBuf,
    turn: OwnedMutexGuard<()>,
    place: OwnedSemaphorePermit,
) -> Result<oneshot::Receiver<Result<(), TrackError>>, Problem> {
    let (done, made) = oneshot::channel();
    let work = move || {
        give_way();
        let rebuilt = track::rebuild(&tape, &track::path_of(&tape));
        match &rebuilt {
            Ok(bytes) => tracing::info!(tape = %tape.display(), bytes, "a picture track was made"),
            Err(error) => {
                tracing::warn!(tape = %tape.display(), %error, "a picture track could not be made")
            }
        }
        drop((turn, place));
        let _ = done.send(rebuilt.map(drop));
    };
    let thread = thread::Builder::new().name("track".to_owned());
    thread.spawn(work).map_err(Problem::internal)?;
    Ok(made)
}

/// From here on the calling thread gets what others leave. Never to be called by one that does something else later.
pub fn give_way() {
    // On Linux it concerns the calling thread alone. Without the right to, it works as everybody does.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a thread cannot give way");
    }
}

/// How far the track is; the one that was found damaged counts as unfinished.
async fn look(tape: &Path, damaged: Option<u64>) -> Result<Standing, Problem> {
    let tape = tape.to_owned();
    let look = move || {
        let found = track::standing(&tape)?;
        let is_damaged = found == Standing::Whole
            && damaged.is_some()
            && damaged == Some(pictures::open(&tape)?.file_number()?);
        Ok::<_, TrackError>(match is_damaged {
            true => Standing::Unfinished,
            false => found,
        })
    };
    let found = tokio::task::spawn_blocking(look).await;
    Ok(found.map_err(Problem::internal)??)
}
