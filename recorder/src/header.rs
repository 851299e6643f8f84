//! What a tape says about itself: first (the header) and last (the closing).

use chrono::{DateTime, Utc};
use sallyport_domain::close::CloseReason;
use sallyport_domain::id::{ConnectionId, SessionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::format;

/// The first thing on a tape, as JSON; readable without any key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeHeader {
    /// Version of the format.
    pub version: u32,
    /// Which session.
    pub session: SessionId,
    /// Which of its connections; names the file.
    pub connection: ConnectionId,
    /// Who.
    pub user: String,
    /// Where.
    pub host: String,
    /// The log-in used there.
    pub account: String,
    /// What was allowed.
    pub activity: String,
    /// The wall-clock time of the tape's zero.
    pub started_at: DateTime<Utc>,
    /// How frames are sealed: `none`.
    #[serde(default = "none")]
    pub cipher: String,
    /// How the chain is signed: `none`.
    #[serde(default = "none")]
    pub signer: String,
    /// How payloads are compressed: `none`.
    #[serde(default = "none")]
    pub compression: String,
    /// Random: makes this tape's chain unlike any other's, and its end impossible to forge for
    /// whoever only controls what the target prints.
    pub nonce: Uuid,
}

fn none() -> String {
    "none".to_owned()
}

impl TapeHeader {
    /// A header of the current version, nothing sealed, signed or compressed; fill in `user`,
    /// `host`, `account` and `activity`.
    pub fn new(session: SessionId, connection: ConnectionId, started_at: DateTime<Utc>) -> Self {
        Self {
            version: format::VERSION,
            session,
            connection,
            user: String::new(),
            host: String::new(),
            account: String::new(),
            activity: String::new(),
            started_at,
            cipher: none(),
            signer: none(),
            compression: none(),
            nonce: Uuid::new_v4(),
        }
    }
}

/// The last thing on a finished tape, as JSON in the final frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Finished after a crash, not by its writer?
    pub recovered: bool,
    /// Bytes of the torn end that recovery cut off.
    pub torn_bytes: u64,
    /// Records on the tape.
    pub records: u64,
    /// From the tape's start to its end, in microseconds.
    pub duration_us: u64,
    /// Why the connection ended, if the writer was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CloseReason>,
}
