//! From the client to the target: requests become rights, bytes pass the gate and the tape.

use bytes::Bytes;
use russh::Sig;
use sallyport_domain::event::Event;
use sallyport_domain::permit::Granted;
use sallyport_domain::refusal::Refusal;
use sallyport_recorder::{Record, Stream as TapeStream};

use super::bulk::BulkStream;
use super::channel::{Asked, Channel, ChannelEnd};
use super::inbox::{Item, Request, Start, Stream};
use super::refused;
use crate::shield::fault;

/// Ctrl+X, while an extension is offered.
const EXTEND_KEY: &[u8] = &[0x18];
/// Requests that the target may leave unanswered on a channel.
const MAX_UNANSWERED: usize = 512;
/// SSH_EXTENDED_DATA_STDERR (RFC 4254 section 5.2).
pub const STDERR: u32 = 1;

/// How the client left a channel.
enum Left {
    /// It closed it.
    Closed,
    /// Its leg is gone, or the target closed the channel.
    Gone,
}

impl Channel {
    /// Relays from the client until it closes the channel or its leg is gone.
    pub(super) async fn pump_in(&self) -> Result<(), ChannelEnd> {
        let mut bulk = BulkStream::new(self.number, TapeStream::In);
        match self.relay_in(&mut bulk).await {
            // How the program ended is still to come: russh hears nothing more of a channel that
            // it closed, so the target gets an EOF first, and the CLOSE when it has answered.
            Ok(Left::Closed) => {
                self.client_closed.cancel();
                self.end_input().await?;
            }
            Ok(Left::Gone) => self.closed.cancel(),
            Err(end) => {
                self.closed.cancel();
                return Err(end);
            }
        }
        self.log_digest(bulk).await
    }

    async fn relay_in(&self, bulk: &mut BulkStream) -> Result<Left, ChannelEnd> {
        // Made once: a turn of the loop costs what is registered anew in it.
        let (closed, ending) = (self.closed.cancelled(), self.connection.ending());
        tokio::pin!(closed, ending);
        loop {
            let item = tokio::select! {
                biased;
                () = &mut closed => None,
                // Whoever is being cut types no more; what is said to her still has to pass.
                () = &mut ending => {
                    self.closed.cancelled().await;
                    None
                }
                held = self.files_held() => {
                    self.pass_in(bulk, held).await?;
                    continue;
                }
                item = self.client.inbox.recv() => item,
            };
            if let Some(Item::Data(_, data)) = &item {
                fault("channel", || data);
            }
            match item {
                Some(Item::Data(_, data)) if self.is_terminal() => self.typed(data).await?,
                Some(Item::Data(_, data)) => self.data_in(bulk, data).await?,
                Some(Item::Request(request)) => self.request(request).await?,
                Some(Item::Eof) => {
                    self.files_in_ended();
                    self.unread_in(bulk).await?;
                    self.connection.tape.write(
                        &[Record::Eof {
                            channel: self.number,
                            from_client: true,
                        }],
                        0,
                    )?;
                    self.end_input().await?;
                }
                Some(Item::Close) => return Ok(Left::Closed),
                None => return Ok(Left::Gone),
                // Only targets send these; from a client they never reach an inbox.
                Some(Item::Answer(_) | Item::ExitStatus(_) | Item::ExitSignal { .. }) => {}
            }
        }
    }

    /// Tells the target once that nothing more comes.
    async fn end_input(&self) -> Result<(), ChannelEnd> {
        if self.first_eof() {
            self.target.write.eof().await?;
        }
        Ok(())
    }

    pub(super) async fn log_digest(&self, bulk: BulkStream) -> Result<(), ChannelEnd> {
        let stream = bulk.stream().as_str().to_owned();
        if let Some((bytes, sha256)) = bulk.finish(&self.connection.tape)? {
            self.connection
                .log(Event::BulkDigest {
                    channel: self.number,
                    stream,
                    bytes,
                    sha256,
                })
                .await?;
        }
        Ok(())
    }

    /// Keystrokes. While the gate is shut they are discarded, never queued (law 5).
    async fn typed(&self, data: Bytes) -> Result<(), ChannelEnd> {
        let bytes = data.len();
        let connection = &self.connection;
        connection.touch();
        if connection.is_extendable() && &data[..] == EXTEND_KEY {
            connection.extend_key().await;
        } else if let Some(_inside) = connection.gate.enter() {
            self.terminal.typed(&connection.tape, self.number, &data)?;
            self.count_in(bytes);
            // A target that does not read holds the bytes up; a lock discards them.
            let mut data = data;
            self.passage()
                .pass(&self.target.write, None, &mut data)
                .await?;
        }
        self.client.release(bytes);
        Ok(())
    }

    /// Input of a channel without a terminal: read, if it carries files.
    async fn data_in(&self, bulk: &mut BulkStream, data: Bytes) -> Result<(), ChannelEnd> {
        self.connection.touch();
        let unread = match self.reading() {
            Some(files) => self.files_in(files, data).await?,
            None => Some(data),
        };
        self.unread_in(bulk).await?;
        match unread {
            Some(data) => self.bulk_in(bulk, data).await,
            None => Ok(()),
        }
    }

    /// What was held back for reading, and is not to be read after all.
    async fn unread_in(&self, bulk: &mut BulkStream) -> Result<(), ChannelEnd> {
        match self.files_take_held() {
            Some(held) => self.pass_in(bulk, held).await,
            None => Ok(()),
        }
    }

    /// Bulk input. While the gate is shut it stands still: the client's window stays closed.
    async fn bulk_in(&self, bulk: &mut BulkStream, data: Bytes) -> Result<(), ChannelEnd> {
        let bytes = data.len();
        self.pass_in(bulk, data).await?;
        self.client.release(bytes);
        Ok(())
    }

    async fn pass_in(&self, bulk: &mut BulkStream, data: Bytes) -> Result<(), ChannelEnd> {
        let Some(inside) = self.enter_gate().await else {
            return Ok(());
        };
        let behind = self.client.inbox.queued(Stream::Main);
        bulk.write(&self.connection.tape, &data, behind)?;
        self.count_in(data.len());
        self.passage()
            .pass_bulk(inside, &self.target.write, None, data)
            .await?;
        Ok(())
    }

    async fn request(&self, request: Request) -> Result<(), ChannelEnd> {
        if self.unanswered() >= MAX_UNANSWERED {
            // The client wants no answers and the target gives none: between the two it would grow.
            return Err(russh::Error::Disconnect.into());
        }
        self.connection.touch();
        match request {
            Request::Resize([cols, rows, width, height]) => {
                let (c, r) = self.terminal.set_size(None, cols, rows);
                let resize = Record::Resize {
                    channel: self.number,
                    cols: c,
                    rows: r,
                };
                self.connection.tape.write(&[resize], 0)?;
                self.target
                    .write
                    .window_change(cols, rows, width, height)
                    .await?;
            }
            Request::Signal(signal) => self.signal(signal).await?,
            // Nobody need be allowed to hear less.
            Request::EndOfWrite => self.target.write.end_of_write().await?,
            Request::Unknown => self.answer_no().await,
            // Whoever is locked starts nothing new.
            _ if self.connection.gate.is_shut() => {
                self.refuse(
                    "a new request",
                    &Refusal::NotEnterable {
                        status: "locked".to_owned(),
                    },
                )
                .await?;
            }
            Request::Pty {
                term,
                size: [cols, rows, width, height],
                modes,
            } => {
                let (c, r) = self.terminal.set_size(Some(&term), cols, rows);
                self.set_terminal(true);
                let (channel, logged) = (self.number, term.clone());
                self.connection
                    .log(Event::Pty {
                        channel,
                        term: logged,
                        cols: c.into(),
                        rows: r.into(),
                    })
                    .await?;
                self.ask(Asked::Pty);
                self.target
                    .write
                    .request_pty(true, &term, cols, rows, width, height, &modes)
                    .await?;
            }
            Request::Env(name, value) => {
                self.ask(Asked::Env(name.clone()));
                self.target.write.set_env(true, name, value).await?;
            }
            Request::Start(start) => self.begin(start).await?,
            Request::Hand(handed) => self.hand_on(handed).await?,
            Request::Refused(what) => self.refuse(what, &Refusal::NotOffered { what }).await?,
        }
        Ok(())
    }

    /// The channel gets its purpose, if the permit has the right.
    async fn begin(&self, start: Start) -> Result<(), ChannelEnd> {
        let granted = self.connection.right(start.right());
        let (granted, reader) = match granted.and_then(|it| Ok((it, self.reader(&start)?))) {
            Ok(granted) => granted,
            Err(refusal) => {
                self.log_refusal(&start.on_tape(), &refusal).await?;
                // With a mere CHANNEL_FAILURE clients say that something failed, but not why.
                let told = refused::tell(&self.client, &refusal);
                let _ = self.closed.run_until_cancelled(told).await;
                self.closed.cancel();
                return Ok(());
            }
        };
        self.record_start(granted, &start)?;
        if let Some(reader) = reader {
            self.carries_files(reader);
        }
        match start {
            Start::Shell => self.target.write.request_shell(true).await?,
            Start::Exec(command) => self.target.write.exec(true, command).await?,
            Start::Subsystem(name) => self.target.write.request_subsystem(true, name).await?,
        }
        Ok(())
    }

    /// On the tape now, in the log once the target has answered.
    fn record_start(&self, granted: Granted, start: &Start) -> Result<(), ChannelEnd> {
        let pty = self.terminal.size();
        let opened = Record::ChannelOpened {
            channel: self.number,
            what: &start.on_tape(),
            pty: pty
                .as_ref()
                .map(|(term, cols, rows)| (term.as_str(), *cols, *rows)),
        };
        self.connection.tape.write(&[opened], 0)?;
        self.ask(Asked::Start(granted, start.detail()));
        Ok(())
    }

    async fn signal(&self, signal: Sig) -> Result<(), ChannelEnd> {
        // A signal is input.
        if self.connection.gate.is_shut() {
            return Ok(());
        }
        let name = signal_name(&signal).to_owned();
        self.connection
            .log(Event::Signal {
                channel: self.number,
                name,
            })
            .await?;
        self.target.write.signal(signal).await?;
        Ok(())
    }

    /// Says no to something that starts nothing.
    pub(super) async fn refuse(&self, what: &str, refusal: &Refusal) -> Result<(), ChannelEnd> {
        self.log_refusal(what, refusal).await?;
        self.answer_no().await;
        Ok(())
    }

    async fn log_refusal(&self, what: &str, refusal: &Refusal) -> Result<(), ChannelEnd> {
        let (what, why) = (what.to_owned(), refusal.to_string());
        self.connection
            .log(Event::RightRefused { what, why })
            .await?;
        Ok(())
    }
}

/// The name of a signal without `SIG` (RFC 4254 section 6.10).
pub fn signal_name(signal: &Sig) -> &str {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => name,
    }
}
