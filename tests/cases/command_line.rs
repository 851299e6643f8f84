//! The command line: apply, serve's configuration, sessions, and what they say to mistakes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sallyport_tests::harness::{Done, Gateway, Tty, run, tool};
use serde_json::Value;
use tempfile::TempDir;

use super::{SOON, text};

/// `sallyport` with these words, in a folder of its own, with no server.
fn sallyport(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Done {
    let mut program = tool(sallyport_tests::harness::product());
    program
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    program.envs(environment.iter().copied());
    run(program, Duration::from_secs(30))
}

#[test]
fn applying_twice_changes_nothing_and_a_dry_run_never_does() {
    let gateway = Gateway::start();
    let world = gateway.world_file().display().to_string();
    let apply = |more: &[&str]| {
        let mut words = vec!["--json", "apply", "-f", &world];
        words.extend(more);
        let done = run(gateway.cli("admin", &words), SOON).ok();
        serde_json::from_str::<Value>(&done.text())
            .unwrap_or_else(|error| panic!("{error}: {}", done.text()))
    };
    let kinds = |answer: &Value| {
        let changes = answer
            .get("changes")
            .unwrap_or(answer)
            .as_array()
            .unwrap_or_else(|| panic!("{answer:#}"))
            .clone();
        let changed: Vec<String> = changes
            .iter()
            .filter(|change| {
                change["action"]
                    .as_str()
                    .is_none_or(|action| !action.eq_ignore_ascii_case("unchanged"))
            })
            .map(|change| change.to_string())
            .collect();
        changed
    };
    assert_eq!(
        kinds(&apply(&[])),
        Vec::<String>::new(),
        "serve has applied it already"
    );
    let text = fs::read_to_string(&world).unwrap();
    fs::write(&world, text.replace("max_duration: 6s", "max_duration: 7s")).unwrap();
    for _ in 0..2 {
        let would = kinds(&apply(&["--dry-run"]));
        assert_eq!(would.len(), 1, "{would:?}");
        assert!(
            would[0].contains("short") && would[0].contains("7s"),
            "{would:?}"
        );
    }
    assert_eq!(kinds(&apply(&[])).len(), 1);
    assert_eq!(kinds(&apply(&[])).len(), 0);
    // A changed secret is told, not shown.
    let mut again = gateway.cli("admin", &["--json", "apply", "-f", &world]);
    again.env("PW_WRONG", "Another-9-secret");
    let done = run(again, SOON).ok();
    assert!(
        done.text().contains("badcred") && !done.all().contains("Another-9-secret"),
        "{}",
        done.all()
    );
}

#[test]
fn mistakes_in_a_declaration_are_named_with_line_and_remedy() {
    let folder = TempDir::with_prefix("sp-apply-").unwrap();
    for (yaml, wanted) in [
        (
            "users:\n  - name: x\n    shoe_size: 9\n",
            &["3", "shoe_size", "first_name"][..],
        ),
        (
            "hosts:\n  - name: h\n    address: a\n    ssh: { port: many }\n",
            &["4", "port"],
        ),
        (
            "hosts:\n  - name: h\n    address: a\n    ssh: { port: 99999 }\n",
            &["4", "port"],
        ),
        (
            "users:\n  - name: x\n    password: { from_env: NO_SUCH_VARIABLE }\n",
            &["NO_SUCH_VARIABLE"],
        ),
        (
            "users:\n  - name: x\n    password: { from_file: no-such-file }\n",
            &["no-such-file"],
        ),
        (
            "users:\n  - name: x\n    roles: [emperor]\n",
            &["3", "emperor", "auditor"],
        ),
        (
            "connection_profiles:\n  - name: p\n    max_duration: soon\n",
            &["3", "soon", "30m"],
        ),
        ("connection_profiles:\n  - name: p\n", &["max_duration"]),
        (
            "hosts:\n  - { name: h, address: a, ssh: { host_keys: trust } }\n",
            &["2", "trust", "first-use"],
        ),
        ("groups:\n  - { name: g, members: [ghost] }\n", &["ghost"]),
        ("accounts:\n  - { name: a, host: nowhere }\n", &["nowhere"]),
        ("colours: []\n", &["1", "colours", "users"]),
        ("users: [\n", &["users.yaml"]),
        ("users:\n  - { name: x }\n  - { name: x }\n", &["x"]),
    ] {
        fs::write(folder.path().join("users.yaml"), yaml).unwrap();
        let done = sallyport(
            folder.path(),
            &["apply", "-f", "users.yaml", "--data-dir", "data"],
            &[],
        )
        .failed();
        for words in wanted {
            assert!(
                done.err.contains(words),
                "{yaml}: {words:?} is not in {:?}",
                done.err
            );
        }
        assert!(
            done.err.contains("users.yaml"),
            "{yaml}: the file is named: {}",
            done.err
        );
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
    let missing = sallyport(folder.path(), &["apply", "-f", "none.yaml"], &[]).failed();
    assert!(missing.err.contains("none.yaml"), "{}", missing.err);
}

#[test]
fn mistakes_in_the_configuration_are_all_reported() {
    let folder = TempDir::with_prefix("sp-config-").unwrap();
    fs::write(
        folder.path().join("c.toml"),
        "[ssh]\nlisten = \"somewhere\"\ncolour = 1\n[weather]\nx = 1\n",
    )
    .unwrap();
    let done = sallyport(
        folder.path(),
        &["serve", "--config", "c.toml"],
        &[("SALLYPORT_API_LISTEN", "9"), ("SALLYPORT_SSH_COLOR", "1")],
    )
    .failed();
    for words in [
        "c.toml:2",
        "somewhere",
        "c.toml:3",
        "colour",
        "allowed here: listen, ",
        "c.toml:4",
        "weather",
        "SALLYPORT_API_LISTEN",
        "SALLYPORT_SSH_COLOR",
    ] {
        assert!(
            done.err.contains(words),
            "{words:?} is not in {:?}",
            done.err
        );
    }
    assert!(
        !folder.path().join("data").exists(),
        "nothing is made before the configuration is right"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = sallyport(
        folder.path(),
        &["serve"],
        &[
            ("SALLYPORT_SSH_LISTEN", &address),
            ("SALLYPORT_API_LISTEN", "127.0.0.1:0"),
        ],
    )
    .failed();
    assert!(done.err.contains(&address), "{}", done.err);
}

#[test]
fn the_first_start_makes_keys_and_an_admin_with_a_one_time_password() {
    let folder = TempDir::with_prefix("sp-first-").unwrap();
    let (ssh, api) = (
        sallyport_tests::harness::free_port(),
        sallyport_tests::harness::free_port(),
    );
    let mut serve = tool(sallyport_tests::harness::product());
    serve
        .arg("serve")
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    serve
        .env("SALLYPORT_SSH_LISTEN", format!("127.0.0.1:{ssh}"))
        .env("SALLYPORT_API_LISTEN", format!("127.0.0.1:{api}"));
    let out = folder.path().join("out");
    serve
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(folder.path().join("err")).unwrap());
    let mut daemon = sallyport_tests::harness::Daemon::spawn(serve);
    sallyport_tests::harness::wait_until("it listens", SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", api)).is_ok()
    });
    let said = || {
        fs::read_to_string(&out).unwrap() + &fs::read_to_string(folder.path().join("err")).unwrap()
    };
    sallyport_tests::harness::wait_until("the password is printed", SOON, || {
        said().to_lowercase().contains("password")
    });
    assert!(folder.path().join("data/vault.key").is_file());
    daemon.signal(rustix::process::Signal::TERM);
    assert!(
        daemon.wait(SOON).is_some_and(|status| status.success()),
        "{}",
        said()
    );
}

#[test]
fn sessions_are_listed_shown_and_controlled() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    let session = gateway.session_with(&gateway.api("bob"), "web", "Logged In");
    let id = text(&session, "id");
    let bob = |words: &[&str]| run(gateway.cli("bob", words), SOON);
    let list = bob(&["sessions", "list"]).ok().text();
    assert!(
        list.contains("alice") && list.contains("web") && list.contains("Logged In"),
        "{list}"
    );
    let json: Value = serde_json::from_str(
        &bob(&["--json", "sessions", "list", "--live", "--host", "web"])
            .ok()
            .text(),
    )
    .unwrap();
    assert_eq!(json["items"][0]["id"], id);
    assert!(bob(&["sessions", "show", id]).ok().text().contains(id));
    assert!(
        bob(&["sessions", "events", id])
            .ok()
            .text()
            .contains("logged in as sptarget")
    );
    let png = gateway.dir().join("now.png");
    let png = png.to_str().unwrap();
    let refused = bob(&["sessions", "watch", id, "--png", png]).failed();
    assert!(refused.err.contains("is a terminal"), "{}", refused.err);
    bob(&["sessions", "lock", id, "--title", "Halt", "--message", "m"]).ok();
    tty.wait_screen("Halt", SOON);
    bob(&["sessions", "unlock", id]).ok();
    bob(&["sessions", "message", id, "from the command line"]).ok();
    tty.wait_screen("from the command line", SOON);
    bob(&["sessions", "extend", id, "--by", "5m"]).ok();
    let done = bob(&["sessions", "terminate", id, "--cancel", "--reason", "over"]).ok();
    tty.wait_closed(Duration::from_secs(1));
    assert!(tty.output().contains("over"), "{}", done.all());
    gateway.session_with(&gateway.api("bob"), "web", "Canceled");
    let refused = bob(&["sessions", "end", id]).failed();
    assert!(refused.err.contains("ended"), "{}", refused.err);
    let unknown = bob(&["sessions", "show", "0197aaaa-0000-7000-8000-000000000000"]).failed();
    assert!(!unknown.err.is_empty());
    let alice = run(gateway.cli("alice", &["sessions", "lock", id]), SOON).failed();
    assert!(!alice.err.contains("panicked"), "{}", alice.err);
    let recordings = bob(&["recordings", "list"]).ok().text();
    assert!(recordings.contains("web"), "{recordings}");
}

#[test]
fn an_untrusted_server_and_a_wrong_token_are_told_apart() {
    let gateway = Gateway::start();
    let mut untrusted = gateway.cli("bob", &["sessions", "list"]);
    untrusted.env_remove("SALLYPORT_CA");
    let done = run(untrusted, SOON).failed();
    assert!(
        done.err.to_lowercase().contains("certificate"),
        "{}",
        done.err
    );
    let mut stranger = gateway.cli("bob", &["sessions", "list"]);
    stranger.env("SALLYPORT_TOKEN", "wrong");
    let done = run(stranger, SOON).failed();
    assert!(
        !done.err.contains("certificate") && !done.err.is_empty(),
        "{}",
        done.err
    );
    let mut login = gateway.program();
    login.args(["login", "-u", "bob"]);
    login
        .env(
            "SALLYPORT_URL",
            format!("https://127.0.0.1:{}", gateway.api_port),
        )
        .env("SALLYPORT_CA", gateway.certificate());
    let tty = Tty::start(login, 120, 24);
    tty.wait_for("assword", SOON);
    tty.line(&sallyport_tests::harness::passwords("bob"));
    tty.wait_closed(SOON);
    assert_eq!(tty.exit_code(SOON), Some(0));
    assert!(
        !tty.output()
            .contains(&sallyport_tests::harness::passwords("bob")),
        "the password is shown"
    );
}
