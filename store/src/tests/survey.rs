use std::time::{Duration, Instant};

use sallyport_domain::declared::Protocol;
use sallyport_domain::policy::offers;
use serde_json::json;

use super::data::{apply_example, at, declaration, example};
use super::harness::{Bench, on_both};
use crate::{Author, Store};

on_both! {
    a_list_of_everything_a_user_may_do,
    five_thousand_hosts_are_listed_at_once,
}

async fn listed(store: &Store, user: &str) -> Vec<String> {
    let survey = store.policy_survey(user).await.unwrap();
    let offers = offers(&survey, Protocol::Ssh).unwrap();
    offers
        .into_iter()
        .map(|offer| offer.connect_string)
        .collect()
}

async fn a_list_of_everything_a_user_may_do(bench: Bench) {
    let (store, system) = (&bench.store, Author::system());
    apply_example(store).await;
    let all = ["alice+root-shell+web-01", "alice+shell+web-01"];
    assert_eq!(listed(store, "alice").await, all);
    assert!(listed(store, "bob").await.is_empty());
    assert!(listed(store, "nobody\0").await.is_empty());
    // A secret less is a way less.
    let without = json!({ "accounts": [{ "name": "root2", "host": "web-01" }],
        "activities": [{ "name": "root-shell", "protocol": "ssh", "account": "root2", "rights": ["shell"] }] });
    store
        .apply(&system, &declaration(without), false, at(1))
        .await
        .unwrap();
    // The other activity is still declared, so this one has to be named.
    assert_eq!(listed(store, "alice").await, ["alice+shell+web-01"]);
    let host = store.policy_snapshot("alice", "web-01").await.unwrap();
    let host = host.host.unwrap().0;
    for (barred, ways) in [(true, 0), (false, 1)] {
        store
            .bar_host(&system, "alice", host, barred, at(1))
            .await
            .unwrap();
        assert_eq!(listed(store, "alice").await.len(), ways);
    }
}

async fn five_thousand_hosts_are_listed_at_once(bench: Bench) {
    let store = &bench.store;
    let mut document = example();
    for number in 0..5000 {
        let name = format!("app-{number:04}");
        document["hosts"].as_array_mut().unwrap().push(json!({
            "name": name, "scope": "acme/berlin", "address": "192.0.2.1", "ssh": { "port": 22 },
            "labels": { "env": "prod", "row": number.to_string() }
        }));
        document["accounts"].as_array_mut().unwrap().push(json!({
            "name": "root", "host": name, "secret": { "password": { "value": "app-pass" } }
        }));
    }
    store
        .apply(&Author::system(), &declaration(document), false, at(0))
        .await
        .unwrap();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        let since = Instant::now();
        let survey = store.policy_survey("alice").await.unwrap();
        let read = since.elapsed();
        let offers = offers(&survey, Protocol::Ssh).unwrap();
        assert_eq!(offers.len(), 5002);
        times.push(since.elapsed());
        println!("read {read:?}, listed {:?}", since.elapsed() - read);
    }
    times.sort();
    // In an unoptimised build on a busy machine; queries for each host would take many seconds.
    assert!(times[0] < Duration::from_secs(1), "{times:?}");
}
