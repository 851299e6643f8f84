//! From the target to the client: bytes are on the tape first; a shut gate keeps them from the user.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sallyport_domain::event::Event;
use sallyport_recorder::{Record, Screen, Stream as TapeStream};
use tokio::sync::broadcast::error::RecvError;

use super::bulk::BulkStream;
use super::channel::{Asked, Channel, ChannelEnd};
use super::flood::Flood;
use super::inbound::{STDERR, signal_name};
use super::inbox::{Item, Stream};
use super::refused;
use crate::gate::GateState;
use crate::notice;

/// How long a target may take to say how its program ended, once the client has left the channel.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The two bulk streams of a channel without a terminal.
struct Bulk {
    out: BulkStream,
    err: BulkStream,
}

/// Done, or more to come?
#[derive(PartialEq, Eq)]
enum Flow {
    More,
    Done,
}

/// Resolves after a time; never without one.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The number of a stream on the wire; standard output has none.
fn ext(stream: Stream) -> Option<u32> {
    match stream {
        Stream::Main => None,
        Stream::Stderr => Some(STDERR),
    }
}

impl Channel {
    /// Relays from the target until it closes the channel or its leg is gone.
    pub(super) async fn pump_out(&self) -> Result<(), ChannelEnd> {
        let mut bulk = Bulk {
            out: BulkStream::new(self.number, TapeStream::Out),
            err: BulkStream::new(self.number, TapeStream::Err),
        };
        let result = self.relay_out(&mut bulk).await;
        self.closed.cancel();
        result?;
        self.terminal.flush(&self.connection.tape, self.number)?;
        self.log_digest(bulk.out).await?;
        self.log_digest(bulk.err).await
    }

    async fn relay_out(&self, bulk: &mut Bulk) -> Result<(), ChannelEnd> {
        let connection = self.connection.clone();
        // Once the client has closed the channel, the target has this long to say how it ended.
        let last_words = async {
            self.client_closed.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        // Made once: a turn of the loop costs what is registered anew in it.
        let closed = self.closed.cancelled();
        tokio::pin!(last_words, closed);
        let mut gate = connection.gate.watch();
        let mut notices = connection.notices();
        let mut flood = Flood::new();
        loop {
            // A transfer stands still behind a shut gate; a terminal's output is read on, to the tape.
            let standing = gate.borrow().is_shut() && !self.is_terminal();
            let reads = (!standing || self.client_closed.is_cancelled()) && !connection.is_ending();
            let flush_in = self.terminal.flush_in();
            tokio::select! {
                biased;
                () = &mut closed => return Ok(()),
                () = &mut last_words => return Ok(()),
                changed = gate.changed() => {
                    if changed.is_ok() && self.is_terminal() {
                        let state = gate.borrow_and_update().clone();
                        self.paint(state).await?;
                    }
                }
                text = notices.recv() => match text {
                    Ok(text) => self.show(&text).await?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = flood.rest(), if flood.is_resting() => {}
                item = self.target.inbox.recv(), if reads && !flood.is_resting() => {
                    let Some(item) = item else { return Ok(()) };
                    if let Item::Data(stream, data) = &item && self.is_terminal() {
                        flood.passed(data.len(), self.target.inbox.queued(*stream));
                    }
                    if self.forward(bulk, item).await? == Flow::Done {
                        return Ok(());
                    }
                }
                files = self.files_have_ours(), if reads => self.files_ours(files).await?,
                () = after(flush_in) => {
                    self.terminal.flush(&connection.tape, self.number)?;
                }
            }
        }
    }

    async fn forward(&self, bulk: &mut Bulk, item: Item) -> Result<Flow, ChannelEnd> {
        let (handle, id) = (&self.client.handle, self.client.id);
        match item {
            Item::Data(stream, data) => {
                let bytes = data.len();
                if self.client_closed.is_cancelled() {
                    // Nobody takes it any more.
                } else if self.is_terminal() {
                    self.show_output(stream, data).await?;
                } else {
                    let unread = match (stream, self.reading()) {
                        (Stream::Main, Some(files)) => self.files_out(files, data).await?,
                        (Stream::Main | Stream::Stderr, _) => Some(data),
                    };
                    if let Some(data) = unread {
                        self.bulk_out(bulk, stream, data).await?;
                    }
                }
                self.target.release(bytes);
            }
            Item::Answer(accepted) => self.answer(accepted).await?,
            Item::ExitStatus(status) => {
                self.exited(Some(status), None).await?;
                let _ = handle.exit_status_request(id, status).await;
            }
            Item::ExitSignal {
                signal,
                core_dumped,
                message,
                language,
            } => {
                self.exited(None, Some(signal_name(&signal).to_owned()))
                    .await?;
                let _ = handle
                    .exit_signal_request(id, signal, core_dumped, message, language)
                    .await;
            }
            Item::Eof => {
                self.connection.tape.write(
                    &[Record::Eof {
                        channel: self.number,
                        from_client: false,
                    }],
                    0,
                )?;
                let _ = handle.eof(id).await;
            }
            Item::Close => return Ok(Flow::Done),
            // Only clients send these.
            Item::Request(_) => {}
        }
        Ok(Flow::More)
    }

    /// A terminal's output: always to the tape, to the user only while the gate is open.
    async fn show_output(&self, stream: Stream, data: Bytes) -> Result<(), ChannelEnd> {
        let connection = &self.connection;
        self.terminal.shown(
            &connection.tape,
            self.number,
            stream == Stream::Stderr,
            &data,
        )?;
        if let Some(_inside) = connection.gate.enter() {
            self.count_out(data.len());
            connection.count_update();
            // What a lock cuts off here is repainted from the tape when it is lifted.
            let mut data = data;
            self.passage()
                .pass(&self.client.write, ext(stream), &mut data)
                .await?;
        }
        Ok(())
    }

    async fn bulk_out(
        &self,
        bulk: &mut Bulk,
        stream: Stream,
        data: Bytes,
    ) -> Result<(), ChannelEnd> {
        let Some(inside) = self.enter_gate().await else {
            return Ok(());
        };
        let recorded = match stream {
            Stream::Main => &mut bulk.out,
            Stream::Stderr => &mut bulk.err,
        };
        let behind = self.target.inbox.queued(stream);
        recorded.write(&self.connection.tape, &data, behind)?;
        self.count_out(data.len());
        let write = &self.client.write;
        self.passage()
            .pass_bulk(inside, write, ext(stream), data)
            .await?;
        Ok(())
    }

    /// The target's true answer, to the client and into the log.
    async fn answer(&self, accepted: bool) -> Result<(), ChannelEnd> {
        let channel = self.number;
        let asked = self.answered();
        let starts = matches!(asked, Some(Asked::Start(..)));
        match asked {
            Some(Asked::Pty) => {
                if !accepted {
                    self.set_terminal(false);
                }
            }
            Some(Asked::Start(granted, detail)) => {
                self.connection
                    .log(Event::RightUsed {
                        channel,
                        right: granted.right(),
                        detail,
                        accepted,
                    })
                    .await?;
            }
            Some(Asked::Env(name)) => {
                self.connection
                    .log(Event::Env {
                        channel,
                        name,
                        accepted,
                    })
                    .await?
            }
            Some(Asked::Service(granted, service)) => {
                self.target.leg.expected.set(service, accepted);
                let right = granted.right();
                let detail = String::new();
                self.connection
                    .log(Event::RightUsed {
                        channel,
                        right,
                        detail,
                        accepted,
                    })
                    .await?;
            }
            // The target answers what nobody asked.
            Some(Asked::Refused | Asked::Answering) | None => return Ok(()),
        }
        let heard = self.client.answer(accepted).await;
        while self.settled() {
            self.client.answer(false).await;
        }
        match (starts, accepted) {
            (true, false) if !heard => {
                // She was promised what the target now refuses.
                let told = refused::say(&self.client, "the target refused to start it");
                let _ = self.closed.run_until_cancelled(told).await;
                self.closed.cancel();
            }
            (true, true) if self.is_terminal() => {
                for text in self.connection.unsaid() {
                    self.show(&text).await?;
                }
            }
            (_, _) => {}
        }
        Ok(())
    }

    async fn exited(&self, status: Option<u32>, signal: Option<String>) -> Result<(), ChannelEnd> {
        let channel = self.number;
        self.connection.tape.write(
            &[Record::Exit {
                channel,
                status,
                signal: signal.as_deref(),
            }],
            0,
        )?;
        self.connection
            .log(Event::Exit {
                channel,
                status,
                signal,
            })
            .await?;
        Ok(())
    }

    /// The gate moved: cover the screen, or bring it back from the tape.
    async fn paint(&self, state: GateState) -> Result<(), ChannelEnd> {
        let Some((_, cols, rows)) = self.terminal.size() else {
            return Ok(());
        };
        let picture = match state {
            GateState::Shut(page) => Screen::cover(&page.title, &page.message, cols, rows),
            GateState::Open => self.repaint(cols, rows).await,
        };
        tokio::select! {
            biased;
            sent = self.client.write.data_bytes(picture) => sent?,
            () = self.closed.cancelled() => {}
        }
        Ok(())
    }

    /// What the user would see had he never been locked. The tape holds all output shown so far.
    async fn repaint(&self, cols: u16, rows: u16) -> Vec<u8> {
        let mut picture = Screen::uncover();
        let Some(path) = self.connection.tape.path().cloned() else {
            // Nothing was recorded: the program on the target has to redraw.
            picture.extend_from_slice(b"\x1b[2J\x1b[H");
            return picture;
        };
        let number = self.number;
        let rebuilt =
            tokio::task::spawn_blocking(move || Screen::of_tape(&path, number, None)).await;
        match rebuilt {
            Ok(Ok(mut screen)) => {
                screen.resize(cols, rows);
                picture.extend(screen.repaint());
            }
            Ok(Err(error)) => tracing::warn!(%error, "the screen cannot be rebuilt from the tape"),
            Err(error) => tracing::error!(%error, "rebuilding the screen failed"),
        }
        picture
    }

    /// Shows a notice. Only terminals do: elsewhere it would end up in somebody's data.
    async fn show(&self, text: &Arc<str>) -> Result<(), ChannelEnd> {
        if !self.is_terminal() {
            return Ok(());
        }
        let painted = notice::in_terminal(text);
        tokio::select! {
            biased;
            sent = self.client.write.data_bytes(painted) => sent?,
            () = self.closed.cancelled() => {}
        }
        Ok(())
    }
}
