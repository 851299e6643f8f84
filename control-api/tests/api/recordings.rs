//! What is made of recordings.

use crate::fixture::{World, everything};

#[test]
fn a_recording_is_downloaded_exported_and_verified() {
    let world = World::new();
    let carol = world.token("carol");
    let base = format!("/api/v1/recordings/{}", world.own.connection);
    let meta = world.client.get(&carol, &base).json();
    assert_eq!(
        (meta["state"].as_str(), meta["user"].as_str()),
        (Some("recording"), Some("alice"))
    );

    let tape = world.client.get(&carol, &format!("{base}/tape"));
    let on_disk = std::fs::read(world.tape_dir().join(meta["path"].as_str().unwrap())).unwrap();
    assert_eq!(tape.headers["content-length"], on_disk.len().to_string());
    assert_eq!(tape.text, String::from_utf8_lossy(&on_disk));

    let cast = world.client.get(&carol, &format!("{base}/export"));
    let first: serde_json::Value = serde_json::from_str(cast.text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["version"], &first["width"]),
        (&2.into(), &80.into())
    );
    assert!(cast.text.contains("welcome aboard"), "{}", cast.text);
    let text = world
        .client
        .get(&carol, &format!("{base}/export?format=text"));
    assert!(text.text.contains("welcome aboard"), "{}", text.text);
    assert_eq!(
        world
            .client
            .get(&carol, &format!("{base}/export?format=mp4"))
            .status,
        422
    );
    let answer = world
        .client
        .get(&carol, &format!("{base}/export?channel=7"));
    assert_eq!(answer.status, 422, "{}", answer.text);
    checked(&world, &carol, &base);
}

fn checked(world: &World, carol: &str, base: &str) {
    let report = world.client.get(carol, &format!("{base}/verify")).json();
    assert_eq!(
        (&report["whole"], &report["bad"]),
        (&false.into(), &serde_json::Value::Null),
        "still being written"
    );
    assert!(
        !report
            .to_string()
            .contains(world.tape_dir().to_str().unwrap()),
        "tells where it is on this machine"
    );

    let audit = world
        .runtime
        .block_on(world.store.list_audit(&everything(), &Default::default()))
        .unwrap();
    let actions: Vec<&str> = audit
        .items
        .iter()
        .map(|entry| entry.action.as_str())
        .collect();
    for action in [
        "recording.downloaded",
        "recording.exported",
        "recording.verified",
    ] {
        assert!(
            actions.contains(&action),
            "{action} is not on record: {actions:?}"
        );
    }
}

#[test]
fn a_tape_that_is_gone_is_not_found() {
    let world = World::new();
    let carol = world.token("carol");
    let base = format!("/api/v1/recordings/{}", world.own.connection);
    let path = world.client.get(&carol, &base).json()["path"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::remove_file(world.tape_dir().join(path)).unwrap();
    for (below, status) in [("/tape", 404), ("/export", 500), ("/verify", 500)] {
        let answer = world.client.get(&carol, &format!("{base}{below}"));
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.detail().contains("tapes"), "{}", answer.detail());
    }
}
