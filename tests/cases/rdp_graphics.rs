//! The graphics pipeline (MS-RDPEGFX): what the target draws reaches the client as it is, and the recorder can draw it too.

use std::path::Path;
use std::time::Duration;

use sallyport_recorder::Entry;
use sallyport_tests::harness::{
    Api, Gateway, Notepad, Picture, Rdp, RdpClient, RdpHost, Screen, Security, Shadow, Xrdp,
    entries, eventually, run, tapes, wait_until,
};
use serde_json::{Value, json};

use super::rdp_common::{PATIENCE, connection_password, desktop, ended, order, write};
use super::rdp_watching::{POINTER, from_png};
use super::{events, items, text};

/// What the codecs of the pipeline lose.
const LOST: f64 = 15.0;
/// More than the messages that open the pipeline.
const PICTURES: usize = 100_000;

/// Somebody's desktop through a gateway, in the middle of her work.
struct Working<'a> {
    gateway: &'a Gateway,
    admin: Api,
    session: Value,
    client: RdpClient,
    screen: Screen,
    notepad: Notepad,
    typed: String,
}

/// What the tape of a desktop tells.
struct Told {
    /// Bytes that the target sent besides fast-path updates.
    in_channels: usize,
    /// The sizes that the desktop had, in pixels.
    sizes: Vec<(u64, u64)>,
    /// The recorder's last picture.
    last: Picture,
}

impl<'a> Working<'a> {
    /// Connects to the host `desk` and types something; `target` tells of the desktop behind, when it is there.
    #[track_caller]
    fn start(
        gateway: &'a Gateway,
        client: Rdp,
        target: impl FnOnce() -> (Screen, Notepad),
    ) -> Self {
        let client = desktop(client);
        let (screen, notepad) = target();
        let admin = gateway.api("bob");
        let mut working = Self {
            session: gateway.session_with(&admin, "desk", "Logged In"),
            gateway,
            admin,
            client,
            screen,
            notepad,
            typed: String::new(),
        };
        working.write("before\n");
        working.client.wait_same(&working.screen, LOST, PATIENCE);
        working
    }

    /// Types on, and waits until it arrives.
    #[track_caller]
    fn write(&mut self, text: &str) {
        self.typed.push_str(text);
        write(&self.client, &self.screen, text);
        self.notepad.wait_typed(&self.typed, PATIENCE);
    }

    /// Locks it for a while in which both sides go on, and types again.
    #[track_caller]
    fn through_a_lock(&mut self) {
        let page = json!({ "title": "Maintenance window", "message": "Back in five minutes." });
        order(&self.admin, &self.session, "lock", page).expect(200);
        let covered = self.client.wait_says("Maintenance window", PATIENCE);
        // What is drawn behind the page does not come through it.
        let mut root = self.screen.program("xsetroot");
        root.args(["-solid", "#206040"]);
        run(root, PATIENCE).ok();
        self.client.display().type_text("while locked\n");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(self.client.screenshot().differing(&covered, 0.0), 0);
        order(&self.admin, &self.session, "unlock", json!({})).expect(200);
        self.client
            .wait_until("what was drawn meanwhile", PATIENCE, |picture| {
                picture.contains_color([0x20, 0x60, 0x40], LOST)
            });
        self.write("after\n");
    }

    /// Makes the client's window another size, and waits until the target's desktop follows and is shown.
    #[track_caller]
    fn resize(&mut self, width: usize, height: usize) {
        let window = self.client.window().unwrap();
        let mut resize = self.client.display().program("xdotool");
        resize.args([
            "windowsize",
            &window.id,
            &width.to_string(),
            &height.to_string(),
        ]);
        run(resize, PATIENCE).ok();
        wait_until("the target's desktop follows", PATIENCE, || {
            let now = self.screen.screenshot();
            (now.width, now.height) == (width, height)
        });
        // Until it has begun its new desktop, it takes no keys.
        self.client.wait_same(&self.screen, LOST, PATIENCE);
    }

    /// Waits until the client shows what the target does, and leaves; answers what was shown, and what the tape tells.
    #[track_caller]
    fn leave(mut self) -> (Picture, Told) {
        let shown = self.client.wait_same(&self.screen, LOST, PATIENCE);
        self.client.close();
        let session = ended(&self.admin, &self.session, PATIENCE);
        let updates = &session["meters"]["updates"]["max"];
        assert!(updates.as_f64() >= Some(1.0), "{session:#}");
        let all = events(&self.admin, text(&self.session, "id"));
        let sizes = all
            .iter()
            .filter(|event| event["kind"] == "desktop.shown")
            .map(|event| {
                let of = |side: &str| event["detail"][side].as_u64().unwrap();
                (of("width"), of("height"))
            });
        let told = Told {
            in_channels: in_channels(&tapes(self.gateway.data()).remove(0)),
            sizes: sizes.collect(),
            last: last_picture(self.gateway, &self.admin),
        };
        (shown, told)
    }
}

/// Bytes that the target sent besides fast-path updates.
fn in_channels(tape: &Path) -> usize {
    let sent = entries(tape).into_iter().map(|timed| match timed.entry {
        Entry::FromTarget { pdus } => {
            pdus.iter().take(1).filter(|first| **first == 3).count() * pdus.len()
        }
        _ => 0,
    });
    sent.sum()
}

/// The last picture of the only recording, when all of it has been drawn.
#[track_caller]
fn last_picture(gateway: &Gateway, admin: &Api) -> Picture {
    let list = admin.get("/api/v1/recordings").expect(200).json();
    let recording = text(&items(&list)[0], "id").to_owned();
    let last = eventually("the whole picture track", PATIENCE, || {
        let of = format!("/api/v1/recordings/{recording}/pictures/index");
        let index: Value = admin.get(&of).expect(200).json();
        (index["finished"] == true).then(|| format!("{}s", index["duration"]))
    });
    let file = gateway.dir().join("last.png");
    let name = file.to_str().unwrap();
    let export = ["recordings", "export", &recording, "--format", "png-at"];
    let words = [&export[..], &["--at", &last, "-o", name]].concat();
    run(gateway.cli("bob", &words), PATIENCE).ok();
    from_png(&file)
}

/// Works on a target that shows one size, through a lock; answers what the tape tells.
#[track_caller]
fn worked_on(shadow: &Shadow, how: &str) -> Told {
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", shadow.port()))
        .start();
    let client = gateway.xfreerdp("alice+desk").option(how).depth(32);
    let mut working = Working::start(&gateway, client, || {
        (shadow.display().screen(), shadow.notepad.clone())
    });
    let message = json!({ "text": "The backup begins at noon." });
    order(&working.admin, &working.session, "message", message).expect(200);
    let shown = working
        .client
        .wait_says("The backup begins at noon.", PATIENCE);
    working
        .client
        .wait_until("it goes away", PATIENCE, |picture| {
            picture.differing(&shown, LOST) > 0 && !picture.says("The backup")
        });
    working.through_a_lock();
    let (shown, told) = working.leave();
    assert_eq!(told.sizes, [(shown.width as u64, shown.height as u64)]);
    assert!(told.last.differing(&shown, LOST) <= POINTER);
    told
}

/// This server has no other codec for the pipeline than H.264, which the recorder could not draw.
#[test]
fn h264_is_negotiated_away_and_the_desktop_is_seen_all_the_same() {
    worked_on(&Shadow::start(), "/gfx:AVC444");
}

/// With `freerdp-shadow-cli3` in the path.
#[test]
#[ignore = "wants FreeRDP of Debian 13: `make test-wide`"]
fn newer_freerdp_graphics_pass_and_are_recorded_and_stand_still_under_a_lock() {
    let told = worked_on(&Shadow::builder().newer().start(), "/gfx:RFX");
    assert!(told.in_channels > PICTURES, "{} bytes", told.in_channels);
}

/// Works on a desktop that draws with progressive RemoteFX, through a lock, and makes it larger.
#[track_caller]
fn worked_and_resized(client: impl FnOnce(&Gateway) -> Rdp) {
    let xrdp = Xrdp::builder().newer().start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let client = client(&gateway).option("/gfx:RFX").depth(32);
    let client = client.option("/dynamic-resolution").screen(1400, 1000);
    let mut working = Working::start(&gateway, client, || {
        let session = xrdp.session(PATIENCE);
        (Screen::clone(&session), session.notepad.clone())
    });
    working.through_a_lock();
    // Not all of the lock's page has gone yet: asked for the screen again, this server leaves out what it has not changed.
    working.resize(1200, 900);
    working.write("wider\n");
    let (shown, told) = working.leave();
    assert_eq!((shown.width, shown.height), (1200, 900));
    assert_eq!(told.sizes, [(1024, 768), (1200, 900)]);
    assert!(told.last.differing(&shown, LOST) <= POINTER);
    assert!(told.in_channels > PICTURES, "{} bytes", told.in_channels);
}

#[test]
#[ignore = "wants xrdp of Debian 13: `make test-wide`"]
fn newer_xrdp_graphics_pass_and_are_recorded_and_resized() {
    worked_and_resized(|gateway| gateway.xfreerdp("alice+desk"));
}

/// With `xfreerdp3` in the path.
#[test]
#[ignore = "wants xrdp and FreeRDP of Debian 13: `make test-wide`"]
fn newer_xrdp_graphics_reach_a_newer_client_and_stand_still_under_a_lock() {
    worked_and_resized(|gateway| {
        let (login, password) = connection_password(gateway, json!({ "host": "desk" }));
        let client = Rdp::xfreerdp3(gateway.rdp_port).login(&login, &password);
        client.security(Security::Nla)
    });
}
