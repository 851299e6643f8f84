//! The way in: who is let in, how, and what those read who are not.

use std::time::Duration;

use sallyport_tests::harness::{Gateway, passwords, run, tool};

use super::{SOON, items, text};

#[test]
fn a_key_and_a_password_open_the_door() {
    let gateway = Gateway::start();
    let key = gateway.ssh("alice+web").exec("id -un").ok();
    assert_eq!(key.text(), "sptarget\n");
    let password = gateway
        .ssh("alice+web")
        .password_of("alice")
        .exec("id -un")
        .ok();
    assert_eq!(password.text(), "sptarget\n");
    let account_key = gateway.ssh("alice+keyed").exec("id -un").ok();
    assert_eq!(account_key.text(), "spkeyed\n");

    // The way most people automate a password.
    let line = gateway.ssh("alice+web").password_of("alice").command_line();
    let mut sshpass = tool("sh");
    sshpass.args([
        "-c",
        &format!(
            "sshpass -p '{}' {line} 127.0.0.1 'echo in'",
            passwords("alice")
        ),
    ]);
    assert_eq!(run(sshpass, SOON).ok().text(), "in\n");

    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "keyed", "Completed");
    for (field, value) in [
        ("user", "alice"),
        ("first_name", "Alice"),
        ("last_name", "Probe"),
        ("email", "alice@acme.example"),
        ("login_account", "spkeyed"),
        ("host", "keyed"),
        ("target_address", "127.0.0.1"),
        ("source_ip", "127.0.0.1"),
        ("type", "PAM SSH"),
        ("activity", "key-shell"),
        ("access_policy", "keyed-standard"),
        ("connection_profile", "standard"),
        ("recording_mode", "strict"),
        ("state_class", "closed"),
    ] {
        assert_eq!(text(&session, field), value, "{field}");
    }
    assert_eq!(session["target_port"], gateway.target().port());
}

#[test]
fn connect_strings_that_work() {
    let gateway = Gateway::start();
    for connect in [
        "alice+web",
        "alice+WEB",
        "alice+shell+web",
        "alice+shell+web+web-standard",
        "alice+shell+web++an upgrade",
        "alice+shell+The web machine",
        "alice+shell+noted++because",
        "alice+shell+twoways+twoways-effort",
    ] {
        let done = gateway.ssh(connect).exec("echo in");
        assert_eq!(
            (done.code, done.text().as_str()),
            (0, "in\n"),
            "{connect}: {}",
            done.err
        );
    }
    let admin = gateway.api("bob");
    let noted = gateway.newest_session(&admin, "noted").unwrap();
    assert_eq!(text(&noted, "notes"), "because");
    let chosen = gateway.newest_session(&admin, "twoways").unwrap();
    assert_eq!(text(&chosen, "connection_profile"), "effort");
}

#[test]
fn refusals_say_why_at_the_prompt() {
    let gateway = Gateway::start();
    for (connect, reasons) in [
        (
            "alice+nowhere",
            &["no access policy lets you reach nowhere"][..],
        ),
        (
            "alice+nopolicy",
            &["no access policy lets you reach nopolicy"],
        ),
        ("alice+noted", &["needs a note"]),
        ("alice+ticketed", &["needs a ticket"]),
        (
            "alice+desktop+web",
            &["you may not do desktop on web", "shell"],
        ),
        (
            "alice+twoways",
            &[
                "several ways lead to twoways",
                "twoways-standard",
                "twoways-effort",
            ],
        ),
        (
            "alice+shell+web+nosuchpolicy",
            &["no access policy nosuchpolicy", "web-standard"],
        ),
        ("alice+nosecret", &["no credential"]),
        ("alice+badcred", &["refused the stored credential"]),
        ("alice+filesonly", &["does not allow exec"]),
        ("alice+a+b+c+d+e", &["is not a connect string"]),
        ("alice", &["name a host"]),
        ("alice+", &["alice+"]),
        ("alice+shell+", &["alice+shell+"]),
    ] {
        let done = gateway.ssh(connect).exec("echo in").failed();
        for reason in reasons {
            assert!(
                done.all().contains(reason),
                "{connect}: {reason:?} is not in {:?}",
                done.all()
            );
        }
        assert!(!done.text().contains("in\n"), "{connect} was let in");
    }
    // The same where a shell is asked for, in a terminal.
    let tty =
        sallyport_tests::harness::Tty::start(gateway.ssh("alice+nowhere").terminal(""), 80, 24);
    tty.wait_for("no access policy lets you reach nowhere", SOON);
    tty.wait_closed(SOON);
    let dave = gateway
        .ssh("dave+web")
        .password_of("dave")
        .exec("echo in")
        .failed();
    assert!(
        dave.all().contains("no access policy lets you reach web"),
        "{}",
        dave.all()
    );
}

#[test]
fn who_names_no_host_waits_in_the_lobby_and_not_for_ever() {
    let gateway = Gateway::builder()
        .config("[limits]\nlogin_grace = \"1s\"\nlobby_idle = \"3s\"\n")
        .start();
    let mut waiting = gateway.ssh("alice").program("ssh");
    waiting.args(["-N", "127.0.0.1"]);
    let shown_out = run(waiting, SOON).failed();
    assert!(
        shown_out.took >= Duration::from_secs(3),
        "the time to log in cut short who had logged in: {:?}",
        shown_out.took
    );
    assert!(
        shown_out
            .err
            .contains("no host was chosen within 3 seconds"),
        "{}",
        shown_out.err
    );
    assert!(gateway.newest_session(&gateway.api("bob"), "web").is_none());
}

#[test]
fn a_listed_choice_is_a_way_in() {
    let gateway = Gateway::start();
    let refused = gateway.ssh("alice+twoways").exec("true").failed().all();
    let choices: Vec<&str> = refused
        .split_whitespace()
        .filter(|word| word.starts_with("alice+") && word.contains("twoways-"))
        .collect();
    assert_eq!(choices.len(), 2, "{refused}");
    for choice in choices {
        assert_eq!(
            gateway.ssh(choice).exec("echo in").ok().text(),
            "in\n",
            "{choice}"
        );
    }
}

#[test]
fn odd_user_names_harm_nobody() {
    let gateway = Gateway::start();
    let long = format!("alice+web+{}", "x".repeat(5000));
    for name in [
        &b"\xff\xfe+web"[..],
        b"alice+\xc3\x28",
        b"+web",
        b"++",
        b"+",
        b"a+b+c+d+e+f",
        b"alice++web",
        long.as_bytes(),
    ] {
        let done = gateway
            .ssh("")
            .login_bytes(name)
            .limit(Duration::from_secs(20))
            .exec("echo in")
            .failed();
        assert!(!done.text().contains("in\n"), "{name:?} was let in");
    }
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let gateway = Gateway::start();
    let median = |user: &str| {
        let mut times = Vec::new();
        let mut words = String::new();
        for _ in 0..5 {
            let done = gateway
                .ssh(&format!("{user}+web"))
                .password("not the password")
                .exec("echo in")
                .failed();
            assert_eq!(done.code, 255);
            words = done.all().replace(user, "USER");
            times.push(done.took);
        }
        times.sort();
        (times[2], words)
    };
    let (wrong, wrong_words) = median("alice");
    let (unknown, unknown_words) = median("zacharias");
    assert_eq!(wrong_words, unknown_words);
    assert!(wrong_words.contains("Permission denied"), "{wrong_words}");
    let ratio = wrong.as_secs_f64() / unknown.as_secs_f64();
    assert!(
        (0.5..2.0).contains(&ratio),
        "{wrong:?} for a wrong password, {unknown:?} for an unknown user"
    );

    let stranger = gateway
        .ssh("alice+web")
        .key("stranger")
        .exec("echo in")
        .failed();
    assert!(
        stranger.err.contains("Permission denied"),
        "{}",
        stranger.err
    );

    // All of it is in the access log.
    let log = gateway
        .api("bob")
        .get("/api/v1/access-log?page_size=100")
        .expect(200)
        .json();
    let refused = |user: &str| {
        items(&log)
            .iter()
            .filter(|row| row["user"] == user && row["outcome"] == "refused")
            .count()
    };
    assert!(refused("alice") >= 5, "{log:#}");
    // An unknown user belongs to no scope: only the administrator of everything sees these.
    let log = gateway
        .api("admin")
        .get("/api/v1/access-log?page_size=100")
        .expect(200)
        .json();
    let unknown = items(&log)
        .iter()
        .filter(|row| row["user"] == "zacharias" && row["outcome"] == "refused")
        .count();
    assert!(unknown >= 5, "{log:#}");
}

#[test]
fn a_locked_user_is_told_so_and_only_the_right_one() {
    let gateway = Gateway::start();
    let live = gateway.shell("alice+web");
    run(
        gateway.cli("bob", &["users", "lock", "alice", "--reason", "test"]),
        SOON,
    )
    .ok();
    let done = gateway.ssh("alice+web").exec("echo in").failed();
    assert!(
        done.all().contains("your account is locked"),
        "{}",
        done.all()
    );
    let done = gateway
        .ssh("alice+web")
        .password("not the password")
        .exec("echo in")
        .failed();
    assert!(
        !done.all().contains("locked"),
        "a stranger learns that the user is locked: {}",
        done.all()
    );
    // What the user has open is frozen; each session is unlocked for itself.
    live.wait_screen("Account locked", SOON);
    run(gateway.cli("bob", &["users", "unlock", "alice"]), SOON).ok();
    gateway.ssh("alice+web").exec("true").ok();
}

#[test]
fn those_who_knock_and_say_nothing_or_nonsense_harm_nobody() {
    use std::io::Write;
    let gateway = Gateway::start();
    let knock = || std::net::TcpStream::connect(("127.0.0.1", gateway.ssh_port)).unwrap();
    let silent: Vec<_> = (0..30).map(|_| knock()).collect();
    for start in [
        &b""[..],
        b"SSH-2.0-noise\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-1.5-old\r\n",
    ] {
        let mut socket = knock();
        let _ = socket.write_all(start);
        let _ = socket.write_all(&super::noise(200_000, 11));
    }
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
    drop(silent);
}
