//! What a tape says about a connection that nobody closed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sallyport_domain::event::Event;
use sallyport_recorder::{Entry, Stream, TapeError, TapeHeader, TapeReader};

/// All that is left of a connection.
pub struct Remains {
    /// Which, whose, since when.
    pub header: TapeHeader,
    /// Address of the client; empty if the crash came before it was on the tape.
    pub source_ip: String,
    /// Software of the client.
    pub client: String,
    /// Time of the last record.
    last: Duration,
    passed: HashMap<(u32, Stream), u64>,
}

impl Remains {
    /// Reads them from a tape, whose end may be torn.
    pub fn of(tape: &Path) -> Result<Self, TapeError> {
        let mut reader = TapeReader::open(tape)?;
        let mut remains = Self {
            header: reader.header().clone(),
            source_ip: String::new(),
            client: String::new(),
            last: Duration::ZERO,
            passed: HashMap::new(),
        };
        // What is behind a tear was never acknowledged.
        while let Ok(Some(timed)) = reader.next() {
            remains.last = timed.at;
            remains.take(timed.entry);
        }
        Ok(remains)
    }

    /// When it was alive for the last time.
    pub fn last(&self) -> DateTime<Utc> {
        self.header.started_at + self.last
    }

    /// Bytes of a stream, all channels together.
    pub fn bytes(&self, wanted: &[Stream]) -> u64 {
        let streams = self.passed.iter();
        streams
            .filter(|((_, stream), _)| wanted.contains(stream))
            .map(|(_, bytes)| bytes)
            .sum()
    }

    fn count(&mut self, channel: u32, stream: Stream, bytes: u64) {
        *self.passed.entry((channel, stream)).or_default() += bytes;
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Output {
                channel,
                stderr,
                data,
            } => {
                let stream = if stderr { Stream::Err } else { Stream::Out };
                self.count(channel, stream, data.len() as u64);
            }
            Entry::Input { channel, data } => self.count(channel, Stream::In, data.len() as u64),
            Entry::InputMasked { channel, bytes } => {
                self.count(channel, Stream::In, u64::from(bytes));
            }
            Entry::Bulk {
                channel,
                stream,
                bytes,
            }
            | Entry::BulkDigest {
                channel,
                stream,
                bytes,
                ..
            } => {
                // Counts everything since the stream began.
                self.passed.insert((channel, stream), bytes);
            }
            Entry::Marker(Event::ClientConnected {
                source_ip, client, ..
            }) => {
                self.source_ip = source_ip;
                self.client = client;
            }
            // A desktop has no channels that are counted apart.
            Entry::FromTarget { pdus } => self.count(0, Stream::Out, pdus.len() as u64),
            Entry::FromClient { pdus } | Entry::FromViewer { pdus, .. } => {
                self.count(0, Stream::In, pdus.len() as u64)
            }
            Entry::Marker(_)
            | Entry::DesktopBegun(_)
            | Entry::Covered { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::ChannelOpened { .. }
            | Entry::Resize { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Gap { .. }
            | Entry::Unknown { .. } => {}
        }
    }
}
