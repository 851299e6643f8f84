//! Collects what one input leads to.

use super::{Action, Notice};
use crate::command::Outcome;
use crate::event::Event;
use crate::id::CommandId;

/// The actions so far, and whether people will see a change.
#[derive(Debug, Default)]
pub(super) struct Effects {
    actions: Vec<Action>,
    visible: bool,
}

impl Effects {
    /// Adds an action.
    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Adds a fact to the log.
    pub(super) fn log(&mut self, event: Event) {
        self.push(Action::Log(event));
    }

    /// Shows something in the user's clients.
    pub(super) fn notify(&mut self, notice: Notice) {
        self.push(Action::Notify(notice));
    }

    /// Answers a command that no connection has to obey.
    pub(super) fn answer(&mut self, command: CommandId, outcome: Outcome) {
        self.push(Action::Answer { command, outcome });
    }

    /// The session's row must be written, once, after everything else: a store that hangs must not
    /// delay what the session does to its connections.
    pub(super) fn persist(&mut self) {
        self.visible = true;
    }

    /// Will the row be written?
    pub(super) fn persists(&self) -> bool {
        self.visible
    }

    /// Everything, in order.
    pub(super) fn into_actions(mut self) -> Vec<Action> {
        if self.visible {
            self.actions.push(Action::Persist);
        }
        self.actions
    }
}
