//! Sessions as they are stored and shown.

use chrono::{DateTime, Utc};
use sallyport_domain::close::{CloseReason, DeadlineReason};
use sallyport_domain::declared::RecordingMode;
use sallyport_domain::id::{NodeId, NounId, SessionId};
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::meters::Meters;
use sallyport_domain::scope::ScopePath;
use sallyport_domain::session::{Origin, Terms, Times};
use sallyport_domain::status::{StateClass, Status};
use serde::{Deserialize, Serialize};

/// What kind of log-in a session or an entry of the access log is (requirement 34).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionType {
    /// The web console or the API.
    #[serde(rename = "CONSOLE")]
    Console,
    /// Federated log-in by the web.
    #[serde(rename = "WebSSO")]
    WebSso,
    /// Command line or desktop client.
    #[serde(rename = "ESSO")]
    Esso,
    /// A terminal in the browser.
    #[serde(rename = "PAM")]
    Pam,
    /// A native RDP client.
    #[serde(rename = "PAM RDP")]
    PamRdp,
    /// A native SSH client.
    #[serde(rename = "PAM SSH")]
    PamSsh,
}

impl SessionType {
    /// Every type there is.
    pub const ALL: [Self; 6] = [
        Self::Console,
        Self::WebSso,
        Self::Esso,
        Self::Pam,
        Self::PamRdp,
        Self::PamSsh,
    ];

    /// The text shown, stored and filtered by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "CONSOLE",
            Self::WebSso => "WebSSO",
            Self::Esso => "ESSO",
            Self::Pam => "PAM",
            Self::PamRdp => "PAM RDP",
            Self::PamSsh => "PAM SSH",
        }
    }

    /// The type of that text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What is known of a session from its first moment, and never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// How it came to be.
    pub origin: Origin,
    /// Where it was started from.
    pub launch_point: LaunchPoint,
    /// Its type.
    pub kind: SessionType,
    /// Who asked: the person or application authenticated at the gateway.
    pub user: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// What authenticated the user.
    pub identity_provider: String,
    /// Where it belongs: the host's scope.
    pub scope: ScopePath,
    /// The account's name on the target.
    pub login_account: String,
    /// The account.
    pub account_id: NounId,
    /// The host's name.
    pub host: String,
    /// The host.
    pub host_id: NounId,
    /// Address the gateway dials.
    pub target_address: String,
    /// Port the gateway dials.
    pub target_port: u16,
    /// The client's address; empty until a client comes.
    pub source_ip: String,
    /// The activity's name.
    pub activity: String,
    /// The policy that allowed it.
    pub access_policy: String,
    /// The profile's name.
    pub connection_profile: String,
    /// How it is recorded.
    pub recording_mode: RecordingMode,
    /// Why it was asked for.
    pub notes: String,
    /// Ticket number.
    pub ticket: String,
    /// Its times so far.
    pub times: Times,
    /// Which limit set the scheduled end.
    pub deadline_reason: Option<DeadlineReason>,
    /// Its profile's limits, as they were then.
    pub terms: Terms,
    /// The node that owns it; `None` until one adopts it.
    pub node: Option<NodeId>,
    /// Where it starts.
    pub status: Status,
    /// The state machine, to go on after a restart.
    pub machine: serde_json::Value,
}

/// What changes in a session's life. Saved whole each time.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionUpdate {
    /// Where it stands.
    pub status: Status,
    /// Its six times.
    pub times: Times,
    /// Why it ended or is ending.
    pub close_reason: Option<CloseReason>,
    /// Which limit set the scheduled end.
    pub deadline_reason: Option<DeadlineReason>,
    /// While it is locked: title and message.
    pub locked: Option<(String, String)>,
    /// When the user last did something.
    pub last_access_at: Option<DateTime<Utc>>,
    /// Extensions taken.
    pub extensions_used: u32,
    /// Address of the first client; `None` leaves what is stored.
    pub source_ip: Option<String>,
    /// Software of the first client; `None` leaves what is stored.
    pub client: Option<String>,
    /// The state machine, to go on after a restart.
    pub machine: serde_json::Value,
}

/// A session as the node that owns it needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// What never changes; `status` and `machine` in it are the current ones.
    pub session: NewSession,
    /// What changes.
    pub state: SessionUpdate,
}

/// A session as people see it; serialises to the names of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SessionType,
    /// How it came to be.
    pub origin: Origin,
    /// Where it stands.
    pub status: Status,
    /// Its coarse class.
    pub state_class: StateClass,
    /// Who asked.
    pub user: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// What authenticated the user.
    pub identity_provider: String,
    /// Where it belongs.
    pub scope: ScopePath,
    /// The account's name on the target.
    pub login_account: String,
    /// The account.
    pub account_id: NounId,
    /// Where the API shows the account.
    pub account_link: String,
    /// The host's name.
    pub host: String,
    /// The host.
    pub host_id: NounId,
    /// Address the gateway dials.
    pub target_address: String,
    /// Port the gateway dials.
    pub target_port: u16,
    /// `ssh://account@host:port`; never a secret.
    pub service_url: String,
    /// What the user was authenticated to in the end: the host's name.
    pub service_provider: String,
    /// The client's address.
    pub source_ip: String,
    /// The client's software.
    pub client: String,
    /// The client's operating system, if its software says so.
    pub client_os: Option<String>,
    /// The activity's name.
    pub activity: String,
    /// The policy that allowed it.
    pub access_policy: String,
    /// The profile's name.
    pub connection_profile: String,
    /// How it is recorded.
    pub recording_mode: RecordingMode,
    /// Why it was asked for.
    pub notes: String,
    /// Ticket number.
    pub ticket: String,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When its pre-session actions were done (*Start*).
    pub provisioned_at: Option<DateTime<Utc>>,
    /// When the user was first on the target.
    pub connected_at: Option<DateTime<Utc>>,
    /// When it has to end (*End*).
    pub scheduled_end: Option<DateTime<Utc>>,
    /// When the last connection went away.
    pub disconnected_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the user last did something.
    pub last_access_at: Option<DateTime<Utc>>,
    /// Seconds from its start (connected, else provisioned, else requested) to its end; `None`
    /// while it has not ended, see [`SessionRow::running_for`].
    pub duration_s: Option<i64>,
    /// Why it ended, in words.
    pub close_reason: Option<String>,
    /// Why it ended, as a stable code.
    pub close_code: Option<String>,
    /// Locked now?
    pub locked: bool,
    /// Headline of the lock.
    pub lock_title: Option<String>,
    /// Text of the lock.
    pub lock_message: Option<String>,
    /// Which limit set the scheduled end.
    pub deadline_reason: Option<DeadlineReason>,
    /// Extensions taken.
    pub extensions_used: u32,
    /// Who else than its user controls a desktop of it now.
    #[serde(default)]
    pub controlled_by: Option<String>,
    /// The node that owns it.
    pub node: Option<NodeId>,
    /// That node's name, as it was when it took the session; empty until then.
    pub node_name: String,
    /// The group of gateways that node belonged to.
    pub gateway_group: String,
    /// Where it was started from: a stable id.
    pub launch_point_id: String,
    /// The same, for people.
    pub launch_point_name: String,
    /// What was measured of all its connections; `None` before there is something.
    pub meters: Option<Meters>,
}

impl SessionRow {
    /// The row with `duration_s` of a session that has not ended counted up to `now`.
    pub fn running_for(mut self, now: DateTime<Utc>) -> Self {
        self.duration_s = Some(self.seconds_until(self.ended_at.unwrap_or(now)));
        self
    }

    pub(crate) fn seconds_until(&self, end: DateTime<Utc>) -> i64 {
        let start = self
            .connected_at
            .or(self.provisioned_at)
            .unwrap_or(self.requested_at);
        (end - start).num_seconds().max(0)
    }
}
