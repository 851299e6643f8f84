use std::sync::Arc;

use chrono::{DateTime, Utc};
use sallyport_domain::command::{Actor, Command};
use sallyport_domain::control::ControlInput;
use sallyport_domain::event::Event;
use sallyport_domain::id::{CommandId, ConnectionId, SeatId};
use sallyport_domain::policy::Decision;
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::{ConnectFailure, DisconnectCause};
use tokio::sync::{mpsc, oneshot};

use super::{Arrival, Arrivals};
use crate::backlog::{Backlog, Waiting};
use crate::connection::Connection;
use crate::ledger::Entry;

/// What a driver is told.
pub enum Mail {
    /// A client is joined to the target.
    Connected {
        /// The connection.
        connection: Arc<Connection>,
        /// The client's address.
        source_ip: String,
        /// The client's software.
        client: String,
    },
    /// The target could not be brought up.
    ConnectFailed {
        /// The connection that was not to be.
        connection: ConnectionId,
        /// Why.
        failure: ConnectFailure,
    },
    /// Both sockets of a connection are closed.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// By whom.
        cause: DisconnectCause,
        /// When the last of them was closed.
        at: DateTime<Utc>,
    },
    /// Its tape is finished, or failed to be.
    TapeEnded {
        /// Whose.
        connection: ConnectionId,
        /// For the recordings' table, if there is a tape.
        entry: Option<Entry>,
        /// For the log.
        event: Option<Event>,
    },
    /// A fact that is on the tape already.
    Logged(Event),
    /// Facts of a transfer that are on the tape already, and their place among those that wait.
    LoggedAll(Vec<Event>, Waiting),
    /// Something for the store, in order with the rest.
    Write(Entry),
    /// An order.
    Command {
        /// Its row.
        id: CommandId,
        /// The order.
        command: Command,
        /// By whom.
        by: Actor,
    },
    /// Somebody who watches may want to take control from this seat.
    Seat {
        /// The seat.
        seat: SeatId,
        /// What comes from there.
        inputs: mpsc::Receiver<ControlInput>,
    },
    /// Whoever had control from this seat is gone.
    ControllerLeft(SeatId),
    /// The user asks for more time.
    ExtendKey,
    /// The tape can no longer be written.
    RecordingFailed {
        /// Whose.
        connection: ConnectionId,
        /// What the recorder said.
        error: String,
    },
    /// Policies, memberships or locks changed.
    PolicyChanged,
    /// The policy was asked again.
    PolicyAnswered(Box<Decision>),
    /// The node shuts down.
    Drain,
    /// The node goes: stop as soon as no connection is left.
    Stop,
    /// May a connection enter now?
    Admits(oneshot::Sender<Result<(), Refusal>>),
}

/// The way to a driver.
#[derive(Clone)]
pub struct DriverHandle {
    mailbox: mpsc::Sender<Mail>,
    backlog: Backlog,
    arrivals: Arrivals,
}

impl DriverHandle {
    pub(super) fn new(mailbox: mpsc::Sender<Mail>, arrivals: Arrivals) -> Self {
        Self {
            mailbox,
            backlog: Backlog::default(),
            arrivals,
        }
    }

    /// Sends; mail to a session that is over is dropped. Answers whether it was taken.
    pub async fn send(&self, mail: Mail) -> bool {
        self.mailbox.send(mail).await.is_ok()
    }

    /// Sends without waiting; answers whether it was taken.
    pub fn try_send(&self, mail: Mail) -> bool {
        self.mailbox.try_send(mail).is_ok()
    }

    /// Sends facts of a transfer that are on the tape already.
    pub async fn send_recorded(&self, events: Vec<Event>) {
        if let Some(waiting) = self.backlog.add(events.len()) {
            self.send(Mail::LoggedAll(events, waiting)).await;
        }
    }

    /// Waits while too many of them wait for the database.
    pub async fn room(&self) {
        self.backlog.room().await;
    }

    /// May a connection enter the session now? The driver waits for it from then on.
    pub async fn admits(&self) -> Result<Arrival, Refusal> {
        let arrival = self.arrivals.another();
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Admits(reply)).await;
        answer.await.unwrap_or_else(|_| {
            Err(Refusal::NotEnterable {
                status: "over".to_owned(),
            })
        })?;
        Ok(arrival)
    }
}
