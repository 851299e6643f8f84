//! A picture's pixels.

use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_session::image::DecodedImage;

use super::{Fault, MAX_PIXELS, MAX_SIDE, Rect};

/// A look at a picture: four bytes a pixel (red, green, blue, one without meaning), rows from the top.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// The pixels.
    pub data: &'a [u8],
}

impl<'a> Image<'a> {
    /// The bytes of a part, row by row; the part must lie within the picture, what does not is left out.
    pub fn rows(self, part: Rect) -> impl Iterator<Item = &'a [u8]> {
        let part = part.within(self.width, self.height);
        let part = part.unwrap_or(Rect::whole(0, 0));
        let from = usize::from(part.x) * 4;
        let to = from + usize::from(part.width) * 4;
        self.data
            .chunks_exact(self.stride.max(1))
            .skip(usize::from(part.y))
            .take(usize::from(part.height))
            .filter_map(move |row| row.get(from..to))
    }
}

/// A black picture. Fails if nobody has a desktop of that size.
pub(super) fn blank(width: u16, height: u16) -> Result<DecodedImage, Fault> {
    let pixels = usize::from(width) * usize::from(height);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS || pixels == 0 {
        return Err(Fault("the size of the desktop is impossible"));
    }
    Ok(DecodedImage::new(PixelFormat::RgbA32, width, height))
}

/// A look at the decoder's picture.
pub(super) fn view(image: &DecodedImage) -> Image<'_> {
    Image {
        width: image.width(),
        height: image.height(),
        stride: image.stride(),
        data: image.data(),
    }
}
