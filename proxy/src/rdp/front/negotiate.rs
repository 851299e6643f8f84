//! The first PDUs, before TLS: what the client is able to, and what is chosen of it (MS-RDPBCGR 2.2.1.1, 2.2.1.2).

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::nego::{
    ConnectionConfirm, ConnectionRequest, FailureCode, NegoRequestData, ResponseFlags,
    SecurityProtocol,
};
use ironrdp_pdu::x224::X224;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::rdp::leg::{Leg, LegError};

/// The longest Connection Request: header, cookie or routing token, negotiation and correlation.
const LONGEST: usize = 512;

/// How a client may prove who its user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// CredSSP with NTLM inside TLS, before anything else.
    Nla,
    /// TLS; the password comes in Client Info.
    Tls,
}

impl Security {
    fn protocol(self) -> SecurityProtocol {
        match self {
            // Never HYBRID_EX: xfreerdp 2 stumbles over it.
            Self::Nla => SecurityProtocol::HYBRID,
            Self::Tls => SecurityProtocol::SSL,
        }
    }
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// How the user proves who she is.
    pub security: Security,
    /// What the client had offered; it wants to read it again later.
    pub offered: SecurityProtocol,
}

/// Reads the Connection Request and answers it. `accepted` are the ways to log in, the preferred one first; `by_nla` says of
/// the user in the request, if it names one, whether NLA will do for her.
///
/// Clients that insist on NLA offer the same as those that would take either, so what the user has is what decides: her own
/// password cannot be checked by NLA, but whoever made herself a connection password means to use it.
///
/// # Errors
/// If what comes is no Connection Request, or offers nothing that is accepted (which the client was told).
pub async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    accepted: &[Security],
    by_nla: impl AsyncFnOnce(&str) -> bool,
) -> Result<Chosen, LegError> {
    const STEP: &str = "before it asked for a connection";
    let frame = leg.frame(STEP).await?;
    if frame.len() > LONGEST {
        return Err(LegError::unexpected("Connection Request", "it is too long"));
    }
    let X224(request): X224<ConnectionRequest> =
        decode(&frame).map_err(LegError::undecodable("Connection Request"))?;
    let offered = request.protocol;
    // Nothing may follow before the answer: what does would be read as if it had come inside TLS.
    if !leg.buffer.is_empty() {
        return Err(LegError::unexpected("Connection Request", "more follows"));
    }
    let mut possible = accepted
        .iter()
        .copied()
        .filter(|security| offered.contains(security.protocol()));
    let chosen = match (possible.next(), possible.next()) {
        (Some(first), Some(second)) => {
            let user = user(&request);
            let nla = !user.is_empty() && by_nla(user).await;
            let wanted = if nla { Security::Nla } else { first };
            Some(if second == wanted { second } else { first })
        }
        (only, _) => only,
    };
    let confirm = match chosen {
        Some(security) => ConnectionConfirm::Response {
            flags: ResponseFlags::EXTENDED_CLIENT_DATA_SUPPORTED
                | ResponseFlags::DYNVC_GFX_PROTOCOL_SUPPORTED,
            protocol: security.protocol(),
        },
        None => ConnectionConfirm::Failure {
            code: wanted(accepted),
        },
    };
    let confirm =
        encode_vec(&X224(confirm)).map_err(LegError::unencodable("Connection Confirm"))?;
    leg.send(&confirm).await?;
    match chosen {
        Some(security) => Ok(Chosen { security, offered }),
        None => Err(LegError::unexpected(
            "Connection Request",
            format!("it offers {offered}, which is not accepted"),
        )),
    }
}

/// The user that a client names for load balancers; some cut the name off after nine characters.
fn user(request: &ConnectionRequest) -> &str {
    let name = match &request.nego_data {
        Some(NegoRequestData::Cookie(cookie)) => cookie.0.as_str(),
        Some(NegoRequestData::RoutingToken(_)) | None => "",
    };
    name.split(['+', '#']).next().unwrap_or_default()
}

/// What a client is told that offers nothing that would do.
fn wanted(accepted: &[Security]) -> FailureCode {
    match accepted.contains(&Security::Tls) {
        true => FailureCode::SSL_REQUIRED_BY_SERVER,
        false => FailureCode::HYBRID_REQUIRED_BY_SERVER,
    }
}
