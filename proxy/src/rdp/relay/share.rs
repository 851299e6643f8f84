//! The desktop that runs now, as both pumps know it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sallyport_dissect::rdp::capabilities::Desktop;
use sallyport_dissect::rdp::input::{self, Event};
use sallyport_dissect::rdp::mcs;
use sallyport_dissect::rdp::share::{self as pdu, DataKind};

use super::held::Held;

/// What both pumps and the goodbye need.
#[derive(Debug, Default)]
pub struct Share(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    desktop: Option<Desktop>,
    /// The target's own id in the share.
    server: u16,
    /// The activation is through: the client takes pictures.
    ready: bool,
    /// And nobody has looked since.
    begun: bool,
    /// Bits a pixel that the client confirmed; `None` until it has.
    depth: Option<u16>,
    /// What is typed may reach the target.
    entered: bool,
    /// The target has let the account in.
    is_in: bool,
    /// What the user holds down.
    held: Held,
}

impl Share {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target offers a desktop. Has it another size than the last one?
    pub fn begins(&self, desktop: Desktop, server: u16) -> bool {
        let mut state = self.state();
        let size = |desktop: Desktop| (desktop.width, desktop.height);
        let before = state.desktop.map(size);
        state.desktop = Some(desktop);
        state.server = server;
        state.depth = None;
        state.ready = false;
        before != Some(size(desktop))
    }

    /// The client takes it, in that depth.
    pub fn confirmed(&self, depth: u16) {
        self.state().depth = Some(depth);
    }

    /// The target lets the account in: something inside its session speaks, or its handshake said so.
    pub fn enter(&self) {
        let mut state = self.state();
        (state.entered, state.is_in) = (true, true);
    }

    /// What is typed may reach the target, though it may be on its log-in screen.
    pub fn let_type(&self) {
        self.state().entered = true;
    }

    /// May it?
    pub fn is_entered(&self) -> bool {
        self.state().entered
    }

    /// Has the target let the account in?
    pub fn is_in(&self) -> bool {
        self.state().is_in
    }

    /// The client takes pictures from now on.
    pub fn ready(&self) {
        let mut state = self.state();
        (state.ready, state.begun) = (true, true);
    }

    /// Has a desktop begun since the last call?
    pub fn take_begun(&self) -> bool {
        std::mem::take(&mut self.state().begun)
    }

    /// The desktop, and the target's id in it; `None` before there was one.
    pub fn desktop(&self) -> Option<(Desktop, u16)> {
        let state = self.state();
        state.desktop.map(|desktop| (desktop, state.server))
    }

    /// The desktop that the client has confirmed, and in which depth.
    pub fn confirmed_desktop(&self) -> Option<(Desktop, u16)> {
        let state = self.state();
        state.desktop.zip(state.depth).filter(|_| state.ready)
    }

    /// Does the client work on that share: has it confirmed what the target offered?
    pub fn is_active(&self, share: Option<u32>) -> bool {
        let state = self.state();
        let current = state.desktop.map(|desktop| desktop.share);
        state.depth.is_some() && (share.is_none() || share == current)
    }

    /// The user pressed, released or moved something.
    pub fn see(&self, event: &Event) {
        self.state().held.see(event);
    }

    /// The same of what does not reach the target: only her lock keys are followed.
    pub fn see_locks(&self, event: &Event) {
        self.state().held.see_locks(event);
    }

    /// Which lock keys are on at the user's keyboard, if it told.
    pub fn locks(&self) -> Option<Event> {
        self.state().held.locks().map(Event::Locks)
    }

    /// The user may hold nothing any longer: what the target has to be told.
    pub fn let_go(&self) -> Vec<Event> {
        self.state().held.let_go()
    }

    /// Input of the gateway's own making as PDUs in ids of the target's leg, of the kind that it takes.
    pub fn input(&self, (user, io): (u16, u16), events: &[Event]) -> Vec<u8> {
        let Some((desktop, _)) = self.desktop().filter(|_| self.is_active(None)) else {
            return Vec::new();
        };
        if desktop.takes.fast_path {
            return input::fast_path(events);
        }
        let mut out = Vec::new();
        for body in input::slow_path(events) {
            let pdu = pdu::data(DataKind::Input, user, desktop.share, &body);
            mcs::frame(mcs::Sender::Client, user, io, &pdu, &mut out);
        }
        out
    }
}
