//! What the tests declare and open.

use chrono::{DateTime, TimeDelta, Utc};
use sallyport_domain::declared::{Declaration, Protocol, RecordingMode};
use sallyport_domain::event::Event;
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::permit::Permit;
use sallyport_domain::policy::{Decision, Request, evaluate};
use sallyport_domain::role::Role;
use sallyport_domain::scope::ScopePath;
use sallyport_domain::session::{Origin, Terms, Times};
use sallyport_domain::span::Span;
use sallyport_domain::status::Status;
use serde_json::{Value, json};

use crate::sql::new_id;
use crate::{Author, NewSession, SessionType, SessionUpdate, Store, Viewer};

pub(crate) const ALICE_PASSWORD: &str = "Alice-pass-7f3a";
pub(crate) const DEPLOY_PASSWORD: &str = "Deploy-pass-91bc";
pub(crate) const ROOT_KEY: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nroot-key-55de\n-----END OPENSSH PRIVATE KEY-----";
pub(crate) const ROBOT_KEY: &str = "robot-key-3c0ffee";
pub(crate) const ALICE_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@desk";

/// A time that survives microseconds; the test's clock.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap() + TimeDelta::seconds(seconds)
}

/// How many nouns [`example`] declares.
pub(crate) const EXAMPLE: usize = 16;

/// The declaration of the example, with its secrets resolved.
pub(crate) fn example() -> Value {
    json!({
        "scopes": [
            { "path": "acme", "name": "Acme Corporation", "labels": { "city": "Berlin" } },
            { "path": "acme/berlin", "name": "Berlin data centre", "geo": { "lat": 52.53, "lon": 13.4 } },
            { "path": "acme_2", "name": "Another tenant" },
        ],
        "users": [
            { "name": "alice", "scope": "acme", "first_name": "Alice", "last_name": "Archer",
              "email": "alice@acme.example", "roles": ["user"], "password": { "value": ALICE_PASSWORD },
              "ssh_keys": [ALICE_KEY] },
            { "name": "bob", "scope": "acme", "first_name": "Bob", "last_name": "Baker", "roles": ["admin"] },
            { "name": "carol", "scope": "acme", "roles": ["auditor"] },
        ],
        "groups": [{ "name": "operators", "scope": "acme", "members": ["alice"] }],
        "applications": [
            { "name": "deploy-robot", "scope": "acme", "roles": ["user"], "api_key": { "value": ROBOT_KEY } },
        ],
        "hosts": [
            { "name": "web-01", "scope": "acme/berlin", "friendly_name": "Web front end", "address": "127.0.0.1",
              "ssh": { "port": 2200, "host_keys": "first-use" }, "rdp": {}, "labels": { "env": "prod" } },
        ],
        "accounts": [
            { "name": "deploy", "host": "web-01", "secret": { "password": { "value": DEPLOY_PASSWORD } }, "owners": ["alice"] },
            { "name": "root", "host": "web-01", "secret": { "private_key": { "value": ROOT_KEY } } },
        ],
        "activities": [
            { "name": "shell", "protocol": "ssh", "account": "deploy", "rights": ["shell", "exec", "sftp"] },
            { "name": "root-shell", "protocol": "ssh", "account": "root", "rights": ["shell"] },
        ],
        "connection_profiles": [
            { "name": "standard", "max_duration": "8h", "end_notice": ["5m", "1m"], "extension": { "by": "15m", "limit": 2 } },
        ],
        "access_policies": [
            { "name": "operators-web", "scope": "acme", "groups": ["operators"], "hosts": ["web-01"],
              "activities": ["shell"], "connection_profile": "standard" },
            { "name": "root-on-prod", "scope": "acme", "users": ["alice"], "host_labels": { "env": "prod" },
              "activities": ["root-shell"], "connection_profile": "standard" },
        ],
    })
}

pub(crate) fn declaration(document: Value) -> Declaration {
    serde_json::from_value(document).unwrap()
}

pub(crate) async fn apply_example(store: &Store) {
    store
        .apply(&Author::system(), &declaration(example()), false, at(0))
        .await
        .unwrap();
}

/// Somebody who reads; her own id, if the store knows her.
pub(crate) async fn viewer(store: &Store, name: &str, role: Role, scope: &str) -> Viewer {
    let id = store
        .identity(name)
        .await
        .unwrap()
        .map_or_else(new_id, |identity| identity.id);
    let scope = ScopePath::try_from(scope.to_owned()).unwrap();
    Viewer {
        id,
        name: name.to_owned(),
        scope,
        roles: vec![role],
        application: false,
    }
}

pub(crate) async fn permit(store: &Store, activity: &str) -> Permit {
    let snapshot = store.policy_snapshot("alice", "web-01").await.unwrap();
    let request = Request {
        protocol: Protocol::Ssh,
        host: "web-01".to_owned(),
        activity: Some(activity.to_owned()),
        account: None,
        policy: None,
        notes: None,
        ticket: None,
    };
    match evaluate(&snapshot, &request) {
        Decision::Allow(permit) => permit,
        Decision::Deny(refusal) => panic!("{refusal}"),
    }
}

/// A session of alice's as deploy on web-01, asked for `requested` seconds into the test.
pub(crate) async fn session(store: &Store, requested: i64) -> NewSession {
    let permit = permit(store, "shell").await;
    NewSession {
        id: new_id(),
        origin: Origin::Connect,
        launch_point: LaunchPoint::ConnectString,
        kind: SessionType::PamSsh,
        user: "alice".to_owned(),
        first_name: "Alice".to_owned(),
        last_name: "Archer".to_owned(),
        email: "alice@acme.example".to_owned(),
        identity_provider: "local".to_owned(),
        scope: permit.host().scope.clone(),
        login_account: "deploy".to_owned(),
        account_id: permit.account_id(),
        host: "web-01".to_owned(),
        host_id: permit.host_id(),
        target_address: "127.0.0.1".to_owned(),
        target_port: 2200,
        source_ip: "192.0.2.7".to_owned(),
        activity: "shell".to_owned(),
        access_policy: permit.policy().to_owned(),
        connection_profile: "standard".to_owned(),
        recording_mode: RecordingMode::Strict,
        notes: "Kernel update".to_owned(),
        ticket: "T-4711".to_owned(),
        times: Times::requested(at(requested)),
        deadline_reason: None,
        terms: Terms {
            max_duration: Span::from_minutes(480),
            idle_timeout: None,
            end_notice: vec![Span::from_minutes(5)],
            extension: None,
        },
        node: Some(new_id()),
        status: Status::Provisioning,
        machine: json!({ "state": 1 }),
    }
}

/// What is saved of it when it stands at `status`.
pub(crate) fn update(new: &NewSession, status: Status) -> SessionUpdate {
    SessionUpdate {
        status,
        times: Times::requested(new.times.requested_at),
        close_reason: None,
        deadline_reason: None,
        locked: None,
        last_access_at: None,
        extensions_used: 0,
        source_ip: None,
        client: None,
        machine: json!({ "state": 2 }),
    }
}

pub(crate) fn requested() -> (DateTime<Utc>, Event) {
    let (user, host, activity) = ("alice".to_owned(), "web-01".to_owned(), "shell".to_owned());
    (
        at(0),
        Event::Requested {
            user,
            host,
            activity,
        },
    )
}
