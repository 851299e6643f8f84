//! What each protocol does in its own way on the way to a target.

use std::future::Future;

use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::declared::Protocol;
use sallyport_domain::event::Event;
use sallyport_domain::id::SessionId;
use sallyport_domain::permit::Permit;
use sallyport_domain::refusal::Refusal;
use tokio_util::sync::CancellationToken;

use super::Verdict;
use crate::node::Node;
use crate::round_trip::RoundTrip;

/// How a protocol reaches a target and is let in there. What is asked before, and what is written about it, is the
/// same for all ([`super::enter`]).
pub trait Approach: Send + Sync {
    /// Which protocol.
    const PROTOCOL: Protocol;
    /// A target that answered and showed that it is the one meant, but has not let us in yet.
    type Reached: Send;
    /// A target that let us in.
    type Target: Send + Sync;

    /// Reaches the permit's host, and finds out whether it is the one.
    fn reach(
        &self,
        node: &Node,
        permit: &Permit,
        cut: CancellationToken,
    ) -> impl Future<Output = Result<Self::Reached, DialError>> + Send;

    /// How the key was judged that it showed.
    fn verdict(reached: &Self::Reached) -> &Verdict;

    /// Opens the permit's secret and logs in with it.
    fn log_in(
        &self,
        node: &Node,
        permit: &Permit,
        session: SessionId,
        reached: Self::Reached,
    ) -> impl Future<Output = Result<Self::Target, Refusal>> + Send;

    /// What its leg agreed on.
    fn algorithms(target: &Self::Target) -> &Negotiated;

    /// How far away it is.
    fn round_trip(target: &Self::Target) -> RoundTrip;
}

/// Why a target could not be brought up, and what stands in the log about it.
#[derive(Debug)]
pub struct DialError {
    /// What the user is told.
    pub refusal: Refusal,
    /// What goes into the log besides.
    pub event: Option<Box<Event>>,
}

impl From<Refusal> for DialError {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            event: None,
        }
    }
}
