//! Which algorithms each leg speaks, whom certificates let in, and how host keys change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sallyport_tests::harness::{
    Api, Client, Gateway, HostSpec, Target, eventually, keygen, run, tool,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SOON, events, items, text};

/// The programs of PyPI that `scripts/deps.sh test` fetches.
pub(super) fn python_tool(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/venv/bin")
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing; run: scripts/deps.sh test",
        path.display()
    );
    tool(path)
}

/// What ssh-audit says of a port: its exit status and all lines that are not merely good news.
fn audit(port: u16) -> (i32, Vec<String>) {
    let mut audit = python_tool("ssh-audit");
    audit.args([
        "--no-colors",
        "--skip-rate-test",
        "-p",
        &port.to_string(),
        "127.0.0.1",
    ]);
    let done = run(audit, Duration::from_secs(60));
    let bad = |line: &&str| line.contains("[warn]") || line.contains("[fail]");
    let lines = done.text();
    assert!(
        lines.contains("(kex) mlkem768x25519-sha256"),
        "not an audit: {}",
        done.all()
    );
    let bad = lines.lines().filter(bad).map(str::to_owned).collect();
    (done.code, bad)
}

#[test]
fn an_audit_finds_nothing_to_warn_of() {
    let gateway = Gateway::builder().prepare();
    gateway.launch();
    assert_eq!(audit(gateway.ssh_port), (0, Vec::new()));

    // The older clients' choice costs warnings, and the audit can tell: but no failure, no SHA-1.
    let gateway = Gateway::builder()
        .env("SALLYPORT_SSH_ALGORITHMS", "compatible")
        .start();
    let (status, bad) = audit(gateway.ssh_port);
    assert_eq!(status, 2, "{bad:#?}");
    assert!(
        bad.iter().any(|line| line.contains("curve25519-sha256"))
            && !bad
                .iter()
                .any(|line| line.contains("[fail]") || line.contains("sha1")),
        "{bad:#?}"
    );
}

/// The first event of a kind; it may be in the log a moment after the session.
fn event(admin: &Api, session: &str, kind: &str) -> Value {
    eventually(kind, Duration::from_secs(10), || {
        let log = events(admin, session);
        log.into_iter().find(|event| event["kind"] == kind)
    })
}

/// What the two legs of the newest session on a host agreed on: (client's, target's).
fn agreed(admin: &Api, gateway: &Gateway, host: &str) -> (Value, Value) {
    let session = gateway.newest_session(admin, host).unwrap();
    let of = |kind: &str| {
        let event = event(admin, text(&session, "id"), kind);
        event["detail"]["algorithms"].clone()
    };
    (of("connection.client"), of("connection.target"))
}

#[test]
fn clients_get_what_is_modern_and_both_legs_say_what_they_agreed_on() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    gateway.ssh("alice+web").exec("true").ok();
    let (client, target) = agreed(&admin, &gateway, "web");
    assert_eq!(client["host_key"], "ssh-ed25519");
    assert_eq!(target["host_key"], "ssh-ed25519");
    assert!(
        text(&client, "kex").starts_with("sntrup761x25519-sha512")
            || text(&client, "kex") == "mlkem768x25519-sha256",
        "{client:#}"
    );
    assert!(text(&target, "kex").contains("25519"), "{target:#}");
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    if cpu.contains(" aes ") {
        for leg in [&client, &target] {
            assert!(text(leg, "cipher").ends_with("-gcm@openssh.com"), "{leg:#}");
            assert_eq!(leg["mac"], "implicit");
        }
    }

    let old = |gateway: &Gateway, option: &str| {
        // At a lower level the client does not say why.
        let ssh = gateway.ssh("alice+web").option("LogLevel=INFO");
        ssh.option(option).exec("echo in")
    };
    for option in [
        "KexAlgorithms=curve25519-sha256",
        "KexAlgorithms=ecdh-sha2-nistp256",
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "HostKeyAlgorithms=ssh-rsa",
        "Ciphers=aes128-cbc",
    ] {
        let refused = old(&gateway, option).failed();
        assert!(
            refused.all().contains("Unable to negotiate"),
            "{option}: {}",
            refused.all()
        );
    }

    assert!(
        gateway
            .log()
            .contains("a client offers no algorithm that is allowed"),
        "{}",
        gateway.log()
    );

    let gateway = Gateway::builder()
        .env("SALLYPORT_SSH_ALGORITHMS", "compatible")
        .start();
    for option in [
        "KexAlgorithms=curve25519-sha256",
        "KexAlgorithms=diffie-hellman-group16-sha512",
        "Ciphers=chacha20-poly1305@openssh.com",
        "Ciphers=aes128-ctr",
    ] {
        assert_eq!(old(&gateway, option).ok().text(), "in\n", "{option}");
    }
    for option in [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "Ciphers=aes128-cbc",
    ] {
        old(&gateway, option).failed();
    }
}

/// A target as it was in use twenty years ago.
fn old_target(more: &str) -> (Arc<Target>, TempDir) {
    let dir = TempDir::with_prefix("sp-old-").unwrap();
    let mut keygen = tool("ssh-keygen");
    keygen
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
        .arg(dir.path().join("rsa"));
    run(keygen, Duration::from_secs(20)).ok();
    let key = dir.path().join("rsa");
    let target = Target::with(&format!(
        "HostKey {}\nHostKeyAlgorithms ssh-rsa\n{more}",
        key.display()
    ));
    (Arc::new(target), dir)
}

#[test]
fn an_old_target_is_reached_only_if_its_declaration_says_how() {
    let (target, _key) =
        old_target("KexAlgorithms diffie-hellman-group14-sha1\nCiphers aes128-cbc\nMACs hmac-sha1");
    let (older, _other) = old_target(
        "KexAlgorithms diffie-hellman-group1-sha1\nCiphers 3des-cbc\nMACs hmac-sha1-etm@openssh.com",
    );
    let host = |name: &str, legacy: &[&str]| HostSpec::new(name, target.port()).legacy(legacy);
    let steps = [
        "diffie-hellman-group14-sha1",
        "ssh-rsa",
        "aes128-cbc",
        "hmac-sha1",
    ];
    let gateway = Gateway::around(target.clone())
        .host(host("old0", &[]))
        .host(host("old1", &steps[..1]))
        .host(host("old2", &steps[..2]))
        .host(host("old3", &steps[..3]))
        .host(host("old4", &steps).activities(&["shell"]))
        .host(HostSpec::new("older", older.port()).legacy(&[
            "hmac-sha1-etm@openssh.com",
            "3des-cbc",
            "ssh-rsa",
            "diffie-hellman-group1-sha1",
        ]))
        .start();
    let admin = gateway.api("bob");
    // Each step names what is missing next, and how it would be allowed.
    for (n, missing) in steps.iter().enumerate() {
        let host = format!("old{n}");
        let refused = gateway
            .ssh(&format!("alice+{host}"))
            .exec("echo in")
            .failed();
        for words in [
            format!("{host} offers no "),
            format!("only {missing}"),
            format!("legacy_algorithms: [{missing}]"),
        ] {
            assert!(
                refused.all().contains(&words),
                "{words:?} is not in {:?}",
                refused.all()
            );
        }
        let session = gateway.session_with(&admin, &host, "Failed");
        let log = events(&admin, text(&session, "id"));
        assert!(
            log.iter().any(|event| event["kind"] == "connection.failed"
                && event["detail"]["code"] == "target_algorithms"),
            "{log:#?}"
        );
    }
    for (host, names) in [
        (
            "old4",
            "diffie-hellman-group14-sha1, ssh-rsa, aes128-cbc, hmac-sha1",
        ),
        (
            "older",
            "diffie-hellman-group1-sha1, ssh-rsa, 3des-cbc, hmac-sha1-etm@openssh.com",
        ),
    ] {
        let done = gateway
            .ssh(&format!("alice+{host}"))
            .exec("head -c 300000 /dev/zero | wc -c")
            .ok();
        assert_eq!(done.text().trim(), "300000");
        let session = gateway.session_with(&admin, host, "Completed");
        let log = events(&admin, text(&session, "id"));
        let event = log
            .iter()
            .find(|event| event["kind"] == "target.legacy_algorithm");
        assert_eq!(
            event.map(|event| event["detail"]["algorithms"].clone()),
            Some(names.into()),
            "{log:#?}"
        );
    }
    // A host that could do better gets no worse for being allowed to.
    let modern = Target::shared();
    let gateway = Gateway::builder()
        .host(HostSpec::new("modern", modern.port()).legacy(&steps))
        .start();
    let admin = gateway.api("bob");
    gateway.ssh("alice+modern").exec("true").ok();
    let session = gateway.newest_session(&admin, "modern").unwrap();
    let log = events(&admin, text(&session, "id"));
    assert!(
        !log.iter()
            .any(|event| event["kind"] == "target.legacy_algorithm"),
        "{log:#?}"
    );
}

#[test]
fn a_misspelt_algorithm_is_a_mistake_of_the_declaration() {
    let gateway = Gateway::start();
    let file = gateway.dir().join("old.yaml");
    fs::write(
        &file,
        "hosts:\n  - name: old\n    address: 127.0.0.1\n    ssh: { legacy_algorithms: [aes128-cbc, blowfish-cbc] }\n",
    )
    .unwrap();
    let apply = gateway.cli("bob", &["apply", "-f", &file.display().to_string()]);
    let refused = run(apply, SOON).failed();
    for words in ["old.yaml:4", "blowfish-cbc", "hmac-sha1"] {
        assert!(refused.all().contains(words), "{}", refused.all());
    }
}

#[test]
fn host_keys_change_without_a_warning() {
    let gateway = Gateway::start();
    let keys = gateway.data().to_owned();
    let (current, next) = (
        keys.join("ssh_host_ed25519_key"),
        keys.join("ssh_host_ed25519_key.next"),
    );
    let known = gateway.dir().join("known_hosts");
    let key_of = |path: &Path| {
        let mut keygen = tool("ssh-keygen");
        keygen.arg("-y").arg("-f").arg(path);
        let line = run(keygen, SOON).ok().text();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let connect = || {
        gateway
            .ssh("alice+web")
            .option("UpdateHostKeys=yes")
            .option("StrictHostKeyChecking=yes")
            // Clients ask for proof, and write it down, beside what they are there for.
            .exec("sleep 1; echo in")
    };
    gateway.ssh("alice+web").exec("true").ok();
    let old = key_of(&current);
    assert!(fs::read_to_string(&known).unwrap().contains(&old));

    // A successor is made ready and announced.
    keygen(&next);
    let new = key_of(&next);
    gateway.terminate(SOON);
    gateway.launch();
    assert_eq!(connect().ok().text(), "in\n");
    let learned = fs::read_to_string(&known).unwrap();
    assert!(
        learned.contains(&old) && learned.contains(&new),
        "the successor was not learned: {learned}"
    );

    // It takes over: who has learned it notices nothing, and forgets the old one.
    gateway.terminate(SOON);
    fs::rename(&next, &current).unwrap();
    gateway.launch();
    let done = connect().ok();
    assert_eq!(done.text(), "in\n");
    assert!(!done.all().contains("REMOTE HOST IDENTIFICATION"));
    let learned = fs::read_to_string(&known).unwrap();
    assert!(
        learned.contains(&new) && !learned.contains(&old),
        "{learned}"
    );
}

/// An authority of user certificates, in a folder of its own.
struct Authority(PathBuf);

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        keygen(&path);
        Self(path)
    }

    /// Signs a fresh key of this name with these options of `ssh-keygen`; the key is then in the
    /// gateway's folder, its certificate beside it.
    fn sign(&self, gateway: &Gateway, name: &str, options: &[&str]) {
        let key = gateway.dir().join(name);
        keygen(&key);
        let mut sign = tool("ssh-keygen");
        sign.args(["-q", "-s"])
            .arg(&self.0)
            .args(["-I", &format!("id-of-{name}"), "-z", "4711"])
            .args(options)
            .arg(key.with_extension("pub"));
        run(sign, SOON).ok();
    }
}

#[test]
fn certificates_of_a_configured_authority_let_their_users_in_and_no_others() {
    let folder = TempDir::with_prefix("sp-authorities-").unwrap();
    let (ours, theirs) = (
        Authority::new(folder.path(), "our_ca"),
        Authority::new(folder.path(), "their_ca"),
    );
    let trusted = folder.path().join("our_ca.pub");
    let gateway = Gateway::builder()
        .env("SALLYPORT_SSH_USER_CA_KEYS", &trusted.display().to_string())
        .start();
    let admin = gateway.api("bob");
    let connect = |name: &str, login: &str| {
        let certificate = gateway.dir().join(format!("{name}-cert.pub"));
        gateway
            .ssh(login)
            .key(name)
            .option(&format!("CertificateFile={}", certificate.display()))
            .exec("echo in")
    };

    ours.sign(&gateway, "good", &["-n", "alice,other", "-V", "-5m:+1h"]);
    assert_eq!(connect("good", "alice+web").ok().text(), "in\n");
    let session = gateway.newest_session(&admin, "web").unwrap();
    let event = event(&admin, text(&session, "id"), "connection.certificate");
    assert_eq!(event["detail"]["key_id"], "id-of-good");
    assert_eq!(event["detail"]["serial"], 4711);
    assert!(text(&event["detail"], "authority").starts_with("SHA256:"));

    ours.sign(
        &gateway,
        "here",
        &[
            "-n",
            "alice",
            "-O",
            "source-address=192.0.2.0/24,127.0.0.0/8",
        ],
    );
    assert_eq!(connect("here", "alice+web").ok().text(), "in\n");

    let bad: [(&str, &Authority, &[&str], &str); 8] = [
        (
            "expired",
            &ours,
            &["-n", "alice", "-V", "-2h:-1h"],
            "valid from",
        ),
        (
            "early",
            &ours,
            &["-n", "alice", "-V", "+1h:+2h"],
            "valid from",
        ),
        (
            "stranger_ca",
            &theirs,
            &["-n", "alice"],
            "not among the configured authorities",
        ),
        ("for_bob", &ours, &["-n", "bob"], "not for this user"),
        ("for_nobody", &ours, &[], "not for this user"),
        (
            "elsewhere",
            &ours,
            &["-n", "alice", "-O", "source-address=192.0.2.0/24"],
            "from this address",
        ),
        (
            "forced",
            &ours,
            &["-n", "alice", "-O", "force-command=true"],
            "critical option force-command",
        ),
        (
            "a_host",
            &ours,
            &["-h", "-n", "alice"],
            "not a user certificate",
        ),
    ];
    for (name, authority, options, why) in bad {
        authority.sign(&gateway, name, options);
        let refused = connect(name, "alice+web").failed();
        assert!(
            refused.all().contains("Permission denied"),
            "{name}: {}",
            refused.all()
        );
        assert!(!refused.text().contains("in\n"), "{name}");
        if name != "a_host" {
            logged(&admin, &format!("id-of-{name}"), why);
        }
    }
    // OpenSSH's client keeps a host's certificate to itself; a bad one does not.
    let offered = Client::block(async {
        let mut client = Client::stranger(gateway.ssh_port).await;
        let path = gateway.dir().join("a_host");
        let key = russh::keys::load_secret_key(&path, None).unwrap();
        let certificate =
            russh::keys::load_openssh_certificate(gateway.dir().join("a_host-cert.pub")).unwrap();
        client
            .authenticate_openssh_cert("alice+web", Arc::new(key), certificate)
            .await
            .unwrap()
    });
    assert!(!offered.success());
    logged(&admin, "id-of-a_host", "not a user certificate");
    // A user who does not exist, and an application that does.
    ours.sign(&gateway, "ghost", &["-n", "ghost,robot"]);
    connect("ghost", "ghost+web").failed();
    connect("ghost", "robot+web").failed();
    // The certified key alone opens nothing.
    gateway
        .ssh("alice+web")
        .key("good")
        .option("CertificateFile=none")
        .exec("true")
        .failed();
    // A locked user is told so, and not let in.
    admin
        .post("/api/v1/users/alice/lock", json!({ "reason": "test" }))
        .expect(200);
    let locked = connect("good", "alice+web").failed();
    assert!(
        locked.all().contains("your account is locked"),
        "{}",
        locked.all()
    );

    let access = admin.get("/api/v1/access-log?page_size=100").json();
    let accepted = items(&access)
        .iter()
        .find(|entry| entry["method"] == "certificate" && entry["outcome"] == "accepted")
        .unwrap_or_else(|| panic!("{access:#}"));
    assert!(
        text(accepted, "text").contains("serial 4711"),
        "{accepted:#}"
    );
}

/// The access log has a refused certificate of this id, with this reason.
#[track_caller]
fn logged(admin: &Api, id: &str, why: &str) {
    let mut access = Value::Null;
    let start = std::time::Instant::now();
    while start.elapsed() < SOON {
        access = admin.get("/api/v1/access-log?page_size=100").json();
        let found = items(&access).iter().any(|entry| {
            entry["code"] == "bad_certificate"
                && entry["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(id) && text.contains(why))
        });
        if found {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{id}: {why:?} is not in {access:#}");
}
