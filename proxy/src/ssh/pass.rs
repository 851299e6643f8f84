//! Handing bytes on to a leg, packet by packet, so that a lock stops them where they are.

use bytes::Bytes;
use russh::{ChannelId, ChannelMsg, ChannelWriteHalf};

use super::channel::{Channel, ChannelEnd};
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

impl Channel {
    /// Hands `data` on as far as the gate lets it, and takes off it what passed. The caller is inside.
    pub async fn pass<S>(
        &self,
        to: &ChannelWriteHalf<S>,
        ext: Option<u32>,
        data: &mut Bytes,
    ) -> Result<Passed, ChannelEnd>
    where
        S: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    {
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
            () = self.closed.cancelled() => Ok(Passed::Over),
            () = self.client_closed.cancelled() => Ok(Passed::Over),
        }
    }

    /// Hands bulk bytes on: what a lock holds up goes on when it is lifted (law 5). `inside` is the
    /// caller's place behind the gate; it is given back if all passed.
    pub async fn pass_bulk<'a, S>(
        &'a self,
        inside: Inside<'a>,
        to: &ChannelWriteHalf<S>,
        ext: Option<u32>,
        mut data: Bytes,
    ) -> Result<Option<Inside<'a>>, ChannelEnd>
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
                    inside = self.enter_gate().await;
                }
            }
        }
        Ok(inside)
    }
}
