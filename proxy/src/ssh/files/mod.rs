//! Channels that carry files: sftp, scp, rsync.
//!
//! Both pumps hand what passes to one reader. What happens to files becomes events, on the tape
//! before the bytes that complete it pass; of the content the tape holds the running count, and the
//! events the digest of each file. A request without its right does not pass, and is answered here.

mod counts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use sallyport_dissect::{Allowed, Direction, Fact, Malformed, Passing, Reader};
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::right::Right;
use sallyport_recorder::{Record, Stream as TapeStream};
use tokio::sync::Notify;

use counts::Counts;

use super::channel::{Channel, ChannelEnd};
use super::inbound::STDERR;
use super::inbox::{Start, Stream};
use super::refused;
use crate::file_events::{self, right};
use crate::gate::Inside;
use crate::notice;

/// Events in one write of the tape.
const BATCH: usize = 64;

/// What both pumps of such a channel share.
pub struct Files {
    /// Held while a chunk is read, never while it is handed on.
    reader: Mutex<Reader>,
    began: Instant,
    counts: Counts,
    /// It is not the protocol that the command promised: the channel is one like any other.
    foreign: AtomicBool,
    /// What was held back of the client's bytes when that turned out.
    held: Mutex<Option<Bytes>>,
    /// It is there.
    has_held: Notify,
    /// Answers of ours, or a word for the user, wait for the pump towards the client.
    ours: Notify,
    words: Mutex<Words>,
}

/// What the user is told on standard error, once for each direction: clients show of a refused
/// request no more than `Permission denied`.
#[derive(Default)]
struct Words {
    told: Vec<Right>,
    next: Vec<String>,
}

impl Files {
    fn new(reader: Reader) -> Self {
        Self {
            reader: Mutex::new(reader),
            began: Instant::now(),
            counts: Counts::default(),
            foreign: AtomicBool::new(false),
            held: Mutex::default(),
            has_held: Notify::new(),
            ours: Notify::new(),
            words: Mutex::default(),
        }
    }

    /// Milliseconds since the channel got its purpose: the clock of the facts.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn read<T>(&self, with: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.set_time(self.now());
        with(&mut reader)
    }

    /// The channel is one like any other from now on.
    fn give_up(&self, held: Bytes) {
        self.foreign.store(true, Ordering::Release);
        if !held.is_empty() {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
            self.has_held.notify_one();
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Waits until something of ours is to be sent to the client.
    pub(super) async fn files_have_ours(&self) -> &Files {
        match self.files.get() {
            Some(files) => {
                files.ours.notified().await;
                files
            }
            None => std::future::pending().await,
        }
    }

    /// The reader for a channel of this purpose, if it carries files; the refusal, if it may not.
    ///
    /// A command with a terminal is a screen, whatever it is.
    pub(super) fn reader(&self, start: &Start) -> Result<Option<Reader>, Refusal> {
        let reader = match start {
            _ if self.is_terminal() => None,
            Start::Subsystem(name) if name == "sftp" => Some(Reader::sftp()),
            Start::Exec(command) => Reader::of_command(command),
            Start::Shell | Start::Subsystem(_) => None,
        };
        if let Some(reader) = &reader {
            for direction in [Direction::Upload, Direction::Download] {
                if reader.needs(direction) {
                    self.connection.right(right(direction))?;
                }
            }
        }
        Ok(reader)
    }

    /// The channel carries files from now on.
    pub(super) fn carries_files(&self, reader: Reader) {
        // A second purpose finds the first one's reader: what it cannot read ends the channel.
        self.files.get_or_init(|| Files::new(reader));
    }

    /// What reads the channel, while it carries files.
    pub(super) fn reading(&self) -> Option<&Files> {
        let reads = |files: &&Files| !files.foreign.load(Ordering::Acquire);
        self.files.get().filter(reads)
    }

    /// Waits until bytes that were held back have to go on unread.
    pub(super) async fn files_held(&self) -> Bytes {
        let Some(files) = self.files.get() else {
            return std::future::pending().await;
        };
        loop {
            if let Some(held) = self.files_take_held() {
                return held;
            }
            files.has_held.notified().await;
        }
    }

    /// The same without waiting.
    pub(super) fn files_take_held(&self) -> Option<Bytes> {
        let mut held = self.files.get()?.held.lock();
        let held = held.as_deref_mut().ok()?;
        held.take()
    }

    fn files_allowed(&self) -> Allowed {
        Allowed {
            upload: self.connection.right(Right::Upload).is_ok(),
            download: self.connection.right(Right::Download).is_ok(),
        }
    }

    /// The client sends nothing more.
    pub(super) fn files_in_ended(&self) {
        if let Some(files) = self.reading()
            && self.files_allowed() == Allowed::BOTH
            && let Some(held) = files.read(Reader::client_ended)
        {
            files.give_up(held);
        }
    }

    /// What is not the promised protocol may pass as any command's bytes do, unless a direction is
    /// forbidden: then nobody could tell.
    fn foreign(&self, files: &Files, why: Malformed) -> Result<(), ChannelEnd> {
        if matches!(why, Malformed::Foreign(_))
            && self.files_allowed() == Allowed::BOTH
            && let Some(held) = files.read(Reader::give_up)
        {
            files.give_up(held);
            return Ok(());
        }
        Err(why.into())
    }

    /// From the client. While the gate is shut it stands still. Answers what is to pass unread.
    pub(super) async fn files_in(
        &self,
        files: &Files,
        data: Bytes,
    ) -> Result<Option<Bytes>, ChannelEnd> {
        let bytes = data.len();
        let Some(mut inside) = self.enter_files().await else {
            return Ok(None);
        };
        let allowed = self.files_allowed();
        let read = files.read(|reader| reader.client_sent(data.clone(), allowed));
        let Passing { pieces, facts } = match read {
            Ok(passing) => passing,
            Err(why) => return self.foreign(files, why).map(|()| Some(data)),
        };
        let refused = self.tell_refused(files, &facts);
        self.record_files(files, TapeStream::In, &pieces, facts)
            .await?;
        for piece in pieces {
            self.count_in(piece.len());
            let write = &self.target.write;
            match self.passage().pass_bulk(inside, write, None, piece).await? {
                Some(still) => inside = still,
                None => return Ok(None),
            }
        }
        if refused {
            files.ours.notify_one();
        }
        self.client.release(bytes);
        Ok(None)
    }

    /// From the target. While the gate is shut it stands still. Answers what is to pass unread.
    pub(super) async fn files_out(
        &self,
        files: &Files,
        data: Bytes,
    ) -> Result<Option<Bytes>, ChannelEnd> {
        let Some(inside) = self.enter_files().await else {
            return Ok(None);
        };
        let read = files.read(|reader| reader.target_sent(data.clone()));
        let Passing { pieces, facts } = match read {
            Ok(passing) => passing,
            Err(why) => return self.foreign(files, why).map(|()| Some(data)),
        };
        self.record_files(files, TapeStream::Out, &pieces, facts)
            .await?;
        self.files_to_client(inside, pieces).await?;
        Ok(None)
    }

    /// Enters the gate, once the database has room for what may happen.
    ///
    /// A database that is slower than the transfer slows it down; it does so before the gate, which
    /// must not be held open.
    async fn enter_files(&self) -> Option<Inside<'_>> {
        tokio::select! {
            biased;
            () = self.connection.log_room() => {}
            () = self.closed.cancelled() => return None,
        }
        self.enter_gate().await
    }

    /// What the gateway itself has to say in this channel, as soon as it may.
    pub(super) async fn files_ours(&self, files: &Files) -> Result<(), ChannelEnd> {
        let Some(inside) = self.enter_gate().await else {
            return Ok(());
        };
        let next = std::mem::take(&mut files.words().next);
        for words in next {
            let text = Bytes::from(notice::on_stderr(&words));
            tokio::select! {
                biased;
                sent = self.client.write.extended_data_bytes(STDERR, text) => sent?,
                () = self.connection.ending() => {}
                () = self.closed.cancelled() => {}
                () = self.client_closed.cancelled() => {}
            }
        }
        let ours: Vec<Bytes> = files.read(Reader::take_ours).into_iter().collect();
        self.record_files(files, TapeStream::Out, &ours, Vec::new())
            .await?;
        self.files_to_client(inside, ours).await
    }

    async fn files_to_client<'a>(
        &'a self,
        mut inside: Inside<'a>,
        pieces: Vec<Bytes>,
    ) -> Result<(), ChannelEnd> {
        for piece in pieces {
            self.count_out(piece.len());
            let write = &self.client.write;
            match self.passage().pass_bulk(inside, write, None, piece).await? {
                Some(still) => inside = still,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Facts and the running count, before the bytes that they tell of pass.
    async fn record_files(
        &self,
        files: &Files,
        stream: TapeStream,
        pieces: &[Bytes],
        facts: Vec<Fact>,
    ) -> Result<(), ChannelEnd> {
        let passing: usize = pieces.iter().map(Bytes::len).sum();
        let events = self.file_events(files, facts).await?;
        let inbox = match stream {
            TapeStream::In => &self.client.inbox,
            TapeStream::Out | TapeStream::Err => &self.target.inbox,
        };
        let behind = inbox.queued(Stream::Main);
        if let Some(bytes) = files.counts.passing(stream, passing, behind) {
            self.record_count(stream, bytes, passing + behind)?;
        }
        if !events.is_empty() {
            self.connection.log_recorded(events).await;
        }
        Ok(())
    }

    /// Puts the running count of a stream on the tape, before `ahead` bytes pass.
    fn record_count(&self, stream: TapeStream, bytes: u64, ahead: usize) -> Result<(), ChannelEnd> {
        let count = Record::Bulk {
            channel: self.number,
            stream,
            bytes,
        };
        Ok(self.connection.tape.write(&[count], ahead)?)
    }

    /// Facts as events, on the tape.
    async fn file_events(&self, files: &Files, facts: Vec<Fact>) -> Result<Vec<Event>, ChannelEnd> {
        let now = files.now();
        let events: Vec<Event> = facts
            .into_iter()
            .map(|fact| file_events::of(fact, self.number, now))
            .collect();
        for batch in events.chunks(BATCH) {
            let records: Vec<Record<'_>> = batch.iter().map(Record::Marker).collect();
            self.connection.tape.write(&records, 0)?;
        }
        Ok(events)
    }

    /// Says once for each direction what is not allowed. Answers whether anything was refused.
    fn tell_refused(&self, files: &Files, facts: &[Fact]) -> bool {
        let mut refused = false;
        for fact in facts {
            let Fact::Refused { lacks, .. } = fact else {
                continue;
            };
            refused = true;
            let mut words = files.words();
            if !words.told.contains(&right(*lacks)) {
                words.told.push(right(*lacks));
                let why = self.connection.right(right(*lacks)).err();
                words.next.extend(why.map(|refusal| refusal.to_string()));
            }
        }
        refused
    }

    /// Both pumps are done: what is under way is told as far as it came.
    pub(super) async fn finish_files(&self) -> Result<(), ChannelEnd> {
        let Some(files) = self.files.get() else {
            return Ok(());
        };
        for (stream, bytes) in files.counts.corrections() {
            self.record_count(stream, bytes, 0)?;
        }
        let facts = files.read(Reader::finish);
        let events = self.file_events(files, facts).await?;
        self.connection.log_recorded(events).await;
        Ok(())
    }

    /// A peer does not keep to the protocol: nobody can tell any more what passes, so nothing does.
    pub(super) async fn protocol_broken(&self, why: &Malformed) {
        let why = why.to_string();
        let event = Event::ProtocolBroken {
            channel: self.number,
            why: why.clone(),
        };
        // The channel ends either way.
        let _ = self.connection.log(event).await;
        let text =
            format!("the file transfer was stopped, because its protocol was broken by {why}");
        refused::say(&self.client, &text).await;
    }
}
