//! The API: every endpoint for every role, bad input, and what nobody may learn.

use sallyport_tests::harness::{Api, Gateway, passwords};
use serde_json::{Value, json};

use super::{items, text};

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Everybody,
    LoggedIn,
    /// Auditors and administrators.
    Readers,
    /// Users and administrators.
    Users,
    Admins,
}

const NOUNS: [&str; 9] = [
    "scopes",
    "users",
    "groups",
    "applications",
    "hosts",
    "accounts",
    "activities",
    "connection-profiles",
    "access-policies",
];

/// The table of the API; `None` is an endpoint that it does not know.
fn who(method: &str, path: &str) -> Option<Who> {
    let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
    Some(match (method, parts.as_slice()) {
        ("get", ["openapi.json"] | ["", "healthz" | "readyz" | "metrics"])
        | ("post", ["login"])
        | ("get", ["rdp"]) => Who::Everybody,
        ("post", ["logout" | "password"])
        | ("get", ["me" | "ssh-ca" | "connection-passwords"])
        | ("delete", ["connection-passwords", _])
        | ("post" | "delete", ["users", "me", "nt-hash"]) => Who::LoggedIn,
        ("post", ["connection-passwords"] | ["sessions", _, "rdp-file"]) => Who::Users,
        ("post", ["apply"]) => Who::Admins,
        ("get", ["hosts", _, "host-keys" | "rdp-keys"]) => Who::Readers,
        ("delete", ["hosts", _, "host-keys" | "rdp-keys"] | ["users", _, "barred-hosts", _]) => {
            Who::Admins
        }
        ("post", ["users", _, "lock" | "unlock"]) => Who::Admins,
        ("get", [noun] | [noun, _]) if NOUNS.contains(noun) => Who::Readers,
        ("put" | "delete", [noun, _]) if NOUNS.contains(noun) => Who::Admins,
        ("post", ["sessions"]) => Who::Users,
        ("get", ["sessions"] | ["sessions", _] | ["sessions", _, "events" | "connections"]) => {
            Who::LoggedIn
        }
        ("get", ["sessions", _, "watch"]) => Who::Readers,
        ("post", ["sessions", "end" | "extend"] | ["sessions", _, "end" | "extend"]) => Who::Users,
        ("post", ["sessions", "lock" | "unlock" | "terminate" | "message"]) => Who::Admins,
        ("post", ["sessions", _, "lock" | "unlock" | "terminate" | "message"]) => Who::Admins,
        ("get", ["recordings", ..] | ["audit", ..] | ["access-log"]) => Who::Readers,
        _ => return None,
    })
}

fn may(who: Who, role: &str) -> bool {
    match who {
        Who::Everybody => true,
        Who::LoggedIn => role != "nobody",
        Who::Readers => ["auditor", "admin"].contains(&role),
        Who::Users => ["user", "admin"].contains(&role),
        Who::Admins => role == "admin",
    }
}

/// Every method and path of the OpenAPI document.
fn endpoints(api: &Api) -> Vec<(String, String)> {
    let document = api.get("/api/v1/openapi.json").expect(200).json();
    let mut endpoints = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| ["get", "put", "post", "delete", "patch"].contains(&name.as_str()))
        {
            endpoints.push((method.clone(), path.clone()));
        }
    }
    endpoints
}

#[test]
fn every_endpoint_for_every_role() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("true").ok();
    let session = text(
        &gateway.session_with(&gateway.api("bob"), "web", "Completed"),
        "id",
    )
    .to_owned();
    let recordings = gateway
        .api("bob")
        .get("/api/v1/recordings")
        .expect(200)
        .json();
    let recording = text(&items(&recordings)[0], "id").to_owned();
    let callers = [
        ("nobody", Api::anonymous(&gateway)),
        ("user", gateway.api("alice")),
        ("auditor", gateway.api("carol")),
        ("admin", gateway.api("bob")),
    ];
    let endpoints = endpoints(&callers[0].1);
    assert!(endpoints.len() > 40, "{endpoints:?}");
    let mut wrong = Vec::new();
    for (method, path) in &endpoints {
        let Some(who) = who(method, path) else {
            wrong.push(format!("{method} {path} is not in the table of this test"));
            continue;
        };
        if path.ends_with("/logout") {
            // It would end the log-ins used here.
            continue;
        }
        let real = path
            .replace(
                "{id}",
                if path.contains("recordings") {
                    &recording
                } else {
                    &session
                },
            )
            .replace("{connection}", &recording)
            .replace("{name}", "no-such-name")
            .replace("{path}", "no-such-name")
            .replace("{host}", "no-such-host");
        for (role, api) in &callers {
            // What is posted is wrong on purpose: rights come first, and nothing must change.
            let body = (method == "post" || method == "put").then_some(&b"{\"surprise\": 1}"[..]);
            let answer = api.request(&method.to_uppercase(), &real, body);
            let refused = [401, 403].contains(&answer.status);
            let right = match (*role, may(who, role)) {
                (_, true) => !refused || path.ends_with("/login"),
                ("nobody", false) => answer.status == 401,
                (_, false) => answer.status == 403,
            };
            if !right || answer.status >= 500 {
                wrong.push(format!(
                    "{role} {method} {real}: {} {}",
                    answer.status,
                    answer.text()
                ));
            }
            if answer.status >= 400 && answer.kind != "application/problem+json" {
                wrong.push(format!(
                    "{role} {method} {real}: {} as {:?}",
                    answer.status, answer.kind
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_application_is_a_user_with_a_key() {
    let gateway = Gateway::start();
    let robot = gateway.api("robot");
    assert_eq!(
        text(&robot.get("/api/v1/me").expect(200).json(), "name"),
        "robot"
    );
    let made = robot
        .post("/api/v1/sessions", json!({ "host": "web" }))
        .expect(201)
        .json();
    let session = made.get("session").unwrap_or(&made);
    assert_eq!(
        (text(session, "user"), text(session, "identity_provider")),
        ("robot", "application")
    );
    robot.get("/api/v1/hosts").expect(403);
    robot
        .post(
            &format!("/api/v1/sessions/{}/end", text(session, "id")),
            json!({}),
        )
        .expect(200);
    robot
        .with_token(Some("not a key"))
        .get("/api/v1/me")
        .expect(401);
}

#[test]
fn what_one_may_not_see_does_not_exist() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("true").ok();
    let session = text(
        &gateway.session_with(&gateway.api("bob"), "web", "Completed"),
        "id",
    )
    .to_owned();
    let invented = "0197aaaa-0000-7000-8000-000000000000";
    for who in ["erin", "frank", "robot"] {
        let api = gateway.api(who);
        for path in ["", "/events", "/connections"] {
            let hidden = api
                .get(&format!("/api/v1/sessions/{session}{path}"))
                .expect(404)
                .text();
            let missing = api
                .get(&format!("/api/v1/sessions/{invented}{path}"))
                .expect(404)
                .text();
            assert_eq!(
                hidden.replace(&session, ""),
                missing.replace(invented, ""),
                "{who}: the two differ"
            );
        }
    }
    let erin = gateway.api("erin");
    for path in [
        "users/alice",
        "hosts/web",
        "access-policies/web-standard",
        "groups/operators",
    ] {
        erin.get(&format!("/api/v1/{path}")).expect(404);
        let removed = erin.request("DELETE", &format!("/api/v1/{path}"), None);
        assert_eq!(removed.status, 404, "{path}: {}", removed.text());
    }
    assert_eq!(erin.get("/api/v1/hosts").expect(200).json()["total"], 0);
    let audit = erin.get("/api/v1/audit?page_size=100").expect(200).json();
    assert!(!audit.to_string().contains("acme"), "{audit:#}");
    for id in ["x", "%00", "..%2F..", invented, &"9".repeat(3000)] {
        let answer = gateway.api("bob").get(&format!("/api/v1/sessions/{id}"));
        assert!(
            [400, 404, 414].contains(&answer.status),
            "{id}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

#[test]
fn bad_input_is_answered_with_what_is_wrong() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    for (path, body, status, words) in [
        ("/api/v1/sessions", &b"{"[..], 400, ""),
        ("/api/v1/sessions", b"", 400, ""),
        ("/api/v1/sessions", b"[]", 422, ""),
        ("/api/v1/sessions", b"{\"host\": 7}", 422, "string"),
        ("/api/v1/sessions", b"{\"host\": \"web\", \"colour\": 1}", 422, "colour"),
        ("/api/v1/sessions", b"\xff\xfe{}", 400, ""),
        ("/api/v1/login", b"{\"username\": \"alice\"}", 422, "password"),
        ("/api/v1/sessions/end", b"{\"ids\": []}", 422, "ids"),
        ("/api/v1/apply", b"{\"users\": [{\"name\": \"x\", \"shoe_size\": 9}]}", 422, "shoe_size"),
        ("/api/v1/apply", b"{\"access_policies\": [{\"name\": \"p\", \"scope\": \"acme\", \"users\": [\"ghost\"], \"activities\": [\"shell\"], \"connection_profile\": \"standard\"}]}", 422, "ghost"),
    ] {
        let answer = admin.request("POST", path, Some(body));
        let shown = String::from_utf8_lossy(body);
        assert!(answer.status == status || (status == 422 && answer.status == 400), "{path} {shown}: {} {}", answer.status, answer.text());
        assert_eq!(answer.kind, "application/problem+json", "{path} {shown}");
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status);
        assert!(problem["title"].is_string() && answer.text().contains(words), "{path} {shown}: {}", answer.text());
    }
    // Too much is refused, or cut off while it is still being sent.
    let huge = format!("{{\"host\": \"{}\"}}", "x".repeat(20 << 20));
    let answer = admin.try_request("POST", "/api/v1/sessions", huge.as_bytes());
    assert!(answer.is_none_or(|answer| [413, 422].contains(&answer.status)));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = admin.request("POST", "/api/v1/apply", Some(deep.as_bytes()));
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    admin
        .request("PATCH", "/api/v1/sessions", Some(b"{}"))
        .expect(405);
    admin.get("/api/v1/nothing").expect(404);
    admin.get("/healthz").expect(200);
}

#[test]
fn nouns_are_read_written_and_removed() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let put =
        |path: &str, body: Value| admin.request("PUT", path, Some(body.to_string().as_bytes()));
    let host = json!({ "name": "new-01", "scope": "acme", "address": "127.0.0.1", "ssh": { "port": 2200 } });
    assert!([200, 201].contains(&put("/api/v1/hosts/new-01", host.clone()).status));
    let shown = admin.get("/api/v1/hosts/new-01").expect(200).json();
    assert!(shown.to_string().contains("2200"), "{shown:#}");
    // A secret goes in and never comes out.
    let account = json!({ "name": "op", "host": "new-01", "secret": { "password": { "value": "Zz9-hidden-value" } } });
    assert!([200, 201].contains(&put("/api/v1/accounts/op@new-01", account).status));
    let shown = admin.get("/api/v1/accounts/op@new-01").expect(200);
    assert!(
        !shown.text().contains("Zz9-hidden") && shown.text().contains("\"has_secret\":true"),
        "{}",
        shown.text()
    );
    // What is referred to stays.
    let refused = admin
        .request("DELETE", "/api/v1/hosts/new-01", None)
        .expect(409);
    assert!(refused.text().contains("op@new-01"), "{}", refused.text());
    for path in ["accounts/op@new-01", "hosts/new-01"] {
        let removed = admin.request("DELETE", &format!("/api/v1/{path}"), None);
        assert!(
            [200, 204].contains(&removed.status),
            "{path}: {}",
            removed.text()
        );
        admin.get(&format!("/api/v1/{path}")).expect(404);
    }
    // Each change is one row in the trail, without the secret.
    let audit = admin.get("/api/v1/audit?page_size=100").expect(200);
    assert!(!audit.text().contains("Zz9-hidden"));
    let of = |name: &str| {
        items(&audit.json())
            .iter()
            .filter(|row| row["object_name"] == name || row["name"] == name)
            .count()
    };
    assert_eq!((of("new-01"), of("op@new-01")), (2, 2), "{}", audit.text());
    // Not beyond one's own scope.
    let foreign = json!({ "name": "far", "scope": "globex", "address": "127.0.0.1" });
    assert_eq!(put("/api/v1/hosts/far", foreign).status, 403);
}

#[test]
fn log_ins_end_when_they_should() {
    let gateway = Gateway::start();
    let api = Api::login(&gateway, "alice");
    api.get("/api/v1/me").expect(200);
    assert!([200, 204].contains(&api.request("POST", "/api/v1/logout", None).status));
    api.get("/api/v1/me").expect(401);
    // A locked user has no console either.
    let live = Api::login(&gateway, "alice");
    gateway
        .api("bob")
        .post("/api/v1/users/alice/lock", json!({ "reason": "test" }))
        .expect(200);
    assert!([401, 403].contains(&live.get("/api/v1/me").status));
    let again = Api::anonymous(&gateway).post(
        "/api/v1/login",
        json!({ "username": "alice", "password": passwords("alice") }),
    );
    assert!([401, 403].contains(&again.status), "{}", again.text());
    // Unknown users and wrong passwords get the same answer.
    let login = |user: &str| {
        Api::anonymous(&gateway)
            .post(
                "/api/v1/login",
                json!({ "username": user, "password": "wrong" }),
            )
            .expect(401)
            .text()
    };
    assert_eq!(login("dave"), login("zacharias"));
    // A new password ends nothing but the old password.
    let dave = gateway.api("dave");
    let change =
        json!({ "current_password": passwords("dave"), "new_password": "Eine-neue-Losung-77" });
    assert!([200, 204].contains(&dave.post("/api/v1/password", change).status));
    let old = json!({ "username": "dave", "password": passwords("dave") });
    Api::anonymous(&gateway)
        .post("/api/v1/login", old)
        .expect(401);
    let new = json!({ "username": "dave", "password": "Eine-neue-Losung-77" });
    Api::anonymous(&gateway)
        .post("/api/v1/login", new)
        .expect(200);
}

#[test]
fn health_and_metrics_need_no_login_and_tell_no_names() {
    let gateway = Gateway::start();
    let _live = gateway.shell("alice+web");
    let nobody = Api::anonymous(&gateway);
    nobody.get("/healthz").expect(200);
    nobody.get("/readyz").expect(200);
    let metrics = nobody.get("/metrics").expect(200);
    assert!(metrics.text().contains("# TYPE"), "{}", metrics.text());
    assert!(
        !metrics.text().contains("alice") && !metrics.text().contains("web"),
        "{}",
        metrics.text()
    );
}
