//! Surface commands (MS-RDPBCGR 2.2.9.2): raw pixels and RemoteFX.

use std::borrow::Cow;

use ironrdp_core::{ReadCursor, decode_cursor};
use ironrdp_pdu::bitmap::{BitmapData, Compression};
use ironrdp_pdu::geometry::InclusiveRectangle;
use ironrdp_pdu::surface_commands::{SurfaceBitsPdu, SurfaceCommand};
use ironrdp_session::image::DecodedImage;
use ironrdp_session::rfx::DecodingContext;

use super::damage::Damage;
use super::legacy::Bitmaps;
use super::wire::{le16, le32};
use super::{Fault, Rect};

/// The id of pixels without a codec.
const RAW: u8 = 0;
/// The id that clients give to RemoteFX when nothing else is known.
const USUAL_REMOTE_FX: u8 = 3;
/// The most rectangles that a RemoteFX region may have: joining them costs their square.
const MAX_REGION: usize = 4096;

/// Decodes surface commands.
pub(super) struct Surfaces {
    remote_fx: DecodingContext,
    remote_fx_id: u8,
}

impl Surfaces {
    /// A decoder as it is when a session is activated.
    pub fn new() -> Self {
        Self {
            remote_fx: DecodingContext::new(),
            remote_fx_id: USUAL_REMOTE_FX,
        }
    }

    /// The client gave RemoteFX this id.
    pub fn set_remote_fx_id(&mut self, id: u8) {
        self.remote_fx_id = id;
    }

    /// Draws all commands of an update; goes on behind one that cannot be drawn. Answers how many could not.
    pub fn draw_all(
        &mut self,
        commands: &[u8],
        bitmaps: &mut Bitmaps,
        image: &mut DecodedImage,
        damage: &mut Damage,
    ) -> u64 {
        let mut faults = 0;
        let mut rest = ReadCursor::new(commands);
        while !rest.is_empty() {
            match decode_cursor::<SurfaceCommand<'_>>(&mut rest) {
                Ok(
                    SurfaceCommand::SetSurfaceBits(bits) | SurfaceCommand::StreamSurfaceBits(bits),
                ) => {
                    faults += u64::from(self.draw(bits, bitmaps, image, damage).is_err());
                }
                Ok(SurfaceCommand::FrameMarker(_)) => {}
                // Where the next one begins is not known.
                Err(_) => return faults + 1,
            }
        }
        faults
    }

    fn draw(
        &mut self,
        bits: SurfaceBitsPdu<'_>,
        bitmaps: &mut Bitmaps,
        image: &mut DecodedImage,
        damage: &mut Damage,
    ) -> Result<(), Fault> {
        let to = &bits.destination;
        if to.left >= to.right || to.top >= to.bottom {
            return Err(Fault("a surface has no size"));
        }
        let rectangle = InclusiveRectangle {
            left: to.left,
            top: to.top,
            right: to.right - 1,
            bottom: to.bottom - 1,
        };
        match bits.extended_bitmap_data.codec_id {
            RAW => raw(&bits, rectangle, bitmaps, image, damage),
            id if id == self.remote_fx_id => {
                self.remote_fx(bits.extended_bitmap_data.data, &rectangle, image, damage)
            }
            _ => Err(Fault("a surface in a codec that is not known")),
        }
    }

    fn remote_fx(
        &mut self,
        data: &[u8],
        to: &InclusiveRectangle,
        image: &mut DecodedImage,
        damage: &mut Damage,
    ) -> Result<(), Fault> {
        // Before anything is decoded; what a fault leaves half drawn is in it too.
        let changed = changed(data, to)?;
        for rect in &changed {
            if let Some(seen) = rect.within(image.width(), image.height()) {
                damage.add(seen);
            }
        }
        let mut rest = ReadCursor::new(data);
        while !rest.is_empty() {
            let decoded = self.remote_fx.decode(image, to, &mut rest);
            decoded.map_err(|_| Fault("RemoteFX cannot be decoded"))?;
        }
        // The decoder draws nothing of what does not fit.
        let fits = |rect: &Rect| rect.within(image.width(), image.height()) == Some(*rect);
        let all = changed.iter().all(fits);
        all.then_some(()).ok_or(Fault("RemoteFX does not fit"))
    }
}

/// Raw pixels, from the bottom up; unlike those of a bitmap, their rows are not filled up.
fn raw(
    bits: &SurfaceBitsPdu<'_>,
    rectangle: InclusiveRectangle,
    bitmaps: &mut Bitmaps,
    image: &mut DecodedImage,
    damage: &mut Damage,
) -> Result<(), Fault> {
    let pixels = &bits.extended_bitmap_data;
    let width = bits.destination.right - bits.destination.left;
    let height = bits.destination.bottom - bits.destination.top;
    let row = usize::from(width) * usize::from(pixels.bpp).div_ceil(8);
    if row == 0 || pixels.data.len() != row * usize::from(height) {
        return Err(Fault("a surface has too few pixels"));
    }
    let filled = row.next_multiple_of(4);
    let mut data = Cow::Borrowed(pixels.data);
    if filled != row {
        let mut rows = Vec::with_capacity(filled * usize::from(height));
        for from in pixels.data.chunks_exact(row) {
            rows.extend_from_slice(from);
            rows.resize(rows.len() + filled - row, 0);
        }
        data = Cow::Owned(rows);
    }
    let bitmap = BitmapData {
        rectangle,
        width,
        height,
        bits_per_pixel: pixels.bpp.into(),
        compression_flags: Compression::empty(),
        compressed_data_header: None,
        bitmap_data: &data,
    };
    bitmaps.draw(bitmap, image, damage)
}

/// Which parts a RemoteFX message says it draws (MS-RDPRFX 2.2.2.3.3), walked over before the decoder sees it.
fn changed(data: &[u8], to: &InclusiveRectangle) -> Result<Vec<Rect>, Fault> {
    const REGION: u16 = 0xccc6;
    let broken = Fault("RemoteFX is broken");
    let mut found = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let kind = le16(rest, 0).ok_or(broken)?;
        let length = le32(rest, 2).ok_or(broken)? as usize;
        let (block, after) = rest.split_at_checked(length).ok_or(broken)?;
        rest = after;
        if length == 0 {
            return Err(broken);
        }
        if kind != REGION {
            continue;
        }
        // Behind the header: codec, channel, flags.
        let count = usize::from(le16(block, 9).ok_or(broken)?);
        if count > MAX_REGION || found.len() > MAX_REGION {
            return Err(Fault("a RemoteFX region of too many parts"));
        }
        if count == 0 {
            found.push(Rect::from(to));
        }
        let parts = block.get(11..).ok_or(broken)?.chunks_exact(8).take(count);
        let part = |part: &[u8]| {
            Some(Rect {
                x: le16(part, 0)?.checked_add(to.left)?,
                y: le16(part, 2)?.checked_add(to.top)?,
                width: le16(part, 4)?,
                height: le16(part, 6)?,
            })
        };
        found.extend(parts.filter_map(part));
    }
    Ok(found)
}
