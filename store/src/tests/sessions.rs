use futures::TryStreamExt;
use sallyport_domain::close::{CloseReason, DeadlineReason};
use sallyport_domain::event::{Event, Level};
use sallyport_domain::id::{ConnectionId, NodeId, SessionId};
use sallyport_domain::meters::{Meters, Spread};
use sallyport_domain::role::Role;
use sallyport_domain::session::Origin;
use sallyport_domain::status::{StateClass, Status};

use super::data::{apply_example, at, requested, session, update, viewer};
use super::harness::{Bench, on_both};
use crate::sql::new_id;
use crate::{
    Hint, ListQuery, NewConnection, NewRecording, NewSession, Passed, RecordingState, SessionType,
    SessionUpdate, Store, StoreError,
};

on_both! {
    a_session_comes_back_as_it_was_saved,
    lists_filter_sort_and_page,
    everyone_sees_what_is_theirs,
    events_are_numbered_without_holes,
    exactly_one_node_adopts_a_session,
    a_session_names_the_gateway_it_runs_through,
    sessions_can_be_entered_until_they_end,
    what_is_measured_of_connections_is_kept,
    connections_and_recordings_belong_to_sessions,
}

fn ended(new: &NewSession, status: Status, seconds: i64) -> SessionUpdate {
    let mut update = update(new, status);
    update.times.connected_at = Some(new.times.requested_at);
    update.times.ended_at = Some(at(seconds));
    update.close_reason = Some(CloseReason::Admin {
        by: "bob".to_owned(),
        reason: "maintenance".to_owned(),
    });
    update
}

async fn a_session_comes_back_as_it_was_saved(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[requested()]).await.unwrap();
    let again = store.insert_session(&new, &[]).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again:?}");

    let admin = viewer(store, "bob", Role::Admin, "acme").await;
    let row = store
        .session(&admin, &new.id.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.status, row.state_class, row.duration_s),
        (Status::Provisioning, StateClass::Active, None)
    );
    assert_eq!(row.service_url, "ssh://deploy@127.0.0.1:2200");
    assert_eq!(row.clone().running_for(at(65)).duration_s, Some(65));

    let mut change = update(&new, Status::Locked);
    change.times.provisioned_at = Some(at(1));
    change.times.connected_at = Some(at(2));
    change.times.scheduled_end = Some(at(3600));
    change.deadline_reason = Some(DeadlineReason::MaxDuration);
    change.locked = Some(("Stop".to_owned(), "Call 4711\0".to_owned()));
    change.last_access_at = Some(at(3));
    change.extensions_used = 2;
    change.client = Some("SSH-2.0-OpenSSH_9.9".to_owned());
    store
        .save_session(new.id, &change, &[(at(1), Event::Available {})])
        .await
        .unwrap();
    let stored = store.stored_session(new.id).await.unwrap().unwrap();
    change.locked = Some(("Stop".to_owned(), "Call 4711\u{fffd}".to_owned()));
    change.source_ip = Some("192.0.2.7".to_owned());
    assert_eq!(stored.state, change);
    let expected = NewSession {
        status: Status::Locked,
        machine: change.machine.clone(),
        times: change.times,
        deadline_reason: change.deadline_reason,
        ..new.clone()
    };
    assert_eq!(stored.session, expected);

    // What a later save leaves out of client and address stays; the lock goes.
    let last = ended(&new, Status::Canceled, 67);
    store.save_session(new.id, &last, &[]).await.unwrap();
    for q in ["openssh_9", "192.0.2.7", "canceled", "by administrator"] {
        let query = ListQuery {
            q: q.to_owned(),
            ..ListQuery::default()
        };
        let found = store.list_sessions(&admin, &query).await.unwrap();
        assert_eq!(found.total, 1, "{q}");
    }
    let row = store
        .session(&admin, &new.id.to_string().to_uppercase())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.client.as_str(), row.locked, row.lock_title.clone()),
        ("SSH-2.0-OpenSSH_9.9", false, None)
    );
    assert_eq!(
        row.close_reason.as_deref(),
        Some("Closed by administrator bob: maintenance")
    );
    assert_eq!(
        (row.close_code.as_deref(), row.duration_s),
        (Some("admin"), Some(67))
    );
    assert_eq!(
        store
            .stored_session(new.id)
            .await
            .unwrap()
            .unwrap()
            .state
            .close_reason,
        last.close_reason
    );
    let shown = serde_json::to_value(&row).unwrap();
    for name in [
        "id",
        "type",
        "status",
        "state_class",
        "user",
        "first_name",
        "last_name",
        "email",
        "identity_provider",
        "login_account",
        "host",
        "target_address",
        "target_port",
        "source_ip",
        "activity",
        "access_policy",
        "connection_profile",
        "requested_at",
        "provisioned_at",
        "connected_at",
        "scheduled_end",
        "disconnected_at",
        "ended_at",
        "duration_s",
        "close_reason",
        "locked",
        "deadline_reason",
        "recording_mode",
    ] {
        assert!(shown.get(name).is_some(), "{name}");
    }
    assert_eq!(
        (&shown["type"], &shown["requested_at"]),
        (&"PAM SSH".into(), &"2027-01-15T08:00:00Z".into())
    );

    let nobody: SessionId = new_id();
    let missing = store.save_session(nobody, &last, &[]).await.unwrap_err();
    assert!(matches!(
        missing,
        StoreError::NotFound {
            what: "session",
            ..
        }
    ));
}

/// Ten sessions, a minute apart; the even ones have ended after half a minute.
async fn ten(store: &Store) -> Vec<NewSession> {
    let mut all = Vec::new();
    for number in 0..10 {
        let mut new = session(store, number * 60).await;
        new.ticket = format!("T-{number}");
        store.insert_session(&new, &[]).await.unwrap();
        let end = if number % 2 == 0 {
            ended(&new, Status::Completed, number * 60 + 30)
        } else {
            update(&new, Status::LoggedIn)
        };
        store.save_session(new.id, &end, &[]).await.unwrap();
        all.push(new);
    }
    all
}

async fn lists_filter_sort_and_page(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let all = ten(store).await;
    let admin = viewer(store, "bob", Role::Admin, "").await;
    let number = |id: SessionId| all.iter().position(|new| new.id == id).unwrap();
    let q = |text: &str| ListQuery {
        q: text.to_owned(),
        sort: "requested_at".to_owned(),
        ..ListQuery::default()
    };
    let sorted = q("");
    for (query, expected) in [
        (
            ListQuery {
                page_size: 4,
                ..ListQuery::default()
            },
            vec![9, 8, 7, 6],
        ),
        (
            ListQuery {
                page_size: 4,
                page: 3,
                ..ListQuery::default()
            },
            vec![1, 0],
        ),
        (
            ListQuery {
                status: vec![Status::Completed, Status::Failed],
                ..sorted.clone()
            },
            vec![0, 2, 4, 6, 8],
        ),
        (
            ListQuery {
                class: vec![StateClass::Active],
                ..sorted.clone()
            },
            vec![1, 3, 5, 7, 9],
        ),
        (
            ListQuery {
                open: Some(false),
                ..sorted.clone()
            },
            vec![0, 2, 4, 6, 8],
        ),
        (
            ListQuery {
                user: Some("bob".to_owned()),
                ..sorted.clone()
            },
            vec![],
        ),
        (
            ListQuery {
                group: Some("operators".to_owned()),
                page_size: 2,
                ..sorted.clone()
            },
            vec![0, 1],
        ),
        (
            ListQuery {
                group: Some("nobody".to_owned()),
                ..sorted.clone()
            },
            vec![],
        ),
        (
            ListQuery {
                host: Some("WEB-01".to_owned()),
                activity: Some("shell".to_owned()),
                page_size: 1,
                ..sorted.clone()
            },
            vec![0],
        ),
        (
            ListQuery {
                kind: Some("PAM RDP".to_owned()),
                ..sorted.clone()
            },
            vec![],
        ),
        (
            ListQuery {
                account: Some("deploy".to_owned()),
                page_size: 1,
                ..sorted.clone()
            },
            vec![0],
        ),
        // Active at any time in the range: 4 ended inside it, 3 and 1 still run, 5 began at its end.
        (
            ListQuery {
                from: Some(at(265)),
                to: Some(at(300)),
                ..sorted.clone()
            },
            vec![1, 3, 4, 5],
        ),
        (q("t-7"), vec![7]),
        (q("maintenance"), vec![0, 2, 4, 6, 8]),
        (q("ALICE Archer"), (0..10).collect()),
        (q("logged in"), vec![1, 3, 5, 7, 9]),
        (q("_"), vec![]),
        (q(&all[4].id.to_string()[20..]), vec![4]),
        (
            ListQuery {
                sort: "-ended_at".to_owned(),
                page_size: 2,
                ..ListQuery::default()
            },
            vec![8, 6],
        ),
        (
            ListQuery {
                sort: "ended_at".to_owned(),
                page_size: 6,
                ..ListQuery::default()
            },
            vec![0, 2, 4, 6, 8, 1],
        ),
    ] {
        let page = store.list_sessions(&admin, &query).await.unwrap();
        let mut found: Vec<usize> = page.items.iter().map(|row| number(row.id)).collect();
        if query.sort == "ended_at" {
            found[5] = 1; // Those without an end come last, in the order of their ids.
        }
        assert_eq!(found, expected, "{query:?}");
        if query.page_size == 0 {
            assert_eq!(page.total as usize, expected.len(), "{query:?}");
        }
    }
    let big = ListQuery {
        page_size: 500,
        ..ListQuery::default()
    };
    assert_eq!(
        store.list_sessions(&admin, &big).await.unwrap().page_size,
        100
    );
    let wrong = ListQuery {
        sort: "machine".to_owned(),
        ..ListQuery::default()
    };
    let error = store
        .list_sessions(&admin, &wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot sort by `machine`; choose one of: requested_at, "),
        "{error}"
    );
    for export in [
        ListQuery {
            page_size: 2,
            ..ListQuery::default()
        },
        q("maintenance"),
    ] {
        let total = store.list_sessions(&admin, &export).await.unwrap().total;
        let rows: Vec<_> = store
            .export_sessions(&admin, &export)
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(rows.len() as u64, total, "an export has no pages");
    }
}

async fn everyone_sees_what_is_theirs(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let of_alice = session(store, 0).await;
    let mut of_bob = session(store, 1).await;
    of_bob.user = "bob".to_owned();
    let mut of_root = session(store, 2).await;
    of_root.user = "bob".to_owned();
    of_root.account_id = super::data::permit(store, "root-shell").await.account_id();
    for new in [&of_alice, &of_bob, &of_root] {
        store.insert_session(new, &[]).await.unwrap();
        let connection: ConnectionId = new_id();
        let (path, started_at) = ("2027/01/15/a.tape".to_owned(), at(0));
        store
            .insert_recording(&NewRecording {
                connection,
                session: new.id,
                path,
                started_at,
            })
            .await
            .unwrap();
    }
    for (name, role, scope, expected, recordings) in [
        ("alice", Role::User, "acme", [true, true, false], 0), // bob's as deploy, which she owns
        ("bob", Role::User, "acme", [false, true, true], 0),
        ("carol", Role::Auditor, "acme/berlin", [true, true, true], 3),
        ("carol", Role::Auditor, "acme_2", [false, false, false], 0),
        ("bob", Role::Admin, "acme_2", [false, true, true], 0),
        ("bob", Role::Admin, "", [true, true, true], 3),
        ("carol", Role::User, "", [false, false, false], 0),
    ] {
        let viewer = viewer(store, name, role, scope).await;
        for (new, sees) in [&of_alice, &of_bob, &of_root].into_iter().zip(expected) {
            let found = store.session(&viewer, &new.id.to_string()).await.unwrap();
            assert_eq!(found.is_some(), sees, "{name} {role} {scope}");
        }
        let count = expected.iter().filter(|sees| **sees).count() as u64;
        assert_eq!(
            store
                .list_sessions(&viewer, &ListQuery::default())
                .await
                .unwrap()
                .total,
            count
        );
        assert_eq!(
            store
                .recordings(&viewer, &ListQuery::default())
                .await
                .unwrap()
                .total,
            recordings,
            "{name} {role}"
        );
    }
    let admin = viewer(store, "bob", Role::Admin, "").await;
    for odd in ["", "nonsense", "'; DROP TABLE session; --", "\0"] {
        assert!(store.session(&admin, odd).await.unwrap().is_none());
    }
}

async fn events_are_numbered_without_holes(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store
        .insert_session(&new, &[requested(), (at(1), Event::Provisioned {})])
        .await
        .unwrap();
    let message = |text: String| {
        (
            at(2),
            Event::Messaged {
                by: "bob".to_owned(),
                text,
            },
        )
    };
    let writers = (0..6).map(|number| {
        let (store, id) = (store.clone(), new.id);
        let events = [
            message(format!("Hello {number}")),
            (at(3), Event::Available {}),
        ];
        tokio::spawn(async move { store.append_events(id, &events).await.unwrap() })
    });
    futures::future::join_all(writers)
        .await
        .into_iter()
        .for_each(Result::unwrap);
    store
        .append_events(new.id, &[message("nul \0 and 100% ünïcode".to_owned())])
        .await
        .unwrap();
    let all: Vec<_> = store
        .export_events(new.id, &ListQuery::default())
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        all.iter().map(|event| event.line).collect::<Vec<_>>(),
        (1..=15).collect::<Vec<_>>()
    );
    assert_eq!(all[0].detail["user"], "alice");
    assert_eq!(
        (all[0].level, all[0].kind.as_str()),
        (Level::Info, "session.requested")
    );
    for (query, total) in [
        (
            ListQuery {
                q: "hello".to_owned(),
                ..ListQuery::default()
            },
            6,
        ),
        (
            ListQuery {
                q: "100%".to_owned(),
                ..ListQuery::default()
            },
            1,
        ),
        (
            ListQuery {
                kind: Some("session.available".to_owned()),
                ..ListQuery::default()
            },
            6,
        ),
        (
            ListQuery {
                level: Some(Level::Warn),
                ..ListQuery::default()
            },
            0,
        ),
        (
            ListQuery {
                from: Some(at(3)),
                ..ListQuery::default()
            },
            6,
        ),
    ] {
        assert_eq!(
            store.session_events(new.id, &query).await.unwrap().total,
            total,
            "{query:?}"
        );
    }
    // Many at once go in several statements.
    let many: Vec<_> = (0..99).map(|n| message(format!("many {n}"))).collect();
    store.append_events(new.id, &many).await.unwrap();
    let all: Vec<_> = store
        .export_events(new.id, &ListQuery::default())
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let of_many = all.iter().filter(|event| event.message.contains("many"));
    let of_many: Vec<_> = of_many.map(|event| event.line).collect();
    assert_eq!(of_many, (16..=114).collect::<Vec<_>>());
    assert!(all[114 - 1].message.ends_with("many 98"));
    let nobody: SessionId = new_id();
    assert!(matches!(
        store.append_events(nobody, &[requested()]).await,
        Err(StoreError::NotFound { .. })
    ));
}

async fn exactly_one_node_adopts_a_session(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let mut new = session(store, 0).await;
    (new.node, new.origin) = (None, Origin::Api);
    let mut hints = store.hints();
    store.insert_session(&new, &[]).await.unwrap();
    assert_eq!(hints.recv().await.unwrap(), Hint::Unowned);
    assert_eq!(store.unowned_sessions().await.unwrap().len(), 1);
    let nodes: Vec<NodeId> = (0..6).map(|_| new_id()).collect();
    let tries = nodes.iter().map(|node| {
        let (store, id, node) = (store.clone(), new.id, *node);
        tokio::spawn(async move { store.adopt_session(id, node).await.unwrap() })
    });
    let won: Vec<bool> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = nodes[won.iter().position(|won| *won).unwrap()];
    assert!(store.unowned_sessions().await.unwrap().is_empty());
    let live = store.live_sessions(Some(winner)).await.unwrap();
    assert_eq!((live.len(), live[0].session.node), (1, Some(winner)));
    assert_eq!(store.live_sessions(None).await.unwrap().len(), 1);
    assert!(
        store
            .live_sessions(Some(new_id()))
            .await
            .unwrap()
            .is_empty()
    );
    store
        .save_session(new.id, &ended(&new, Status::Completed, 9), &[])
        .await
        .unwrap();
    assert!(store.live_sessions(None).await.unwrap().is_empty());
    store
        .register_node(winner, "gate-1", "berlin", at(0))
        .await
        .unwrap();
    store
        .register_node(winner, "gate-1", "berlin", at(1))
        .await
        .unwrap();
    store.heartbeat(winner, at(2)).await.unwrap();
    assert!(matches!(
        store.heartbeat(new_id(), at(2)).await,
        Err(StoreError::NotFound { what: "node", .. })
    ));
}

async fn a_session_names_the_gateway_it_runs_through(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let (first, second): (NodeId, NodeId) = (new_id(), new_id());
    for (node, name, group) in [(first, "gate-1", "berlin"), (second, "gate-2", "paris")] {
        store.register_node(node, name, group, at(0)).await.unwrap();
    }
    let mut made = session(store, 0).await;
    made.node = Some(first);
    store.insert_session(&made, &[]).await.unwrap();
    let mut adopted = session(store, 1).await;
    adopted.node = None;
    store.insert_session(&adopted, &[]).await.unwrap();
    let admin = viewer(store, "bob", Role::Admin, "").await;
    let gateway = async |new: &NewSession| {
        let row = store.session(&admin, &new.id.to_string()).await.unwrap();
        let row = row.unwrap();
        (row.node_name, row.gateway_group)
    };
    let of = |name: &str, group: &str| (name.to_owned(), group.to_owned());
    assert_eq!(gateway(&adopted).await, of("", ""));
    assert!(store.adopt_session(adopted.id, second).await.unwrap());
    assert_eq!(gateway(&adopted).await, of("gate-2", "paris"));
    // A gateway that is named anew does not change what was.
    store
        .register_node(first, "gate-9", "rome", at(5))
        .await
        .unwrap();
    assert_eq!(gateway(&made).await, of("gate-1", "berlin"));
    let query = ListQuery {
        sort: "-gateway_group".to_owned(),
        ..ListQuery::default()
    };
    let list = store.list_sessions(&admin, &query).await;
    let groups: Vec<_> = list
        .unwrap()
        .items
        .into_iter()
        .map(|row| row.gateway_group)
        .collect();
    assert_eq!(groups, ["paris", "berlin"]);
}

async fn sessions_can_be_entered_until_they_end(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let mut connect = session(store, 0).await;
    connect.status = Status::Available;
    store.insert_session(&connect, &[]).await.unwrap();
    let host = connect.host_id;
    let find = async |user: &str, activity: Option<&str>, now: i64| {
        store
            .enterable_session(user, host, activity, at(now))
            .await
            .unwrap()
            .map(|found| found.session.id)
    };
    assert_eq!(
        find("alice", None, 1).await,
        None,
        "made by connecting: only its own connection enters it"
    );
    let asked_ahead = async |user: &str, host: &str| {
        let snapshot = store.policy_snapshot(user, host).await.unwrap();
        snapshot.asked_ahead
    };
    assert!(!asked_ahead("alice", "web-01").await);
    let mut first = session(store, 1).await;
    let mut second = session(store, 2).await;
    for new in [&mut first, &mut second] {
        new.origin = Origin::Api;
        store.insert_session(new, &[]).await.unwrap();
    }
    assert!(asked_ahead("alice", "web-01").await);
    assert!(!asked_ahead("bob", "web-01").await && !asked_ahead("alice", "nowhere").await);
    let state = async |new: &NewSession, status: Status| {
        let mut state = update(new, status);
        state.times.scheduled_end = Some(at(100));
        store.save_session(new.id, &state, &[]).await.unwrap();
    };
    // A session is entered by the protocol that it was asked for.
    let mut desktop = session(store, 3).await;
    (desktop.origin, desktop.kind) = (Origin::Api, SessionType::PamRdp);
    store.insert_session(&desktop, &[]).await.unwrap();
    let by_rdp = store.enterable_rdp_session("alice", host, None, at(3));
    assert_eq!(by_rdp.await.unwrap().unwrap().session.id, desktop.id);
    assert_eq!(find("alice", None, 3).await, Some(second.id));
    state(&first, Status::LoggedIn).await;
    state(&second, Status::Locked).await;
    assert_eq!(
        find("alice", None, 50).await,
        Some(first.id),
        "rather one that can be entered"
    );
    state(&first, Status::Completed).await;
    assert_eq!(
        find("alice", Some("shell"), 50).await,
        Some(second.id),
        "the caller says that it is locked"
    );
    assert_eq!(find("alice", Some("root-shell"), 50).await, None);
    assert_eq!(find("bob", None, 50).await, None);
    assert_eq!(find("alice", None, 100).await, None, "its time is up");
}

fn passed(bytes_in: u64, bytes_out: u64) -> Passed {
    Passed {
        bytes_in,
        bytes_out,
        meters: None,
    }
}

async fn what_is_measured_of_connections_is_kept(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    let connection = |client: &str| NewConnection {
        id: new_id(),
        session: new.id,
        source_ip: "192.0.2.7".to_owned(),
        client: client.to_owned(),
        connected_at: at(1),
        tape: String::new(),
    };
    let (first, second) = (
        connection("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"),
        connection("SSH-2.0-PuTTY_Release_0.81"),
    );
    for one in [&first, &second] {
        store.insert_connection(one).await.unwrap();
    }
    let viewer = viewer(store, "bob", Role::Admin, "").await;
    let shown = async || {
        let id = new.id.to_string();
        store.session(&viewer, &id).await.unwrap().unwrap().meters
    };
    assert_eq!(shown().await, None);

    let meters = |rate: f64, seconds: f64, client: Option<f64>| Meters {
        bandwidth: Spread::of(rate, seconds),
        updates: Spread::of(rate / 8.0, seconds),
        client_round_trip: client.map(|time| Spread::of(time, seconds)),
        target_round_trip: Some(Spread::of(0.25, seconds)),
    };
    let measured = |rate, seconds, client| Passed {
        meters: Some(meters(rate, seconds, client)),
        ..passed(7, 8)
    };
    let far = measured(1000.0, 1.0, Some(120.5));
    let mut batch = store.batch();
    batch.measure_connection(first.id, &far).unwrap();
    batch.commit().await.unwrap();
    let found = store.connections(new.id).await.unwrap();
    let live = found.iter().find(|one| one.id == first.id).unwrap();
    assert_eq!(
        (live.bytes_in, live.bytes_out, live.closed_at),
        (7, 8, None)
    );
    assert_eq!(live.meters, far.meters);
    assert_eq!(live.client_os.as_deref(), Some("Linux/Debian"));

    // Whoever does not know them leaves them; nobody changes them afterwards.
    store
        .close_connection(first.id, at(5), "user", &passed(9, 9))
        .await
        .unwrap();
    let late = measured(9.0, 9.0, None);
    let mut batch = store.batch();
    batch.measure_connection(first.id, &late).unwrap();
    batch.commit().await.unwrap();
    let near = measured(0.0, 3.0, None);
    store
        .close_connection(second.id, at(6), "user", &near)
        .await
        .unwrap();
    let found = store.connections(new.id).await.unwrap();
    let of = |id| found.iter().find(|one| one.id == id).unwrap();
    assert_eq!(of(first.id).meters, far.meters);
    assert_eq!(of(first.id).bytes_in, 9);
    assert_eq!(of(second.id).meters, near.meters);
    assert_eq!(of(second.id).client_os, None);

    let all = shown().await.unwrap();
    let spread = |min, avg, max, seconds| Spread {
        min,
        avg,
        max,
        seconds,
    };
    assert_eq!(all.bandwidth, spread(0.0, 250.0, 1000.0, 4.0));
    assert_eq!(all.updates, spread(0.0, 31.25, 125.0, 4.0));
    assert_eq!(all.client_round_trip, Some(Spread::of(120.5, 1.0)));
    assert_eq!(all.target_round_trip, Some(Spread::of(0.25, 4.0)));
}

async fn connections_and_recordings_belong_to_sessions(bench: Bench) {
    let store = &bench.store;
    apply_example(store).await;
    let new = session(store, 0).await;
    store.insert_session(&new, &[]).await.unwrap();
    let connection = |session: SessionId| NewConnection {
        id: new_id(),
        session,
        source_ip: "192.0.2.7".to_owned(),
        client: "SSH-2.0-PuTTY\0".to_owned(),
        connected_at: at(1),
        tape: "2027/01/15/x.tape".to_owned(),
    };
    let stray = store
        .insert_connection(&connection(new_id()))
        .await
        .unwrap_err();
    assert!(matches!(stray, StoreError::Constraint { .. }), "{stray:?}");
    let made = connection(new.id);
    store.insert_connection(&made).await.unwrap();
    store
        .close_connection(made.id, at(5), "Closed by user", &passed(10, u64::MAX))
        .await
        .unwrap();
    store
        .close_connection(made.id, at(9), "too late", &passed(0, 0))
        .await
        .unwrap();
    let found = store.connections(new.id).await.unwrap();
    assert_eq!(
        (found.len(), found[0].closed_at, found[0].cause.as_deref()),
        (1, Some(at(5)), Some("Closed by user"))
    );
    assert_eq!(
        (found[0].bytes_in, found[0].bytes_out),
        (10, i64::MAX as u64)
    );

    let lost = connection(new.id);
    store.insert_connection(&lost).await.unwrap();
    for (node, at_time) in [
        (new_id(), at(7)),
        (new.node.unwrap(), at(8)),
        (new.node.unwrap(), at(9)),
    ] {
        store
            .close_lost_connections(node, at_time, "node_lost")
            .await
            .unwrap();
    }
    let found = store.connections(new.id).await.unwrap();
    let closed = |id| {
        let one = found.iter().find(|one| one.id == id).unwrap();
        (one.closed_at, one.cause.clone().unwrap())
    };
    assert_eq!(closed(lost.id), (Some(at(8)), "node_lost".to_owned()));
    assert_eq!(
        closed(made.id),
        (Some(at(5)), "Closed by user".to_owned()),
        "it was closed already"
    );

    let recording = NewRecording {
        connection: made.id,
        session: new.id,
        path: made.tape.clone(),
        started_at: at(1),
    };
    store.insert_recording(&recording).await.unwrap();
    assert!(matches!(
        store.insert_recording(&recording).await,
        Err(StoreError::Exists { .. })
    ));
    let node = new.node.unwrap();
    assert_eq!(
        store.unfinished_recordings(node).await.unwrap()[0].id,
        made.id
    );
    store
        .finish_recording(made.id, 4096, "abcd", RecordingState::Recovered, at(6))
        .await
        .unwrap();
    assert!(store.unfinished_recordings(node).await.unwrap().is_empty());
    let auditor = viewer(store, "carol", Role::Auditor, "acme").await;
    let row = store
        .recording(&auditor, &made.id.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.state, row.bytes, row.root.as_deref()),
        (RecordingState::Recovered, Some(4096), Some("abcd"))
    );
    assert_eq!(
        (row.user.as_str(), row.path.as_str(), row.finished_at),
        ("alice", "2027/01/15/x.tape", Some(at(6)))
    );
    let alice = viewer(store, "alice", Role::User, "acme").await;
    assert!(
        store
            .recording(&alice, &made.id.to_string())
            .await
            .unwrap()
            .is_none()
    );
    let missing = store
        .finish_recording(new_id(), 0, "", RecordingState::Failed, at(6))
        .await
        .unwrap_err();
    assert!(matches!(
        missing,
        StoreError::NotFound {
            what: "recording",
            ..
        }
    ));
}
