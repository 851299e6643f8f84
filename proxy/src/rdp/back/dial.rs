//! TCP, negotiation, TLS, and whose certificate that is.

use std::time::Duration;

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::nego::{
    ConnectionConfirm, ConnectionRequest, NegoRequestData, RequestFlags, ResponseFlags,
    SecurityProtocol,
};
use ironrdp_pdu::x224::X224;
use rustls::pki_types::ServerName;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use sallyport_store::Store;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::TargetStream;
use crate::enter::{DialError, Verdict};
use crate::rdp::leg::{Leg, LegError};
use crate::rdp::pin::PinCheck;
use crate::rdp::tls::{self, PublicKey, ShownChain};
use crate::wire::Wire;

/// A target that answered and showed an accepted certificate, but has not let us in yet.
pub struct Reached {
    /// Its stream, inside TLS.
    pub leg: Leg<TargetStream>,
    /// How it wants to be logged in to.
    pub selected: SecurityProtocol,
    /// What else it is able to.
    pub flags: ResponseFlags,
    /// The key of its certificate.
    pub key: PublicKey,
    /// How that was judged.
    pub verdict: Verdict,
    /// What was agreed on.
    pub algorithms: Negotiated,
}

/// Reaches the permit's host: TCP connection, negotiation, TLS, certificate. Gives up as soon as `cut` is cancelled.
pub async fn reach(
    permit: &Permit,
    store: &Store,
    cut: CancellationToken,
    times: (Duration, Duration),
) -> Result<Reached, DialError> {
    tokio::select! {
        biased;
        () = cut.cancelled() => Err(Refusal::TargetUnreachable {
            host: permit.host().name.clone(),
            error: "its user did not wait for it".to_owned(),
        }
        .into()),
        reached = dial(permit, store, cut.clone(), times) => reached,
    }
}

async fn dial(
    permit: &Permit,
    store: &Store,
    cut: CancellationToken,
    (keepalive, patience): (Duration, Duration),
) -> Result<Reached, DialError> {
    let host = permit.host();
    let name = || host.name.clone();
    let endpoint = host
        .rdp
        .as_ref()
        .ok_or_else(|| Refusal::ProtocolNotServed {
            host: name(),
            protocol: "RDP",
        })?;
    let unreachable = |error: String| Refusal::TargetUnreachable {
        host: name(),
        error,
    };
    let late = || unreachable(format!("no answer within {} s", patience.as_secs()));
    let connecting = TcpStream::connect((host.address.as_str(), endpoint.port));
    let tcp = timeout(patience, connecting)
        .await
        .map_err(|_| late())?
        .map_err(|error| unreachable(crate::notice::io_words(&error)))?;
    let wire = Wire::new(tcp, cut).map_err(|error| unreachable(crate::notice::io_words(&error)))?;
    wire.probe(keepalive);
    let garbled = |error: LegError| Refusal::NotRdp {
        host: name(),
        error: error.to_string(),
    };
    let greeting = greet(Leg::new(wire), &permit.account().name);
    let greeted = timeout(patience, greeting).await.map_err(|_| late())?;
    let (leg, selected, flags) = greeted.map_err(garbled)?;
    let securing = secure(leg, &host.address);
    let secured = timeout(patience, securing).await.map_err(|_| late())?;
    let (leg, shown, algorithms) = secured.map_err(garbled)?;
    let key = PublicKey::of(&shown.certificate).ok_or_else(|| {
        garbled(LegError::unexpected(
            "TLS",
            "its certificate cannot be read",
        ))
    })?;
    let check = PinCheck::new(store.clone(), permit.host_id(), endpoint);
    let verdict = check.check(&key, &shown, &host.address).await;
    if verdict.is_accepted() {
        return Ok(Reached {
            leg,
            selected,
            flags,
            key,
            verdict,
            algorithms,
        });
    }
    Err(verdict.refusal(&host.name, |host| Refusal::CertificateMismatch { host }))
}

/// Asks for a connection; offers TLS with and without CredSSP, and obeys the answer.
async fn greet(
    mut leg: Leg<Wire>,
    account: &str,
) -> Result<(Leg<Wire>, SecurityProtocol, ResponseFlags), LegError> {
    const WHAT: &str = "Connection Confirm";
    // A cookie may not break its line.
    let cookie: String = account
        .chars()
        .filter(|c| c.is_ascii_graphic())
        .take(64)
        .collect();
    let request = ConnectionRequest {
        nego_data: Some(NegoRequestData::cookie(cookie)),
        flags: RequestFlags::empty(),
        protocol: SecurityProtocol::SSL | SecurityProtocol::HYBRID,
        correlation_info: None,
    };
    let request =
        encode_vec(&X224(request)).map_err(LegError::unencodable("Connection Request"))?;
    leg.send(&request).await?;
    let answer = leg.frame("when asked for a connection").await?;
    let X224(confirm): X224<ConnectionConfirm> =
        decode(&answer).map_err(LegError::undecodable(WHAT))?;
    match confirm {
        ConnectionConfirm::Response { flags, protocol }
            if protocol.intersects(SecurityProtocol::SSL | SecurityProtocol::HYBRID) =>
        {
            Ok((leg, protocol, flags))
        }
        ConnectionConfirm::Response { .. } => Err(LegError::unexpected(
            WHAT,
            "it speaks neither TLS nor NLA, only RDP's own encryption, which is broken",
        )),
        ConnectionConfirm::Failure { code } => Err(LegError::unexpected(WHAT, code)),
    }
}

async fn secure(
    leg: Leg<Wire>,
    address: &str,
) -> Result<(Leg<TargetStream>, ShownChain, Negotiated), LegError> {
    const WHAT: &str = "TLS";
    let (config, keeper) = tls::to_target().map_err(|error| LegError::unexpected(WHAT, error))?;
    let name = ServerName::try_from(address.to_owned())
        .map_err(|error| LegError::unexpected(WHAT, error))?;
    let stream = TlsConnector::from(config).connect(name, leg.stream).await?;
    let shown = keeper.shown();
    let shown = shown.ok_or_else(|| LegError::unexpected(WHAT, "it showed no certificate"))?;
    let algorithms = tls::negotiated(stream.get_ref().1);
    Ok((Leg::new(stream), shown, algorithms))
}
