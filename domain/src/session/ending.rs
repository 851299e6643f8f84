//! How connections go and how a session ends.

use chrono::{DateTime, Utc};

use super::effects::Effects;
use super::machine::{Phase, Session, Teardown};
use super::{Action, ConnectFailure, DisconnectCause, Origin};
use crate::close::CloseReason;
use crate::command::Outcome;
use crate::control::ControlOver;
use crate::event::Event;
use crate::id::{CommandId, ConnectionId};

impl Session {
    /// Begins the end: cuts what is connected, then tears down. The command is answered when all
    /// sockets are closed.
    pub(super) fn end(
        &mut self,
        reason: CloseReason,
        answer: Option<CommandId>,
        out: &mut Effects,
    ) {
        self.lock = None;
        self.end_control(ControlOver::Ended, out);
        out.log(Event::Canceling {
            reason: reason.clone(),
        });
        self.phase = Phase::Canceling {
            reason: reason.clone(),
            teardown: Teardown::Waiting,
        };
        if self.connections.is_empty() {
            if let Some(command) = answer {
                out.answer(
                    command,
                    Outcome::Done {
                        connections: Vec::new(),
                    },
                );
            }
            self.tear_down(out);
        } else {
            self.cut_all(&reason, answer, out);
        }
        out.persist();
    }

    /// Ends it for a reason from outside, unless it is ending already: the first reason stays.
    pub(super) fn end_if_live(&mut self, reason: CloseReason, out: &mut Effects) {
        match self.phase {
            Phase::Provisioning | Phase::Open => self.end(reason, None, out),
            Phase::Canceling { .. } | Phase::Ended { .. } => {}
        }
    }

    /// The gateway shuts down: what was made by connecting ends, what was made through the API
    /// loses its connections and waits for its node to come back.
    pub(super) fn drain(&mut self, out: &mut Effects) {
        match self.origin {
            Origin::Connect => self.end_if_live(CloseReason::Drain, out),
            Origin::Api => {
                if !self.is_over() && self.is_occupied() {
                    self.cut_all(&CloseReason::Drain, None, out);
                    out.persist();
                }
            }
        }
    }

    /// Cuts every connection. With a command to answer, those already being cut are named again,
    /// because the answer must wait for them too.
    pub(super) fn cut_all(
        &mut self,
        reason: &CloseReason,
        answer: Option<CommandId>,
        out: &mut Effects,
    ) {
        let connections: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|connection| answer.is_some() || !self.cut.contains_key(connection))
            .copied()
            .collect();
        for connection in &connections {
            self.cut
                .entry(*connection)
                .or_insert_with(|| reason.clone());
        }
        if !connections.is_empty() {
            out.push(Action::Cut {
                connections,
                reason: reason.clone(),
                answer,
            });
        }
    }

    /// A client is joined to the target: welcome, or cut at once if it came too late.
    pub(super) fn connected(
        &mut self,
        now: DateTime<Utc>,
        connection: ConnectionId,
        out: &mut Effects,
    ) {
        let unwelcome = match (&self.phase, &self.lock) {
            (Phase::Ended { .. }, _) => return,
            (Phase::Canceling { reason, .. }, _) => Some(reason.clone()),
            (Phase::Provisioning | Phase::Open, Some(lock)) => Some(CloseReason::Admin {
                by: lock.by.clone(),
                reason: lock.title.clone(),
            }),
            (Phase::Provisioning, None) => Some(CloseReason::ConnectFailed {
                error: "the session was not ready".to_owned(),
            }),
            (Phase::Open, None) => None,
        };
        self.connections.insert(connection);
        if let Some(reason) = unwelcome {
            self.cut.insert(connection, reason.clone());
            out.push(Action::Cut {
                connections: vec![connection],
                reason,
                answer: None,
            });
        } else {
            self.times.connected_at.get_or_insert(now);
            self.times.disconnected_at = None;
            self.touch(now);
            self.warn(now, out);
        }
        out.persist();
    }

    /// A client came, and the target could not be brought up for it.
    pub(super) fn connect_failed(
        &mut self,
        now: DateTime<Utc>,
        connection: ConnectionId,
        failure: ConnectFailure,
        out: &mut Effects,
    ) {
        if self.is_over() {
            return;
        }
        let ConnectFailure { code, text } = failure;
        out.log(Event::ConnectFailed {
            connection,
            code,
            error: text.clone(),
        });
        self.left(
            now,
            connection,
            CloseReason::ConnectFailed { error: text },
            out,
        );
    }

    /// A connection is gone. If it was told to go, that is why, whoever closed first.
    pub(super) fn disconnected(
        &mut self,
        now: DateTime<Utc>,
        connection: ConnectionId,
        cause: DisconnectCause,
        out: &mut Effects,
    ) {
        if self.is_over() {
            return;
        }
        let reason = self.cut.get(&connection).cloned().unwrap_or(match cause {
            DisconnectCause::Client => CloseReason::User,
            DisconnectCause::ClientLost => CloseReason::Network,
            DisconnectCause::Target => CloseReason::TargetClosed,
            DisconnectCause::Cut(reason) => reason,
        });
        let known = self.connections.contains(&connection);
        let ends_it = self.origin == Origin::Connect && self.close_reason().is_none();
        if known || ends_it {
            out.log(Event::Disconnected {
                connection,
                reason: reason.clone(),
            });
        }
        let broken = reason == CloseReason::InternalError;
        self.left(now, connection, reason, out);
        if broken {
            // Nobody knows what else of it is broken.
            self.end_if_live(CloseReason::InternalError, out);
        }
    }

    /// What the loss of a connection means. One that never was joined to the target counts as
    /// well: a session made by connecting has no other.
    fn left(
        &mut self,
        now: DateTime<Utc>,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Effects,
    ) {
        let was_on_target = self.connections.remove(&connection);
        self.cut.remove(&connection);
        if was_on_target {
            out.persist();
        }
        if self.is_controlled(connection) {
            self.end_control(ControlOver::Ended, out);
        }
        if !self.connections.is_empty() {
            return;
        }
        if was_on_target {
            self.times.disconnected_at = Some(now);
        }
        match (&self.phase, self.origin) {
            (Phase::Provisioning | Phase::Open, Origin::Connect) => self.end(reason, None, out),
            (Phase::Open, Origin::Api) if was_on_target && self.lock.is_none() => {
                out.log(Event::Available {});
            }
            (Phase::Provisioning | Phase::Open, Origin::Api) | (Phase::Ended { .. }, _) => {}
            (Phase::Canceling { teardown, .. }, _) => match teardown {
                Teardown::Waiting => self.tear_down(out),
                Teardown::Running => {}
                Teardown::Done => self.finish(now, out),
            },
        }
    }

    fn tear_down(&mut self, out: &mut Effects) {
        if let Phase::Canceling { teardown, .. } = &mut self.phase {
            *teardown = Teardown::Running;
            out.push(Action::TearDown);
        }
    }

    /// Teardown is done.
    pub(super) fn torn_down(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        let Phase::Canceling { teardown, .. } = &mut self.phase else {
            return;
        };
        match teardown {
            Teardown::Waiting | Teardown::Done => {}
            Teardown::Running => {
                *teardown = Teardown::Done;
                if self.connections.is_empty() {
                    self.finish(now, out);
                }
            }
        }
    }

    fn finish(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        let Phase::Canceling { reason, .. } = &self.phase else {
            return;
        };
        let (status, reason) = (reason.final_status(), reason.clone());
        out.log(Event::Ended {
            status: status.as_str().to_owned(),
            reason: reason.clone(),
        });
        self.phase = Phase::Ended { status, reason };
        self.times.ended_at = Some(now);
        out.persist();
    }

    /// Loses every connection together with the node that held them.
    pub(super) fn lose_node(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        if self.is_over() {
            return;
        }
        let lost = std::mem::take(&mut self.connections);
        self.cut.clear();
        self.end_control(ControlOver::Ended, out);
        if !lost.is_empty() {
            self.times.disconnected_at = Some(now);
        }
        for &connection in &lost {
            out.log(Event::Disconnected {
                connection,
                reason: CloseReason::NodeLost,
            });
        }
        out.persist();
        match (&self.phase, self.origin) {
            (Phase::Provisioning | Phase::Open, Origin::Connect) => {
                self.lock = None;
                self.phase = Phase::Canceling {
                    reason: CloseReason::NodeLost,
                    teardown: Teardown::Done,
                };
                self.finish(now, out);
            }
            (Phase::Canceling { .. }, Origin::Connect) => self.finish(now, out),
            (Phase::Canceling { .. }, Origin::Api) => self.tear_down(out),
            (Phase::Provisioning | Phase::Open, Origin::Api) => {
                self.expire(now, out);
                if !lost.is_empty() && self.admits().is_ok() {
                    out.log(Event::Available {});
                }
            }
            (Phase::Ended { .. }, _) => {}
        }
    }
}
