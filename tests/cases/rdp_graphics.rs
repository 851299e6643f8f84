//! The graphics pipeline (MS-RDPEGFX): what the target draws reaches the client as it is, and the recorder can draw it too.

use std::fs;

use sallyport_recorder::Entry;
use sallyport_tests::harness::{Gateway, RdpHost, Shadow, entries, eventually, run, tapes};
use serde_json::json;

use super::rdp_common::{PATIENCE, desktop, ended, order, write};
use super::rdp_watching::{POINTER, from_png};
use super::{events, text};

/// What the codecs of the pipeline lose.
const LOST: f64 = 15.0;
/// More than the messages that open the pipeline.
const PICTURES: usize = 100_000;

/// Works on a target, through a lock; answers how many bytes the target sent besides fast-path updates, and whether the
/// recorder's last picture is the target's.
fn worked_on(shadow: Shadow, how: &str) -> (usize, bool) {
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+shadow").option(how).depth(32));
    write(&client, shadow.display(), "before\n");
    shadow.notepad.wait_typed("before\n", PATIENCE);
    client.wait_same(shadow.display(), LOST, PATIENCE);
    let session = gateway.session_with(&admin, "shadow", "Logged In");
    let message = json!({ "text": "The backup begins at noon." });
    order(&admin, &session, "message", message).expect(200);
    client.wait_says("The backup begins at noon.", PATIENCE);
    let page = json!({ "title": "Maintenance window", "message": "Back in five minutes." });
    order(&admin, &session, "lock", page).expect(200);
    let covered = client.wait_says("Maintenance window", PATIENCE);
    // What is drawn behind the page does not come through it.
    let mut root = shadow.display().program("xsetroot");
    root.args(["-solid", "#206040"]);
    run(root, PATIENCE).ok();
    client.display().type_text("while locked\n");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(client.screenshot().differing(&covered, 0.0), 0);
    order(&admin, &session, "unlock", json!({})).expect(200);
    client.wait_until("what was drawn meanwhile", PATIENCE, |picture| {
        picture.contains_color([0x20, 0x60, 0x40], LOST)
    });
    write(&client, shadow.display(), "after\n");
    shadow.notepad.wait_typed("before\nafter\n", PATIENCE);
    let shown = client.wait_same(shadow.display(), LOST, PATIENCE);
    client.close();
    let session = ended(&admin, &session, PATIENCE);
    let updates = &session["meters"]["updates"]["max"];
    assert!(updates.as_f64() >= Some(1.0), "{session:#}");
    let all = events(&admin, text(&session, "id"));
    let shown_as = all
        .iter()
        .filter(|event| event["kind"] == "desktop.shown")
        .map(|event| (&event["detail"]["width"], &event["detail"]["height"]));
    let size = (&json!(shown.width), &json!(shown.height));
    assert_eq!(shown_as.collect::<Vec<_>>(), [size], "{all:#?}");

    let tape = tapes(gateway.data()).remove(0);
    let sent = entries(&tape).into_iter().map(|timed| match timed.entry {
        Entry::FromTarget { pdus } => {
            pdus.iter().take(1).filter(|first| **first == 3).count() * pdus.len()
        }
        _ => 0,
    });
    let sent = sent.sum();
    let list = admin.get("/api/v1/recordings").expect(200).json();
    let recording = text(&list["items"][0], "id").to_owned();
    let last = eventually("the whole picture track", PATIENCE, || {
        let of = format!("/api/v1/recordings/{recording}/pictures/index");
        let index: serde_json::Value = admin.get(&of).expect(200).json();
        (index["finished"] == true).then(|| format!("{}s", index["duration"]))
    });
    let file = gateway.dir().join("last.png");
    let name = file.to_str().unwrap();
    let words = [
        "recordings",
        "export",
        &recording,
        "--format",
        "png-at",
        "--at",
        &last,
        "-o",
        name,
    ];
    run(gateway.cli("bob", &words), PATIENCE).ok();
    assert!(fs::metadata(&file).is_ok());
    (sent, from_png(&file).differing(&shown, LOST) <= POINTER)
}

/// This server has no other codec for the pipeline than H.264, which the recorder could not draw.
#[test]
fn h264_is_negotiated_away_and_the_desktop_is_seen_all_the_same() {
    let (_, recorded) = worked_on(Shadow::start(), "/gfx:AVC444");
    assert!(recorded);
}

/// With `freerdp-shadow-cli3` in the path.
#[test]
#[ignore = "wants FreeRDP of Debian 13: `make test-wide`"]
fn newer_freerdp_graphics_pass_and_are_recorded_and_stand_still_under_a_lock() {
    let (sent, recorded) = worked_on(Shadow::builder().newer().start(), "/gfx:RFX");
    assert!(sent > PICTURES, "{sent} bytes in channels");
    assert!(recorded);
}
