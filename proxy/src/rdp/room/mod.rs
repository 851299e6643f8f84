//! The waiting room: pages of the gateway's own, inside the client, as long as there is no target to show.
//!
//! It opens when there is something to say and not before, so that whoever is let in at once never sees it. It closes by
//! taking its desktop away; the target's follows.

mod activation;
mod talk;

use std::pin::Pin;
use std::time::Duration;

use ironrdp_core::decode;
use ironrdp_pdu::input::InputEventPdu;
use ironrdp_pdu::input::fast_path::FastPathInput;
use sallyport_dissect::rdp::frame::Kind;
use sallyport_dissect::rdp::share::{self as pdu, DataKind, ShareKind};
use sallyport_dissect::rdp::{frame, mcs};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::front::Asked;
use super::leg::{Leg, LegError};
use super::page::{Depth, Format, Input, Outcome, Page, Progress, Screen, SystemPointer};

pub use activation::{SERVER, SHARE};
pub use talk::{account_form, choice, chosen, notes_form, refusal, ticket_form};

/// Nothing is shown of what takes no longer than this.
const AT_ONCE: Duration = Duration::from_millis(700);
/// How long a client has to take a page.
const TAKES: Duration = Duration::from_secs(10);
/// Bytes a client may send before anybody has asked it for something.
const UNASKED: usize = 256 << 10;

/// One client's waiting room.
pub struct Room<'a, S> {
    leg: &'a mut Leg<S>,
    asked: &'a Asked,
    shown: Option<Shown>,
}

/// A desktop that is open.
struct Shown {
    screen: Screen,
    format: Format,
}

/// What became of some work that the client waited for.
pub enum Waited<T> {
    /// It is done.
    Done(T),
    /// The client left meanwhile; the work goes on.
    Left,
    /// Its user gave up; the work goes on.
    Cancelled,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Room<'a, S> {
    /// A room that is not open yet.
    pub fn new(leg: &'a mut Leg<S>, asked: &'a Asked) -> Self {
        Self {
            leg,
            asked,
            shown: None,
        }
    }

    /// Shows a page.
    ///
    /// # Errors
    /// If the client leaves, or does not behave.
    pub async fn show(&mut self, page: Page) -> Result<(), LegError> {
        match &mut self.shown {
            Some(shown) => shown.screen.show(page),
            None => self.open(page).await?,
        }
        self.paint().await
    }

    async fn open(&mut self, page: Page) -> Result<(), LegError> {
        let (ids, client) = (&self.asked.ids, &self.asked.blocks);
        let confirmed = activation::begin(self.leg, ids, client).await?;
        let depth = Depth::from_bits(confirmed.depth)
            .map_err(|error| LegError::unexpected("the client's colours", error))?;
        let layout = client.core.keyboard_layout;
        self.shown = Some(Shown {
            screen: Screen::new(confirmed.width, confirmed.height, layout, page),
            format: Format::new(depth),
        });
        Ok(self.leg.send(&SystemPointer::Default.fast_path()).await?)
    }

    async fn paint(&mut self) -> Result<(), LegError> {
        let Some(Shown { screen, format }) = &mut self.shown else {
            return Ok(());
        };
        for pdu in screen.fast_path(*format) {
            self.leg.send(&pdu).await?;
        }
        Ok(())
    }

    /// Shows a page and waits until its user has answered it. Who does nothing for so long has cancelled.
    ///
    /// # Errors
    /// As [`Room::show`].
    pub async fn ask(&mut self, page: Page, idle: Duration) -> Result<Outcome, LegError> {
        let Ok(shown) = timeout(TAKES, self.show(page)).await else {
            return Err(LegError::Closed("without looking at a page"));
        };
        shown?;
        loop {
            let Ok(outcome) = timeout(idle, self.turn()).await else {
                return Ok(Outcome::Cancelled);
            };
            match outcome? {
                Outcome::None => {}
                outcome => return Ok(outcome),
            }
        }
    }

    /// What one PDU of the client leads to.
    async fn turn(&mut self) -> Result<Outcome, LegError> {
        let frame = self.leg.frame("in the waiting room").await?;
        let outcome = self.take(&frame)?;
        self.paint().await?;
        Ok(outcome)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Outcome, LegError> {
        let Some(Shown { screen, .. }) = &mut self.shown else {
            return Ok(Outcome::None);
        };
        let inputs: Vec<Input> = match frame::next(bytes)?.map(|frame| frame.kind) {
            Some(Kind::FastPath) => {
                let input: FastPathInput = decode(bytes).map_err(LegError::undecodable("input"))?;
                let events = input.input_events().iter();
                events.filter_map(Input::from_fast_path).collect()
            }
            Some(Kind::Tpkt) => match mcs::parse(bytes)? {
                mcs::DomainPdu::Ultimatum => return Err(LegError::Closed("in the waiting room")),
                mcs::DomainPdu::Data(data) if data.channel == self.asked.ids.io => {
                    slow(&bytes[data.data], screen)?
                }
                mcs::DomainPdu::Data(_) | mcs::DomainPdu::Other(_) => Vec::new(),
            },
            None => Vec::new(),
        };
        for input in inputs {
            match screen.input(input) {
                Outcome::None => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(Outcome::None)
    }

    /// Waits for some work; if it takes long, a page says what for. `work` is not given up when the client leaves.
    ///
    /// # Errors
    /// If the client does not behave.
    pub async fn wait<T>(
        &mut self,
        page: impl Fn() -> Progress,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Waited<T>, LegError> {
        let begun = Instant::now();
        let first = match self.shown.is_some() {
            true => begun,
            false => begun + AT_ONCE,
        };
        let mut ticks = tokio::time::interval_at(first, Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            let outcome = tokio::select! {
                biased;
                done = &mut work => return Ok(Waited::Done(done)),
                _ = ticks.tick() => {
                    if told {
                        self.elapsed(begun.elapsed());
                    }
                    let showing = async {
                        match std::mem::replace(&mut told, true) {
                            true => self.paint().await,
                            false => self.show(Page::Progress(page())).await,
                        }
                    };
                    // The work stands still meanwhile.
                    match timeout(TAKES, showing).await {
                        Ok(shown) => shown?,
                        Err(_) => return Ok(Waited::Left),
                    }
                    Outcome::None
                }
                filled = self.leg.fill() => match filled {
                    Ok(true) => self.drain().await?,
                    Ok(false) | Err(_) => return Ok(Waited::Left),
                },
            };
            if outcome == Outcome::Cancelled {
                return Ok(Waited::Cancelled);
            }
        }
    }

    fn elapsed(&mut self, elapsed: Duration) {
        if let Some(shown) = &mut self.shown {
            shown.screen.set_elapsed(elapsed);
        }
    }

    /// Takes what is whole of what has arrived; what comes before there is a desktop waits for the target.
    async fn drain(&mut self) -> Result<Outcome, LegError> {
        if self.shown.is_none() {
            return match self.leg.buffer.len() {
                waiting if waiting > UNASKED => Err(LegError::unexpected(
                    "the client",
                    "it talks without being asked",
                )),
                _ => Ok(Outcome::None),
            };
        }
        while let Some(found) = frame::next(&self.leg.buffer)?
            && found.len <= self.leg.buffer.len()
        {
            let one = self.leg.buffer.split_to(found.len);
            match self.take(&one)? {
                Outcome::None => {}
                outcome => return Ok(outcome),
            }
        }
        self.paint().await?;
        Ok(Outcome::None)
    }

    /// Closes it: the target's desktop follows.
    ///
    /// # Errors
    /// If the client is gone.
    pub async fn leave(self) -> Result<(), LegError> {
        match self.shown {
            Some(_) => activation::end(self.leg, &self.asked.ids).await,
            None => Ok(()),
        }
    }
}

/// Input on the slow path; or the client wants to see everything again.
fn slow(data: &[u8], screen: &mut Screen) -> Result<Vec<Input>, LegError> {
    let mut inputs = Vec::new();
    for found in pdu::parse(data) {
        let found = found?;
        let bytes = &data[found.place];
        match found.kind {
            ShareKind::Data(DataKind::Input, _) => {
                let input: InputEventPdu =
                    decode(pdu::data_body(bytes)).map_err(LegError::undecodable("input"))?;
                inputs.extend(input.0.iter().filter_map(Input::from_slow_path));
            }
            ShareKind::Data(DataKind::RefreshRect, _) => screen.forget_what_was_seen(),
            ShareKind::Data(..)
            | ShareKind::DemandActive
            | ShareKind::ConfirmActive
            | ShareKind::DeactivateAll
            | ShareKind::Redirection
            | ShareKind::Flow
            | ShareKind::Other(_) => {}
        }
    }
    Ok(inputs)
}
