//! What passes beside a desktop's picture: the clipboard, drives. Only where there is a right to it, and on record.

use std::time::Duration;

use sallyport_tests::harness::{
    Gateway, RdpClient, RdpHost, Xrdp, XrdpSession, eventually, wait_until,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rdp_common::{PATIENCE, desktop, write};
use super::{events, text};

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
