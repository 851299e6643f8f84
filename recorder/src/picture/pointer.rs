//! The pointer: what it looks like and where it is. It is never drawn into the picture.

use std::sync::Arc;

use ironrdp_graphics::pointer::{DecodedPointer, PointerBitmapTarget, PointerError};
use ironrdp_pdu::pointer::PointerUpdateData;

use super::Fault;

/// The most shapes that are remembered (the client names how many it remembers, MS-RDPBCGR 2.2.7.1.5; those known
/// name far fewer).
const MAX_SHAPES: usize = 256;
/// The most bytes of remembered shapes.
const MAX_SHAPE_BYTES: usize = 4 << 20;
/// The largest side of a shape (MS-RDPBCGR 2.2.9.1.2.1.11).
const MAX_SIDE: u16 = 384;

/// A pointer's look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerShape {
    /// Pixels in a row; 0 for one that is not to be seen.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Which of its pixels is where it points: from the left.
    pub hot_x: u16,
    /// From the top.
    pub hot_y: u16,
    /// Red, green, blue, opacity; rows from the top, without gaps.
    pub rgba: Vec<u8>,
}

/// The pointer as the client shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointer {
    /// Its look; `None`: the system's own arrow.
    pub shape: Option<Arc<PointerShape>>,
    /// Where it points: from the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
    /// Did the target hide it?
    pub hidden: bool,
}

/// Follows the pointer's updates.
#[derive(Default)]
pub(super) struct Pointers {
    pub now: Pointer,
    shapes: Vec<Option<Arc<PointerShape>>>,
    bytes: usize,
}

impl Pointers {
    /// Forgets all shapes, as a client does when its session is activated anew.
    pub fn reset(&mut self) {
        let (x, y) = (self.now.x, self.now.y);
        *self = Self::default();
        (self.now.x, self.now.y) = (x, y);
    }

    /// Takes an update (MS-RDPBCGR 2.2.9.1.1.4 and 2.2.9.1.2.1.5 to .11).
    pub fn update(&mut self, update: &PointerUpdateData<'_>) -> Result<(), Fault> {
        let target = PointerBitmapTarget::Accelerated;
        match update {
            PointerUpdateData::SetHidden => self.now.hidden = true,
            PointerUpdateData::SetDefault => self.show(None),
            PointerUpdateData::SetPosition(at) => (self.now.x, self.now.y) = (at.x, at.y),
            PointerUpdateData::Color(color) => {
                self.new_shape(color.cache_index, color.width.max(color.height), || {
                    DecodedPointer::decode_color_pointer_attribute(color, target)
                })?
            }
            PointerUpdateData::New(new) => self.new_shape(
                new.color_pointer.cache_index,
                new.color_pointer.width.max(new.color_pointer.height),
                || DecodedPointer::decode_pointer_attribute(new, target),
            )?,
            PointerUpdateData::Large(large) => {
                self.new_shape(large.cache_index, large.width.max(large.height), || {
                    DecodedPointer::decode_large_pointer_attribute(large, target)
                })?
            }
            PointerUpdateData::Cached(cached) => {
                let known = self.shapes.get(usize::from(cached.cache_index));
                let Some(Some(shape)) = known.cloned() else {
                    self.show(None);
                    return Err(Fault("a pointer is shown that was never sent"));
                };
                self.show(Some(shape));
            }
        }
        Ok(())
    }

    fn show(&mut self, shape: Option<Arc<PointerShape>>) {
        self.now.shape = shape;
        self.now.hidden = false;
    }

    fn new_shape(
        &mut self,
        index: u16,
        side: u16,
        decode: impl FnOnce() -> Result<DecodedPointer, PointerError>,
    ) -> Result<(), Fault> {
        self.show(None);
        // Before it is decoded: a byte of a mask becomes up to 32 of a shape.
        if side > MAX_SIDE {
            return Err(Fault("a pointer is larger than pointers are"));
        }
        let Ok(decoded) = decode() else {
            return Err(Fault("a pointer cannot be decoded"));
        };
        let shape = Arc::new(PointerShape {
            width: decoded.width,
            height: decoded.height,
            hot_x: decoded.hotspot_x,
            hot_y: decoded.hotspot_y,
            rgba: decoded.bitmap_data,
        });
        self.show(Some(shape.clone()));
        self.remember(usize::from(index), shape)
    }

    fn remember(&mut self, index: usize, shape: Arc<PointerShape>) -> Result<(), Fault> {
        if index >= MAX_SHAPES {
            return Err(Fault("a pointer has an impossible number"));
        }
        if self.bytes + shape.rgba.len() > MAX_SHAPE_BYTES {
            self.shapes.clear();
            self.bytes = 0;
        }
        if index >= self.shapes.len() {
            self.shapes.resize(index + 1, None);
        }
        self.bytes += shape.rgba.len();
        if let Some(old) = self.shapes[index].replace(shape) {
            self.bytes -= old.rgba.len();
        }
        Ok(())
    }
}
