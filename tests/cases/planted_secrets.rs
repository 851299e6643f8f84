//! Secrets exist in the vault and on the wire to the target, nowhere else: unusual ones are planted, used, mis-used
//! and crashed with, and then searched for everywhere.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sallyport_tests::harness::{ACCOUNT_PASSWORD, Api, Gateway, Postgres, passwords, run};
use serde_json::json;

use super::{SOON, items, text};

/// A secret in every form in which it could lie about.
fn forms(secret: &[u8]) -> Vec<Form> {
    let mut forms = vec![
        ("raw".to_owned(), secret.to_vec()),
        ("hex".to_owned(), hex::encode(secret).into_bytes()),
        ("HEX".to_owned(), hex::encode_upper(secret).into_bytes()),
        (
            "reversed".to_owned(),
            secret.iter().rev().copied().collect(),
        ),
        // As Windows writes it.
        (
            "UTF-16".to_owned(),
            secret.iter().flat_map(|byte| [*byte, 0]).collect(),
        ),
    ];
    // Base64 of a text that contains it, at each of the three alignments, without the unsettled edges.
    for shift in 0..3 {
        let mut padded = vec![b'x'; shift];
        padded.extend_from_slice(secret);
        for (name, text) in [
            ("base64", STANDARD_NO_PAD.encode(&padded)),
            ("base64url", URL_SAFE_NO_PAD.encode(&padded)),
        ] {
            let inner = &text.as_bytes()[if shift == 0 { 0 } else { 4 }..text.len() - 3];
            forms.push((format!("{name}+{shift}"), inner.to_vec()));
        }
    }
    forms
}

/// A form's name and its bytes.
type Form = (String, Vec<u8>);

/// A search for secrets.
pub(super) struct Search {
    secrets: Vec<(String, Vec<Form>)>,
    found: Vec<String>,
    searched: usize,
}

impl Search {
    pub(super) fn for_secrets(secrets: &[(&str, Vec<u8>)]) -> Self {
        let secrets = secrets
            .iter()
            .map(|(name, secret)| ((*name).to_owned(), forms(secret)))
            .collect();
        Self {
            secrets,
            found: Vec::new(),
            searched: 0,
        }
    }

    pub(super) fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.searched += bytes.len();
        for (name, forms) in &self.secrets {
            for (form, needle) in forms {
                if bytes.windows(needle.len()).any(|window| window == needle) {
                    self.found.push(format!("{name} ({form}) in {place}"));
                }
            }
        }
    }

    pub(super) fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.folder(&path);
            } else if let Ok(bytes) = fs::read(&path) {
                self.bytes(&path.display().to_string(), &bytes);
            }
        }
    }

    #[track_caller]
    pub(super) fn nothing(&self) {
        assert!(
            self.searched > 10_000,
            "only {} bytes were searched",
            self.searched
        );
        assert!(
            self.found.is_empty(),
            "secrets were found:\n{}",
            self.found.join("\n")
        );
    }
}

/// The lines in the middle of a private key: its secret part.
fn key_lines(gateway: &Gateway) -> Vec<u8> {
    let key = fs::read_to_string(gateway.target().account_key()).unwrap();
    let body: String = key
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    // The public key is in the first half; what follows is secret.
    body.as_bytes()[body.len() - 90..body.len() - 20].to_vec()
}

/// Uses, errors, and every answer the API has.
fn use_everything(gateway: &Gateway, search: &mut Search) {
    let admin = gateway.api("admin");
    for connect in ["alice+web", "alice+keyed", "alice+effort"] {
        gateway.ssh(connect).exec("echo used").ok();
    }
    gateway.ssh("alice+badcred").exec("true").failed();
    gateway
        .ssh("alice+web")
        .password("Falsch-geraten-4711")
        .exec("true")
        .failed();
    let tty = gateway.shell("alice+web");
    tty.line("echo in the terminal; exit");
    tty.wait_closed(SOON);
    gateway.ssh("alice+web").sftp("pwd\n").ok();
    let wrong = json!({ "username": "alice", "password": "Falsch-geraten-4711" });
    admin.post("/api/v1/login", wrong).expect(401);
    // The declaration again, and one that is refused half-way.
    let world = gateway.world_file();
    run(
        gateway.cli("admin", &["apply", "-f", &world.display().to_string()]),
        SOON,
    )
    .ok();
    let broken = gateway.dir().join("broken.yaml");
    fs::write(
        &broken,
        fs::read_to_string(&world).unwrap() + "unknown_key: 1\n",
    )
    .unwrap();
    let said = run(
        gateway.cli("admin", &["apply", "-f", &broken.display().to_string()]),
        SOON,
    )
    .failed();
    search.bytes("what apply says of a broken file", said.all().as_bytes());
    every_answer(&admin, search);
}

/// Walks the lists and everything they lead to.
fn every_answer(api: &Api, search: &mut Search) {
    let mut paths: Vec<String> = [
        "sessions",
        "recordings",
        "audit",
        "access-log",
        "scopes",
        "users",
        "groups",
        "applications",
        "hosts",
        "accounts",
        "activities",
        "connection-profiles",
        "access-policies",
    ]
    .iter()
    .map(|name| format!("/api/v1/{name}?page_size=100"))
    .collect();
    for list in paths.clone() {
        let answer = api.get(&list).expect(200);
        let base = list.split('?').next().unwrap_or_default();
        for item in items(&answer.json()) {
            if let Some(id) = item["id"].as_str() {
                paths.push(format!("{base}/{id}"));
                if base.ends_with("sessions") {
                    paths.push(format!("{base}/{id}/events?page_size=100"));
                    paths.push(format!("{base}/{id}/connections"));
                }
            }
            if let Some(name) = item["name"].as_str().filter(|_| !base.ends_with("audit")) {
                paths.push(format!(
                    "{base}/{}",
                    name.replace('/', "%2F").replace(' ', "%20")
                ));
            }
        }
        search.bytes(&format!("CSV of {list}"), &api.csv(&list).body);
    }
    paths.extend(["/metrics", "/healthz", "/readyz", "/api/v1/openapi.json"].map(str::to_owned));
    for path in paths {
        search.bytes(&path, &api.get(&path).body);
    }
}

fn planted(gateway: &Gateway) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("the account's password", ACCOUNT_PASSWORD.into()),
        ("the account's private key", key_lines(gateway)),
        (
            "the wrong password for the target",
            "Xt5-wrong-at-the-target-gimpel".into(),
        ),
        ("alice's password", passwords("alice").into()),
        ("the administrator's password", passwords("admin").into()),
        ("the application's key", passwords("robot").into()),
        ("a mistyped password", "Falsch-geraten-4711".into()),
    ]
}

#[test]
fn no_secret_lies_about() {
    let gateway = Gateway::builder().env("SALLYPORT_LOG", "trace").start();
    let mut search = Search::for_secrets(&planted(&gateway));
    use_everything(&gateway, &mut search);
    // A crash with live sessions, and what the next start makes of it.
    let live = gateway.shell("alice+web");
    gateway.kill();
    live.wait_closed(SOON);
    search.folder(gateway.data());
    gateway.launch();
    use_everything(&gateway, &mut search);
    gateway.terminate(SOON);
    search.folder(gateway.data());
    search.bytes("the log", gateway.log().as_bytes());
    search.nothing();
}

#[test]
fn no_secret_lies_about_in_postgresql() {
    let postgres = Postgres::start();
    let gateway = Gateway::builder()
        .env("SALLYPORT_STORE_URL", &postgres.url())
        .start();
    let mut search = Search::for_secrets(&planted(&gateway));
    use_everything(&gateway, &mut search);
    search.bytes("the database", &postgres.dump());
    search.bytes("the log", gateway.log().as_bytes());
    search.folder(gateway.data());
    search.nothing();
}

#[test]
fn the_vaults_key_is_only_in_its_file() {
    let gateway = Gateway::start();
    let key = fs::read(gateway.data().join("vault.key")).unwrap();
    let trimmed: Vec<u8> = String::from_utf8(key.clone()).map_or(key, |text| text.trim().into());
    gateway.ssh("alice+web").exec("true").ok();
    let mut search = Search::for_secrets(&[("the vault's key", trimmed)]);
    search.folder(gateway.data());
    search.bytes("the log", gateway.log().as_bytes());
    let elsewhere: Vec<_> = search
        .found
        .iter()
        .filter(|found| !found.contains("vault.key"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    for (file, mode) in [
        ("vault.key", 0o600),
        ("ssh_host_ed25519_key", 0o600),
        ("api-key.pem", 0o600),
        ("", 0o700),
    ] {
        use std::os::unix::fs::PermissionsExt;
        let found = fs::metadata(gateway.data().join(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, mode, "{file}: {found:o}");
    }
}

#[test]
fn every_use_of_a_credential_is_an_event() {
    let gateway = Gateway::start();
    gateway.ssh("alice+keyed").exec("true").ok();
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "keyed", "Completed");
    let log = super::events(&admin, text(&session, "id"));
    let used: Vec<_> = log
        .iter()
        .filter(|event| event["kind"] == "secret.used")
        .collect();
    assert_eq!(used.len(), 1, "{log:#?}");
    let said = used[0].to_string();
    for part in [
        "spkeyed",
        "keyed",
        "private_key",
        "keyed-standard",
        "key-shell",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_crash_dumps_no_core() {
    let gateway = Gateway::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap_or_default();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}
