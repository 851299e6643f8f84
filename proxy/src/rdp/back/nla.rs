//! Logging in by CredSSP (MS-CSSP), with NTLM or Kerberos.

use ironrdp_pdu::nego::SecurityProtocol;
use sspi::credssp::{ClientMode, ClientState, CredSspClient, CredSspMode, TsRequest};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, Credentials, Username};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::kerberos::{self, Kdcs};
use crate::rdp::credssp;
use crate::rdp::leg::{Leg, LegError};

/// A CredSSP exchange has three messages from us, or four.
const MESSAGES: usize = 8;

/// Before so many messages a KDC is asked for a ticket: the target has said then for which of its keys.
const TICKETED: usize = 2;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Nla {
    /// In.
    Accepted,
    /// It does not take these credentials.
    Refused,
    /// There is no ticket for it, and why.
    NoTicket(String),
}

/// Logs in, by Kerberos if the account's domain has one of the `kdcs`. `key` is that of the target's certificate, `host`
/// what it is called.
///
/// # Errors
/// If what comes is no CredSSP, or the network breaks.
pub async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    selected: SecurityProtocol,
    key: &[u8],
    host: &str,
    (account, password): (&str, &str),
    kdcs: &Kdcs,
) -> Result<Nla, LegError> {
    const WHAT: &str = "NLA";
    let Ok(username) = Username::parse(account) else {
        return Err(LegError::unexpected(
            WHAT,
            "the account's name is none that NTLM knows",
        ));
    };
    let identity = AuthIdentity {
        username,
        password: password.to_owned().into(),
    };
    let ntlm = || ClientMode::Ntlm(NtlmConfig::new("SALLYPORT".to_owned()));
    let mode = kdcs.mode(account);
    let by_kerberos = mode.is_some();
    let mode = mode.unwrap_or_else(ntlm);
    let mut client = CredSspClient::new(
        key.to_vec(),
        Credentials::AuthIdentity(identity),
        CredSspMode::WithCredentials,
        mode,
        format!("TERMSRV/{host}"),
    )
    .map_err(|error| LegError::unexpected(WHAT, error))?;
    let mut heard = TsRequest::default();
    for message in 0..MESSAGES {
        // A refusal comes as an error code in its answer; some just close instead.
        let state = match kerberos::step(&mut client, heard).await {
            Ok(state) => state,
            Err(error) if by_kerberos && message < TICKETED => {
                return Ok(Nla::NoTicket(error.description));
            }
            Err(error) if message > 1 => {
                tracing::debug!(%error, "a target refused a credential");
                return Ok(Nla::Refused);
            }
            Err(error) => return Err(LegError::unexpected(WHAT, error)),
        };
        match state {
            ClientState::ReplyNeeded(say) => {
                credssp::send(leg, &say).await?;
                heard = match credssp::request(leg).await {
                    Ok(heard) => heard,
                    Err(LegError::Closed(_) | LegError::Io(_)) if message > 0 => {
                        return Ok(Nla::Refused);
                    }
                    Err(error) => return Err(error),
                };
            }
            ClientState::FinalMessage(say) => {
                credssp::send(leg, &say).await?;
                return authorised(leg, selected).await;
            }
        }
    }
    Err(LegError::unexpected(WHAT, "it never ends"))
}

/// With HYBRID_EX the target says at once whether the user may come in (MS-RDPBCGR 2.2.10.2).
async fn authorised<S: AsyncRead + Unpin>(
    leg: &mut Leg<S>,
    selected: SecurityProtocol,
) -> Result<Nla, LegError> {
    if !selected.contains(SecurityProtocol::HYBRID_EX) {
        return Ok(Nla::Accepted);
    }
    match leg.stream.read_u32_le().await? {
        0 => Ok(Nla::Accepted),
        _ => Ok(Nla::Refused),
    }
}
