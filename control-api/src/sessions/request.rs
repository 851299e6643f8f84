//! `POST /sessions`: asking for a session that stays available until its end.
//!
//! The policy decides here, once; the node that adopts the session provisions it, and every right is checked
//! again when the session is entered.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use sallyport_domain::declared::{Host, Protocol};
use sallyport_domain::event::Event;
use sallyport_domain::id::SessionId;
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::permit::Permit;
use sallyport_domain::policy::{self, Decision};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::role::Act;
use sallyport_domain::session::{Origin, Session, Terms};
use sallyport_domain::status::Status;
use sallyport_store::{Login, LoginOutcome, NewSession, SessionRow, SessionType};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use super::orders::printable;
use crate::caller::{Caller, on_session};
use crate::input::Body;
use crate::problem::Problem;
use crate::state::Api;

/// Longest wait for a node to make the session available.
const PROVISION_WAIT: Duration = Duration::from_secs(2);
/// How often the row is read again although no hint came.
const POLL: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// Name or friendly name of the host.
    #[schema(example = "web-01")]
    host: String,
    /// Needed where several are allowed.
    #[serde(default)]
    activity: Option<String>,
    /// Needed where several allow it.
    #[serde(default)]
    policy: Option<String>,
    /// Why.
    #[serde(default)]
    notes: Option<String>,
    /// Ticket number.
    #[serde(default)]
    ticket: Option<String>,
    /// `ssh` or `rdp`; without it, the one that leads there, SSH first.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    protocol: Option<Protocol>,
    /// The page or bookmark it is asked for from; `api` without one.
    #[serde(default)]
    launch_point: Option<LaunchPointBody>,
}

/// Where a session is started from, as the caller calls it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchPointBody {
    /// The caller's own id of it.
    #[schema(example = "bookmark-17")]
    id: String,
    /// For people.
    #[serde(default)]
    name: String,
}

/// The session, and how to enter it.
#[derive(Serialize)]
pub struct Requested {
    #[serde(flatten)]
    session: SessionRow,
    /// What to type for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<String>,
    /// What to type for RDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    rdp: Option<String>,
}

/// `POST /sessions`
pub async fn request(
    caller: Caller,
    State(api): State<Api>,
    body: Body<SessionRequest>,
) -> Result<Response, Problem> {
    caller.require(Act::UseSessions)?;
    let mut body = body.read()?;
    let launch_point = launch_point(body.launch_point.take())?;
    let named = body.protocol;
    let mut request = readable(body)?;
    let permit = match allowed(&api, &caller, &mut request, named).await? {
        Ok(permit) => permit,
        Err(refusal) => {
            let kind = session_type(request.protocol);
            return Err(on_record(&api, &caller, kind, refusal, &request.host).await?);
        }
    };
    let now = api.now();
    let new = new_session(&caller, &request, &permit, launch_point, now)?;
    api.store
        .insert_session(&new, &first_events(&caller, &permit, now))
        .await?;
    let session = provisioned(&api, &caller, new.id).await?;
    let id = new.id.to_string();
    caller
        .note(
            &api,
            "session.requested",
            on_session(&session, &id),
            serde_json::to_value(&session).map_err(Problem::internal)?,
        )
        .await?;
    let (mut ssh, mut rdp) = (None, None);
    match request.protocol {
        Protocol::Ssh => ssh = Some(ssh_line(&api.ssh_address, &session)),
        Protocol::Rdp => rdp = Some(rdp_line(&api.rdp.address, &session)),
    }
    let location = format!("/api/v1/sessions/{id}");
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(Requested { session, ssh, rdp }),
    )
        .into_response())
}

/// Longest id or name of a launch point, in bytes.
const LAUNCH_POINT: usize = 255;

fn launch_point(body: Option<LaunchPointBody>) -> Result<LaunchPoint, Problem> {
    let Some(LaunchPointBody { id, name }) = body else {
        return Ok(LaunchPoint::Api);
    };
    let id = printable("launch_point.id", &id)?;
    let name = printable("launch_point.name", &name)?;
    if id.is_empty() || id.len() > LAUNCH_POINT || name.len() > LAUNCH_POINT {
        let told = "`launch_point` needs an `id`; id and name have at most 255 bytes";
        return Err(Problem::unprocessable(told));
    }
    match LaunchPoint::of(id, name) {
        named @ LaunchPoint::Named { .. } => Ok(named),
        LaunchPoint::Api => Ok(LaunchPoint::Api),
        // Nobody who came by the API came by these.
        ours @ (LaunchPoint::ConnectString | LaunchPoint::Menu | LaunchPoint::ProxyJump) => {
            let told = format!(
                "`launch_point.id` may not be `{}`: choose an id of your own",
                ours.id()
            );
            Err(Problem::unprocessable(told))
        }
    }
}

/// What was asked, as the policy reads it; notes may end up on somebody's terminal.
fn readable(body: SessionRequest) -> Result<policy::Request, Problem> {
    let text = |field, text: Option<String>| -> Result<Option<String>, Problem> {
        let text = text.map(|text| printable(field, &text)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    Ok(policy::Request {
        protocol: body.protocol.unwrap_or(Protocol::Ssh),
        host: printable("host", &body.host)?,
        activity: text("activity", body.activity)?,
        account: None,
        policy: text("policy", body.policy)?,
        notes: text("notes", body.notes)?,
        ticket: text("ticket", body.ticket)?,
    })
}

/// What the policy says, over the protocol that was named; if none was, over RDP where nothing leads there by SSH.
async fn allowed(
    api: &Api,
    caller: &Caller,
    request: &mut policy::Request,
    named: Option<Protocol>,
) -> Result<Result<Permit, Refusal>, Problem> {
    let snapshot = api
        .store
        .policy_snapshot(&caller.viewer.name, &request.host)
        .await?;
    let decided = |request: &policy::Request| match policy::evaluate(&snapshot, request) {
        Decision::Allow(permit) => Ok(permit),
        Decision::Deny(refusal) => Err(refusal),
    };
    let first = decided(request);
    if named.is_some() || !first.as_ref().is_err_and(leads_nowhere) {
        return Ok(first);
    }
    let by_rdp = policy::Request {
        protocol: Protocol::Rdp,
        ..request.clone()
    };
    let second = decided(&by_rdp);
    if second.as_ref().is_err_and(leads_nowhere) {
        return Ok(first);
    }
    *request = by_rdp;
    Ok(second)
}

/// Does no policy lead to what was asked for, whatever the conditions?
fn leads_nowhere(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NoPolicy { .. } | Refusal::NoSuchActivity { .. }
    )
}

fn session_type(protocol: Protocol) -> SessionType {
    match protocol {
        Protocol::Ssh => SessionType::PamSsh,
        Protocol::Rdp => SessionType::PamRdp,
    }
}

/// Where the host is reached over a protocol, on the port declared or the usual one.
fn target_port(host: &Host, protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Ssh => host.ssh.as_ref().map_or(22, |endpoint| endpoint.port),
        Protocol::Rdp => host.rdp.as_ref().map_or(3389, |endpoint| endpoint.port),
    }
}

/// A refusal belongs into the access log like one at the door.
pub async fn on_record(
    api: &Api,
    caller: &Caller,
    kind: SessionType,
    refusal: Refusal,
    host: &str,
) -> Result<Problem, Problem> {
    let login = Login {
        at: api.now(),
        kind,
        user: caller.viewer.name.clone(),
        source_ip: caller.author.ip.clone(),
        method: "token".to_owned(),
        outcome: LoginOutcome::Refused,
        code: refusal.code().to_owned(),
        text: refusal.to_string(),
        service_provider: host.to_owned(),
        session: None,
    };
    api.store.record_login(&login).await?;
    Ok(refusal.into())
}

fn new_session(
    caller: &Caller,
    request: &policy::Request,
    permit: &Permit,
    launch_point: LaunchPoint,
    now: DateTime<Utc>,
) -> Result<NewSession, Problem> {
    let (host, profile) = (permit.host(), permit.profile());
    let id = SessionId::from(Uuid::now_v7());
    let mut end_notice = profile.end_notice.clone();
    end_notice.sort_by(|a, b| b.cmp(a));
    let terms = Terms {
        max_duration: profile.max_duration,
        idle_timeout: profile.idle_timeout,
        end_notice,
        extension: profile.extension,
    };
    let who = &caller.identity;
    let machine = Session::new(id, Origin::Api, who.name.clone(), terms.clone(), now);
    Ok(NewSession {
        id,
        origin: Origin::Api,
        launch_point,
        kind: session_type(request.protocol),
        user: who.name.clone(),
        first_name: who.first_name.clone(),
        last_name: who.last_name.clone(),
        email: who.email.clone(),
        identity_provider: who.identity_provider().to_owned(),
        scope: host.scope.clone(),
        login_account: permit.account().name.clone(),
        account_id: permit.account_id(),
        host: host.name.clone(),
        host_id: permit.host_id(),
        target_address: host.address.clone(),
        target_port: target_port(host, request.protocol),
        source_ip: String::new(),
        activity: permit.activity().to_owned(),
        access_policy: permit.policy().to_owned(),
        connection_profile: profile.name.clone(),
        recording_mode: profile.recording,
        notes: request.notes.clone().unwrap_or_default(),
        ticket: request.ticket.clone().unwrap_or_default(),
        times: machine.times(),
        deadline_reason: None,
        terms,
        node: None,
        status: Status::Provisioning,
        machine: serde_json::to_value(&machine).map_err(Problem::internal)?,
    })
}

fn first_events(
    caller: &Caller,
    permit: &Permit,
    now: DateTime<Utc>,
) -> [(DateTime<Utc>, Event); 2] {
    let requested = Event::Requested {
        user: caller.viewer.name.clone(),
        host: permit.host().name.clone(),
        activity: permit.activity().to_owned(),
    };
    let authorised = Event::Authorised {
        policy: permit.policy().to_owned(),
        profile: permit.profile().name.clone(),
    };
    [(now, requested), (now, authorised)]
}

/// The session once a node has provisioned it, or as it stands when time is up.
async fn provisioned(api: &Api, caller: &Caller, id: SessionId) -> Result<SessionRow, Problem> {
    let mut hints = api.store.hints();
    let give_up = Instant::now() + PROVISION_WAIT;
    loop {
        let row = api.store.session(&caller.viewer, &id.to_string()).await?;
        let row =
            row.ok_or_else(|| Problem::internal("a session just made cannot be seen by its user"))?;
        let now = Instant::now();
        if row.status != Status::Provisioning || now >= give_up {
            return Ok(row);
        }
        // Whatever woke us, the row is read again; a burst of hints is no reason to read faster.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let _ = timeout_at((now + POLL).min(give_up), hints.recv()).await;
    }
}

/// The line to type. Quoted: a connect string may hold what a shell would take apart.
fn ssh_line(address: &str, session: &SessionRow) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "22"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = if port == "22" {
        String::new()
    } else {
        format!("-p {port} ")
    };
    format!("ssh {port}'{}@{host}'", connect_string(session))
}

/// The same for RDP, with a client that has a command line.
fn rdp_line(address: &str, session: &SessionRow) -> String {
    format!("xfreerdp /v:{address} /u:'{}'", connect_string(session))
}

/// The user name that leads to a session.
pub fn connect_string(session: &SessionRow) -> String {
    let activity = session.activity.replace(' ', "_");
    format!("{}+{activity}+{}", session.user, session.host)
}
