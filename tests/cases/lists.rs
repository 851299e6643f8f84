//! The list of sessions: who sees what, filters, sorting, pages, CSV; the access log.

use std::collections::BTreeSet;

use sallyport_tests::harness::{Api, Gateway};
use serde_json::Value;

use super::{items, text, time};

fn hosts(api: &Api, query: &str) -> Vec<String> {
    let list = api
        .get(&format!("/api/v1/sessions?{query}"))
        .expect(200)
        .json();
    items(&list)
        .iter()
        .map(|session| text(session, "host").to_owned())
        .collect()
}

/// A gateway with one ended session on each of web, effort, keyed, noted, and a live one on web.
fn busy() -> (Gateway, sallyport_tests::harness::Tty) {
    let gateway = Gateway::start();
    for connect in [
        "alice+web",
        "alice+effort",
        "alice+keyed",
        "alice+shell+noted++=cmd calc",
    ] {
        gateway.ssh(connect).exec("true").ok();
    }
    gateway.ssh("alice+badcred").exec("true").failed();
    let admin = gateway.api("bob");
    for (host, status) in [
        ("web", "Completed"),
        ("effort", "Completed"),
        ("keyed", "Completed"),
        ("noted", "Completed"),
        ("badcred", "Failed"),
    ] {
        gateway.session_with(&admin, host, status);
    }
    let live = gateway.shell("alice+web");
    gateway.session_with(&admin, "web", "Logged In");
    (gateway, live)
}

#[test]
fn filters_sorting_and_pages() {
    let (gateway, _live) = busy();
    let admin = gateway.api("bob");
    let set = |query: &str| hosts(&admin, query).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(hosts(&admin, "").len(), 6);
    assert_eq!(hosts(&admin, "status=Logged%20In"), ["web"]);
    assert_eq!(hosts(&admin, "class=active"), ["web"]);
    assert_eq!(hosts(&admin, "class=failed"), ["badcred"]);
    assert_eq!(hosts(&admin, "open=true"), ["web"]);
    assert_eq!(hosts(&admin, "host=web").len(), 2);
    assert_eq!(hosts(&admin, "activity=key-shell"), ["keyed"]);
    assert_eq!(hosts(&admin, "user=bob").len(), 0);
    assert_eq!(
        hosts(&admin, "user=alice&host=effort&status=Completed"),
        ["effort"]
    );
    for (q, found) in [
        ("KEYED", "keyed"),
        ("calc", "noted"),
        ("alice%40acme.example", "web"),
        ("Probe", "web"),
        ("spkeyed", "keyed"),
    ] {
        assert!(
            set(&format!("q={q}")).contains(found),
            "{q} does not find {found}"
        );
    }
    assert_eq!(set("q=key-shell").len(), 1);
    let id = text(&gateway.newest_session(&admin, "effort").unwrap(), "id").to_owned();
    assert_eq!(hosts(&admin, &format!("q={id}")), ["effort"]);
    assert_eq!(
        hosts(&admin, &format!("q={}", &id[24..])),
        ["effort"],
        "a part of the id is enough"
    );

    let up = hosts(&admin, "sort=host");
    let mut down = hosts(&admin, "sort=-host");
    assert!(up.is_sorted(), "{up:?}");
    down.reverse();
    assert_eq!(up.first(), down.first());
    // Two pages of three are the list of six.
    let pages: Vec<String> = (1..=2)
        .flat_map(|page| {
            hosts(
                &admin,
                &format!("sort=requested_at&page_size=3&page={page}"),
            )
        })
        .collect();
    assert_eq!(pages, hosts(&admin, "sort=requested_at"));
    let wide = admin
        .get("/api/v1/sessions?page_size=500")
        .expect(200)
        .json();
    assert_eq!(wide["page_size"], 100, "100 records a page at most");
    assert_eq!(wide["total"], 6);
    for wrong in [
        "sort=colour",
        "status=Sleeping",
        "colour=red",
        "from=yesterday",
    ] {
        let answer = admin.get(&format!("/api/v1/sessions?{wrong}")).expect(400);
        assert_eq!(answer.kind, "application/problem+json", "{wrong}");
    }
}

#[test]
fn a_range_takes_every_session_that_overlaps_it() {
    let (gateway, _live) = busy();
    let admin = gateway.api("bob");
    let first = gateway.newest_session(&admin, "effort").unwrap();
    let (begin, end) = (time(&first, "requested_at"), time(&first, "ended_at"));
    let stamp = |time: chrono::DateTime<chrono::Utc>| {
        time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    };
    let middle = begin + (end - begin) / 2;
    let inside = format!("from={}&to={}", stamp(middle), stamp(middle));
    assert_eq!(
        hosts(&admin, &inside),
        ["effort"],
        "begun before, ended after"
    );
    assert_eq!(hosts(&admin, "to=2001-01-01T00:00:00Z").len(), 0);
    let since = format!(
        "from={}",
        stamp(time(
            &gateway.newest_session(&admin, "web").unwrap(),
            "requested_at"
        ))
    );
    assert_eq!(hosts(&admin, &since), ["web"]);
}

#[test]
fn everybody_sees_what_is_his_to_see() {
    let (gateway, _live) = busy();
    let id = text(
        &gateway
            .newest_session(&gateway.api("bob"), "effort")
            .unwrap(),
        "id",
    )
    .to_owned();
    for (who, sees, one) in [
        ("admin", 6, 200),
        ("bob", 6, 200),
        ("carol", 6, 200),
        ("alice", 6, 200),
        // He owns the account on web only.
        ("dave", 2, 404),
        ("erin", 0, 404),
        ("frank", 0, 404),
        ("robot", 0, 404),
    ] {
        let api = gateway.api(who);
        let list = api.get("/api/v1/sessions").expect(200).json();
        assert_eq!(
            (list["total"].as_u64(), items(&list).len()),
            (Some(sees), sees as usize),
            "{who}"
        );
        for path in ["", "/events", "/connections"] {
            let answer = api.get(&format!("/api/v1/sessions/{id}{path}"));
            assert_eq!(answer.status, one, "{who} {path}: {}", answer.text());
        }
    }
}

#[test]
fn the_csv_is_the_list_and_safe_to_open() {
    let (gateway, _live) = busy();
    let admin = gateway.api("bob");
    let answer = admin.csv("/api/v1/sessions?sort=requested_at").expect(200);
    assert!(answer.kind.starts_with("text/csv"), "{}", answer.kind);
    let table = answer.text();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 7, "{table}");
    for column in [
        "id",
        "first_name",
        "last_name",
        "source_ip",
        "status",
        "close_reason",
        "duration_s",
        "notes",
    ] {
        assert!(
            lines[0].split(',').any(|name| name == column),
            "{column} is missing in {}",
            lines[0]
        );
    }
    assert!(
        !table.contains(",=cmd") && table.contains("'=cmd"),
        "a formula is not neutralised: {table}"
    );
    let chosen = admin
        .csv("/api/v1/sessions?status=Completed&columns=host,user&sort=host")
        .expect(200)
        .text();
    let chosen: Vec<&str> = chosen.lines().collect();
    assert_eq!(
        chosen,
        [
            "host,user",
            "effort,alice",
            "keyed,alice",
            "noted,alice",
            "web,alice"
        ]
    );
    let audit = gateway
        .api("carol")
        .get("/api/v1/audit?page_size=100")
        .json();
    let exports = items(&audit)
        .iter()
        .filter(|row| row["action"] == "list.exported")
        .count();
    assert_eq!(exports, 2, "each download is an act on record");
}

#[test]
fn the_access_log_has_logins_accepted_and_refused() {
    let (gateway, _live) = busy();
    gateway
        .ssh("alice+web")
        .password("wrong")
        .exec("true")
        .failed();
    let carol = gateway.api("carol");
    let rows = carol
        .get("/api/v1/access-log?page_size=100")
        .expect(200)
        .json();
    let count =
        |wanted: &dyn Fn(&Value) -> bool| items(&rows).iter().filter(|row| wanted(row)).count();
    assert!(
        count(&|row| row["user"] == "alice" && row["outcome"] == "accepted") >= 5,
        "{rows:#}"
    );
    assert!(
        count(&|row| row["user"] == "alice" && row["outcome"] == "refused") >= 1,
        "{rows:#}"
    );
    assert!(
        count(&|row| row["user"] == "carol" && row["outcome"] == "accepted") >= 1,
        "the console's too: {rows:#}"
    );
    assert!(
        items(&rows)
            .iter()
            .all(|row| row["source_ip"] == "127.0.0.1"),
        "{rows:#}"
    );
    carol.csv("/api/v1/access-log").expect(200);
    // Reading it takes a role.
    gateway.api("alice").get("/api/v1/access-log").expect(403);
}
