//! One client from accept to the end of its tape.
//!
//! Whatever ends first, the client, the target or the session, this brings down the rest: both
//! sockets closed, pumps done, tape finished, driver told. Nothing is left behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::{Disconnect, server};
use sallyport_domain::close::CloseReason;
use sallyport_domain::session::DisconnectCause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Joined;
use super::LegError;
use super::forward;
use super::front::Front;
use super::inboxes::LeftOpen;
use super::shared::{Entered, LINGER, Shared, Standing};
use super::wind_up::wind_up;
use crate::admission::Place;
use crate::connection::Connection;
use crate::node::Node;
use crate::notice;
use crate::shield::shielded;
use crate::wire::{Pace, Wire};

/// How long a client has to take its farewell before its socket is reset.
const FAREWELL: Duration = Duration::from_millis(30);
/// The same for one that was just taking output: the farewell comes after what is on its way.
const FAREWELL_BEHIND_OUTPUT: Duration = Duration::from_millis(500);
/// Who took nothing for this long does not read.
const READING: Duration = Duration::from_millis(100);

/// Serves one client that has just been accepted, to the place it was given there.
pub async fn serve(node: Arc<Node>, tcp: TcpStream, peer: SocketAddr, place: Place) {
    let cut = node.cut.child_token();
    let wire = match Wire::new(tcp, cut.clone()) {
        Ok(wire) => wire,
        Err(error) => return tracing::debug!(%peer, %error, "client left before it was served"),
    };
    let (pace, round_trip) = (wire.pace(), wire.round_trip());
    let shared = Arc::new(Shared::new(cut, 0));
    let front = Front::new(node.clone(), (peer, round_trip), shared.clone());
    let config = node.ssh.clone();
    attend(&node, config, wire, pace, shared, front, Some(place)).await;
}

/// Attends to one client from its first byte to the end of its tape. `place` is what it holds until
/// it is known who it is.
pub async fn attend<S>(
    node: &Node,
    config: Arc<server::Config>,
    stream: S,
    pace: Pace,
    shared: Arc<Shared>,
    front: Front,
    place: Option<Place>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Whatever happens below, both sockets go when this is done.
    let _cut_at_end = shared.cut.clone().drop_guard();
    let grace = tokio::time::sleep(node.config.login_grace);
    tokio::pin!(grace);
    let leg = tokio::select! {
        leg = server::run_stream(config, stream, front) => leg,
        () = &mut grace => return,
    };
    let mut leg = match leg {
        Ok(leg) => leg,
        Err(error) => return tracing::debug!(%error, "no SSH client"),
    };
    let handle = leg.handle();

    let standing = tokio::select! {
        standing = shared.known() => standing,
        result = &mut leg => {
            note_mismatch(&result);
            Standing::Outside
        }
        () = &mut grace => Standing::Outside,
    };
    drop(place);
    let entered: Option<Entered> = match standing {
        Standing::Outside => None,
        Standing::Lobby(lobby) => lobby.keep(&shared, &mut leg, &handle).await.map(Ok),
        // Until she is let in, the grace period holds her as well.
        Standing::Entering(entering) => tokio::select! {
            entered = entering => Some(entered),
            _ = &mut leg => None,
            () = &mut grace => None,
        },
    };
    match entered {
        Some(Ok(joined)) => {
            // Whatever breaks in here, the driver must hear that the connection is over.
            let accompanied = accompany(&shared, &joined, leg, handle, &pace);
            let cause = shielded("the supervisor of a connection", accompanied).await;
            let cause = cause.unwrap_or(DisconnectCause::Cut(CloseReason::InternalError));
            wind_up(&shared, joined, cause).await;
        }
        // Her channel tells her why; a client that opens none is shown out.
        Some(Err(_)) => drop(tokio::time::timeout(2 * LINGER, leg).await),
        None => shared.abandon().await,
    }
    shared.cut.cancel();
    shared.channels.close();
    shared.channels.wait().await;
}

/// A client that speaks nothing we may speak with it: its user asks, and an administrator must know.
fn note_mismatch(result: &Result<(), LegError>) {
    if let Err(LegError::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. })) = result {
        let offered = notice::printable(&theirs.join(","));
        let offered: String = offered.chars().take(512).collect();
        tracing::info!(
            ?kind,
            offered,
            "a client offers no algorithm that is allowed; `[ssh] algorithms = \"compatible\"` allows more"
        );
    }
}

/// From the first moment of a connection to what ends it.
async fn accompany(
    shared: &Arc<Shared>,
    joined: &Joined,
    mut leg: server::RunningSession<Front>,
    handle: server::Handle,
    pace: &Pace,
) -> DisconnectCause {
    let Joined { connection, target } = joined;
    let attended = forward::attend(shared.clone(), joined.clone(), handle.clone());
    shared
        .channels
        .spawn(forward::contained(connection.clone(), attended));
    tokio::select! {
        result = &mut leg => client_left(shared, &result),
        reason = connection.cut_requested() => {
            shared.note_cut();
            say_farewell(connection, &handle, &mut leg, &reason, pace).await;
            DisconnectCause::Cut(reason)
        }
        () = target.gone() => {
            if target.has_panicked() {
                tracing::error!("a target's leg panicked; its session is ended");
                shared.note_cut();
                say_farewell(connection, &handle, &mut leg, &CloseReason::InternalError, pace).await;
                return DisconnectCause::Cut(CloseReason::InternalError);
            }
            if shared.cut.is_cancelled() {
                // Both sockets were cut at once, because what this ran inside is gone.
                let result = (&mut leg).await;
                return client_left(shared, &result);
            }
            // What the target still sent is on its way to the client.
            shared.channels.close();
            shared.inner.cut.cancel();
            let drained = async {
                shared.channels.wait().await;
                let _ = handle.disconnect(Disconnect::ByApplication, farewell_of_target(), String::new()).await;
                let _ = (&mut leg).await;
            };
            tokio::select! {
                () = drained => {}
                reason = connection.cut_requested() => tracing::debug!(%reason, "cut after the target was gone"),
            }
            DisconnectCause::Target
        }
    }
}

fn farewell_of_target() -> String {
    notice::farewell(&CloseReason::TargetClosed)
}

fn client_left(shared: &Shared, result: &Result<(), LegError>) -> DisconnectCause {
    if let Err(LegError::Ssh(russh::Error::Join(_))) = result {
        tracing::error!("a client's leg panicked; its session is ended");
        return DisconnectCause::Cut(CloseReason::InternalError);
    }
    if let Err(error) = result {
        tracing::debug!(%error, "the client's leg broke");
    }
    // A client that has closed its sessions has left, whatever its socket says last.
    match (shared.left_open(), result) {
        (LeftOpen { sessions: true, .. }, _) | (LeftOpen { forwards: true, .. }, Err(_)) => {
            DisconnectCause::ClientLost
        }
        (_, _) => DisconnectCause::Client,
    }
}

/// How long a client may take over something said to it in parting.
pub fn patience(pace: &Pace) -> Duration {
    if pace.idle_for() < READING {
        FAREWELL_BEHIND_OUTPUT
    } else {
        FAREWELL
    }
}

/// Tells the client why; one that does not take it in time is reset.
async fn say_farewell(
    connection: &Connection,
    handle: &server::Handle,
    leg: &mut server::RunningSession<Front>,
    reason: &CloseReason,
    pace: &Pace,
) {
    let patience = patience(pace);
    connection.notify(&notice::printable(&reason.to_string()));
    let goodbye = async {
        // One turn of the pumps, so that the terminal shows the notice before the line goes dead.
        tokio::task::yield_now().await;
        let _ = handle
            .disconnect(
                Disconnect::ByApplication,
                notice::farewell(reason),
                String::new(),
            )
            .await;
        let _ = leg.await;
    };
    if tokio::time::timeout(patience, goodbye).await.is_err() {
        tracing::debug!(connection = %connection.id, "the client did not take its farewell");
    }
}
