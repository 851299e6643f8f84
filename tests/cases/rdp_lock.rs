//! Locked means frozen: nothing of the desktop is seen, nothing typed gets through, nothing is lost.

use std::fs;
use std::time::{Duration, Instant};

use sallyport_tests::harness::{Api, Gateway, NOTEPAD, Picture, RdpClient, RdpHost, Shadow, Xrdp};
use serde_json::{Value, json};

use super::rdp_common::{PATIENCE, desktop, order, show, write};
use super::text;

/// Around the gateway's pages.
const BACKDROP: [u8; 3] = [15, 23, 42];
/// Behind what is on them.
const CARD: [u8; 3] = [30, 41, 59];

/// Locks the newest session on `host` and answers it.
#[track_caller]
fn lock(gateway: &Gateway, api: &Api, host: &str) -> Value {
    let session = gateway.session_with(api, host, "Logged In");
    let body = json!({ "title": "Maintenance window", "message": "Back in five minutes." });
    order(api, &session, "lock", body).expect(200);
    session
}

#[track_caller]
fn unlock(api: &Api, session: &Value) {
    order(api, session, "unlock", json!({})).expect(200);
}

/// Waits until the page of the lock is shown, and nothing but that.
#[track_caller]
fn wait_covered(client: &mut RdpClient) -> Picture {
    client.wait_says("Maintenance window", PATIENCE);
    client.wait_says("Back in five minutes.", PATIENCE);
    client.wait_until("nothing else is shown", PATIENCE, |picture| {
        let plain = picture.rgb.chunks_exact(3).filter(|rgb| {
            // All but the letters and the bar above them.
            *rgb == BACKDROP || *rgb == CARD
        });
        plain.count() * 100 > picture.width * picture.height * 98
    })
}

#[test]
fn a_locked_desktop_is_covered_takes_no_keys_and_comes_back_as_it_was() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    write(&client, &target, "before\n");
    target.notepad.wait_typed("before\n", PATIENCE);
    // Held down when the lock comes, and let go meanwhile.
    client.display().hold("Shift_L");
    let session = lock(&gateway, &admin, "desk");
    wait_covered(&mut client);
    let shown = show(&admin, &session);
    assert_eq!(
        (text(&shown, "status"), &shown["locked"]),
        ("Locked", &json!(true))
    );
    client.display().release("Shift_L");
    client.display().type_text("while locked\n");
    client.display().click(NOTEPAD.0 + 50, NOTEPAD.1 + 50, 1);
    client.display().hold("Control_L");
    client.display().key("c");
    assert_eq!(
        client
            .screenshot()
            .differing(&wait_covered(&mut client), 0.0),
        0
    );
    client.display().release("Control_L");
    assert_eq!(target.notepad.typed(), "before\n");
    // What the target draws behind the cover is seen afterwards.
    let mut root = target.program("xsetroot");
    root.args(["-solid", "#206040"]);
    sallyport_tests::harness::run(root, PATIENCE).ok();

    unlock(&admin, &session);
    client.wait_same(&target, 0.0, PATIENCE);
    assert!(client.screenshot().contains_color([0x20, 0x60, 0x40], 0.0));
    assert_eq!(text(&show(&admin, &session), "status"), "Logged In");
    write(&client, &target, "after\n");
    target.notepad.wait_typed("before\nafter\n", PATIENCE);
    client.wait_same(&target, 0.0, PATIENCE);
}

/// Draws until there is a file.
const UNTIL_TOLD: &str = "xsetroot -solid '#203040'
exec xterm -geometry 100x40+40+40 -e sh -c 'n=0; while [ ! -e $HOME/stop ]; do n=$((n+1)); echo line $n of many; sleep 0.01; done; cat'
";

#[test]
fn a_lock_holds_for_as_long_as_it_lasts_whatever_the_target_draws() {
    let xrdp = Xrdp::builder().desktop(UNTIL_TOLD).start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    let session = lock(&gateway, &admin, "desk");
    let covered = wait_covered(&mut client);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        assert_eq!(client.screenshot().differing(&covered, 0.0), 0);
        std::thread::sleep(Duration::from_millis(300));
    }
    let drawn = target.screenshot();
    fs::write(xrdp.home().join("stop"), "").unwrap();
    target.settled(PATIENCE);
    unlock(&admin, &session);
    let picture = client.wait_same(&target, 0.0, PATIENCE);
    assert!(picture.differing(&drawn, 0.0) > 0, "it drew all the time");
}

#[test]
fn a_desktop_of_surface_commands_comes_back_as_well() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .start();
    let admin = gateway.api("bob");
    let mut client = desktop(gateway.xfreerdp("alice+shadow"));
    let session = lock(&gateway, &admin, "shadow");
    wait_covered(&mut client);
    client.display().type_text("while locked\n");
    unlock(&admin, &session);
    client.wait_desktop(PATIENCE);
    write(&client, shadow.display(), "after\n");
    shadow.notepad.wait_typed("after\n", PATIENCE);
    client.wait_same(shadow.display(), 15.0, PATIENCE);
}
