//! One direction of all static channels, as its pump uses it.

use std::sync::Arc;

use sallyport_dissect::rdp::static_channel::Onward;
use sallyport_dissect::rdp::{ChannelFact, mcs};
use sallyport_domain::event::Event;
use sallyport_recorder::Record;

use super::taps::Taps;
use super::{Stop, channel_events};
use crate::connection::Connection;
use crate::rdp::ids::Translation;

/// One direction.
pub struct Lane<'a> {
    /// What both directions share with the rest.
    pub connection: &'a Arc<Connection>,
    /// The readers of both directions.
    pub taps: &'a Taps,
    /// Whose PDUs go this way.
    pub from: mcs::Sender,
    /// Into the ids of the leg they go to.
    pub ids: Translation,
    /// On the tape, and not yet in the log.
    pub events: Vec<Event>,
}

impl Lane<'_> {
    /// What goes on of a chunk in channel `number`, which is `there` on the leg it goes to: itself, or these PDUs instead.
    /// What is found out about it is on the tape then.
    pub fn pass(
        &mut self,
        number: usize,
        there: u16,
        (initiator, chunk): (u16, &[u8]),
    ) -> Result<Option<Vec<u8>>, Stop> {
        let permit = self.connection.permit();
        let passing = self.taps.pass(self.from, number, chunk, &permit);
        let facts = passing.facts.into_iter().map(|fact| (number, fact));
        self.tell(facts.collect())?;
        Ok(match passing.onward {
            Onward::AsItIs => None,
            Onward::Chunks(chunks) => Some(self.framed(initiator, there, &chunks)),
        })
    }

    /// What the gateway itself has to say this way, as whole PDUs.
    pub fn ours(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for ours in self.taps.take_ours(self.from) {
            if let Some(there) = self.ids.channel(ours.number) {
                out.extend(self.framed(self.ids.user(), there, &ours.chunks));
            }
        }
        out
    }

    /// Puts a fact on the tape, and into the log with the next ones.
    pub fn mark(&mut self, event: Event) -> Result<(), Stop> {
        self.connection.tape.write(&[Record::Marker(&event)], 0)?;
        self.events.push(event);
        Ok(())
    }

    /// Puts what is known of the last of it into the log.
    pub async fn log(&mut self) {
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            self.connection.log_recorded(events).await;
        }
    }

    /// Nothing more comes.
    pub async fn finish(mut self) -> Result<(), Stop> {
        self.tell(self.taps.finish())?;
        self.log().await;
        Ok(())
    }

    fn tell(&mut self, facts: Vec<(usize, ChannelFact)>) -> Result<(), Stop> {
        if facts.is_empty() {
            return Ok(());
        }
        let now = self.taps.now();
        let told = facts
            .into_iter()
            .map(|(number, fact)| channel_events::of(fact, number, now));
        let events: Vec<Event> = told.collect();
        let records: Vec<Record<'_>> = events.iter().map(Record::Marker).collect();
        self.connection.tape.write(&records, 0)?;
        self.events.extend(events);
        Ok(())
    }

    fn framed(&self, initiator: u16, there: u16, chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in chunks {
            mcs::frame(self.from, initiator, there, chunk, &mut out);
        }
        out
    }
}
