//! Sessions of RDP: asked for, and their files.

use chrono::Utc;
use sallyport_store::CandidateId;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::fixture::{PASSWORD, UNKNOWN, World, update};

fn ask(world: &World, token: &str, body: Value) -> Answer {
    world.client.post(token, "/api/v1/sessions", &body)
}

fn file(world: &World, token: &str, id: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/sessions/{id}/rdp-file");
    world.client.post(token, &path, body)
}

/// The id of a session of alice's.
fn desktop(world: &World, alice: &str, activity: &str) -> String {
    let body = json!({ "host": "desk-01", "activity": activity, "notes": "n" });
    let asked = ask(world, alice, body);
    assert_eq!(asked.status, 201, "{}", asked.text);
    asked.json()["id"].as_str().unwrap().to_owned()
}

/// The lines of a file; its UTF-16 was read as if it were UTF-8.
fn lines(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = answer.text.replace('\0', "");
    let text = text.trim_start_matches('\u{fffd}');
    text.split_terminator("\r\n").map(str::to_owned).collect()
}

#[test]
fn a_session_of_rdp_can_be_asked_for() {
    let world = World::new();
    let alice = world.token("alice");
    for body in [
        json!({ "host": "desk-01", "activity": "desktop", "protocol": "rdp" }),
        json!({ "host": "front desk", "activity": "desktop" }),
    ] {
        let json = ask(&world, &alice, body).json();
        for (name, value) in [
            ("type", json!("PAM RDP")),
            ("activity", json!("desktop")),
            ("target_port", json!(3400)),
            ("service_url", json!("rdp://deploy@10.0.0.4:3400")),
            ("status", json!("Provisioning")),
            (
                "rdp",
                json!("xfreerdp /v:127.0.0.1:3390 /u:'alice+desktop+desk-01'"),
            ),
            ("ssh", Value::Null),
        ] {
            assert_eq!(json[name], value, "{name}: {json}");
        }
    }
    let list = world.client.get(&alice, "/api/v1/sessions?type=PAM%20RDP");
    assert_eq!(list.json()["total"], 2);
    for (body, status, code) in [
        (json!({ "host": "desk-01" }), 409, "ambiguous"),
        (
            json!({ "host": "desk-01", "activity": "office work" }),
            422,
            "notes_required",
        ),
        (
            json!({ "host": "desk-01", "activity": "none", "protocol": "rdp" }),
            403,
            "no_such_activity",
        ),
        (
            json!({ "host": "desk-01", "activity": "desktop", "protocol": "ssh" }),
            403,
            "no_policy",
        ),
        (
            json!({ "host": "web-01", "activity": "desktop" }),
            403,
            "no_such_activity",
        ),
    ] {
        let refused = ask(&world, &alice, body.clone());
        let told = (refused.status, &refused.json()["errors"][0]);
        assert_eq!(told, (status, &json!(code)), "{body}: {}", refused.text);
    }
    let bob = world.token("bob");
    let log = world
        .client
        .get(&bob, "/api/v1/access-log?type=PAM%20RDP&user=alice");
    assert_eq!(log.json()["total"], 3, "{}", log.text);
}

#[test]
fn a_file_logs_in_to_its_session() {
    let world = World::new();
    let alice = world.token("alice");
    let id = desktop(&world, &alice, "desktop");
    let plain = file(&world, &alice, &id, &json!({}));
    assert_eq!(plain.headers["content-type"], "application/x-rdp");
    assert_eq!(
        plain.headers["content-disposition"],
        "attachment; filename=\"desk-01-desktop.rdp\""
    );
    assert!(!plain.headers.contains_key("sallyport-connection-password"));
    let plain = lines(&plain);
    for line in [
        "full address:s:127.0.0.1:3390",
        "username:s:alice+desktop+desk-01",
        // Of her own password only TLS can tell whether it is right.
        "enablecredsspsupport:i:0",
        "redirectclipboard:i:1",
        "drivestoredirect:s:",
        "redirectprinters:i:0",
        "audiomode:i:0",
    ] {
        assert!(plain.iter().any(|found| found == line), "{line}: {plain:?}");
    }

    let with = file(&world, &alice, &id, &json!({ "password": true }));
    assert!(lines(&with).contains(&"enablecredsspsupport:i:1".to_owned()));
    let password = with.headers["sallyport-connection-password"]
        .to_str()
        .unwrap();
    assert!(!with.text.replace('\0', "").contains(password));
    let check = world
        .store
        .check_connection_password("alice", password, Utc::now());
    let found = world.runtime.block_on(check).unwrap().unwrap();
    assert!(matches!(found.id, CandidateId::ConnectionPassword(_)));
    assert_eq!(
        (found.host.as_deref(), found.activity.as_deref()),
        (Some("desk-01"), Some("desktop"))
    );
    let own = json!({ "password": PASSWORD });
    let kept = world.client.post(&alice, "/api/v1/users/me/nt-hash", &own);
    assert_eq!(kept.status, 204);
    let again = lines(&file(&world, &alice, &id, &json!({})));
    assert!(again.contains(&"enablecredsspsupport:i:1".to_owned()));

    let office = desktop(&world, &alice, "office_work");
    let office = file(&world, &alice, &office, &json!({}));
    assert_eq!(
        office.headers["content-disposition"],
        "attachment; filename=\"desk-01-office_work.rdp\""
    );
    let office = lines(&office);
    for line in [
        "username:s:alice+office_work+desk-01",
        "redirectclipboard:i:0",
        "drivestoredirect:s:*",
        "redirectprinters:i:1",
        "audiomode:i:2",
    ] {
        assert!(
            office.iter().any(|found| found == line),
            "{line}: {office:?}"
        );
    }
    let audit = world
        .client
        .get(&world.token("bob"), "/api/v1/audit?q=session.rdp_file");
    assert_eq!(audit.json()["total"], 4, "{}", audit.text);
    assert!(!audit.text.contains(password));
}

#[test]
fn a_file_is_for_who_asked_and_while_it_is_of_use() {
    let world = World::new();
    let (alice, bob, dave) = (
        world.token("alice"),
        world.token("bob"),
        world.token("dave"),
    );
    let id = desktop(&world, &alice, "desktop");
    let own_ssh = world.own.id();
    for (token, id, status, told) in [
        (&dave, id.as_str(), 404, "no such session"),
        (&bob, &id, 403, "only who asked"),
        (&alice, &own_ssh, 409, "not one of RDP"),
        (&alice, UNKNOWN, 404, "no such session"),
    ] {
        let refused = file(&world, token, id, &json!({ "password": true }));
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.detail().contains(told), "{}", refused.detail());
    }
    let mistaken = file(&world, &alice, &id, &json!({ "pasword": true }));
    assert_eq!(mistaken.status, 422);
    let list = world.client.get(&alice, "/api/v1/connection-passwords");
    assert_eq!(list.json()["items"], json!([]), "none was made in vain");
    let ended = update(sallyport_domain::status::Status::Completed, Utc::now());
    let session = id.parse().unwrap();
    world
        .runtime
        .block_on(world.store.save_session(session, &ended, &[]))
        .unwrap();
    let refused = file(&world, &alice, &id, &json!({}));
    assert_eq!(refused.status, 409);
    assert!(refused.detail().contains("POST /api/v1/sessions"));
}
