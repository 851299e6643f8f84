use serde_json::{Value, json};

use super::*;
use crate::algorithm::LegacyAlgorithm;

/// Every key there is, at least once.
fn example() -> Value {
    json!({
        "scopes": [
            { "path": "acme", "name": "Acme Corporation", "labels": { "city": "Berlin", "phone": "+49 30 1234567" } },
            { "path": "acme/berlin", "name": "Berlin data centre", "labels": { "address": "Torstrasse 1" }, "geo": { "lat": 52.53, "lon": 13.40 } },
        ],
        "users": [
            {
                "name": "alice", "scope": "acme", "first_name": "Alice", "last_name": "Archer", "email": "alice@acme.example",
                "roles": ["user"], "password": { "from_env": "ALICE_PASSWORD" }, "ssh_keys": [{ "from_file": "alice.pub" }, "ssh-ed25519 AAAA alice"],
            },
            { "name": "bob", "scope": "acme", "roles": ["admin"], "password": { "from_env": "BOB_PASSWORD" }, "labels": { "team": "ops" } },
            { "name": "carol", "scope": "acme", "roles": ["auditor"], "password": { "value": "carols-word" } },
        ],
        "groups": [{ "name": "operators", "scope": "acme", "members": ["alice"] }],
        "applications": [{ "name": "deploy-robot", "scope": "acme", "roles": ["user"], "api_key": { "from_env": "ROBOT_KEY" } }],
        "hosts": [{
            "name": "web-01", "scope": "acme/berlin", "friendly_name": "Web front end", "address": "127.0.0.1", "kind": "server",
            "ssh": { "port": 2200, "host_keys": "first-use", "on_mismatch": "log-and-allow", "legacy_algorithms": ["ssh-rsa", "aes128-cbc"] },
            "rdp": { "port": 3389, "certificate": "first-use" },
            "labels": { "env": "prod", "asset_tag": "A-1001" },
        }],
        "accounts": [
            { "name": "deploy", "host": "web-01", "kind": "managed", "secret": { "password": { "from_env": "DEPLOY_PASSWORD" } }, "owners": ["alice"] },
            { "name": "root", "host": "web-01", "kind": "managed", "secret": { "private_key": { "from_file": "root_ed25519" } } },
        ],
        "activities": [
            { "name": "shell", "protocol": "ssh", "account": "deploy", "rights": ["shell", "exec", "sftp"] },
            { "name": "root-shell", "protocol": "ssh", "account": "root", "rights": ["shell", "exec", "sftp", "local-forward", "remote-forward", "agent", "x11"] },
            { "name": "desktop", "protocol": "rdp", "account": "deploy", "rights": ["clipboard-in", "clipboard-out", "drives", "audio", "printers"] },
        ],
        "connection_profiles": [
            {
                "name": "standard", "max_duration": "8h", "idle_timeout": "30m", "end_notice": ["5m", "1m"],
                "extension": { "by": "15m", "limit": 2 }, "recording": "strict", "require": ["notes", "ticket"],
            },
            { "name": "short", "max_duration": "10m", "end_notice": ["1m"], "recording": "best_effort" },
        ],
        "access_policies": [
            { "name": "operators-web", "scope": "acme", "groups": ["operators"], "hosts": ["web-01"], "activities": ["shell", "desktop"], "connection_profile": "standard" },
            { "name": "root-on-prod", "scope": "acme", "users": ["alice"], "applications": ["deploy-robot"], "host_labels": { "env": "prod" }, "activities": ["root-shell"], "connection_profile": "short" },
        ],
    })
}

fn read(value: Value) -> Result<Declaration, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn a_whole_document_is_read() {
    let read = read(example()).unwrap();
    assert_eq!(
        read.scopes[1].geo,
        Some(Geo {
            lat: 52.53,
            lon: 13.40
        })
    );
    assert_eq!(
        read.users[0].ssh_keys[0],
        TextSource::File {
            from_file: "alice.pub".into()
        }
    );
    assert_eq!(
        read.users[0].ssh_keys[1],
        TextSource::Text("ssh-ed25519 AAAA alice".into())
    );
    assert_eq!(read.users[1].roles, [Role::Admin]);
    let ssh = read.hosts[0].ssh.as_ref().unwrap();
    assert_eq!((ssh.port, &ssh.host_keys), (2200, &HostKeys::FirstUse));
    assert_eq!(ssh.on_mismatch, OnMismatch::LogAndAllow);
    assert_eq!(
        ssh.legacy_algorithms,
        [LegacyAlgorithm::SshRsa, LegacyAlgorithm::Aes128Cbc]
    );
    assert_eq!(read.accounts[0].full_name(), "deploy@web-01");
    assert_eq!(read.activities[2].protocol, Protocol::Rdp);
    let standard = &read.connection_profiles[0];
    assert_eq!(standard.max_duration, Span::from_minutes(480));
    assert_eq!(
        standard.end_notice,
        [Span::from_minutes(5), Span::from_minutes(1)]
    );
    assert_eq!(
        standard.extension,
        Some(Extension {
            by: Span::from_minutes(15),
            limit: 2
        })
    );
    assert_eq!(standard.require, [Requirement::Notes, Requirement::Ticket]);
    assert_eq!(
        read.connection_profiles[1].recording,
        RecordingMode::BestEffort
    );
    assert_eq!(read.access_policies[1].host_labels["env"], "prod");
}

#[test]
fn what_comes_back_out_carries_no_secret_and_is_read_again() {
    let out = serde_json::to_value(read(example()).unwrap()).unwrap();
    for (noun, key) in [
        ("users", "password"),
        ("applications", "api_key"),
        ("accounts", "secret"),
    ] {
        for item in out[noun].as_array().unwrap() {
            assert!(item.get(key).is_none(), "{noun}: {item}");
        }
    }
    assert!(!out.to_string().contains("carols-word"));
    let again = serde_json::to_value(read(out.clone()).unwrap()).unwrap();
    assert_eq!(again, out);
}

#[test]
fn a_secret_does_not_show_in_debug_output() {
    let declared = format!("{:?}", read(example()).unwrap());
    assert!(
        declared.contains("ALICE_PASSWORD"),
        "where it comes from may be seen"
    );
    assert!(!declared.contains("carols-word"));
}

#[test]
fn defaults_are_the_safe_ones() {
    let host: Host = serde_json::from_value(
        json!({ "name": "h", "address": "192.0.2.1", "ssh": {}, "rdp": {} }),
    )
    .unwrap();
    let ssh = host.ssh.unwrap();
    assert_eq!(
        (ssh.port, ssh.host_keys, ssh.on_mismatch),
        (22, HostKeys::FirstUse, OnMismatch::Block)
    );
    let rdp = host.rdp.unwrap();
    assert_eq!((rdp.port, rdp.certificate.as_str()), (3389, "first-use"));
    assert_eq!(rdp.on_mismatch, OnMismatch::Block);
    assert_eq!(
        (host.kind, host.scope),
        (HostKind::Server, ScopePath::root())
    );
    let user: User = serde_json::from_value(json!({ "name": "alice" })).unwrap();
    assert_eq!(user.roles, [Role::User]);
    let profile: ConnectionProfile =
        serde_json::from_value(json!({ "name": "p", "max_duration": "1h" })).unwrap();
    assert_eq!(profile.recording, RecordingMode::Strict);
    let activity: Activity =
        serde_json::from_value(json!({ "name": "a", "protocol": "ssh", "account": "root" }))
            .unwrap();
    assert_eq!(activity.rights, []);
    assert!(read(json!({})).unwrap().hosts.is_empty());
}

#[test]
fn host_keys_are_a_word_or_a_list() {
    for (given, expected) in [
        (json!("first-use"), Some(HostKeys::FirstUse)),
        (
            json!(["ssh-ed25519 AAAA"]),
            Some(HostKeys::Pinned(vec!["ssh-ed25519 AAAA".into()])),
        ),
        (json!("any"), None),
        (json!(7), None),
    ] {
        let keys = serde_json::from_value::<HostKeys>(given.clone()).ok();
        assert_eq!(keys, expected, "{given}");
        if let Some(keys) = keys {
            assert_eq!(serde_json::to_value(keys).unwrap(), given);
        }
    }
}

#[test]
fn a_certificate_is_a_word_or_a_digest() {
    let digest = "0123456789abcdef".repeat(4);
    for (given, expected) in [
        ("first-use", Some(CertificateTrust::FirstUse)),
        ("ca", Some(CertificateTrust::Ca)),
        (
            &digest.to_uppercase(),
            Some(CertificateTrust::Pinned(digest.clone())),
        ),
        ("", None),
        ("CA", None),
        ("any", None),
        (&digest[1..], None),
        (&format!("{digest}0"), None),
        (&digest.replace('0', "g"), None),
        (&digest.replace("01", "é"), None),
    ] {
        let endpoint: RdpEndpoint =
            serde_json::from_value(json!({ "certificate": given })).unwrap();
        let trust = endpoint.trust();
        if let Err(problem) = &trust {
            assert!(problem.contains("write `first-use`, `ca`, or"), "{problem}");
        }
        assert_eq!(trust.ok(), expected, "{given}");
    }
}

#[test]
fn mistakes_are_refused_by_name() {
    for (mistake, mentions) in [
        (json!({ "host": [] }), "host"),
        (
            json!({ "users": [{ "name": "a", "passwort": {} }] }),
            "passwort",
        ),
        (json!({ "users": [{ "scope": "acme" }] }), "name"),
        (
            json!({ "users": [{ "name": "a", "roles": ["root"] }] }),
            "root",
        ),
        (
            json!({ "users": [{ "name": "a", "scope": "acme//b" }] }),
            "acme//b",
        ),
        (
            json!({ "accounts": [{ "name": "a", "host": "h", "secret": { "pin": {} } }] }),
            "pin",
        ),
        (
            json!({ "activities": [{ "name": "a", "protocol": "telnet", "account": "r" }] }),
            "telnet",
        ),
        (
            json!({ "activities": [{ "name": "a", "protocol": "ssh", "account": "r", "rights": ["fly"] }] }),
            "fly",
        ),
        (
            json!({ "connection_profiles": [{ "name": "p", "max_duration": "soon" }] }),
            "soon",
        ),
        (
            json!({ "connection_profiles": [{ "name": "p", "max_duration": 60 }] }),
            "60",
        ),
        (
            json!({ "connection_profiles": [{ "name": "p", "max_duration": "1h", "recording": "maybe" }] }),
            "maybe",
        ),
        (
            json!({ "access_policies": [{ "name": "p", "activities": [] }] }),
            "connection_profile",
        ),
    ] {
        let refused = read(mistake.clone()).unwrap_err().to_string();
        assert!(refused.contains(mentions), "{mistake}: {refused}");
    }
}

#[test]
fn the_kinds_are_stored_by_their_names() {
    for kind in NounKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for mode in [
        RecordingMode::Strict,
        RecordingMode::BestEffort,
        RecordingMode::Off,
    ] {
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
    }
    for protocol in [Protocol::Ssh, Protocol::Rdp] {
        assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.as_str());
    }
}
