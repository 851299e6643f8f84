//! Desktops in a browser: the npm client of RDCleanPath as it is published, and the page on which one watches.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sallyport_tests::harness::{
    Browser, Gateway, NOTEPAD, Notepad, Picture, RdpHost, Screen, Shadow, Xrdp, browser_modules,
    wait_until,
};
use serde_json::json;

use super::rdp_common::{PATIENCE, connection_password, desktop, ended, order, write};
use super::{SOON, text};

/// The npm client's canvas, in the shadow of its element.
const RENDERER: &str =
    "document.querySelector('iron-remote-desktop')?.shadowRoot?.querySelector('canvas')";
/// The canvas of the page on which one watches.
const WATCHED: &str = "document.getElementById('picture')";

/// A browser with the page of the npm client.
fn client(gateway: &Gateway) -> Browser {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let modules = browser_modules().join("@devolutions");
    let mut browser = Browser::start(gateway);
    for (name, folder) in [
        ("desktop.html", page.clone()),
        ("desktop.js", page),
        (
            "iron-remote-desktop.js",
            modules.join("iron-remote-desktop"),
        ),
        (
            "iron-remote-desktop-rdp.js",
            modules.join("iron-remote-desktop-rdp"),
        ),
    ] {
        let kind = if name.ends_with("html") {
            "text/html"
        } else {
            "text/javascript"
        };
        let content = fs::read(folder.join(name)).expect("`scripts/deps.sh test` puts it there");
        browser.offer(&format!("/browser-test/{name}"), kind, content);
    }
    browser.open("/browser-test/desktop.html");
    browser.wait("the page is ready", PATIENCE, "window.ready === true");
    browser
}

/// Enters with a ticket for a host.
fn enter(browser: &mut Browser, gateway: &Gateway, host: &str) {
    let (login, password) = connection_password(gateway, json!({ "host": host }));
    let ticket = json!(format!("{login}:{password}"));
    browser.tell(&format!("window.enter({ticket})"));
}

/// Waits until a canvas shows what the target's screen does, within that many percent.
#[track_caller]
fn wait_same(browser: &mut Browser, canvas: &str, target: &Screen, fuzz: f64) -> Picture {
    let mut last = None;
    wait_until("the page shows the target's screen", PATIENCE, || {
        let shown = browser.canvas(canvas);
        let same = shown
            .as_ref()
            .is_some_and(|shown| shown.differing(&target.screenshot(), fuzz) == 0);
        last = shown;
        same
    });
    last.unwrap()
}

/// Logs in, types and sees it.
fn works(host: &str, gateway: &Gateway, target: &mut dyn FnMut() -> (Screen, Notepad), fuzz: f64) {
    let admin = gateway.api("bob");
    let mut browser = client(gateway);
    enter(&mut browser, gateway, host);
    let (screen, notepad) = target();
    let before = wait_same(&mut browser, RENDERER, &screen, fuzz);
    let session = gateway.session_with(&admin, host, "Logged In");

    browser.click(NOTEPAD);
    wait_until("the target's pointer follows", PATIENCE, || {
        browser.move_to((NOTEPAD.0 + 1, NOTEPAD.1));
        browser.move_to(NOTEPAD);
        std::thread::sleep(Duration::from_millis(100));
        screen.pointer() == NOTEPAD
    });
    browser.type_text("typed in a browser 1\n");
    notepad.wait_typed("typed in a browser 1\n", PATIENCE);
    let after = wait_same(&mut browser, RENDERER, &screen, fuzz);
    assert!(after.differing(&before, 20.0) > 200, "nothing is written");
    // What the user sees of it, at the left upper corner of the page and in the same size.
    let page = browser.screenshot();
    let inside = |picture: &Picture| picture.crop(60..500, 60..300);
    assert!(
        inside(&page).differing(&inside(&after), fuzz) < 100,
        "it is not on the page"
    );

    order(&admin, &session, "terminate", json!({ "reason": "over" })).expect(200);
    browser.wait("the client is told", PATIENCE, "window.ended !== undefined");
    let session = ended(&admin, &session, SOON);
    assert_eq!(text(&session, "user"), "alice");
}

#[test]
fn the_npm_client_works_at_a_target_with_nla() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .start();
    let mut target = || (shadow.display().screen(), shadow.notepad.clone());
    works("shadow", &gateway, &mut target, 10.0);
}

#[test]
fn the_npm_client_works_at_xrdp() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let mut target = || {
        let session = xrdp.session(PATIENCE);
        ((*session).clone(), session.notepad.clone())
    };
    works("desk", &gateway, &mut target, 10.0);
}

#[test]
fn a_ticket_opens_once() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let (login, password) = connection_password(&gateway, json!({ "host": "desk" }));
    let ticket = json!(format!("{login}:{password}"));
    let mut browser = client(&gateway);
    browser.tell(&format!("window.enter({ticket})"));
    let again = format!("window.enter({ticket}).then(() => 'in', (error) => error.message)");
    let refused = browser.tell(&again);
    assert_ne!(refused, "in");
    assert!(refused.as_str().unwrap().contains("403"), "{refused}");
}

#[test]
fn the_page_shows_a_session_as_its_user_sees_it() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let mut user = desktop(gateway.xfreerdp("alice+desk"));
    let target = xrdp.session(PATIENCE);
    let session = gateway.session_with(&admin, "desk", "Logged In");
    let mut browser = Browser::start(&gateway);
    browser.open(&format!("/watch/{}", text(&session, "id")));
    let state = |name: &str| format!("document.body.dataset.state === '{name}'");
    browser.wait("it asks who is there", SOON, &state("login"));
    let password = json!(sallyport_tests::harness::passwords("bob"));
    browser.tell(&format!(
        "user.value = 'bob'; password.value = {password}; document.getElementById('login').requestSubmit()"
    ));
    browser.wait("it is live", PATIENCE, &state("live"));
    wait_same(&mut browser, WATCHED, &target, 0.0);
    user.wait_says("bob is now watching this session.", PATIENCE);

    write(&user, &target, "seen elsewhere\n");
    target.notepad.wait_typed("seen elsewhere\n", PATIENCE);
    let shown = wait_same(&mut browser, WATCHED, &target, 0.0);
    user.wait_until("the user sees the same", PATIENCE, |picture| {
        picture.differing(&shown, 0.0) == 0
    });
    let headline = browser.tell("document.getElementById('who').textContent");
    assert_eq!(headline, "alice on desk");

    let hidden = |name: &str| format!("document.getElementById('{name}').hidden");
    let lock = json!({ "title": "Halt", "message": "m" });
    order(&admin, &session, "lock", lock).expect(200);
    browser.wait("the cover is told", SOON, &format!("!{}", hidden("cover")));
    browser.wait("the lock is told", SOON, &format!("!{}", hidden("lock")));
    order(&admin, &session, "unlock", json!({})).expect(200);
    browser.wait("the cover is gone", SOON, &hidden("cover"));
    order(&admin, &session, "terminate", json!({ "reason": "over" })).expect(200);
    browser.wait("the end is told", SOON, &state("ended"));
    let notice = browser.tell("document.getElementById('notice').textContent");
    assert!(
        notice.as_str().unwrap().starts_with("No longer watching"),
        "{notice}"
    );
}
