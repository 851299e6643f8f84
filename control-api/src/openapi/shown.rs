//! What the API answers, as OpenAPI shows it: the store knows no OpenAPI, so its rows are told again here.
//! The test of the whole API compares the names with those of real answers.

#![allow(dead_code, missing_docs)]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::command::CommandAnswer;
use crate::problem::Problem;

/// A declared noun. `doc` is what `PUT` takes.
#[derive(ToSchema)]
pub struct Noun {
    id: Uuid,
    kind: String,
    name: String,
    scope: String,
    /// As it was declared, without secrets.
    doc: serde_json::Value,
    has_secret: bool,
    locked: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What became of a declared noun. A new secret is shown as `changed`, never as what it says.
#[derive(ToSchema)]
pub struct Change {
    kind: String,
    name: String,
    action: ChangeAction,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ChangeAction {
    Created,
    Changed,
    Unchanged,
    Removed,
}

/// What `apply` did, or would do.
#[derive(ToSchema)]
pub struct Applied {
    dry_run: bool,
    changes: Vec<Change>,
}

/// A password to log in by RDP with.
#[derive(ToSchema, serde::Serialize)]
pub struct ConnectionPassword {
    id: Uuid,
    /// The one host it is good for; null for any.
    host: Option<String>,
    /// The one activity it is good for; null for any.
    activity: Option<String>,
    /// `one` or `many`.
    uses: String,
    /// The user name to give with it.
    #[schema(example = "alice+desktop+desk-01")]
    login: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// One just made, with the password, which is never shown again.
#[derive(ToSchema, serde::Serialize)]
pub struct NewConnectionPassword {
    #[serde(flatten)]
    shown: ConnectionPassword,
    #[schema(example = "jkr7-28vm-ttcd-p4xa-9hqe")]
    password: String,
}

/// One's own ones.
#[derive(ToSchema)]
pub struct ConnectionPasswords {
    items: Vec<ConnectionPassword>,
}

/// Least, average and most of what was measured.
#[derive(ToSchema, serde::Serialize)]
pub struct Spread {
    min: f64,
    avg: f64,
    max: f64,
    /// For how many seconds it was measured.
    seconds: f64,
}

/// What was measured of a connection, every second; of a session, of all its connections.
#[derive(ToSchema, serde::Serialize)]
pub struct Meters {
    /// Bytes a second, both directions together.
    bandwidth: Spread,
    /// How often a second the target changed what is seen: writes of terminal output, or of pictures, to the client.
    updates: Spread,
    /// Milliseconds; null where the client's socket is not the gateway's.
    client_round_trip: Option<Spread>,
    /// Milliseconds.
    target_round_trip: Option<Spread>,
}

/// A session.
#[derive(ToSchema, serde::Serialize)]
pub struct Session {
    id: Uuid,
    /// `CONSOLE`, `WebSSO`, `ESSO`, `PAM`, `PAM RDP` or `PAM SSH`.
    r#type: String,
    /// `connect` or `api`.
    origin: String,
    #[schema(example = "Logged In")]
    status: String,
    /// `active`, `closed`, `failed` or `suspended`.
    state_class: String,
    user: String,
    first_name: String,
    last_name: String,
    email: String,
    identity_provider: String,
    scope: String,
    login_account: String,
    account_id: Uuid,
    #[schema(example = "/api/v1/accounts/deploy@web-01")]
    account_link: String,
    host: String,
    host_id: Uuid,
    target_address: String,
    target_port: u16,
    #[schema(example = "ssh://deploy@10.0.0.5:22")]
    service_url: String,
    /// The host's name.
    service_provider: String,
    source_ip: String,
    client: String,
    /// If the client's software says so.
    #[schema(example = "Linux/Debian")]
    client_os: Option<String>,
    activity: String,
    access_policy: String,
    connection_profile: String,
    recording_mode: String,
    notes: String,
    ticket: String,
    requested_at: DateTime<Utc>,
    provisioned_at: Option<DateTime<Utc>>,
    connected_at: Option<DateTime<Utc>>,
    scheduled_end: Option<DateTime<Utc>>,
    disconnected_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    last_access_at: Option<DateTime<Utc>>,
    /// Once it has ended.
    duration_s: Option<i64>,
    close_reason: Option<String>,
    close_code: Option<String>,
    locked: bool,
    lock_title: Option<String>,
    lock_message: Option<String>,
    deadline_reason: Option<String>,
    extensions_used: u32,
    /// Who else than its user controls its desktop now.
    controlled_by: Option<String>,
    node: Option<Uuid>,
    node_name: String,
    gateway_group: String,
    /// `connect-string`, `menu`, `proxy-jump`, `api`, or the id the caller of the API gave.
    launch_point_id: String,
    launch_point_name: String,
    /// Null before something was measured.
    meters: Option<Meters>,
}

/// A session just asked for, and how to enter it.
#[derive(ToSchema, serde::Serialize)]
pub struct Requested {
    #[serde(flatten)]
    session: Session,
    /// What to type, for a session of SSH.
    #[schema(example = "ssh -p 2222 'alice+shell+web-01@127.0.0.1'")]
    ssh: Option<String>,
    /// What to type, for a session of RDP.
    #[schema(example = "xfreerdp /v:127.0.0.1:3390 /u:'alice+desktop+desk-01'")]
    rdp: Option<String>,
}

/// One line of a session's log.
#[derive(ToSchema)]
pub struct Event {
    line: i64,
    at: DateTime<Utc>,
    /// `debug`, `info`, `warn` or `error`.
    level: String,
    kind: String,
    message: String,
    detail: serde_json::Value,
}

/// A client that came.
#[derive(ToSchema)]
pub struct Connection {
    /// Also names its recording.
    id: Uuid,
    session: Uuid,
    source_ip: String,
    client: String,
    client_os: Option<String>,
    connected_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    cause: Option<String>,
    bytes_in: u64,
    bytes_out: u64,
    tape: String,
    /// Of one that lasts: as of some seconds ago. Null before something was measured.
    meters: Option<Meters>,
}

/// All connections of a session.
#[derive(ToSchema)]
pub struct Connections {
    items: Vec<Connection>,
}

/// An order's answer with what was prevented besides.
#[derive(ToSchema, serde::Serialize)]
pub struct OrderAnswer {
    #[serde(flatten)]
    answer: CommandAnswer,
    /// The user's other sessions that were locked as well.
    others: Option<Vec<OneOfMany>>,
}

/// What became of one of many orders: the answer, or the problem.
#[derive(ToSchema, serde::Serialize)]
pub struct OneOfMany {
    session: String,
    /// The HTTP status of this one.
    status: u16,
    answer: Option<CommandAnswer>,
    problem: Option<Problem>,
}

/// What became of them all.
#[derive(ToSchema)]
pub struct Many {
    results: Vec<OneOfMany>,
}

/// What became of a user and of the user's live sessions.
#[derive(ToSchema)]
pub struct UserLocked {
    user: String,
    locked: bool,
    sessions: Vec<OneOfMany>,
}

/// The recording of one connection.
#[derive(ToSchema)]
pub struct Recording {
    id: Uuid,
    session: Uuid,
    user: String,
    host: String,
    login_account: String,
    activity: String,
    /// Below the tape folder.
    path: String,
    /// `recording`, `complete`, `recovered` or `failed`.
    state: String,
    bytes: Option<u64>,
    root: Option<String>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

/// What a check of a tape found.
#[derive(ToSchema)]
pub struct TapeReport {
    path: String,
    header: serde_json::Value,
    frames: u64,
    records: u64,
    bytes: u64,
    /// Seconds.
    duration: f64,
    root: String,
    closing: Option<serde_json::Value>,
    bad: Option<serde_json::Value>,
    /// Every frame holds together and the final one is there.
    whole: bool,
    /// Is the root the one that was stored when the tape was finished?
    root_as_stored: Option<bool>,
}

/// One act of anyone on the control plane.
#[derive(ToSchema)]
pub struct AuditEntry {
    seq: i64,
    at: DateTime<Utc>,
    user: String,
    first_name: String,
    last_name: String,
    email: String,
    identity_provider: String,
    ip: String,
    session: String,
    action: String,
    object_kind: String,
    object_name: String,
    object_id: String,
    scope: String,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
    previous: String,
    hash: String,
}

/// What a check of the audit trail found.
#[derive(ToSchema)]
pub struct AuditReport {
    entries: u64,
    head: String,
    /// The first fault: `seq` and `problem`.
    fault: Option<serde_json::Value>,
}

/// One attempt to get in.
#[derive(ToSchema)]
pub struct LoginEntry {
    id: String,
    at: DateTime<Utc>,
    r#type: String,
    user: String,
    source_ip: String,
    method: String,
    /// `accepted` or `refused`.
    outcome: String,
    code: String,
    text: String,
    /// `console`, or the host that was asked for.
    service_provider: String,
    session: Option<Uuid>,
}
