//! Targets that are not what they should be.

use std::sync::Arc;
use std::time::Duration;

use sallyport_tests::harness::{Gateway, HostSpec, Peer, PeerKind, Target, free_port};

use super::{events, items, text};

#[test]
fn the_first_key_is_pinned_and_another_one_is_blocked() {
    let target = Arc::new(Target::sshd());
    let gateway = Gateway::around(target.clone()).start();
    gateway.ssh("alice+web").exec("true").ok();
    gateway.ssh("alice+web").exec("true").ok();
    let admin = gateway.api("bob");
    let list = admin
        .get("/api/v1/sessions?host=web&sort=requested_at")
        .json();
    let pinned = |session: &serde_json::Value| {
        events(&admin, text(session, "id"))
            .iter()
            .filter(|event| event["kind"] == "host_key.pinned")
            .count()
    };
    assert_eq!(
        items(&list).iter().map(pinned).collect::<Vec<_>>(),
        [1, 0],
        "pinned at the first use only"
    );

    target.change_host_key();
    let refused = gateway.ssh("alice+web").exec("echo in").failed();
    assert!(
        refused.all().contains("host key of web has changed"),
        "{}",
        refused.all()
    );
    assert!(!refused.text().contains("in\n"));
    let session = gateway.session_with(&admin, "web", "Failed");
    let log = events(&admin, text(&session, "id"));
    assert!(
        log.iter().any(|event| event["kind"] == "host_key.mismatch"),
        "{log:#?}"
    );
    assert!(
        !log.iter().any(|event| event["kind"] == "secret.used"),
        "the credential went to a stranger: {log:#?}"
    );
    // The other hosts are pinned each for itself.
    gateway.ssh("alice+keyed").exec("true").ok();
}

#[test]
fn a_changed_key_is_blocked_logged_or_let_pass_as_declared() {
    let target = Target::shared();
    let rules = [
        ("block", None),
        ("log-and-allow", Some(true)),
        ("allow", Some(false)),
    ];
    let mut gateway = Gateway::builder();
    for (rule, _) in rules {
        let mut host = HostSpec::new(rule, target.port()).pinned(&target.other_key());
        host.host_keys.push_str(&format!(", on_mismatch: {rule}"));
        gateway = gateway.host(host);
    }
    let gateway = gateway.start();
    let admin = gateway.api("bob");
    for (rule, allowed) in rules {
        let done = gateway.ssh(&format!("alice+{rule}")).exec("echo in");
        assert_eq!(
            done.text(),
            if allowed.is_some() { "in\n" } else { "" },
            "{}",
            done.all()
        );
        let status = if allowed.is_some() {
            "Completed"
        } else {
            "Failed"
        };
        let session = gateway.session_with(&admin, rule, status);
        let log = events(&admin, text(&session, "id"));
        let logged = log
            .iter()
            .find(|event| event["kind"] == "host_key.mismatch");
        let said = logged.map(|event| event["detail"]["allowed"] == true);
        let expected = match allowed {
            None => Some(false),
            Some(true) => Some(true),
            Some(false) => None,
        };
        assert_eq!(said, expected, "{rule}: {log:#?}");
    }
}

#[test]
fn a_given_key_is_the_only_one_believed() {
    let target = Target::shared();
    let gateway = Gateway::builder()
        .host(HostSpec::new("pinned", target.port()).pinned(&target.host_key()))
        .host(HostSpec::new("mistaken", target.port()).pinned(&target.other_key()))
        .start();
    gateway.ssh("alice+pinned").exec("true").ok();
    let refused = gateway.ssh("alice+mistaken").exec("echo in").failed();
    assert!(
        refused.all().contains("host key of mistaken has changed"),
        "{}",
        refused.all()
    );
}

#[test]
fn every_bad_target_has_its_words() {
    let (silent, garbage, garbled, closing) = (
        Peer::start(PeerKind::Silent),
        Peer::start(PeerKind::Garbage),
        Peer::start(PeerKind::GarbageAfterBanner),
        Peer::start(PeerKind::Closing),
    );
    let gateway = Gateway::builder()
        .host(HostSpec::new("refusing", free_port()))
        .host(HostSpec::new("silent", silent.port()))
        .host(HostSpec::new("garbage", garbage.port()))
        .host(HostSpec::new("garbled", garbled.port()))
        .host(HostSpec::new("closing", closing.port()))
        .env("SALLYPORT_SSH_TARGET_TIMEOUT", "3s")
        .start();
    let admin = gateway.api("bob");
    for (host, words) in [
        ("refusing", "refusing could not be reached"),
        ("silent", "silent "),
        ("garbage", "garbage does not answer as an SSH server"),
        ("garbled", "garbled does not answer as an SSH server"),
        ("closing", "closing "),
        (
            "badcred",
            "badcred refused the stored credential of sptarget",
        ),
        (
            "nosecret",
            "there is no credential for sptarget on nosecret",
        ),
    ] {
        let done = gateway
            .ssh(&format!("alice+{host}"))
            .exec("echo in")
            .failed();
        assert!(
            done.all().contains(words),
            "{host}: {words:?} is not in {:?}",
            done.all()
        );
        assert!(
            done.took < Duration::from_secs(8),
            "{host}: only after {:?}",
            done.took
        );
        if host != "nosecret" {
            let session = gateway.session_with(&admin, host, "Failed");
            assert_eq!(text(&session, "state_class"), "failed");
            assert_eq!(
                text(&session, "close_code"),
                "connect_failed",
                "{session:#}"
            );
            assert!(!text(&session, "close_reason").is_empty());
            // Its key was pinned, though nobody got in.
            let log = events(&admin, text(&session, "id"));
            let pinned = log.iter().any(|event| event["kind"] == "host_key.pinned");
            assert_eq!(pinned, host == "badcred", "{host}: {log:#?}");
        }
    }
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}

#[test]
fn a_target_that_dies_ends_the_session_with_its_reason() {
    let target = Arc::new(Target::sshd());
    let gateway = Gateway::around(target.clone()).start();
    let tty = gateway.shell("alice+web");
    // What serves this connection is the parent of the shell.
    tty.line("kill -9 $PPID");
    tty.wait_closed(Duration::from_secs(10));
    let admin = gateway.api("bob");
    let session = sallyport_tests::harness::eventually(
        "the session has ended",
        Duration::from_secs(5),
        || {
            let now = gateway.newest_session(&admin, "web").unwrap();
            now["ended_at"].is_string().then_some(now)
        },
    );
    assert_eq!(text(&session, "close_code"), "target_closed", "{session:#}");
}
