//! Is a command to be done, is it so already, or is it denied? Pure, and changes nothing.

use chrono::{DateTime, TimeDelta, Utc};

use super::Origin;
use super::machine::{Phase, Session};
use crate::command::{Actor, Command, CommandDenied};
use crate::declared::Extension;
use crate::id::{ConnectionId, SeatId};

/// The user may extend when this much or less remains (requirements, section 1.6).
pub(super) const EXTENSION_WINDOW: TimeDelta = TimeDelta::minutes(5);

/// What is to become of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    /// Carry it out.
    Do,
    /// Nothing to do.
    AlreadySo,
    /// Refuse it.
    Denied(CommandDenied),
}

/// Judges one command.
///
/// The control plane has checked roles and scopes before; what only administrators may do is
/// checked here once more, so that no way in can forget it.
pub(super) fn admit(
    session: &Session,
    now: DateTime<Utc>,
    command: &Command,
    by: &Actor,
) -> Admission {
    let canceling = match session.phase {
        Phase::Ended { .. } => return Admission::Denied(CommandDenied::Ended),
        Phase::Canceling { .. } => true,
        Phase::Provisioning | Phase::Open => false,
    };
    let judged = match command {
        Command::Lock { .. } => by_admin(by)
            .and_then(|()| live(canceling))
            .map(|()| do_unless(session.lock.is_some())),
        Command::Unlock => by_admin(by)
            .and_then(|()| live(canceling))
            .and_then(|()| session.lock.as_ref().ok_or(CommandDenied::NotLocked))
            .map(|_| Admission::Do),
        Command::End { .. } | Command::Terminate { cancel: true, .. } => {
            by_either(by).map(|()| do_unless(canceling))
        }
        Command::Terminate { cancel: false, .. } => by_either(by).and_then(|()| {
            match (canceling, session.origin) {
                (true, _) => Ok(Admission::AlreadySo),
                // Somebody is on the way into it.
                (false, Origin::Connect) => Ok(Admission::Do),
                (false, Origin::Api) => occupied(session),
            }
        }),
        Command::Extend { .. } => by_either(by)
            .and_then(|()| live(canceling))
            .and_then(|()| {
                if by.admin {
                    Ok(())
                } else {
                    user_extension(session, now).map(drop)
                }
            })
            .map(|()| Admission::Do),
        Command::Message { .. } => by_admin(by)
            .and_then(|()| live(canceling))
            .and_then(|()| occupied(session)),
        Command::ViewerJoined { .. } | Command::ViewerLeft { .. } => Ok(Admission::Do),
        Command::TakeOver {
            seat, connection, ..
        } => by_admin(by)
            .and_then(|()| live(canceling))
            .and_then(|()| takeable(session, *seat, *connection)),
        // Who has it may give it back whatever else he may do any more.
        Command::HandBack { seat } => {
            let has_it = session.control.as_ref().map(|control| control.seat) == Some(*seat);
            Ok(do_unless(!has_it))
        }
    };
    judged.unwrap_or_else(Admission::Denied)
}

/// The extension the user herself would be given now.
pub(super) fn user_extension(
    session: &Session,
    now: DateTime<Utc>,
) -> Result<Extension, CommandDenied> {
    if !matches!(session.phase, Phase::Provisioning | Phase::Open) {
        return Err(CommandDenied::Ended);
    }
    if session.lock.is_some() {
        return Err(CommandDenied::Locked);
    }
    let extension = session.terms.extension.ok_or(CommandDenied::NoExtension)?;
    if session.extensions_used >= extension.limit {
        return Err(CommandDenied::ExtensionsUsedUp {
            limit: extension.limit,
        });
    }
    let Some(end) = session.times.scheduled_end else {
        return Err(CommandDenied::TooEarlyToExtend);
    };
    let remaining = end.signed_duration_since(now);
    if remaining <= TimeDelta::zero() {
        Err(CommandDenied::Ended)
    } else if remaining > EXTENSION_WINDOW {
        Err(CommandDenied::TooEarlyToExtend)
    } else {
        Ok(extension)
    }
}

/// Can control of that connection's desktop be taken from that seat? One at a time has it.
fn takeable(
    session: &Session,
    seat: SeatId,
    connection: ConnectionId,
) -> Result<Admission, CommandDenied> {
    if session.lock.is_some() {
        return Err(CommandDenied::Locked);
    }
    if !session.connections.contains(&connection) || session.cut.contains_key(&connection) {
        return Err(CommandDenied::NotConnected);
    }
    match &session.control {
        None => Ok(Admission::Do),
        Some(control) if control.seat == seat => Ok(Admission::AlreadySo),
        Some(control) => Err(CommandDenied::Controlled {
            by: control.viewer.clone(),
        }),
    }
}

fn do_unless(so_already: bool) -> Admission {
    if so_already {
        Admission::AlreadySo
    } else {
        Admission::Do
    }
}

fn by_admin(by: &Actor) -> Result<(), CommandDenied> {
    if by.admin {
        Ok(())
    } else {
        Err(CommandDenied::AdminOnly)
    }
}

fn by_either(by: &Actor) -> Result<(), CommandDenied> {
    if by.admin || by.own {
        Ok(())
    } else {
        Err(CommandDenied::AdminOnly)
    }
}

fn live(canceling: bool) -> Result<(), CommandDenied> {
    if canceling {
        Err(CommandDenied::Ended)
    } else {
        Ok(())
    }
}

fn occupied(session: &Session) -> Result<Admission, CommandDenied> {
    if session.connections.is_empty() {
        Err(CommandDenied::NotConnected)
    } else {
        Ok(Admission::Do)
    }
}
