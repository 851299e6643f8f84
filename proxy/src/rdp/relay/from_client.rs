//! From the client to the target.

use std::sync::Arc;

use bytes::BytesMut;
use sallyport_dissect::rdp::frame::Kind;
use sallyport_dissect::rdp::share::{self as pdu, DataKind, ShareKind, SharePdu};
use sallyport_dissect::rdp::{Malformed, capabilities, frame, input, mcs};
use sallyport_recorder::Record;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Stop;
use super::channels;
use super::lane::Lane;
use super::secrecy::Secrecy;
use super::share::Share;
use super::steering::{Next, Steering, masked};
use crate::connection::Connection;
use crate::driver::Mail;
use crate::rdp::ids::{Place, Translation};
use crate::rdp::leg;

/// Bytes of channels that may wait for the end of a lock. When there are more, the client has to wait.
const HELD: usize = 1 << 20;

/// One direction.
pub struct FromClient<'a, R, W> {
    /// What both directions share with the rest.
    pub connection: &'a Arc<Connection>,
    /// The desktop.
    pub share: &'a Share,
    /// What the gateway itself has to say to the target.
    pub orders: mpsc::Receiver<Vec<u8>>,
    /// Into the target's ids.
    pub ids: Translation,
    /// The names of the static channels.
    pub channels: &'a [String],
    /// What is in them.
    pub lane: Lane<'a>,
    /// The client.
    pub from: R,
    /// The target.
    pub to: W,
    /// Read and not yet taken.
    pub buffer: BytesMut,
    /// What waits for the end of a lock.
    pub held: Vec<u8>,
    /// Who steers besides the user, or in her place.
    pub steering: Steering,
    /// When keys are not recorded.
    pub secrecy: Secrecy,
}

/// What becomes of a PDU.
enum Fate {
    /// It goes on; and on the tape stands this, or nothing.
    Forward(Option<Vec<u8>>),
    /// It ends here.
    Drop,
    /// It is looked at again when the lock is over.
    Hold,
}

impl<R, W> FromClient<'_, R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// Until something ends it.
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
                Some(order) = self.orders.recv() => self.write(&order).await?,
                Ok(()) = gate.changed() => self.release().await?,
                () = self.lane.taps.ours(self.lane.from) => self.pass().await?,
                next = self.steering.next() => self.steer(next).await?,
                filled = leg::fill(&mut self.from, &mut self.buffer), if !full => match filled {
                    Ok(true) => self.pass().await?,
                    // TLS was ended in order: some clients say no other goodbye.
                    Ok(false) => return Err(Stop::Left),
                    Err(_) => return Err(Stop::Lost),
                },
            }
        }
    }

    /// What was held is taken up again, before all that came later.
    async fn release(&mut self) -> Result<(), Stop> {
        if !self.connection.gate.is_shut() {
            let mut buffer = BytesMut::from(std::mem::take(&mut self.held).as_slice());
            buffer.extend_from_slice(&self.buffer);
            self.buffer = buffer;
        }
        self.pass().await
    }

    /// Passes on what is whole in the buffer, and what there is of ours.
    async fn pass(&mut self) -> Result<(), Stop> {
        let connection = self.connection.clone();
        let mut taped = Vec::new();
        // Before the gate, which must not be held open.
        connection.log_room().await;
        let inside = connection.gate.enter();
        let mut out = self.turned().unwrap_or_default();
        let stopped = inside.is_none() || self.steering.excludes_user();
        while let Some(found) = frame::next(&self.buffer).map_err(broken)? {
            if found.len > self.buffer.len() {
                break;
            }
            let mut one = self.buffer.split_to(found.len);
            let len = one.len();
            let fate = match found.kind {
                Kind::FastPath => self.fast_path(&mut one, stopped)?,
                Kind::Tpkt => self.tpkt(&mut one, inside.is_none(), stopped)?,
            };
            match fate {
                Fate::Forward(record) => {
                    taped.extend(record.unwrap_or_default());
                    out.extend_from_slice(&one);
                }
                Fate::Drop => {}
                Fate::Hold => {
                    self.held.extend_from_slice(&one);
                    continue;
                }
            }
            connection.count_in(len);
        }
        if inside.is_some() {
            out.extend(self.lane.ours());
        }
        self.lane.log().await;
        if out.is_empty() {
            return Ok(());
        }
        if !taped.is_empty() {
            let record = Record::FromClient { pdus: &taped };
            connection.tape.write(&[record], out.len())?;
            // Where the mouse is, is part of the picture.
            connection.grown.notify_one();
        }
        self.write(&out).await
    }

    /// Takes note of who has control now. If that has changed: what goes to the target for it. It is nobody's input, and
    /// not on the tape.
    fn turned(&mut self) -> Option<Vec<u8>> {
        let released = self.steering.turn(self.share)?;
        Some(self.share.input(self.ids.beyond(), &released))
    }

    /// Control came to somebody or went, or whoever has it did something.
    async fn steer(&mut self, next: Next) -> Result<(), Stop> {
        let connection = self.connection.clone();
        let input = match next {
            Next::Turned => None,
            Next::Input(input) => Some(input),
            Next::Gone(seat) => {
                connection.tell(Mail::ControllerLeft(seat)).await;
                return Ok(());
            }
        };
        let inside = connection.gate.enter();
        if let Some(released) = self.turned() {
            // What came from whoever had it before is not taken any more.
            return self.write(&released).await;
        }
        let active = self.share.is_active(None) && self.share.is_entered();
        let (Some(input), Some(viewer), Some((desktop, _))) =
            (input, self.steering.viewer(), self.share.desktop())
        else {
            return Ok(());
        };
        if inside.is_none() || !active {
            return Ok(());
        }
        let events = self.steering.events(input, &desktop);
        connection.touch();
        let out = self.share.input(self.ids.beyond(), &events);
        if out.is_empty() {
            return Ok(());
        }
        let shown = match self.hides(&events) {
            true => masked(&events),
            false => events,
        };
        let record = Record::FromViewer {
            viewer: &viewer,
            pdus: &self.share.input(self.ids.beyond(), &shown),
        };
        connection.tape.write(&[record], out.len())?;
        connection.grown.notify_one();
        self.write(&out).await
    }

    /// Is what these events say left out of the recording?
    fn hides(&mut self, events: &[input::Event]) -> bool {
        let now = Instant::now();
        for event in events {
            self.secrecy.see(event, now);
        }
        let recorded = self.connection.permit().profile().keystrokes && self.share.is_in();
        !recorded || self.secrecy.is_likely(now)
    }

    fn fast_path(&mut self, frame: &mut [u8], stopped: bool) -> Result<Fate, Stop> {
        let events = input::events(frame).map_err(broken)?;
        // Before the account is in, there may be a screen on which another one can be chosen.
        if stopped || !self.share.is_active(None) || !self.share.is_entered() {
            for (event, _) in &events {
                self.share.see_locks(event);
            }
            return Ok(Fate::Drop);
        }
        for (event, _) in &events {
            self.share.see(event);
            match event {
                input::Event::Key(_) | input::Event::Character(_) | input::Event::Mouse(_) => {
                    self.connection.touch();
                }
                input::Event::Locks(_) | input::Event::Timing => {}
            }
        }
        let mut record = frame.to_vec();
        let told: Vec<input::Event> = events.iter().map(|(event, _)| *event).collect();
        if self.hides(&told) {
            input::mask(&mut record, &events);
        }
        Ok(Fate::Forward(Some(record)))
    }

    fn tpkt(&mut self, frame: &mut BytesMut, locked: bool, stopped: bool) -> Result<Fate, Stop> {
        let data = match mcs::parse(frame).map_err(broken)? {
            mcs::DomainPdu::Data(data) => data,
            mcs::DomainPdu::Ultimatum => return Err(Stop::Left),
            mcs::DomainPdu::Other(_) => return Ok(Fate::Drop),
        };
        match self.ids.of(data.channel) {
            Place::Nowhere => Ok(Fate::Drop),
            Place::Static(..) if locked || !self.held.is_empty() => Ok(Fate::Hold),
            Place::Static(number, there) => {
                let chunk = (self.ids.user(), &frame[data.data]);
                match self.lane.pass(number, there, chunk)? {
                    None => mcs::set_ids(frame, self.ids.user(), there),
                    Some(instead) => *frame = BytesMut::from(instead.as_slice()),
                }
                let name = self.channels.get(number);
                let picture = name.is_some_and(|name| channels::is_picture(name));
                Ok(Fate::Forward(picture.then(|| frame.to_vec())))
            }
            Place::Io(there) => self.share_pdu(frame, data.data, there, stopped),
        }
    }

    fn share_pdu(
        &mut self,
        frame: &mut BytesMut,
        place: std::ops::Range<usize>,
        there: u16,
        stopped: bool,
    ) -> Result<Fate, Stop> {
        let Some(first) = only(&frame[place.clone()])? else {
            return Ok(Fate::Drop);
        };
        let user = self.ids.user();
        match first.kind {
            ShareKind::ConfirmActive => {
                let body = pdu::control_body(&frame[place]);
                let desktop = self.share.desktop();
                let counts = desktop.is_some_and(|(desktop, _)| desktop.counts_frames);
                let rewritten = capabilities::confirm_active(body, counts).map_err(broken)?;
                self.share
                    .confirmed(capabilities::confirmed_depth(body).unwrap_or_default());
                let pdu = pdu::control(ShareKind::ConfirmActive, user, &rewritten);
                let mut whole = Vec::new();
                mcs::frame(mcs::Sender::Client, user, there, &pdu, &mut whole);
                *frame = BytesMut::from(whole.as_slice());
                return Ok(Fate::Forward(Some(whole)));
            }
            // For a desktop that is gone: the waiting room's, or one of another size.
            ShareKind::Data(_, share) if !self.share.is_active(Some(share)) => {
                return Ok(Fate::Drop);
            }
            ShareKind::Data(DataKind::Input, _) if stopped || !self.share.is_entered() => {
                for event in input::slow_events(&frame[place.clone()]) {
                    self.share.see_locks(&event);
                }
                return Ok(Fate::Drop);
            }
            ShareKind::Data(DataKind::Input, _) => {
                self.connection.touch();
                for event in input::slow_events(&frame[place.clone()]) {
                    self.share.see(&event);
                }
            }
            // A window put away is still recorded.
            ShareKind::Data(DataKind::SuppressOutput, _)
                if !pdu::allows_output(&frame[place.clone()]) =>
            {
                return Ok(Fate::Drop);
            }
            // The gateway says what has arrived, under a lock as well.
            ShareKind::Data(DataKind::FrameAcknowledge, _) => return Ok(Fate::Drop),
            // What the client kept from other sessions, the recorder has not seen.
            ShareKind::Data(DataKind::BitmapCachePersistentList, _) => return Ok(Fate::Drop),
            ShareKind::Data(..) => {}
            ShareKind::DemandActive
            | ShareKind::DeactivateAll
            | ShareKind::Redirection
            | ShareKind::Flow
            | ShareKind::Other(_) => return Ok(Fate::Drop),
        }
        mcs::set_ids(frame, user, there);
        pdu::set_source(&mut frame[place.clone()], user);
        let mut record = frame.to_vec();
        if let ShareKind::Data(DataKind::Input, _) = first.kind
            && self.hides(&input::slow_events(&frame[place.clone()]))
        {
            input::mask_slow(&mut record[place]);
        }
        Ok(Fate::Forward(Some(record)))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.to.write_all(bytes).await;
        match written.and(self.to.flush().await) {
            Ok(()) => Ok(()),
            Err(_) => Err(Stop::Blocked),
        }
    }
}

/// Clients send one at a time; behind another, one could pass unseen.
fn only(data: &[u8]) -> Result<Option<SharePdu>, Stop> {
    let mut found = pdu::parse(data);
    let first = found.next().transpose().map_err(broken)?;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(broken(Malformed("several share PDUs of a client at once"))),
    }
}

fn broken(error: Malformed) -> Stop {
    Stop::Broken(error.into())
}
