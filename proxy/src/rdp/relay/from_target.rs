//! From the target to the client.

use std::sync::Arc;

use bytes::BytesMut;
use sallyport_dissect::rdp::frame::Kind;
use sallyport_dissect::rdp::share::{self as pdu, DataKind, ShareKind, SharePdu};
use sallyport_dissect::rdp::{Malformed, capabilities, dynamic, frame, input, mcs};
use sallyport_domain::event::Event;
use sallyport_recorder::Record;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::Stop;
use super::channels::{self, DYNAMIC};
use super::orders::Orders;
use super::share::Share;
use crate::connection::Connection;
use crate::gate::GateState;
use crate::rdp::ids::{Place, Translation};
use crate::rdp::leg;

/// Bytes of channels that may wait for the end of a lock. When there are more, the target has to wait.
const HELD: usize = 8 << 20;
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
    /// The target.
    pub from: R,
    /// The client.
    pub to: W,
    /// Read and not yet taken.
    pub buffer: BytesMut,
    /// What waits for the end of a lock.
    pub held: Vec<u8>,
}

/// What becomes of a PDU.
enum Fate {
    /// It goes on, with ids exchanged where it has some.
    Forward,
    /// It ends here.
    Drop,
    /// This goes on in its place.
    Replace(Vec<u8>),
    /// It goes on when the lock is over.
    Hold,
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
        self.pass().await?;
        loop {
            let full = self.held.len() > HELD;
            tokio::select! {
                biased;
                () = self.connection.ending() => return Err(Stop::Asked),
                Ok(()) = gate.changed() => self.turned(&mut gate).await?,
                filled = leg::fill(&mut self.from, &mut self.buffer), if !full => match filled {
                    Ok(true) => self.pass().await?,
                    Ok(false) | Err(_) => return Err(Stop::Lost),
                },
            }
        }
    }

    /// The gate was shut or opened.
    async fn turned(&mut self, gate: &mut watch::Receiver<GateState>) -> Result<(), Stop> {
        let shut = gate.borrow_and_update().is_shut();
        if shut {
            let held = self.share.take_held();
            if !held.is_empty() {
                self.orders.send(input::release(&held))?;
            }
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.write(&held).await?;
        self.ask_again()
    }

    /// Asks for the whole screen again: what was drawn behind a lock did not reach the client.
    fn ask_again(&mut self) -> Result<(), Stop> {
        let Some((desktop, _)) = self.share.desktop() else {
            return Ok(());
        };
        let (user, io) = self.ids.there();
        let refresh = pdu::refresh(user, desktop.share, desktop.width, desktop.height);
        let mut frame = Vec::new();
        mcs::frame(mcs::Sender::Client, user, io, &refresh, &mut frame);
        self.orders.send(frame)
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
        // Whoever shuts the gate waits until this is done.
        let connection = self.connection.clone();
        let inside = connection.gate.enter();
        self.record(&run)?;
        let mut changed: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(frame) = frame::next(&run[at..]).map_err(broken)? {
            let place = at..at + frame.len;
            at = place.end;
            let one = &mut run[place.clone()];
            let fate = match frame.kind {
                Kind::FastPath if inside.is_none() => Fate::Drop,
                Kind::FastPath => Fate::Forward,
                Kind::Tpkt => self.tpkt(one, inside.is_none()).await?,
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
        self.write(changed.as_deref().unwrap_or(&run)).await
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
        Ok(self.connection.tape.write(&records, run.len())?)
    }

    fn is_recorded(&self, frame: &[u8]) -> bool {
        match mcs::parse(frame) {
            Ok(mcs::DomainPdu::Data(data)) => match self.ids.of(data.channel) {
                Place::Io(_) => true,
                Place::Static(number, _) => self
                    .channels
                    .get(number)
                    .is_some_and(|name| channels::is_picture(name)),
                Place::Nowhere => false,
            },
            Ok(mcs::DomainPdu::Ultimatum | mcs::DomainPdu::Other(_)) | Err(_) => false,
        }
    }

    async fn tpkt(&mut self, frame: &mut [u8], locked: bool) -> Result<Fate, Stop> {
        let data = match mcs::parse(frame).map_err(broken)? {
            mcs::DomainPdu::Data(data) => data,
            mcs::DomainPdu::Ultimatum => return Err(Stop::Left),
            mcs::DomainPdu::Other(_) => return Ok(Fate::Drop),
        };
        match self.ids.of(data.channel) {
            Place::Nowhere => Ok(Fate::Drop),
            Place::Static(number, there) => {
                let is_dynamic = self
                    .channels
                    .get(number)
                    .is_some_and(|name| name.eq_ignore_ascii_case(DYNAMIC));
                if is_dynamic && self.refuses(&frame[data.data], data.channel).await? {
                    return Ok(Fate::Drop);
                }
                mcs::set_ids(frame, data.initiator, there);
                Ok(if locked { Fate::Hold } else { Fate::Forward })
            }
            Place::Io(there) => {
                let fate =
                    self.share_pdus(&frame[data.data.clone()], data.initiator, there, locked)?;
                mcs::set_ids(frame, data.initiator, there);
                Ok(fate)
            }
        }
    }

    /// Refuses a dynamic channel that nobody may have; the client does not hear of it.
    async fn refuses(&mut self, chunk: &[u8], channel: u16) -> Result<bool, Stop> {
        let Some(create) = dynamic::create(chunk).map_err(broken)? else {
            return Ok(false);
        };
        if channels::may_open(&create.name, &self.connection.permit()) {
            return Ok(false);
        }
        let mut frame = Vec::new();
        let (user, _) = self.ids.there();
        mcs::frame(
            mcs::Sender::Client,
            user,
            channel,
            &create.refusal,
            &mut frame,
        );
        self.orders.send(frame)?;
        let event = Event::RightRefused {
            what: format!("dynamic channel {}", crate::notice::printable(&create.name)),
            why: "no right of the activity allows it".to_owned(),
        };
        self.connection.log(event).await?;
        Ok(true)
    }

    /// What there is in one piece of the I/O channel's data; usually one PDU.
    fn share_pdus(&self, data: &[u8], source: u16, there: u16, locked: bool) -> Result<Fate, Stop> {
        let found: Vec<SharePdu> = pdu::parse(data).collect::<Result<_, _>>().map_err(broken)?;
        let plain = |one: &SharePdu| matches!(self.judge(one, data, locked), Ok(Fate::Forward));
        if found.iter().all(plain) {
            return Ok(Fate::Forward);
        }
        let mut left = Vec::new();
        for one in &found {
            match self.judge(one, data, locked)? {
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

    fn judge(&self, found: &SharePdu, data: &[u8], locked: bool) -> Result<Fate, Stop> {
        let bytes = &data[found.place.clone()];
        match found.kind {
            ShareKind::DemandActive => {
                let body = pdu::control_body(bytes);
                let (rewritten, desktop) = capabilities::demand_active(body).map_err(broken)?;
                let server = pdu::source(bytes).unwrap_or_default();
                self.share.begins(desktop, server);
                let pdu = pdu::control(ShareKind::DemandActive, server, &rewritten);
                Ok(Fate::Replace(pdu))
            }
            ShareKind::Redirection => Err(broken(Malformed(REDIRECTED))),
            ShareKind::Data(DataKind::Update | DataKind::Pointer, _) if locked => Ok(Fate::Drop),
            // With the cookie in it a client could come back past the gateway.
            ShareKind::Data(DataKind::SaveSessionInfo, _) if pdu::has_reconnect_cookie(bytes) => {
                Ok(Fate::Drop)
            }
            ShareKind::Data(..)
            | ShareKind::ConfirmActive
            | ShareKind::DeactivateAll
            | ShareKind::Flow
            | ShareKind::Other(_) => Ok(Fate::Forward),
        }
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

fn broken(error: Malformed) -> Stop {
    Stop::Broken(error.into())
}
