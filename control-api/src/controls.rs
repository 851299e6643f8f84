//! How the input of somebody who controls a desktop gets to it. The session's node takes it; here it is only handed over.

use sallyport_domain::control::ControlInput;
use sallyport_domain::id::{SeatId, SessionId};
use tokio::sync::mpsc;

/// Where those who watch sit down to take control.
pub trait Controls: Send + Sync {
    /// A seat at a session.
    ///
    /// # Errors
    /// If the session cannot be reached from this node.
    fn open(&self, session: SessionId) -> Result<Seat, NoSeat>;
}

/// A viewer's seat. Dropping it gives control back.
pub struct Seat {
    /// Its id, which the order for control names.
    pub id: SeatId,
    /// The way of his input. It leads somewhere while he has control, and is closed when that was taken from him.
    pub inputs: mpsc::Sender<ControlInput>,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeat {
    /// The session lives on another node.
    Elsewhere,
    /// The session is too busy to answer.
    Busy,
}
