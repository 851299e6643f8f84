//! How the driver carries out what the session answers.

use std::time::Duration;

use crate::clock;
use crate::control::Control;
use futures::future::join_all;
use sallyport_domain::close::CloseReason;
use sallyport_domain::command::{ConnectionEffect, Outcome};
use sallyport_domain::declared::Protocol;
use sallyport_domain::event::Event;
use sallyport_domain::id::{CommandId, ConnectionId, SeatId};
use sallyport_domain::session::{DisconnectCause, Notice};
use sallyport_store::SessionUpdate;

use super::{Driver, PendingCut};
use crate::gate::LockPage;
use crate::ledger::Entry;
use crate::notice;

/// How long a lock waits for a chunk that is being handed on.
const GATE_PATIENCE: Duration = Duration::from_millis(20);

impl Driver {
    /// Puts a fact on every live tape.
    pub(super) fn mark(&self, event: &Event) {
        for connection in self.connections.values() {
            // A tape that fails says so where bytes pass; a marker alone ends nothing.
            if let Err(lost) = connection.tape.mark(event) {
                tracing::warn!(session = %self.session.id(), error = %lost, "event is not on the tape");
            }
        }
    }

    pub(super) fn notify(&self, notice: &Notice) {
        let text = notice::text(notice, self.subject.protocol);
        for connection in self.connections.values() {
            connection.notify(&text);
        }
    }

    pub(super) async fn shut_gates(&mut self, title: String, message: String, answer: CommandId) {
        let page = LockPage { title, message };
        let shut = self.connections.values().map(|connection| {
            let page = page.clone();
            async move {
                connection.gate.shut(page, GATE_PATIENCE).await;
                ConnectionEffect {
                    connection: connection.id,
                    at: clock::now(),
                }
            }
        });
        let connections = join_all(shut).await;
        self.answers.push(Entry::Answer(
            answer,
            Outcome::Done { connections },
            clock::now(),
        ));
    }

    pub(super) fn open_gates(&mut self, answer: CommandId) {
        let now = clock::now();
        let mut connections = Vec::with_capacity(self.connections.len());
        for connection in self.connections.values() {
            connection.gate.open();
            connections.push(ConnectionEffect {
                connection: connection.id,
                at: now,
            });
        }
        self.answers
            .push(Entry::Answer(answer, Outcome::Done { connections }, now));
    }

    /// Gives somebody control; false if nobody sits there, or there is nothing that could be controlled.
    pub(super) fn give_control(
        &mut self,
        id: ConnectionId,
        viewer: String,
        seat: SeatId,
        exclusive: bool,
    ) -> bool {
        let inputs = self.seats.take(seat);
        let is_desktop = match self.subject.protocol {
            Protocol::Rdp => true,
            Protocol::Ssh => false,
        };
        match (self.connections.get(&id), inputs) {
            (Some(connection), Some(inputs)) if is_desktop => {
                let control = Control::new(viewer, seat, exclusive, inputs);
                connection.set_control(Some(control));
                true
            }
            (Some(_) | None, Some(_) | None) => false,
        }
    }

    pub(super) fn end_control(&self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id) {
            connection.set_control(None);
        }
    }

    pub(super) fn cut(
        &mut self,
        ids: Vec<ConnectionId>,
        reason: &CloseReason,
        answer: Option<CommandId>,
    ) {
        let mut waiting = std::collections::HashSet::new();
        for id in ids {
            if let Some(connection) = self.connections.get(&id) {
                connection.cut(reason.clone());
                waiting.insert(id);
            }
        }
        let Some(command) = answer else { return };
        if waiting.is_empty() {
            self.answers.push(Entry::Answer(
                command,
                Outcome::Done {
                    connections: Vec::new(),
                },
                clock::now(),
            ));
        } else {
            self.cuts.insert(
                command,
                PendingCut {
                    waiting,
                    gone: Vec::new(),
                },
            );
        }
    }

    /// Hands the session's present state and its new events to the ledger.
    pub(super) fn save(&mut self) {
        let session = &self.session;
        let machine = match serde_json::to_value(session) {
            Ok(machine) => machine,
            Err(error) => {
                tracing::error!(session = %session.id(), %error, "session state cannot be stored");
                serde_json::Value::Null
            }
        };
        let (source_ip, client) = self.source.clone().unzip();
        let update = SessionUpdate {
            status: session.status(),
            times: session.times(),
            close_reason: session.close_reason().cloned(),
            deadline_reason: session.deadline().map(|deadline| deadline.reason),
            locked: session
                .lock()
                .map(|(title, message)| (title.to_owned(), message.to_owned())),
            last_access_at: session.last_access_at(),
            extensions_used: session.extensions_used(),
            source_ip,
            client,
            machine,
        };
        let events = std::mem::take(&mut self.events);
        let waiting = std::mem::take(&mut self.waiting);
        self.ledger
            .add(Entry::Save(Box::new(update), events, waiting));
    }
}

/// One word for the connections' table.
pub(super) fn cause_code(cause: &DisconnectCause) -> &str {
    match cause {
        DisconnectCause::Client => "client",
        DisconnectCause::ClientLost => "client_lost",
        DisconnectCause::Target => "target",
        DisconnectCause::Cut(reason) => reason.code(),
    }
}
