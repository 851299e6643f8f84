//! Sessions on their way out of the database.

use sallyport_domain::client_os;
use sallyport_domain::close::CloseReason;
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::meters::Meters;
use sallyport_domain::session::{Controller, Times};
use sallyport_domain::status::Status;
use sqlx::any::AnyRow;

use super::{NewSession, SessionRow, SessionType, SessionUpdate, StoredSession};
use crate::error::StoreError;
use crate::sql::Columns;

/// The columns both readers below need.
pub(super) const COLUMNS: &str = "s.id AS id, s.origin AS origin, s.kind AS kind, s.status AS status,
    s.user_name AS user_name, s.first_name AS first_name, s.last_name AS last_name, s.email AS email,
    s.identity_provider AS identity_provider, s.scope AS scope, s.login_account AS login_account,
    s.account_id AS account_id, s.host AS host, s.host_id AS host_id, s.target_address AS target_address,
    s.target_port AS target_port, s.source_ip AS source_ip, s.client AS client, s.activity AS activity,
    s.access_policy AS access_policy, s.connection_profile AS connection_profile, s.recording_mode AS recording_mode,
    s.notes AS notes, s.ticket AS ticket, s.terms AS terms, s.requested_at AS requested_at,
    s.provisioned_at AS provisioned_at, s.connected_at AS connected_at, s.scheduled_end AS scheduled_end,
    s.disconnected_at AS disconnected_at, s.ended_at AS ended_at, s.last_access_at AS last_access_at,
    s.close_code AS close_code, s.close_reason AS close_reason, s.close_detail AS close_detail,
    s.deadline_reason AS deadline_reason, s.lock_title AS lock_title, s.lock_message AS lock_message,
    s.extensions_used AS extensions_used, s.node_id AS node_id, s.node_name AS node_name, s.gateway_group AS gateway_group,
    s.launch_point_id AS launch_point_id, s.launch_point_name AS launch_point_name, s.machine AS machine";

/// There is no column for it: it changes often and is asked for seldom.
fn controlled_by(row: &AnyRow, status: Status) -> Result<Option<String>, StoreError> {
    match status.is_final() {
        true => Ok(None),
        false => Ok(row.json::<Controller>("machine")?.into_viewer()),
    }
}

/// What people see besides: what was measured of each connection, one after the other.
pub(super) const MEASURED: &str = "(SELECT string_agg(c.meters, ',') FROM connection c
        WHERE c.session_id = s.id AND c.meters IS NOT NULL) AS meters";

/// All connections together.
fn meters(row: &AnyRow) -> Result<Option<Meters>, StoreError> {
    let Some(each) = row.text_or_null("meters")? else {
        return Ok(None);
    };
    let each: Vec<Meters> = serde_json::from_str(&format!("[{each}]"))
        .map_err(|error| StoreError::damaged("meters", error))?;
    Ok(each.into_iter().reduce(Meters::and).map(Meters::rounded))
}

fn status(row: &AnyRow) -> Result<Status, StoreError> {
    let text = row.text("status")?;
    Status::parse(&text).ok_or_else(|| StoreError::damaged("status", text))
}

pub(crate) fn kind(row: &AnyRow) -> Result<SessionType, StoreError> {
    let text = row.text("kind")?;
    SessionType::parse(&text).ok_or_else(|| StoreError::damaged("kind", text))
}

fn times(row: &AnyRow) -> Result<Times, StoreError> {
    Ok(Times {
        requested_at: row.time("requested_at")?,
        provisioned_at: row.time_or_null("provisioned_at")?,
        connected_at: row.time_or_null("connected_at")?,
        scheduled_end: row.time_or_null("scheduled_end")?,
        disconnected_at: row.time_or_null("disconnected_at")?,
        ended_at: row.time_or_null("ended_at")?,
    })
}

/// As people see it.
pub(super) fn shown(row: &AnyRow) -> Result<SessionRow, StoreError> {
    let (status, times, kind) = (status(row)?, times(row)?, kind(row)?);
    let (login_account, target_address) = (row.text("login_account")?, row.text("target_address")?);
    let target_port = row.number("target_port")?;
    let lock_title = row.text_or_null("lock_title")?;
    let (host, client) = (row.text("host")?, row.text("client")?);
    let mut shown = SessionRow {
        id: row.parsed("id")?,
        kind,
        origin: row.word("origin")?,
        status,
        state_class: status.class(),
        user: row.text("user_name")?,
        first_name: row.text("first_name")?,
        last_name: row.text("last_name")?,
        email: row.text("email")?,
        identity_provider: row.text("identity_provider")?,
        scope: row.word("scope")?,
        service_url: service_url(kind, &login_account, &target_address, target_port),
        account_link: account_link(&login_account, &host),
        service_provider: host.clone(),
        login_account,
        account_id: row.parsed("account_id")?,
        host,
        host_id: row.parsed("host_id")?,
        target_address,
        target_port,
        source_ip: row.text("source_ip")?,
        client_os: client_os::of(&client).map(str::to_owned),
        client,
        activity: row.text("activity")?,
        access_policy: row.text("access_policy")?,
        connection_profile: row.text("connection_profile")?,
        recording_mode: row.word("recording_mode")?,
        notes: row.text("notes")?,
        ticket: row.text("ticket")?,
        requested_at: times.requested_at,
        provisioned_at: times.provisioned_at,
        connected_at: times.connected_at,
        scheduled_end: times.scheduled_end,
        disconnected_at: times.disconnected_at,
        ended_at: times.ended_at,
        last_access_at: row.time_or_null("last_access_at")?,
        duration_s: None,
        close_reason: row.text_or_null("close_reason")?,
        close_code: row.text_or_null("close_code")?,
        locked: lock_title.is_some(),
        lock_title,
        lock_message: row.text_or_null("lock_message")?,
        deadline_reason: row.word_or_null("deadline_reason")?,
        extensions_used: row.number("extensions_used")?,
        controlled_by: controlled_by(row, status)?,
        node: row.parsed_or_null("node_id")?,
        node_name: row.text("node_name")?,
        gateway_group: row.text("gateway_group")?,
        launch_point_id: row.text("launch_point_id")?,
        launch_point_name: row.text("launch_point_name")?,
        meters: meters(row)?,
    };
    shown.duration_s = times.ended_at.map(|end| shown.seconds_until(end));
    Ok(shown)
}

/// Where it leads, as an address; never with a secret. Parts that would break it are written as `%XX`.
fn service_url(kind: SessionType, account: &str, address: &str, port: u16) -> String {
    let protocol = match kind {
        SessionType::PamRdp => "rdp",
        SessionType::Console
        | SessionType::WebSso
        | SessionType::Esso
        | SessionType::Pam
        | SessionType::PamSsh => "ssh",
    };
    let user = escaped(account);
    let bracketed = address.contains(':') && !address.starts_with('[');
    let address = if bracketed {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    format!("{protocol}://{user}@{address}:{port}")
}

/// Where the API shows an account. Accounts are named after their host, see `Account::full_name`.
fn account_link(account: &str, host: &str) -> String {
    format!("/api/v1/accounts/{}@{}", escaped(account), escaped(host))
}

/// Whatever would break a URL, as `%XX` (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// As the node that owns it needs it.
pub(super) fn stored(row: &AnyRow) -> Result<StoredSession, StoreError> {
    let (status, times) = (status(row)?, times(row)?);
    let machine: serde_json::Value = row.json("machine")?;
    let session = NewSession {
        id: row.parsed("id")?,
        origin: row.word("origin")?,
        launch_point: LaunchPoint::of(row.text("launch_point_id")?, row.text("launch_point_name")?),
        kind: kind(row)?,
        user: row.text("user_name")?,
        first_name: row.text("first_name")?,
        last_name: row.text("last_name")?,
        email: row.text("email")?,
        identity_provider: row.text("identity_provider")?,
        scope: row.word("scope")?,
        login_account: row.text("login_account")?,
        account_id: row.parsed("account_id")?,
        host: row.text("host")?,
        host_id: row.parsed("host_id")?,
        target_address: row.text("target_address")?,
        target_port: row.number("target_port")?,
        source_ip: row.text("source_ip")?,
        activity: row.text("activity")?,
        access_policy: row.text("access_policy")?,
        connection_profile: row.text("connection_profile")?,
        recording_mode: row.word("recording_mode")?,
        notes: row.text("notes")?,
        ticket: row.text("ticket")?,
        times,
        deadline_reason: row.word_or_null("deadline_reason")?,
        terms: row.json("terms")?,
        node: row.parsed_or_null("node_id")?,
        status,
        machine: machine.clone(),
    };
    let state = SessionUpdate {
        status,
        times,
        close_reason: row.json_or_null::<CloseReason>("close_detail")?,
        deadline_reason: row.word_or_null("deadline_reason")?,
        locked: row
            .text_or_null("lock_title")?
            .zip(row.text_or_null("lock_message")?),
        last_access_at: row.time_or_null("last_access_at")?,
        extensions_used: row.number("extensions_used")?,
        source_ip: Some(row.text("source_ip")?).filter(|ip| !ip.is_empty()),
        client: Some(row.text("client")?).filter(|client| !client.is_empty()),
        machine,
    };
    Ok(StoredSession { session, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_urls_can_be_parsed() {
        for (account, address, expected) in [
            ("deploy", "web-01", "ssh://deploy@web-01:22"),
            (
                "CORP\\svc@x",
                "10.0.0.1",
                "ssh://CORP%5Csvc%40x@10.0.0.1:22",
            ),
            ("root", "fd00::1", "ssh://root@[fd00::1]:22"),
        ] {
            assert_eq!(
                service_url(SessionType::PamSsh, account, address, 22),
                expected
            );
        }
    }
}
