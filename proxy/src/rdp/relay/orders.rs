//! What one pump wants sent by the other: answers of the gateway's own.

use tokio::sync::mpsc;

use super::Stop;

/// PDUs that may wait. There are few: a refused channel, a screen asked for again, keys released, frames acknowledged.
const QUEUE: usize = 64;

/// The way to the pump that writes to the target: whole PDUs, in ids of its leg.
#[derive(Debug, Clone)]
pub struct Orders(mpsc::Sender<Vec<u8>>);

impl Orders {
    /// A way, and its end.
    pub fn new() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (orders, ordered) = mpsc::channel(QUEUE);
        (Self(orders), ordered)
    }

    /// Has a PDU sent. Never waits: the two pumps would wait for each other.
    ///
    /// # Errors
    /// If the target takes nothing and still asks for more.
    pub fn send(&self, pdu: Vec<u8>) -> Result<(), Stop> {
        self.0.try_send(pdu).map_err(|_| Stop::Blocked)
    }

    /// Has a PDU sent if there is room and to spare: one that the next of its kind makes up for.
    pub fn offer(&self, pdu: Vec<u8>) {
        if self.0.capacity() > QUEUE / 2 {
            let _ = self.0.try_send(pdu);
        }
    }
}
