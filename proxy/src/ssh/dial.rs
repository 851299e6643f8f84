//! Bringing up a target: TCP, key exchange, host key, credential. Needs a permit for each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use sallyport_domain::algorithm::{LegacyAlgorithm, Negotiated};
use sallyport_domain::event::Event;
use sallyport_domain::id::SessionId;
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use sallyport_store::{OpenedSecret, SecretField, Store, StoreError};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::host_keys::KeyCheck;
use super::target::{LegEnds, Seen, TargetHandler, TargetLeg};
use super::{LegError, algorithms};
use crate::clock;
use crate::enter::{DialError, Verdict};
use crate::notice;
use crate::round_trip::RoundTrip;
use crate::wire::Wire;

/// A target that answered and showed an accepted host key, but has not let us in yet.
pub struct Reached {
    handle: Handle<TargetHandler>,
    ends: LegEnds,
    /// Its host key, and how it was judged.
    pub verdict: Verdict,
    algorithms: Negotiated,
    round_trip: RoundTrip,
}

/// Reaches the permit's host: TCP connection, key exchange, host key.
pub async fn reach(
    permit: &Permit,
    store: &Store,
    cut: CancellationToken,
    keepalive: Duration,
    patience: Duration,
) -> Result<Reached, DialError> {
    let host = permit.host();
    let name = || host.name.clone();
    let endpoint = host
        .ssh
        .as_ref()
        .ok_or_else(|| Refusal::ProtocolNotServed {
            host: name(),
            protocol: "SSH",
        })?;
    let unreachable = |error: String| Refusal::TargetUnreachable {
        host: name(),
        error,
    };
    let tcp = timeout(
        patience,
        TcpStream::connect((host.address.as_str(), endpoint.port)),
    )
    .await
    .map_err(|_| unreachable(format!("no answer within {} s", patience.as_secs())))?
    .map_err(|error| unreachable(notice::io_words(&error)))?;
    let wire = Wire::new(tcp, cut).map_err(|error| unreachable(notice::io_words(&error)))?;
    let round_trip = wire.round_trip();

    let ends = LegEnds::default();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let key_check = KeyCheck::new(store.clone(), permit.host_id(), endpoint);
    let handler = TargetHandler::new(ends.clone(), key_check, seen.clone());
    let config = Arc::new(client_config(keepalive, &endpoint.legacy_algorithms));
    let connected = timeout(patience, client::connect_stream(config, wire, handler)).await;
    let Seen {
        verdict,
        algorithms,
    } = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    match (connected, verdict) {
        (Ok(Ok(handle)), Some(verdict)) => Ok(Reached {
            handle,
            ends,
            verdict,
            algorithms,
            round_trip,
        }),
        (connected, verdict) => Err(unreached(
            &host.name,
            connected.map(Result::err),
            verdict,
            patience,
        )),
    }
}

/// Why there is no leg: the host key first, then what the leg said (`None`: it went silent).
fn unreached(
    host: &str,
    leg: Result<Option<LegError>, tokio::time::error::Elapsed>,
    verdict: Option<Verdict>,
    patience: Duration,
) -> DialError {
    let name = || host.to_owned();
    let garbled = |error| {
        DialError::from(Refusal::TargetGarbled {
            host: name(),
            error,
        })
    };
    match (leg, verdict) {
        (
            _,
            Some(Verdict::Mismatch {
                fingerprint,
                allowed: false,
                ..
            }),
        ) => {
            let event = Event::HostKeyMismatch {
                host: name(),
                host_key: fingerprint,
                allowed: false,
            };
            DialError {
                refusal: Refusal::HostKeyMismatch { host: name() },
                event: Some(Box::new(event)),
            }
        }
        (Ok(Some(LegError::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. }))), _) => {
            algorithms::nothing_in_common(host, &kind, &theirs).into()
        }
        (_, Some(Verdict::Unknown(_))) => Refusal::StoreUnavailable.into(),
        (Ok(Some(error)), _) => garbled(leg_words(&error)),
        (Ok(None), _) => garbled("it showed no host key".to_owned()),
        (Err(_), _) => garbled(format!("no SSH answer within {} s", patience.as_secs())),
    }
}

impl Reached {
    /// Opens the permit's secret and logs in with it.
    pub async fn log_in(
        mut self,
        permit: &Permit,
        store: &Store,
        session: SessionId,
        patience: Duration,
    ) -> Result<TargetLeg, Refusal> {
        let (account, host) = (permit.account().name.clone(), permit.host().name.clone());
        let secret = store
            .open_secret(permit, session, clock::now())
            .await
            .map_err(|error| match error {
                StoreError::NoSecret { .. } => Refusal::SecretMissing {
                    account: account.clone(),
                    host: host.clone(),
                },
                error => {
                    tracing::error!(%session, %error, "cannot open the secret");
                    Refusal::StoreUnavailable
                }
            })?;
        let sha1 = permit
            .host()
            .ssh
            .as_ref()
            .is_some_and(|ssh| ssh.legacy_algorithms.contains(&LegacyAlgorithm::SshRsa));
        let authenticating = authenticate(&mut self.handle, &account, &secret, sha1);
        match timeout(patience, authenticating).await {
            Ok(Ok(true)) => Ok(TargetLeg::new(
                self.handle,
                self.ends,
                self.algorithms,
                self.round_trip,
            )),
            Ok(Ok(false)) => Err(Refusal::TargetRefusedCredential { host, account }),
            Ok(Err(error)) => Err(Refusal::TargetGarbled {
                host,
                error: ssh_words(&error),
            }),
            Err(_) => {
                let error = format!("no answer to the log-in within {} s", patience.as_secs());
                Err(Refusal::TargetGarbled { host, error })
            }
        }
    }
}

async fn authenticate(
    handle: &mut Handle<TargetHandler>,
    account: &str,
    secret: &OpenedSecret,
    sha1: bool,
) -> Result<bool, russh::Error> {
    match secret.field {
        SecretField::Password => {
            if let AuthResult::Success = handle
                .authenticate_password(account, secret.value.as_str())
                .await?
            {
                return Ok(true);
            }
            keyboard_interactive(handle, account, &secret.value).await
        }
        SecretField::PrivateKey => {
            // A key that does not parse is a credential that does not work; its text goes nowhere.
            let Ok(key) = decode_secret_key(&secret.value, None) else {
                return Ok(false);
            };
            let key = Arc::new(key);
            if !key.algorithm().is_rsa() {
                return sign_in(handle, account, key, None).await;
            }
            let best = handle.best_supported_rsa_hash().await?.flatten();
            let hash = best.or(Some(HashAlg::Sha256));
            if sign_in(handle, account, key.clone(), hash).await? {
                return Ok(true);
            }
            // Hosts too old to say what they take know SHA-1 only.
            Ok(sha1 && best.is_none() && sign_in(handle, account, key, None).await?)
        }
    }
}

async fn sign_in(
    handle: &mut Handle<TargetHandler>,
    account: &str,
    key: Arc<PrivateKey>,
    hash: Option<HashAlg>,
) -> Result<bool, russh::Error> {
    let key = PrivateKeyWithHashAlg::new(key, hash);
    Ok(matches!(
        handle.authenticate_publickey(account, key).await?,
        AuthResult::Success
    ))
}

/// Many hosts take passwords only this way (RFC 4256): the password answers a single hidden prompt.
async fn keyboard_interactive(
    handle: &mut Handle<TargetHandler>,
    account: &str,
    password: &str,
) -> Result<bool, russh::Error> {
    let mut answer = handle
        .authenticate_keyboard_interactive_start(account, None)
        .await?;
    let mut used = false;
    loop {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let hidden = prompts.iter().filter(|prompt| !prompt.echo).count();
                // Asked twice, or for something else as well: not ours to answer.
                if hidden != prompts.len() || hidden > 1 || (used && hidden > 0) {
                    return Ok(false);
                }
                used |= hidden > 0;
                let responses = prompts.iter().map(|_| password.to_owned()).collect();
                answer = handle
                    .authenticate_keyboard_interactive_respond(responses)
                    .await?;
            }
        }
    }
}

fn client_config(keepalive: Duration, legacy: &[LegacyAlgorithm]) -> client::Config {
    client::Config {
        window_size: super::FIRST_WINDOW,
        window_release: russh::WindowRelease::OnConsumption,
        maximum_packet_size: algorithms::PACKET,
        preferred: algorithms::for_targets(legacy),
        keepalive_interval: Some(keepalive),
        keepalive_max: 3,
        ..client::Config::default()
    }
}

fn leg_words(error: &LegError) -> String {
    match error {
        LegError::Ssh(error) => ssh_words(error),
        LegError::Overflow(error) => error.to_string(),
    }
}

fn ssh_words(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => "it closed the connection".to_owned(),
        russh::Error::Version => "it does not speak SSH".to_owned(),
        error => error.to_string(),
    }
}
