//! Kerberos tickets for NLA, from a KDC that the configuration names (RFC 4120 7.2.2: over TCP).

use std::collections::BTreeMap;
use std::time::Duration;

use sspi::credssp::{ClientMode, ClientState, CredSspClient, TsRequest};
use sspi::generator::{GeneratorState, NetworkRequest};
use sspi::{KerberosConfig, NegotiateConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How a KDC knows this machine.
const MACHINE: &str = "SALLYPORT";
/// How long a KDC may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer of a KDC; tickets of people in many groups have some ten thousand bytes.
const LONGEST: u32 = 1 << 20;
/// Where a KDC listens.
const PORT: u16 = 88;

/// The KDC of each realm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kdcs(BTreeMap<String, String>);

/// Not a realm with its KDC.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form REALM=HOST or REALM=HOST:PORT")]
pub struct NotAKdc(String);

impl Kdcs {
    /// Adds one: `CORP.EXAMPLE=dc1.corp.example:88`; without a port, that is 88.
    ///
    /// # Errors
    /// [`NotAKdc`].
    pub fn add(&mut self, text: &str) -> Result<(), NotAKdc> {
        let wrong = || NotAKdc(text.to_owned());
        let (realm, address) = text.split_once('=').ok_or_else(wrong)?;
        let (realm, address) = (realm.trim(), address.trim());
        // The address becomes a part of a URL, whose host may be in brackets.
        let host_end = address.rfind(']').unwrap_or(0);
        let (host, port) = match address[host_end..].rfind(':') {
            Some(colon) => {
                let (host, port) = address.split_at(host_end + colon);
                (host, port[1..].parse().map_err(|_| wrong())?)
            }
            None => (address, PORT),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if realm.is_empty() || host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        self.0
            .insert(realm.to_ascii_uppercase(), format!("tcp://{host}:{port}"));
        Ok(())
    }

    /// How an account logs in: by Kerberos and by nothing else if there is a KDC for its domain, as `REALM\user` or
    /// `user@realm` names it; else `None`.
    pub fn mode(&self, account: &str) -> Option<ClientMode> {
        let domain = match (account.split_once('\\'), account.rsplit_once('@')) {
            (Some((domain, _)), _) | (None, Some((_, domain))) => domain,
            (None, None) => return None,
        };
        let kdc = self.0.get(&domain.to_ascii_uppercase())?;
        let kerberos = KerberosConfig::new_with_kdc_url(kdc, MACHINE.to_owned());
        Some(ClientMode::Negotiate(NegotiateConfig::new(
            Box::new(kerberos),
            Some("kerberos,!ntlm,!pku2u".to_owned()),
            MACHINE.to_owned(),
        )))
    }
}

/// One step of CredSSP, with what has to be asked of a KDC for it.
///
/// # Errors
/// As of the step; and if the KDC does not answer.
pub async fn step(client: &mut CredSspClient, heard: TsRequest) -> sspi::Result<ClientState> {
    let mut generator = client.process(heard);
    let mut state = generator.start();
    loop {
        match state {
            GeneratorState::Completed(result) => return result,
            GeneratorState::Suspended(request) => {
                let answer = timeout(PATIENCE, ask(&request)).await;
                let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                let failed = |why| {
                    let words = format!("the KDC at {}: {why}", request.url);
                    sspi::Error::new(sspi::ErrorKind::NoAuthenticatingAuthority, words)
                };
                state = generator.resume(answer.map_err(failed));
            }
        }
    }
}

/// Asks a KDC; question and answer have their length in front.
async fn ask(request: &NetworkRequest) -> Result<Vec<u8>, String> {
    let words = |error: std::io::Error| crate::notice::io_words(&error);
    let host = request.url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = (host, request.url.port().unwrap_or(PORT));
    let mut kdc = TcpStream::connect(address).await.map_err(words)?;
    kdc.write_all(&request.data).await.map_err(words)?;
    let length = kdc.read_u32().await.map_err(words)?;
    if length > LONGEST {
        return Err("its answer is too long".to_owned());
    }
    let mut answer = length.to_be_bytes().to_vec();
    let whole = kdc.take(length.into()).read_to_end(&mut answer).await;
    match whole.map_err(words)? {
        read if read as u64 == u64::from(length) => Ok(answer),
        _ => Err("its answer is cut off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kdc_belongs_to_a_realm() {
        let mut kdcs = Kdcs::default();
        for (text, address) in [
            (
                "corp.example=dc1.corp.example",
                Ok("tcp://dc1.corp.example:88"),
            ),
            ("CORP = 10.0.0.1:1088", Ok("tcp://10.0.0.1:1088")),
            ("SIX=[fd00::1]", Ok("tcp://[fd00::1]:88")),
            ("SIX=[fd00::1]:90", Ok("tcp://[fd00::1]:90")),
            ("dc1.corp.example", Err(())),
            ("CORP=", Err(())),
            ("=dc1", Err(())),
            ("CORP=dc1:port", Err(())),
            ("CORP=dc1/x", Err(())),
        ] {
            let added = kdcs.add(text).map_err(|_| ());
            assert_eq!(added, address.map(|_| ()), "{text}");
            if let Ok(address) = address {
                let realm = text.split('=').next().unwrap().trim().to_uppercase();
                assert_eq!(kdcs.0[&realm], address);
            }
        }
        for (account, by_kerberos) in [
            ("svc@corp.example", true),
            (r"CORP\svc", true),
            (r"corp.EXAMPLE\svc", true),
            ("svc", false),
            ("svc@other.example", false),
        ] {
            assert_eq!(kdcs.mode(account).is_some(), by_kerberos, "{account}");
        }
    }
}
