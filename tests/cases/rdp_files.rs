//! Files that open RDP clients: signed, checked by OpenSSL, opened by xfreerdp.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_tests::harness::{Done, Gateway, GatewayBuilder, Rdp, RdpHost, Xrdp, run, tool};
use serde_json::json;
use tempfile::TempDir;

use super::rdp_common::{PATIENCE, desktop, show};
use super::{SOON, text};

/// What openssl is told for a key.
const RSA: &[&str] = &["rsa:3072"];
/// Likewise.
const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A folder with what publishers of files have.
struct Publisher(TempDir);

impl Publisher {
    fn new(key: &[&str]) -> Self {
        let publisher = Self(TempDir::with_prefix("sp-publisher-").unwrap());
        let new = ["req", "-x509", "-nodes", "-days", "30", "-newkey"];
        let files = [
            "-subj",
            "/CN=Publisher",
            "-addext",
            "extendedKeyUsage=codeSigning",
            "-keyout",
            "files.key",
            "-out",
            "files.pem",
        ];
        publisher.openssl(&[&new[..], key].concat(), &files).ok();
        publisher
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &[&str], more: &[&str]) -> Done {
        let mut openssl = tool("openssl");
        openssl.args(arguments).args(more).current_dir(&self.0);
        run(openssl, PATIENCE)
    }

    /// A gateway that signs with this certificate and this key.
    fn gateway(&self, builder: GatewayBuilder, certificate: &str, key: &str) -> GatewayBuilder {
        let path = |name| self.file(name).display().to_string();
        builder
            .env("SALLYPORT_RDP_SIGNING_CERTIFICATE", &path(certificate))
            .env("SALLYPORT_RDP_SIGNING_KEY", &path(key))
    }

    /// Does the signature hold for the file? What is signed is gathered here anew, from what the scope says.
    fn verify(&self, file: &str) -> Done {
        let lines: Vec<&str> = file.split_terminator("\r\n").collect();
        let [settings @ .., scope, signature] = &lines[..] else {
            panic!("{file}");
        };
        let mut signed = String::new();
        for name in scope.strip_prefix("signscope:s:").unwrap().split(',') {
            let start = format!("{}:", name.to_lowercase());
            let line = settings.iter().find(|line| line.starts_with(&start));
            signed += &format!("{}\r\n", line.unwrap_or_else(|| panic!("{name}: {file}")));
        }
        signed += &format!("{scope}\r\n\0");
        let signed: Vec<u8> = signed.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(self.file("signed"), signed).unwrap();
        let signature = signature.strip_prefix("signature:s:").unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        fs::write(self.file("signature"), &signature[12..]).unwrap();
        self.openssl(
            &[
                "cms",
                "-verify",
                "-binary",
                "-inform",
                "DER",
                "-in",
                "signature",
            ],
            &[
                "-content",
                "signed",
                "-CAfile",
                "files.pem",
                "-purpose",
                "any",
                "-out",
                "out",
            ],
        )
    }
}

/// Asks for a desktop for alice, and answers the id of her session.
fn ask(gateway: &Gateway) -> String {
    let body = json!({ "host": "desk", "protocol": "rdp" });
    let asked = gateway.api("alice").post("/api/v1/sessions", body);
    text(&asked.expect(201).json(), "id").to_owned()
}

/// Has the command line write the session's file; answers what it says and the connection password that came with it.
fn write(gateway: &Gateway, id: &str, to: &Path) -> (String, String) {
    let path = to.display().to_string();
    let arguments = [
        "--json",
        "sessions",
        "rdp-file",
        id,
        "--password",
        "-o",
        &path,
    ];
    let done = run(gateway.cli("alice", &arguments), SOON).ok();
    let told: serde_json::Value = serde_json::from_slice(&done.out).unwrap();
    let bytes = fs::read(to).unwrap();
    let units = bytes
        .chunks_exact(2)
        .map(|two| u16::from_le_bytes([two[0], two[1]]));
    let file = String::from_utf16(&units.collect::<Vec<_>>()).unwrap();
    let file = file.strip_prefix('\u{feff}').unwrap().to_owned();
    (file, text(&told, "password").to_owned())
}

#[test]
fn a_signed_file_opens_a_desktop_and_cannot_be_changed() {
    let xrdp = Xrdp::start();
    for key in [RSA, P256] {
        let publisher = Publisher::new(key);
        let gateway = Gateway::builder().rdp_host(RdpHost::new("desk", xrdp.port()));
        let gateway = publisher.gateway(gateway, "files.pem", "files.key").start();
        assert!(!gateway.log().contains("unsigned"), "{}", gateway.log());
        let admin = gateway.api("bob");
        let id = ask(&gateway);
        let to = publisher.file("desk.rdp");
        let (file, password) = write(&gateway, &id, &to);
        publisher.verify(&file).ok();
        let address = format!("127.0.0.1:{}", gateway.rdp_port);
        assert!(file.contains(&format!("\r\nalternate full address:s:{address}\r\n")));
        for (from, to) in [
            (address.as_str(), "127.0.0.1:1"),
            ("server port:i:", "server port:i:1"),
            ("enablecredsspsupport:i:1", "enablecredsspsupport:i:0"),
            ("authentication level:i:2", "authentication level:i:0"),
            ("redirectclipboard:i:0", "redirectclipboard:i:1"),
            ("drivestoredirect:s:", "drivestoredirect:s:*"),
            ("gatewayusagemethod:i:0", "gatewayusagemethod:i:1"),
            (",Server Port", ""),
        ] {
            assert!(file.contains(from), "{from}: {file}");
            let refused = publisher.verify(&file.replacen(from, to, 1));
            assert_ne!(refused.code, 0, "{from}");
            assert!(
                refused.err.contains("verification failure"),
                "{}",
                refused.err
            );
        }

        // NLA, as the file says when a password comes with it.
        let client = desktop(Rdp::xfreerdp_file(&to, &password));
        let session = show(&admin, &json!({ "id": id }));
        assert_eq!(text(&session, "status"), "Logged In");
        client.close();
        xrdp.logoff();
    }
}

#[test]
fn what_is_to_sign_files_is_checked_at_the_start() {
    let publisher = Publisher::new(P256);
    let other = Publisher::new(P256);
    fs::copy(other.file("files.key"), publisher.file("other.key")).unwrap();
    for (certificate, key, told) in [
        (
            "files.pem",
            "other.key",
            "is not the key of rdp.signing_certificate",
        ),
        ("files.pem", "nothing", "rdp.signing_key: "),
        ("files.key", "files.key", "rdp.signing_certificate must be"),
    ] {
        let gateway = publisher.gateway(Gateway::builder(), certificate, key);
        let log = gateway.prepare().launch_in_vain(SOON);
        assert!(log.contains(told), "{told}: {log}");
        assert!(!log.contains("sallyport is ready"), "{log}");
    }

    // Expired: it starts, says so, and gives out files that open, after a warning.
    let request = ["req", "-new", "-key", "files.key", "-subj", "/CN=Publisher"];
    publisher.openssl(&request, &["-out", "request"]).ok();
    let expired = ["x509", "-req", "-in", "request", "-signkey", "files.key"];
    publisher
        .openssl(&expired, &["-days", "-1", "-out", "expired.pem"])
        .ok();
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder().rdp_host(RdpHost::new("desk", xrdp.port()));
    let gateway = publisher
        .gateway(gateway, "expired.pem", "files.key")
        .start();
    let log = gateway.log();
    assert!(log.contains("rdp.signing_certificate expired on "), "{log}");
    let to = publisher.file("desk.rdp");
    let (file, password) = write(&gateway, &ask(&gateway), &to);
    assert!(!file.contains("signature:"), "{file}");
    let told = gateway.log().matches("expired on ").count();
    assert_eq!(told, 2, "{}", gateway.log());
    drop(desktop(Rdp::xfreerdp_file(&to, &password)));
}
