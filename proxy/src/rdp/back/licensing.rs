//! Licensing (MS-RDPELE): a target may want to give one; nothing is kept of it.

use bytes::BytesMut;
use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::rdp::server_license::{
    ClientNewLicenseRequest, ClientPlatformChallengeResponse, LicenseEncryptionData,
    LicenseErrorCode, LicensePdu, PREMASTER_SECRET_SIZE, RANDOM_NUMBER_SIZE,
};
use sallyport_dissect::rdp::mcs;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

const WHAT: &str = "licensing";
/// Request, challenge and licence; or just a word that none is needed.
const MESSAGES: usize = 4;
/// Who asks for it.
const MACHINE: &str = "SALLYPORT";

/// Goes through licensing until the target is content.
///
/// # Errors
/// If it is not, or sends something else.
pub async fn settle<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
    account: &str,
) -> Result<(), LegError> {
    let mut keys = None;
    for _ in 0..MESSAGES {
        let (_, data) = leg.data("during licensing").await?;
        let reply = match pdu(&data)? {
            LicensePdu::LicensingErrorMessage(message)
                if message.error_code == LicenseErrorCode::StatusValidClient =>
            {
                return Ok(());
            }
            LicensePdu::LicensingErrorMessage(message) => {
                let why = format!("the target has no licence for us: {:?}", message.error_code);
                return Err(LegError::unexpected(WHAT, why));
            }
            LicensePdu::ServerUpgradeLicense(_) => return Ok(()),
            LicensePdu::ServerLicenseRequest(request) => {
                let (random, premaster) = secrets();
                let made = ClientNewLicenseRequest::from_server_license_request(
                    &request, &random, &premaster, account, MACHINE,
                );
                let (reply, agreed) = made.map_err(|error| LegError::unexpected(WHAT, error))?;
                keys = Some(agreed);
                LicensePdu::from(reply)
            }
            LicensePdu::ServerPlatformChallenge(challenge) => {
                let keys = keys
                    .as_ref()
                    .ok_or_else(|| LegError::unexpected(WHAT, "a challenge without a request"))?;
                respond(&challenge, keys)?
            }
            LicensePdu::ClientNewLicenseRequest(_)
            | LicensePdu::ClientLicenseInfo(_)
            | LicensePdu::ClientPlatformChallengeResponse(_) => {
                return Err(LegError::unexpected(WHAT, "a client's message came"));
            }
        };
        let reply = encode_vec(&reply).map_err(LegError::unencodable(WHAT))?;
        let mut frame = Vec::new();
        mcs::frame(mcs::Sender::Client, ids.user, ids.io, &reply, &mut frame);
        leg.send(&frame).await?;
    }
    Err(LegError::unexpected(WHAT, "it never ends"))
}

fn pdu(data: &BytesMut) -> Result<LicensePdu, LegError> {
    decode(data).map_err(LegError::undecodable(WHAT))
}

fn secrets() -> ([u8; RANDOM_NUMBER_SIZE], [u8; PREMASTER_SECRET_SIZE]) {
    let (mut random, mut premaster) = ([0; RANDOM_NUMBER_SIZE], [0; PREMASTER_SECRET_SIZE]);
    rand::fill(&mut random);
    rand::fill(&mut premaster);
    (random, premaster)
}

fn respond(
    challenge: &ironrdp_pdu::rdp::server_license::ServerPlatformChallenge,
    keys: &LicenseEncryptionData,
) -> Result<LicensePdu, LegError> {
    let hardware = [0; 4];
    let reply =
        ClientPlatformChallengeResponse::from_server_platform_challenge(challenge, hardware, keys);
    reply
        .map(LicensePdu::from)
        .map_err(|error| LegError::unexpected(WHAT, error))
}
