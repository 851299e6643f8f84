//! Carrying out commands.
//!
//! Each command leads to exactly one answer: an [`Action::Answer`] now, or the `answer` of one
//! [`Action::Cut`], [`Action::ShutGate`] or [`Action::OpenGate`], which the driver gives when the
//! connections have obeyed.

use chrono::{DateTime, Utc};

use super::admission::{Admission, admit, user_extension};
use super::effects::Effects;
use super::machine::{Lock, Session};
use super::{Action, Notice};
use crate::close::CloseReason;
use crate::command::{Actor, Command, ConnectionEffect, Outcome};
use crate::control::ControlOver;
use crate::event::Event;
use crate::id::{CommandId, ConnectionId};
use crate::span::Span;

/// What an administrator adds if he names no amount and the profile has no step.
const DEFAULT_EXTENSION: Span = Span::from_minutes(15);

impl Session {
    /// Judges a command and carries it out.
    pub(super) fn command(
        &mut self,
        now: DateTime<Utc>,
        id: CommandId,
        command: Command,
        by: &Actor,
        out: &mut Effects,
    ) {
        match admit(self, now, &command, by) {
            Admission::Do => self.obey(now, id, command, by, out),
            Admission::AlreadySo => out.answer(id, Outcome::AlreadySo),
            Admission::Denied(why) => {
                if !self.is_over() {
                    out.log(Event::CommandDenied {
                        command: id,
                        verb: command.verb().to_owned(),
                        by: by.name.clone(),
                        why: why.to_string(),
                    });
                }
                out.answer(id, Outcome::Denied { why });
            }
        }
    }

    fn obey(
        &mut self,
        now: DateTime<Utc>,
        id: CommandId,
        command: Command,
        by: &Actor,
        out: &mut Effects,
    ) {
        let verb = command.verb();
        match command {
            Command::Lock { title, message } => self.shut(id, title, message, by, out),
            Command::Unlock => self.open(now, id, by, out),
            Command::End { reason }
            | Command::Terminate {
                cancel: true,
                reason,
            } => {
                log_done(id, verb, by, out);
                self.end(ended_by(by, reason), Some(id), out);
            }
            Command::Terminate {
                cancel: false,
                reason,
            } => {
                log_done(id, verb, by, out);
                self.terminate(id, ended_by(by, reason), out);
            }
            Command::Extend { by: amount } => {
                let step = self.terms.extension.map(|extension| extension.by);
                // The user gets the profile's step, whatever amount she names.
                let amount = if by.admin { amount.or(step) } else { step };
                self.extend(
                    now,
                    amount.unwrap_or(DEFAULT_EXTENSION),
                    &by.name,
                    !by.admin,
                    out,
                );
                out.answer(id, self.done(now));
            }
            Command::Message { text } => {
                let (by, from, said) = (by.name.clone(), by.name.clone(), text.clone());
                let event = Event::Messaged { by, text: said };
                self.announce(now, id, event, Notice::Message { from, text }, out);
            }
            Command::ViewerJoined { viewer } => {
                let name = viewer.clone();
                let event = Event::ViewerJoined { viewer: name };
                self.announce(now, id, event, Notice::ViewerJoined { viewer }, out);
            }
            Command::ViewerLeft { viewer } => {
                let name = viewer.clone();
                let event = Event::ViewerLeft { viewer: name };
                self.announce(now, id, event, Notice::ViewerLeft { viewer }, out);
            }
            Command::TakeOver {
                seat,
                connection,
                exclusive,
            } => {
                self.take_over((seat, connection, exclusive), by, out);
                out.answer(id, took_effect(now, [&connection]));
            }
            Command::HandBack { .. } => self.hand_back(now, id, out),
        }
    }

    fn hand_back(&mut self, now: DateTime<Utc>, id: CommandId, out: &mut Effects) {
        let connection = self.control.as_ref().map(|control| control.connection);
        self.end_control(ControlOver::HandedBack, out);
        out.answer(id, took_effect(now, &connection));
    }

    /// Something that is logged and shown, and changes nothing.
    fn announce(
        &self,
        now: DateTime<Utc>,
        id: CommandId,
        event: Event,
        notice: Notice,
        out: &mut Effects,
    ) {
        out.log(event);
        self.tell(notice, out);
        out.answer(id, self.done(now));
    }

    /// Nobody connected: then somebody is on the way, and there is nothing to go back to.
    fn terminate(&mut self, id: CommandId, reason: CloseReason, out: &mut Effects) {
        if self.connections.is_empty() {
            self.end(reason, Some(id), out);
        } else {
            self.cut_all(&reason, Some(id), out);
            out.persist();
        }
    }

    fn shut(
        &mut self,
        id: CommandId,
        title: String,
        message: String,
        by: &Actor,
        out: &mut Effects,
    ) {
        out.log(Event::Locked {
            by: by.name.clone(),
            title: title.clone(),
            message: message.clone(),
        });
        let lock = Lock {
            title: title.clone(),
            message: message.clone(),
            by: by.name.clone(),
        };
        self.lock = Some(lock);
        // A lock stops everybody's input.
        self.end_control(ControlOver::Locked, out);
        if self.connections.is_empty() {
            out.answer(
                id,
                Outcome::Done {
                    connections: Vec::new(),
                },
            );
        } else {
            out.push(Action::ShutGate {
                title,
                message,
                answer: id,
            });
        }
        out.persist();
    }

    fn open(&mut self, now: DateTime<Utc>, id: CommandId, by: &Actor, out: &mut Effects) {
        self.lock = None;
        // Nobody could type while it was locked, so that time is not held against the user.
        self.idle_since = self.idle_since.max(Some(now));
        out.log(Event::Unlocked {
            by: by.name.clone(),
        });
        if self.connections.is_empty() {
            out.answer(
                id,
                Outcome::Done {
                    connections: Vec::new(),
                },
            );
        } else {
            out.push(Action::OpenGate { answer: id });
        }
        out.persist();
    }

    /// Ctrl+X in the user's client.
    pub(super) fn extend_key(&mut self, now: DateTime<Utc>, user: &str, out: &mut Effects) {
        match user_extension(self, now) {
            Ok(extension) => self.extend(now, extension.by, user, true, out),
            Err(why) => self.tell(
                Notice::NotExtended {
                    why: why.to_string(),
                },
                out,
            ),
        }
    }

    /// Moves the scheduled end by `amount`; `counted` against the profile's limit.
    fn extend(
        &mut self,
        now: DateTime<Utc>,
        amount: Span,
        by: &str,
        counted: bool,
        out: &mut Effects,
    ) {
        let before = self.granted;
        self.granted = before.saturating_add(amount);
        if counted {
            self.extensions_used = self.extensions_used.saturating_add(1);
        }
        self.schedule_end(now);
        let added = self.granted.duration().saturating_sub(before.duration());
        out.log(Event::Extended {
            by: by.to_owned(),
            by_s: i64::try_from(added.as_secs()).unwrap_or(i64::MAX),
            used: self.extensions_used,
            limit: self.terms.extension.map_or(0, |extension| extension.limit),
        });
        if let Some(at) = self.times.scheduled_end {
            self.tell(
                Notice::Extended {
                    at,
                    left: self.extensions_left(),
                },
                out,
            );
        }
        out.persist();
    }

    /// Shows something, if anybody is there to see it.
    pub(super) fn tell(&self, notice: Notice, out: &mut Effects) {
        if self.is_occupied() {
            out.notify(notice);
        }
    }

    fn done(&self, now: DateTime<Utc>) -> Outcome {
        took_effect(now, &self.connections)
    }
}

fn took_effect<'a>(
    at: DateTime<Utc>,
    connections: impl IntoIterator<Item = &'a ConnectionId>,
) -> Outcome {
    let effect = |&connection| ConnectionEffect { connection, at };
    Outcome::Done {
        connections: connections.into_iter().map(effect).collect(),
    }
}

fn log_done(id: CommandId, verb: &str, by: &Actor, out: &mut Effects) {
    out.log(Event::CommandDone {
        command: id,
        verb: verb.to_owned(),
        by: by.name.clone(),
    });
}

/// Who is both, the user and an administrator, ends it as the user.
fn ended_by(by: &Actor, reason: String) -> CloseReason {
    if by.own {
        CloseReason::User
    } else {
        CloseReason::Admin {
            by: by.name.clone(),
            reason,
        }
    }
}
