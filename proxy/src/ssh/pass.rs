//! Handing bytes on to a leg, packet by packet, so that a lock stops them where they are.

use bytes::Bytes;
use russh::{ChannelId, ChannelMsg, ChannelWriteHalf};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::gate::Inside;

/// How far handing on got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// All of it.
    All,
    /// The gate was shut; the rest is still there.
    Shut,
    /// Nobody takes it any more.
    Over,
}

/// Where bytes pass: what is asked before each packet.
#[derive(Clone, Copy)]
pub struct Passage<'a> {
    /// Whose gate it is.
    pub connection: &'a Connection,
    /// Whoever cares no more for what passes cancels one of these.
    pub over: [&'a CancellationToken; 2],
}

impl<'a> Passage<'a> {
    /// Waits while the gate is shut: bulk stands still (law 5). `None`: it is over.
    pub async fn enter(&self) -> Option<Inside<'a>> {
        let [one, other] = self.over;
        loop {
            if let Some(inside) = self.connection.gate.enter() {
                return Some(inside);
            }
            tokio::select! {
                () = self.connection.gate.opened() => {}
                () = one.cancelled() => return None,
                () = other.cancelled() => return None,
            }
        }
    }

    /// Hands `data` on as far as the gate lets it, and takes off it what passed. The caller is inside.
    pub async fn pass<S>(
        &self,
        to: &ChannelWriteHalf<S>,
        ext: Option<u32>,
        data: &mut Bytes,
    ) -> Result<Passed, russh::Error>
    where
        S: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    {
        let [one, other] = self.over;
        let all = async {
            while !data.is_empty() {
                to.send_some(ext, data).await?;
            }
            Ok::<(), russh::Error>(())
        };
        tokio::select! {
            // Mostly there is room, and nothing else needs to be asked.
            biased;
            sent = all => {
                sent?;
                Ok(Passed::All)
            }
            () = self.connection.gate.closed() => Ok(Passed::Shut),
            () = self.connection.ending() => Ok(Passed::Over),
            () = one.cancelled() => Ok(Passed::Over),
            () = other.cancelled() => Ok(Passed::Over),
        }
    }

    /// Hands bulk bytes on: what a lock holds up goes on when it is lifted (law 5). `inside` is the
    /// caller's place behind the gate; it is given back if all passed.
    pub async fn pass_bulk<S>(
        &self,
        inside: Inside<'a>,
        to: &ChannelWriteHalf<S>,
        ext: Option<u32>,
        mut data: Bytes,
    ) -> Result<Option<Inside<'a>>, russh::Error>
    where
        S: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    {
        let mut inside = Some(inside);
        while inside.is_some() {
            match self.pass(to, ext, &mut data).await? {
                Passed::All => break,
                Passed::Over => return Ok(None),
                Passed::Shut => {
                    // Out first: whoever locks waits for that.
                    drop(inside.take());
                    inside = self.enter().await;
                }
            }
        }
        Ok(inside)
    }
}
