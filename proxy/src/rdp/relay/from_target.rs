//! From the target to the client.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sallyport_dissect::rdp::frame::Kind;
use sallyport_dissect::rdp::logon::{self, Logon};
use sallyport_dissect::rdp::share::{self as pdu, DataKind, ShareKind, SharePdu};
use sallyport_dissect::rdp::surface::FrameEnds;
use sallyport_dissect::rdp::{Malformed, capabilities, frame, mcs, output};
use sallyport_domain::close::CloseReason;
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;
use sallyport_recorder::Record;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Stop;
use super::channels::{self, DYNAMIC};
use super::covers::{Covers, Turn};
use super::lane::Lane;
use super::orders::Orders;
use super::share::Share;
use super::unfinished::{Fate, Unfinished};
use crate::connection::Connection;
use crate::gate::GateState;
use crate::rdp::ids::{Place, Translation};
use crate::rdp::leg;
use crate::rdp::page::Rectangle;

/// Bytes of channels that may wait for the end of a lock. When there are more, the target has to wait.
const HELD: usize = 8 << 20;
/// How long somebody has to read that she is not in.
const READ: Duration = Duration::from_secs(15);
/// Sizes and log-ons of one connection that are told.
pub const TELLS: u32 = 256;
/// A server redirects (MS-RDPBCGR 2.2.13); where to is not the client's to know.
const REDIRECTED: &str = "the target sends the client elsewhere; that is not followed";

/// One direction.
pub struct FromTarget<'a, R, W> {
    /// What both directions share with the rest.
    pub connection: &'a Arc<Connection>,
    /// The desktop.
    pub share: &'a Share,
    /// Answers to the target.
    pub orders: Orders,
    /// Into the client's ids.
    pub ids: Translation,
    /// The names of the static channels.
    pub channels: &'a [String],
    /// What is in them.
    pub lane: Lane<'a>,
    /// The target.
    pub from: R,
    /// The client.
    pub to: W,
    /// Read and not yet taken.
    pub buffer: BytesMut,
    /// What waits for the end of a lock.
    pub held: Vec<u8>,
    /// What hides the picture, or a part of it.
    pub covers: Covers,
    /// Which updates are not finished.
    pub open: Unfinished,
    /// Where frames end.
    pub frames: FrameEnds,
    /// When the target has to have let the account in; `None` once that was looked at.
    pub entered_by: Option<Instant>,
    /// The user was told that it has not.
    pub told_out: bool,
    /// How many more sizes and log-ons are told.
    pub tells: u32,
    /// There is something painted in what goes to the client next.
    pub drawn: bool,
}

impl<R, W> FromTarget<'_, R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// Until something ends it; then the client has got whole PDUs only.
    pub async fn run(&mut self) -> Stop {
        match self.pump().await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn pump(&mut self) -> Result<std::convert::Infallible, Stop> {
        let mut gate = self.connection.gate.watch();
        // A lock may have come before the first look.
        gate.mark_changed();
        let mut notices = self.connection.notices();
        self.pass().await?;
        loop {
            let full = self.held.len() > HELD;
            let can_paint = || !self.open.client && self.share.confirmed_desktop().is_some();
            let notice_due = self.covers.due(can_paint);
            tokio::select! {
                biased;
                () = self.connection.ending() => return Err(Stop::Asked),
                Ok(()) = gate.changed() => self.turned(&mut gate).await?,
                Ok(text) = notices.recv() => self.say(&text).await?,
                () = sleep_until(notice_due) => self.notice_due().await?,
                () = sleep_until(self.entered_by) => self.is_it_in().await?,
                () = self.lane.taps.ours(self.lane.from) => self.answer().await?,
                filled = leg::fill(&mut self.from, &mut self.buffer), if !full => match filled {
                    Ok(true) => self.pass().await?,
                    Ok(false) | Err(_) => return Err(Stop::Lost),
                },
            }
        }
    }

    /// The gate was shut or opened.
    async fn turned(&mut self, gate: &mut watch::Receiver<GateState>) -> Result<(), Stop> {
        let state = gate.borrow_and_update().clone();
        if !state.is_shut() {
            self.release().await?;
        }
        match self.covers.turn(&state) {
            Turn::Same => self.paint().await,
            Turn::Shut => {
                self.covered(true)?;
                let released = self.share.input(self.ids.there(), &self.share.let_go());
                if !released.is_empty() {
                    self.orders.send(released)?;
                }
                self.paint().await
            }
            Turn::Open => {
                self.covered(false)?;
                match self.share.desktop() {
                    Some((desktop, _)) => self.ask_again([0, 0, desktop.width, desktop.height]),
                    None => Ok(()),
                }
            }
        }
    }

    /// What was held is taken up again, before all that came later. What of it is recorded, is.
    async fn release(&mut self) -> Result<(), Stop> {
        let connection = self.connection.clone();
        let Some(_inside) = connection.gate.enter() else {
            return Ok(());
        };
        let mut held = std::mem::take(&mut self.held);
        let mut rest = held.as_mut_slice();
        let mut out = Vec::new();
        while let Some(found) = frame::next(rest).map_err(broken)?
            && found.len <= rest.len()
        {
            let (one, behind) = rest.split_at_mut(found.len);
            match self.tpkt(one, false)? {
                Fate::Forward => out.extend_from_slice(one),
                Fate::Replace(with) => out.extend(with),
                Fate::Drop | Fate::Hold => {}
            }
            rest = behind;
        }
        self.lane.log().await;
        self.write(&out).await?;
        self.answer().await
    }

    /// What the gateway itself has to say in channels.
    async fn answer(&mut self) -> Result<(), Stop> {
        let connection = self.connection.clone();
        let ours = match connection.gate.enter() {
            Some(_inside) => self.lane.ours(),
            None => return Ok(()),
        };
        self.write(&ours).await
    }

    fn covered(&self, shown: bool) -> Result<(), Stop> {
        let connection = &self.connection;
        connection.tape.write(&[Record::Covered { shown }], 0)?;
        // Who watches sees it, though the target may draw nothing for a long time.
        connection.grown.notify_one();
        Ok(())
    }

    /// The target has had its time to let the account in. Who is not in is told so, and after a while shown out.
    async fn is_it_in(&mut self) -> Result<(), Stop> {
        let told = std::mem::replace(&mut self.told_out, true);
        self.entered_by = (!told).then(|| Instant::now() + READ);
        if self.share.is_entered() {
            self.entered_by = None;
            return Ok(());
        }
        let permit = self.connection.permit();
        let refusal = Refusal::TargetNotEntered {
            host: permit.host().name.clone(),
            account: permit.account().name.clone(),
        };
        let error = refusal.to_string();
        if told {
            self.connection.cut(CloseReason::ConnectFailed { error });
            return Ok(());
        }
        let failed = Event::ConnectFailed {
            connection: self.connection.id,
            code: refusal.code().to_owned(),
            error: error.clone(),
        };
        self.connection.log(failed).await?;
        self.say(&error).await
    }

    /// Shows a notice for a while.
    async fn say(&mut self, text: &str) -> Result<(), Stop> {
        if let Some((desktop, _)) = self.share.confirmed_desktop() {
            self.covers.say(text, desktop, Instant::now());
        }
        self.paint().await
    }

    async fn notice_due(&mut self) -> Result<(), Stop> {
        if let Some(place) = self.covers.over(Instant::now()) {
            let Rectangle {
                left,
                top,
                width,
                height,
            } = place;
            self.ask_again([left, top, width, height])?;
        }
        self.paint().await
    }

    /// Paints what is to be seen over the picture, where something may stand.
    async fn paint(&mut self) -> Result<(), Stop> {
        if self.open.client {
            return Ok(());
        }
        let Some((desktop, depth)) = self.share.confirmed_desktop() else {
            return Ok(());
        };
        if self.share.take_begun() {
            self.covers.begins();
        }
        let painted = self.covers.paint(desktop, depth, Instant::now());
        self.write(&painted).await
    }

    /// Asks for a part of the screen again: what was drawn behind a cover did not reach the client.
    fn ask_again(&mut self, place: [u16; 4]) -> Result<(), Stop> {
        let Some((desktop, _)) = self.share.desktop() else {
            return Ok(());
        };
        let (user, io) = self.ids.there();
        let refresh = pdu::refresh(user, desktop.share, place);
        let mut frame = Vec::new();
        mcs::frame(mcs::Sender::Client, user, io, &refresh, &mut frame);
        self.orders.send(frame)
    }

    /// Tells a target that counts frames that one is through: on the tape, and at the client unless that is locked. The
    /// client is not asked, or a lock would make the target stop.
    fn acknowledge(&self, arrived: Option<u32>) {
        let counting = |(desktop, _): &(capabilities::Desktop, u16)| desktop.counts_frames;
        let desktop = self.share.desktop().filter(counting);
        if let Some(((desktop, _), number)) = desktop.zip(arrived) {
            let (user, io) = self.ids.there();
            let told = pdu::acknowledge(user, desktop.share, number);
            let mut frame = Vec::new();
            mcs::frame(mcs::Sender::Client, user, io, &told, &mut frame);
            self.orders.offer(frame);
        }
    }

    /// Passes on what is whole in the buffer.
    async fn pass(&mut self) -> Result<(), Stop> {
        let mut end = 0;
        for found in frame::whole(&self.buffer) {
            let (start, frame) = found.map_err(broken)?;
            end = start + frame.len;
        }
        if end == 0 {
            return Ok(());
        }
        let mut run = self.buffer.split_to(end);
        let connection = self.connection.clone();
        // Before the gate, which must not be held open.
        connection.log_room().await;
        // Whoever shuts the gate waits until this is done.
        let inside = connection.gate.enter();
        self.record(&run)?;
        let mut changed: Option<Vec<u8>> = None;
        let mut arrived = None;
        let mut at = 0;
        while let Some(frame) = frame::next(&run[at..]).map_err(broken)? {
            let place = at..at + frame.len;
            at = place.end;
            let one = &mut run[place.clone()];
            let fate = match frame.kind {
                Kind::FastPath => {
                    arrived = self.frames.take(one).or(arrived);
                    self.drawn |= inside.is_some() && output::draws(one);
                    self.open.pass(one, inside.is_none()).map_err(broken)?
                }
                Kind::Tpkt => self.tpkt(one, inside.is_none())?,
            };
            if let (None, Fate::Drop | Fate::Replace(_) | Fate::Hold) = (&changed, &fate) {
                changed = Some(run[..place.start].to_vec());
            }
            match (fate, &mut changed) {
                (Fate::Forward, Some(out)) => out.extend_from_slice(&run[place]),
                (Fate::Replace(with), Some(out)) => out.extend_from_slice(&with),
                (Fate::Hold, _) => self.held.extend_from_slice(&run[place]),
                (Fate::Forward | Fate::Replace(_), None) | (Fate::Drop, _) => {}
            }
            if at == run.len() {
                break;
            }
        }
        self.lane.log().await;
        self.write(changed.as_deref().unwrap_or(&run)).await?;
        if std::mem::take(&mut self.drawn) | self.lane.taps.take_drawn() {
            connection.count_update();
            self.covers.drawn();
        }
        drop(inside);
        self.acknowledge(arrived);
        self.answer().await?;
        self.paint().await
    }

    /// Puts what belongs to the picture on the tape, as the target sent it.
    fn record(&self, run: &[u8]) -> Result<(), Stop> {
        let mut records = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while let Some(frame) = run
            .get(at..)
            .and_then(|rest| frame::next(rest).ok().flatten())
        {
            if frame.kind == Kind::Tpkt && !self.is_recorded(&run[at..at + frame.len]) {
                records.push(start..at);
                start = at + frame.len;
            }
            at += frame.len;
        }
        records.push(start..at);
        let records: Vec<Record<'_>> = records
            .into_iter()
            .filter(|place| !place.is_empty())
            .map(|place| Record::FromTarget { pdus: &run[place] })
            .collect();
        self.connection.tape.write(&records, run.len())?;
        self.connection.grown.notify_one();
        Ok(())
    }

    fn is_recorded(&self, frame: &[u8]) -> bool {
        match mcs::parse(frame) {
            Ok(mcs::DomainPdu::Data(data)) => match self.ids.of(data.channel) {
                Place::Io(_) => !tells_secrets(&frame[data.data]),
                Place::Static(number, _) => self
                    .channels
                    .get(number)
                    .is_some_and(|name| channels::is_picture(name)),
                Place::Nowhere => false,
            },
            Ok(mcs::DomainPdu::Ultimatum | mcs::DomainPdu::Other(_)) | Err(_) => false,
        }
    }

    fn tpkt(&mut self, frame: &mut [u8], locked: bool) -> Result<Fate, Stop> {
        let data = match mcs::parse(frame).map_err(broken)? {
            mcs::DomainPdu::Data(data) => data,
            mcs::DomainPdu::Ultimatum => return Err(Stop::Left),
            mcs::DomainPdu::Other(_) => return Ok(Fate::Drop),
        };
        match self.ids.of(data.channel) {
            Place::Nowhere => {
                self.share.enter();
                Ok(Fate::Drop)
            }
            Place::Static(number, there) => {
                // Pictures come, and devices are announced, at the log-in screen already, by some.
                let is_named = |name| self.is_named(number, name);
                if !is_named(DYNAMIC) && !is_named(channels::DEVICES) {
                    self.share.enter();
                }
                if locked || !self.held.is_empty() {
                    return Ok(Fate::Hold);
                }
                let chunk = &frame[data.data.clone()];
                let instead = self.lane.pass(number, there, (data.initiator, chunk))?;
                mcs::set_ids(frame, data.initiator, there);
                Ok(instead.map_or(Fate::Forward, Fate::Replace))
            }
            Place::Io(there) => {
                let fate =
                    self.share_pdus(&frame[data.data.clone()], data.initiator, there, locked)?;
                mcs::set_ids(frame, data.initiator, there);
                Ok(fate)
            }
        }
    }

    fn is_named(&self, number: usize, name: &str) -> bool {
        let found = self.channels.get(number);
        found.is_some_and(|found| found.eq_ignore_ascii_case(name))
    }

    /// What there is in one piece of the I/O channel's data; usually one PDU.
    fn share_pdus(
        &mut self,
        data: &[u8],
        source: u16,
        there: u16,
        locked: bool,
    ) -> Result<Fate, Stop> {
        let found: Vec<SharePdu> = pdu::parse(data).collect::<Result<_, _>>().map_err(broken)?;
        let is_update = |one: &SharePdu| matches!(one.kind, ShareKind::Data(DataKind::Update, _));
        self.drawn |= !locked && found.iter().any(is_update);
        let mut fates = Vec::with_capacity(found.len());
        for one in &found {
            fates.push(self.judge(one, data, locked)?);
        }
        if fates.iter().all(|fate| matches!(fate, Fate::Forward)) {
            return Ok(Fate::Forward);
        }
        let mut left = Vec::new();
        for (one, fate) in found.iter().zip(fates) {
            match fate {
                Fate::Forward | Fate::Hold => left.extend_from_slice(&data[one.place.clone()]),
                Fate::Replace(with) => left.extend_from_slice(&with),
                Fate::Drop => {}
            }
        }
        if left.is_empty() {
            return Ok(Fate::Drop);
        }
        let mut frame = Vec::new();
        mcs::frame(mcs::Sender::Server, source, there, &left, &mut frame);
        Ok(Fate::Replace(frame))
    }

    fn judge(&mut self, found: &SharePdu, data: &[u8], locked: bool) -> Result<Fate, Stop> {
        let bytes = &data[found.place.clone()];
        match found.kind {
            ShareKind::DemandActive => {
                let body = pdu::control_body(bytes);
                let (rewritten, desktop) = capabilities::demand_active(body).map_err(broken)?;
                let server = pdu::source(bytes).unwrap_or_default();
                if self.share.begins(desktop, server) {
                    self.tell(Event::DesktopShown {
                        width: desktop.width,
                        height: desktop.height,
                    })?;
                }
                let pdu = pdu::control(ShareKind::DemandActive, server, &rewritten);
                Ok(Fate::Replace(pdu))
            }
            // The last step of an activation: from here on there is something to paint on.
            ShareKind::Data(DataKind::FontMap, _) => {
                self.share.ready();
                Ok(Fate::Forward)
            }
            ShareKind::Redirection => Err(broken(Malformed(REDIRECTED))),
            ShareKind::Data(DataKind::Update | DataKind::Pointer, _) if locked => Ok(Fate::Drop),
            ShareKind::Data(DataKind::SaveSessionInfo, _) => {
                self.logon(bytes)?;
                // With the cookie in it a client could come back past the gateway.
                Ok(match pdu::has_reconnect_cookie(bytes) {
                    true => Fate::Drop,
                    false => Fate::Forward,
                })
            }
            // Whatever stands behind its first bytes was not looked at.
            ShareKind::Flow => Ok(Fate::Drop),
            ShareKind::Data(..)
            | ShareKind::ConfirmActive
            | ShareKind::DeactivateAll
            | ShareKind::Other(_) => Ok(Fate::Forward),
        }
    }

    /// The target tells of a log-on.
    fn logon(&mut self, pdu: &[u8]) -> Result<(), Stop> {
        let event = match logon::read(pdu) {
            Some(Logon::Done {
                domain,
                user,
                session,
            }) => {
                self.share.enter();
                let [domain, user] = [domain, user].map(|name| crate::notice::printable(&name));
                Event::LoggedOn {
                    domain,
                    user,
                    session,
                }
            }
            Some(Logon::Trouble { kind, data }) => Event::LogonTrouble {
                notification: kind,
                data,
            },
            None => return Ok(()),
        };
        self.tell(event)
    }

    /// Tells something that the target can cause as often as it likes.
    fn tell(&mut self, event: Event) -> Result<(), Stop> {
        match self.tells.checked_sub(1) {
            Some(left) => self.tells = left,
            None => return Ok(()),
        }
        self.lane.mark(event)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.connection.count_out(bytes.len());
        let written = self.to.write_all(bytes).await;
        match written.and(self.to.flush().await) {
            Ok(()) => Ok(()),
            Err(_) => Err(Stop::Blocked),
        }
    }
}

/// Is there a PDU that carries what somebody could log in to the target with?
fn tells_secrets(data: &[u8]) -> bool {
    pdu::parse(data).flatten().any(|one| match one.kind {
        ShareKind::Redirection => true,
        ShareKind::Data(DataKind::SaveSessionInfo, _) => {
            pdu::has_reconnect_cookie(&data[one.place])
        }
        ShareKind::Data(..)
        | ShareKind::DemandActive
        | ShareKind::ConfirmActive
        | ShareKind::DeactivateAll
        | ShareKind::Flow
        | ShareKind::Other(_) => false,
    })
}

/// Never, if there is nothing to wait for.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn broken(error: Malformed) -> Stop {
    Stop::Broken(error.into())
}
