//! Each transition, as data where it fits.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

mod control;

use super::*;
use crate::close::{CloseReason, DeadlineReason};
use crate::command::{Actor, Command, CommandDenied, ConnectionEffect, Outcome};
use crate::declared::Extension;
use crate::event::Event;
use crate::id::{CommandId, ConnectionId, SessionId};
use crate::status::Status;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn connection(n: u128) -> ConnectionId {
    Uuid::from_u128(n).into()
}

fn command_id(n: u128) -> CommandId {
    Uuid::from_u128(n).into()
}

fn own() -> Actor {
    Actor {
        name: "alice".into(),
        own: true,
        admin: false,
    }
}

fn admin() -> Actor {
    Actor {
        name: "bob".into(),
        own: false,
        admin: true,
    }
}

fn auditor() -> Actor {
    Actor {
        name: "carol".into(),
        own: false,
        admin: false,
    }
}

fn by_admin(reason: &str) -> CloseReason {
    CloseReason::Admin {
        by: "bob".into(),
        reason: reason.into(),
    }
}

/// One hour; notices at 10 and 1 minutes; two extensions of 15 minutes; idle after 30 minutes.
fn terms() -> Terms {
    Terms {
        max_duration: Span::from_minutes(60),
        idle_timeout: Some(Span::from_minutes(30)),
        end_notice: vec![Span::from_minutes(10), Span::from_minutes(1)],
        extension: Some(Extension {
            by: Span::from_minutes(15),
            limit: 2,
        }),
    }
}

fn without_idle() -> Terms {
    Terms {
        idle_timeout: None,
        ..terms()
    }
}

fn requested(origin: Origin, terms: Terms) -> Session {
    Session::new(
        Uuid::from_u128(7).into(),
        origin,
        "alice".into(),
        terms,
        at(-5),
    )
}

/// Provisioned at 0.
fn available(origin: Origin, terms: Terms) -> Session {
    let mut session = requested(origin, terms);
    session.handle(at(0), Input::Provisioned);
    session
}

/// Provisioned at 0, connection 1 at 10.
fn logged_in(origin: Origin, terms: Terms) -> Session {
    let mut session = available(origin, terms);
    session.handle(
        at(10),
        Input::Connected {
            connection: connection(1),
        },
    );
    session
}

fn order(
    session: &mut Session,
    seconds: i64,
    id: u128,
    command: Command,
    by: Actor,
) -> Vec<Action> {
    session.handle(
        at(seconds),
        Input::Command {
            id: command_id(id),
            command,
            by,
        },
    )
}

fn gone(session: &mut Session, seconds: i64, n: u128, cause: DisconnectCause) -> Vec<Action> {
    session.handle(
        at(seconds),
        Input::Disconnected {
            connection: connection(n),
            cause,
        },
    )
}

fn lock() -> Command {
    Command::Lock {
        title: "Stop".into(),
        message: "Call me".into(),
    }
}

fn end() -> Command {
    Command::End {
        reason: "enough".into(),
    }
}

fn terminate(cancel: bool) -> Command {
    Command::Terminate {
        cancel,
        reason: "enough".into(),
    }
}

fn extend(by: Option<Span>) -> Command {
    Command::Extend { by }
}

fn nothing_to_do() -> Outcome {
    Outcome::Done {
        connections: vec![],
    }
}

fn outcome(actions: &[Action]) -> Option<&Outcome> {
    actions.iter().find_map(|action| match action {
        Action::Answer { outcome, .. } => Some(outcome),
        Action::Persist
        | Action::Log(_)
        | Action::Notify(_)
        | Action::ShutGate { .. }
        | Action::OpenGate { .. }
        | Action::Cut { .. }
        | Action::GiveControl { .. }
        | Action::EndControl { .. }
        | Action::TearDown
        | Action::WakeAt(_) => None,
    })
}

fn notices(actions: &[Action]) -> Vec<&Notice> {
    actions
        .iter()
        .filter_map(|action| {
            if let Action::Notify(notice) = action {
                Some(notice)
            } else {
                None
            }
        })
        .collect()
}

fn codes(actions: &[Action]) -> Vec<&'static str> {
    actions
        .iter()
        .filter_map(|action| {
            if let Action::Log(event) = action {
                Some(event.code())
            } else {
                None
            }
        })
        .collect()
}

fn wake(actions: &[Action]) -> Option<DateTime<Utc>> {
    actions.iter().find_map(|action| {
        if let Action::WakeAt(time) = action {
            Some(*time)
        } else {
            None
        }
    })
}

fn assert_denied(actions: &[Action], expected: CommandDenied) {
    assert_eq!(
        outcome(actions),
        Some(&Outcome::Denied { why: expected }),
        "{actions:?}"
    );
}

fn assert_final(session: &Session, status: Status, reason: &CloseReason) {
    assert_eq!(
        (session.status(), session.close_reason()),
        (status, Some(reason))
    );
    assert!(session.is_over());
    assert!(session.times().ended_at.is_some());
    assert_eq!(session.lock(), None);
    assert!(session.connections().is_empty());
}

#[test]
fn a_session_made_by_connecting_from_request_to_end() {
    let mut session = requested(Origin::Connect, terms());
    assert_eq!(
        (session.status(), session.deadline()),
        (Status::Provisioning, None)
    );
    assert!(session.admits().is_err());

    let provisioned = session.handle(at(0), Input::Provisioned);
    assert_eq!(
        provisioned,
        vec![
            Action::Log(Event::Provisioned {}),
            Action::Log(Event::Available {}),
            Action::WakeAt(at(3600)),
            Action::Persist,
        ]
    );
    assert_eq!(session.status(), Status::Available);
    assert_eq!(session.admits(), Ok(()));

    let connected = session.handle(
        at(10),
        Input::Connected {
            connection: connection(1),
        },
    );
    assert_eq!(
        connected,
        vec![Action::WakeAt(at(10 + 1800)), Action::Persist]
    );
    assert_eq!(session.status(), Status::LoggedIn);

    let left = gone(&mut session, 70, 1, DisconnectCause::Client);
    assert_eq!(
        left,
        vec![
            Action::Log(Event::Disconnected {
                connection: connection(1),
                reason: CloseReason::User
            }),
            Action::Log(Event::Canceling {
                reason: CloseReason::User
            }),
            Action::TearDown,
            Action::Persist,
        ]
    );
    assert_eq!(session.status(), Status::Canceling);

    let ended = session.handle(at(72), Input::TornDown);
    assert_eq!(
        ended,
        vec![
            Action::Log(Event::Ended {
                status: "Completed".into(),
                reason: CloseReason::User
            }),
            Action::Persist,
        ]
    );
    assert_final(&session, Status::Completed, &CloseReason::User);
    assert_eq!(
        session.times(),
        Times {
            requested_at: at(-5),
            provisioned_at: Some(at(0)),
            connected_at: Some(at(10)),
            scheduled_end: Some(at(3600)),
            disconnected_at: Some(at(70)),
            ended_at: Some(at(72)),
        }
    );
}

#[test]
fn a_session_made_through_the_api_is_entered_again_until_its_end() {
    let mut session = logged_in(Origin::Api, without_idle());
    session.handle(
        at(20),
        Input::Connected {
            connection: connection(2),
        },
    );
    gone(&mut session, 30, 1, DisconnectCause::ClientLost);
    assert_eq!(session.status(), Status::LoggedIn);
    let left = gone(&mut session, 40, 2, DisconnectCause::Target);
    assert_eq!(codes(&left), ["connection.closed", "session.available"]);
    assert_eq!(session.status(), Status::Available);
    assert_eq!(session.times().disconnected_at, Some(at(40)));

    session.handle(
        at(50),
        Input::Connected {
            connection: connection(3),
        },
    );
    assert_eq!(
        session.times().connected_at,
        Some(at(10)),
        "the first time counts"
    );
    assert_eq!(session.times().disconnected_at, None);

    let deadline = CloseReason::Deadline {
        limit: DeadlineReason::MaxDuration,
    };
    let cut = session.handle(at(3600), Input::Tick);
    assert_eq!(
        cut,
        vec![
            Action::Log(Event::Canceling {
                reason: deadline.clone()
            }),
            Action::Cut {
                connections: vec![connection(3)],
                reason: deadline.clone(),
                answer: None
            },
            Action::Persist,
        ]
    );
    let down = gone(
        &mut session,
        3600,
        3,
        DisconnectCause::Cut(deadline.clone()),
    );
    assert!(down.contains(&Action::TearDown));
    session.handle(at(3601), Input::TornDown);
    assert_final(&session, Status::Completed, &deadline);
}

#[test]
fn what_ends_a_session_made_by_connecting_is_its_reason() {
    let failure = ConnectFailure {
        code: "target_unreachable".into(),
        text: "no route".into(),
    };
    let cut = |reason: CloseReason| Input::Disconnected {
        connection: connection(1),
        cause: DisconnectCause::Cut(reason),
    };
    let left = |cause: DisconnectCause| Input::Disconnected {
        connection: connection(1),
        cause,
    };
    let rule = CloseReason::RuleViolation { rule: "rm".into() };
    for (input, reason, status) in [
        (
            left(DisconnectCause::Client),
            CloseReason::User,
            Status::Completed,
        ),
        (
            left(DisconnectCause::ClientLost),
            CloseReason::Network,
            Status::Completed,
        ),
        (
            left(DisconnectCause::Target),
            CloseReason::TargetClosed,
            Status::Completed,
        ),
        (cut(rule.clone()), rule, Status::Canceled),
        (
            cut(CloseReason::GraceExpired),
            CloseReason::GraceExpired,
            Status::Completed,
        ),
        (
            Input::RecordingFailed {
                error: "disk full".into(),
            },
            CloseReason::RecordingFailed {
                error: "disk full".into(),
            },
            Status::Failed,
        ),
        (
            Input::PolicyRevoked {
                what: "removed".into(),
            },
            CloseReason::Policy {
                what: "removed".into(),
            },
            Status::Canceled,
        ),
        (
            Input::InternalError,
            CloseReason::InternalError,
            Status::Failed,
        ),
        (Input::Drain, CloseReason::Drain, Status::Canceled),
        (
            Input::ConnectFailed {
                connection: connection(1),
                failure,
            },
            CloseReason::ConnectFailed {
                error: "no route".into(),
            },
            Status::Failed,
        ),
    ] {
        let mut session = logged_in(Origin::Connect, terms());
        session.handle(at(20), input.clone());
        assert_eq!(session.status(), Status::Canceling, "{input:?}");
        // What the connection itself reports later changes nothing any more.
        gone(&mut session, 21, 1, DisconnectCause::ClientLost);
        session.handle(at(22), Input::TornDown);
        assert_final(&session, status, &reason);
    }
}

#[test]
fn a_session_that_never_worked_fails() {
    let failure = ConnectFailure {
        code: "target_unreachable".into(),
        text: "no route".into(),
    };
    let mut by_connecting = available(Origin::Connect, terms());
    let failed = by_connecting.handle(
        at(3),
        Input::ConnectFailed {
            connection: connection(1),
            failure: failure.clone(),
        },
    );
    assert_eq!(codes(&failed), ["connection.failed", "session.canceling"]);
    by_connecting.handle(at(4), Input::TornDown);
    let reason = CloseReason::ConnectFailed {
        error: "no route".into(),
    };
    assert_final(&by_connecting, Status::Failed, &reason);
    assert_eq!(by_connecting.times().connected_at, None);

    let mut by_api = available(Origin::Api, terms());
    let failed = by_api.handle(
        at(3),
        Input::ConnectFailed {
            connection: connection(1),
            failure,
        },
    );
    assert_eq!(codes(&failed), ["connection.failed"]);
    assert_eq!(by_api.status(), Status::Available);

    let mut unprovisioned = requested(Origin::Api, terms());
    unprovisioned.handle(
        at(1),
        Input::ProvisioningFailed {
            error: "no sudo".into(),
        },
    );
    unprovisioned.handle(at(2), Input::TornDown);
    let reason = CloseReason::ConnectFailed {
        error: "no sudo".into(),
    };
    assert_final(&unprovisioned, Status::Failed, &reason);
    assert_eq!(unprovisioned.times().provisioned_at, None);
}

#[test]
fn a_client_that_leaves_before_the_target_is_up_ends_its_session() {
    let mut session = available(Origin::Connect, terms());
    gone(&mut session, 3, 1, DisconnectCause::ClientLost);
    session.handle(at(4), Input::TornDown);
    assert_final(&session, Status::Completed, &CloseReason::Network);
}

#[test]
fn recording_and_policy_end_a_session_made_through_the_api_too() {
    for (input, status) in [
        (
            Input::RecordingFailed {
                error: "disk full".into(),
            },
            Status::Failed,
        ),
        (
            Input::PolicyRevoked {
                what: "removed".into(),
            },
            Status::Canceled,
        ),
        (Input::InternalError, Status::Failed),
    ] {
        let mut session = logged_in(Origin::Api, terms());
        let actions = session.handle(at(20), input);
        assert!(
            actions
                .iter()
                .any(|action| matches!(action, Action::Cut { .. }))
        );
        gone(&mut session, 21, 1, DisconnectCause::Client);
        session.handle(at(22), Input::TornDown);
        assert_eq!(session.status(), status);
    }
}

#[test]
fn a_connection_that_broke_in_our_hands_ends_its_session_and_what_else_is_in_it() {
    let mut session = logged_in(Origin::Api, terms());
    session.handle(
        at(12),
        Input::Connected {
            connection: connection(2),
        },
    );
    let actions = session.handle(
        at(20),
        Input::Disconnected {
            connection: connection(1),
            cause: DisconnectCause::Cut(CloseReason::InternalError),
        },
    );
    let cut = |action: &Action| match action {
        Action::Cut { connections, .. } => connections.clone(),
        _ => Vec::new(),
    };
    let cut: Vec<_> = actions.iter().flat_map(cut).collect();
    assert_eq!(cut, [connection(2)]);
    gone(&mut session, 21, 2, DisconnectCause::Client);
    session.handle(at(22), Input::TornDown);
    assert_final(&session, Status::Failed, &CloseReason::InternalError);
}

#[test]
fn a_drain_leaves_a_session_made_through_the_api_available() {
    let mut session = logged_in(Origin::Api, terms());
    let drained = session.handle(at(20), Input::Drain);
    assert!(drained.contains(&Action::Cut {
        connections: vec![connection(1)],
        reason: CloseReason::Drain,
        answer: None
    }));
    gone(
        &mut session,
        21,
        1,
        DisconnectCause::Cut(CloseReason::Drain),
    );
    assert_eq!(session.status(), Status::Available);
    assert_eq!(session.handle(at(22), Input::Drain), vec![]);
}

#[test]
fn ending_by_the_user_completes_and_by_an_administrator_cancels() {
    for (by, command, status, reason) in [
        (own(), end(), Status::Completed, CloseReason::User),
        (own(), terminate(true), Status::Completed, CloseReason::User),
        (admin(), end(), Status::Canceled, by_admin("enough")),
        (
            admin(),
            terminate(true),
            Status::Canceled,
            by_admin("enough"),
        ),
    ] {
        for origin in [Origin::Connect, Origin::Api] {
            let mut session = logged_in(origin, terms());
            let actions = order(&mut session, 20, 1, command.clone(), by.clone());
            assert!(actions.contains(&Action::Cut {
                connections: vec![connection(1)],
                reason: reason.clone(),
                answer: Some(command_id(1)),
            }));
            assert_eq!(actions.last(), Some(&Action::Persist));
            let again = order(&mut session, 20, 2, command.clone(), admin());
            assert_eq!(outcome(&again), Some(&Outcome::AlreadySo));
            gone(&mut session, 21, 1, DisconnectCause::Cut(reason.clone()));
            session.handle(at(22), Input::TornDown);
            assert_final(&session, status, &reason);
            assert_denied(
                &order(&mut session, 23, 3, command.clone(), by.clone()),
                CommandDenied::Ended,
            );
        }
        // Nobody connected: answered at once.
        let mut session = available(Origin::Api, terms());
        let actions = order(&mut session, 20, 1, command, by);
        assert_eq!(outcome(&actions), Some(&nothing_to_do()));
        assert!(actions.contains(&Action::TearDown));
    }
}

#[test]
fn terminate_without_cancel_cuts_connections_only() {
    let mut api = logged_in(Origin::Api, terms());
    let actions = order(&mut api, 20, 1, terminate(false), admin());
    assert!(actions.contains(&Action::Cut {
        connections: vec![connection(1)],
        reason: by_admin("enough"),
        answer: Some(command_id(1)),
    }));
    // A second order waits for the same sockets.
    let actions = order(&mut api, 20, 2, terminate(false), admin());
    assert!(matches!(
        actions.iter().find(|action| matches!(action, Action::Cut { .. })),
        Some(Action::Cut { answer: Some(id), .. }) if *id == command_id(2)
    ));
    gone(&mut api, 21, 1, DisconnectCause::Client);
    assert_eq!(api.status(), Status::Available);
    assert_eq!(api.admits(), Ok(()));
    assert_denied(
        &order(&mut api, 22, 3, terminate(false), admin()),
        CommandDenied::NotConnected,
    );

    let mut connect = logged_in(Origin::Connect, terms());
    order(&mut connect, 20, 1, terminate(false), admin());
    // The client closing first, on being told, does not make it the user's doing.
    gone(&mut connect, 21, 1, DisconnectCause::Client);
    connect.handle(at(22), Input::TornDown);
    assert_final(&connect, Status::Canceled, &by_admin("enough"));
}

#[test]
fn terminate_ends_a_session_whose_first_connection_is_on_its_way() {
    let mut session = available(Origin::Connect, terms());
    let actions = order(&mut session, 20, 1, terminate(false), admin());
    assert_eq!(outcome(&actions), Some(&nothing_to_do()));
    session.handle(at(21), Input::TornDown);
    assert_final(&session, Status::Canceled, &by_admin("enough"));
}

#[test]
fn a_lock_freezes_and_an_unlock_restores_what_was() {
    let mut session = logged_in(Origin::Api, terms());
    let locked = order(&mut session, 20, 1, lock(), admin());
    assert!(locked.contains(&Action::ShutGate {
        title: "Stop".into(),
        message: "Call me".into(),
        answer: command_id(1)
    }));
    assert_eq!(outcome(&locked), None, "the gates answer");
    assert_eq!(
        (session.status(), session.lock()),
        (Status::Locked, Some(("Stop", "Call me")))
    );
    assert!(session.admits().is_err());

    let other = Command::Lock {
        title: "Other".into(),
        message: String::new(),
    };
    let again = order(&mut session, 21, 2, other, admin());
    assert_eq!(outcome(&again), Some(&Outcome::AlreadySo));
    assert_eq!(
        session.lock(),
        Some(("Stop", "Call me")),
        "the first text stays"
    );

    let opened = order(&mut session, 30, 3, Command::Unlock, admin());
    assert!(opened.contains(&Action::OpenGate {
        answer: command_id(3)
    }));
    assert_eq!((session.status(), session.lock()), (Status::LoggedIn, None));
    assert_denied(
        &order(&mut session, 31, 4, Command::Unlock, admin()),
        CommandDenied::NotLocked,
    );

    gone(&mut session, 40, 1, DisconnectCause::Client);
    let locked = order(&mut session, 41, 5, lock(), admin());
    assert_eq!(outcome(&locked), Some(&nothing_to_do()));
    let opened = order(&mut session, 42, 6, Command::Unlock, admin());
    assert_eq!(outcome(&opened), Some(&nothing_to_do()));
    assert_eq!(session.status(), Status::Available);
}

#[test]
fn a_lock_during_provisioning_holds_when_it_is_done() {
    let mut session = requested(Origin::Api, terms());
    order(&mut session, -1, 1, lock(), admin());
    assert_eq!(session.status(), Status::Locked);
    let provisioned = session.handle(at(0), Input::Provisioned);
    assert_eq!(codes(&provisioned), ["session.provisioned"]);
    assert_eq!(session.status(), Status::Locked);
    assert_eq!(session.times().scheduled_end, Some(at(3600)));
}

#[test]
fn a_connection_that_comes_up_too_late_is_cut() {
    let mut locked = available(Origin::Api, terms());
    order(&mut locked, 5, 1, lock(), admin());
    let late = locked.handle(
        at(6),
        Input::Connected {
            connection: connection(1),
        },
    );
    assert!(late.contains(&Action::Cut {
        connections: vec![connection(1)],
        reason: by_admin("Stop"),
        answer: None
    }));
    assert_eq!(locked.times().connected_at, None);

    let mut ending = available(Origin::Api, terms());
    order(&mut ending, 5, 1, end(), admin());
    let late = ending.handle(
        at(6),
        Input::Connected {
            connection: connection(1),
        },
    );
    assert!(
        late.iter()
            .any(|action| matches!(action, Action::Cut { .. }))
    );
    ending.handle(at(7), Input::TornDown);
    assert_eq!(
        ending.status(),
        Status::Canceling,
        "it waits for the latecomer"
    );
    gone(&mut ending, 8, 1, DisconnectCause::Client);
    assert_final(&ending, Status::Canceled, &by_admin("enough"));
}

#[test]
fn while_locked_the_deadline_runs_and_idleness_does_not() {
    let mut session = logged_in(Origin::Connect, terms());
    let locked = order(&mut session, 20, 1, lock(), admin());
    assert_eq!(
        wake(&locked),
        Some(at(3000)),
        "the next is the notice at 10 minutes"
    );
    session.handle(at(1900), Input::Tick);
    assert_eq!(session.status(), Status::Locked);
    // Discarded input is no access, and unlocking starts the idle time afresh.
    session.handle(at(1950), Input::HumanInput);
    assert_eq!(session.last_access_at(), Some(at(10)));
    order(&mut session, 2000, 2, Command::Unlock, admin());
    session.handle(at(2001), Input::Tick);
    assert_eq!(session.status(), Status::LoggedIn);
    order(&mut session, 2002, 3, lock(), admin());
    session.handle(at(3600), Input::Tick);
    assert_eq!(session.status(), Status::Canceling);
    assert_eq!(session.lock(), None);
}

#[test]
fn ending_works_while_locked_but_the_user_may_not_extend() {
    let mut session = logged_in(Origin::Connect, without_idle());
    order(&mut session, 3500, 1, lock(), admin());
    assert!(!session.extendable(at(3500)));
    assert_denied(
        &order(&mut session, 3500, 2, extend(None), own()),
        CommandDenied::Locked,
    );
    let pressed = session.handle(
        at(3501),
        Input::ExtendKey {
            user: "alice".into(),
        },
    );
    assert_eq!(
        notices(&pressed),
        [&Notice::NotExtended {
            why: "the session is locked".into()
        }]
    );
    order(&mut session, 3502, 3, extend(None), admin());
    assert_eq!(session.times().scheduled_end, Some(at(3600 + 900)));
    order(&mut session, 3503, 4, terminate(true), admin());
    assert_eq!(session.status(), Status::Canceling);
}

#[test]
fn the_user_extends_within_the_last_five_minutes_up_to_the_limit() {
    let mut session = logged_in(Origin::Connect, without_idle());
    assert_denied(
        &order(&mut session, 3299, 1, extend(None), own()),
        CommandDenied::TooEarlyToExtend,
    );
    assert!(session.extendable(at(3300)));
    let done = order(
        &mut session,
        3300,
        2,
        extend(Some(Span::from_minutes(999))),
        own(),
    );
    let effect = ConnectionEffect {
        connection: connection(1),
        at: at(3300),
    };
    assert_eq!(
        outcome(&done),
        Some(&Outcome::Done {
            connections: vec![effect]
        })
    );
    assert_eq!(
        session.times().scheduled_end,
        Some(at(4500)),
        "the profile's step, not her wish"
    );
    assert_eq!(
        notices(&done),
        [&Notice::Extended {
            at: at(4500),
            left: 1
        }]
    );
    assert_eq!(session.deadline().unwrap().reason, DeadlineReason::Extended);

    let pressed = session.handle(
        at(4400),
        Input::ExtendKey {
            user: "alice".into(),
        },
    );
    assert_eq!(
        notices(&pressed),
        [&Notice::Extended {
            at: at(5400),
            left: 0
        }]
    );
    assert_eq!(session.extensions_used(), 2);
    assert!(!session.extendable(at(5390)));
    assert_denied(
        &order(&mut session, 5390, 3, extend(None), own()),
        CommandDenied::ExtensionsUsedUp { limit: 2 },
    );
    // An administrator is not bound by the limit and does not count.
    order(
        &mut session,
        5391,
        4,
        extend(Some(Span::from_minutes(1))),
        admin(),
    );
    assert_eq!(session.times().scheduled_end, Some(at(5460)));
    assert_eq!(session.extensions_used(), 2);
    let cut = session.handle(at(5460), Input::Tick);
    let extended = CloseReason::Deadline {
        limit: DeadlineReason::Extended,
    };
    assert_eq!(codes(&cut), ["session.canceling"]);
    assert_eq!(session.close_reason(), Some(&extended));
}

#[test]
fn without_an_extension_in_the_profile_only_an_administrator_extends() {
    let terms = Terms {
        extension: None,
        ..without_idle()
    };
    let mut session = logged_in(Origin::Connect, terms);
    assert_denied(
        &order(&mut session, 3500, 1, extend(None), own()),
        CommandDenied::NoExtension,
    );
    order(&mut session, 3500, 2, extend(None), admin());
    assert_eq!(
        session.times().scheduled_end,
        Some(at(3600 + 15 * 60)),
        "15 minutes by default"
    );
}

#[test]
fn who_may_order_what() {
    use CommandDenied::{AdminOnly, NotConnected};
    let message = || Command::Message { text: "hi".into() };
    let joined = || Command::ViewerJoined {
        viewer: "carol".into(),
    };
    for (command, by, denied) in [
        (lock(), own(), Some(AdminOnly)),
        (lock(), auditor(), Some(AdminOnly)),
        (Command::Unlock, own(), Some(AdminOnly)),
        (message(), own(), Some(AdminOnly)),
        (end(), auditor(), Some(AdminOnly)),
        (terminate(false), auditor(), Some(AdminOnly)),
        (terminate(true), auditor(), Some(AdminOnly)),
        (extend(None), auditor(), Some(AdminOnly)),
        (message(), admin(), Some(NotConnected)),
        (terminate(false), own(), Some(NotConnected)),
        (joined(), auditor(), None),
        (
            Command::ViewerLeft {
                viewer: "carol".into(),
            },
            auditor(),
            None,
        ),
        (extend(None), admin(), None),
        (lock(), admin(), None),
    ] {
        let mut session = available(Origin::Api, terms());
        let actions = order(&mut session, 20, 1, command.clone(), by.clone());
        match denied {
            Some(why) => {
                assert_denied(&actions, why);
                assert_eq!(codes(&actions), ["command.denied"], "{command:?} by {by:?}");
            }
            None => assert_eq!(
                outcome(&actions),
                Some(&nothing_to_do()),
                "{command:?} by {by:?}"
            ),
        }
    }
}

#[test]
fn messages_and_viewers_are_shown_and_logged() {
    let mut session = logged_in(Origin::Connect, terms());
    let effect = ConnectionEffect {
        connection: connection(1),
        at: at(20),
    };
    for (command, notice, code) in [
        (
            Command::Message { text: "hi".into() },
            Notice::Message {
                from: "bob".into(),
                text: "hi".into(),
            },
            "session.message",
        ),
        (
            Command::ViewerJoined {
                viewer: "carol".into(),
            },
            Notice::ViewerJoined {
                viewer: "carol".into(),
            },
            "viewer.joined",
        ),
        (
            Command::ViewerLeft {
                viewer: "carol".into(),
            },
            Notice::ViewerLeft {
                viewer: "carol".into(),
            },
            "viewer.left",
        ),
    ] {
        let actions = order(&mut session, 20, 1, command, admin());
        assert_eq!(notices(&actions), [&notice]);
        assert_eq!(codes(&actions), [code]);
        assert_eq!(
            outcome(&actions),
            Some(&Outcome::Done {
                connections: vec![effect.clone()]
            })
        );
    }
}

#[test]
fn warnings_come_once_per_deadline_and_offer_more_time_only_if_it_would_be_given() {
    let mut session = logged_in(Origin::Connect, without_idle());
    let soon = |remaining_s, end, extendable| Notice::EndsSoon {
        at: at(end),
        remaining_s,
        extendable,
    };
    assert_eq!(
        notices(&session.handle(at(2999), Input::Tick)),
        [] as [&Notice; 0]
    );
    let warned = session.handle(at(3000), Input::Tick);
    assert_eq!(notices(&warned), [&soon(600, 3600, false)]);
    assert_eq!(wake(&warned), Some(at(3540)));
    assert_eq!(
        notices(&session.handle(at(3001), Input::Tick)),
        [] as [&Notice; 0]
    );
    assert_eq!(
        notices(&session.handle(at(3540), Input::Tick)),
        [&soon(60, 3600, true)]
    );
    session.handle(
        at(3550),
        Input::ExtendKey {
            user: "alice".into(),
        },
    );
    assert_eq!(
        notices(&session.handle(at(3901), Input::Tick)),
        [&soon(599, 4500, false)]
    );
    session.handle(
        at(4450),
        Input::ExtendKey {
            user: "alice".into(),
        },
    );
    assert_eq!(session.times().scheduled_end, Some(at(5400)));
    assert_eq!(
        notices(&session.handle(at(5350), Input::Tick)),
        [&soon(50, 5400, false)]
    );
}

#[test]
fn a_warning_longer_than_the_session_is_skipped_and_five_minutes_are_added_for_extensions() {
    let minutes = |list: &[u64]| {
        list.iter()
            .map(|m| Span::from_minutes(*m))
            .collect::<Vec<_>>()
    };
    let extension = Some(Extension {
        by: Span::from_minutes(15),
        limit: 1,
    });
    for (end_notice, extension, max, expected) in [
        (minutes(&[120]), None, 60, vec![]),
        (minutes(&[60]), None, 60, vec![]),
        (minutes(&[10, 1]), extension, 60, vec![50, 59]),
        (minutes(&[10]), extension, 60, vec![50, 55]),
        (minutes(&[]), extension, 60, vec![55]),
        (minutes(&[10, 5]), extension, 60, vec![50, 55]),
        (minutes(&[10]), None, 60, vec![50]),
        (minutes(&[10]), extension, 3, vec![]),
        (minutes(&[0, 1, 1]), None, 3, vec![2]),
    ] {
        let max_duration = Span::from_minutes(max);
        let terms = Terms {
            max_duration,
            idle_timeout: None,
            end_notice,
            extension,
        };
        let mut session = logged_in(Origin::Connect, terms.clone());
        let warned: Vec<i64> = (1..max as i64)
            .filter(|minute| !notices(&session.handle(at(minute * 60), Input::Tick)).is_empty())
            .collect();
        assert_eq!(warned, expected, "{terms:?}");
    }
}

#[test]
fn a_warning_waits_for_somebody_to_see_it() {
    let mut session = available(Origin::Api, without_idle());
    let ticked = session.handle(at(3100), Input::Tick);
    assert_eq!(ticked, vec![Action::WakeAt(at(3600))]);
    let connected = session.handle(
        at(3200),
        Input::Connected {
            connection: connection(1),
        },
    );
    assert_eq!(
        notices(&connected),
        [&Notice::EndsSoon {
            at: at(3600),
            remaining_s: 400,
            extendable: false
        }]
    );
}

#[test]
fn idleness_ends_it_and_input_puts_that_off() {
    for origin in [Origin::Connect, Origin::Api] {
        let mut session = logged_in(origin, terms());
        session.handle(at(1000), Input::HumanInput);
        let early = session.handle(at(1810), Input::Tick);
        assert_eq!(wake(&early), Some(at(2800)), "re-armed");
        assert_eq!(session.status(), Status::LoggedIn);
        let idle = session.handle(at(2800), Input::Tick);
        assert!(idle.contains(&Action::Cut {
            connections: vec![connection(1)],
            reason: CloseReason::Idle,
            answer: None
        }));
        gone(
            &mut session,
            2800,
            1,
            DisconnectCause::Cut(CloseReason::Idle),
        );
        session.handle(at(2801), Input::TornDown);
        assert_final(&session, Status::Completed, &CloseReason::Idle);
    }
    let mut empty = available(Origin::Api, terms());
    empty.handle(at(3000), Input::Tick);
    assert_eq!(
        empty.status(),
        Status::Available,
        "nobody there is not idleness"
    );
}

#[test]
fn the_last_access_is_written_down_every_ten_seconds_at_most() {
    let mut session = logged_in(Origin::Connect, terms());
    let written: Vec<i64> = (11..=45)
        .filter(|second| {
            session
                .handle(at(*second), Input::HumanInput)
                .contains(&Action::Persist)
        })
        .collect();
    assert_eq!(written, [20, 30, 40]);
    assert_eq!(session.last_access_at(), Some(at(45)));
    assert!(
        session
            .handle(at(50), Input::Tick)
            .contains(&Action::Persist),
        "the last is not lost"
    );
    assert!(
        !session
            .handle(at(60), Input::Tick)
            .contains(&Action::Persist)
    );
}

#[test]
fn a_deadline_is_enforced_before_anything_else_is_looked_at() {
    let mut session = logged_in(Origin::Connect, without_idle());
    let late = order(&mut session, 3601, 1, extend(None), admin());
    assert_denied(&late, CommandDenied::Ended);
    assert!(matches!(
        session.close_reason(),
        Some(CloseReason::Deadline { .. })
    ));
}

#[test]
fn a_lost_node_fails_what_was_made_by_connecting_and_keeps_the_rest() {
    let mut connect = logged_in(Origin::Connect, terms());
    let actions = connect.node_lost(at(100));
    assert_eq!(codes(&actions), ["connection.closed", "session.ended"]);
    assert!(!actions.contains(&Action::TearDown));
    assert_final(&connect, Status::Failed, &CloseReason::NodeLost);
    assert_eq!(connect.times().disconnected_at, Some(at(100)));

    let mut api = logged_in(Origin::Api, terms());
    let stored = serde_json::to_string(&api).unwrap();
    let mut restored: Session = serde_json::from_str(&stored).unwrap();
    let actions = restored.node_lost(at(100));
    assert_eq!(restored.status(), Status::Available);
    assert_eq!(wake(&actions), Some(at(3600)));

    api.node_lost(at(4000));
    assert_eq!(api.status(), Status::Canceling);
    api.handle(at(4001), Input::TornDown);
    let deadline = CloseReason::Deadline {
        limit: DeadlineReason::MaxDuration,
    };
    assert_final(&api, Status::Completed, &deadline);

    // One that was ending already keeps its reason.
    let mut ending = logged_in(Origin::Connect, terms());
    order(&mut ending, 20, 1, end(), admin());
    ending.node_lost(at(100));
    assert_final(&ending, Status::Canceled, &by_admin("enough"));

    // A lock outlives the node.
    let mut locked = logged_in(Origin::Api, terms());
    order(&mut locked, 20, 1, lock(), admin());
    locked.node_lost(at(100));
    assert_eq!(locked.status(), Status::Locked);
}

#[test]
fn the_json_form_holds_everything() {
    let mut session = logged_in(Origin::Api, terms());
    order(&mut session, 20, 1, lock(), admin());
    order(&mut session, 21, 2, terminate(false), admin());
    order(&mut session, 22, 3, extend(None), admin());
    let stored = serde_json::to_value(&session).unwrap();
    let restored: Session = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&restored).unwrap(), stored);
    assert_eq!(restored.lock(), session.lock());
    assert_eq!(restored.deadline(), session.deadline());
    assert_eq!(restored.connections(), session.connections());
    assert_eq!(restored.terms(), session.terms());
    let id: SessionId = Uuid::from_u128(7).into();
    assert_eq!(
        (restored.id(), restored.origin(), restored.user()),
        (id, Origin::Api, "alice")
    );
}

#[test]
fn refusals_at_the_door_say_what_the_session_is() {
    let mut session = available(Origin::Api, terms());
    order(&mut session, 1, 1, lock(), admin());
    assert_eq!(
        session.admits().unwrap_err().to_string(),
        "the session is locked by an administrator"
    );
    order(&mut session, 2, 2, end(), admin());
    assert_eq!(
        session.admits().unwrap_err().to_string(),
        "the session is being ended"
    );
    session.handle(at(3), Input::TornDown);
    assert_eq!(
        session.admits().unwrap_err().to_string(),
        "the session is over"
    );
}

#[test]
fn extensions_never_overflow() {
    let century = Span::try_from("100years".to_owned()).unwrap();
    let mut session = logged_in(Origin::Api, without_idle());
    for id in 0..10 {
        order(&mut session, 20, id, extend(Some(century)), admin());
    }
    let end = session.times().scheduled_end.unwrap();
    assert!(end < at(0) + TimeDelta::days(101 * 366));
    let mut last = requested(Origin::Api, terms());
    last.handle(DateTime::<Utc>::MAX_UTC, Input::Provisioned);
    assert_eq!(last.times().scheduled_end, Some(DateTime::<Utc>::MAX_UTC));
}
