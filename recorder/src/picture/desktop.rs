//! The decoder of a whole connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ironrdp_core::ReadCursor;
use ironrdp_pdu::fast_path::{FastPathUpdate, UpdateCode};
use ironrdp_pdu::slow_path::{
    GraphicsUpdateType, decode_slow_path_bitmap, decode_slow_path_pointer,
    read_graphics_update_type,
};
use ironrdp_session::image::DecodedImage;

use super::activation::{desktop_size, remote_fx_id};
use super::damage::Damage;
use super::graphics::Graphics;
use super::image::{blank, view};
use super::legacy::Bitmaps;
use super::pointer::Pointers;
use super::surface::Surfaces;
use super::updates::{Update, Updates};
use super::wire::{ChannelData, Pdu, Share, channel_data, next_pdu, next_share};
use super::{Fault, Image, Pointer, Rect, mouse};
use crate::DesktopBegun;

/// Share Data's types that draw (MS-RDPBCGR 2.2.8.1.1.1.2).
const UPDATE: u8 = 2;
const POINTER: u8 = 0x1b;
/// The static channel that carries dynamic ones (MS-RDPEDYC 2.1).
const DYNAMIC: &str = "drdynvc";

/// Follows a connection's PDUs and holds the picture its client shows.
pub struct Desktop {
    io_channel: u16,
    dynamic_channel: Option<u16>,
    picture: Picture,
    faults: u64,
    changed: Duration,
}

/// Everything that draws.
struct Picture {
    image: Option<DecodedImage>,
    damage: Damage,
    pointers: Pointers,
    bitmaps: Bitmaps,
    surfaces: Surfaces,
    updates: Updates,
    graphics: Graphics,
}

impl Desktop {
    /// A connection that has drawn nothing yet.
    pub fn new(begun: &DesktopBegun) -> Self {
        let named = |channel: &&crate::DesktopChannel| {
            let name = channel.name.trim_end_matches('\0');
            name.eq_ignore_ascii_case(DYNAMIC)
        };
        Self {
            io_channel: begun.io_channel,
            dynamic_channel: begun.channels.iter().find(named).map(|channel| channel.id),
            picture: Picture::new(),
            faults: 0,
            changed: Duration::ZERO,
        }
    }

    /// Takes whole PDUs from the target ([`crate::Record::FromTarget`]).
    pub fn from_target(&mut self, pdus: &[u8], at: Duration) {
        let before = self.state();
        let mut rest = pdus;
        while !rest.is_empty() {
            let Some((pdu, after)) = next_pdu(rest) else {
                self.fault(Fault("bytes that are no PDU"));
                break;
            };
            rest = after;
            self.guarded(|desktop| desktop.pdu_from_target(pdu));
        }
        if self.state() != before {
            self.changed = at;
        }
    }

    /// Takes whole PDUs from the client ([`crate::Record::FromClient`]): they tell where the mouse is.
    pub fn from_client(&mut self, pdus: &[u8], at: Duration) {
        let before = self.state();
        let mut rest = pdus;
        while let Some((pdu, after)) = next_pdu(rest) {
            rest = after;
            self.guarded(|desktop| {
                desktop.pdu_from_client(pdu);
                0
            });
        }
        if self.state() != before {
            self.changed = at;
        }
    }

    /// Differs after everything that could be seen.
    fn state(&self) -> (u64, Pointer, u64) {
        let damaged = self.picture.damage.count;
        (damaged, self.pointer().clone(), self.faults)
    }

    /// The picture; `None` before the first Demand Active.
    pub fn image(&self) -> Option<Image<'_>> {
        self.picture.image.as_ref().map(view)
    }

    /// What has changed in the picture since the last call: at most 32 parts. They may hold more than what changed,
    /// and never less.
    pub fn take_damage(&mut self) -> Vec<Rect> {
        self.picture.damage.take()
    }

    /// Has anything changed in the picture since damage was taken?
    pub fn is_damaged(&self) -> bool {
        !self.picture.damage.is_empty()
    }

    /// When the last PDUs came that changed the picture or the pointer, or could not be decoded.
    pub fn changed(&self) -> Duration {
        self.changed
    }

    /// The pointer; it is not in the picture.
    pub fn pointer(&self) -> &Pointer {
        &self.picture.pointers.now
    }

    /// How many times something could not be decoded: the picture is older there than what the client saw.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    fn fault(&mut self, fault: Fault) {
        self.faults += 1;
        tracing::debug!(why = fault.0, "a part of a desktop's picture is lost");
    }

    /// Whatever the decoders do with a PDU ends here: it costs this PDU and nothing else.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> u64) {
        // The decoders are not left half changed in a way that matters: they check what they use.
        match catch_unwind(AssertUnwindSafe(|| step(self))) {
            Ok(faults) => self.faults += faults,
            Err(_) => self.fault(Fault("the decoder panicked")),
        }
    }

    fn pdu_from_target(&mut self, pdu: Pdu<'_>) -> u64 {
        match pdu {
            Pdu::FastPath(header, body) => self.picture.fast_path(header, body),
            Pdu::Tpkt(tpkt) => match channel_data(tpkt) {
                Some(data) => self.channel_from_target(data),
                None => 0,
            },
        }
    }

    fn channel_from_target(&mut self, data: ChannelData<'_>) -> u64 {
        if Some(data.channel) == self.dynamic_channel {
            return self.picture.dynamic(data.data);
        }
        if data.channel != self.io_channel {
            return 0;
        }
        let mut faults = 0;
        let mut rest = data.data;
        while let Some((share, after)) = next_share(rest) {
            rest = after;
            faults += self.picture.share(share);
        }
        faults
    }

    fn pdu_from_client(&mut self, pdu: Pdu<'_>) {
        let position = match pdu {
            Pdu::FastPath(header, body) => mouse::fast_path(header, body),
            Pdu::Tpkt(tpkt) => channel_data(tpkt)
                .filter(|data| data.channel == self.io_channel)
                .and_then(|data| {
                    self.picture.confirmed(data.data);
                    mouse::slow_path(data)
                }),
        };
        if let Some((x, y)) = position {
            self.picture.pointers.now.x = x;
            self.picture.pointers.now.y = y;
        }
    }
}

impl Picture {
    fn new() -> Self {
        Self {
            image: None,
            damage: Damage::default(),
            pointers: Pointers::default(),
            bitmaps: Bitmaps::new(),
            surfaces: Surfaces::new(),
            updates: Updates::default(),
            graphics: Graphics::default(),
        }
    }

    /// Takes a Share PDU from the target; answers how much of it could not be decoded.
    fn share(&mut self, share: Share<'_>) -> u64 {
        match share {
            Share::DemandActive(body) => self.activate(body),
            Share::Data {
                kind: UPDATE | POINTER,
                compressed: true,
                ..
            } => 1,
            Share::Data {
                kind: UPDATE, body, ..
            } => self.slow_path(body),
            Share::Data {
                kind: POINTER,
                body,
                ..
            } => {
                let update = decode_slow_path_pointer(&mut ReadCursor::new(body));
                let taken = update.is_ok_and(|update| self.pointers.update(&update).is_ok());
                u64::from(!taken)
            }
            // The client goes on showing what it shows; the next Demand Active says how it goes on.
            Share::DeactivateAll | Share::ConfirmActive(_) | Share::Data { .. } | Share::Other => 0,
        }
    }

    /// A session begins, or begins anew (MS-RDPBCGR 1.3.1.3).
    fn activate(&mut self, demand_active: &[u8]) -> u64 {
        let Some((width, height)) = desktop_size(demand_active) else {
            return 1;
        };
        self.bitmaps = Bitmaps::new();
        self.surfaces = Surfaces::new();
        self.updates = Updates::default();
        self.pointers.reset();
        let as_before = |image: &DecodedImage| image.width() == width && image.height() == height;
        if self.image.as_ref().is_some_and(as_before) {
            return 0;
        }
        match blank(width, height) {
            Ok(image) => self.image = Some(image),
            Err(_) => return 1,
        }
        // What was changed of the picture before it is of no use any more.
        self.damage.take();
        self.damage.add(Rect::whole(width, height));
        0
    }

    /// The client's answer names its codecs.
    fn confirmed(&mut self, data: &[u8]) {
        if let Some((Share::ConfirmActive(body), _)) = next_share(data)
            && let Some(id) = remote_fx_id(body)
        {
            self.surfaces.set_remote_fx_id(id);
        }
    }

    /// Takes a slow-path graphics update (2.2.9.1.1.3).
    fn slow_path(&mut self, body: &[u8]) -> u64 {
        let Some(image) = self.image.as_mut() else {
            return 0;
        };
        let mut rest = ReadCursor::new(body);
        match read_graphics_update_type(&mut rest) {
            Ok(GraphicsUpdateType::Bitmap) => match decode_slow_path_bitmap(&mut rest) {
                Ok(bitmaps) => self.bitmaps.draw_all(bitmaps, image, &mut self.damage),
                Err(_) => 1,
            },
            Ok(GraphicsUpdateType::Palette) => {
                u64::from(self.bitmaps.palette(body, image).is_err())
            }
            Ok(GraphicsUpdateType::Synchronize) => 0,
            // Drawing orders are negotiated away.
            Ok(GraphicsUpdateType::Orders) | Err(_) => 1,
        }
    }

    /// Takes a fast-path PDU from the target (2.2.9.1.2).
    fn fast_path(&mut self, header: u8, body: &[u8]) -> u64 {
        const ENCRYPTED: u8 = 0xc0;
        if header & ENCRYPTED != 0 {
            return 1;
        }
        let mut faults = 0;
        let mut rest = body;
        while !rest.is_empty() {
            match self.updates.next(&mut rest) {
                Ok(Some(update)) => faults += self.update(&update),
                Ok(None) => {}
                Err(_) => faults += 1,
            }
        }
        faults
    }

    fn update(&mut self, update: &Update<'_>) -> u64 {
        let Some(image) = self.image.as_mut() else {
            return 0;
        };
        match update.code {
            UpdateCode::SurfaceCommands => {
                self.surfaces
                    .draw_all(&update.data, &mut self.bitmaps, image, &mut self.damage)
            }
            UpdateCode::Palette => u64::from(self.bitmaps.palette(&update.data, image).is_err()),
            UpdateCode::Synchronize => 0,
            UpdateCode::Orders
            | UpdateCode::Bitmap
            | UpdateCode::HiddenPointer
            | UpdateCode::DefaultPointer
            | UpdateCode::PositionPointer
            | UpdateCode::ColorPointer
            | UpdateCode::CachedPointer
            | UpdateCode::NewPointer
            | UpdateCode::LargePointer => {
                match FastPathUpdate::decode_with_code(&update.data, update.code) {
                    Ok(FastPathUpdate::Bitmap(bitmaps)) => {
                        self.bitmaps.draw_all(bitmaps, image, &mut self.damage)
                    }
                    Ok(FastPathUpdate::Pointer(pointer)) => {
                        u64::from(self.pointers.update(&pointer).is_err())
                    }
                    // Drawing orders are negotiated away.
                    Ok(
                        FastPathUpdate::Orders(_)
                        | FastPathUpdate::SurfaceCommands(_)
                        | FastPathUpdate::Palette(_),
                    )
                    | Err(_) => 1,
                }
            }
        }
    }

    /// Takes data of the channel that carries dynamic ones.
    fn dynamic(&mut self, data: &[u8]) -> u64 {
        let taken = self.graphics.take(data, &mut self.image, &mut self.damage);
        taken.unwrap_or(1)
    }
}
