//! A running API on a fresh SQLite store with a little world in it, and a node that obeys every order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sallyport_control_api::{ApiConfig, Controls, NoSeat, RdpFront, RunningApi, Seat};
use sallyport_domain::command::{Command, CommandDenied, ConnectionEffect, Outcome};
use sallyport_domain::control::ControlInput;
use sallyport_domain::declared::{Declaration, NounKind, RecordingMode};
use sallyport_domain::event::Event;
use sallyport_domain::id::{ConnectionId, NodeId, NounId, SeatId, SessionId};
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use sallyport_domain::session::{Origin, Terms, Times};
use sallyport_domain::span::Span;
use sallyport_domain::status::Status;
use sallyport_recorder::{Record, TapeHeader, TapeWriter};
use sallyport_store::{
    Author, NewConnection, NewRecording, NewSession, SessionType, SessionUpdate, Store, VaultKey,
    Viewer,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::client::Client;

/// A secret that must come out nowhere.
pub const PLANTED: &str = "Pl4nted-S3cret-0f-D3ploy";
/// Everybody's password.
pub const PASSWORD: &str = "open sesame 42";
/// The robot's API key.
pub const ROBOT_KEY: &str = "robot-key-3b9f6b0a6d4e4c0f";
/// An id that nothing has.
pub const UNKNOWN: &str = "00000000-0000-7000-8000-000000000000";

pub struct World {
    pub client: Client,
    pub store: Store,
    pub runtime: Runtime,
    pub addr: SocketAddr,
    pub certificate: String,
    pub node: NodeId,
    /// A live session of alice with a connection and a tape.
    pub own: Live,
    /// One of dave.
    pub other: Live,
    /// Where viewers sit down.
    pub seats: std::sync::Arc<Seats>,
    api: Option<RunningApi>,
    dir: TempDir,
}

/// A live session and its connection.
pub struct Live {
    pub session: SessionId,
    pub connection: ConnectionId,
}

impl Live {
    pub fn id(&self) -> String {
        self.session.to_string()
    }
}

impl World {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let tape_dir = dir.path().join("tapes");
        std::fs::create_dir(&tape_dir).unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = certified.cert.pem();
        let seats = std::sync::Arc::new(Seats::default());
        let config = ApiConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_pem: certificate.clone(),
            private_key_pem: Zeroizing::new(certified.signing_key.serialize_pem()),
            tape_dir,
            token_lifetime: Duration::from_secs(3600),
            ssh_address: "127.0.0.1:2222".to_owned(),
            rdp: RdpFront {
                address: "127.0.0.1:3390".to_owned(),
                nla: true,
                tls: true,
            },
            rdp_signer: None,
            desktop_door: std::sync::Arc::new(NoDoor),
            controls: seats.clone(),
            ssh_ca: "ssh-ed25519 AAAA".to_owned(),
            connection_tasks: std::sync::Arc::new(|| 0),
        };
        let url = format!(
            "sqlite://{}?mode=rwc",
            dir.path().join("sallyport.db").display()
        );
        let node = NodeId::from(Uuid::now_v7());
        let (store, api) = runtime.block_on(async {
            let vault = VaultKey::load_or_create(&dir.path().join("vault.key")).unwrap();
            let store = Store::open(&url, vault).await.unwrap();
            store
                .apply(&Author::system(), &declaration(), false, Utc::now())
                .await
                .unwrap();
            store
                .register_node(node, "test", "", Utc::now())
                .await
                .unwrap();
            let api = sallyport_control_api::start(config, store.clone())
                .await
                .unwrap();
            (store, api)
        });
        let addr = api.addr();
        let client = Client::new(format!("https://{addr}"), &certificate);
        runtime.spawn(obey(store.clone(), node));
        let tapes = dir.path().join("tapes");
        let own = runtime.block_on(live(&store, node, "alice", "web-01", &tapes));
        let other = runtime.block_on(live(&store, node, "dave", "web-02", &tapes));
        Self {
            client,
            store,
            runtime,
            addr,
            certificate,
            node,
            own,
            other,
            seats,
            api: Some(api),
            dir,
        }
    }

    /// Logs in.
    pub fn token(&self, user: &str) -> String {
        let answer = self.login(user, PASSWORD);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    pub fn login(&self, user: &str, password: &str) -> crate::client::Answer {
        let body = json!({ "username": user, "password": password });
        self.client.call(None, "POST", "/api/v1/login", Some(&body))
    }

    /// How many entries the audit trail has.
    pub fn audit_entries(&self) -> u64 {
        self.runtime
            .block_on(self.store.list_audit(&everything(), &Default::default()))
            .unwrap()
            .total
    }

    pub fn tape_dir(&self) -> PathBuf {
        self.dir.path().join("tapes")
    }

    pub fn stop(&mut self) {
        if let Some(api) = self.api.take() {
            self.runtime.block_on(api.stop());
        }
    }
}

pub fn everything() -> Viewer {
    Viewer {
        id: NounId::from(Uuid::nil()),
        name: "test".to_owned(),
        scope: ScopePath::root(),
        roles: vec![Role::Admin],
        application: false,
    }
}

fn declaration() -> Declaration {
    let person = |name: &str, scope: &str, role: &str| {
        json!({
            "name": name, "scope": scope, "first_name": name.to_uppercase(), "last_name": "Tester",
            "email": format!("{name}@acme.example"), "roles": [role], "password": { "value": PASSWORD },
        })
    };
    let profile = |name: &str, require: Value| json!({ "name": name, "max_duration": "1h", "end_notice": ["1m", "5m"], "require": require });
    serde_json::from_value(json!({
        "scopes": [{ "path": "acme" }, { "path": "acme/berlin" }, { "path": "other" }],
        "users": [
            person("alice", "acme", "user"), person("dave", "acme", "user"), person("carol", "acme", "auditor"),
            person("bob", "acme", "admin"), person("mallory", "other", "admin"), person("root", "", "admin"),
        ],
        "groups": [{ "name": "operators", "scope": "acme", "members": ["alice"] }],
        "applications": [{ "name": "robot", "scope": "acme", "roles": ["user"], "api_key": { "value": ROBOT_KEY } }],
        "hosts": [
            { "name": "web-01", "scope": "acme/berlin", "address": "10.0.0.1", "ssh": { "port": 2200 } },
            { "name": "web-02", "scope": "acme", "address": "10.0.0.2", "ssh": {} },
            { "name": "far-01", "scope": "other", "address": "10.0.0.3", "ssh": {} },
            { "name": "desk-01", "scope": "acme", "friendly_name": "Front desk", "address": "10.0.0.4", "ssh": {}, "rdp": { "port": 3400 } },
        ],
        "accounts": [
            { "name": "deploy", "host": "web-01", "secret": { "password": { "value": PLANTED } } },
            { "name": "deploy", "host": "web-02", "secret": { "password": { "value": PLANTED } } },
            { "name": "deploy", "host": "desk-01", "secret": { "password": { "value": PLANTED } } },
        ],
        "activities": [
            { "name": "shell", "protocol": "ssh", "account": "deploy", "rights": ["shell"] },
            { "name": "desktop", "protocol": "rdp", "account": "deploy", "rights": ["clipboard-out", "audio"] },
            { "name": "office work", "protocol": "rdp", "account": "deploy", "rights": ["drives", "printers"] },
        ],
        "connection_profiles": [profile("standard", json!([])), profile("careful", json!(["notes"]))],
        "access_policies": [
            { "name": "operators-web", "scope": "acme", "groups": ["operators"], "hosts": ["web-01"],
              "activities": ["shell"], "connection_profile": "standard" },
            { "name": "operators-two", "scope": "acme", "groups": ["operators"], "hosts": ["web-02"],
              "activities": ["shell"], "connection_profile": "careful" },
            { "name": "operators-desk", "scope": "acme", "groups": ["operators"], "hosts": ["desk-01"],
              "activities": ["desktop"], "connection_profile": "standard" },
            { "name": "operators-office", "scope": "acme", "groups": ["operators"], "hosts": ["desk-01"],
              "activities": ["office work"], "connection_profile": "careful" },
        ],
    }))
    .unwrap()
}

/// A session with one open connection and a tape that goes on.
pub async fn live(store: &Store, node: NodeId, user: &str, host: &str, tapes: &Path) -> Live {
    let now = Utc::now();
    let new = NewSession {
        node: Some(node),
        ..requested(store, user, host, now).await
    };
    let connection = ConnectionId::from(Uuid::now_v7());
    let path = tape(new.id, connection, now, tapes);
    joined(store, new, connection, path, now).await
}

/// A session of a desktop with one open connection, whose tape is written by the test.
pub async fn desktop(world: &World, user: &str) -> (Live, TapeWriter) {
    let now = Utc::now();
    let new = NewSession {
        node: Some(world.node),
        kind: SessionType::PamRdp,
        activity: "desktop".to_owned(),
        ..requested(&world.store, user, "desk-01", now).await
    };
    let connection = ConnectionId::from(Uuid::now_v7());
    let header = TapeHeader::new(new.id, connection, now);
    let tape = TapeWriter::create(&world.tape_dir(), &header).unwrap();
    let path = below(&tape, &world.tape_dir());
    let live = joined(&world.store, new, connection, path, now).await;
    (live, tape)
}

async fn joined(
    store: &Store,
    new: NewSession,
    connection: ConnectionId,
    path: String,
    now: DateTime<Utc>,
) -> Live {
    let (session, user, host) = (new.id, new.user.clone(), new.host.clone());
    let requested = Event::Requested {
        user,
        host,
        activity: new.activity.clone(),
    };
    store
        .insert_session(&new, &[(now, requested), (now, Event::Provisioned {})])
        .await
        .unwrap();
    let joined = NewConnection {
        id: connection,
        session,
        source_ip: "192.0.2.7".to_owned(),
        client: "SSH-2.0-OpenSSH_9.2".to_owned(),
        connected_at: now,
        tape: path.clone(),
    };
    store.insert_connection(&joined).await.unwrap();
    let recording = NewRecording {
        connection,
        session,
        path,
        started_at: now,
    };
    store.insert_recording(&recording).await.unwrap();
    store
        .save_session(session, &update(Status::LoggedIn, now), &[])
        .await
        .unwrap();
    Live {
        session,
        connection,
    }
}

/// A tape with a terminal on it; answers its path below the tape folder.
fn tape(session: SessionId, connection: ConnectionId, now: DateTime<Utc>, tapes: &Path) -> String {
    let mut tape = TapeWriter::create(tapes, &TapeHeader::new(session, connection, now)).unwrap();
    let opened = Record::ChannelOpened {
        channel: 0,
        what: "shell",
        pty: Some(("xterm", 80, 24)),
    };
    let output = Record::Output {
        channel: 0,
        stderr: false,
        data: b"welcome aboard\r\n$ ",
    };
    tape.append(&[opened, output]).unwrap();
    below(&tape, tapes)
}

/// Where a tape lies below the tape folder.
fn below(tape: &TapeWriter, tapes: &Path) -> String {
    let path = tape.path().strip_prefix(tapes).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn requested(store: &Store, user: &str, host: &str, now: DateTime<Utc>) -> NewSession {
    let noun = |kind, name: String| async move {
        let row = store
            .noun(&everything(), kind, &name)
            .await
            .unwrap()
            .unwrap();
        (row.id, row.scope)
    };
    let (host_id, scope) = noun(NounKind::Host, host.to_owned()).await;
    let (account_id, _) = noun(NounKind::Account, format!("deploy@{host}")).await;
    NewSession {
        id: SessionId::from(Uuid::now_v7()),
        origin: Origin::Connect,
        launch_point: LaunchPoint::ConnectString,
        kind: SessionType::PamSsh,
        user: user.to_owned(),
        first_name: user.to_uppercase(),
        last_name: "Tester".to_owned(),
        email: format!("{user}@acme.example"),
        identity_provider: "local".to_owned(),
        scope,
        login_account: "deploy".to_owned(),
        account_id,
        host: host.to_owned(),
        host_id,
        target_address: "10.0.0.1".to_owned(),
        target_port: 2200,
        source_ip: "192.0.2.7".to_owned(),
        activity: "shell".to_owned(),
        access_policy: "operators-web".to_owned(),
        connection_profile: "standard".to_owned(),
        recording_mode: RecordingMode::Strict,
        notes: "=HYPERLINK(\"https://evil.example\")".to_owned(),
        ticket: String::new(),
        times: Times::requested(now),
        deadline_reason: None,
        terms: Terms {
            max_duration: Span::from_secs(3600),
            idle_timeout: None,
            end_notice: vec![],
            extension: None,
        },
        node: None,
        status: Status::Provisioning,
        machine: json!({}),
    }
}

/// A session's state at `status`.
pub fn update(status: Status, now: DateTime<Utc>) -> SessionUpdate {
    SessionUpdate {
        status,
        times: Times {
            requested_at: now,
            provisioned_at: Some(now),
            connected_at: Some(now),
            scheduled_end: Some(now + TimeDelta::hours(1)),
            disconnected_at: status.is_final().then_some(now),
            ended_at: status.is_final().then_some(now),
        },
        close_reason: None,
        deadline_reason: None,
        locked: None,
        last_access_at: None,
        extensions_used: 0,
        source_ip: None,
        client: None,
        machine: json!({}),
    }
}

/// A node that does what it is told, at once. It refuses to show one particular message, and never answers another.
async fn obey(store: Store, node: NodeId) {
    let mut hints = store.hints();
    loop {
        for open in store.open_commands(node).await.unwrap_or_default() {
            let now = Utc::now();
            let outcome = match &open.command {
                Command::Message { text } if text == "refuse this" => Outcome::Denied {
                    why: CommandDenied::NotConnected,
                },
                Command::Message { text } if text == "never answer" => continue,
                _ => Outcome::Done {
                    connections: vec![ConnectionEffect {
                        connection: ConnectionId::from(Uuid::nil()),
                        at: now,
                    }],
                },
            };
            let _ = store.answer_command(open.id, &outcome, now).await;
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), hints.recv()).await;
    }
}

/// Gives everybody a seat, and hands what comes from there to the test.
#[derive(Default)]
pub struct Seats {
    /// Those that were taken, oldest first.
    pub taken: Mutex<Vec<(SeatId, mpsc::Receiver<ControlInput>)>>,
    /// Do the sessions live on another node?
    pub elsewhere: AtomicBool,
}

impl Controls for Seats {
    fn open(&self, _: SessionId) -> Result<Seat, NoSeat> {
        if self.elsewhere.load(Ordering::Relaxed) {
            return Err(NoSeat::Elsewhere);
        }
        let (inputs, theirs) = mpsc::channel(8);
        let id = SeatId::from(Uuid::now_v7());
        self.taken.lock().unwrap().push((id, theirs));
        Ok(Seat { id, inputs })
    }
}

/// Nobody comes in here.
struct NoDoor;

impl sallyport_control_api::DesktopDoor for NoDoor {
    fn enter(&self, _: tokio::io::DuplexStream, _: std::net::SocketAddr) {}
}
