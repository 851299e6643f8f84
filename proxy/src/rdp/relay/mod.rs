//! A client and its target, joined: two pumps in one task, each with a direction of its own.
//!
//! What arrives goes to the tape before it goes on (law 1). A pump reads no more while the other side does not take what it
//! has; nothing is queued but what is said here.

mod channel_events;
pub mod channels;
mod covers;
mod from_client;
mod from_target;
mod held;
mod lane;
mod orders;
mod secrecy;
mod share;
mod steering;
mod taps;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use sallyport_dissect::rdp::mcs::{self, Sender};
use sallyport_dissect::rdp::surface::FrameEnds;
use sallyport_domain::right::Right;
use sallyport_domain::session::DisconnectCause;
use sallyport_recorder::Record;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::back::Back;
use super::front::Asked;
use super::ids::{Translation, begun};
use super::leg::{Leg, LegError};
use crate::connection::Connection;
use crate::recording::RecordingLost;
use covers::Covers;
use from_client::FromClient;
use from_target::FromTarget;
use lane::Lane;
use orders::Orders;
use secrecy::Secrecy;
use share::Share;
use steering::Steering;
use taps::Taps;
use unfinished::Unfinished;

/// How long a target may take to let an account in that it takes on its screen only.
const ENTERING: Duration = Duration::from_secs(30);

/// How long a target has to take our goodbye.
const GOODBYE: Duration = Duration::from_millis(30);
/// How long a PDU on its way may hold up the end.
const OVERDUE: Duration = Duration::from_millis(300);

/// The end was asked for, and a while ago.
async fn overdue(connection: &Connection) {
    connection.ending().await;
    tokio::time::sleep(OVERDUE).await;
}

/// Why a pump stopped.
#[derive(Debug)]
pub enum Stop {
    /// Its peer said goodbye.
    Left,
    /// Its peer is gone without a word.
    Lost,
    /// The other side does not take anything any more.
    Blocked,
    /// What a peer sent is not RDP.
    Broken(LegError),
    /// What passes can no longer be recorded.
    Unrecorded(RecordingLost),
    /// The connection was asked to end.
    Asked,
}

impl From<RecordingLost> for Stop {
    fn from(lost: RecordingLost) -> Self {
        Self::Unrecorded(lost)
    }
}

impl From<LegError> for Stop {
    fn from(error: LegError) -> Self {
        match error {
            LegError::Io(_) | LegError::Closed(_) => Self::Lost,
            error @ (LegError::Malformed(_) | LegError::Unexpected { .. }) => Self::Broken(error),
        }
    }
}

/// How it ended, and what is left to say goodbye to the client with.
pub struct Over<W> {
    /// Why.
    pub cause: DisconnectCause,
    /// To the client; at the end of a PDU, unless the client does not read.
    pub client: W,
    /// The desktop as it was.
    pub share: Arc<Share>,
}

/// Relays until one side is gone or the connection is asked to end. Says goodbye to the target, not to the client.
pub async fn relay<S>(
    connection: &Arc<Connection>,
    client: Leg<S>,
    asked: &Asked,
    back: Back,
) -> Over<tokio::io::WriteHalf<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (front_ids, back_ids) = (asked.ids.clone(), back.ids.clone());
    let (share, entered_by) = begin(connection, back.is_in);
    let (orders, ordered) = Orders::new();
    let taps = Taps::new(&asked.channels);
    let lane = |from, ids: &Translation| Lane {
        connection,
        taps: &taps,
        from,
        ids: ids.clone(),
        events: Vec::new(),
    };
    let to_front = Translation::new(back_ids.clone(), front_ids.clone());
    let to_back = Translation::new(front_ids, back_ids.clone());
    let (client_in, client_out) = tokio::io::split(client.stream);
    let (target_in, mut target_out) = tokio::io::split(back.leg.stream);
    let from_target = FromTarget {
        connection,
        share: &share,
        orders: orders.clone(),
        lane: lane(Sender::Server, &to_front),
        ids: to_front,
        channels: &asked.channels,
        from: target_in,
        to: client_out,
        buffer: back.leg.buffer,
        held: Vec::new(),
        covers: Covers::default(),
        open: Unfinished::default(),
        frames: FrameEnds::default(),
        told_out: false,
        tells: from_target::TELLS,
        drawn: false,
        entered_by,
    };
    let from_client = FromClient {
        connection,
        share: &share,
        orders: ordered,
        lane: lane(Sender::Client, &to_back),
        ids: to_back,
        channels: &asked.channels,
        from: client_in,
        to: &mut target_out,
        buffer: client.buffer,
        held: Vec::new(),
        steering: Steering::new(connection.control()),
        secrecy: Secrecy::default(),
    };
    let begun = begun(&back_ids, &asked.channels);
    let (stopped, client) = match connection.tape.write(&[Record::DesktopBegun(&begun)], 0) {
        Err(lost) => ((Side::Target, lost.into()), from_target.to),
        Ok(()) => run(connection, from_target, from_client).await,
    };
    let cause = cause(connection, stopped).await;
    leave(target_out).await;
    Over {
        cause,
        client,
        share,
    }
}

/// A desktop before its first PDU. If what is typed may not pass at once: until when the target has to have let the
/// account in.
fn begin(connection: &Connection, is_in: bool) -> (Arc<Share>, Option<Instant>) {
    let share = Arc::new(Share::default());
    let may_type = connection.right(Right::TargetLogin).is_ok();
    if is_in {
        share.enter();
    } else if may_type {
        // On the target's own log-in screen.
        share.let_type();
    }
    let entered_by = (!is_in && !may_type).then(|| Instant::now() + ENTERING);
    (share, entered_by)
}

/// Runs both pumps until one of them stops.
async fn run<A, B, C, D>(
    connection: &Connection,
    mut from_target: FromTarget<'_, A, B>,
    mut from_client: FromClient<'_, C, D>,
) -> ((Side, Stop), B)
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    let stopped = tokio::select! {
        stop = from_target.run() => (Side::Target, stop),
        stop = from_client.run() => (Side::Client, stop),
        // Both may wait for peers that take nothing.
        () = overdue(connection) => (Side::Client, Stop::Asked),
    };
    let stopped = match finish([from_client.lane, from_target.lane]).await {
        Ok(()) => stopped,
        Err(stop) => (Side::Target, stop),
    };
    (stopped, from_target.to)
}

/// Says goodbye to the target.
async fn leave(mut target: impl AsyncWrite + Unpin) {
    let goodbye = mcs::ultimatum(Sender::Client);
    let leaving = async {
        target.write_all(&goodbye).await?;
        target.shutdown().await
    };
    let _ = timeout(GOODBYE, leaving).await;
}

/// Tells of what was under way in the channels.
async fn finish(lanes: [Lane<'_>; 2]) -> Result<(), Stop> {
    for lane in lanes {
        lane.finish().await?;
    }
    Ok(())
}

/// From whom a pump took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Target,
}

async fn cause(connection: &Connection, (side, stop): (Side, Stop)) -> DisconnectCause {
    match (stop, side) {
        (Stop::Asked, _) => DisconnectCause::Cut(connection.cut_requested().await),
        (Stop::Unrecorded(lost), _) => {
            connection.recording_lost(lost).await;
            DisconnectCause::Cut(connection.cut_requested().await)
        }
        (Stop::Left, Side::Client) => DisconnectCause::Client,
        (Stop::Lost, Side::Client) | (Stop::Blocked, Side::Target) => DisconnectCause::ClientLost,
        (Stop::Left | Stop::Lost, Side::Target) | (Stop::Blocked, Side::Client) => {
            DisconnectCause::Target
        }
        (Stop::Broken(error), side) => {
            tracing::warn!(connection = %connection.id, ?side, %error, "a peer does not speak RDP");
            match side {
                Side::Client => DisconnectCause::ClientLost,
                Side::Target => DisconnectCause::Target,
            }
        }
    }
}
