use super::*;

fn surveyed(host: Host, accounts: &[(&str, bool)]) -> SurveyedHost {
    let accounts = accounts.iter();
    SurveyedHost {
        host,
        barred: false,
        accounts: accounts
            .map(|(name, secret)| ((*name).to_owned(), *secret))
            .collect(),
    }
}

/// Alice's world of [`snapshot`], with a second host that no policy names.
fn survey() -> Survey {
    let other = Host {
        name: "Web-02".into(),
        friendly_name: String::new(),
        labels: BTreeMap::new(),
        ..host()
    };
    Survey {
        base: Snapshot {
            host: None,
            accounts: vec![],
            ..snapshot()
        },
        hosts: vec![
            surveyed(other, &[("deploy", true), ("root", true)]),
            surveyed(host(), &[("deploy", true), ("root", true)]),
        ],
    }
}

/// What [`evaluate`] needs for one of the hosts.
fn at(survey: &Survey, on: &SurveyedHost) -> Snapshot {
    let accounts = on.accounts.iter().enumerate();
    Snapshot {
        host: Some((noun(1), on.host.clone())),
        host_barred: on.barred,
        accounts: accounts
            .map(|(n, (name, secret))| (noun(10 + n as u128), account(name), *secret))
            .collect(),
        ..survey.base.clone()
    }
}

fn strings(survey: &Survey) -> Vec<String> {
    let offers = offers(survey, Protocol::Ssh).unwrap();
    offers
        .into_iter()
        .map(|offer| offer.connect_string)
        .collect()
}

#[test]
fn the_shortest_string_that_says_enough() {
    let mut survey = survey();
    assert_eq!(strings(&survey), ["alice+web-01"]);
    survey.base.rules_mut().policies[0]
        .activities
        .push("root shell".to_owned());
    assert_eq!(
        strings(&survey),
        ["alice+root_shell+web-01", "alice+shell+web-01"]
    );
    survey
        .base
        .rules_mut()
        .policies
        .push(policy("at night", &["alice"], &["shell"]));
    assert_eq!(
        strings(&survey),
        [
            "alice+root_shell+web-01",
            "alice+shell+web-01+at_night",
            "alice+shell+web-01+ops"
        ]
    );
    // A name that reads like another one with its spaces written as `_` is typed as it is.
    survey
        .base
        .rules_mut()
        .activities
        .extend([activity("root_shell", Protocol::Ssh, "root")]);
    survey.base.rules_mut().policies[0]
        .activities
        .push("root_shell".to_owned());
    assert_eq!(
        strings(&survey)[..2],
        ["alice+root shell+web-01", "alice+root_shell+web-01"]
    );
}

#[test]
fn hosts_are_sorted_whatever_their_case() {
    let mut survey = survey();
    survey.base.rules_mut().policies[0]
        .hosts
        .push("Web-02".to_owned());
    assert_eq!(strings(&survey), ["alice+web-01", "alice+Web-02"]);
}

#[test]
fn a_locked_user_gets_no_list() {
    let mut survey = survey();
    survey.base.user_locked = true;
    assert_eq!(offers(&survey, Protocol::Ssh), Err(Refusal::UserLocked));
}

fn any_survey() -> impl Strategy<Value = Survey> {
    let account = || {
        prop::sample::subsequence(vec!["deploy", "root"], 0..=2)
            .prop_flat_map(|names| {
                let secrets = prop::collection::vec(prop::bool::weighted(0.8), names.len());
                (Just(names), secrets)
            })
            .prop_map(|(names, secrets)| names.into_iter().zip(secrets).collect::<Vec<_>>())
    };
    let on = (
        account(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.5),
    );
    (
        prop::collection::vec(any_policy(), 0..5),
        prop::collection::vec(on, 2),
        any::<bool>(),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(policies, hosts, member, is_application)| {
            let mut survey = survey();
            survey.base.rules_mut().policies = policies;
            survey.base.is_application = is_application;
            if !member {
                survey.base.groups.clear();
            }
            for (found, (accounts, barred, ssh, production)) in survey.hosts.iter_mut().zip(hosts) {
                let mut host = found.host.clone();
                host.name = host.name.to_lowercase();
                let env = if production { "prod" } else { "test" };
                host.labels.insert("env".into(), env.into());
                host.ssh = host.ssh.filter(|_| ssh);
                *found = surveyed(host, &accounts);
                found.barred = barred;
            }
            survey
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_list_and_the_decision_agree(survey in any_survey()) {
        let listed = offers(&survey, Protocol::Ssh).unwrap();
        let mut allowed_ways = 0;
        for on in &survey.hosts {
            let snapshot = at(&survey, on);
            for (activity, policy) in [("shell", "ops"), ("shell", "night"), ("root shell", "ops"),
                ("root shell", "night"), ("desktop", "ops"), ("desktop", "night"), ("gone", "ops")] {
                let said = || Some("said".to_owned());
                let request = Request {
                    host: on.host.name.clone(), notes: said(), ticket: said(), ..asking(activity, policy)
                };
                let offer = listed.iter().find(|offer| {
                    (offer.host.as_str(), offer.activity.as_str(), offer.policy.as_str())
                        == (on.host.name.as_str(), activity, policy)
                });
                match (evaluate(&snapshot, &request), offer) {
                    (Decision::Allow(permit), Some(offer)) => {
                        allowed_ways += 1;
                        prop_assert_eq!(&permit.account().name, &offer.account);
                        let silent = evaluate(&snapshot, &Request { notes: None, ticket: None, ..request.clone() });
                        let asks = matches!(silent, Decision::Deny(Refusal::NotesRequired { .. } | Refusal::TicketRequired));
                        prop_assert_eq!(asks, offer.needs_notes || offer.needs_ticket);
                        let string = connect_string::parse(&offer.connect_string).unwrap();
                        let again = Request { host: string.host.unwrap(), activity: string.activity, policy: string.policy, ..request };
                        let again = allowed(&snapshot, &again);
                        prop_assert_eq!((again.activity(), again.policy()), (activity, policy));
                    }
                    (Decision::Deny(_), None) => {}
                    (Decision::Allow(_), None) => prop_assert!(false, "{activity} under {policy} is not listed"),
                    (Decision::Deny(why), Some(_)) => prop_assert!(false, "{activity} under {policy} is listed: {why}"),
                }
            }
        }
        prop_assert_eq!(listed.len(), allowed_ways);
    }
}
