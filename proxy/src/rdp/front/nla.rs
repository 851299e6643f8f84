//! Network Level Authentication: CredSSP (MS-CSSP) with NTLM inside TLS.
//!
//! NTLM can only be checked with the clear password or its NT hash, so it works with connection passwords, which the gateway
//! has made itself, and for users who let it keep the hash of their own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use sallyport_dissect::rdp::ntlm;
use sspi::credssp::{CredSspServer, CredentialsProxy, NStatusCode, ServerMode, ServerState};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, Username};
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use crate::rdp::credssp;
use crate::rdp::leg::{Leg, LegError};

/// A CredSSP exchange has three or four messages from the client.
const MESSAGES: usize = 8;

/// The NT hash of something that proves who somebody is.
pub type NtHash = Zeroizing<[u8; 16]>;

/// What one name may be proven with.
#[derive(Clone, Default)]
struct Hashes(Arc<Mutex<Vec<NtHash>>>);

impl Hashes {
    fn set(&self, hashes: Vec<NtHash>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hashes;
    }

    fn identities(&self, username: &Username) -> Vec<AuthIdentity> {
        let hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = |hash: &NtHash| {
            let text = hash.iter().map(|byte| format!("{byte:02x}"));
            let text: String = std::iter::once(sspi::NTLM_HASH_PREFIX.to_owned())
                .chain(text)
                .collect();
            AuthIdentity {
                username: username.clone(),
                password: text.into(),
            }
        };
        hashes.iter().map(identity).collect()
    }
}

impl CredentialsProxy for Hashes {
    type AuthenticationData = AuthIdentity;

    fn auth_data_by_user(&mut self, username: &Username) -> io::Result<AuthIdentity> {
        let first = self.identities(username).into_iter().next();
        first.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn auth_data_candidates_by_user(
        &mut self,
        username: &Username,
    ) -> io::Result<Vec<AuthIdentity>> {
        match self.identities(username) {
            found if found.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound)),
            found => Ok(found),
        }
    }

    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// What came of it.
pub enum Nla {
    /// The client proved that its user knows one of the secrets; and this is which.
    Proven(Zeroizing<String>),
    /// It did not; it was told so.
    Unproven,
}

/// Lets the client prove that its user knows one of the secrets of the name it gives. `hashes` looks them up, once.
///
/// # Errors
/// If what comes is no CredSSP.
pub async fn authenticate<S, F>(
    leg: &mut Leg<S>,
    public_key: &[u8],
    hashes: impl FnOnce(ntlm::Name) -> F,
) -> Result<Nla, LegError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Vec<NtHash>>,
{
    const WHAT: &str = "CredSSP";
    let known = Hashes::default();
    let mode = ServerMode::Ntlm(NtlmConfig::default());
    let mut server = CredSspServer::new(public_key.to_vec(), known.clone(), mode)
        .map_err(|error| LegError::unexpected(WHAT, error))?;
    let mut hashes = Some(hashes);
    for _ in 0..MESSAGES {
        let request = credssp::request(leg).await?;
        if let Some(token) = &request.nego_tokens
            && let Some(found) = ntlm::name(token)?
            && let Some(look_up) = hashes.take()
        {
            known.set(look_up(found).await);
        }
        let processed = server.process(request).resolve_to_result();
        match processed {
            Ok(ServerState::ReplyNeeded(reply)) => credssp::send(leg, &reply).await?,
            Ok(ServerState::Finished(delegated)) => {
                return Ok(Nla::Proven(Zeroizing::new(
                    delegated.password.as_ref().clone(),
                )));
            }
            Err(failed) => {
                tracing::debug!(error = %failed.error, "NLA failed");
                if let Some(mut reply) = failed.ts_request {
                    // Whatever was wrong: clients have words for this one, and nobody learns which names there are.
                    reply.error_code = Some(NStatusCode::LOGON_FAILURE);
                    credssp::send(leg, &reply).await?;
                }
                return Ok(Nla::Unproven);
            }
        }
    }
    Err(LegError::unexpected(WHAT, "it never ends"))
}
