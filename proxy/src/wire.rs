//! A socket that can be cut from outside, whatever its owner is waiting for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A TCP stream with a kill switch.
///
/// After the switch is thrown every read and write fails at once, and dropping the stream resets
/// the connection, so that a peer that does not read is gone as fast as one that does.
pub struct Wire {
    tcp: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    switch: CancellationToken,
    pace: Pace,
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
        })
    }

    /// For watching how the peer takes what it is sent.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
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
        Pin::new(&mut self.tcp).poll_read(cx, buf)
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
