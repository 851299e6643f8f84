//! What holds for every order of inputs.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::close::CloseReason;
use crate::command::{Actor, Command};
use crate::declared::Extension;
use crate::event::Event;
use crate::id::{CommandId, ConnectionId, SeatId};
use crate::status::Status;

/// An input without its command's id, which must be unique.
#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    Order(Command, Actor),
    NodeLost,
    StoreAndRestore,
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    (0u128..4).prop_map(|n| Uuid::from_u128(n).into())
}

fn seat() -> impl Strategy<Value = SeatId> {
    (0u128..3).prop_map(|n| Uuid::from_u128(n).into())
}

fn cause() -> impl Strategy<Value = DisconnectCause> {
    prop_oneof![
        Just(DisconnectCause::Client),
        Just(DisconnectCause::ClientLost),
        Just(DisconnectCause::Target),
        Just(DisconnectCause::Cut(CloseReason::RuleViolation {
            rule: "rm".into()
        })),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let text = String::new;
    prop_oneof![
        4 => Just(Command::Lock { title: text(), message: text() }),
        4 => Just(Command::Unlock),
        1 => Just(Command::End { reason: text() }),
        2 => any::<bool>().prop_map(|cancel| Command::Terminate { cancel, reason: String::new() }),
        4 => prop::option::of(0u64..7200)
            .prop_map(|by| Command::Extend { by: by.map(Span::from_secs) }),
        2 => Just(Command::Message { text: text() }),
        1 => Just(Command::ViewerJoined { viewer: text() }),
        1 => Just(Command::ViewerLeft { viewer: text() }),
        6 => (seat(), connection(), any::<bool>()).prop_map(|(seat, connection, exclusive)| {
            Command::TakeOver { seat, connection, exclusive }
        }),
        2 => seat().prop_map(|seat| Command::HandBack { seat }),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    (any::<bool>(), any::<bool>()).prop_map(|(own, admin)| Actor {
        name: "alice".into(),
        own,
        admin,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let failure = || ConnectFailure {
        code: "target_unreachable".into(),
        text: String::new(),
    };
    prop_oneof![
        6 => Just(Step::Input(Input::Provisioned)),
        1 => Just(Step::Input(Input::ProvisioningFailed { error: String::new() })),
        8 => connection().prop_map(|connection| Step::Input(Input::Connected { connection })),
        1 => connection().prop_map(move |connection| {
            Step::Input(Input::ConnectFailed { connection, failure: failure() })
        }),
        5 => (connection(), cause())
            .prop_map(|(connection, cause)| Step::Input(Input::Disconnected { connection, cause })),
        6 => Just(Step::Input(Input::HumanInput)),
        3 => seat().prop_map(|seat| Step::Input(Input::ControllerLeft { seat })),
        4 => Just(Step::Input(Input::ExtendKey { user: "alice".into() })),
        1 => Just(Step::Input(Input::RecordingFailed { error: String::new() })),
        1 => Just(Step::Input(Input::PolicyRevoked { what: String::new() })),
        1 => Just(Step::Input(Input::InternalError)),
        1 => Just(Step::Input(Input::Drain)),
        10 => Just(Step::Input(Input::Tick)),
        4 => Just(Step::Input(Input::TornDown)),
        14 => (command(), actor()).prop_map(|(command, by)| Step::Order(command, by)),
        1 => Just(Step::NodeLost),
        2 => Just(Step::StoreAndRestore),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let span = |longest: u64| (0..longest).prop_map(Span::from_secs);
    (
        span(4000),
        prop::option::of(span(2000)),
        prop::collection::vec(span(1500), 0..4),
        prop::option::of((span(1000), 0u32..3)),
    )
        .prop_map(
            |(max_duration, idle_timeout, end_notice, extension)| Terms {
                max_duration,
                idle_timeout,
                end_notice,
                extension: extension.map(|(by, limit)| Extension { by, limit }),
            },
        )
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// What was seen of a session from outside.
#[derive(Debug, Default)]
struct Witness {
    answers: BTreeMap<CommandId, u32>,
    extended_s: i64,
    ended: u32,
    controlled: Option<ConnectionId>,
}

impl Witness {
    fn see(&mut self, before: &Session, after: &Session, actions: &[Action]) {
        for (index, action) in actions.iter().enumerate() {
            match action {
                Action::Persist => assert_eq!(index + 1, actions.len(), "persisted last"),
                Action::Log(event) => self.see_event(event),
                Action::Notify(_) => assert!(!before.is_over() && !after.is_over()),
                Action::ShutGate { answer, .. } | Action::OpenGate { answer } => {
                    assert!(!before.connections().is_empty(), "somebody must answer");
                    self.answered(*answer);
                }
                Action::Cut {
                    connections,
                    answer,
                    ..
                } => {
                    assert!(!before.is_over(), "nothing is cut after the end");
                    assert!(!connections.is_empty());
                    assert!(
                        connections
                            .iter()
                            .all(|id| after.connections().contains(id))
                    );
                    if let Some(answer) = answer {
                        self.answered(*answer);
                        assert!(
                            after
                                .connections()
                                .iter()
                                .all(|id| connections.contains(id))
                        );
                    }
                }
                Action::GiveControl { connection, .. } => {
                    assert_eq!(self.controlled.replace(*connection), None, "one at a time");
                }
                Action::EndControl { connection } => {
                    assert_eq!(self.controlled.take(), Some(*connection));
                }
                Action::TearDown => {
                    assert!(!after.is_over());
                    // Whoever comes up at the very instant of the end is cut, and nobody else is left.
                    let cut = cut_by(&actions[index..]);
                    assert!(after.connections().iter().all(|id| cut.contains(id)));
                }
                Action::Answer { command, .. } => self.answered(*command),
                Action::WakeAt(_) => assert!(!after.is_over()),
            }
        }
        if before.is_over() {
            assert_eq!(before, after, "the end is the end");
        }
        if before.status() != after.status() || before.times() != after.times() {
            assert_eq!(actions.last(), Some(&Action::Persist), "people must see it");
        }
        assert_eq!(self.controlled.is_some(), after.controller().is_some());
        if let Some(connection) = &self.controlled {
            assert!(after.connections().contains(connection));
            assert!(after.lock().is_none() && after.close_reason().is_none());
        }
        let ended = after.status().is_final();
        assert_eq!(ended, after.is_over());
        assert_eq!(ended, after.times().ended_at.is_some());
        assert_eq!(ended, self.ended == 1);
        assert!(!ended || after.connections().is_empty());
        let ending = ended || after.status() == Status::Canceling;
        assert_eq!(ending, after.close_reason().is_some());
        assert!(
            !ended || Some(after.status()) == after.close_reason().map(CloseReason::final_status)
        );
        assert_eq!(
            after.admits().is_ok(),
            matches!(after.status(), Status::Available | Status::LoggedIn)
        );
        if let (Some(end), Some(begin)) =
            (after.times().scheduled_end, after.times().provisioned_at)
        {
            let granted = TimeDelta::seconds(self.extended_s);
            assert_eq!(end - begin, after.terms().max_duration.delta() + granted);
        }
        let limit = after
            .terms()
            .extension
            .map_or(0, |extension| extension.limit);
        assert!(after.extensions_used() <= limit);
    }

    fn see_event(&mut self, event: &Event) {
        if let Event::Extended { by_s, .. } = event {
            self.extended_s += by_s;
        }
        if let Event::Ended { .. } = event {
            self.ended += 1;
        }
    }

    fn answered(&mut self, command: CommandId) {
        *self.answers.entry(command).or_default() += 1;
    }
}

fn cut_by(actions: &[Action]) -> Vec<ConnectionId> {
    let named = |action: &Action| match action {
        Action::Cut { connections, .. } => connections.clone(),
        Action::Persist
        | Action::Log(_)
        | Action::Notify(_)
        | Action::ShutGate { .. }
        | Action::OpenGate { .. }
        | Action::GiveControl { .. }
        | Action::EndControl { .. }
        | Action::TearDown
        | Action::Answer { .. }
        | Action::WakeAt(_) => vec![],
    };
    actions.iter().flat_map(named).collect()
}

/// A session, its time and what was seen of it.
struct Run {
    session: Session,
    now: DateTime<Utc>,
    witness: Witness,
    commands: u128,
}

impl Run {
    fn new(origin: Origin, terms: Terms) -> Self {
        let id = Uuid::from_u128(7).into();
        let session = Session::new(id, origin, "alice".into(), terms, start());
        Self {
            session,
            now: start(),
            witness: Witness::default(),
            commands: 0,
        }
    }

    fn feed(&mut self, input: Input) -> Vec<Action> {
        let before = self.session.clone();
        let actions = self.session.handle(self.now, input);
        self.witness.see(&before, &self.session, &actions);
        actions
    }

    fn order(&mut self, command: Command, by: Actor) {
        self.commands += 1;
        let id: CommandId = Uuid::from_u128(self.commands).into();
        self.feed(Input::Command { id, command, by });
        assert_eq!(
            self.witness.answers.get(&id),
            Some(&1),
            "one answer, or one promise of it"
        );
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Input(input) => drop(self.feed(input)),
            Step::Order(command, by) => self.order(command, by),
            Step::NodeLost => {
                let before = self.session.clone();
                let actions = self.session.node_lost(self.now);
                self.witness.see(&before, &self.session, &actions);
                assert!(self.session.connections().is_empty());
            }
            Step::StoreAndRestore => {
                let json = serde_json::to_string(&self.session).unwrap();
                self.session = serde_json::from_str(&json).unwrap();
            }
        }
    }

    /// Ends it, and reports what the driver owes.
    fn wind_up(&mut self) {
        let by = Actor {
            name: "bob".into(),
            own: false,
            admin: true,
        };
        self.order(
            Command::End {
                reason: String::new(),
            },
            by,
        );
        for connection in self.session.connections().clone() {
            self.feed(Input::Disconnected {
                connection,
                cause: DisconnectCause::Client,
            });
        }
        self.feed(Input::TornDown);
    }
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![Just(Origin::Connect), Just(Origin::Api)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_session_keeps_its_promises_and_ends(
        origin in origin(),
        terms in terms(),
        steps in prop::collection::vec((0i64..900, step()), 0..60),
    ) {
        let mut run = Run::new(origin, terms);
        for (seconds, step) in steps {
            run.now += TimeDelta::seconds(seconds);
            run.take(step);
        }
        run.wind_up();
        prop_assert!(run.session.is_over());
        prop_assert!(run.witness.answers.values().all(|count| *count == 1));
        prop_assert_eq!(run.witness.answers.len() as u128, run.commands);
    }

    #[test]
    fn whoever_only_wakes_it_when_it_asks_sees_it_end_on_time(
        origin in origin(),
        terms in terms(),
        typed in prop::collection::vec(0i64..4000, 0..20),
    ) {
        let end = start() + terms.max_duration.delta();
        let mut run = Run::new(origin, terms);
        let mut typed: Vec<_> = typed.into_iter().map(|s| start() + TimeDelta::seconds(s)).collect();
        typed.sort();
        let mut wishes = run.feed(Input::Provisioned);
        wishes.extend(run.feed(Input::Connected { connection: Uuid::from_u128(1).into() }));
        let mut wake = None;
        for _ in 0..1000 {
            for wish in wishes.drain(..) {
                if let Action::WakeAt(at) = wish {
                    wake = Some(at);
                }
            }
            if run.session.close_reason().is_some() {
                break;
            }
            let at = wake.expect("an open session always has a wish");
            let input = match typed.first() {
                Some(key) if *key < at => {
                    run.now = typed.remove(0);
                    Input::HumanInput
                }
                Some(_) | None => {
                    run.now = at;
                    wake = None;
                    Input::Tick
                }
            };
            wishes = run.feed(input);
        }
        prop_assert!(run.session.close_reason().is_some());
        prop_assert!(run.now <= end);
    }
}
