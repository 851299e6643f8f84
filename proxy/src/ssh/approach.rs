//! How SSH reaches a target and is let in there.

use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::declared::Protocol;
use sallyport_domain::id::SessionId;
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use tokio_util::sync::CancellationToken;

use super::dial::{self, Reached};
use super::target::TargetLeg;
use crate::enter::{Approach, DialError, Verdict};
use crate::node::Node;
use crate::round_trip::RoundTrip;

/// The way of SSH.
pub struct BySsh;

impl Approach for BySsh {
    const PROTOCOL: Protocol = Protocol::Ssh;
    type Reached = Reached;
    type Target = TargetLeg;

    async fn reach(
        &self,
        node: &Node,
        permit: &Permit,
        cut: CancellationToken,
    ) -> Result<Reached, DialError> {
        let (keepalive, patience) = (node.config.keepalive, node.config.target_timeout);
        dial::reach(permit, &node.store, cut, keepalive, patience).await
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
    ) -> Result<TargetLeg, Refusal> {
        let patience = node.config.target_timeout;
        reached.log_in(permit, &node.store, session, patience).await
    }

    fn algorithms(target: &TargetLeg) -> &Negotiated {
        target.algorithms()
    }

    fn round_trip(target: &TargetLeg) -> RoundTrip {
        target.round_trip()
    }
}
