//! One leg of a connection: whole PDUs in, bytes out.

use std::io;

use bytes::BytesMut;
use ironrdp_core::{DecodeError, EncodeError};
use sallyport_dissect::rdp::{Malformed, frame, mcs};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is read at once.
const READ: usize = 64 << 10;

/// What ends a leg.
#[derive(Debug, thiserror::Error)]
pub enum LegError {
    /// The network, or TLS.
    #[error("{}", crate::notice::io_words(.0))]
    Io(#[from] io::Error),
    /// The peer closed it where something had to come.
    #[error("it closed the connection {0}")]
    Closed(&'static str),
    /// What came is not RDP.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// What came is not what has to come now.
    #[error("{what}: {why}")]
    Unexpected {
        /// In which step.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
}

impl LegError {
    /// In a step of a handshake something else came than had to.
    pub fn unexpected(what: &'static str, why: impl ToString) -> Self {
        Self::Unexpected {
            what,
            why: why.to_string(),
        }
    }

    /// A PDU of a handshake could not be read.
    pub fn undecodable(what: &'static str) -> impl FnOnce(DecodeError) -> Self {
        move |error| Self::unexpected(what, error)
    }

    /// A PDU of ours could not be written: a mistake of ours, or a name too long for the protocol.
    pub fn unencodable(what: &'static str) -> impl FnOnce(EncodeError) -> Self {
        move |error| Self::unexpected(what, error)
    }
}

/// A stream of PDUs, with what was read of it and not yet taken.
pub struct Leg<S> {
    /// The stream below.
    pub stream: S,
    /// Read ahead.
    pub buffer: BytesMut,
}

impl<S> Leg<S> {
    /// Of a stream of which nothing was read.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> Leg<S> {
    /// Reads more; answers whether anything came.
    pub async fn fill(&mut self) -> io::Result<bool> {
        fill(&mut self.stream, &mut self.buffer).await
    }

    /// The next whole PDU. `step` says in which step of the handshake it is awaited.
    pub async fn frame(&mut self, step: &'static str) -> Result<BytesMut, LegError> {
        let len = self.await_frame(step).await?;
        Ok(self.buffer.split_to(len))
    }

    /// Waits until the next PDU is there as a whole, and leaves it there; answers its length.
    pub async fn await_frame(&mut self, step: &'static str) -> Result<usize, LegError> {
        loop {
            if let Some(frame) = frame::next(&self.buffer)?
                && frame.len <= self.buffer.len()
            {
                return Ok(frame.len);
            }
            if !self.fill().await? {
                return Err(LegError::Closed(step));
            }
        }
    }

    /// The next data of the I/O channel or any other: what is in it, and in which channel it came.
    pub async fn data(&mut self, step: &'static str) -> Result<(u16, BytesMut), LegError> {
        let mut frame = self.frame(step).await?;
        match mcs::parse(&frame)? {
            mcs::DomainPdu::Data(data) => {
                let channel = data.channel;
                Ok((channel, frame.split_off(data.data.start)))
            }
            mcs::DomainPdu::Ultimatum => Err(LegError::Closed(step)),
            mcs::DomainPdu::Other(choice) => {
                let why = format!("an MCS PDU of kind {choice}");
                Err(LegError::unexpected(step, why))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Leg<S> {
    /// Sends it, and does not return before it is on its way.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

/// Reads more into the buffer; answers whether anything came.
pub async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<bool> {
    buffer.reserve(READ);
    Ok(stream.read_buf(buffer).await? > 0)
}
