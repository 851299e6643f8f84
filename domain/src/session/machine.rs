//! The state of one session, and what each input makes of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::control::Control;
use super::effects::Effects;
use super::{Action, Input, Origin, Terms, Times};
use crate::close::{CloseReason, DeadlineReason};
use crate::deadline::Deadline;
use crate::event::Event;
use crate::id::{ConnectionId, SessionId};
use crate::refusal::Refusal;
use crate::span::Span;
use crate::status::Status;

/// One session. Its JSON form is what a node stores, and restores after a restart.
///
/// After restoring one, call [`Session::node_lost`]: the wish to be woken is not part of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub(super) id: SessionId,
    pub(super) origin: Origin,
    pub(super) user: String,
    pub(super) terms: Terms,
    pub(super) times: Times,
    pub(super) phase: Phase,
    pub(super) lock: Option<Lock>,
    /// Who controls a desktop of it besides its user.
    #[serde(default)]
    pub(super) control: Option<Control>,
    /// Joined to the target and not yet reported gone.
    pub(super) connections: BTreeSet<ConnectionId>,
    /// Those among them that were told to close, and why.
    pub(super) cut: BTreeMap<ConnectionId, CloseReason>,
    /// What extensions added to the maximum duration so far.
    pub(super) granted: Span,
    /// Extensions the user took; an administrator's do not count.
    pub(super) extensions_used: u32,
    /// Warnings still to be given before the present end, soonest first.
    pub(super) notices: Vec<DateTime<Utc>>,
    /// Since when nobody types; moved by input, by entering and by unlocking.
    pub(super) idle_since: Option<DateTime<Utc>>,
    pub(super) last_access_at: Option<DateTime<Utc>>,
    /// The last access that the driver was told to write down.
    pub(super) stored_access_at: Option<DateTime<Utc>>,
    /// When the driver was last asked to wake the session.
    #[serde(skip)]
    pub(super) wake: Option<DateTime<Utc>>,
}

/// How far it has come. [`Status`] follows from this, the lock and the connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(super) enum Phase {
    /// Pre-session actions run.
    Provisioning,
    /// It may be entered, unless locked.
    Open,
    /// Its connections are being cut, then its teardown runs.
    Canceling {
        /// Why.
        reason: CloseReason,
        /// How far teardown is.
        teardown: Teardown,
    },
    /// Over.
    Ended {
        /// The final status.
        status: Status,
        /// Why.
        reason: CloseReason,
    },
}

/// How far teardown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Teardown {
    /// Not begun: connections are still open.
    Waiting,
    /// Asked for.
    Running,
    /// Done, but a late connection is still open.
    Done,
}

/// What a locked session shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) title: String,
    pub(super) message: String,
    /// The administrator who locked it.
    pub(super) by: String,
}

impl Session {
    /// A session just requested; its pre-session actions are about to run.
    pub fn new(
        id: SessionId,
        origin: Origin,
        user: String,
        terms: Terms,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            origin,
            user,
            terms,
            times: Times::requested(now),
            phase: Phase::Provisioning,
            lock: None,
            control: None,
            connections: BTreeSet::new(),
            cut: BTreeMap::new(),
            granted: Span::from_secs(0),
            extensions_used: 0,
            notices: Vec::new(),
            idle_since: None,
            last_access_at: None,
            stored_access_at: None,
            wake: None,
        }
    }

    /// Takes one input at `now` and answers with what is to be done, in order.
    ///
    /// A deadline that has passed is enforced with every input, so that nothing gets in between a
    /// late timer and the end. Once [`Session::is_over`], only commands are answered
    /// (refused); the driver itself must close a connection that comes up after that.
    pub fn handle(&mut self, now: DateTime<Utc>, input: Input) -> Vec<Action> {
        let mut out = Effects::default();
        let lazily = matches!(input, Input::HumanInput);
        // What is reported gone is taken off first: it must not be cut any more.
        if !reports_the_past(&input) {
            self.expire(now, &mut out);
        }
        self.take(now, input, &mut out);
        self.expire(now, &mut out);
        self.settle(lazily, out)
    }

    /// Takes up a session whose driver is gone, with all its connections: after a restart of its
    /// node, or when another node adopts it.
    ///
    /// One made by connecting is over at once, without teardown: nobody is left to run it. One
    /// made through the API goes on: still provisioning, open, or tearing down once more.
    pub fn node_lost(&mut self, now: DateTime<Utc>) -> Vec<Action> {
        let mut out = Effects::default();
        self.wake = None;
        self.lose_node(now, &mut out);
        self.settle(false, out)
    }

    fn take(&mut self, now: DateTime<Utc>, input: Input, out: &mut Effects) {
        match input {
            Input::Provisioned => self.provisioned(now, out),
            Input::ProvisioningFailed { error } => {
                if self.phase == Phase::Provisioning {
                    self.end(CloseReason::ConnectFailed { error }, None, out);
                }
            }
            Input::Connected { connection } => self.connected(now, connection, out),
            Input::ConnectFailed {
                connection,
                failure,
            } => {
                self.connect_failed(now, connection, failure, out);
            }
            Input::Disconnected { connection, cause } => {
                self.disconnected(now, connection, cause, out);
            }
            Input::HumanInput => self.human_input(now, out),
            Input::ControllerLeft { seat } => self.controller_left(seat, out),
            Input::ExtendKey { user } => self.extend_key(now, &user, out),
            Input::Command { id, command, by } => self.command(now, id, command, &by, out),
            Input::RecordingFailed { error } => {
                self.end_if_live(CloseReason::RecordingFailed { error }, out);
            }
            Input::PolicyRevoked { what } => self.end_if_live(CloseReason::Policy { what }, out),
            Input::InternalError => self.end_if_live(CloseReason::InternalError, out),
            Input::Drain => self.drain(out),
            Input::Tick => self.tick(now, out),
            Input::TornDown => self.torn_down(now, out),
        }
    }

    fn provisioned(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        if self.phase != Phase::Provisioning {
            return;
        }
        self.phase = Phase::Open;
        self.times.provisioned_at = Some(now);
        self.schedule_end(now);
        out.log(Event::Provisioned {});
        if self.lock.is_none() {
            out.log(Event::Available {});
        }
        out.persist();
    }

    fn settle(&mut self, lazily: bool, mut out: Effects) -> Vec<Action> {
        if out.persists() {
            self.stored_access_at = self.last_access_at;
        }
        self.arm(lazily, &mut out);
        out.into_actions()
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// How it came to be.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The limits it runs under.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What people see.
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Ended { status, .. } => *status,
            Phase::Canceling { .. } => Status::Canceling,
            Phase::Provisioning | Phase::Open if self.lock.is_some() => Status::Locked,
            Phase::Provisioning => Status::Provisioning,
            Phase::Open if self.connections.is_empty() => Status::Available,
            Phase::Open => Status::LoggedIn,
        }
    }

    /// Its six times.
    pub fn times(&self) -> Times {
        self.times
    }

    /// Why it ends or ended; known from the moment it starts Canceling.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Provisioning | Phase::Open => None,
            Phase::Canceling { reason, .. } | Phase::Ended { reason, .. } => Some(reason),
        }
    }

    /// When it must be over and why; known once it is provisioned.
    pub fn deadline(&self) -> Option<Deadline> {
        let reason = if self.granted == Span::from_secs(0) {
            DeadlineReason::MaxDuration
        } else {
            DeadlineReason::Extended
        };
        self.times.scheduled_end.map(|at| Deadline { at, reason })
    }

    /// Title and message shown to its user, while it is locked.
    pub fn lock(&self) -> Option<(&str, &str)> {
        self.lock
            .as_ref()
            .map(|lock| (lock.title.as_str(), lock.message.as_str()))
    }

    /// Who controls a desktop of it besides its user.
    pub fn controller(&self) -> Option<&str> {
        self.control.as_ref().map(|control| control.viewer.as_str())
    }

    /// When its user last came or typed.
    pub fn last_access_at(&self) -> Option<DateTime<Utc>> {
        self.last_access_at
    }

    /// How many of its extensions the user has taken.
    pub fn extensions_used(&self) -> u32 {
        self.extensions_used
    }

    /// Joined to the target and not yet reported gone.
    pub fn connections(&self) -> &BTreeSet<ConnectionId> {
        &self.connections
    }

    /// May a connection enter now?
    pub fn admits(&self) -> Result<(), Refusal> {
        let status = match self.status() {
            Status::Available | Status::LoggedIn | Status::Suspended => return Ok(()),
            Status::Locked => "locked by an administrator",
            Status::Provisioning => "still being provisioned",
            Status::Canceling => "being ended",
            Status::Completed | Status::Canceled | Status::Failed => "over",
            Status::Pending => "not due yet",
            Status::WaitingForApproval => "waiting for approval",
            Status::ApprovalDenied => "not approved",
            Status::ApprovalFailed => "not approved, because its approval failed",
        };
        Err(Refusal::NotEnterable {
            status: status.to_owned(),
        })
    }

    /// Is nothing going to happen any more?
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }
}

fn reports_the_past(input: &Input) -> bool {
    match input {
        Input::Disconnected { .. } | Input::ConnectFailed { .. } | Input::TornDown => true,
        Input::Provisioned
        | Input::ProvisioningFailed { .. }
        | Input::Connected { .. }
        | Input::HumanInput
        | Input::ControllerLeft { .. }
        | Input::ExtendKey { .. }
        | Input::Command { .. }
        | Input::RecordingFailed { .. }
        | Input::PolicyRevoked { .. }
        | Input::InternalError
        | Input::Drain
        | Input::Tick => false,
    }
}
