//! A channel as a stream of bytes: what an SSH connection inside another one runs on.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use russh::server::{Handle, Msg};
use russh::{ChannelId, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture, WaitForCancellationFutureOwned};

use super::inbox::{Inbox, Item, Stream};
use crate::wire::Pace;

/// Both directions of a client's channel.
///
/// What was read opens the client's window again, so a reader that stands still holds at most one
/// window of bytes; a writer waits for the client's window. The end of writing is an EOF: the
/// channel itself is closed by whoever made the stream. After the kill switch is thrown every read
/// and write fails at once.
pub struct ChannelStream {
    id: ChannelId,
    handle: Handle,
    inbox: Arc<Inbox>,
    next: ReusableBoxFuture<'static, Option<Item>>,
    unread: Bytes,
    ended: bool,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    pace: Pace,
}

impl ChannelStream {
    /// The stream of a channel whose data goes into `inbox`.
    pub fn new(
        handle: Handle,
        write: &ChannelWriteHalf<Msg>,
        inbox: Arc<Inbox>,
        switch: CancellationToken,
    ) -> Self {
        Self {
            id: write.id(),
            handle,
            next: ReusableBoxFuture::new(receive(inbox.clone())),
            inbox,
            unread: Bytes::new(),
            ended: false,
            writer: Box::pin(write.make_writer()),
            cut: Box::pin(switch.cancelled_owned()),
            pace: Pace::new(),
        }
    }

    /// For watching how the client takes what it is sent.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // Both halves are polled by one task (the leg's loop), so one registered waker is enough.
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn release(&self, bytes: usize) {
        let open = self.inbox.consumed(bytes);
        if open > 0 {
            self.handle.release_window(self.id, open);
        }
    }
}

async fn receive(inbox: Arc<Inbox>) -> Option<Item> {
    inbox.recv().await
}

impl AsyncRead for ChannelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        while self.unread.is_empty() && !self.ended {
            let item = ready!(self.next.poll(cx));
            let inbox = self.inbox.clone();
            self.next.set(receive(inbox));
            match item {
                Some(Item::Data(Stream::Main, data)) => self.unread = data,
                // A raw channel has no second stream; what is not taken must not close its window.
                Some(Item::Data(Stream::Stderr, data)) => self.release(data.len()),
                Some(Item::Eof | Item::Close) | None => self.ended = true,
                // Nothing may be asked of a raw channel.
                Some(Item::Request(_)) => {}
                // Only targets send these.
                Some(Item::Answer(_) | Item::ExitStatus(_) | Item::ExitSignal { .. }) => {}
            }
        }
        let bytes = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..bytes]);
        self.unread.advance(bytes);
        self.release(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ChannelStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = self.writer.as_mut().poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pace.took();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}
