//! Screens from tapes.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use super::Screen;
use crate::{Entry, TapeError, TapeReader, TapeTail};

/// As long as a channel printed no more than this, all of it is drawn.
const DRAWN_WHOLE: u64 = 16 << 20;
/// Of more, only the end; of what is before, the modes.
const DRAWN_END: usize = 4 << 20;
/// How much of a tape is read at once.
const STEP: usize = 1 << 20;

/// The screen of a live tape, at the tail's position.
pub struct LiveScreen {
    /// Which channel's.
    pub channel: u32,
    /// The screen as of the last entry the tail gave.
    pub screen: Screen,
}

impl Screen {
    /// The screen of a channel at a time (`None`: at the tape's end). A channel without a terminal
    /// is drawn on 80x24. A long tape costs one reading of it; only its end is drawn.
    pub fn of_tape(path: &Path, channel: u32, upto: Option<Duration>) -> Result<Self, TapeError> {
        let mut reader = TapeReader::open(path)?;
        let mut rebuild = Rebuild::default();
        while let Some(timed) = reader.next()? {
            if upto.is_some_and(|upto| timed.at > upto) {
                break;
            }
            rebuild.take(channel, timed.entry);
        }
        Ok(rebuild.finish())
    }

    /// Reads the tail up to the tape's present end and gives the screen there; the tail then goes
    /// on exactly behind it, so that live output joins on to [`Screen::repaint`]. `channel`: which
    /// one (`None`: the first with a terminal, the tail being at the tape's start). Answers `None`
    /// if there is no such terminal yet.
    pub fn of_live(
        tail: &mut TapeTail,
        channel: Option<u32>,
    ) -> Result<Option<LiveScreen>, TapeError> {
        let mut wanted = channel;
        let mut rebuild = Rebuild::default();
        loop {
            let entries = tail.poll(STEP)?;
            if entries.is_empty() {
                break;
            }
            for timed in entries {
                if let (
                    None,
                    Entry::ChannelOpened {
                        channel,
                        pty: Some(_),
                        ..
                    },
                ) = (wanted, &timed.entry)
                {
                    wanted = Some(*channel);
                }
                if let Some(channel) = wanted {
                    rebuild.take(channel, timed.entry);
                }
            }
        }
        Ok(wanted.filter(|_| rebuild.opened).map(|channel| LiveScreen {
            channel,
            screen: rebuild.finish(),
        }))
    }
}

/// Draws entries some way behind, so that only the end of much output needs to be drawn.
#[derive(Default)]
pub(crate) struct Rebuild {
    screen: Option<Screen>,
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    total: u64,
    skimmed: bool,
    opened: bool,
}

impl Rebuild {
    /// Takes the next entry of the tape; those of other channels don't matter.
    pub fn take(&mut self, channel: u32, entry: Entry) {
        if entry.channel() != Some(channel) {
            return;
        }
        match &entry {
            Entry::Output { data, .. } => {
                self.waiting_bytes += data.len();
                self.total += data.len() as u64;
            }
            Entry::ChannelOpened { .. } => {
                // A number may be used again after its channel closed: another terminal.
                *self = Self {
                    opened: true,
                    ..Self::default()
                };
            }
            Entry::Resize { .. } => {}
            Entry::Input { .. }
            | Entry::InputMasked { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Marker(_)
            | Entry::Bulk { .. }
            | Entry::BulkDigest { .. }
            | Entry::Gap { .. }
            | Entry::DesktopBegun(_)
            | Entry::FromTarget { .. }
            | Entry::FromClient { .. }
            | Entry::FromViewer { .. }
            | Entry::Covered { .. }
            | Entry::Unknown { .. } => return,
        }
        self.waiting.push_back(entry);
        while self.waiting_bytes > DRAWN_END {
            let Some(entry) = self.waiting.pop_front() else {
                break;
            };
            self.skimmed |= self.total > DRAWN_WHOLE;
            self.apply(&entry, self.skimmed);
        }
    }

    /// Draws what is left.
    pub fn finish(mut self) -> Screen {
        if self.skimmed {
            self.resume();
        }
        while let Some(entry) = self.waiting.pop_front() {
            self.apply(&entry, false);
        }
        self.screen.unwrap_or_else(|| Screen::new(0, 0))
    }

    fn apply(&mut self, entry: &Entry, skim: bool) {
        let screen = self.screen.get_or_insert_with(|| Screen::new(0, 0));
        match entry {
            Entry::Output { data, .. } => {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(data.len());
                if skim {
                    screen.skim(data);
                } else {
                    screen.feed(data);
                }
            }
            Entry::ChannelOpened {
                pty: Some((_, cols, rows)),
                ..
            }
            | Entry::Resize { cols, rows, .. } => screen.resize(*cols, *rows),
            Entry::ChannelOpened { pty: None, .. }
            | Entry::Input { .. }
            | Entry::InputMasked { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Marker(_)
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
    }

    /// Goes on drawing at the start of a line; a program that prints none is joined where it is.
    fn resume(&mut self) {
        let line_end = self
            .waiting
            .iter()
            .position(|entry| matches!(entry, Entry::Output { data, .. } if data.contains(&b'\n')));
        if let Some(n) =
            line_end.filter(|_| !self.screen.as_ref().is_some_and(|s| s.modes.alternate))
        {
            for entry in self.waiting.drain(..n).collect::<Vec<_>>() {
                self.apply(&entry, true);
            }
            if let (Some(screen), Some(Entry::Output { data, .. })) =
                (&mut self.screen, self.waiting.front_mut())
            {
                let begin = data.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
                let before: Vec<u8> = data.drain(..begin).collect();
                screen.skim(&before);
            }
        }
        if let Some(screen) = &mut self.screen {
            screen.restart();
        }
    }
}
