//! What a client is told at the end: a reason it knows words for, then that it is over.

use std::time::Duration;

use sallyport_dissect::rdp::capabilities::Desktop;
use sallyport_dissect::rdp::{mcs, share as pdu};
use sallyport_domain::close::CloseReason;
use sallyport_domain::refusal::Refusal;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::front::Asked;
use super::room;

/// How long a client has to take it.
const PATIENCE: Duration = Duration::from_millis(500);

/// A code that clients have words for (MS-RDPBCGR 2.2.5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorInfo {
    /// An administrator ended the session.
    RpcInitiatedDisconnect = 1,
    /// The user was logged off.
    RpcInitiatedLogoff = 2,
    /// Nothing was typed for too long.
    IdleTimeout = 3,
    /// The session lasted as long as it may.
    LogonTimeout = 4,
    /// The server lets nobody in.
    ServerDeniedConnection = 7,
    /// The user lacks a privilege.
    ServerInsufficientPrivileges = 9,
}

impl ErrorInfo {
    /// What comes nearest to the reason.
    pub fn of(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Idle => Self::IdleTimeout,
            CloseReason::Deadline { .. } => Self::LogonTimeout,
            CloseReason::User => Self::RpcInitiatedLogoff,
            CloseReason::Admin { .. }
            | CloseReason::GraceExpired
            | CloseReason::TargetClosed
            | CloseReason::Network
            | CloseReason::Policy { .. }
            | CloseReason::RuleViolation { .. }
            | CloseReason::RecordingFailed { .. }
            | CloseReason::ConnectFailed { .. }
            | CloseReason::InternalError
            | CloseReason::NodeLost
            | CloseReason::Drain => Self::RpcInitiatedDisconnect,
        }
    }

    /// The same for somebody who is not let in.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        match refusal.code() {
            "no_policy" | "right_missing" | "user_locked" => Self::ServerInsufficientPrivileges,
            _ => Self::ServerDeniedConnection,
        }
    }
}

/// Says it, in the share that runs, and closes the connection.
pub async fn say<W: AsyncWrite + Unpin>(
    client: &mut W,
    asked: &Asked,
    desktop: Option<(Desktop, u16)>,
    why: Option<ErrorInfo>,
) {
    let (user, io) = (asked.ids.user, asked.ids.io);
    let (share, server) = match desktop {
        Some((desktop, server)) => (desktop.share, server),
        None => (room::SHARE, room::SERVER),
    };
    let mut bytes = Vec::new();
    if let Some(why) = why {
        let info = pdu::set_error_info(server, share, why as u32);
        mcs::frame(mcs::Sender::Server, user, io, &info, &mut bytes);
    }
    bytes.extend_from_slice(&mcs::ultimatum(mcs::Sender::Server));
    let saying = async {
        client.write_all(&bytes).await?;
        client.flush().await?;
        client.shutdown().await
    };
    if !matches!(tokio::time::timeout(PATIENCE, saying).await, Ok(Ok(()))) {
        tracing::debug!("a client did not take its farewell");
    }
}
