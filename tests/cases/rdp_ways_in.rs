//! The way in by RDP: who is let in, how, and what is on record of it.

use std::fs;
use std::time::Duration;

use sallyport_tests::harness::{
    Gateway, Rdp, RdpHost, Security, Shadow, Weston, Xrdp, passwords, wait_until,
};
use serde_json::json;

use super::planted_secrets::Search;
use super::rdp_common::{
    PATIENCE, access_log, connection_password, desktop, ended, order, wait_nothing_open, write,
};
use super::{SOON, events, items, text};

/// FreeRDP's exit status for a server that does not do what it insists on
/// (`SECURITY_NEGO_CONNECT_FAILED`).
const NOT_OFFERED: i32 = 133;
/// FreeRDP's exit status for a log-in that CredSSP refused (`LOGON_FAILURE`).
const LOGON_FAILURE: i32 = 134;

#[test]
fn her_own_password_opens_a_desktop_that_is_shown_as_it_is() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    for depth in [24, 32] {
        let mut client = desktop(gateway.xfreerdp("alice+desk").depth(depth));
        let session = xrdp.session(PATIENCE);
        client.wait_same(&session, 0.0, PATIENCE);
        write(&client, &session, "Hello, World\n");
        session.notepad.wait_typed("Hello, World\n", PATIENCE);
        client.wait_same(&session, 0.0, PATIENCE);
        client.close();
        xrdp.logoff();
    }
}

#[test]
fn a_session_is_on_record_from_beginning_to_end() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let client = desktop(gateway.xfreerdp("alice+desk"));
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "desk", "Logged In");
    for (field, value) in [
        ("user", "alice"),
        ("first_name", "Alice"),
        ("email", "alice@acme.example"),
        ("login_account", "sptarget"),
        ("target_address", "127.0.0.1"),
        ("source_ip", "127.0.0.1"),
        ("type", "PAM RDP"),
        ("activity", "desktop"),
        ("access_policy", "desk-standard"),
        ("connection_profile", "standard"),
        ("recording_mode", "strict"),
        ("state_class", "active"),
    ] {
        assert_eq!(text(&session, field), value, "{field}");
    }
    assert_eq!(session["target_port"], xrdp.port());
    assert_eq!(client.close(), 0);
    let session = ended(&admin, &session, SOON);
    assert_eq!(text(&session, "status"), "Completed", "{session:#}");
    assert_eq!(text(&session, "close_code"), "user", "{session:#}");
    assert_eq!(text(&session, "close_reason"), "Closed by user");
    let log = events(&admin, text(&session, "id"));
    let kinds: Vec<&str> = log.iter().map(|event| text(event, "kind")).collect();
    for kind in ["host_key.pinned", "secret.used"] {
        let times = kinds.iter().filter(|other| **other == kind).count();
        assert_eq!(times, 1, "{kind}: {kinds:?}");
    }
    let path = format!("/api/v1/sessions/{}/connections", text(&session, "id"));
    let connections = admin.get(&path).expect(200).json();
    let connection = &items(&connections)[0];
    let client = text(connection, "client");
    assert!(client.starts_with("RDP client build "), "{connection:#}");
    for field in ["bytes_in", "bytes_out"] {
        assert!(connection[field].as_u64() > Some(100), "{connection:#}");
    }
    let log = access_log(&admin);
    assert_eq!(log.len(), 1, "{log:#?}");
    for (field, value) in [
        ("user", "alice"),
        ("source_ip", "127.0.0.1"),
        ("method", "password"),
        ("outcome", "accepted"),
        ("service_provider", "desk"),
    ] {
        assert_eq!(text(&log[0], field), value, "{field}");
    }
    assert_eq!(log[0]["session"], session["id"]);
}

#[test]
fn other_signs_other_clients_and_what_they_do_by_themselves() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let port = gateway.rdp_port;
    let own = passwords("alice");
    let clients = [
        ("number sign", gateway.xfreerdp("alice#desk")),
        (
            "whatever it offers",
            Rdp::xfreerdp(port).login("alice+desk", &own).depth(24),
        ),
        (
            "a domain",
            gateway.xfreerdp("alice+desk").domain("SOMEWHERE"),
        ),
        ("rdesktop", Rdp::rdesktop(port).login("alice+desk", &own)),
        (
            "rdesktop, number sign",
            Rdp::rdesktop(port).login("alice#desktop#desk", &own),
        ),
    ];
    for (n, (what, client)) in clients.into_iter().enumerate() {
        println!("{what}");
        let mut client = desktop(client);
        // The same desktop as the one before.
        let session = xrdp.session(PATIENCE);
        session.notepad.clear();
        write(&client, &session, &format!("client {n}\n"));
        session
            .notepad
            .wait_typed(&format!("client {n}\n"), PATIENCE);
        client.wait_same(&session, 0.0, PATIENCE);
        drop(client);
    }
}

#[test]
#[ignore = "wants Remmina: `make test-wide`"]
fn remmina_shows_the_desktop() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let (_, password) = connection_password(&gateway, json!({ "uses": "many" }));
    let ways = [
        gateway.xfreerdp("alice+desk"),
        nla(&gateway, "alice+desk", &password),
    ];
    for client in ways {
        let mut client = desktop(client.remmina());
        let session = xrdp.session(PATIENCE);
        write(&client, &session, "Hello, World\n");
        session.notepad.wait_typed("Hello, World\n", PATIENCE);
        client.wait_same(&session, 0.0, PATIENCE);
        drop(client);
        xrdp.logoff();
    }
}

fn nla(gateway: &Gateway, user: &str, password: &str) -> Rdp {
    Rdp::xfreerdp(gateway.rdp_port)
        .login(user, password)
        .security(Security::Nla)
        .depth(24)
}

#[test]
fn a_connection_password_opens_once_by_nla() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .rdp_host(RdpHost::new("other", xrdp.port()))
        .start();
    let admin = gateway.api("bob");
    let (_, password) = connection_password(&gateway, json!({}));
    // Her own password is nothing that NLA could check.
    let mut own = nla(&gateway, "alice+desk", &passwords("alice")).start();
    assert_eq!(own.wait_exit(PATIENCE), LOGON_FAILURE, "{}", own.log());
    desktop(nla(&gateway, "alice+desk", &password)).close();
    let mut again = nla(&gateway, "alice+desk", &password).start();
    assert_eq!(again.wait_exit(PATIENCE), NOT_OFFERED, "{}", again.log());

    // Made for a host, it is good for that only, and leads there without being told.
    let (login, password) = connection_password(&gateway, json!({ "host": "desk" }));
    assert_eq!(login, "alice+desk");
    let mut elsewhere = nla(&gateway, "alice+other", &password).start();
    elsewhere.wait_says("You are not connected", PATIENCE);
    elsewhere.wait_says("Code: not_offered", PATIENCE);
    elsewhere.display().key("Return");
    elsewhere.wait_exit(PATIENCE);
    let (_, password) = connection_password(&gateway, json!({ "host": "desk" }));
    drop(desktop(nla(&gateway, "alice", &password)));
    wait_nothing_open(&gateway, &admin, &[xrdp.port()]);

    let log = access_log(&admin);
    let short = log.iter().map(|one| {
        let field = |name| text(one, name);
        (field("method"), field("outcome"), field("code"))
    });
    let short: Vec<_> = short.collect();
    assert_eq!(
        short,
        [
            ("nla", "refused", "bad_credentials"),
            ("connection-password", "accepted", ""),
            ("connection-password", "refused", "not_offered"),
            ("connection-password", "accepted", ""),
        ],
        "{log:#?}"
    );
}

#[test]
fn a_connection_password_does_in_a_log_in_over_tls_as_well() {
    let xrdp = Xrdp::start();
    let begin = || Gateway::builder().rdp_host(RdpHost::new("desk", xrdp.port()));
    let many = json!({ "uses": "many" });
    // Offered NLA, rdesktop 1.9 falls over now and then by itself.
    let gateway = begin().env("SALLYPORT_RDP_SECURITY", "tls").start();
    let (_, password) = connection_password(&gateway, many.clone());
    let rdesktop = Rdp::rdesktop(gateway.rdp_port).login("alice+desk", &password);
    drop(desktop(rdesktop));
    drop(gateway);
    // It offers everything, and the gateway knows that NLA will do for her.
    let gateway = begin().start();
    let (_, password) = connection_password(&gateway, many);
    let xfreerdp = Rdp::xfreerdp(gateway.rdp_port).login("alice+desk", &password);
    drop(desktop(xfreerdp));
}

#[test]
fn a_target_that_wants_nla_gets_the_stored_password() {
    let shadow = Shadow::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .start();
    let mut client = desktop(gateway.xfreerdp("alice+shadow"));
    write(&client, shadow.display(), "Over NLA\n");
    shadow.notepad.wait_typed("Over NLA\n", PATIENCE);
    // Its codecs lose a little.
    client.wait_same(shadow.display(), 15.0, PATIENCE);
}

#[test]
fn a_target_of_another_make() {
    let weston = Weston::start(800, 600);
    let gateway = Gateway::builder()
        // It lets anybody in and has nothing that would say so.
        .rdp_host(RdpHost::new("weston", weston.port()).rights(&["target-login"]))
        .start();
    let mut client = gateway.xfreerdp("alice+weston").size(800, 600).start();
    client.wait_picture(PATIENCE);
    wait_until("the terminal hears what is typed", PATIENCE, || {
        client.display().click(400, 300, 1);
        client.display().type_text("echo heard >typed\n");
        std::thread::sleep(Duration::from_millis(200));
        fs::read_to_string(weston.home().join("typed")).is_ok_and(|text| text == "heard\n")
    });
}

#[test]
fn no_secret_of_hers_or_the_targets_lies_about() {
    const MISTYPED: &str = "Falsch-geraten-4712";
    let (xrdp, shadow) = (Xrdp::start(), Shadow::start());
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .rdp_host(RdpHost::new("shadow", shadow.port()))
        .env("SALLYPORT_LOG", "trace")
        .start();
    let (_, connection) = connection_password(&gateway, json!({ "uses": "many" }));
    let secrets = [
        (
            "the account's password",
            sallyport_tests::harness::ACCOUNT_PASSWORD,
        ),
        ("alice's password", &passwords("alice")),
        ("a connection password", &connection),
        ("a mistyped password", MISTYPED),
    ];
    let secrets = secrets.map(|(name, secret)| (name, secret.as_bytes().to_vec()));
    let mut search = Search::for_secrets(&secrets);

    drop(desktop(gateway.xfreerdp("alice+desk")));
    drop(desktop(gateway.xfreerdp("alice+shadow")));
    drop(desktop(nla(&gateway, "alice+shadow", &connection)));
    nla(&gateway, "alice+shadow", MISTYPED)
        .start()
        .wait_exit(PATIENCE);
    let wrong = gateway.xfreerdp("alice+desk").login("alice+desk", MISTYPED);
    let mut client = wrong.start();
    client.wait_says("Log in", PATIENCE);
    client.display().move_to(5, 5);
    client
        .display()
        .type_text(&format!("{}\n", passwords("alice")));
    client.wait_desktop(PATIENCE);
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "desk", "Logged In");
    // A crash with a live session, and what the next start makes of it.
    gateway.kill();
    search.folder(gateway.data());
    drop(client);
    gateway.launch();
    drop(desktop(gateway.xfreerdp("alice+desk")));
    order(&admin, &session, "end", json!({})).expect(409);
    gateway.terminate(SOON);
    search.folder(gateway.data());
    search.bytes("the log", gateway.log().as_bytes());
    search.nothing();
}
