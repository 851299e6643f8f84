use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::declared::{
    AccountKind, HostKeys, HostKind, OnMismatch, RdpEndpoint, RecordingMode, SshEndpoint,
};
use crate::destination::{self, Destination, Endpoint};
use crate::right::Right;
use crate::scope::ScopePath;
use crate::span::Span;

mod offers;

/// One thing that is different.
type Change = Box<dyn FnOnce(&mut Snapshot)>;

fn scope(path: &str) -> ScopePath {
    ScopePath::try_from(path.to_owned()).unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn noun(n: u128) -> NounId {
    Uuid::from_u128(n).into()
}

fn host() -> Host {
    let ssh = SshEndpoint {
        port: 22,
        host_keys: HostKeys::FirstUse,
        on_mismatch: OnMismatch::Block,
        legacy_algorithms: Vec::new(),
    };
    Host {
        name: "web-01".into(),
        scope: scope("acme/berlin"),
        friendly_name: "Web front end".into(),
        address: "192.0.2.1".into(),
        kind: HostKind::Server,
        ssh: Some(ssh),
        rdp: Some(RdpEndpoint {
            port: 3389,
            certificate: "first-use".into(),
            on_mismatch: OnMismatch::Block,
        }),
        labels: [("env".to_owned(), "prod".to_owned())].into(),
    }
}

fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        host: "web-01".into(),
        kind: AccountKind::Managed,
        secret: None,
        owners: vec![],
    }
}

fn activity(name: &str, protocol: Protocol, account: &str) -> (String, Activity) {
    let rights = vec![Right::Shell, Right::Exec];
    (
        name.into(),
        Activity {
            name: name.into(),
            protocol,
            account: account.into(),
            rights,
            permit_open: None,
            permit_listen: None,
        },
    )
}

#[test]
fn forwards_lead_where_the_activity_says() {
    let place = |text: &str| Destination::try_from(text.to_owned()).unwrap();
    let inside = Endpoint::tcp("db.internal", 5432).unwrap();
    let outside = Endpoint::tcp("db.internal", 22).unwrap();
    let limited = || Some(vec![place("*.internal:5432")]);
    let both = [Right::LocalForward, Right::RemoteForward];
    for (rights, limits, in_, out) in [
        (&both[..], None, true, true),
        (&both[..], limited(), true, false),
        (&both[..], Some(vec![]), false, false),
        (&[], None, false, false),
        (&[], limited(), false, false),
    ] {
        let mut snapshot = snapshot();
        let shell = snapshot.rules_mut().activities.get_mut("shell").unwrap();
        shell.rights = rights.to_vec();
        (shell.permit_open, shell.permit_listen) = (limits.clone(), limits.clone());
        let Decision::Allow(permit) = evaluate(&snapshot, &request()) else {
            panic!("the activity itself is allowed");
        };
        for (endpoint, allowed) in [(&inside, in_), (&outside, out)] {
            let (open, listen) = (permit.may_open(endpoint), permit.may_listen(endpoint));
            assert_eq!(
                (open.is_ok(), listen.is_ok()),
                (allowed, allowed),
                "{limits:?}"
            );
            if let (Some(limits), Err(refusal), false) = (&limits, open, rights.is_empty()) {
                let text = refusal.to_string();
                assert!(text.ends_with(&destination::list(limits)), "{text}");
            }
        }
    }
}

fn profile(name: &str, require: Vec<Requirement>) -> (String, ConnectionProfile) {
    let profile = ConnectionProfile {
        name: name.into(),
        max_duration: Span::from_minutes(60),
        idle_timeout: None,
        end_notice: vec![],
        extension: None,
        recording: RecordingMode::Strict,
        keystrokes: false,
        require,
    };
    (name.into(), profile)
}

fn policy(name: &str, users: &[&str], activities: &[&str]) -> AccessPolicy {
    AccessPolicy {
        name: name.into(),
        scope: scope("acme"),
        users: names(users),
        groups: vec![],
        applications: vec![],
        hosts: names(&["web-01"]),
        host_labels: BTreeMap::new(),
        activities: names(activities),
        connection_profile: "standard".into(),
    }
}

/// Alice, an operator, at web-01, where she may do `shell` under the policy `ops`.
fn snapshot() -> Snapshot {
    Snapshot {
        user: "alice".into(),
        is_application: false,
        user_locked: false,
        host_barred: false,
        groups: names(&["operators"]),
        host: Some((noun(1), host())),
        accounts: vec![
            (noun(2), account("deploy"), true),
            (noun(3), account("root"), true),
        ],
        asked_ahead: false,
        rules: Arc::new(rules()),
    }
}

impl Snapshot {
    fn rules_mut(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }
}

fn rules() -> Rules {
    Rules {
        policies: vec![policy("ops", &["alice"], &["shell"])],
        activities: [
            activity("shell", Protocol::Ssh, "deploy"),
            activity("root shell", Protocol::Ssh, "root"),
            activity("desktop", Protocol::Rdp, "deploy"),
        ]
        .into(),
        profiles: [
            profile("standard", vec![]),
            profile("noted", vec![Requirement::Notes]),
            profile("ticketed", vec![Requirement::Notes, Requirement::Ticket]),
        ]
        .into(),
    }
}

fn request() -> Request {
    Request {
        protocol: Protocol::Ssh,
        host: "web-01".into(),
        activity: None,
        account: None,
        policy: None,
        notes: None,
        ticket: None,
    }
}

fn asking(activity: &str, policy: &str) -> Request {
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Request {
        activity: said(activity),
        policy: said(policy),
        ..request()
    }
}

fn refusal(snapshot: &Snapshot, request: &Request) -> Refusal {
    match evaluate(snapshot, request) {
        Decision::Deny(refusal) => refusal,
        Decision::Allow(permit) => panic!("allowed: {permit:?}"),
    }
}

fn allowed(snapshot: &Snapshot, request: &Request) -> Permit {
    match evaluate(snapshot, request) {
        Decision::Allow(permit) => permit,
        Decision::Deny(refusal) => panic!("refused: {refusal:?}"),
    }
}

/// The snapshot with one thing changed.
fn but(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    let mut snapshot = snapshot();
    change(&mut snapshot);
    snapshot
}

fn change_host(snapshot: &mut Snapshot, change: impl FnOnce(&mut Host)) {
    if let Some((_, host)) = &mut snapshot.host {
        change(host);
    }
}

#[test]
fn a_permit_says_what_was_allowed() {
    let permit = allowed(&snapshot(), &request());
    assert_eq!(
        (
            permit.user(),
            permit.activity(),
            permit.policy(),
            permit.profile().name.as_str()
        ),
        ("alice", "shell", "ops", "standard")
    );
    assert_eq!((permit.host_id(), permit.account_id()), (noun(1), noun(2)));
    assert_eq!(
        (permit.host(), permit.account().name.as_str()),
        (&host(), "deploy")
    );
    assert_eq!(
        permit.right(Right::Shell).map(|granted| granted.right()),
        Ok(Right::Shell)
    );
    assert_eq!(
        permit.right(Right::Sftp).map(|granted| granted.right()),
        Err(Refusal::RightMissing {
            right: Right::Sftp,
            activity: "shell".into()
        })
    );
}

#[test]
fn whom_and_what_a_policy_reaches() {
    let cases: Vec<(&str, bool, Change)> = vec![
        ("by user", true, Box::new(|_| {})),
        (
            "by group",
            true,
            Box::new(|s| {
                s.rules_mut().policies[0].users.clear();
                s.rules_mut().policies[0].groups = names(&["admins", "operators"]);
            }),
        ),
        (
            "other group",
            false,
            Box::new(|s| {
                s.rules_mut().policies[0].users.clear();
                s.rules_mut().policies[0].groups = names(&["admins"]);
            }),
        ),
        (
            "other user",
            false,
            Box::new(|s| s.rules_mut().policies[0].users = names(&["bob"])),
        ),
        (
            "another case",
            false,
            Box::new(|s| s.rules_mut().policies[0].users = names(&["Alice"])),
        ),
        (
            "user named like an application",
            false,
            Box::new(|s| {
                s.rules_mut().policies[0].users.clear();
                s.rules_mut().policies[0].applications = names(&["alice"]);
            }),
        ),
        (
            "application",
            true,
            Box::new(|s| {
                s.is_application = true;
                s.rules_mut().policies[0].applications = names(&["alice"]);
            }),
        ),
        (
            "application named like a user",
            false,
            Box::new(|s| s.is_application = true),
        ),
        (
            "application in a group",
            false,
            Box::new(|s| {
                s.is_application = true;
                s.rules_mut().policies[0].groups = names(&["operators"]);
            }),
        ),
        (
            "scope of the host",
            true,
            Box::new(|s| s.rules_mut().policies[0].scope = scope("acme/berlin")),
        ),
        (
            "root scope",
            true,
            Box::new(|s| s.rules_mut().policies[0].scope = scope("")),
        ),
        (
            "sibling scope",
            false,
            Box::new(|s| s.rules_mut().policies[0].scope = scope("acme/paris")),
        ),
        (
            "scope below the host",
            false,
            Box::new(|s| s.rules_mut().policies[0].scope = scope("acme/berlin/a")),
        ),
        (
            "similar scope",
            false,
            Box::new(|s| s.rules_mut().policies[0].scope = scope("acme/ber")),
        ),
        (
            "other host",
            false,
            Box::new(|s| s.rules_mut().policies[0].hosts = names(&["web-02"])),
        ),
        (
            "no host and no label",
            false,
            Box::new(|s| s.rules_mut().policies[0].hosts.clear()),
        ),
        (
            "label",
            true,
            Box::new(|s| {
                s.rules_mut().policies[0].hosts.clear();
                s.rules_mut().policies[0].host_labels = [("env".into(), "prod".into())].into();
            }),
        ),
        (
            "other label value",
            false,
            Box::new(|s| {
                s.rules_mut().policies[0].hosts.clear();
                s.rules_mut().policies[0].host_labels = [("env".into(), "test".into())].into();
            }),
        ),
        (
            "one of two labels",
            false,
            Box::new(|s| {
                s.rules_mut().policies[0].hosts.clear();
                s.rules_mut().policies[0].host_labels =
                    [("env".into(), "prod".into()), ("tier".into(), "1".into())].into();
            }),
        ),
        (
            "label does not narrow the named hosts",
            true,
            Box::new(|s| {
                s.rules_mut().policies[0].host_labels = [("env".into(), "test".into())].into();
            }),
        ),
        (
            "unknown activity",
            false,
            Box::new(|s| s.rules_mut().policies[0].activities = names(&["gone"])),
        ),
        (
            "only another protocol",
            false,
            Box::new(|s| s.rules_mut().policies[0].activities = names(&["desktop"])),
        ),
        (
            "other protocol beside it",
            true,
            Box::new(|s| {
                s.rules_mut().policies[0].activities = names(&["desktop", "shell"]);
            }),
        ),
        (
            "named twice",
            true,
            Box::new(|s| s.rules_mut().policies[0].activities = names(&["shell", "shell"])),
        ),
        (
            "no policy",
            false,
            Box::new(|s| s.rules_mut().policies.clear()),
        ),
        ("no host", false, Box::new(|s| s.host = None)),
    ];
    for (what, reaches, change) in cases {
        let snapshot = but(change);
        if reaches {
            assert_eq!(allowed(&snapshot, &request()).activity(), "shell", "{what}");
        } else {
            let expected = Refusal::NoPolicy {
                host: "web-01".into(),
            };
            assert_eq!(refusal(&snapshot, &request()), expected, "{what}");
        }
    }
}

#[test]
fn conditions_in_their_order() {
    let missing = ("deploy".to_owned(), "web-01".to_owned());
    let cases: Vec<(Refusal, Request, Change)> = vec![
        (
            Refusal::UserLocked,
            request(),
            Box::new(|s| {
                s.user_locked = true;
                s.host_barred = true;
            }),
        ),
        (
            Refusal::UserLocked,
            request(),
            Box::new(|s| {
                s.user_locked = true;
                s.host = None;
            }),
        ),
        (
            Refusal::HostBarred {
                host: "web-01".into(),
            },
            request(),
            Box::new(|s| s.host_barred = true),
        ),
        (
            Refusal::PolicyIncomplete {
                policy: "ops".into(),
            },
            request(),
            Box::new(|s| {
                s.rules_mut().profiles.clear();
                s.accounts.clear();
            }),
        ),
        (
            Refusal::AccountMissing {
                account: missing.0.clone(),
                host: missing.1.clone(),
            },
            request(),
            Box::new(|s| drop(s.accounts.remove(0))),
        ),
        (
            Refusal::SecretMissing {
                account: missing.0,
                host: missing.1,
            },
            request(),
            Box::new(|s| s.accounts[0].2 = false),
        ),
        (
            Refusal::NotesRequired {
                example: "alice+shell+web-01++why".into(),
            },
            Request {
                notes: Some("  ".into()),
                ..request()
            },
            Box::new(|s| s.rules_mut().policies[0].connection_profile = "noted".into()),
        ),
        (
            Refusal::NotesRequired {
                example: "alice+shell+web-01+ops+why".into(),
            },
            asking("shell", "ops"),
            Box::new(|s| {
                s.rules_mut().policies[0].connection_profile = "ticketed".into();
                s.rules_mut()
                    .policies
                    .push(policy("second", &["alice"], &["shell"]));
            }),
        ),
        (
            Refusal::TicketRequired,
            Request {
                notes: Some("disk full".into()),
                ..request()
            },
            Box::new(|s| s.rules_mut().policies[0].connection_profile = "ticketed".into()),
        ),
        (
            Refusal::ProtocolNotServed {
                host: "web-01".into(),
                protocol: "ssh",
            },
            request(),
            Box::new(|s| change_host(s, |host| host.ssh = None)),
        ),
        (
            Refusal::ProtocolNotServed {
                host: "web-01".into(),
                protocol: "rdp",
            },
            Request {
                protocol: Protocol::Rdp,
                ..request()
            },
            Box::new(|s| {
                change_host(s, |host| host.rdp = None);
                s.rules_mut().policies[0].activities = names(&["shell", "desktop"]);
            }),
        ),
    ];
    for (expected, request, change) in cases {
        assert_eq!(refusal(&but(change), &request), expected);
    }
    let complete = Request {
        notes: Some("disk full".into()),
        ticket: Some("INC-1".into()),
        ..request()
    };
    let ticketed = but(|s| s.rules_mut().policies[0].connection_profile = "ticketed".into());
    assert_eq!(allowed(&ticketed, &complete).profile().name, "ticketed");
}

/// Three policies; `shell` under two of them.
fn several() -> Snapshot {
    but(|s| {
        s.rules_mut().policies = vec![
            policy("day shift", &["alice"], &["shell", "root shell", "desktop"]),
            policy("night", &["alice"], &["shell"]),
            policy("others", &["bob"], &["root shell"]),
        ];
    })
}

#[test]
fn an_account_narrows_the_choice_and_her_own_name_does_not() {
    let by = |account: &str| Request {
        account: Some(account.to_owned()),
        ..request()
    };
    let snapshot = but(|s| s.rules_mut().policies[0].activities = names(&["shell", "root shell"]));
    for (account, activity) in [("root", "root shell"), ("deploy", "shell")] {
        assert_eq!(allowed(&snapshot, &by(account)).activity(), activity);
    }
    assert_eq!(
        refusal(&snapshot, &by("oracle")),
        Refusal::NoSuchAccount {
            account: "oracle".into(),
            host: "web-01".into(),
            allowed: "deploy, root".into(),
        }
    );
    assert_eq!(
        refusal(&snapshot, &by("alice")),
        Refusal::Ambiguous {
            host: "web-01".into(),
            choices: "deploy+shell@web-01\nroot+root_shell@web-01".into(),
        }
    );
    // An account that is called like her is meant before everything else.
    let hers = but(|s| {
        s.rules_mut().policies[0].activities = names(&["shell", "own shell"]);
        s.rules_mut()
            .activities
            .extend([activity("own shell", Protocol::Ssh, "alice")]);
        s.accounts.push((noun(4), account("alice"), true));
    });
    assert_eq!(allowed(&hers, &by("alice")).account().name, "alice");
    // Whom no policy lets in learns no account names.
    let stranger = but(|s| s.rules_mut().policies.clear());
    assert_eq!(
        refusal(&stranger, &by("oracle")),
        Refusal::NoPolicy {
            host: "web-01".into()
        }
    );
    assert!(is_known(&snapshot, Protocol::Ssh) && !is_known(&stranger, Protocol::Ssh));
    let noted = but(|s| s.rules_mut().policies[0].connection_profile = "noted".into());
    assert_eq!(
        refusal(&noted, &by("alice")),
        Refusal::NotesRequired {
            example: "deploy+shell++why@web-01".into()
        }
    );
}

#[test]
fn several_ways_need_a_choice() {
    for (request, choices) in [
        (
            asking("", ""),
            "alice+shell+web-01+day_shift\nalice+root_shell+web-01\nalice+shell+web-01+night",
        ),
        (
            asking("shell", ""),
            "alice+shell+web-01+day_shift\nalice+shell+web-01+night",
        ),
        (
            asking("", "day shift"),
            "alice+shell+web-01+day_shift\nalice+root_shell+web-01",
        ),
    ] {
        let expected = Refusal::Ambiguous {
            host: "web-01".into(),
            choices: choices.into(),
        };
        assert_eq!(refusal(&several(), &request), expected);
        // Every line offered leads where it says.
        for line in choices.lines() {
            let chosen = connect_string::parse(line).unwrap();
            let request = Request {
                activity: chosen.activity,
                policy: chosen.policy,
                ..request.clone()
            };
            let permit = allowed(&several(), &request);
            let named = request.activity.map(|activity| activity.replace('_', " "));
            assert_eq!(Some(permit.activity().to_owned()), named, "{line}");
        }
    }
    for (activity, policy, got) in [
        ("root_shell", "", ("root shell", "day shift")),
        ("root shell", "", ("root shell", "day shift")),
        ("shell", "night", ("shell", "night")),
        ("", "night", ("shell", "night")),
        ("shell", "day_shift", ("shell", "day shift")),
    ] {
        let permit = allowed(&several(), &asking(activity, policy));
        assert_eq!((permit.activity(), permit.policy()), got);
    }
}

#[test]
fn what_is_not_among_the_ways_is_refused() {
    for activity in [
        "Shell",
        "desktop",
        "root-shell",
        "gone",
        "root__shell",
        "shel",
    ] {
        let expected = Refusal::NoSuchActivity {
            activity: activity.into(),
            host: "web-01".into(),
            allowed: "root shell, shell".into(),
        };
        assert_eq!(refusal(&several(), &asking(activity, "")), expected);
    }
    let none = Refusal::NoPolicy {
        host: "web-01".into(),
    };
    for (activity, policy) in [("shell", "others"), ("", "gone")] {
        let got = refusal(&several(), &asking(activity, policy));
        assert!(
            matches!(&got, Refusal::NoSuchPolicy { policy: named, .. } if named == policy),
            "{got:?}"
        );
    }
    // Who has no way at all does not learn what activities there are.
    let stranger = but(|s| s.rules_mut().policies.clear());
    assert_eq!(refusal(&stranger, &asking("shell", "")), none);
}

#[test]
fn an_exact_name_wins_over_one_with_a_space() {
    let both = but(|s| {
        s.rules_mut()
            .activities
            .extend([activity("root_shell", Protocol::Ssh, "root")]);
        s.rules_mut().policies[0].activities = names(&["root shell", "root_shell"]);
    });
    assert_eq!(
        allowed(&both, &asking("root_shell", "")).activity(),
        "root_shell"
    );
    assert_eq!(
        allowed(&both, &asking("root shell", "")).activity(),
        "root shell"
    );
}

fn any_of(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(list, 0..=list.len()).prop_map(|chosen| names(&chosen))
}

fn any_scope() -> impl Strategy<Value = ScopePath> {
    prop::sample::select(vec!["", "acme", "acme/berlin", "acme/paris"]).prop_map(scope)
}

fn any_policy() -> impl Strategy<Value = AccessPolicy> {
    (
        prop::sample::select(vec!["ops", "night"]),
        any_scope(),
        (
            any_of(&["alice", "bob"]),
            any_of(&["operators"]),
            any_of(&["alice", "robot"]),
        ),
        any_of(&["web-01", "web-02"]),
        prop::option::of(prop::sample::select(vec!["prod", "test"])),
        any_of(&["shell", "root shell", "desktop", "gone"]),
        prop::sample::select(vec!["standard", "noted", "gone"]),
    )
        .prop_map(
            |(name, scope, (users, groups, applications), hosts, env, activities, profile)| {
                AccessPolicy {
                    name: name.into(),
                    scope,
                    users,
                    groups,
                    applications,
                    hosts,
                    host_labels: env
                        .map(|env| ("env".into(), env.into()))
                        .into_iter()
                        .collect(),
                    activities,
                    connection_profile: profile.into(),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_permit_without_a_policy_that_says_so(
        policies in prop::collection::vec(any_policy(), 0..4),
        flags in prop::collection::vec(prop::bool::weighted(0.1), 3),
        member in any::<bool>(),
        asked in prop::option::of(prop::sample::select(vec!["shell", "root_shell", "desktop", "gone"])),
        under in prop::option::of(prop::sample::select(vec!["ops", "night"])),
        rdp in any::<bool>(),
    ) {
        let mut snapshot = snapshot();
        snapshot.rules_mut().policies = policies;
        (snapshot.user_locked, snapshot.host_barred, snapshot.is_application) =
            (flags[0], flags[1], flags[2]);
        if !member {
            snapshot.groups.clear();
        }
        let protocol = if rdp { Protocol::Rdp } else { Protocol::Ssh };
        let request = Request { protocol, ..asking(asked.unwrap_or(""), under.unwrap_or("")) };
        if let Decision::Allow(permit) = evaluate(&snapshot, &request) {
            prop_assert!(!snapshot.user_locked && !snapshot.host_barred);
            let says_so = |policy: &&AccessPolicy| {
                let person = policy.users.iter().any(|user| user == "alice")
                    || (member && policy.groups.iter().any(|group| group == "operators"));
                let robot = policy.applications.iter().any(|name| name == "alice");
                let label = policy.host_labels.get("env").is_some_and(|env| env == "prod");
                policy.name == permit.policy()
                    && (if snapshot.is_application { robot } else { person })
                    && policy.scope != scope("acme/paris")
                    && (label || policy.hosts.iter().any(|name| name == "web-01"))
                    && policy.activities.iter().any(|name| name == permit.activity())
                    && policy.connection_profile == permit.profile().name
            };
            prop_assert!(snapshot.rules.policies.iter().any(|policy| says_so(&policy)));
            prop_assert_eq!(snapshot.rules_mut().activities[permit.activity()].protocol, protocol);
            prop_assert_eq!(&snapshot.rules_mut().activities[permit.activity()].account, &permit.account().name);
            prop_assert!(asked.is_none_or(|asked| asked.replace('_', " ") == permit.activity()));
            prop_assert!(under.is_none_or(|under| under == permit.policy()));
        }
    }
}

#[test]
fn the_direction_of_files_is_limited_where_one_is_named() {
    use Right::{Download, Exec, Sftp, Upload};
    for (named, upload, download) in [
        (vec![Exec, Sftp], true, true),
        (vec![Sftp, Upload], true, false),
        (vec![Sftp, Download], false, true),
        (vec![Upload, Download], true, true),
    ] {
        let mut activity = activity("a", Protocol::Ssh, "root").1;
        activity.rights = named;
        let rights = super::rights(&activity);
        assert_eq!(rights.contains(&Upload), upload, "{:?}", activity.rights);
        assert_eq!(
            rights.contains(&Download),
            download,
            "{:?}",
            activity.rights
        );
    }
}
