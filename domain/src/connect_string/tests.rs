use proptest::prelude::*;

use super::*;

type Parts = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn parts((user, activity, host, policy, notes): Parts) -> ConnectString {
    let said = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
    ConnectString {
        user: user.to_owned(),
        activity: said(activity),
        host: said(host),
        policy: said(policy),
        notes: said(notes),
    }
}

#[test]
fn what_is_a_connect_string() {
    for (text, expected) in [
        ("alice", ("alice", "", "", "", "")),
        ("alice+web-01", ("alice", "", "web-01", "", "")),
        ("alice+shell+web-01", ("alice", "shell", "web-01", "", "")),
        (
            "alice+root_shell+web-01",
            ("alice", "root_shell", "web-01", "", ""),
        ),
        (
            "alice+root shell+web-01",
            ("alice", "root shell", "web-01", "", ""),
        ),
        (
            "alice+shell+web-01+standard",
            ("alice", "shell", "web-01", "standard", ""),
        ),
        (
            "alice+shell+SQL1++Server Maintenance",
            ("alice", "shell", "SQL1", "", "Server Maintenance"),
        ),
        (
            "alice+shell+web-01+ops+why not",
            ("alice", "shell", "web-01", "ops", "why not"),
        ),
        ("alice+shell+web-01+", ("alice", "shell", "web-01", "", "")),
        ("alice+shell+web-01++", ("alice", "shell", "web-01", "", "")),
        ("ACME\\alice+web-01", ("ACME\\alice", "", "web-01", "", "")),
        ("\\alice+web-01", ("alice", "", "web-01", "", "")),
        (
            "\\ACME\\alice+web-01",
            ("ACME\\alice", "", "web-01", "", ""),
        ),
        (
            "alice@acme.example+web-01",
            ("alice@acme.example", "", "web-01", "", ""),
        ),
        (
            "alice@acme+shell+web.acme.example",
            ("alice@acme", "shell", "web.acme.example", "", ""),
        ),
        ("älice+wéb", ("älice", "", "wéb", "", "")),
        (
            "alice+a+192.0.2.7+p+INC-12: disk, full?",
            ("alice", "a", "192.0.2.7", "p", "INC-12: disk, full?"),
        ),
    ] {
        assert_eq!(parse(text), Ok(parts(expected)), "{text}");
    }
}

#[test]
fn what_is_none() {
    for (text, expected) in [
        ("", "the user is empty"),
        ("\\", "the user is empty"),
        (" ", "the user is empty"),
        ("+web-01", "the user is empty"),
        ("alice+", "the host is empty"),
        ("+", "the user is empty"),
        ("alice++web-01", "the activity is empty"),
        ("alice+shell+", "the host is empty"),
        ("alice+ +web-01", "the activity is empty"),
        ("alice+shell++ops", "the host is empty"),
        (
            "a+b+c+d+e+f",
            "it has more than five parts; notes may not contain `+`",
        ),
        (
            "+++++",
            "it has more than five parts; notes may not contain `+`",
        ),
        ("alice+web\n01", "it contains control characters"),
        ("ali\0ce", "it contains control characters"),
        ("alice+\u{1b}[2J", "it contains control characters"),
        ("alice+\u{9b}2J", "it contains control characters"),
    ] {
        let refused = parse(text);
        let Err(Refusal::BadConnectString { problem, given }) = refused else {
            panic!("{text:?}: {refused:?}");
        };
        assert_eq!(problem, expected, "{text:?}");
        assert!(!given.chars().any(char::is_control), "{given:?}");
    }
}

#[test]
fn the_longest_is_1024_bytes_and_a_refusal_shows_only_the_beginning() {
    assert!(parse(&"a".repeat(1024)).is_ok());
    let Err(Refusal::BadConnectString { given, .. }) = parse(&"a".repeat(1025)) else {
        panic!("too long, and accepted");
    };
    assert_eq!(given, format!("{}…", "a".repeat(80)));
}

#[test]
fn what_cannot_be_written_is_refused_when_read() {
    for parts in [
        parts(("alice", "shell", "", "", "")),
        parts(("alice", "", "web-01", "ops", "")),
        parts(("alice", "", "web-01", "", "why")),
    ] {
        assert!(parse(&render(&parts)).is_err(), "{parts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        user in "[a-zß@.-][a-z\\\\@. ]{0,20}",
        host in prop::option::of("[a-z0-9.-]{1,20}"),
        activity in prop::option::of("[a-z_ ]{0,10}[a-z]"),
        policy in prop::option::of("[a-z_ ]{0,10}[a-z]"),
        notes in prop::option::of("[a-z \\\\@:,]{0,30}[a-z]"),
    ) {
        let activity = activity.filter(|_| host.is_some());
        let policy = policy.filter(|_| activity.is_some());
        let notes = notes.filter(|_| activity.is_some());
        let parts = ConnectString { user, activity, host, policy, notes };
        prop_assert_eq!(parse(&render(&parts)), Ok(parts));
    }

    #[test]
    fn nothing_breaks_it(text in any::<String>()) {
        if let Ok(parts) = parse(&text) {
            prop_assert_eq!(parse(&render(&parts)), Ok(parts));
        }
    }
}

#[test]
fn what_is_a_user_name_behind_a_jump() {
    for (text, expected) in [
        ("root", ("root", "", "", "")),
        ("root+root_shell", ("root", "root_shell", "", "")),
        ("root+shell+ops", ("root", "shell", "ops", "")),
        ("root+shell++disk full", ("root", "shell", "", "disk full")),
        ("root+shell+ops+why", ("root", "shell", "ops", "why")),
        ("ACME\\root", ("ACME\\root", "", "", "")),
    ] {
        let (account, activity, policy, notes) = expected;
        let said = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
        let expected = InnerName {
            account: account.to_owned(),
            activity: said(activity),
            policy: said(policy),
            notes: said(notes),
        };
        assert_eq!(parse_inner(text).unwrap(), expected, "{text}");
        assert_eq!(render_inner(&expected), text);
    }
    for text in ["", " ", "+shell", "root+", "root+a+b+c+d", "ro\not"] {
        let refused = parse_inner(text).unwrap_err();
        assert_eq!(refused.code(), "bad_inner_name", "{text}");
    }
}
