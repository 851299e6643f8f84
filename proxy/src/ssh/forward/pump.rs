//! The two pumps of a forward: raw bytes, counted on the tape before they pass, digested.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use russh::{ChannelId, ChannelMsg, ChannelWriteHalf};
use sallyport_domain::event::Event;
use sallyport_recorder::{Record, Stream as TapeStream};
use tokio_util::sync::CancellationToken;

use super::Route;
use super::sniff::{Protocol, Sniffer};
use crate::connection::Connection;
use crate::shield::fault;
use crate::ssh::bulk::BulkStream;
use crate::ssh::channel::{ChannelEnd, ClientEnd, TargetEnd};
use crate::ssh::inbox::{Inbox, Item, Stream};
use crate::ssh::pass::Passage;

/// A forward between its two ends.
pub struct Forward {
    connection: Arc<Connection>,
    number: u32,
    route: Route,
    client: ClientEnd,
    target: TargetEnd,
    /// Over: both pumps stop.
    closed: CancellationToken,
    begun: Instant,
}

/// How a pump came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Its sender closed the channel.
    Closed,
    /// Its sender's leg is gone.
    Gone,
    /// The other direction, or the connection, ended it.
    Stopped,
}

/// What a leg's loop is sent.
trait Message: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static {}
impl<M: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static> Message for M {}

/// One direction.
struct Direction<'a, S: Message> {
    inbox: &'a Inbox,
    /// The sender may send as many bytes again.
    release: &'a (dyn Fn(usize) + Send + Sync),
    to: &'a ChannelWriteHalf<S>,
    bulk: BulkStream,
    sniffer: Sniffer,
    found: Option<Protocol>,
}

impl<'a, S: Message> Direction<'a, S> {
    fn new(
        inbox: &'a Inbox,
        release: &'a (dyn Fn(usize) + Send + Sync),
        to: &'a ChannelWriteHalf<S>,
        bulk: BulkStream,
    ) -> Self {
        let (sniffer, found) = (Sniffer::default(), None);
        Self {
            inbox,
            release,
            to,
            bulk,
            sniffer,
            found,
        }
    }
}

impl Forward {
    /// Puts it on record; nothing has passed yet.
    pub async fn begin(
        connection: Arc<Connection>,
        number: u32,
        route: Route,
        (client, target): (ClientEnd, TargetEnd),
        cut: &CancellationToken,
    ) -> Result<Self, ChannelEnd> {
        let forward = Self {
            connection,
            number,
            route,
            client,
            target,
            closed: cut.child_token(),
            begun: Instant::now(),
        };
        match forward.record_begin().await {
            Ok(()) => Ok(forward),
            Err(end) => {
                forward.close_both().await;
                Err(end)
            }
        }
    }

    async fn record_begin(&self) -> Result<(), ChannelEnd> {
        let Route { kind, from, to, .. } = &self.route;
        let opened = Record::ChannelOpened {
            channel: self.number,
            what: &format!("{kind} forward from {from} to {to}"),
            pty: None,
        };
        self.connection.tape.write(&[opened], 0)?;
        let event = Event::ForwardOpened {
            channel: self.number,
            forward: *kind,
            from: from.clone(),
            to: to.clone(),
        };
        Ok(self.connection.log(event).await?)
    }

    /// Relays until one side closes it, or the right to it is gone.
    pub async fn relay(self) {
        let tape = |stream| BulkStream::counted(self.number, stream);
        let (client, target) = (&self.client, &self.target);
        let release_client = |bytes: usize| client.release(bytes);
        let release_target = |bytes: usize| target.release(bytes);
        let mut inward = Direction::new(
            &client.inbox,
            &release_client,
            &target.write,
            tape(TapeStream::In),
        );
        let mut outward = Direction::new(
            &target.inbox,
            &release_target,
            &client.write,
            tape(TapeStream::Out),
        );
        let (ended, revoked) = {
            let pumps = async {
                tokio::join!(self.pump(&mut inward, true), self.pump(&mut outward, false))
            };
            tokio::pin!(pumps);
            tokio::select! {
                biased;
                ended = &mut pumps => (ended, false),
                () = self.revoked() => {
                    self.closed.cancel();
                    (pumps.await, true)
                }
            }
        };
        self.close_both().await;
        let why = if revoked { "policy" } else { cause(&ended) };
        let protocol = outward.found.or(inward.found);
        let counted = self.finish(inward.bulk, outward.bulk, protocol, why).await;
        let recorded = ended.0.and(ended.1).map(drop).and(counted);
        if let Err(ChannelEnd::Recording(lost)) = recorded {
            self.connection.recording_lost(lost).await;
        }
    }

    /// Resolves when the permit no longer has the right to it.
    async fn revoked(&self) {
        let mut permit = self.connection.permits();
        loop {
            let allowed = self.route.check(&permit.borrow_and_update());
            if allowed.is_err() || permit.changed().await.is_err() {
                return;
            }
        }
    }

    async fn pump<S: Message>(
        &self,
        way: &mut Direction<'_, S>,
        from_client: bool,
    ) -> Result<Left, ChannelEnd> {
        let left = self.pass_all(way, from_client).await;
        self.closed.cancel();
        left
    }

    async fn pass_all<S: Message>(
        &self,
        way: &mut Direction<'_, S>,
        from_client: bool,
    ) -> Result<Left, ChannelEnd> {
        loop {
            let item = tokio::select! {
                biased;
                () = self.closed.cancelled() => return Ok(Left::Stopped),
                () = self.connection.ending() => {
                    self.closed.cancelled().await;
                    return Ok(Left::Stopped);
                }
                item = way.inbox.recv() => item,
            };
            match item {
                Some(Item::Data(Stream::Main, data)) => {
                    fault("forward", || &data);
                    if from_client && self.route.is_hers() {
                        self.connection.touch();
                    }
                    self.pass(way, data).await?;
                }
                // Not part of any forward: dropped, as OpenSSH does.
                Some(Item::Data(Stream::Stderr, data)) => (way.release)(data.len()),
                Some(Item::Eof) => self.pass_eof(way, from_client).await?,
                Some(Item::Close) => return Ok(Left::Closed),
                None => return Ok(Left::Gone),
                // Forwards have no requests.
                Some(
                    Item::Request(_)
                    | Item::Answer(_)
                    | Item::ExitStatus(_)
                    | Item::ExitSignal { .. },
                ) => {}
            }
        }
    }

    fn passage(&self) -> Passage<'_> {
        Passage {
            connection: &self.connection,
            over: [&self.closed, &self.closed],
        }
    }

    async fn pass<S: Message>(
        &self,
        way: &mut Direction<'_, S>,
        data: Bytes,
    ) -> Result<(), ChannelEnd> {
        let bytes = data.len();
        let passage = self.passage();
        let Some(inside) = passage.enter().await else {
            return Ok(());
        };
        let behind = way.inbox.queued(Stream::Main);
        way.bulk.write(&self.connection.tape, &data, behind)?;
        match way.bulk.stream() {
            TapeStream::In => self.connection.count_in(bytes),
            TapeStream::Out | TapeStream::Err => self.connection.count_out(bytes),
        }
        self.look_inside(way, &data).await?;
        let passed = passage.pass_bulk(inside, way.to, None, data).await?;
        if passed.is_some() {
            (way.release)(bytes);
        }
        Ok(())
    }

    /// A session inside a forward is past the recording: auditors want to know.
    async fn look_inside<S: Message>(
        &self,
        way: &mut Direction<'_, S>,
        data: &[u8],
    ) -> Result<(), ChannelEnd> {
        if !self.route.is_opaque() {
            return Ok(());
        }
        let Some(found) = way.sniffer.look(data) else {
            return Ok(());
        };
        way.found = Some(found);
        // The server's side of it tells as well: once is enough.
        if found.is_session() && way.bulk.stream() == TapeStream::In {
            let event = Event::ForwardCarries {
                channel: self.number,
                protocol: found.as_str().to_owned(),
                to: self.route.to.clone(),
            };
            self.connection.log(event).await?;
        }
        Ok(())
    }

    async fn pass_eof<S: Message>(
        &self,
        way: &Direction<'_, S>,
        from_client: bool,
    ) -> Result<(), ChannelEnd> {
        let Some(_inside) = self.passage().enter().await else {
            return Ok(());
        };
        let eof = Record::Eof {
            channel: self.number,
            from_client,
        };
        self.connection.tape.write(&[eof], 0)?;
        way.to.eof().await?;
        Ok(())
    }

    /// Closing twice is harmless on both legs.
    async fn close_both(&self) {
        self.closed.cancel();
        let _ = self.target.write.close().await;
        let _ = self.client.handle.close(self.client.id).await;
        self.client.inbox.close();
        self.target.leg.forget(self.target.id);
    }

    async fn finish(
        &self,
        inward: BulkStream,
        outward: BulkStream,
        protocol: Option<Protocol>,
        why: &str,
    ) -> Result<(), ChannelEnd> {
        let tape = &self.connection.tape;
        let (bytes_in, sha256_in) = inward.finish(tape)?.unwrap_or_default();
        let (bytes_out, sha256_out) = outward.finish(tape)?.unwrap_or_default();
        let channel = self.number;
        tape.write(&[Record::ChannelClosed { channel }], 0)?;
        let Route { kind, from, to, .. } = self.route.clone();
        let event = Event::ForwardClosed {
            channel,
            forward: kind,
            from,
            to,
            why: why.to_owned(),
            bytes_in,
            bytes_out,
            sha256_in,
            sha256_out,
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            protocol: protocol.map(|found| found.as_str().to_owned()),
        };
        Ok(self.connection.log(event).await?)
    }
}

fn cause(ended: &(Result<Left, ChannelEnd>, Result<Left, ChannelEnd>)) -> &'static str {
    match ended {
        (Err(ChannelEnd::Recording(_)), _) | (_, Err(ChannelEnd::Recording(_))) => "recording",
        (Ok(Left::Closed), _) => "client",
        (_, Ok(Left::Closed)) => "target",
        _ => "connection",
    }
}
