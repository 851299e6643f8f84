//! The driver: the one task that owns a live session.
//!
//! Everything else sends it [`Mail`]. It feeds the pure [`Session`] and carries out what that
//! answers: gates, cuts, notices, entries for the ledger. It never waits for a peer or for the
//! database, so a deadline is enforced whatever hangs.

mod arrivals;
mod effects;
mod mail;
mod measure;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sallyport_domain::close::CloseReason;
use sallyport_domain::command::{ConnectionEffect, Outcome};
use sallyport_domain::declared::Protocol;
use sallyport_domain::event::Event;
use sallyport_domain::id::{CommandId, ConnectionId};
use sallyport_domain::policy::{self, Decision, Request};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::{Action, Input, Session};
use sallyport_store::Store;
use tokio::sync::mpsc;

pub use arrivals::{Arrival, Arrivals};
pub use mail::{DriverHandle, Mail};

use crate::backlog::Waiting;
use crate::clock;
use crate::connection::Connection;
use crate::control::IdleSeats;
use crate::ledger::{Entry, Ledger};
use crate::meter::Meter;
use crate::shield::{fault, shielded};

/// Mail that may wait.
const MAILBOX: usize = 64;
/// The longest nap: bounds how late a step of the wall clock is noticed.
const NAP: Duration = Duration::from_secs(1);

/// What a driver starts with.
pub struct Start {
    /// The machine, just made or restored.
    pub session: Session,
    /// What it is about: user, host and activity, for asking the policy again.
    pub subject: Subject,
    /// What it answered before it had a driver.
    pub actions: Vec<Action>,
    /// Who comes with it, if it was made for somebody who is on her way.
    pub arrivals: Arrivals,
}

/// Whom and what a session is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Over which protocol.
    pub protocol: Protocol,
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The activity's name.
    pub activity: String,
    /// The policy's name.
    pub policy: String,
    /// Notes given at the request.
    pub notes: Option<String>,
    /// Ticket given at the request.
    pub ticket: Option<String>,
}

/// Starts the driver of a session; it ends with the session. `done` runs when it has.
pub fn start(store: Store, start: Start, done: impl FnOnce() + Send + 'static) -> DriverHandle {
    let (sender, mailbox) = mpsc::channel(MAILBOX);
    let handle = DriverHandle::new(sender, start.arrivals.clone());
    let mut driver = Driver {
        ledger: Ledger::start(store.clone(), start.session.id()),
        store,
        session: start.session,
        subject: start.subject,
        own: handle.clone(),
        arrivals: start.arrivals,
        connections: BTreeMap::new(),
        seats: IdleSeats::default(),
        meters: BTreeMap::new(),
        measured: Instant::now(),
        open_tapes: HashSet::new(),
        cuts: HashMap::new(),
        answers: Vec::new(),
        events: Vec::new(),
        waiting: Vec::new(),
        wake_at: None,
        stopping: false,
        source: None,
    };
    tokio::spawn(async move {
        let run = driver.run(mailbox, start.actions);
        if shielded("the driver of a session", run).await.is_none() {
            // Without a driver nobody enforces a deadline. In the store it ends at the next start.
            driver.cut_all(&CloseReason::InternalError);
            driver.arrivals.turn_away(&CloseReason::InternalError);
        }
        driver.ledger.close().await;
        done();
    });
    handle
}

struct Driver {
    store: Store,
    ledger: Ledger,
    session: Session,
    subject: Subject,
    own: DriverHandle,
    /// Connections that are not here yet.
    arrivals: Arrivals,
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    /// From where somebody may want to take control.
    seats: IdleSeats,
    meters: BTreeMap<ConnectionId, Meter>,
    /// When they were last looked at.
    measured: Instant,
    /// Tapes not finished yet; the session's log is not complete before they are.
    open_tapes: HashSet<ConnectionId>,
    /// Commands to answer when connections are gone.
    cuts: HashMap<CommandId, PendingCut>,
    /// Answers to write after the next save.
    answers: Vec<Entry>,
    /// Events for the next save.
    events: Vec<(DateTime<Utc>, Event)>,
    /// The places of some of them among those that wait for the database.
    waiting: Vec<Waiting>,
    wake_at: Option<DateTime<Utc>>,
    /// The node goes; the session may stay open in the store.
    stopping: bool,
    /// Address and software of the first client.
    source: Option<(String, String)>,
}

/// A command waiting for connections to go.
struct PendingCut {
    waiting: HashSet<ConnectionId>,
    gone: Vec<ConnectionEffect>,
}

impl Driver {
    async fn run(&mut self, mut mailbox: mpsc::Receiver<Mail>, actions: Vec<Action>) {
        self.perform(actions).await;
        while !(self.stopping || self.session.is_over())
            || !self.connections.is_empty()
            || !self.open_tapes.is_empty()
            || self.arrivals.any()
            // In this order: who has arrived has said so first.
            || !mailbox.is_empty()
        {
            let turn = shielded("a driver's turn", self.turn(&mut mailbox));
            match turn.await {
                Some(true) => {}
                Some(false) => break,
                None => self.broken().await,
            }
        }
        // A command that was on its way when the session ended still gets its answer.
        mailbox.close();
        while let Some(mail) = mailbox.recv().await {
            self.handle(mail).await;
        }
    }

    /// One thing that happens; false if nobody can send it anything any more.
    async fn turn(&mut self, mailbox: &mut mpsc::Receiver<Mail>) -> bool {
        tokio::select! {
            mail = mailbox.recv() => match mail {
                Some(mail) => self.handle(mail).await,
                None => return false,
            },
            () = self.arrivals.fewer() => {}
            () = tokio::time::sleep(self.nap()) => self.look_around().await,
        }
        self.measure();
        true
    }

    /// A mistake of ours: what is left of this session is ended, so that nobody goes on in it
    /// unwatched. Another mistake on the way there ends the driver as well.
    async fn broken(&mut self) {
        self.wake_at = None;
        self.cut_all(&CloseReason::InternalError);
        self.feed(Input::InternalError).await;
    }

    fn cut_all(&self, reason: &CloseReason) {
        for connection in self.connections.values() {
            connection.cut(reason.clone());
        }
    }

    fn nap(&self) -> Duration {
        match self.wake_at {
            Some(at) => (at - clock::now()).to_std().unwrap_or_default().min(NAP),
            None => NAP,
        }
    }

    /// What no mail announces: the time, and whether somebody typed.
    async fn look_around(&mut self) {
        let mut typed = false;
        for connection in self.connections.values() {
            typed |= connection.was_touched();
        }
        if typed {
            self.feed(Input::HumanInput).await;
        }
        self.report_gaps();
        let now = clock::now();
        if self.wake_at.is_some_and(|at| at <= now) {
            self.wake_at = None;
            self.feed(Input::Tick).await;
        }
        let extendable = self.session.extendable(now);
        for connection in self.connections.values() {
            connection.set_extendable(extendable);
        }
    }

    async fn feed(&mut self, input: Input) {
        let actions = self.session.handle(clock::now(), input);
        self.perform(actions).await;
    }

    async fn handle(&mut self, mail: Mail) {
        match mail {
            Mail::Connected {
                connection,
                source_ip,
                client,
            } => self.connected(connection, source_ip, client).await,
            Mail::ConnectFailed {
                connection,
                failure,
            } => {
                self.feed(Input::ConnectFailed {
                    connection,
                    failure,
                })
                .await;
            }
            Mail::Disconnected {
                connection,
                cause,
                at,
            } => self.disconnected(connection, cause, at).await,
            Mail::TapeEnded {
                connection,
                entry,
                event,
            } => {
                self.open_tapes.remove(&connection);
                if let Some(entry) = entry {
                    self.ledger.add(entry);
                }
                if let Some(event) = event {
                    self.note(event);
                }
            }
            Mail::Logged(event) => {
                fault("driver", || format!("{event:?}"));
                self.note(event);
            }
            Mail::LoggedAll(events, waiting) => self.note_all(events, waiting),
            Mail::Write(entry) => self.ledger.add(entry),
            Mail::Command { id, command, by } => {
                self.feed(Input::Command { id, command, by }).await
            }
            Mail::Seat { seat, inputs } => self.seats.add(seat, inputs),
            Mail::ControllerLeft(seat) => self.feed(Input::ControllerLeft { seat }).await,
            Mail::ExtendKey => {
                let user = self.subject.user.clone();
                self.feed(Input::ExtendKey { user }).await;
            }
            Mail::RecordingFailed { connection, error } => {
                self.note(Event::RecordingFailed {
                    connection,
                    error: error.clone(),
                });
                self.feed(Input::RecordingFailed { error }).await;
            }
            Mail::PolicyChanged => self.ask_policy_again(),
            Mail::PolicyAnswered(answer) => self.policy_answered(answer).await,
            Mail::Drain => self.feed(Input::Drain).await,
            Mail::Stop => self.stopping = true,
            Mail::Admits(reply) => {
                let _ = reply.send(self.session.admits());
            }
        }
    }

    async fn connected(&mut self, connection: Arc<Connection>, source_ip: String, client: String) {
        let id = connection.id;
        if let Some(reason) = self.session.close_reason() {
            // It came up while the session ended: it must not outlive it.
            connection.cut(reason.clone());
        }
        self.source.get_or_insert((source_ip, client));
        self.open_tapes.insert(id);
        self.meters.insert(id, Meter::new(Instant::now()));
        self.connections.insert(id, connection);
        self.feed(Input::Connected { connection: id }).await;
    }

    async fn disconnected(
        &mut self,
        id: ConnectionId,
        cause: sallyport_domain::session::DisconnectCause,
        at: DateTime<Utc>,
    ) {
        self.report_gaps();
        if let Some(connection) = self.connections.remove(&id) {
            let cause = effects::cause_code(&cause).to_owned();
            let passed = Box::new(self.last_measured(&connection));
            self.ledger.add(Entry::ConnectionClosed {
                id,
                at,
                cause,
                passed,
            });
        }
        let mut done = Vec::new();
        for (command, cut) in &mut self.cuts {
            if cut.waiting.remove(&id) {
                cut.gone.push(ConnectionEffect { connection: id, at });
            }
            if cut.waiting.is_empty() {
                done.push(*command);
            }
        }
        for command in done {
            if let Some(cut) = self.cuts.remove(&command) {
                self.answers.push(Entry::Answer(
                    command,
                    Outcome::Done {
                        connections: cut.gone,
                    },
                    at,
                ));
            }
        }
        self.feed(Input::Disconnected {
            connection: id,
            cause,
        })
        .await;
    }

    /// What passed unrecorded (best effort only) is in the log within a second.
    fn report_gaps(&mut self) {
        let gaps: Vec<Event> = self
            .connections
            .values()
            .filter_map(|connection| Some((connection.id, connection.tape.take_gap()?)))
            .map(|(connection, bytes)| Event::RecordingGap { connection, bytes })
            .collect();
        for gap in gaps {
            self.note(gap);
        }
    }

    /// An event that is on the tape already, or has no tape.
    fn note(&mut self, event: Event) {
        self.events.push((clock::now(), event));
        self.save();
    }

    /// Many of them, at one time.
    fn note_all(&mut self, events: Vec<Event>, waiting: Waiting) {
        let now = clock::now();
        self.events
            .extend(events.into_iter().map(|event| (now, event)));
        self.waiting.push(waiting);
        self.save();
    }

    /// Rights are checked again while they are used (law 6), beside the driver's work.
    fn ask_policy_again(&self) {
        let (store, subject, own) = (self.store.clone(), self.subject.clone(), self.own.clone());
        tokio::spawn(async move {
            // A database that cannot be asked changes nothing: what was granted stays granted until its deadline.
            let Ok(snapshot) = store.policy_snapshot(&subject.user, &subject.host).await else {
                return;
            };
            let request = Request {
                protocol: subject.protocol,
                host: subject.host,
                activity: Some(subject.activity),
                account: None,
                policy: Some(subject.policy),
                notes: subject.notes,
                ticket: subject.ticket,
            };
            own.send(Mail::PolicyAnswered(Box::new(policy::evaluate(
                &snapshot, &request,
            ))))
            .await;
        });
    }

    async fn policy_answered(&mut self, answer: Box<Decision>) {
        match *answer {
            Decision::Allow(permit) => {
                for connection in self.connections.values() {
                    connection.renew(permit.clone());
                }
            }
            // A locked user's sessions are locked by their own commands, a bar concerns new ones.
            Decision::Deny(Refusal::UserLocked | Refusal::HostBarred { .. }) => {}
            Decision::Deny(refusal) => {
                self.feed(Input::PolicyRevoked {
                    what: refusal.to_string(),
                })
                .await
            }
        }
    }

    async fn perform(&mut self, actions: Vec<Action>) {
        // Teardown has no post-session actions yet, so it is done at once, after what came before it.
        let mut torn_down = false;
        let mut save = false;
        let mut empty_seat = None;
        for action in actions {
            match action {
                Action::Persist => save = true,
                Action::TearDown => torn_down = true,
                Action::Log(event) => {
                    self.mark(&event);
                    self.events.push((clock::now(), event));
                    save = true;
                }
                Action::Notify(notice) => self.notify(&notice),
                Action::ShutGate {
                    title,
                    message,
                    answer,
                } => self.shut_gates(title, message, answer).await,
                Action::OpenGate { answer } => self.open_gates(answer),
                Action::Cut {
                    connections,
                    reason,
                    answer,
                } => self.cut(connections, &reason, answer),
                Action::GiveControl {
                    connection,
                    viewer,
                    seat,
                    exclusive,
                } => {
                    if !self.give_control(connection, viewer, seat, exclusive) {
                        empty_seat = Some(seat);
                    }
                }
                Action::EndControl { connection } => self.end_control(connection),
                Action::Answer { command, outcome } => {
                    self.answers
                        .push(Entry::Answer(command, outcome, clock::now()));
                }
                Action::WakeAt(at) => self.wake_at = Some(at),
            }
        }
        if save {
            self.save();
        }
        // Before the answers: what is answered has taken effect (law 4).
        if let Some(reason) = self.session.close_reason() {
            self.arrivals.turn_away(reason);
        }
        // After the row: whoever gets the answer must find the row changed.
        for answer in self.answers.drain(..) {
            self.ledger.add(answer);
        }
        if let Some(seat) = empty_seat {
            Box::pin(self.feed(Input::ControllerLeft { seat })).await;
        }
        if torn_down {
            let actions = self.session.handle(clock::now(), Input::TornDown);
            Box::pin(self.perform(actions)).await;
        }
    }
}
