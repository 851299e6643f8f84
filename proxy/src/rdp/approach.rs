//! How RDP reaches a target and is let in there.

use std::sync::{Mutex, PoisonError};

use ironrdp_pdu::rdp::ClientInfoPdu;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::declared::Protocol;
use sallyport_domain::id::SessionId;
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use sallyport_store::StoreError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::back::{self, Back, LoggedIn, Login, Reached};
use super::front::Asked;
use super::relay::channels;
use crate::clock;
use crate::enter::{Approach, DialError, Verdict};
use crate::node::Node;
use crate::round_trip::RoundTrip;

/// The way of RDP, for one client.
pub struct ByRdp<'a> {
    /// What it is able to.
    pub asked: &'a Asked,
    /// What it said of itself and its user.
    pub info: &'a ClientInfoPdu,
    /// Where it comes from.
    pub source_ip: &'a str,
}

/// A target that let us in, for the one who relays it.
pub struct Target {
    back: Mutex<Option<Back>>,
    algorithms: Negotiated,
    round_trip: RoundTrip,
}

impl Target {
    /// Its leg; once only.
    pub fn take(&self) -> Option<Back> {
        self.back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Approach for ByRdp<'_> {
    const PROTOCOL: Protocol = Protocol::Rdp;
    type Reached = Reached;
    type Target = Target;

    async fn reach(
        &self,
        node: &Node,
        permit: &Permit,
        cut: CancellationToken,
    ) -> Result<Reached, DialError> {
        let times = (node.config.keepalive, node.config.target_timeout);
        back::reach(permit, &node.store, cut, times).await
    }

    fn verdict(reached: &Reached) -> &Verdict {
        &reached.verdict
    }

    async fn log_in(
        &self,
        node: &Node,
        permit: &Permit,
        session: SessionId,
        reached: Reached,
    ) -> Result<Target, Refusal> {
        let (account, host) = (permit.account().name.clone(), permit.host().name.clone());
        let missing = || Refusal::SecretMissing {
            account: account.clone(),
            host: host.clone(),
        };
        let opening = node.store.open_password(permit, session, clock::now());
        let secret = opening.await.map_err(|error| match error {
            StoreError::NoSecret { .. } => missing(),
            error => {
                tracing::error!(%session, %error, "cannot open the secret");
                Refusal::StoreUnavailable
            }
        })?;
        let wanted = channels::wanted(&self.asked.channels, permit);
        let login = Login {
            host: &permit.host().address,
            account: &account,
            password: &secret.value,
            client: &self.asked.blocks,
            info: self.info,
            wanted: &wanted,
            source_ip: self.source_ip,
            kdcs: &node.config.kdcs,
        };
        let patience = node.config.target_timeout;
        match timeout(patience, back::log_in(reached, login)).await {
            Ok(Ok(LoggedIn::In(back))) => Ok(Target {
                algorithms: back.algorithms.clone(),
                round_trip: back.leg.stream.get_ref().0.round_trip(),
                back: Mutex::new(Some(*back)),
            }),
            Ok(Ok(LoggedIn::Refused)) => Err(Refusal::TargetRefusedCredential { host, account }),
            Ok(Ok(LoggedIn::NoTicket(error))) => Err(Refusal::NoTicket {
                host,
                account,
                error,
            }),
            Ok(Err(error)) => Err(Refusal::NotRdp {
                host,
                error: error.to_string(),
            }),
            Err(_) => Err(Refusal::NotRdp {
                host,
                error: format!("no answer within {} s", patience.as_secs()),
            }),
        }
    }

    fn algorithms(target: &Target) -> &Negotiated {
        &target.algorithms
    }

    fn round_trip(target: &Target) -> RoundTrip {
        target.round_trip.clone()
    }
}
