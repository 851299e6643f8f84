//! `POST /sessions/{id}/rdp-file`: a file that opens the user's RDP client with everything filled in.
//!
//! The settings are those that Microsoft documents as "Supported RDP properties"; what the activity does not allow is
//! turned off in it, so that the client does not offer what the gateway refuses. The file is no permission: the gateway
//! looks at every right again. With a certificate for it, it is signed ([`crate::rdp_signer`]); therefore whatever may
//! send a client elsewhere is in it, even if it says what holds anyway: nobody can add it to a signed file.

use std::fmt::Write;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sallyport_domain::declared::Activity;
use sallyport_domain::right::Right;
use sallyport_domain::role::Act;
use sallyport_domain::session::Origin;
use sallyport_store::{SessionRow, SessionType};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::request::connect_string;
use crate::caller::{Caller, on_session};
use crate::connection_passwords::{issue, once};
use crate::input::Body;
use crate::problem::Problem;
use crate::rdp_signer::SigningError;
use crate::state::Api;

/// The file's media type.
pub const MEDIA_TYPE: &str = "application/x-rdp";

/// Where RDP servers listen unless told otherwise.
const USUAL_PORT: u16 = 3389;

/// Carries the password that was asked for with the file; in the file it would only work on one machine.
static PASSWORD: HeaderName = HeaderName::from_static("sallyport-connection-password");

/// What goes with the file.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RdpFileRequest {
    /// Also make a connection password for one use within five minutes; it comes in the header
    /// `Sallyport-Connection-Password`.
    password: bool,
}

/// `POST /sessions/{id}/rdp-file`
pub async fn file(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Body<RdpFileRequest>,
) -> Result<Response, Problem> {
    let session = caller.session(&api, &id, Act::UseSessions).await?;
    let asked = body.read_or_default()?;
    enterable(&caller, &session)?;
    let activity = activity(&api, &session).await?;
    let password = if asked.password {
        let terms = once(&session.host, &session.activity);
        Some(issue(&api, &caller, &terms).await?.password)
    } else {
        None
    };
    let text = RdpFile {
        address: &api.rdp.address,
        user: &connect_string(&session),
        nla: network_level(&api, &caller, password.is_some()).await?,
        rights: &activity.rights,
    }
    .text();
    let (text, signed) = signed(&api, text)?;
    let told = json!({ "password": asked.password, "signed": signed });
    let id = session.id.to_string();
    caller
        .note(&api, "session.rdp_file", on_session(&session, &id), told)
        .await?;
    answer(&session, &text, password)
}

/// May the caller enter it with a file?
fn enterable(caller: &Caller, session: &SessionRow) -> Result<(), Problem> {
    if !caller.owns(session) {
        return Err(Problem::forbidden(
            "only who asked for the session can have its file: it logs in under that name",
        ));
    }
    if session.kind != SessionType::PamRdp {
        let told =
            "the session is not one of RDP: ask for one of an activity whose protocol is `rdp`";
        return Err(Problem::conflict(told));
    }
    if session.origin != Origin::Api || session.status.is_final() {
        return Err(Problem::conflict(
            "the session cannot be entered any more; ask for another with POST /api/v1/sessions",
        ));
    }
    Ok(())
}

/// The activity as it is declared now.
async fn activity(api: &Api, session: &SessionRow) -> Result<Activity, Problem> {
    let snapshot = api
        .store
        .policy_snapshot(&session.user, &session.host)
        .await?;
    let found = snapshot.rules.activities.get(&session.activity).cloned();
    found.ok_or_else(|| {
        Problem::conflict(format!(
            "the activity {} is not declared any more; ask for another session",
            session.activity
        ))
    })
}

/// Should the client use network level authentication? Where TLS alone will do, only with a password that works
/// there: her own does not, unless its NT hash is kept.
async fn network_level(api: &Api, caller: &Caller, issued: bool) -> Result<bool, Problem> {
    if !api.rdp.nla || !api.rdp.tls {
        return Ok(api.rdp.nla);
    }
    Ok(issued || api.store.keeps_nt_hash(caller.identity.id).await?)
}

/// The text with its signature, and whether it has one.
fn signed(api: &Api, text: String) -> Result<(String, bool), Problem> {
    let Some(signer) = &api.rdp_signer else {
        return Ok((text, false));
    };
    match signer.sign(&text, api.now()) {
        Ok(signed) => Ok((signed, true)),
        // It opens nevertheless, after a warning; with a signature that does not hold it might not.
        Err(SigningError::NotValid(why)) => {
            tracing::warn!(%why, "an .rdp file is given out unsigned");
            Ok((text, false))
        }
        Err(error @ SigningError::Key(_)) => Err(Problem::internal(error)),
    }
}

fn answer(
    session: &SessionRow,
    text: &str,
    password: Option<Zeroizing<String>>,
) -> Result<Response, Problem> {
    let disposition = format!("attachment; filename=\"{}\"", file_name(session));
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    let mut response = (headers, utf16(text)).into_response();
    if let Some(password) = password {
        let mut value = HeaderValue::from_str(&password)
            .map_err(|_| Problem::internal("a password that is no header"))?;
        value.set_sensitive(true);
        response.headers_mut().insert(&PASSWORD, value);
    }
    Ok(response)
}

/// A name that every file system and every header takes.
fn file_name(session: &SessionRow) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = format!("{}-{}", session.host, session.activity)
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    format!("{}.rdp", name.trim_start_matches('.'))
}

/// UTF-16 with a byte order mark: the one form beside plain ASCII that every client reads.
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// What a file says.
struct RdpFile<'a> {
    /// `host:port` of the gateway.
    address: &'a str,
    user: &'a str,
    /// Network level authentication?
    nla: bool,
    rights: &'a [Right],
}

impl RdpFile<'_> {
    fn text(&self) -> String {
        let may = |right| self.rights.contains(&right);
        let clipboard = may(Right::ClipboardIn) || may(Right::ClipboardOut);
        let drives = may(Right::Drives);
        // 0 plays here, 1 there, 2 nowhere.
        let sound = if may(Right::Audio) { 0 } else { 2 };
        let mut text = String::new();
        string(&mut text, "full address", self.address);
        // It wins over the other one where it is.
        string(&mut text, "alternate full address", self.address);
        string(&mut text, "username", self.user);
        string(&mut text, "drivestoredirect", if drives { "*" } else { "" });
        for nothing in [
            "alternate shell",
            "kdcproxyname",
            "devicestoredirect",
            "usbdevicestoredirect",
            "camerastoredirect",
        ] {
            string(&mut text, nothing, "");
        }
        for (name, number) in [
            // It wins over the one in the address.
            ("server port", i32::from(port(self.address))),
            ("use redirection server name", 0),
            // Of a web page, which would be opened first.
            ("require pre-authentication", 0),
            ("rdgiskdcproxy", 0),
            ("remoteapplicationmode", 0),
            // Whatever was saved is not good any more.
            ("prompt for credentials", 1),
            ("enablecredsspsupport", i32::from(self.nla)),
            // Warns if the certificate is not vouched for.
            ("authentication level", 2),
            ("negotiate security layer", 1),
            ("redirectclipboard", i32::from(clipboard)),
            ("redirectdrives", i32::from(drives)),
            ("redirectprinters", i32::from(may(Right::Printers))),
            ("redirectcomports", 0),
            ("redirectsmartcards", 0),
            ("redirectposdevices", 0),
            ("redirectwebauthn", 0),
            ("redirectlocation", 0),
            ("audiomode", sound),
            ("audiocapturemode", 0),
            // Whoever is cut off has been: she comes back through the door.
            ("autoreconnection enabled", 0),
            ("gatewayusagemethod", 0),
        ] {
            let _ = write!(text, "{name}:i:{number}\r\n");
        }
        text
    }
}

/// The port of `host:port`, `[::1]:port` or an address alone.
fn port(address: &str) -> u16 {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    // The last part of a bare IPv6 address is no port.
    let port = match host.contains(':') && !host.ends_with(']') {
        true => None,
        false => port.parse().ok(),
    };
    port.unwrap_or(USUAL_PORT)
}

/// A line with a text, which cannot end the line.
fn string(text: &mut String, name: &str, value: &str) {
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    let _ = write!(text, "{name}:s:{value}\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdp_signer::SIGNED;

    fn lines(nla: bool, rights: &[Right]) -> Vec<String> {
        let text = RdpFile {
            address: "gate.example:3390",
            user: "alice+office_work+desk\r\n-01",
            nla,
            rights,
        }
        .text();
        assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_file_offers_what_the_activity_allows() {
        let bare = lines(false, &[]);
        for line in [
            "full address:s:gate.example:3390",
            "alternate full address:s:gate.example:3390",
            "server port:i:3390",
            "username:s:alice+office_work+desk-01",
            "enablecredsspsupport:i:0",
            "redirectclipboard:i:0",
            "drivestoredirect:s:",
            "redirectprinters:i:0",
            "audiomode:i:2",
            "autoreconnection enabled:i:0",
            "gatewayusagemethod:i:0",
            "prompt for credentials:i:1",
        ] {
            assert!(bare.iter().any(|found| found == line), "{line}: {bare:?}");
        }
        let all = lines(true, Right::ALL);
        for line in [
            "enablecredsspsupport:i:1",
            "redirectclipboard:i:1",
            "drivestoredirect:s:*",
            "redirectdrives:i:1",
            "redirectprinters:i:1",
            "audiomode:i:0",
            "redirectsmartcards:i:0",
            "camerastoredirect:s:",
        ] {
            assert!(all.iter().any(|found| found == line), "{line}: {all:?}");
        }
        let one_way = lines(true, &[Right::ClipboardOut]);
        assert!(one_way.contains(&"redirectclipboard:i:1".to_owned()));
    }

    /// What is not, rdpsign.exe does not sign either. It neither leads elsewhere nor opens what the gateway refuses.
    #[test]
    fn whatever_leads_somewhere_is_signed() {
        const UNSIGNED: [&str; 6] = [
            "username",
            "usbdevicestoredirect",
            "camerastoredirect",
            "redirectwebauthn",
            "redirectlocation",
            "audiocapturemode",
        ];
        let lines = lines(true, Right::ALL);
        let names = lines.iter().map(|line| line.split(':').next().unwrap());
        let unsigned = |name: &&str| {
            let mut signed = SIGNED.iter();
            !signed.any(|signed| signed.eq_ignore_ascii_case(name))
        };
        assert_eq!(names.clone().filter(unsigned).collect::<Vec<_>>(), UNSIGNED);
        let mut once: Vec<&str> = names.collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), lines.len(), "{lines:?}");
    }

    #[test]
    fn ports_of_addresses() {
        for (address, expected) in [
            ("gate.example:3390", 3390),
            ("[::1]:3390", 3390),
            ("gate.example", 3389),
            ("[2001:db8::7]", 3389),
            ("2001:db8::7", 3389),
            ("gate.example:", 3389),
            ("gate.example:99999", 3389),
        ] {
            assert_eq!(port(address), expected, "{address}");
        }
    }

    #[test]
    fn a_file_is_utf16_with_its_mark() {
        assert_eq!(utf16("aé"), [0xff, 0xfe, b'a', 0, 0xe9, 0]);
    }
}
