//! Bitmap updates (MS-RDPBCGR 2.2.9.1.1.3.1.2): raw, RLE and RDP 6.0, of every depth.

use ironrdp_core::WriteBuf;
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData};
use ironrdp_session::fast_path::{Processor, ProcessorBuilder, UpdateKind};
use ironrdp_session::image::DecodedImage;

use super::damage::Damage;
use super::{Fault, Rect};

/// How much wider than its place a bitmap may be: rows are filled up to whole words, and by some to whole tiles.
const MAX_FILL: u16 = 64;

/// Decodes bitmaps.
pub(super) struct Bitmaps(Processor);

impl Bitmaps {
    /// A decoder as it is when a session is activated.
    pub fn new() -> Self {
        // The ids are for what a client answers. The pointer is followed elsewhere.
        let builder = ProcessorBuilder {
            io_channel_id: 0,
            user_channel_id: 0,
            share_id: 0,
            enable_server_pointer: false,
            pointer_software_rendering: false,
        };
        Self(builder.build())
    }

    /// Draws all bitmaps of an update; goes on behind one that cannot be drawn. Answers how many could not.
    pub fn draw_all(
        &mut self,
        update: BitmapUpdateData<'_>,
        image: &mut DecodedImage,
        damage: &mut Damage,
    ) -> u64 {
        let drawn = update
            .rectangles
            .into_iter()
            .map(|bitmap| self.draw(bitmap, image, damage));
        drawn.map(|drawn| u64::from(drawn.is_err())).sum()
    }

    /// Draws one bitmap.
    pub fn draw(
        &mut self,
        bitmap: BitmapData<'_>,
        image: &mut DecodedImage,
        damage: &mut Damage,
    ) -> Result<(), Fault> {
        // What it says of itself decides how much it costs to decode it.
        let shown = Rect::from(&bitmap.rectangle);
        if bitmap.width > shown.width.saturating_add(MAX_FILL) || bitmap.height != shown.height {
            return Err(Fault("a bitmap is larger than its place"));
        }
        // One at a time: the decoder passes over those it cannot draw, and says so only by drawing nothing.
        let update = BitmapUpdateData {
            rectangles: vec![bitmap],
        };
        let drawn = self.0.process_bitmap_update(image, update);
        let drawn = drawn.map_err(|_| Fault("a bitmap cannot be decoded"))?;
        let mut any = false;
        for update in drawn {
            if let UpdateKind::Region(region) = update {
                damage.add(Rect::from(&region));
                any = true;
            }
        }
        any.then_some(()).ok_or(Fault("a bitmap cannot be drawn"))
    }

    /// Takes a palette (MS-RDPBCGR 2.2.9.1.1.3.1.1.1), as it is in both kinds of update.
    pub fn palette(&mut self, data: &[u8], image: &mut DecodedImage) -> Result<(), Fault> {
        const PALETTE: u8 = 2;
        let wrong = Fault("a palette is broken");
        // The decoder takes a palette only as a fast-path PDU.
        let length = u16::try_from(data.len()).map_err(|_| wrong)?;
        let whole = length.checked_add(6).filter(|whole| *whole < 0x8000);
        let [high, low] = whole.ok_or(wrong)?.to_be_bytes();
        let mut frame = vec![0, 0x80 | high, low, PALETTE];
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(data);
        let answer = &mut WriteBuf::new();
        let taken = self.0.process(image, &frame, answer, &mut None);
        taken.map(|_| ()).map_err(|_| wrong)
    }
}
