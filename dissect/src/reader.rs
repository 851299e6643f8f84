//! The one reader of a channel that carries files.

use bytes::Bytes;

use crate::fact::{Allowed, Direction, Fact, Malformed};
use crate::rsync::Rsync;
use crate::scp::{Command, Scp};
use crate::sftp::Sftp;
use crate::shell;

/// A channel that carries files, by its protocol.
#[derive(Debug)]
pub enum Reader {
    /// SFTP.
    Sftp(Box<Sftp>),
    /// The legacy scp protocol.
    Scp(Box<Scp>),
    /// rsync.
    Rsync(Box<Rsync>),
}

/// What becomes of a chunk.
#[derive(Debug, Default)]
pub struct Passing {
    /// These bytes go on, in this order.
    pub pieces: Vec<Bytes>,
    /// These are to be recorded before they do.
    pub facts: Vec<Fact>,
}

impl Reader {
    /// The reader for an SFTP subsystem.
    pub fn sftp() -> Self {
        Self::Sftp(Box::default())
    }

    /// The reader for a command, if it is one that carries files.
    pub fn of_command(command: &[u8]) -> Option<Self> {
        let words = shell::words(command)?;
        if words.first().map(|word| shell::program(word)) == Some(b"sftp-server") {
            return Some(Self::sftp());
        }
        if let Some(command) = Command::of(&words) {
            return Some(Self::Scp(Box::new(Scp::new(command))));
        }
        Rsync::of_command(&words).map(|rsync| Self::Rsync(Box::new(rsync)))
    }

    /// Can it not even begin without this direction?
    pub fn needs(&self, direction: Direction) -> bool {
        match self {
            // Each request is decided on by itself.
            Self::Sftp(_) => false,
            Self::Scp(scp) => scp.direction() == direction,
            Self::Rsync(rsync) => rsync.needs(direction),
        }
    }

    /// The time that facts tell from now on, on the clock of the caller.
    pub fn set_time(&mut self, now: u64) {
        match self {
            Self::Sftp(sftp) => sftp.now = now,
            Self::Scp(scp) => scp.now = now,
            Self::Rsync(_) => {}
        }
    }

    /// Bytes from the client.
    ///
    /// # Errors
    /// [`Malformed`]: the channel has to end, and nothing of `data` may go on.
    pub fn client_sent(&mut self, data: Bytes, allowed: Allowed) -> Result<Passing, Malformed> {
        let mut passing = Passing::default();
        let Passing { pieces, facts } = &mut passing;
        match self {
            Self::Sftp(sftp) => sftp.client_sent(&data, allowed, pieces, facts)?,
            Self::Scp(scp) => scp.sent(Direction::Upload, &data, facts)?,
            Self::Rsync(rsync) => rsync.sent(Direction::Upload, &data),
        }
        if !matches!(self, Self::Sftp(_)) {
            pieces.push(data);
        }
        Ok(passing)
    }

    /// Bytes from the target.
    ///
    /// # Errors
    /// [`Malformed`]: the channel has to end, and nothing of `data` may go on.
    pub fn target_sent(&mut self, data: Bytes) -> Result<Passing, Malformed> {
        let mut passing = Passing::default();
        let Passing { pieces, facts } = &mut passing;
        match self {
            Self::Sftp(sftp) => sftp.target_sent(&data, pieces, facts)?,
            Self::Scp(scp) => scp.sent(Direction::Download, &data, facts)?,
            Self::Rsync(rsync) => rsync.sent(Direction::Download, &data),
        }
        if !matches!(self, Self::Sftp(_)) {
            pieces.push(data);
        }
        Ok(passing)
    }

    /// Answers of ours for the client, if they may go now.
    pub fn take_ours(&mut self) -> Option<Bytes> {
        match self {
            Self::Sftp(sftp) => sftp.take_ours(),
            Self::Scp(_) | Self::Rsync(_) => None,
        }
    }

    /// If the protocol was not even begun: what was held back of the client's bytes. From then on
    /// the channel is no longer read.
    pub fn give_up(&mut self) -> Option<Bytes> {
        match self {
            Self::Sftp(sftp) => sftp.give_up(),
            Self::Scp(scp) => scp.is_foreign().then(Bytes::new),
            Self::Rsync(_) => None,
        }
    }

    /// The client sends nothing more. If it has not even begun the protocol: as [`Self::give_up`].
    pub fn client_ended(&mut self) -> Option<Bytes> {
        match self {
            Self::Sftp(sftp) => sftp.client_ended(),
            Self::Scp(_) | Self::Rsync(_) => None,
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        match self {
            Self::Sftp(sftp) => sftp.finish(&mut facts),
            Self::Scp(scp) => scp.finish(&mut facts),
            Self::Rsync(rsync) => rsync.finish(&mut facts),
        }
        facts
    }
}
