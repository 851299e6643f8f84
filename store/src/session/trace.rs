//! What a session leaves behind: events, connections, recordings.

use chrono::{DateTime, Utc};
use sallyport_domain::event::Level;
use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_domain::meters::Meters;
use serde::{Deserialize, Serialize};

/// One line of a session's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its number in the session, from 1 without holes.
    pub line: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// How much it matters.
    pub level: Level,
    /// The event's stable name.
    pub kind: String,
    /// One line for people.
    pub message: String,
    /// The event itself.
    pub detail: serde_json::Value,
}

/// A client that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConnection {
    /// Its id; also names its tape.
    pub id: ConnectionId,
    /// In which session.
    pub session: SessionId,
    /// Address of the client.
    pub source_ip: String,
    /// Software of the client.
    pub client: String,
    /// When it was joined to the target.
    pub connected_at: DateTime<Utc>,
    /// Path of its tape below the tape folder; empty if it is not recorded.
    pub tape: String,
}

/// What has passed on a connection so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Passed {
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// What was measured; `None` leaves what is stored.
    pub meters: Option<Meters>,
}

/// One client joined to one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Its id; also names its tape.
    pub id: ConnectionId,
    /// In which session.
    pub session: SessionId,
    /// Address of the client.
    pub source_ip: String,
    /// Software of the client.
    pub client: String,
    /// Its operating system, if the software says so.
    pub client_os: Option<String>,
    /// When it was joined to the target.
    pub connected_at: DateTime<Utc>,
    /// When it was over.
    pub closed_at: Option<DateTime<Utc>>,
    /// Why, in words.
    pub cause: Option<String>,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Path of its tape below the tape folder; empty if it is not recorded.
    pub tape: String,
    /// What was measured of it; `None` before there is something, and of connections of before there were meters.
    pub meters: Option<Meters>,
}

/// What a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Still being written.
    Recording,
    /// Finished in order.
    Complete,
    /// Finished after a crash.
    Recovered,
    /// Could not be written to its end.
    Failed,
}

impl RecordingState {
    /// Every state there is.
    pub const ALL: [Self; 4] = [
        Self::Recording,
        Self::Complete,
        Self::Recovered,
        Self::Failed,
    ];

    /// The text shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Failed => "failed",
        }
    }

    /// The state of that text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A tape that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecording {
    /// Of which connection.
    pub connection: ConnectionId,
    /// In which session.
    pub session: SessionId,
    /// Path of the tape below the tape folder.
    pub path: String,
    /// When it begins.
    pub started_at: DateTime<Utc>,
}

/// A recording, with what is shown of its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRow {
    /// The connection's id; names the recording.
    pub id: ConnectionId,
    /// In which session.
    pub session: SessionId,
    /// Who was recorded.
    pub user: String,
    /// On which host.
    pub host: String,
    /// As which account.
    pub login_account: String,
    /// Doing what.
    pub activity: String,
    /// Path of the tape below the tape folder.
    pub path: String,
    /// What it is.
    pub state: RecordingState,
    /// Bytes in the file, once it is finished.
    pub bytes: Option<u64>,
    /// Root of its chain in hexadecimal, once it is finished.
    pub root: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was finished.
    pub finished_at: Option<DateTime<Utc>>,
}
