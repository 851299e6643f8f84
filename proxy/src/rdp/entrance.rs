//! From somebody known to somebody joined to a target: where she wants to go, what is still to be asked, and why not.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ironrdp_pdu::rdp::ClientInfoPdu;
use sallyport_domain::algorithm::Negotiated;
use sallyport_domain::client_os::RDP;
use sallyport_domain::connect_string;
use sallyport_domain::declared::Protocol;
use sallyport_domain::policy::{self, Offer};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::session::DisconnectCause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::approach::{ByRdp, Target};
use super::front::{Asked, Bound, Person};
use super::goodbye::ErrorInfo;
use super::leg::{Leg, LegError};
use super::page::{Outcome, Page, Progress};
use super::room::{self, Room, Waited};
use crate::enter::{Guest, Joined, Wish, disconnected, enter, finish_tape, store_unavailable};
use crate::node::Node;
use crate::round_trip::RoundTrip;

/// How long a refusal is shown to somebody who does nothing.
const READ: Duration = Duration::from_secs(60);

/// A client of which everything is known that has to be before a target is dialled.
pub struct Arrived {
    /// What it is able to.
    pub asked: Asked,
    /// What it said of itself.
    pub info: ClientInfoPdu,
    /// Who sits at it.
    pub person: Person,
    /// What its leg agreed on.
    pub algorithms: Negotiated,
}

/// One client's way in.
pub struct Entrance<'a> {
    /// This node.
    pub node: &'a Arc<Node>,
    /// The client.
    pub arrived: &'a Arrived,
    /// Where it is.
    pub peer: SocketAddr,
    /// How far away, if its socket is ours.
    pub round_trip: Option<RoundTrip>,
    /// Cuts both legs.
    pub cut: CancellationToken,
}

/// Why somebody is not in.
enum Out {
    /// She was told, and has read it.
    Refused(ErrorInfo),
    /// She is gone.
    Gone,
}

impl From<LegError> for Out {
    fn from(error: LegError) -> Self {
        tracing::debug!(%error, "a client left the waiting room");
        Self::Gone
    }
}

impl Entrance<'_> {
    /// Joins the client to its target; else says what the client is to be told in parting.
    pub async fn pass<S>(&self, leg: &mut Leg<S>) -> Result<Joined<Target>, Option<ErrorInfo>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut room = Room::new(leg, &self.arrived.asked);
        let joined = match self.join(&mut room).await {
            Ok(joined) => joined,
            Err(Out::Refused(why)) => return Err(Some(why)),
            Err(Out::Gone) => return Err(None),
        };
        match room.leave().await {
            Ok(()) => Ok(joined),
            Err(_) => {
                abandon(&joined).await;
                Err(None)
            }
        }
    }

    fn guest(&self) -> Guest {
        let Arrived {
            asked,
            person,
            algorithms,
            ..
        } = self.arrived;
        Guest {
            identity: person.identity.clone(),
            method: person.method,
            certificate: None,
            source_ip: self.peer.ip().to_string(),
            client: client(asked),
            algorithms: algorithms.clone(),
            round_trip: self.round_trip.clone(),
        }
    }

    async fn join<S>(&self, room: &mut Room<'_, S>) -> Result<Joined<Target>, Out>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let guest = self.guest();
        let Arrived {
            asked,
            info,
            person,
            ..
        } = self.arrived;
        let approach = ByRdp {
            asked,
            info,
            source_ip: &guest.source_ip,
        };
        let mut wish = connect_string::parse(&person.wish).and_then(Wish::try_from);
        if let (Err(Refusal::NoHostNamed), Some(host)) = (&wish, &person.bound.host) {
            wish =
                connect_string::parse(&format!("{}+{host}", person.wish)).and_then(Wish::try_from);
        }
        loop {
            if let Err(Refusal::NoHostNamed) = wish {
                wish = Ok(self.choose(room, &guest, None).await?);
            }
            let wanted = wish.and_then(|wish| person.bound.allows(wish));
            let again = wanted.clone();
            let host = again
                .as_ref()
                .map(|wish| wish.host.clone())
                .unwrap_or_default();
            let dialling = self.cut.child_token();
            let entering = enter(self.node, &guest, wanted, dialling.clone(), &approach);
            let mut entering = pin!(entering);
            let waited = room.wait(|| progress(&host), entering.as_mut()).await;
            let entered = match waited {
                Ok(Waited::Done(entered)) => entered,
                Ok(Waited::Left | Waited::Cancelled) | Err(_) => {
                    // It is not given up half way: whatever it has begun has an end on record.
                    dialling.cancel();
                    if let Ok(joined) = entering.await {
                        abandon(&joined).await;
                    }
                    return Err(given_up(&waited));
                }
            };
            let refusal = match entered {
                Ok(joined) => return Ok(joined),
                Err(refusal) => refusal,
            };
            let Ok(mut next) = again else {
                return self.refuse(room, &refusal).await;
            };
            match refusal {
                Refusal::NotesRequired { .. } if next.notes.is_none() => {
                    next.notes = Some(self.line(room, room::notes_form(&host)).await?);
                }
                Refusal::TicketRequired if next.ticket.is_none() => {
                    next.ticket = Some(self.line(room, room::ticket_form(&host)).await?);
                }
                Refusal::Ambiguous { .. } if next.policy.is_none() => {
                    next = self.choose(room, &guest, Some(&host)).await?;
                }
                refusal => return self.refuse(room, &refusal).await,
            }
            wish = Ok(next);
        }
    }

    /// Asks something; not for longer than this node takes anybody.
    async fn ask<S>(
        &self,
        room: &mut Room<'_, S>,
        page: Page,
        idle: Duration,
    ) -> Result<Outcome, Out>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::select! {
            answered = room.ask(page, idle) => Ok(answered?),
            () = self.node.draining() => Err(Out::Refused(ErrorInfo::RpcInitiatedDisconnect)),
        }
    }

    /// Shows why not until it was read.
    async fn refuse<S, T>(&self, room: &mut Room<'_, S>, refusal: &Refusal) -> Result<T, Out>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tracing::info!(peer = %self.peer, code = refusal.code(), %refusal, "an RDP client is refused");
        self.ask(room, room::refusal(refusal), READ).await?;
        Err(Out::Refused(ErrorInfo::of_refusal(refusal)))
    }

    /// Lets her choose among what she may do, there or anywhere.
    async fn choose<S>(
        &self,
        room: &mut Room<'_, S>,
        guest: &Guest,
        host: Option<&str>,
    ) -> Result<Wish, Out>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let offers = match self.offers(guest, host).await {
            Ok(offers) => offers,
            Err(refusal) => return self.refuse(room, &refusal).await,
        };
        let idle = self.node.config.lobby_idle;
        match self.ask(room, room::choice(&offers), idle).await? {
            Outcome::Chosen(index) => match offers.get(index) {
                Some(offer) => Ok(room::chosen(offer)),
                None => Err(Out::Gone),
            },
            Outcome::None | Outcome::Submitted(_) | Outcome::Cancelled => {
                Err(Out::Refused(ErrorInfo::RpcInitiatedLogoff))
            }
        }
    }

    async fn offers(&self, guest: &Guest, host: Option<&str>) -> Result<Vec<Offer>, Refusal> {
        let survey = self.node.store.policy_survey(&guest.identity.name).await;
        let mut offers = policy::offers(&survey.map_err(store_unavailable)?, Protocol::Rdp)?;
        let Bound {
            host: only,
            activity,
        } = &self.arrived.person.bound;
        offers.retain(|offer| {
            let here = |wanted: &str| offer.host.eq_ignore_ascii_case(wanted);
            host.is_none_or(here)
                && only.as_deref().is_none_or(here)
                && activity
                    .as_ref()
                    .is_none_or(|activity| *activity == offer.activity)
        });
        match offers.is_empty() {
            true => Err(Refusal::NothingToReach),
            false => Ok(offers),
        }
    }

    /// Asks for one line.
    async fn line<S>(&self, room: &mut Room<'_, S>, page: Page) -> Result<String, Out>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.ask(room, page, self.node.config.lobby_idle).await? {
            Outcome::Submitted(values) => Ok(values
                .into_iter()
                .next()
                .map(|value| value.to_string())
                .unwrap_or_default()),
            Outcome::None | Outcome::Chosen(_) | Outcome::Cancelled => {
                Err(Out::Refused(ErrorInfo::RpcInitiatedLogoff))
            }
        }
    }
}

/// Ends a connection whose client is gone before it began.
async fn abandon(joined: &Joined<Target>) {
    drop(joined.target.take());
    disconnected(&joined.connection, DisconnectCause::ClientLost).await;
    finish_tape(&joined.connection).await;
}

/// What becomes of a client that did not wait for its target.
fn given_up<T>(waited: &Result<Waited<T>, LegError>) -> Out {
    match waited {
        Ok(Waited::Cancelled) => Out::Refused(ErrorInfo::RpcInitiatedLogoff),
        Ok(Waited::Done(_) | Waited::Left) | Err(_) => Out::Gone,
    }
}

fn progress(host: &str) -> Progress {
    Progress {
        title: format!("Connecting to {host}…"),
        lines: Vec::new(),
        elapsed: Duration::ZERO,
        hint: "Escape cancels".to_owned(),
    }
}

/// What kind of client it is, as far as it says.
fn client(asked: &Asked) -> String {
    let core = &asked.blocks.core;
    let name = crate::notice::printable(core.client_name.trim_end_matches('\0'));
    format!("{RDP}{} on {name}", core.client_build)
}

impl Bound {
    /// Is that connect string one it is good for?
    pub fn fits(&self, name: &str) -> bool {
        match connect_string::parse(name).and_then(Wish::try_from) {
            Ok(wish) => self.allows(wish).is_ok(),
            Err(refusal) => refusal == Refusal::NoHostNamed,
        }
    }

    /// A connection password for one host, or one activity, is good for nothing else; what is not said, it says.
    fn allows(&self, mut wish: Wish) -> Result<Wish, Refusal> {
        let refused = || Refusal::NotOffered {
            what: "another host or activity than this connection password was made for",
        };
        if let Some(host) = &self.host
            && !host.eq_ignore_ascii_case(&wish.host)
        {
            return Err(refused());
        }
        match (&self.activity, &wish.activity) {
            (Some(only), Some(asked)) if only != asked => Err(refused()),
            (Some(only), _) => {
                wish.activity = Some(only.clone());
                Ok(wish)
            }
            (None, _) => Ok(wish),
        }
    }
}
