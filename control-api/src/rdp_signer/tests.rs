//! What is signed, by the description of the form; and that OpenSSL, which is of another make, agrees with the signature.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;

/// A file of every kind of line: signed and not, in another order than they are signed, of any letters.
const FILE: &str = "username:s:alice\r\n\
    full address:s:gäte.example:3390\r\n\
    redirectclipboard:i:1\r\n\
    drivestoredirect:s:\r\n\
    alternate full address:s:gäte.example:3390\r\n\
    camerastoredirect:s:\r\n\
    server port:i:3390\r\n\
    Authentication Level:i:2\r\n";

const SCOPE: &str = "signscope:s:Full Address,Alternate Full Address,Server Port,Authentication Level,\
    RedirectClipboard,DrivesToRedirect\r\n";

/// What is signed of it, but for its encoding.
const SIGNED: &str = "full address:s:gäte.example:3390\r\n\
    alternate full address:s:gäte.example:3390\r\n\
    server port:i:3390\r\n\
    Authentication Level:i:2\r\n\
    redirectclipboard:i:1\r\n\
    drivestoredirect:s:\r\n\
    signscope:s:Full Address,Alternate Full Address,Server Port,Authentication Level,\
    RedirectClipboard,DrivesToRedirect\r\n\0";

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A folder for OpenSSL to work in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Did it go well?
    fn openssl(&self, arguments: &str) -> Result<(), String> {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .output()
            .expect("openssl is installed");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// A certificate `NAME.pem` that vouches for itself, and its key `NAME.key`.
    fn certificate(&self, name: &str, key: &str, more: &str) {
        let arguments = format!(
            "req -x509 -newkey {key} -nodes -days 30 -subj /CN={name} -keyout {name}.key -out {name}.pem{more}"
        );
        self.openssl(&arguments).unwrap();
    }

    fn signer(&self, name: &str) -> Result<RdpSigner, RdpSignerError> {
        let [certificate, key] = ["pem", "key"].map(|kind| self.text(&format!("{name}.{kind}")));
        RdpSigner::new(&certificate, &key)
    }

    /// Is `signature` one of these bytes, by someone whom the authorities in this file vouch for?
    fn verify(&self, signature: &[u8], signed: &[u8], authorities: &str) -> Result<(), String> {
        fs::write(self.file("signature"), signature).unwrap();
        fs::write(self.file("signed"), signed).unwrap();
        self.openssl(&format!(
            "cms -verify -binary -inform DER -in signature -content signed -CAfile {authorities} -purpose any -out out"
        ))
    }
}

/// The CMS message of a signed file.
fn message(file: &str) -> Vec<u8> {
    let last = file.strip_suffix("\r\n").unwrap();
    let (_, value) = last.rsplit_once("\r\nsignature:s:").unwrap();
    let value = STANDARD.decode(value).unwrap();
    let (head, message) = value.split_at(12);
    let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    assert_eq!((number(0), number(4)), (0x0001_0001, 1));
    assert_eq!(usize::try_from(number(8)).unwrap(), message.len());
    message.to_vec()
}

#[test]
fn what_is_signed_has_the_described_form() {
    let scope = scope::line(FILE);
    assert_eq!(scope, SCOPE);
    assert_eq!(scope::signed(FILE, &scope), utf16(SIGNED));
}

#[test]
fn openssl_believes_every_kind_of_key_and_no_changed_byte() {
    let folder = Folder::new();
    for (name, key) in [
        ("rsa", "rsa:2048"),
        ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
    ] {
        folder.certificate(name, key, "");
        let signer = folder.signer(name).unwrap();
        let file = signer.sign(FILE, Utc::now()).unwrap();
        assert!(file.starts_with(&format!("{FILE}{SCOPE}signature:s:")));
        let (message, authority) = (message(&file), format!("{name}.pem"));
        let verify = |text: &str| folder.verify(&message, &utf16(text), &authority);
        verify(SIGNED).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The last character of every line, and the order.
        for (end, _) in SIGNED.match_indices("\r\n") {
            let changed = format!("{}~{}", &SIGNED[..end - 1], &SIGNED[end..]);
            assert!(verify(&changed).is_err(), "{name}: {changed}");
        }
        let (first, rest) = SIGNED.split_once("\r\n").unwrap();
        let (second, rest) = rest.split_once("\r\n").unwrap();
        assert!(verify(&format!("{second}\r\n{first}\r\n{rest}")).is_err());
        assert!(verify(SIGNED.trim_end_matches('\0')).is_err());
    }
}

/// The signatures of RSA are always the same, so the whole message is.
#[test]
fn a_message_is_openssls_byte_for_byte() {
    let folder = Folder::new();
    folder.certificate("own", "rsa:2048", " -addext extendedKeyUsage=codeSigning");
    let file = folder.signer("own").unwrap().sign(FILE, Utc::now());
    fs::write(folder.file("signed"), utf16(SIGNED)).unwrap();
    let sign = "smime -sign -binary -noattr -nosmimecap -md sha256 -signer own.pem -inkey own.key -in signed \
        -outform DER -out message";
    folder.openssl(sign).unwrap();
    let theirs = fs::read(folder.file("message")).unwrap();
    assert_eq!(message(&file.unwrap()), theirs);
}

#[test]
fn keys_in_their_older_forms_sign_as_well() {
    let folder = Folder::new();
    folder.certificate("rsa", "rsa:2048", "");
    folder.certificate("ec", "ec -pkeyopt ec_paramgen_curve:P-256", "");
    for (name, convert, begins) in [
        (
            "rsa",
            "rsa -traditional -in rsa.key -out older",
            "-----BEGIN RSA PRIVATE KEY",
        ),
        (
            "ec",
            "ec -in ec.key -out older",
            "-----BEGIN EC PRIVATE KEY",
        ),
    ] {
        folder.openssl(convert).unwrap();
        let key = folder.text("older");
        assert!(key.starts_with(begins), "{name}");
        let certificate = folder.text(&format!("{name}.pem"));
        let signer = RdpSigner::new(&certificate, &key).unwrap();
        let file = signer.sign(FILE, Utc::now()).unwrap();
        let verified = folder.verify(&message(&file), &utf16(SIGNED), &format!("{name}.pem"));
        verified.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The verifier has the authority only; what leads to it comes with the file.
#[test]
fn the_chain_is_in_the_signature() {
    let folder = Folder::new();
    folder.certificate("root", "rsa:2048", "");
    fs::write(folder.file("extensions"), "basicConstraints=CA:TRUE\n").unwrap();
    for (name, by) in [("middle", "root"), ("leaf", "middle")] {
        let request =
            format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out request");
        folder.openssl(&request).unwrap();
        let extensions = match name {
            "middle" => " -extfile extensions",
            _ => "",
        };
        let sign = format!(
            "x509 -req -in request -CA {by}.pem -CAkey {by}.key -CAcreateserial -days 30 -out {name}.pem{extensions}"
        );
        folder.openssl(&sign).unwrap();
    }
    let leaf = folder.signer("leaf").unwrap();
    let alone = message(&leaf.sign(FILE, Utc::now()).unwrap());
    assert!(folder.verify(&alone, &utf16(SIGNED), "root.pem").is_err());
    let chain = folder.text("leaf.pem") + &folder.text("middle.pem");
    let signer = RdpSigner::new(&chain, &folder.text("leaf.key")).unwrap();
    let whole = message(&signer.sign(FILE, Utc::now()).unwrap());
    folder.verify(&whole, &utf16(SIGNED), "root.pem").unwrap();
    assert!(folder.verify(&whole, &utf16(FILE), "root.pem").is_err());
    // The wrong way round.
    let chain = folder.text("middle.pem") + &folder.text("leaf.pem");
    let signer = RdpSigner::new(&chain, &folder.text("leaf.key"));
    assert_eq!(signer.err(), Some(RdpSignerError::Mismatch));
}

#[test]
fn what_cannot_sign_is_refused() {
    let folder = Folder::new();
    folder.certificate("rsa", "rsa:2048", "");
    folder.certificate("other", "rsa:2048", "");
    folder.certificate("small", "rsa:1024", "");
    folder.certificate("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "");
    folder.certificate("edwards", "ed25519", "");
    let encrypt = "pkcs8 -topk8 -in rsa.key -out encrypted -passout pass:secret";
    folder.openssl(encrypt).unwrap();
    for name in ["small", "p521", "edwards"] {
        let refused = folder.signer(name).err();
        assert_eq!(refused, Some(RdpSignerError::KeyKind), "{name}");
    }
    let text = |name: &str| match name {
        "" => String::new(),
        name => folder.text(name),
    };
    for (certificate, key, error) in [
        ("rsa.pem", "other.key", RdpSignerError::Mismatch),
        ("rsa.key", "rsa.key", RdpSignerError::Certificate),
        ("", "rsa.key", RdpSignerError::Certificate),
        ("rsa.pem", "rsa.pem", RdpSignerError::Key),
        ("rsa.pem", "", RdpSignerError::Key),
        ("rsa.pem", "encrypted", RdpSignerError::Key),
    ] {
        let refused = RdpSigner::new(&text(certificate), &text(key)).err();
        assert_eq!(refused, Some(error), "{certificate}, {key}");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let refused = RdpSigner::new(broken, &folder.text("rsa.key")).err();
    assert_eq!(refused, Some(RdpSignerError::Certificate));
}

#[test]
fn a_certificate_signs_while_it_is_valid() {
    let folder = Folder::new();
    folder.certificate("own", "ec -pkeyopt ec_paramgen_curve:P-256", "");
    let signer = folder.signer("own").unwrap();
    let now = Utc::now();
    assert_eq!(signer.valid_at(now), Ok(()));
    for (at, told) in [
        (now + TimeDelta::days(31), "expired on "),
        (now - TimeDelta::days(1), "not valid before "),
    ] {
        let refused = signer.sign(FILE, at).err().unwrap();
        assert!(matches!(refused, SigningError::NotValid(_)), "{refused}");
        assert!(refused.to_string().contains(told), "{refused}");
    }
}

#[test]
fn purposes_that_mstsc_takes() {
    let folder = Folder::new();
    for (usage, is) in [
        (None, true),
        (Some("serverAuth"), true),
        (Some("clientAuth,codeSigning"), true),
        (Some(REMOTE_DESKTOP), true),
        (Some("clientAuth"), false),
        (Some("emailProtection,1.3.6.1.4.1.311.54.1.3"), false),
    ] {
        let more = usage.map(|usage| format!(" -addext extendedKeyUsage={usage}"));
        let key = "ec -pkeyopt ec_paramgen_curve:P-256";
        folder.certificate("own", key, &more.unwrap_or_default());
        assert_eq!(
            folder.signer("own").unwrap().is_for_files(),
            is,
            "{usage:?}"
        );
    }
}
