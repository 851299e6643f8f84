//! The RDP peers of these tests, with each other and past any gateway: what a case through a gateway
//! sees differently is the gateway's doing.

use std::fs;
use std::time::Duration;

use sallyport_tests::harness::{
    ACCOUNT, ACCOUNT_PASSWORD, Picture, Rdp, RdpClient, Security, Shadow, Weston, Xrdp, run,
    wait_until,
};
use tempfile::TempDir;

use super::rdp_common::{PATIENCE, desktop, write};

/// FreeRDP's exit status for a connection that the server closed (`CONNECT_TRANSPORT_FAILED`): this
/// server does not say in CredSSP that the log-in failed.
const CLOSED: i32 = 147;
/// FreeRDP's exit status for a certificate that it does not trust (`TLS_CONNECT_FAILED`).
const UNTRUSTED: i32 = 143;
/// What the codec of the pipeline loses.
const LOST: f64 = 10.0;

fn xfreerdp(port: u16) -> Rdp {
    Rdp::xfreerdp(port).login(ACCOUNT, ACCOUNT_PASSWORD)
}

/// Connects and waits until it shows the desktop.
fn connect(client: Rdp) -> RdpClient {
    let client = desktop(client);
    let shown = client.command_line();
    assert!(!shown.contains(ACCOUNT_PASSWORD), "{shown}");
    client
}

#[test]
fn xfreerdp_on_xrdp_over_tls() {
    let xrdp = Xrdp::start();
    let mut client = connect(xfreerdp(xrdp.port()).security(Security::Tls).depth(24));
    let session = xrdp.session(PATIENCE);
    client.wait_same(&session, 0.0, PATIENCE);
    write(&client, &session, "Hello, World\n");
    session.notepad.wait_typed("Hello, World\n", PATIENCE);
    client.wait_same(&session, 0.0, PATIENCE);
}

#[test]
fn rdesktop_on_xrdp() {
    let xrdp = Xrdp::start();
    let login = Rdp::rdesktop(xrdp.port()).login(ACCOUNT, ACCOUNT_PASSWORD);
    let mut client = connect(login);
    let session = xrdp.session(PATIENCE);
    write(&client, &session, "ls -l\n");
    session.notepad.wait_typed("ls -l\n", PATIENCE);
    client.wait_same(&session, 0.0, PATIENCE);
}

#[test]
fn a_session_outlives_its_server_and_ends_with_the_logoff() {
    let xrdp = Xrdp::start();
    let before = xrdp.certificate();
    let client = connect(xfreerdp(xrdp.port()));
    let session = xrdp.session(PATIENCE);
    write(&client, &session, "kept");
    session.notepad.wait_typed("kept", PATIENCE);
    let changed = xrdp.change_certificate();
    drop(client);

    let mut refused = xfreerdp(xrdp.port()).trust(&before).start();
    assert_eq!(refused.wait_exit(PATIENCE), UNTRUSTED, "{}", refused.log());
    let mut client = connect(xfreerdp(xrdp.port()).trust(&changed));
    assert_eq!(xrdp.sessions(), [session.number]);
    client.wait_same(&session, 0.0, PATIENCE);
    let mut whoami = xrdp.program(&session, "sh");
    whoami.args(["-c", "id -un; cd; ls; xdotool getdisplaygeometry"]);
    let said = run(whoami, PATIENCE).ok().text();
    let files = format!("typed.{}", session.number);
    for part in [ACCOUNT, &files, "1024 768"] {
        assert!(said.contains(part), "{said}");
    }
    client.close();

    xrdp.logoff();
    assert_eq!(xrdp.sessions(), [] as [u32; 0]);
    let _client = connect(xfreerdp(xrdp.port()));
    assert_eq!(xrdp.session(PATIENCE).notepad.typed(), "");
}

#[test]
fn the_clipboard_goes_both_ways_and_only_if_it_is_shared() {
    let xrdp = Xrdp::start();
    let client = connect(xfreerdp(xrdp.port()).clipboard());
    let session = xrdp.session(PATIENCE);
    let there = "from here: \u{e4}\u{20ac}";
    let _owner = client.display().copy(there);
    wait_until("the text arrives", PATIENCE, || {
        session.pasted().as_deref() == Some(there)
    });
    let _owner = session.copy("from there");
    wait_until("the text comes back", PATIENCE, || {
        client.display().pasted().as_deref() == Some("from there")
    });
    client.close();

    let client = connect(xfreerdp(xrdp.port()));
    let _owner = client.display().copy("kept here");
    let _there = session.copy("kept there");
    write(&client, &session, "x");
    session.notepad.wait_typed("x", PATIENCE);
    assert_eq!(session.pasted().as_deref(), Some("kept there"));
    assert_eq!(client.display().pasted().as_deref(), Some("kept here"));
}

#[test]
fn a_drive_is_seen_and_written_in_the_session() {
    let xrdp = Xrdp::start();
    let folder = TempDir::with_prefix("sp-drive-").unwrap();
    fs::write(folder.path().join("here.txt"), "from here").unwrap();
    let login = Rdp::rdesktop(xrdp.port()).login(ACCOUNT, ACCOUNT_PASSWORD);
    let _client = connect(login.drive("papers", folder.path()));
    let session = xrdp.session(PATIENCE);
    let shell = |script: &str| {
        let mut shell = xrdp.program(&session, "sh");
        shell.args(["-c", &format!("cd ~/thinclient_drives/papers && {script}")]);
        run(shell, PATIENCE)
    };
    wait_until("the drive is there", PATIENCE, || {
        shell("cat here.txt").text() == "from here"
    });
    shell("printf 'from there' >there.txt").ok();
    let written = fs::read_to_string(folder.path().join("there.txt"));
    assert_eq!(written.unwrap(), "from there");
}

#[test]
fn xfreerdp_on_shadow_over_nla() {
    let shadow = Shadow::start();
    let mut client = connect(xfreerdp(shadow.port()).security(Security::Nla));
    write(&client, shadow.display(), "Over NLA\n");
    shadow.notepad.wait_typed("Over NLA\n", PATIENCE);
    // Its codecs lose a little.
    client.wait_same(shadow.display(), 15.0, PATIENCE);
}

/// With `xfreerdp3` in the path.
#[test]
#[ignore = "wants FreeRDP of Debian 13: `make test-wide`"]
fn newer_freerdp_on_xrdp_and_on_shadow() {
    let xrdp = Xrdp::start();
    let login = Rdp::xfreerdp3(xrdp.port()).login(ACCOUNT, ACCOUNT_PASSWORD);
    let mut client = connect(login.depth(32).clipboard());
    let session = xrdp.session(PATIENCE);
    write(&client, &session, "newer\n");
    session.notepad.wait_typed("newer\n", PATIENCE);
    client.wait_same(&session, 0.0, PATIENCE);
    let _owner = client.display().copy("from here");
    wait_until("the text arrives", PATIENCE, || {
        session.pasted().as_deref() == Some("from here")
    });
    drop(client);

    let shadow = Shadow::start();
    let login = Rdp::xfreerdp3(shadow.port()).login(ACCOUNT, ACCOUNT_PASSWORD);
    let mut client = connect(login.security(Security::Nla));
    write(&client, shadow.display(), "newer\n");
    shadow.notepad.wait_typed("newer\n", PATIENCE);
    client.wait_same(shadow.display(), 15.0, PATIENCE);
    drop(client);
    let refused = Rdp::xfreerdp3(shadow.port()).login(ACCOUNT, "wrong");
    let mut refused = refused.security(Security::Nla).start();
    assert_eq!(refused.wait_exit(PATIENCE), CLOSED, "{}", refused.log());
}

/// With `xfreerdp3` in the path, too.
#[test]
#[ignore = "wants xrdp of Debian 13: `make test-wide`"]
fn newer_xrdp_draws_with_the_pipeline() {
    let xrdp = Xrdp::builder().newer().start();
    let of = [Rdp::xfreerdp(xrdp.port()), Rdp::xfreerdp3(xrdp.port())];
    for client in of {
        let client = client.login(ACCOUNT, ACCOUNT_PASSWORD);
        let mut client = connect(
            client
                .security(Security::Tls)
                .depth(32)
                .option("/gfx:RFX")
                .option("/dynamic-resolution")
                .screen(1400, 1000),
        );
        let session = xrdp.session(PATIENCE);
        write(&client, &session, "newer\n");
        session.notepad.wait_typed("newer\n", PATIENCE);
        client.wait_same(&session, LOST, PATIENCE);
        let mut root = session.program("xsetroot");
        root.args(["-solid", "#206040"]);
        run(root, PATIENCE).ok();
        client.wait_same(&session, LOST, PATIENCE);
        let window = client.window().unwrap();
        let mut resize = client.display().program("xdotool");
        resize.args(["windowsize", &window.id, "1200", "900"]);
        run(resize, PATIENCE).ok();
        let wider = |picture: &Picture| (picture.width, picture.height) == (1200, 900);
        wait_until("the target's desktop follows", PATIENCE, || {
            wider(&session.screenshot())
        });
        client.wait_same(&session, LOST, PATIENCE);
        client.close();
        xrdp.logoff();
    }
    let log = xrdp.log();
    // At the beginning and after the resizing, with each of them.
    let pipeline = "starting gfx rfx pro codec session";
    assert_eq!(log.matches(pipeline).count(), 4, "{log}");
}

#[test]
fn a_wrong_password_does_not_pass_nla() {
    let shadow = Shadow::start();
    let mut client = Rdp::xfreerdp(shadow.port())
        .login(ACCOUNT, "wrong")
        .security(Security::Nla)
        .start();
    assert_eq!(client.wait_exit(PATIENCE), CLOSED, "{}", client.log());
    let log = shadow.log();
    assert!(log.contains("client authentication failure"), "{log}");
}

#[test]
fn xfreerdp_on_weston() {
    let weston = Weston::start(800, 600);
    let client = Rdp::xfreerdp(weston.port()).login("nobody", "nothing");
    let mut client = client.size(800, 600).security(Security::Tls).start();
    client.wait_picture(PATIENCE);
    wait_until("the terminal hears what is typed", PATIENCE, || {
        client.display().click(400, 300, 1);
        client.display().type_text("echo heard >typed\n");
        std::thread::sleep(Duration::from_millis(200));
        fs::read_to_string(weston.home().join("typed")).is_ok_and(|text| text == "heard\n")
    });
}
