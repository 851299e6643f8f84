use crate::close::CloseReason;
use crate::command::{Actor, Command};
use crate::id::{CommandId, ConnectionId, SeatId};

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Pre-session actions succeeded.
    Provisioned,
    /// A pre-session action failed.
    ProvisioningFailed {
        /// What.
        error: String,
    },
    /// A client is joined to the target.
    Connected {
        /// Which connection.
        connection: ConnectionId,
    },
    /// A client came but the target could not be brought up.
    ConnectFailed {
        /// Which connection.
        connection: ConnectionId,
        /// Why.
        failure: ConnectFailure,
    },
    /// A connection is gone: both its sockets are closed and its tape is finished.
    Disconnected {
        /// Which connection.
        connection: ConnectionId,
        /// By whom.
        cause: DisconnectCause,
    },
    /// Somebody typed. The driver may fold many into one a second.
    HumanInput,
    /// The user asked for more time with Ctrl+X, when offered.
    ExtendKey {
        /// Who.
        user: String,
    },
    /// An order arrived.
    Command {
        /// Its row.
        id: CommandId,
        /// The order.
        command: Command,
        /// By whom.
        by: Actor,
    },
    /// Whoever controlled the desktop from this seat is gone.
    ControllerLeft {
        /// Which seat.
        seat: SeatId,
    },
    /// What passes can no longer be recorded and the mode is strict.
    RecordingFailed {
        /// What the recorder said.
        error: String,
    },
    /// The policy that allowed it no longer does.
    PolicyRevoked {
        /// What changed.
        what: String,
    },
    /// Whoever carries out the session's actions broke.
    InternalError,
    /// The node shuts down in order.
    Drain,
    /// A time the session asked to be woken at has come.
    Tick,
    /// Teardown is done.
    TornDown,
}

/// Why the target could not be brought up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectFailure {
    /// Code of the refusal.
    pub code: String,
    /// What the user was told.
    pub text: String,
}

/// Who or what ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisconnectCause {
    /// The client said goodbye.
    Client,
    /// The client's socket broke.
    ClientLost,
    /// The target closed.
    Target,
    /// We cut it, for this reason.
    Cut(CloseReason),
}
