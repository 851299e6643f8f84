//! The waiting room: what an RDP client is shown as long as there is no target to show, and when
//! there will be none.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use sallyport_tests::harness::{
    Gateway, Peer, PeerKind, Rdp, RdpClient, RdpHost, Security, Xrdp, free_port, passwords,
    tcp_service, wait_until,
};

use super::rdp_common::{
    BUSY, CANCELLED, DENIED, DISCONNECTED, NO_PRIVILEGE, PATIENCE, access_log, desktop, ended,
    wait_nothing_open, write,
};
use super::text;

/// What the page says that asks once more.
const WRONG: &str = "That name and password do not go together.";

/// Types into the page that is shown.
fn answer(client: &RdpClient, text: &str) {
    // The keyboard belongs to the window below the pointer.
    client.display().move_to(5, 5);
    client.display().type_text(text);
}

#[test]
fn a_wrong_password_leads_to_a_page_that_takes_the_right_one() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let right = passwords("alice");
    let wrong = gateway.xfreerdp("").login("alice+desk", "wrong");
    let mut client = wrong.start();
    for words in ["Log in", "alice+desk", WRONG] {
        client.wait_says(words, PATIENCE);
    }
    answer(&client, "wrong again\n");
    // The same words once more, after another look.
    wait_until("it is on record", PATIENCE, || {
        access_log(&gateway.api("bob")).len() == 2
    });
    client.wait_says(WRONG, PATIENCE);
    assert!(client.alive());
    answer(&client, &format!("{right}\n"));
    client.wait_desktop(PATIENCE);
    let session = xrdp.session(PATIENCE);
    write(&client, &session, "in\n");
    session.notepad.wait_typed("in\n", PATIENCE);
    client.wait_same(&session, 0.0, PATIENCE);
    drop(client);

    // Whoever gives no password is asked for it.
    let client = Rdp::xfreerdp(gateway.rdp_port).login("alice+desk", "");
    let mut client = client.security(Security::Tls).depth(24).start();
    client.wait_says("Log in", PATIENCE);
    answer(&client, &format!("{right}\n"));
    client.wait_desktop(PATIENCE);

    let log = access_log(&gateway.api("bob"));
    let outcomes: Vec<_> = log
        .iter()
        .map(|one| (text(one, "outcome"), text(one, "code"), text(one, "user")))
        .collect();
    let refused = ("refused", "bad_credentials", "alice");
    let accepted = ("accepted", "", "alice");
    assert_eq!(outcomes, [refused, refused, accepted, accepted]);
}

#[test]
fn who_fails_too_often_or_gives_up_is_shown_out() {
    let gateway = Gateway::start();
    let mut client = gateway.xfreerdp("").login("alice", "wrong").start();
    client.wait_says(WRONG, PATIENCE);
    for n in 2..=6 {
        answer(&client, "wrong\n");
        wait_until("it is on record", PATIENCE, || {
            access_log(&gateway.api("bob")).len() == n
        });
    }
    assert_eq!(client.wait_exit(PATIENCE), DENIED, "{}", client.log());

    let mut client = gateway.xfreerdp("").login("alice", "wrong").start();
    client.wait_says(WRONG, PATIENCE);
    client.display().move_to(5, 5);
    client.display().key("Escape");
    assert_eq!(client.wait_exit(PATIENCE), CANCELLED, "{}", client.log());

    let mut client = gateway.xfreerdp("alice").start();
    client.wait_says("no access policy lets you reach any host", PATIENCE);
    answer(&client, "\n");
    assert_eq!(client.wait_exit(PATIENCE), DENIED, "{}", client.log());
    wait_nothing_open(&gateway, &gateway.api("bob"), &[]);
}

#[test]
fn a_bare_name_leads_to_a_list_of_hosts() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("accounts", free_port()))
        .rdp_host(RdpHost::new("dragonfly", xrdp.port()))
        .rdp_host(RdpHost::new("kiosk", free_port()).profiles(&["standard", "noted"]))
        .rdp_host(RdpHost::new("hidden", free_port()).profiles(&[]))
        .start();
    let mut client = gateway.xfreerdp("alice").start();
    client.wait_says("Where do you want to go?", PATIENCE);
    for line in [
        "accounts",
        "dragonfly",
        "kiosk-noted",
        "desktop as sptarget",
    ] {
        client.wait_says(line, PATIENCE);
    }
    let page = client.screenshot();
    // The hosts of SSH are not among them, nor is one that no policy names.
    assert!(!page.says("web") && !page.says("hidden"));
    answer(&client, "dra");
    client.wait_until("the list is shorter", PATIENCE, |page| {
        page.says("dragonfly") && !page.says("kiosk-noted")
    });
    answer(&client, "\n");
    client.wait_desktop(PATIENCE);
    let session = xrdp.session(PATIENCE);
    write(&client, &session, "chosen");
    session.notepad.wait_typed("chosen", PATIENCE);
    let admin = gateway.api("bob");
    let on_record = gateway.session_with(&admin, "dragonfly", "Logged In");
    assert_eq!(text(&on_record, "launch_point_id"), "menu");
    drop(client);

    let mut client = gateway.xfreerdp("alice").start();
    client.wait_says("Where do you want to go?", PATIENCE);
    client.display().move_to(5, 5);
    client.display().key("Escape");
    assert_eq!(client.wait_exit(PATIENCE), CANCELLED, "{}", client.log());
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);
}

#[test]
fn what_a_profile_requires_is_asked_for() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("diary", xrdp.port()).profiles(&["noted"]))
        .rdp_host(RdpHost::new("helpdesk", xrdp.port()).profiles(&["ticketed"]))
        .rdp_host(RdpHost::new("crossing", xrdp.port()).profiles(&["standard", "effort"]))
        .start();
    let admin = gateway.api("bob");
    let mut client = gateway.xfreerdp("alice+diary").start();
    client.wait_says("Why do you need diary?", PATIENCE);
    answer(&client, "\n");
    client.wait_says("please fill this in", PATIENCE);
    answer(&client, "Fixing: the printer\n");
    client.wait_desktop(PATIENCE);
    let session = gateway.session_with(&admin, "diary", "Logged In");
    assert_eq!(text(&session, "notes"), "Fixing: the printer");
    drop(client);

    let mut client = gateway.xfreerdp("alice+helpdesk").start();
    client.wait_says("Which ticket is helpdesk for?", PATIENCE);
    answer(&client, "INC-4711\n");
    client.wait_desktop(PATIENCE);
    let session = gateway.session_with(&admin, "helpdesk", "Logged In");
    assert_eq!(text(&session, "ticket"), "INC-4711");
    drop(client);

    // Two policies lead there: she chooses one.
    let mut client = gateway.xfreerdp("alice+crossing").start();
    for words in ["crossing-standard", "crossing-effort"] {
        client.wait_says(words, PATIENCE);
    }
    answer(&client, "effort\n");
    client.wait_desktop(PATIENCE);
    let session = gateway.session_with(&admin, "crossing", "Logged In");
    assert_eq!(text(&session, "connection_profile"), "effort");
    // Notes given ahead are not asked for.
    drop(client);
    drop(desktop(gateway.xfreerdp("alice#desktop#diary##because")));
    let session = gateway.newest_session(&admin, "diary").unwrap();
    assert_eq!(text(&session, "notes"), "because");
}

#[test]
fn every_refusal_is_a_page_with_its_reason() {
    let (silent, garbage, closing) = (
        Peer::start(PeerKind::Silent),
        Peer::start(PeerKind::Garbage),
        Peer::start(PeerKind::Closing),
    );
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("down", free_port()))
        .rdp_host(RdpHost::new("silent", silent.port()))
        .rdp_host(RdpHost::new("garbage", garbage.port()))
        .rdp_host(RdpHost::new("closing", closing.port()))
        .rdp_host(RdpHost::new("unnamed", free_port()).profiles(&[]))
        .env("SALLYPORT_SSH_TARGET_TIMEOUT", "3s")
        .start();
    let expected = [
        (
            "nowhere",
            "no access policy lets you reach nowhere",
            NO_PRIVILEGE,
        ),
        (
            "unnamed",
            "no access policy lets you reach unnamed",
            NO_PRIVILEGE,
        ),
        ("web", "no access policy lets you reach web", NO_PRIVILEGE),
        (
            "down",
            "down could not be reached: connection refused",
            DENIED,
        ),
        ("silent", "silent could not be reached: no answer", DENIED),
        (
            "garbage",
            "garbage does not answer as an RDP server",
            DENIED,
        ),
        (
            "closing",
            "closing does not answer as an RDP server",
            DENIED,
        ),
        ("a+b+c+d+e", "is not a connect string", DENIED),
    ];
    // Some at a time: a page goes away after a minute.
    for some in expected.chunks(3) {
        let start = |(host, ..): &(&str, _, _)| gateway.xfreerdp(&format!("alice+{host}")).start();
        let clients: Vec<_> = some.iter().map(start).collect();
        for (mut client, (host, words, code)) in clients.into_iter().zip(some) {
            client.wait_says("You are not connected", PATIENCE);
            client.wait_says(words, PATIENCE);
            answer(&client, "\n");
            assert_eq!(
                client.wait_exit(PATIENCE),
                *code,
                "{host}: {}",
                client.log()
            );
        }
    }
    let admin = gateway.api("bob");
    let targets = [silent.port(), garbage.port(), closing.port()];
    wait_nothing_open(&gateway, &admin, &targets);
    let log = access_log(&admin);
    assert_eq!(log.len(), expected.len(), "{log:#?}");
    for (host, words, _) in expected {
        let refused = log.iter().find(|one| text(one, "text").contains(words));
        let refused = refused.unwrap_or_else(|| panic!("{host}: {log:#?}"));
        assert_eq!(text(refused, "outcome"), "refused");
    }
}

#[test]
fn who_waits_for_a_target_is_told_so_and_may_give_up() {
    let silent = Peer::start(PeerKind::Silent);
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("silent", silent.port()))
        .env("SALLYPORT_SSH_TARGET_TIMEOUT", "60s")
        .start();
    let admin = gateway.api("bob");
    let mut client = gateway.xfreerdp("alice+silent").start();
    client.wait_says("Connecting to silent", PATIENCE);
    client.wait_says("Escape cancels", PATIENCE);
    let page = client.screenshot();
    client.wait_until("time goes on", PATIENCE, |now| {
        now.differing(&page, 0.0) > 0
    });
    client.display().move_to(5, 5);
    client.display().key("Escape");
    let start = Instant::now();
    assert_eq!(client.wait_exit(PATIENCE), CANCELLED, "{}", client.log());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    wait_nothing_open(&gateway, &admin, &[silent.port()]);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

/// A way to a target that is cut after so many bytes from there.
fn cut(port: u16, after: u64) -> u16 {
    tcp_service(move |mut near| {
        let mut far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let there = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
        });
        let _ = io::copy(&mut Read::by_ref(&mut far).take(after), &mut near);
        for socket in [&near, &far] {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = there.join();
    })
}

#[test]
fn a_target_may_close_at_every_step() {
    let xrdp = Xrdp::builder().desktop(BUSY).start();
    // The Connection Confirm has 19 bytes; TLS, the log-in and the desktop's offer follow, then pictures.
    let not_let_in = [0, 10, 19, 600, 1500, 2300, 2700];
    let then = [4000, 30_000];
    let mut gateway = Gateway::builder().rdp_host(RdpHost::new("desk", xrdp.port()));
    let mut ports = Vec::new();
    for after in not_let_in.into_iter().chain(then) {
        let port = cut(xrdp.port(), after);
        ports.push(port);
        gateway = gateway.rdp_host(RdpHost::new(&format!("cut-{after}"), port));
    }
    let gateway = gateway.start();
    let admin = gateway.api("bob");
    let start = |after| {
        let host = format!("cut-{after}");
        let client = gateway.xfreerdp(&format!("alice+{host}")).start();
        (host, client)
    };
    for some in not_let_in.chunks(3) {
        let clients: Vec<_> = some.iter().map(|after| start(*after)).collect();
        for (host, mut client) in clients {
            let words = format!("{host} does not answer as an RDP server");
            client.wait_says(&words, PATIENCE);
            let session = gateway.newest_session(&admin, &host).unwrap();
            assert_eq!(text(&session, "close_code"), "connect_failed", "{host}");
            answer(&client, "\n");
            assert_eq!(client.wait_exit(PATIENCE), DENIED, "{host}");
        }
    }
    for (host, mut client) in then.map(start) {
        let status = client.wait_exit(PATIENCE);
        // FreeRDP has no words for it as long as the desktop is agreed on.
        assert!([DISCONNECTED, 131].contains(&status), "{host}: {status}");
        let session = gateway.newest_session(&admin, &host).unwrap();
        let session = ended(&admin, &session, PATIENCE);
        assert_eq!(text(&session, "close_code"), "target_closed", "{host}");
    }
    wait_nothing_open(&gateway, &admin, &ports);
    drop(desktop(gateway.xfreerdp("alice+desk")));
}
