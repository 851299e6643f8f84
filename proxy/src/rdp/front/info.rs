//! Client Info (MS-RDPBCGR 2.2.1.11), where the password is if there was no NLA, and licensing, which is none.

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::rdp::client_info::ClientInfoFlags;
use ironrdp_pdu::rdp::server_license::{LicensePdu, LicensingErrorMessage};
use sallyport_dissect::rdp::mcs;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

/// The longest Client Info that is taken.
const LONGEST: usize = 16 << 10;

/// What a client says about itself and its user, without the password.
pub struct ClientInfo {
    /// To be sent on to the target with other credentials.
    pub pdu: ClientInfoPdu,
    /// What its user gave.
    pub given: Given,
}

/// What the user gave to prove who she is.
pub struct Given {
    /// As the client sent it.
    pub user: String,
    /// The domain beside it; may be empty.
    pub domain: String,
    /// Empty after NLA, where clients send it all the same, and where none was typed.
    pub password: Zeroizing<String>,
}

/// Reads Client Info.
///
/// # Errors
/// If something else comes, or it cannot be read.
pub async fn client_info<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
) -> Result<ClientInfo, LegError> {
    const WHAT: &str = "Client Info";
    let (channel, mut data) = leg.data("before Client Info").await?;
    if channel != ids.io || data.len() > LONGEST {
        return Err(LegError::unexpected(WHAT, "something else came"));
    }
    let decoded = decode(&data).map_err(LegError::undecodable(WHAT));
    // The password was in it.
    data.fill(0);
    let mut pdu: ClientInfoPdu = decoded?;
    let credentials = &mut pdu.client_info.credentials;
    let mut password = Zeroizing::new(std::mem::take(&mut credentials.password));
    if pdu
        .client_info
        .flags
        .contains(ClientInfoFlags::PASSWORD_IS_SC_PIN)
    {
        password.clear();
    }
    let given = Given {
        user: std::mem::take(&mut credentials.username),
        domain: credentials.domain.take().unwrap_or_default(),
        password,
    };
    Ok(ClientInfo { pdu, given })
}

/// Tells the client that it needs no licence.
pub async fn license<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
) -> Result<(), LegError> {
    const WHAT: &str = "licensing";
    let message = LicensingErrorMessage::new_valid_client().map_err(LegError::unencodable(WHAT))?;
    let message = encode_vec(&LicensePdu::from(message)).map_err(LegError::unencodable(WHAT))?;
    let mut frame = Vec::new();
    mcs::frame(mcs::Sender::Server, ids.user, ids.io, &message, &mut frame);
    Ok(leg.send(&frame).await?)
}
