//! `kill -9`, restarts, SIGTERM: what the client saw is on the tape, and every session ends with its reason.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rand::Rng;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::event::Event;
use sallyport_recorder::{Record, TapeHeader, TapeReader, TapeWriter, recover, verify};
use sallyport_tests::harness::{
    Api, Daemon, Gateway, eventually, recorded_input, recorded_output, run, tapes, wait_until,
};
use serde_json::{Value, json};

use super::{SOON, events, items, text};

#[test]
fn nothing_the_client_saw_is_missing_after_kill_9() {
    let gateway = Gateway::start();
    let admin = || gateway.api("bob");
    for round in 0..6u32 {
        let seen = gateway.dir().join(format!("seen-{round}"));
        // A terminal floods without an end; a command stays below what is recorded in full.
        let mut client = match round % 2 {
            0 => gateway
                .ssh("alice+web")
                .terminal("stty -onlcr; seq 1 100000000"),
            _ => gateway
                .ssh("alice+web")
                .command("for i in $(seq 1 400); do seq $i 1 $((i+2000)); sleep 0.01; done"),
        };
        client
            .stdin(Stdio::null())
            .stdout(fs::File::create(&seen).unwrap())
            .stderr(Stdio::null());
        let mut client = Daemon::spawn(client);
        wait_until("output comes", SOON, || {
            fs::metadata(&seen).is_ok_and(|file| file.len() > 0)
        });
        let session = gateway.session_with(&admin(), "web", "Logged In");
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(20..900)));
        gateway.kill();
        client.wait(SOON).expect("the client notices");
        let seen = fs::read(&seen).unwrap();
        let tape = tapes(gateway.data()).pop().unwrap();
        let held = recorded_output(&tape);
        assert!(!seen.is_empty());
        assert!(
            held.starts_with(&seen),
            "round {round}: the client saw {} bytes, the tape holds {}, alike up to {}",
            seen.len(),
            held.len(),
            seen.iter().zip(&held).take_while(|(a, b)| a == b).count()
        );
        gateway.launch();
        let report = verify(&tape).unwrap();
        assert!(
            report.is_whole() && report.finished(),
            "the tape is finished at the next start: {report:?}"
        );
        assert!(
            recorded_output(&tape).starts_with(&seen),
            "finishing it must lose nothing"
        );
        let api = admin();
        let path = format!("/api/v1/sessions/{}", text(&session, "id"));
        let session = eventually("the lost session has ended", Duration::from_secs(5), || {
            let session = api.get(&path).expect(200).json();
            session["ended_at"].is_string().then_some(session)
        });
        assert_eq!(text(&session, "close_code"), "node_lost", "{session:#}");
        let log = events(&api, text(&session, "id"));
        assert!(
            log.iter()
                .any(|event| event["kind"] == "recording.recovered"),
            "{log:#?}"
        );
        let connection = settled(&api, &tape);
        assert!(
            connection["bytes_out"].as_u64() >= Some(seen.len() as u64),
            "{connection:#}"
        );
    }
    run(gateway.cli("admin", &["audit", "verify"]), SOON).ok();
}

/// The connection of a tape, and its recording, have an end; answers the connection.
#[track_caller]
fn settled(admin: &Api, tape: &Path) -> Value {
    let header = TapeReader::open(tape).unwrap().header().clone();
    let path = format!("/api/v1/sessions/{}/connections", header.session);
    let connections = admin.get(&path).expect(200).json();
    let id = header.connection.to_string();
    let connection = items(&connections).iter().find(|one| one["id"] == *id);
    let connection = connection.unwrap_or_else(|| panic!("{id} is not among {connections:#?}"));
    assert_eq!(connection["cause"], "node_lost", "{connection:#}");
    assert!(connection["closed_at"].is_string(), "{connection:#}");
    let recording = admin
        .get(&format!("/api/v1/recordings/{id}"))
        .expect(200)
        .json();
    assert_eq!(recording["state"], "recovered", "{recording:#}");
    connection.clone()
}

#[test]
fn a_tape_that_a_power_cut_took_is_written_off() {
    let gateway = Gateway::start();
    for left in [None, Some(0), Some(20)] {
        let client = gateway.shell("alice+web");
        let session = gateway.session_with(&gateway.api("bob"), "web", "Logged In");
        gateway.kill();
        client.wait_closed(SOON);
        let tape = tapes(gateway.data()).pop().unwrap();
        match left {
            None => fs::remove_file(&tape).unwrap(),
            Some(bytes) => fs::File::options()
                .write(true)
                .open(&tape)
                .and_then(|file| file.set_len(bytes))
                .unwrap(),
        }
        gateway.launch();
        let admin = gateway.api("bob");
        let id = tape.file_stem().unwrap().to_str().unwrap();
        let path = format!("/api/v1/recordings/{id}");
        let recording = admin.get(&path).expect(200).json();
        assert_eq!(recording["state"], "failed", "{left:?}: {recording:#}");
        let log = events(&admin, text(&session, "id"));
        let failed = log
            .iter()
            .filter(|event| event["kind"] == "recording.failed");
        assert_eq!(failed.count(), 1, "{left:?}: {log:#?}");
        let path = format!("/api/v1/sessions/{}/connections", text(&session, "id"));
        let connections = admin.get(&path).expect(200).json();
        assert!(items(&connections)[0]["closed_at"].is_string());
    }
}

#[test]
fn a_start_leaves_alone_what_was_finished_whatever_became_of_it() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("echo evidence").ok();
    gateway.session_with(&gateway.api("bob"), "web", "Completed");
    let tape = tapes(gateway.data()).pop().unwrap();
    let path = format!(
        "/api/v1/recordings/{}",
        tape.file_stem().unwrap().to_str().unwrap()
    );
    let before = eventually("the recording is complete", SOON, || {
        let recording = gateway.api("bob").get(&path).expect(200).json();
        (recording["state"] == "complete").then_some(recording)
    });
    gateway.kill();
    // A hand in the file: finishing it anew would wipe the traces.
    let bytes = fs::metadata(&tape).unwrap().len() - 10;
    let file = fs::File::options().write(true).open(&tape).unwrap();
    file.set_len(bytes).unwrap();
    gateway.launch();
    assert_eq!(gateway.api("bob").get(&path).expect(200).json(), before);
    assert_eq!(fs::metadata(&tape).unwrap().len(), bytes);
    assert!(!verify(&tape).unwrap().finished(), "and everybody sees it");
}

#[test]
fn a_crash_between_file_and_store_is_put_in_order() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("true").ok();
    let mut flood = gateway.ssh("alice+web").command("cat /dev/zero");
    flood.stdout(Stdio::null()).stderr(Stdio::null());
    let flood = Daemon::spawn(flood);
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let written = tapes(gateway.data()).pop().unwrap();
    wait_until("it floods", SOON, || {
        fs::metadata(&written).is_ok_and(|file| file.len() > 1 << 20)
    });
    gateway.kill();
    drop(flood);

    // One tape was finished before the store heard of it, one begun, one both.
    recover(&written).unwrap();
    let session = text(&session, "id").parse().unwrap();
    let begin = |connection| {
        let header = TapeHeader::new(session, connection, chrono::Utc::now());
        TapeWriter::create(written.ancestors().nth(4).unwrap(), &header).unwrap()
    };
    let connection = "01a1ff00-0000-7000-8000-000000000001".parse().unwrap();
    let mut begun = begin(connection);
    let came = Event::ClientConnected {
        connection,
        source_ip: "192.0.2.7".to_owned(),
        client: "SSH-2.0-early".to_owned(),
        algorithms: Negotiated::default(),
    };
    begun.append(&[Record::Marker(&came)]).unwrap();
    let unfinished = begun.path().to_owned();
    drop(begun);
    let unheard_of = "01a1ff00-0000-7000-8000-000000000002";
    begin(unheard_of.parse().unwrap()).finish(None).unwrap();

    gateway.launch();
    settled(&admin, &written);
    let early = settled(&admin, &unfinished);
    assert_eq!(early["source_ip"], "192.0.2.7", "{early:#}");
    assert_eq!(early["client"], "SSH-2.0-early", "{early:#}");
    let recording = admin.get(&format!("/api/v1/recordings/{unheard_of}"));
    let recording = recording.expect(200).json();
    assert_eq!(recording["state"], "complete", "{recording:#}");
    assert!(recording["finished_at"].is_string(), "{recording:#}");
}

#[test]
fn an_api_session_survives_a_restart_and_still_has_its_deadline() {
    let gateway = Gateway::builder()
        .profile("{ name: brief, max_duration: 25s, recording: strict }")
        .host(
            sallyport_tests::harness::HostSpec::new(
                "brief",
                sallyport_tests::harness::Target::shared().port(),
            )
            .profiles(&["brief"]),
        )
        .start();
    let made = gateway
        .api("alice")
        .post("/api/v1/sessions", json!({ "host": "brief" }))
        .expect(201)
        .json();
    let session = made.get("session").unwrap_or(&made).clone();
    let end = super::time(&session, "scheduled_end");
    gateway.kill();
    gateway.launch();
    let admin = gateway.api("bob");
    let show = || {
        admin
            .get(&format!("/api/v1/sessions/{}", text(&session, "id")))
            .expect(200)
            .json()
    };
    assert_eq!(show()["status"], "Available");
    let live = gateway.shell("alice+brief");
    wait_until("it is the same session", SOON, || {
        show()["status"] == "Logged In"
    });
    assert_eq!(super::time(&show(), "scheduled_end"), end);
    live.wait_closed(Duration::from_secs(30));
    let late = (chrono::Utc::now() - end).num_milliseconds();
    assert!((-100..=1000).contains(&late), "cut {late} ms after the end");
}

#[test]
fn sigterm_tells_closes_and_finishes() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    tty.line("echo here-$((40+2))");
    tty.wait_screen("here-42", SOON);
    let mut flood = gateway.ssh("alice+effort").command("cat /dev/zero");
    flood
        .stdout(Stdio::null())
        .stderr(fs::File::create(gateway.dir().join("flood")).unwrap());
    let mut flood = Daemon::spawn(flood);
    gateway.session_with(&gateway.api("bob"), "effort", "Logged In");
    let took = gateway.terminate(Duration::from_secs(20));
    assert!(took < Duration::from_secs(15), "{took:?}");
    tty.wait_closed(SOON);
    assert!(
        tty.output().contains("The gateway is shutting down"),
        "{:?}",
        tty.output()
    );
    assert!(flood.wait(SOON).is_some_and(|status| !status.success()));
    assert!(
        fs::read_to_string(gateway.dir().join("flood"))
            .unwrap()
            .contains("shutting down")
    );
    for tape in tapes(gateway.data()) {
        let report = verify(&tape).unwrap();
        assert!(report.is_whole() && report.finished(), "{report:?}");
    }
    gateway.launch();
    for host in ["web", "effort"] {
        let session = gateway.newest_session(&gateway.api("bob"), host).unwrap();
        assert_eq!(text(&session, "close_code"), "drain", "{session:#}");
        assert!(session["ended_at"].is_string());
    }
}

#[test]
fn a_restart_keeps_keys_data_and_logins() {
    let gateway = Gateway::start();
    gateway.ssh("alice+web").exec("true").ok();
    let admin = gateway.api("bob");
    let sessions = admin.get("/api/v1/sessions").json()["total"].clone();
    gateway.terminate(SOON);
    gateway.launch();
    // The same host key: the client's known hosts, now strict, still fit.
    gateway
        .ssh("alice+web")
        .option("StrictHostKeyChecking=yes")
        .exec("true")
        .ok();
    assert_eq!(
        admin.get("/api/v1/sessions").expect(200).json()["total"].as_u64(),
        sessions.as_u64().map(|n| n + 1)
    );
}

#[test]
fn two_kills_in_a_row_are_as_good_as_one() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    tty.line("seq 1 2000");
    tty.wait_for("2000", SOON);
    gateway.kill();
    // Killed again while it starts.
    for pause in [15, 60, 120] {
        let mut again = gateway.program();
        again
            .args(["serve", "--config"])
            .arg(gateway.dir().join("sallyport.toml"))
            .arg("--data-dir")
            .arg(gateway.data());
        again.stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Daemon::spawn(again);
        std::thread::sleep(Duration::from_millis(pause));
        drop(daemon);
    }
    gateway.launch();
    let report = verify(&tapes(gateway.data()).pop().unwrap()).unwrap();
    assert!(report.is_whole() && report.finished(), "{report:?}");
    gateway.ssh("alice+web").exec("true").ok();
    run(gateway.cli("admin", &["audit", "verify"]), SOON).ok();
}

#[test]
fn nothing_the_target_got_is_missing_after_kill_9() {
    let gateway = Gateway::start();
    for round in 0..3 {
        let folder = gateway.target().folder();
        let got = folder.path().join("got");
        let mut client = gateway
            .ssh("alice+web")
            .command(&format!("cat >{}", got.display()));
        client
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut client = Daemon::spawn(client);
        let mut input = client.child().stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            // Stays below what is recorded in full.
            for line in 0..150_000u32 {
                if writeln!(input, "round {round} line {line}").is_err() {
                    return;
                }
                if line % 500 == 0 {
                    std::thread::sleep(Duration::from_millis(3));
                }
            }
        });
        wait_until("input arrives", SOON, || {
            fs::metadata(&got).is_ok_and(|file| file.len() > 0)
        });
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(10..500)));
        gateway.kill();
        client.wait(SOON).expect("the client notices");
        feeder.join().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let got = fs::read(&got).unwrap();
        let (held, masked) = recorded_input(&tapes(gateway.data()).pop().unwrap());
        assert_eq!(masked, 0, "a command's input is no password prompt");
        assert!(
            !got.is_empty() && held.starts_with(&got),
            "round {round}: the target got {} bytes, the tape holds {}",
            got.len(),
            held.len()
        );
        gateway.launch();
    }
}
