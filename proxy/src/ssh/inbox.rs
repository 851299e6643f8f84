//! What one side of a channel has sent and the other has not taken yet.
//!
//! A leg's loop puts items in and never waits; a pump takes them out. The bytes in it are bounded
//! by the channel's receive window, which re-opens only when the pump has handed them on
//! (RFC 4254 section 5.2); everything else is bounded in number, and a peer that exceeds that is
//! disconnected. Small packets are joined, so that a peer cannot spend our memory on overhead; large
//! ones are handed on as they are, without a copy.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use russh::{Pty, Sig};
use sallyport_domain::right::Right;
use tokio::sync::Notify;

use super::budget::{Budget, Window};
use super::forward::Handed;
use crate::notice::printable;

/// Which of a channel's two byte streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard input or output.
    Main,
    /// Standard error.
    Stderr,
}

/// What a side of a channel sends.
#[derive(Debug)]
pub enum Item {
    /// Bytes.
    Data(Stream, Bytes),
    /// No more bytes.
    Eof,
    /// The channel is over.
    Close,
    /// The client asks for something.
    Request(Request),
    /// The target answers the oldest request.
    Answer(bool),
    /// The remote program exited.
    ExitStatus(u32),
    /// The remote program was killed.
    ExitSignal {
        /// By which signal.
        signal: Sig,
        /// With a core file?
        core_dumped: bool,
        /// What the target says about it.
        message: String,
        /// In which language.
        language: String,
    },
}

/// What a client asks of a session channel (RFC 4254 section 6).
#[derive(Debug)]
pub enum Request {
    /// A pseudo-terminal.
    Pty {
        /// TERM.
        term: String,
        /// Columns, rows, and both in pixels.
        size: [u32; 4],
        /// Encoded terminal modes.
        modes: Vec<(Pty, u32)>,
    },
    /// The channel's purpose.
    Start(Start),
    /// An environment variable: name, value.
    Env(String, String),
    /// The terminal was resized: columns, rows, and both in pixels.
    Resize([u32; 4]),
    /// A signal for the remote program.
    Signal(Sig),
    /// Something of the client's own that the target may come back to.
    Hand(Handed),
    /// The client reads no more output: the program may as well end (`eow@openssh.com`).
    EndOfWrite,
    /// Something that is refused.
    Refused(&'static str),
    /// Something unknown, which clients ask to see whether it is known.
    Unknown,
}

/// What a session channel is for (RFC 4254 section 6.5).
#[derive(Debug)]
pub enum Start {
    /// A shell.
    Shell,
    /// A command.
    Exec(Vec<u8>),
    /// A subsystem.
    Subsystem(String),
}

impl Item {
    /// About how many bytes it takes to hold it, data aside.
    fn weight(&self) -> usize {
        const PLACE: usize = 64;
        let words = match self {
            Self::Request(request) => request.weight(),
            Self::ExitSignal {
                message, language, ..
            } => message.len() + language.len(),
            Self::Data(..) | Self::Eof | Self::Close | Self::Answer(_) | Self::ExitStatus(_) => 0,
        };
        PLACE + words
    }
}

impl Request {
    fn weight(&self) -> usize {
        match self {
            Self::Pty { term, modes, .. } => term.len() + modes.len() * size_of::<(Pty, u32)>(),
            Self::Start(Start::Exec(command)) => command.len(),
            Self::Start(Start::Subsystem(name)) => name.len(),
            Self::Env(name, value) => name.len() + value.len(),
            Self::Hand(handed) => handed.weight(),
            Self::Start(Start::Shell)
            | Self::Resize(_)
            | Self::Signal(_)
            | Self::EndOfWrite
            | Self::Refused(_)
            | Self::Unknown => 0,
        }
    }
}

impl Start {
    /// The right it needs.
    pub fn right(&self) -> Right {
        match self {
            Self::Shell => Right::Shell,
            // A subsystem is a program like any other, but for sftp, which has a right of its own.
            Self::Subsystem(name) if name == "sftp" => Right::Sftp,
            Self::Exec(_) | Self::Subsystem(_) => Right::Exec,
        }
    }

    /// Which command or subsystem, for people; empty for a shell.
    pub fn detail(&self) -> String {
        match self {
            Self::Shell => String::new(),
            Self::Exec(command) => printable(&String::from_utf8_lossy(command)),
            Self::Subsystem(name) => format!("subsystem {}", printable(name)),
        }
    }

    /// As it stands on the tape: `shell`, `exec COMMAND` or `subsystem NAME`.
    pub fn on_tape(&self) -> String {
        match self {
            Self::Shell => "shell".to_owned(),
            Self::Exec(_) => format!("exec {}", self.detail()),
            Self::Subsystem(_) => self.detail(),
        }
    }
}

/// The peer sent more than it may.
#[derive(Debug, thiserror::Error)]
#[error("too many requests outstanding on a channel")]
pub struct Overflow;

/// Requests and answers that may wait.
const MAX_ITEMS: usize = 512;
/// Environment variables a channel may ask for.
const MAX_ENV: usize = 256;
/// The same in bytes, names and values together: what Linux lets one variable have.
const MAX_ENV_BYTES: usize = 128 << 10;
/// Small packets are joined up to this many bytes.
const JOIN_BYTES: usize = 64 * 1024;
/// From this size on a packet is worth a place of its own.
const LARGE: usize = 8 * 1024;
/// Below this size a place of its own costs more than the bytes in it.
const TINY: usize = 256;

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Slot>,
    /// Bytes of both streams.
    main: usize,
    stderr: usize,
    closed: bool,
    /// Bytes of everything else.
    beside_data: usize,
    /// Environment variables asked for so far, and their bytes.
    environment: (usize, usize),
}

impl Queue {
    fn bytes(&mut self, stream: Stream) -> &mut usize {
        match stream {
            Stream::Main => &mut self.main,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

#[derive(Debug)]
enum Slot {
    /// Small packets, copied.
    Joined(Stream, BytesMut),
    /// A large packet, as it came.
    Packet(Stream, Bytes),
    Item(Item),
}

/// One direction of one channel, between a leg's loop and a pump.
#[derive(Debug, Default)]
pub struct Inbox {
    queue: Mutex<Queue>,
    filled: Notify,
    forward: AtomicBool,
    budget: Arc<Budget>,
    window: Window,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.let_go(queue.beside_data);
    }
}

impl Inbox {
    /// For a channel of the leg whose budget it is.
    pub fn within(budget: &Arc<Budget>) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            forward: AtomicBool::new(false),
            budget: budget.clone(),
            window: Window::new(budget.clone()),
        }
    }

    /// So many bytes of data were handed on, or dropped. By how many the sender's window is to be
    /// opened now.
    pub fn consumed(&self, bytes: usize) -> u32 {
        self.window.consumed(bytes)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while it was held cannot leave it half-changed: every change is one call.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes. Never waits; the window bounds them.
    pub fn push_data(&self, stream: Stream, data: &Bytes) -> Result<(), Overflow> {
        let mut queue = self.queue();
        if data.len() >= LARGE {
            queue.items.push_back(Slot::Packet(stream, data.clone()));
            *queue.bytes(stream) += data.len();
            drop(queue);
            self.filled.notify_one();
            return Ok(());
        }
        match queue.items.back_mut() {
            Some(Slot::Joined(last, bytes))
                if *last == stream && bytes.len() + data.len() <= JOIN_BYTES =>
            {
                bytes.extend_from_slice(data);
                *queue.bytes(stream) += data.len();
                return Ok(());
            }
            Some(_) | None => {}
        }
        // Alternating one-byte packets on two streams would not join: count slots as well.
        if queue.items.len() >= MAX_ITEMS && data.len() < TINY {
            return Err(Overflow);
        }
        queue
            .items
            .push_back(Slot::Joined(stream, BytesMut::from(&data[..])));
        *queue.bytes(stream) += data.len();
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds anything else. Never waits.
    pub fn push(&self, item: Item) -> Result<(), Overflow> {
        let weight = item.weight();
        let mut queue = self.queue();
        if queue.items.len() >= MAX_ITEMS {
            return Err(Overflow);
        }
        queue.beside_data += weight;
        if !self.budget.take_in(weight) {
            return Err(Overflow);
        }
        queue.items.push_back(Slot::Item(item));
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Something that was taken out is kept for later, as long as the channel lives. Is there room?
    pub fn keep(&self, item: &Item) -> bool {
        let weight = item.weight();
        self.queue().beside_data += weight;
        self.budget.take_in(weight)
    }

    /// Puts back what was taken out, oldest first, before everything else.
    pub fn put_back(&self, items: Vec<Item>) {
        let mut queue = self.queue();
        for item in items.into_iter().rev() {
            // It has been in here before: nobody is disconnected for it.
            let weight = item.weight();
            queue.beside_data += weight;
            self.budget.take_in(weight);
            queue.items.push_front(Slot::Item(item));
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// One more environment variable of so many bytes. Within what a channel may ask for?
    pub fn admits_env(&self, bytes: usize) -> bool {
        let mut queue = self.queue();
        let (count, total) = queue.environment;
        let (count, total) = (count + 1, total.saturating_add(bytes));
        if count > MAX_ENV || total > MAX_ENV_BYTES {
            return false;
        }
        queue.environment = (count, total);
        true
    }

    /// The leg or the channel is gone: after what is in it, [`Inbox::recv`] answers `None`.
    pub fn close(&self) {
        self.queue().closed = true;
        self.filled.notify_one();
    }

    /// It is a forward's, not a session's.
    pub fn set_forward(&self) {
        self.forward.store(true, Ordering::Relaxed);
    }

    /// A forward's, as opposed to a session's?
    pub fn is_forward(&self) -> bool {
        self.forward.load(Ordering::Relaxed)
    }

    /// Waits until it is closed. Not beside [`Inbox::recv`]: there is one waiter.
    pub async fn closed(&self) {
        while !self.is_closed() {
            self.filled.notified().await;
        }
    }

    /// Bytes of a stream that wait.
    pub fn queued(&self, stream: Stream) -> usize {
        *self.queue().bytes(stream)
    }

    /// Closed, by its leg or by the channel's end?
    pub fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// Takes the next item; `None` when the leg is gone. Cancel safe; one receiver only.
    pub async fn recv(&self) -> Option<Item> {
        loop {
            {
                let mut queue = self.queue();
                match queue.items.pop_front() {
                    Some(Slot::Joined(stream, bytes)) => {
                        *queue.bytes(stream) -= bytes.len();
                        return Some(Item::Data(stream, bytes.freeze()));
                    }
                    Some(Slot::Packet(stream, bytes)) => {
                        *queue.bytes(stream) -= bytes.len();
                        return Some(Item::Data(stream, bytes));
                    }
                    Some(Slot::Item(item)) => {
                        let weight = item.weight();
                        queue.beside_data -= weight;
                        self.budget.let_go(weight);
                        return Some(item);
                    }
                    None if queue.closed => return None,
                    None => {}
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_packets_are_joined_and_order_is_kept() {
        let inbox = Inbox::default();
        for _ in 0..1000 {
            inbox
                .push_data(Stream::Main, &Bytes::from_static(b"a"))
                .unwrap();
        }
        inbox
            .push_data(Stream::Stderr, &Bytes::from_static(b"e"))
            .unwrap();
        inbox.push(Item::Eof).unwrap();
        inbox.close();
        match inbox.recv().await {
            Some(Item::Data(Stream::Main, data)) => assert_eq!(data.len(), 1000),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            inbox.recv().await,
            Some(Item::Data(Stream::Stderr, _))
        ));
        assert!(matches!(inbox.recv().await, Some(Item::Eof)));
        assert!(inbox.recv().await.is_none());
    }

    #[test]
    fn a_flood_of_requests_overflows() {
        let inbox = Inbox::default();
        for _ in 0..MAX_ITEMS {
            inbox
                .push(Item::Request(Request::Start(Start::Shell)))
                .unwrap();
        }
        assert!(inbox.push(Item::Eof).is_err());
    }

    #[test]
    fn large_requests_overflow_a_leg_and_not_each_channel() {
        let budget = Arc::<Budget>::default();
        let inboxes: Vec<_> = (0..100).map(|_| Inbox::within(&budget)).collect();
        let command = || Item::Request(Request::Start(Start::Exec(vec![b'x'; 200_000])));
        let taken = |inboxes: &[Inbox]| {
            let taken = inboxes
                .iter()
                .take_while(|inbox| inbox.push(command()).is_ok());
            taken.count()
        };
        assert_eq!(taken(&inboxes), (4 << 20) / 200_064);
        // What is dropped or taken out is given back.
        drop(inboxes);
        let inbox = Inbox::within(&budget);
        for _ in 0..1000 {
            inbox.push(command()).unwrap();
            assert!(futures::FutureExt::now_or_never(inbox.recv()).is_some());
        }
    }

    #[test]
    fn the_environment_is_bounded_in_number_and_in_bytes() {
        let many = Inbox::default();
        assert_eq!((0..1000).filter(|_| many.admits_env(8)).count(), MAX_ENV);
        let large = Inbox::default();
        assert!(large.admits_env(MAX_ENV_BYTES));
        assert!(!large.admits_env(1));
        assert!(!Inbox::default().admits_env(usize::MAX));
    }

    #[test]
    fn a_flood_of_tiny_packets_on_two_streams_overflows() {
        let inbox = Inbox::default();
        let refused = (0..10 * MAX_ITEMS)
            .map(|n| {
                if n % 2 == 0 {
                    Stream::Main
                } else {
                    Stream::Stderr
                }
            })
            .any(|stream| inbox.push_data(stream, &Bytes::from_static(b"x")).is_err());
        assert!(refused);
    }
}
