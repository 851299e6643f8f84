use proptest::prelude::*;

use super::*;

fn destination(text: &str) -> Result<Destination, BadDestination> {
    Destination::try_from(text.to_owned())
}

fn tcp(host: &str, port: u32) -> Endpoint {
    Endpoint::tcp(host, port).unwrap()
}

/// A pattern, what it matches, and what not.
type Case = (
    &'static str,
    &'static [(&'static str, u32)],
    &'static [(&'static str, u32)],
);

#[test]
fn patterns_cover_what_they_say_and_nothing_else() {
    let cases: [Case; 13] = [
        (
            "db:5432",
            &[("db", 5432), ("DB", 5432)],
            &[("db", 5433), ("db2", 5432), ("db.internal", 5432)],
        ),
        ("Db:5432", &[("db", 5432)], &[]),
        (
            "db-*.internal:5432",
            &[
                ("db-1.internal", 5432),
                ("db-.internal", 5432),
                ("db-a.b.internal", 5432),
            ],
            &[("db.internal", 5432), ("db-1.internal.evil", 5432)],
        ),
        (
            "*.a*b*.c:1",
            &[("x.ab.c", 1), ("x.a-b-.c", 1), (".ab.c", 1)],
            &[("x.ba.c", 1), ("x.ab.cc", 1)],
        ),
        (
            "*:443",
            &[
                ("anything", 443),
                ("10.1.2.3", 443),
                ("::1", 443),
                ("", 443),
            ],
            &[("anything", 444)],
        ),
        ("*:*", &[("x", 1), ("x", 65535), ("", 0)], &[]),
        (
            "10.0.0.0/8:443",
            &[("10.1.2.3", 443), ("::ffff:10.1.2.3", 443)],
            &[("11.1.2.3", 443), ("10.example.com", 443), ("10.1.2.3", 80)],
        ),
        (
            "10.0.0.5:22",
            &[("10.0.0.5", 22)],
            &[("10.0.0.6", 22), ("10.0.0.50", 22)],
        ),
        (
            "0.0.0.0/0:22",
            &[("1.2.3.4", 22)],
            &[("::1", 22), ("localhost", 22)],
        ),
        (
            "[::1]:22",
            &[("::1", 22), ("0:0:0:0:0:0:0:1", 22)],
            &[("::2", 22), ("127.0.0.1", 22)],
        ),
        (
            "[2001:db8::]/32:22",
            &[("2001:db8:1::9", 22)],
            &[("2001:db9::", 22)],
        ),
        (
            "localhost:8000-8999",
            &[("localhost", 8000), ("localhost", 8999)],
            &[
                ("localhost", 9000),
                ("localhost", 7999),
                ("localhost", 0),
                ("127.0.0.1", 8000),
            ],
        ),
        ("*.5a:1", &[("x.5a", 1)], &[("::5a", 1), ("1.2.3.5", 1)]),
    ];
    for (pattern, yes, no) in cases {
        let pattern = destination(pattern).unwrap();
        for (host, port) in yes {
            assert!(
                pattern.covers(&tcp(host, *port)),
                "{pattern} covers {host}:{port}"
            );
        }
        for (host, port) in no {
            assert!(
                !pattern.covers(&tcp(host, *port)),
                "{pattern} does not cover {host}:{port}"
            );
        }
        assert!(!pattern.covers(&Endpoint::unix("/run/x")));
    }
}

#[test]
fn paths_cannot_be_walked_around() {
    let pattern = destination("/run/*.sock").unwrap();
    for (path, covered) in [
        ("/run/a.sock", true),
        ("/run/user/1000/a.sock", true),
        ("/run/../etc/a.sock", false),
        ("/run//a.sock", false),
        ("/run/./a.sock", false),
        ("run/a.sock", false),
        ("/run/a.sock2", false),
        ("/srv/a.sock", false),
    ] {
        assert_eq!(pattern.covers(&Endpoint::unix(path)), covered, "{path}");
    }
    assert!(!pattern.covers(&tcp("/run/a.sock", 1)));
}

#[test]
fn what_is_no_destination_says_what_is_allowed() {
    for (text, problem) in [
        ("db", "no port"),
        ("", "no port"),
        ("db:", "port from 1 to 65535"),
        ("db:0", "no range"),
        ("db:70000", "port from 1 to 65535"),
        ("db:90-80", "no range"),
        (":80", "no host"),
        ("10.*:80", "10.0.0.0/8"),
        ("10.0.0.0/33:80", "too long"),
        ("10.0.0.0/x:80", "no length"),
        ("db/8:80", "no IP address"),
        ("::1:22", "brackets"),
        ("[::1:22", "bracket is not closed"),
        ("a b:22", "no host name"),
        ("/run/../x", "dotted"),
    ] {
        let refused = destination(text).unwrap_err().to_string();
        assert!(refused.contains(problem), "{text}: {refused}");
        assert!(refused.contains("db-*.internal:5432"), "{refused}");
    }
}

#[test]
fn it_is_written_as_it_was_read() {
    for text in ["db-*.internal:5432", "[::1]:22", "/run/*.sock", "*:1-2"] {
        let value = serde_json::to_value(destination(text).unwrap()).unwrap();
        assert_eq!(value, text);
        assert_eq!(
            serde_json::from_value::<Destination>(value)
                .unwrap()
                .to_string(),
            text
        );
    }
    assert_eq!(tcp("::1", 22).to_string(), "[::1]:22");
    assert_eq!(tcp("", 22).to_string(), "*:22");
    assert_eq!(Endpoint::tcp("x", 65536), None);
    assert_eq!(list(&[]), "none");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(pattern in "\\PC{0,20}(:[0-9*-]{0,6})?", host in "[a-f0-9:.*/\\PC]{0,20}", port in any::<u16>()) {
        if let Ok(pattern) = destination(&pattern) {
            pattern.covers(&tcp(&host, port.into()));
            pattern.covers(&Endpoint::unix(&host));
        }
    }

    #[test]
    fn stars_match_as_a_plain_search_does(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
    }
}

/// The same by trying everything.
fn slow(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
        ([first, rest @ ..], [byte, after @ ..]) => first == byte && slow(rest, after),
        (_, []) => false,
    }
}
