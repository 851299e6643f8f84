//! A live terminal, as one viewer sees it: the screen as it is now, then what is added to the tape.

use std::path::PathBuf;

use sallyport_recorder::{Entry, Screen, TapeHeader, TapeTail, Timed};
use serde_json::json;

use super::feed::{Fault, Feed, Next, Over, blocking};

/// Most bytes of tape read at a time; also what one slow viewer costs in memory.
const READ: usize = 256 * 1024;

/// The tape as one viewer sees it. Reading it blocks, so the tail wanders to a blocking thread and back.
pub struct Terminal {
    tail: Option<TapeTail>,
    header: TapeHeader,
    /// What is shown: its channel, and the screen it had when it came into view.
    shown: Option<(u32, Screen)>,
    wanted: Option<u32>,
}

impl Terminal {
    /// Opens a live tape and goes to its present end; `wanted` is the channel to show, else the first.
    pub async fn open(path: PathBuf, wanted: Option<u32>) -> Result<Self, Fault> {
        blocking(move || {
            let mut tail = TapeTail::open(&path)?;
            let live = Screen::of_live(&mut tail, wanted)?;
            let header = tail.header().clone();
            Ok(Self {
                tail: Some(tail),
                header,
                shown: live.map(|live| (live.channel, live.screen)),
                wanted,
            })
        })
        .await
    }

    /// Tells which terminal is shown and paints it.
    pub async fn greet(&mut self, feed: &mut Feed) -> Result<(), Over> {
        let Some((channel, screen)) = &mut self.shown else {
            return Ok(());
        };
        let (cols, rows) = screen.size();
        let hello = json!({
            "type": "hello", "session": self.header.session, "connection": self.header.connection,
            "channel": channel, "cols": cols, "rows": rows,
        });
        let mut painted = screen.repaint();
        feed.text(&hello).await?;
        flush(feed, &mut painted).await
    }

    /// Shows what was added to the tape since the last look.
    pub async fn step(&mut self, feed: &mut Feed) -> Result<Next, Over> {
        let finished = self.tail.as_ref().is_some_and(TapeTail::finished);
        let entries = self.read().await?;
        // Finished before the last look, and nothing came with it: that was the end.
        if finished && entries.is_empty() {
            return Ok(Next::Ended);
        }
        let mut output = Vec::new();
        for timed in entries {
            self.show(feed, timed, &mut output).await?;
        }
        flush(feed, &mut output).await?;
        Ok(Next::Later)
    }

    async fn show(
        &mut self,
        feed: &mut Feed,
        Timed { at, entry }: Timed,
        output: &mut Vec<u8>,
    ) -> Result<(), Over> {
        match entry {
            Entry::Output { channel, data, .. } if self.shows(channel) => {
                output.extend_from_slice(&data);
            }
            Entry::Resize {
                channel,
                cols,
                rows,
            } if self.shows(channel) => {
                flush(feed, output).await?;
                let resize = json!({ "type": "resize", "cols": cols, "rows": rows });
                feed.text(&resize).await?;
            }
            Entry::ChannelOpened {
                channel,
                pty: Some((_, cols, rows)),
                ..
            } if self.wants(channel) => {
                self.shown = Some((channel, Screen::new(cols, rows)));
                self.greet(feed).await?;
            }
            Entry::ChannelClosed { channel } if self.shows(channel) => {
                flush(feed, output).await?;
                self.shown = None;
            }
            Entry::Marker(event) => {
                flush(feed, output).await?;
                feed.event(self.header.started_at + at, &event).await?;
            }
            Entry::Output { .. }
            | Entry::Resize { .. }
            | Entry::ChannelOpened { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Input { .. }
            | Entry::InputMasked { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::Bulk { .. }
            | Entry::BulkDigest { .. }
            | Entry::Gap { .. }
            | Entry::DesktopBegun(_)
            | Entry::FromTarget { .. }
            | Entry::FromClient { .. }
            | Entry::FromViewer { .. }
            | Entry::Covered { .. }
            | Entry::Unknown { .. } => {}
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<Timed>, Fault> {
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

    /// Is this the channel shown?
    fn shows(&self, channel: u32) -> bool {
        self.shown
            .as_ref()
            .is_some_and(|(shown, _)| *shown == channel)
    }

    /// Is this a channel to show, as none is shown?
    fn wants(&self, channel: u32) -> bool {
        self.shown.is_none() && self.wanted.is_none_or(|wanted| wanted == channel)
    }
}

async fn flush(feed: &mut Feed, output: &mut Vec<u8>) -> Result<(), Over> {
    if output.is_empty() {
        return Ok(());
    }
    feed.bytes(std::mem::take(output)).await
}
