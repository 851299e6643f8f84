//! Everything Sallyport remembers, on SQLite or PostgreSQL, and the only SQL in the program.
//!
//! One SQL text serves both databases; what differs is the schema (`migrations/`), how a
//! transaction begins and is sent, and how other nodes hear of a change. Every change of the control plane
//! writes its audit entry in its own transaction. Secrets lie sealed ([`VaultKey`]). Those of accounts
//! leave the vault in one way only, [`Store::open_secret`] and its like, which need a permit; what users log in
//! with by NTLM leaves it only as [`NtlmCandidate`]s.

mod audit;
mod authenticate;
mod batch;
mod command;
mod connection_password;
mod error;
mod facts;
mod hint;
mod kept;
mod listing;
mod login;
mod migrate;
mod node;
mod noun;
mod ntlm;
mod open;
mod password;
mod pins;
mod policy;
mod query;
mod rules;
mod script;
mod secret;
mod session;
mod sql;
mod survey;
#[cfg(test)]
mod tests;
mod token;
mod vault;
mod who;

pub use audit::{AuditEntry, AuditObject, VerifyFault, VerifyReport};
pub use batch::Batch;
pub use command::{CommandRow, OpenCommand};
pub use connection_password::{
    CONNECTION_PASSWORD_LONGEST, ConnectionPasswordRow, ConnectionPasswordTerms,
    NewConnectionPassword, Uses,
};
pub use error::{ApplyError, StoreError};
pub use hint::Hint;
pub use listing::RowStream;
pub use login::{Login, LoginOutcome, LoginRow};
pub use noun::{Change, ChangeAction, NounRow};
pub use ntlm::{CandidateId, NtlmCandidate};
pub use open::Store;
pub use query::{ListQuery, Page};
pub use secret::{OpenedSecret, SecretField};
pub use session::{
    ConnectionRow, EventRow, NewConnection, NewRecording, NewSession, Passed, RecordingRow,
    RecordingState, SessionRow, SessionType, SessionUpdate, StoredSession,
};
pub use token::Token;
pub use vault::{VaultError, VaultKey};
pub use who::{Author, Identity, Viewer};
