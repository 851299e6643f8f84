//! Control of a desktop: one viewer at a time, and never longer than it may be.

use super::*;
use crate::control::ControlOver;
use crate::id::SeatId;

fn seat(n: u128) -> SeatId {
    Uuid::from_u128(n).into()
}

fn take(n: u128) -> Command {
    Command::TakeOver {
        seat: seat(n),
        connection: connection(1),
        exclusive: true,
    }
}

fn hand_back(n: u128) -> Command {
    Command::HandBack { seat: seat(n) }
}

/// An administrator of another name than bob.
fn other() -> Actor {
    Actor {
        name: "dora".into(),
        ..admin()
    }
}

/// Somebody has control from seat 1.
fn controlled() -> Session {
    let mut session = logged_in(Origin::Api, terms());
    order(&mut session, 20, 1, take(1), admin());
    session
}

fn gives(actions: &[Action]) -> bool {
    let given = Action::GiveControl {
        connection: connection(1),
        viewer: "bob".into(),
        seat: seat(1),
        exclusive: true,
    };
    actions.contains(&given)
}

fn ends(actions: &[Action]) -> bool {
    actions.contains(&Action::EndControl {
        connection: connection(1),
    })
}

fn released(why: ControlOver) -> Action {
    Action::Log(Event::ControlReleased {
        connection: connection(1),
        viewer: "bob".into(),
        why,
    })
}

#[test]
fn control_is_taken_and_given_back_and_the_user_is_told() {
    let mut session = logged_in(Origin::Connect, terms());
    let taken = order(&mut session, 20, 1, take(1), admin());
    assert!(gives(&taken), "{taken:?}");
    assert_eq!(codes(&taken), ["control.taken"]);
    let notice = Notice::ControlTaken {
        viewer: "bob".into(),
        exclusive: true,
    };
    assert_eq!(notices(&taken), [&notice]);
    assert!(
        matches!(outcome(&taken), Some(Outcome::Done { connections }) if connections.len() == 1)
    );
    assert_eq!(session.controller(), Some("bob"));
    let stored: Controller =
        serde_json::from_value(serde_json::to_value(&session).unwrap()).unwrap();
    assert_eq!(stored.into_viewer().as_deref(), Some("bob"));
    let again = order(&mut session, 21, 2, take(1), admin());
    assert_eq!(outcome(&again), Some(&Outcome::AlreadySo));

    let back = order(&mut session, 22, 3, hand_back(1), admin());
    assert!(
        ends(&back) && back.contains(&released(ControlOver::HandedBack)),
        "{back:?}"
    );
    let notice = Notice::ControlReleased {
        viewer: "bob".into(),
    };
    assert_eq!(notices(&back), [&notice]);
    assert_eq!(session.controller(), None);
    let again = order(&mut session, 23, 4, hand_back(1), admin());
    assert_eq!(outcome(&again), Some(&Outcome::AlreadySo));
}

#[test]
fn one_at_a_time_has_it_and_the_next_is_told_who() {
    let mut session = controlled();
    let by = "bob".to_owned();
    let refused = order(&mut session, 21, 2, take(2), other());
    assert_denied(&refused, CommandDenied::Controlled { by: by.clone() });
    // From another window of his own as well: nobody could say which of them has it.
    let refused = order(&mut session, 22, 3, take(2), admin());
    assert_denied(&refused, CommandDenied::Controlled { by });
    let not_his = order(&mut session, 23, 4, hand_back(2), other());
    assert_eq!(outcome(&not_his), Some(&Outcome::AlreadySo));
    assert_eq!(session.controller(), Some("bob"));
    order(&mut session, 24, 5, hand_back(1), admin());
    order(&mut session, 25, 6, take(2), other());
    assert_eq!(session.controller(), Some("dora"));
}

#[test]
fn it_is_refused_to_others_and_where_there_is_nothing_to_control() {
    for by in [own(), auditor()] {
        let mut session = logged_in(Origin::Connect, terms());
        let refused = order(&mut session, 20, 1, take(1), by);
        assert_denied(&refused, CommandDenied::AdminOnly);
        assert_eq!(session.controller(), None);
    }
    let mut empty = available(Origin::Api, terms());
    let refused = order(&mut empty, 20, 1, take(1), admin());
    assert_denied(&refused, CommandDenied::NotConnected);
    let mut leaving = logged_in(Origin::Api, terms());
    order(&mut leaving, 20, 1, terminate(false), admin());
    let refused = order(&mut leaving, 21, 2, take(1), admin());
    assert_denied(&refused, CommandDenied::NotConnected);
    let mut locked = logged_in(Origin::Connect, terms());
    order(&mut locked, 20, 1, lock(), admin());
    let refused = order(&mut locked, 21, 2, take(1), admin());
    assert_denied(&refused, CommandDenied::Locked);
    let mut ending = logged_in(Origin::Connect, terms());
    order(&mut ending, 20, 1, end(), admin());
    let refused = order(&mut ending, 21, 2, take(1), admin());
    assert_denied(&refused, CommandDenied::Ended);
}

#[test]
fn a_lock_ends_it_before_the_gate_shuts_and_an_unlock_does_not_bring_it_back() {
    let mut session = controlled();
    let locked = order(&mut session, 30, 2, lock(), other());
    let ended = locked
        .iter()
        .position(|action| matches!(action, Action::EndControl { .. }));
    let shut = locked
        .iter()
        .position(|action| matches!(action, Action::ShutGate { .. }));
    assert!(ended.is_some() && ended < shut, "{locked:?}");
    assert!(locked.contains(&released(ControlOver::Locked)));
    order(&mut session, 31, 3, Command::Unlock, other());
    assert_eq!(session.controller(), None);
}

#[test]
fn whoever_leaves_leaves_it_behind() {
    let mut session = controlled();
    let nothing = session.handle(at(30), Input::ControllerLeft { seat: seat(2) });
    assert!(!ends(&nothing), "somebody else left: {nothing:?}");
    let left = session.handle(at(31), Input::ControllerLeft { seat: seat(1) });
    assert!(ends(&left) && left.contains(&released(ControlOver::Left)));
    assert_eq!(session.controller(), None);
}

#[test]
fn it_ends_with_the_connection_the_session_and_the_node() {
    let mut session = controlled();
    let user_left = gone(&mut session, 30, 1, DisconnectCause::Client);
    assert!(user_left.contains(&released(ControlOver::Ended)));
    assert_eq!(session.controller(), None);
    let mut session = controlled();
    let ended = order(&mut session, 30, 2, end(), admin());
    assert!(ended.contains(&released(ControlOver::Ended)));
    let mut session = controlled();
    let lost = session.node_lost(at(30));
    assert!(lost.contains(&released(ControlOver::Ended)));
    assert_eq!(session.controller(), None);
}

#[test]
fn a_session_stored_before_there_was_control_is_read() {
    let session = logged_in(Origin::Connect, terms());
    let mut stored = serde_json::to_value(&session).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("control").is_some());
    let read: Session = serde_json::from_value(stored).unwrap();
    assert_eq!(read.controller(), None);
}
