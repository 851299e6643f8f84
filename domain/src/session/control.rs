//! Control of a desktop by somebody who watches it.

use serde::{Deserialize, Serialize};

use super::effects::Effects;
use super::machine::Session;
use super::{Action, Notice};
use crate::command::Actor;
use crate::control::ControlOver;
use crate::event::Event;
use crate::id::{ConnectionId, SeatId};

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Control {
    pub(super) viewer: String,
    pub(super) seat: SeatId,
    pub(super) connection: ConnectionId,
    pub(super) exclusive: bool,
}

/// The part of a stored [`Session`] that says who has control; reading it all to know that would take long for a list.
#[derive(Debug, Default, Deserialize)]
pub struct Controller {
    #[serde(default)]
    control: Option<Control>,
}

impl Controller {
    /// The viewer's name, if anybody has it.
    pub fn into_viewer(self) -> Option<String> {
        self.control.map(|control| control.viewer)
    }
}

impl Session {
    /// Gives control to whoever ordered it, from that seat, of that connection's desktop, alone or not; it was found to be
    /// free.
    pub(super) fn take_over(
        &mut self,
        (seat, connection, exclusive): (SeatId, ConnectionId, bool),
        by: &Actor,
        out: &mut Effects,
    ) {
        let viewer = by.name.clone();
        self.control = Some(Control {
            viewer: viewer.clone(),
            seat,
            connection,
            exclusive,
        });
        // On the tape before the first input.
        out.log(Event::ControlTaken {
            connection,
            viewer: viewer.clone(),
            exclusive,
        });
        out.push(Action::GiveControl {
            connection,
            viewer: viewer.clone(),
            seat,
            exclusive,
        });
        self.tell(Notice::ControlTaken { viewer, exclusive }, out);
        out.persist();
    }

    /// Takes control away from whoever has it.
    pub(super) fn end_control(&mut self, why: ControlOver, out: &mut Effects) {
        let Some(control) = self.control.take() else {
            return;
        };
        let Control {
            viewer, connection, ..
        } = control;
        out.push(Action::EndControl { connection });
        out.log(Event::ControlReleased {
            connection,
            viewer: viewer.clone(),
            why,
        });
        self.tell(Notice::ControlReleased { viewer }, out);
        out.persist();
    }

    /// The viewer at that seat is gone.
    pub(super) fn controller_left(&mut self, seat: SeatId, out: &mut Effects) {
        if self
            .control
            .as_ref()
            .is_some_and(|control| control.seat == seat)
        {
            self.end_control(ControlOver::Left, out);
        }
    }

    /// Has somebody control of that connection's desktop?
    pub(super) fn is_controlled(&self, connection: ConnectionId) -> bool {
        self.control
            .as_ref()
            .is_some_and(|control| control.connection == connection)
    }
}
