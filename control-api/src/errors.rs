//! What the store and the recorder complain of, as problems: what the caller can mend is told, the rest is
//! logged.

use axum::http::StatusCode;
use sallyport_domain::command::CommandDenied;
use sallyport_domain::refusal::Refusal;
use sallyport_store::{ApplyError, StoreError};

use crate::problem::{COMMAND_DENIED, Problem, SESSION_REFUSED};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownSort { .. } | StoreError::BadFilter { .. } => {
                Self::bad_request(error.to_string())
            }
            StoreError::NotFound { what, .. } => Self::not_found(what),
            StoreError::TooMany { .. } => Self::conflict(error.to_string()),
            StoreError::Database(cause) => Self::unavailable(cause),
            StoreError::Exists { .. }
            | StoreError::BadUrl { .. }
            | StoreError::SchemaTooNew { .. }
            | StoreError::Constraint { .. }
            | StoreError::Damaged { .. }
            | StoreError::NoSecret { .. }
            | StoreError::Vault(_)
            | StoreError::Password(_)
            | StoreError::ExportStopped => Self::internal(error),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::UnknownReference { .. }
            | ApplyError::BadName { .. }
            | ApplyError::DeclaredTwice { .. }
            | ApplyError::BadValue { .. } => Self::unprocessable(error.to_string()),
            ApplyError::NameTaken { .. } | ApplyError::InUse { .. } => {
                Self::conflict(error.to_string())
            }
            ApplyError::NotFound { kind, .. } => Self::not_found(kind),
            // Where it lies is not told: what one may not see is not described either.
            ApplyError::OutOfReach {
                kind, name, reach, ..
            } => Self::forbidden(format!(
                "your rights do not reach the {kind} `{name}`: they reach `{reach}` and below"
            )),
            ApplyError::Store(error) => error.into(),
        }
    }
}

/// A session's refusal of a command.
impl From<CommandDenied> for Problem {
    fn from(why: CommandDenied) -> Self {
        Self::conflict(why.to_string()).named(COMMAND_DENIED)
    }
}

/// The policy's refusal of a session.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::BadConnectString { .. }
            | Refusal::BadInnerName { .. }
            | Refusal::NoHostNamed
            | Refusal::NotesRequired { .. }
            | Refusal::TicketRequired
            | Refusal::ProtocolNotServed { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Ambiguous { .. }
            | Refusal::SeveralHosts { .. }
            | Refusal::AccountMissing { .. }
            | Refusal::SecretMissing { .. }
            | Refusal::PolicyIncomplete { .. }
            | Refusal::NotEnterable { .. } => StatusCode::CONFLICT,
            Refusal::UserLocked
            | Refusal::HostBarred { .. }
            | Refusal::NoPolicy { .. }
            | Refusal::NoSuchActivity { .. }
            | Refusal::NoSuchAccount { .. }
            | Refusal::NoSuchPolicy { .. }
            | Refusal::NothingToReach
            | Refusal::RightMissing { .. }
            | Refusal::DestinationNotAllowed { .. }
            | Refusal::ListenNotAllowed { .. }
            | Refusal::TooMany { .. }
            | Refusal::NotAskedFor { .. }
            | Refusal::NotOffered { .. } => StatusCode::FORBIDDEN,
            Refusal::RecordingUnavailable
            | Refusal::TargetUnreachable { .. }
            | Refusal::TargetGarbled { .. }
            | Refusal::TargetAlgorithms { .. }
            | Refusal::HostKeyMismatch { .. }
            | Refusal::NotRdp { .. }
            | Refusal::TargetNotEntered { .. }
            | Refusal::CertificateMismatch { .. }
            | Refusal::TargetRefusedCredential { .. }
            | Refusal::NoTicket { .. }
            | Refusal::TooManyJumps
            | Refusal::StoreUnavailable
            | Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
            .named(SESSION_REFUSED)
            .with_errors(vec![refusal.code().to_owned()])
    }
}
