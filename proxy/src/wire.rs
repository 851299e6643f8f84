//! A socket that can be cut from outside, whatever its owner is waiting for.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::meter::INTERVAL;
use crate::round_trip::RoundTrip;

/// A TCP stream with a kill switch.
///
/// After the switch is thrown every read and write fails at once, and dropping the stream resets
/// the connection, so that a peer that does not read is gone as fast as one that does.
pub struct Wire {
    tcp: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    switch: CancellationToken,
    pace: Pace,
    round_trip: RoundTrip,
    /// When that was read.
    measured: Option<Instant>,
    ahead: Ahead,
    /// Reads that are still acknowledged at once.
    quick: u8,
}

/// So many reads are acknowledged at once: those of key exchange and authentication.
///
/// OpenSSH leaves Nagle's algorithm on until its session starts. It sends KEXINIT, then the first
/// message of the key exchange; to the former nobody has anything to answer, so the kernel delays
/// its acknowledgement by 40 ms, and the latter waits for that.
const QUICK: u8 = 40;

/// Bytes read ahead of who asks for them. SSH packets are asked for in two parts, the length and
/// the rest; taken one by one they would cost two or three system calls each, however small.
#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
}

/// How much is read ahead; a waiting connection holds nothing.
const AHEAD: usize = 16 << 10;

impl Ahead {
    fn is_empty(&self) -> bool {
        self.taken == self.filled
    }

    /// Moves what is there to `buf`, as far as it fits.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = buf.remaining().min(self.filled - self.taken);
        buf.put_slice(&self.bytes[self.taken..self.taken + count]);
        self.taken += count;
    }

    /// Room for more, with nothing in it.
    fn clear(&mut self) -> &mut [u8] {
        (self.taken, self.filled) = (0, 0);
        self.bytes.resize(AHEAD, 0);
        &mut self.bytes
    }
}

/// When the peer last took something.
#[derive(Debug, Clone)]
pub struct Pace {
    zero: Instant,
    /// Milliseconds after `zero`.
    last: Arc<AtomicU64>,
}

impl Pace {
    /// Of a peer that takes something from now on.
    pub fn new() -> Self {
        Self {
            zero: Instant::now(),
            last: Arc::default(),
        }
    }

    /// It took something.
    pub fn took(&self) {
        let now = u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// For how long the peer has taken nothing.
    pub fn idle_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.zero.elapsed().saturating_sub(last)
    }
}

impl Wire {
    /// Wraps `tcp`; `switch` is its kill switch. Sets TCP_NODELAY: SSH packets are whole messages.
    pub fn new(tcp: TcpStream, switch: CancellationToken) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            cut: Box::pin(switch.clone().cancelled_owned()),
            switch,
            pace: Pace::new(),
            round_trip: RoundTrip::default(),
            measured: None,
            ahead: Ahead::default(),
            quick: QUICK,
        })
    }

    /// Reads the round trip: now and then, and only while something passes, as without that it does not change.
    fn measure(&mut self) {
        let now = Instant::now();
        let since = |at| now.saturating_duration_since(at);
        if self.measured.is_none_or(|at| since(at) >= INTERVAL) {
            self.measured = Some(now);
            self.round_trip.read(&self.tcp);
        }
    }

    fn acknowledge(&mut self) {
        if let Some(left) = self.quick.checked_sub(1) {
            self.quick = left;
            // Holds until we send something, so it is said again after each read.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.tcp, true);
        }
    }

    /// Reads from the socket: a small piece by way of what is read ahead, a large one in place,
    /// with the beginning of what follows.
    fn poll_socket(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Before room is made: mostly there is nothing to read.
        ready!(self.tcp.poll_read_ready(cx))?;
        if buf.remaining() < AHEAD {
            let mut ahead = ReadBuf::new(self.ahead.clear());
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut ahead))?;
            self.ahead.filled = ahead.filled().len();
            self.ahead.give(buf);
            self.acknowledge();
            self.measure();
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            let here = buf.initialize_unfilled();
            let room = here.len();
            let mut parts = [IoSliceMut::new(here), IoSliceMut::new(self.ahead.clear())];
            match self.tcp.try_read_vectored(&mut parts) {
                Ok(count) => {
                    buf.advance(count.min(room));
                    self.ahead.filled = count.saturating_sub(room);
                    self.acknowledge();
                    self.measure();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Has the system find out whether the peer is still there, for protocols that do not ask themselves: it is asked after
    /// so long a silence, and given up when it has taken nothing for three times that.
    pub fn probe(&self, silence: Duration) {
        use rustix::net::sockopt;
        let patience = u32::try_from(silence.as_millis().saturating_mul(3)).unwrap_or(u32::MAX);
        let set = sockopt::set_socket_keepalive(&self.tcp, true)
            .and_then(|()| sockopt::set_tcp_keepidle(&self.tcp, silence))
            .and_then(|()| sockopt::set_tcp_keepintvl(&self.tcp, silence))
            .and_then(|()| sockopt::set_tcp_user_timeout(&self.tcp, patience));
        if let Err(error) = set {
            tracing::debug!(%error, "a lost peer will be noticed late");
        }
    }

    /// For watching how the peer takes what it is sent.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// How far away the peer is.
    pub fn round_trip(&self) -> RoundTrip {
        self.round_trip.clone()
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // Both halves are polled by one task (the leg's loop), so one registered waker is enough.
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "connection cut",
            )),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.switch.is_cancelled() {
            // Unsent bytes must not keep the connection alive: reset instead of lingering.
            let _ =
                rustix::net::sockopt::set_socket_linger(&self.tcp, Some(std::time::Duration::ZERO));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        if self.ahead.is_empty() {
            let read = self.poll_socket(cx, buf);
            if read.is_pending() && self.ahead.bytes.capacity() > 0 {
                // It may wait for hours.
                self.ahead = Ahead::default();
            }
            return read;
        }
        self.ahead.give(buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pace.took();
            self.measure();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
