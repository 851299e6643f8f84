//! One client joined to one target: what its pumps, its supervisor and its driver share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sallyport_domain::close::CloseReason;
use sallyport_domain::event::Event;
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_domain::permit::{Granted, Permit};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::right::Right;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::driver::{DriverHandle, Mail};
use crate::gate::Gate;
use crate::meter::{Counts, Readings};
use crate::recording::{RecordingLost, Tape};
use crate::round_trip::RoundTrip;

/// Notices that may wait for a terminal; a terminal that lags behind misses the oldest.
const NOTICES: usize = 16;

/// How far away both peers are, as far as their sockets are ours.
#[derive(Debug, Clone, Default)]
pub struct RoundTrips {
    /// The client.
    pub client: Option<RoundTrip>,
    /// The target.
    pub target: Option<RoundTrip>,
}

/// A live connection.
pub struct Connection {
    /// Its id; also the name of its tape.
    pub id: ConnectionId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Shut by a lock.
    pub gate: Gate,
    /// What passes is here first.
    pub tape: Tape,
    /// Told when there is more on the tape, for whoever paints from it.
    pub grown: Arc<Notify>,
    driver: DriverHandle,
    permit: watch::Sender<Arc<Permit>>,
    control: watch::Sender<Option<Arc<Control>>>,
    typed: AtomicBool,
    extendable: AtomicBool,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    updates: AtomicU64,
    round_trips: RoundTrips,
    notices: broadcast::Sender<Arc<str>>,
    /// What the first terminal will be told; `None` since there was one.
    unsaid: Mutex<Option<Vec<Arc<str>>>>,
    end: watch::Sender<Option<CloseReason>>,
    ending: CancellationToken,
}

impl Connection {
    /// A connection with an open gate.
    pub fn new(
        id: ConnectionId,
        session: SessionId,
        permit: Permit,
        tape: Tape,
        driver: DriverHandle,
        round_trips: RoundTrips,
    ) -> Self {
        Self {
            id,
            session,
            gate: Gate::new(),
            tape,
            grown: Arc::default(),
            driver,
            permit: watch::Sender::new(Arc::new(permit)),
            control: watch::Sender::new(None),
            typed: AtomicBool::new(false),
            extendable: AtomicBool::new(false),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            updates: AtomicU64::new(0),
            round_trips,
            notices: broadcast::Sender::new(NOTICES),
            unsaid: Mutex::new(Some(Vec::new())),
            end: watch::Sender::new(None),
            ending: CancellationToken::new(),
        }
    }

    /// The right, if the permit holds it now.
    pub fn right(&self, right: Right) -> Result<Granted, Refusal> {
        self.permit().right(right)
    }

    /// The permit as of now.
    pub fn permit(&self) -> Arc<Permit> {
        self.permit.borrow().clone()
    }

    /// The permit, for those who hold something that it must allow as long as they do.
    pub fn permits(&self) -> watch::Receiver<Arc<Permit>> {
        self.permit.subscribe()
    }

    /// The policy was asked again: these are its rights from now on (law 6).
    pub fn renew(&self, permit: Permit) {
        self.permit.send_replace(Arc::new(permit));
    }

    /// Gives somebody control besides the user, or takes it away.
    pub fn set_control(&self, control: Option<Control>) {
        self.control.send_replace(control.map(Arc::new));
    }

    /// Who has control besides the user, for the pump to the target. A level: whoever looks sees who has it now.
    pub fn control(&self) -> watch::Receiver<Option<Arc<Control>>> {
        self.control.subscribe()
    }

    /// Puts a fact on the tape and into the session's log.
    pub async fn log(&self, event: Event) -> Result<(), RecordingLost> {
        self.tape.mark(&event)?;
        self.driver.send(Mail::Logged(event)).await;
        Ok(())
    }

    /// Puts facts of a transfer that are on the tape already into the session's log.
    pub async fn log_recorded(&self, events: Vec<Event>) {
        self.driver.send_recorded(events).await;
    }

    /// Waits while the database does not keep up with them.
    pub async fn log_room(&self) {
        self.driver.room().await;
    }

    /// What passes can no longer be recorded.
    pub async fn recording_lost(&self, lost: RecordingLost) {
        self.driver
            .send(Mail::RecordingFailed {
                connection: self.id,
                error: lost.0,
            })
            .await;
    }

    /// The user's side sent something. Cheap: the driver looks once a second.
    pub fn touch(&self) {
        self.typed.store(true, Ordering::Relaxed);
    }

    /// Did it send something since the last call?
    pub fn was_touched(&self) -> bool {
        self.typed.swap(false, Ordering::Relaxed)
    }

    /// Is Ctrl+X ours now?
    pub fn is_extendable(&self) -> bool {
        self.extendable.load(Ordering::Relaxed)
    }

    /// Makes Ctrl+X ours, or the target's.
    pub fn set_extendable(&self, extendable: bool) {
        self.extendable.store(extendable, Ordering::Relaxed);
    }

    /// The user pressed Ctrl+X while it was ours.
    pub async fn extend_key(&self) {
        self.driver.send(Mail::ExtendKey).await;
    }

    /// What has been relayed so far.
    pub fn counts(&self) -> Counts {
        Counts {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            updates: self.updates.load(Ordering::Relaxed),
        }
    }

    /// How far away both peers were lately.
    pub fn readings(&self) -> Readings {
        let last = |round_trip: &Option<RoundTrip>| round_trip.as_ref()?.last();
        Readings {
            client: last(&self.round_trips.client),
            target: last(&self.round_trips.target),
        }
    }

    /// Counts bytes from the client.
    pub fn count_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes to the client.
    pub fn count_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Something that the target shows goes to the client.
    pub fn count_update(&self) {
        self.updates.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows a text in every terminal of the connection.
    pub fn notify(&self, text: &str) {
        // Without a terminal nobody listens, and nothing is to be shown.
        let _ = self.notices.send(Arc::from(text));
    }

    /// Shows a text in every terminal, or in the first one that starts: clients ask for forwards
    /// before they ask for a terminal.
    pub fn announce(&self, text: &str) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *unsaid {
            Some(texts) if texts.len() < NOTICES => texts.push(Arc::from(text)),
            Some(_) => {}
            None => self.notify(text),
        }
    }

    /// A terminal starts: what it has to say first.
    pub fn unsaid(&self) -> Vec<Arc<str>> {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.take().unwrap_or_default()
    }

    /// For a terminal that shows notices.
    pub fn notices(&self) -> broadcast::Receiver<Arc<str>> {
        self.notices.subscribe()
    }

    /// Asks the supervisor to end the connection; the first reason stays.
    pub fn cut(&self, reason: CloseReason) {
        self.ending.cancel();
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(reason);
            }
            first
        });
    }

    /// Resolves when the end was asked for: nothing more is relayed, so that what is said about it gets through.
    pub async fn ending(&self) {
        self.ending.cancelled().await;
    }

    /// Was the end asked for?
    pub fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Why the connection was asked to end, if it was.
    pub fn cut_reason(&self) -> Option<CloseReason> {
        self.end.borrow().clone()
    }

    /// Waits until somebody asks for the end.
    pub async fn cut_requested(&self) -> CloseReason {
        let mut end = self.end.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(reason)) => reason,
            Ok(None) | Err(_) => CloseReason::Network,
        }
    }

    /// Tells the driver something; false if there is none any more.
    pub async fn tell(&self, mail: Mail) -> bool {
        self.driver.send(mail).await
    }
}
