//! A live tape and the terminal on it, as one viewer sees them.

use std::path::PathBuf;

use sallyport_recorder::{Screen, TapeError, TapeHeader, TapeTail, Timed};

/// Most bytes of tape read at a time; also what one slow viewer costs in memory.
const READ: usize = 256 * 1024;

/// The tape as one viewer sees it. Reading it blocks, so the tail wanders to a blocking thread and back.
pub struct View {
    tail: Option<TapeTail>,
    /// What the tape says about itself.
    pub header: TapeHeader,
    /// The terminal shown: its channel, and the screen it had when it came into view.
    pub terminal: Option<(u32, Screen)>,
    wanted: Option<u32>,
}

impl View {
    /// Opens a live tape and goes to its present end; `wanted` is the channel to show, else the first.
    pub async fn open(path: PathBuf, wanted: Option<u32>) -> Result<Self, Fault> {
        blocking(move || {
            let mut tail = TapeTail::open(&path)?;
            let live = Screen::of_live(&mut tail, wanted)?;
            let header = tail.header().clone();
            Ok(Self {
                tail: Some(tail),
                header,
                terminal: live.map(|live| (live.channel, live.screen)),
                wanted,
            })
        })
        .await
    }

    /// What was added since the last look.
    pub async fn read(&mut self) -> Result<Vec<Timed>, Fault> {
        let Some(mut tail) = self.tail.take() else {
            return Err(Fault::Interrupted);
        };
        let (tail, entries) = blocking(move || {
            let entries = tail.poll(READ)?;
            Ok((tail, entries))
        })
        .await?;
        self.tail = Some(tail);
        Ok(entries)
    }

    /// Was the end of the tape reached at the last look?
    pub fn finished(&self) -> bool {
        self.tail.as_ref().is_some_and(TapeTail::finished)
    }

    /// Is this the channel shown?
    pub fn shows(&self, channel: u32) -> bool {
        self.terminal
            .as_ref()
            .is_some_and(|(shown, _)| *shown == channel)
    }

    /// Is this a channel to show, as none is shown?
    pub fn wants(&self, channel: u32) -> bool {
        self.terminal.is_none() && self.wanted.is_none_or(|wanted| wanted == channel)
    }
}

/// Why a tape cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The tape.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// An earlier look did not come back.
    #[error("reading was interrupted")]
    Interrupted,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TapeError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Fault::Interrupted),
    }
}
