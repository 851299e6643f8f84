//! What the cases about RDP share.

use std::time::Duration;

use sallyport_tests::harness::{
    Answer, Api, Gateway, NOTEPAD, Rdp, RdpClient, Screen, eventually, wait_until,
};
use serde_json::Value;

use super::{items, text};

/// For anything between two desktops, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A desktop that draws without an end.
pub const BUSY: &str = "xsetroot -solid '#203040'
exec xterm -geometry +40+40 -e sh -c 'while :; do date; sleep 0.1; done'
";

/// FreeRDP's exit status for a session that somebody else ended (`RPC_INITIATED_DISCONNECT`).
pub const DISCONNECTED: i32 = 1;
/// FreeRDP's exit status for a user who gave up (`LOGOFF_BY_USER`).
pub const CANCELLED: i32 = 2;
/// FreeRDP's exit status for a user who did nothing (`IDLE_TIMEOUT`).
pub const IDLE: i32 = 3;
/// FreeRDP's exit status for a user who is not let in (`SERVER_DENIED_CONNECTION`).
pub const DENIED: i32 = 7;
/// FreeRDP's exit status for a user who may not (`SERVER_INSUFFICIENT_PRIVILEGES`).
pub const NO_PRIVILEGE: i32 = 9;

/// Connects and waits until it shows the notepad.
#[track_caller]
pub fn desktop(client: Rdp) -> RdpClient {
    let mut client = client.start();
    client.wait_desktop(PATIENCE);
    client
}

/// Types text into the notepad on the target.
#[track_caller]
pub fn write(client: &RdpClient, target: &Screen, text: &str) {
    client.point_at(target, NOTEPAD, PATIENCE);
    client.display().type_text(text);
}

/// Gives an order to a session.
#[track_caller]
pub fn order(api: &Api, session: &Value, verb: &str, body: Value) -> Answer {
    let path = format!("/api/v1/sessions/{}/{verb}", text(session, "id"));
    api.post(&path, body)
}

/// The session as it is now.
#[track_caller]
pub fn show(api: &Api, session: &Value) -> Value {
    let path = format!("/api/v1/sessions/{}", text(session, "id"));
    api.get(&path).expect(200).json()
}

/// Waits until the session has ended, and answers it.
#[track_caller]
pub fn ended(api: &Api, session: &Value, limit: Duration) -> Value {
    eventually("the session has ended", limit, || {
        let now = show(api, session);
        now["ended_at"].is_string().then_some(now)
    })
}

/// Waits until nobody is in any session and nobody on her way into one, and all sockets of RDP, to clients and to targets
/// at these ports, are closed.
#[track_caller]
pub fn wait_nothing_open(gateway: &Gateway, api: &Api, targets: &[u16]) {
    let ports = [targets, &[gateway.rdp_port]].concat();
    wait_until("all connections have ended", PATIENCE, || {
        gateway.tasks().0 == 0 && gateway.sockets_at(&ports) == 0
    });
    wait_until("all sessions have ended", PATIENCE, || {
        let list = api.get("/api/v1/sessions?page_size=100").expect(200).json();
        items(&list)
            .iter()
            .all(|session| session["ended_at"].is_string())
    });
}

/// The entries of the access log about RDP, oldest first.
#[track_caller]
pub fn access_log(api: &Api) -> Vec<Value> {
    let list = api.get("/api/v1/access-log?page_size=100&sort=at");
    let list = list.expect(200).json();
    let of_rdp = items(&list).iter().filter(|one| one["type"] == "PAM RDP");
    of_rdp.cloned().collect()
}

/// Makes alice a connection password; answers it and the user name to give with it.
#[track_caller]
pub fn connection_password(gateway: &Gateway, terms: Value) -> (String, String) {
    let made = gateway
        .api("alice")
        .post("/api/v1/connection-passwords", terms);
    let made = made.expect(201).json();
    (
        text(&made, "login").to_owned(),
        text(&made, "password").to_owned(),
    )
}
