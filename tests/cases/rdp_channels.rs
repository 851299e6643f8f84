//! What passes beside a desktop's picture: the clipboard, drives. Only where there is a right to it, and on record.

use std::fs;
use std::time::Duration;

use sallyport_tests::harness::{
    Done, Gateway, Rdp, RdpClient, RdpHost, Xrdp, XrdpSession, eventually, passwords, run,
    wait_until,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::rdp_common::{PATIENCE, desktop, write};
use super::{events, noise, text};

/// The events of this kind in the newest session on a host, oldest first.
#[track_caller]
fn told(gateway: &Gateway, host: &str, kind: &str) -> Vec<Value> {
    let admin = gateway.api("bob");
    let session = gateway.newest_session(&admin, host).expect("a session");
    let all = events(&admin, text(&session, "id"));
    let of_kind = all.into_iter().filter(|event| text(event, "kind") == kind);
    of_kind.collect()
}

/// As Windows has a text on its clipboard.
fn on_the_clipboard(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// Waits for an event of a paste in this direction, and compares it with the text.
#[track_caller]
fn pasted(gateway: &Gateway, host: &str, direction: &str, content: &str) {
    let content = on_the_clipboard(content);
    let wanted = hex::encode(Sha256::digest(&content));
    let paste = eventually("the paste is on record", PATIENCE, || {
        let all = told(gateway, host, "clipboard.pasted");
        all.into_iter()
            .find(|event| event["detail"]["sha256"] == wanted.as_str())
    });
    let detail = &paste["detail"];
    assert_eq!(text(detail, "direction"), direction, "{paste:#}");
    assert_eq!(text(detail, "format"), "CF_UNICODETEXT", "{paste:#}");
    assert_eq!(detail["bytes"], content.len(), "{paste:#}");
    assert_eq!(detail["whole"], true, "{paste:#}");
    let copies = told(gateway, host, "clipboard.copied");
    let copied = |event: &&Value| event["detail"]["direction"] == direction;
    assert!(copies.iter().any(|event| copied(&event)), "{copies:#?}");
}

/// Copies on both sides and sees what comes over.
fn exchange(
    gateway: &Gateway,
    host: &str,
    (client, session): (&RdpClient, &XrdpSession),
    (inward, outward): (bool, bool),
) {
    // Each side has something of its own, until the other side's comes over.
    let here = client.display();
    for (may, direction) in [(inward, "in"), (outward, "out")] {
        let (from, to) = match direction {
            "in" => (here as &sallyport_tests::harness::Screen, &**session),
            _ => (&**session, here as &sallyport_tests::harness::Screen),
        };
        let mine = format!("kept {direction}");
        let _mine = to.copy(&mine);
        let there = format!("goes {direction}: \u{e4}\u{20ac}");
        let _there = from.copy(&there);
        if may {
            wait_until("the text arrives", PATIENCE, || {
                to.pasted().as_deref() == Some(&there)
            });
            pasted(gateway, host, direction, &there);
        } else {
            write(client, session, direction);
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(to.pasted().as_deref(), Some(mine.as_str()), "{direction}");
            let copies = told(gateway, host, "clipboard.copied");
            let any = copies
                .iter()
                .any(|event| event["detail"]["direction"] == direction);
            assert!(!any, "{copies:#?}");
        }
    }
}

#[test]
fn text_is_pasted_where_the_rights_let_it_and_is_on_record() {
    let xrdp = Xrdp::start();
    let rights =
        |host: &str, rights: &[&'static str]| RdpHost::new(host, xrdp.port()).rights(rights);
    let gateway = Gateway::builder()
        .rdp_host(rights("both", &["clipboard-in", "clipboard-out"]))
        .rdp_host(rights("inward", &["clipboard-in"]))
        .rdp_host(rights("outward", &["clipboard-out"]))
        .rdp_host(RdpHost::new("neither", xrdp.port()))
        .start();
    for (host, inward, outward) in [
        ("both", true, true),
        ("inward", true, false),
        ("outward", false, true),
        ("neither", false, false),
    ] {
        let login = gateway.xfreerdp(&format!("alice+{host}"));
        let client = desktop(login.clipboard());
        let session = xrdp.session(PATIENCE);
        exchange(&gateway, host, (&client, &session), (inward, outward));
        let refused = told(&gateway, host, "right.refused");
        let refused: Vec<&str> = refused
            .iter()
            .map(|event| text(&event["detail"], "what"))
            .collect();
        match (inward, outward) {
            (true, false) => assert_eq!(refused, ["clipboard out"]),
            (false, true) => assert_eq!(refused, ["clipboard in"]),
            // Without both, the target does not even hear of a clipboard.
            (true, true) | (false, false) => assert_eq!(refused, [] as [&str; 0]),
        }
        client.close();
        xrdp.logoff();
    }
}

/// Runs shell lines where the session has the drive `papers`.
fn on_the_drive(xrdp: &Xrdp, session: &XrdpSession, script: &str) -> Done {
    let mut shell = xrdp.program(session, "sh");
    shell.args(["-c", &format!("cd ~/thinclient_drives/papers && {script}")]);
    run(shell, PATIENCE)
}

/// rdesktop, with a folder shown as `papers`.
fn with_papers(gateway: &Gateway, host: &str, folder: &TempDir) -> RdpClient {
    let login =
        Rdp::rdesktop(gateway.rdp_port).login(&format!("alice+{host}"), &passwords("alice"));
    desktop(login.drive("papers", folder.path()))
}

/// Waits for the transfer of a file, and compares it with its content.
#[track_caller]
fn transferred(gateway: &Gateway, host: &str, path: &str, direction: &str, content: &[u8]) {
    let transfer = eventually("the transfer is on record", PATIENCE, || {
        let all = told(gateway, host, "file.transferred");
        let same = |event: &Value| {
            event["detail"]["path"] == path && event["detail"]["direction"] == direction
        };
        all.into_iter().rfind(same)
    });
    let detail = &transfer["detail"];
    assert_eq!(detail["bytes"], content.len(), "{transfer:#}");
    let sha256 = hex::encode(Sha256::digest(content));
    assert_eq!(text(detail, "sha256"), sha256, "{transfer:#}");
    assert_eq!(detail["whole"], true, "{transfer:#}");
    assert_eq!(text(detail, "result"), "ok", "{transfer:#}");
}

#[test]
fn files_of_a_drive_are_on_record_both_ways() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()).rights(&["drives"]))
        .start();
    let folder = TempDir::with_prefix("sp-drive-").unwrap();
    let here = noise(300_000, 4711);
    fs::write(folder.path().join("here.bin"), &here).unwrap();
    let _client = with_papers(&gateway, "desk", &folder);
    let session = xrdp.session(PATIENCE);
    let shell = |script: &str| on_the_drive(&xrdp, &session, script);
    wait_until("the drive is there", PATIENCE, || {
        shell("cat here.bin").out == here
    });
    transferred(&gateway, "desk", "papers/here.bin", "upload", &here);
    shell("printf 'from there' >there.txt && mkdir sub && mv there.txt sub/moved.txt").ok();
    let written = fs::read_to_string(folder.path().join("sub/moved.txt"));
    assert_eq!(written.unwrap(), "from there");
    transferred(
        &gateway,
        "desk",
        "papers/there.txt",
        "download",
        b"from there",
    );
    shell("rm sub/moved.txt").ok();
    for (kind, path) in [
        ("file.folder_made", "papers/sub"),
        ("file.renamed", "papers/there.txt"),
        ("file.removed", "papers/sub/moved.txt"),
    ] {
        wait_until("it is on record", PATIENCE, || {
            let events = told(&gateway, "desk", kind);
            events.iter().any(|event| event["detail"]["path"] == path)
        });
    }
    let offered = told(&gateway, "desk", "device.offered");
    let detail = &offered[0]["detail"];
    assert_eq!(
        (text(detail, "device"), text(detail, "name")),
        ("drive", "papers")
    );
}

#[test]
fn a_drive_is_read_written_or_not_there_as_the_rights_let_it() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("reads", xrdp.port()).rights(&["drives", "upload"]))
        .rdp_host(RdpHost::new("without", xrdp.port()).rights(&["printers"]))
        .start();
    let folder = TempDir::with_prefix("sp-drive-").unwrap();
    fs::write(folder.path().join("here.txt"), "from here").unwrap();

    let client = with_papers(&gateway, "reads", &folder);
    let session = xrdp.session(PATIENCE);
    let shell = |script: &str| on_the_drive(&xrdp, &session, script);
    wait_until("the drive is there", PATIENCE, || {
        shell("cat here.txt").text() == "from here"
    });
    for script in [
        "echo x >there.txt",
        "echo x >>here.txt",
        "rm here.txt",
        "mv here.txt b",
    ] {
        assert_ne!(shell(script).code, 0, "{script}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
    let content = fs::read_to_string(folder.path().join("here.txt"));
    assert_eq!(content.unwrap(), "from here");
    let refused = told(&gateway, "reads", "file.refused");
    assert!(!refused.is_empty());
    drop(client);
    xrdp.logoff();

    let _client = with_papers(&gateway, "without", &folder);
    let session = xrdp.session(PATIENCE);
    eventually("it is told that there is no drive", PATIENCE, || {
        let refused = told(&gateway, "without", "right.refused");
        let of_drive = |event: &&Value| text(&event["detail"], "what") == "drive of the client";
        refused.iter().find(of_drive).map(|_| ())
    });
    let mut shell = xrdp.program(&session, "sh");
    shell.args(["-c", "ls ~/thinclient_drives"]);
    assert_eq!(run(shell, PATIENCE).text(), "");
}
