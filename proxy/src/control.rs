//! A viewer's way to control a desktop: from his seat to the pump that writes to the target.
//!
//! What he types may be a secret, so nothing of it goes through the store or the driver. The driver decides who has control;
//! it hands the end of that viewer's way to the pump and takes it away again, so that what comes from anybody else, or too
//! late, has nowhere to go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sallyport_domain::control::ControlInput;
use sallyport_domain::id::{SeatId, SessionId};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::driver::Mail;
use crate::node::Node;

/// Inputs that may wait for the target; somebody for whom more wait has lost touch with it.
const WAITING: usize = 256;
/// Seats of one session from which nobody controls anything (yet).
const IDLE_SEATS: usize = 64;

/// Somebody controls a connection's desktop.
#[derive(Debug)]
pub struct Control {
    /// Who.
    pub viewer: String,
    /// From which seat.
    pub seat: SeatId,
    /// Is the user's own input dropped meanwhile?
    pub exclusive: bool,
    inputs: Mutex<Option<mpsc::Receiver<ControlInput>>>,
}

impl Control {
    /// Of somebody whose input comes there.
    pub fn new(
        viewer: String,
        seat: SeatId,
        exclusive: bool,
        inputs: mpsc::Receiver<ControlInput>,
    ) -> Self {
        Self {
            viewer,
            seat,
            exclusive,
            inputs: Mutex::new(Some(inputs)),
        }
    }

    /// His input, once only. His end is closed when this is dropped.
    pub fn take_inputs(&self) -> Option<mpsc::Receiver<ControlInput>> {
        let mut inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        inputs.take()
    }
}

/// Seats from which nobody controls anything.
#[derive(Default)]
pub struct IdleSeats(HashMap<SeatId, mpsc::Receiver<ControlInput>>);

impl IdleSeats {
    /// One more; if there are too many, it is closed at once.
    pub fn add(&mut self, seat: SeatId, inputs: mpsc::Receiver<ControlInput>) {
        self.0.retain(|_, inputs| !inputs.is_closed());
        if self.0.len() < IDLE_SEATS {
            self.0.insert(seat, inputs);
        }
    }

    /// Somebody is to have control from there: what he does, if he is still there.
    pub fn take(&mut self, seat: SeatId) -> Option<mpsc::Receiver<ControlInput>> {
        self.0.remove(&seat)
    }
}

/// Seats for those who watch this node's sessions.
#[derive(Clone)]
pub struct Seats(Arc<Node>);

/// Why somebody gets no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeat {
    /// No such session is live on this node.
    NotHere,
    /// The session is too busy.
    Busy,
}

impl Seats {
    /// Those of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// A seat at a session. What goes in gets to the target while control was given to that seat; the way is closed when
    /// it was taken away. Dropping it gives control back.
    ///
    /// # Errors
    /// If the session lives elsewhere, or cannot be asked now.
    pub fn open(&self, session: SessionId) -> Result<(SeatId, mpsc::Sender<ControlInput>), NoSeat> {
        let driver = self.0.live.get(session).ok_or(NoSeat::NotHere)?;
        let seat = SeatId::from(Uuid::now_v7());
        let (sender, inputs) = mpsc::channel(WAITING);
        match driver.try_send(Mail::Seat { seat, inputs }) {
            true => Ok((seat, sender)),
            false => Err(NoSeat::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_that_were_left_make_room() {
        let mut seats = IdleSeats::default();
        let id = |n: usize| SeatId::from(Uuid::from_u128(n as u128));
        let mut kept = Vec::new();
        for n in 0..IDLE_SEATS {
            let (sender, inputs) = mpsc::channel(1);
            seats.add(id(n), inputs);
            kept.push(sender);
        }
        let (late, inputs) = mpsc::channel(1);
        seats.add(id(999), inputs);
        assert!(late.is_closed() && seats.take(id(999)).is_none());
        kept.pop();
        let (next, inputs) = mpsc::channel(1);
        seats.add(id(1000), inputs);
        assert!(!next.is_closed() && seats.take(id(1000)).is_some());
    }
}
