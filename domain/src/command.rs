//! Orders to a live session, and what the session answers.
//!
//! A command is stored as a row, read by the node that owns the session, and done when the session
//! says so: the answer carries the time at which it took effect on each connection.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, SeatId};
use crate::span::Span;

/// An order to a live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Freeze it: input is discarded, output goes to the tape only.
    Lock {
        /// Headline in the user's client.
        title: String,
        /// Text below it.
        message: String,
    },
    /// Thaw it; the user's screen is repainted.
    Unlock,
    /// End it: teardown, then Completed (by its user) or Canceled (by an administrator).
    End {
        /// Shown to the user.
        #[serde(default)]
        reason: String,
    },
    /// Cut its connections now.
    Terminate {
        /// Also end the session, so that it cannot be entered again.
        cancel: bool,
        /// Shown to the user.
        #[serde(default)]
        reason: String,
    },
    /// Move its scheduled end.
    Extend {
        /// By how much; the profile's step if not given.
        #[serde(default)]
        by: Option<Span>,
    },
    /// Show a text in the user's client.
    Message {
        /// The text.
        text: String,
    },
    /// Somebody watches from now on.
    ViewerJoined {
        /// Who.
        viewer: String,
    },
    /// He stopped watching.
    ViewerLeft {
        /// Who.
        viewer: String,
    },
    /// Whoever orders it takes control of the desktop: his input goes to the target as well, or alone.
    TakeOver {
        /// The place that his input comes from.
        seat: SeatId,
        /// The desktop that he watches.
        connection: ConnectionId,
        /// Is the user's own input dropped meanwhile?
        exclusive: bool,
    },
    /// He gives it back.
    HandBack {
        /// The place.
        seat: SeatId,
    },
}

impl Command {
    /// The verb in the API, the audit trail and the log.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Lock { .. } => "lock",
            Self::Unlock => "unlock",
            Self::End { .. } => "end",
            Self::Terminate { .. } => "terminate",
            Self::Extend { .. } => "extend",
            Self::Message { .. } => "message",
            Self::ViewerJoined { .. } => "viewer-joined",
            Self::ViewerLeft { .. } => "viewer-left",
            Self::TakeOver { .. } => "take-over",
            Self::HandBack { .. } => "hand-back",
        }
    }
}

/// Who gave an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The name.
    pub name: String,
    /// The session's own user, as opposed to an administrator?
    pub own: bool,
    /// An administrator over the session's scope?
    pub admin: bool,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect.
    Done {
        /// On each connection it concerned, when.
        connections: Vec<ConnectionEffect>,
    },
    /// It was so already; nothing changed.
    AlreadySo,
    /// It was refused.
    Denied {
        /// Why.
        why: CommandDenied,
    },
}

/// When a command took effect on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEffect {
    /// Which connection.
    pub connection: ConnectionId,
    /// When the gateway's side obeyed: gate shut, socket closed.
    pub at: DateTime<Utc>,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum CommandDenied {
    /// Too late.
    #[error("the session has ended")]
    Ended,
    /// Nothing to unlock.
    #[error("the session is not locked")]
    NotLocked,
    /// Nobody is there to see it.
    #[error("nobody is connected to the session")]
    NotConnected,
    /// The profile has no extension.
    #[error("the connection profile does not allow extensions")]
    NoExtension,
    /// All extensions are used up.
    #[error("all {limit} extensions of the session are used up")]
    ExtensionsUsedUp {
        /// How many there were.
        limit: u32,
    },
    /// Not within the last five minutes yet.
    #[error("the session can be extended when 5 minutes or less remain")]
    TooEarlyToExtend,
    /// Only administrators may.
    #[error("only an administrator may do this")]
    AdminOnly,
    /// While locked, the user may not.
    #[error("the session is locked")]
    Locked,
    /// Somebody else has control of the desktop.
    #[error("{by} is in control of this session; ask them to give it back first")]
    Controlled {
        /// Who.
        by: String,
    },
}
