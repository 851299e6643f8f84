use chrono::{DateTime, Utc};

use crate::close::CloseReason;
use crate::command::Outcome;
use crate::event::Event;
use crate::id::{CommandId, ConnectionId, SeatId};

/// What the driver has to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the session's row: something people see has changed.
    Persist,
    /// Put this into the session's log, on every live tape as well.
    Log(Event),
    /// Show this in every connected client that has a terminal.
    Notify(Notice),
    /// Shut the gate of every connection; answer `answer` when it is shut.
    ShutGate {
        /// Headline.
        title: String,
        /// Text below it.
        message: String,
        /// The command to answer with each connection's time.
        answer: CommandId,
    },
    /// Open it again and repaint.
    OpenGate {
        /// The command to answer with each connection's time.
        answer: CommandId,
    },
    /// Cut these connections now; each answers with [`super::Input::Disconnected`].
    Cut {
        /// Which.
        connections: Vec<ConnectionId>,
        /// Why; the clients are told.
        reason: CloseReason,
        /// The command to answer when their sockets are closed.
        answer: Option<CommandId>,
    },
    /// From now on what comes from this seat goes to the connection's target; if nobody sits there (any more), say so
    /// with [`super::Input::ControllerLeft`].
    GiveControl {
        /// Which connection.
        connection: ConnectionId,
        /// Whose input it is.
        viewer: String,
        /// Where it comes from.
        seat: SeatId,
        /// Is the user's own input dropped meanwhile?
        exclusive: bool,
    },
    /// From now on only the user's own input does.
    EndControl {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Run the post-session actions; they answer with [`super::Input::TornDown`].
    TearDown,
    /// Answer a command that needed no connection to obey.
    Answer {
        /// Which.
        command: CommandId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Feed [`super::Input::Tick`] at this time; replaces any earlier wish.
    WakeAt(DateTime<Utc>),
}

/// A text in the user's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The end is near.
    EndsSoon {
        /// When.
        at: DateTime<Utc>,
        /// How much is left, in whole seconds.
        remaining_s: i64,
        /// May the user press Ctrl+X now?
        extendable: bool,
    },
    /// The end was moved.
    Extended {
        /// To when.
        at: DateTime<Utc>,
        /// Extensions left.
        left: u32,
    },
    /// An extension was asked for and refused.
    NotExtended {
        /// Why.
        why: String,
    },
    /// A text from an administrator.
    Message {
        /// From whom.
        from: String,
        /// The text.
        text: String,
    },
    /// Somebody watches.
    ViewerJoined {
        /// Who.
        viewer: String,
    },
    /// He stopped.
    ViewerLeft {
        /// Who.
        viewer: String,
    },
    /// Somebody controls the desktop.
    ControlTaken {
        /// Who.
        viewer: String,
        /// Do the user's own keys and mouse do nothing meanwhile?
        exclusive: bool,
    },
    /// He does not any more.
    ControlReleased {
        /// Who.
        viewer: String,
    },
}
