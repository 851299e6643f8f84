//! Pixels of a part of a desktop, wherever they come from.

use super::canvas::Canvas;
use super::geometry::Rectangle;
use super::paint::PaintError;

/// The order of a pixel's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelOrder {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and a byte that is ignored.
    Rgbx,
    /// Blue, green, red and a byte that is ignored.
    Bgrx,
}

impl PixelOrder {
    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgbx | Self::Bgrx => 4,
        }
    }
}

/// Pixels that can be painted on a client's desktop, and where there they belong.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    pixels: &'a [u8],
    stride: usize,
    order: PixelOrder,
    area: Rectangle,
}

impl<'a> Picture<'a> {
    /// `area` is where on the desktop the pixels belong; they lie in rows from the top, `stride` bytes from one row to the
    /// next. A stride of nought uses the same row again and again.
    ///
    /// # Errors
    /// [`PaintError::ShortPicture`] if there are fewer bytes than that takes.
    pub fn new(
        pixels: &'a [u8],
        area: Rectangle,
        stride: usize,
        order: PixelOrder,
    ) -> Result<Self, PaintError> {
        let row = usize::from(area.width) * order.bytes();
        let needed = usize::from(area.height)
            .saturating_sub(1)
            .checked_mul(stride)
            .and_then(|rows| rows.checked_add(row));
        if needed.is_none_or(|needed| needed > pixels.len()) {
            return Err(PaintError::ShortPicture {
                width: area.width,
                height: area.height,
                bytes: pixels.len(),
            });
        }
        Ok(Self {
            pixels,
            stride,
            order,
            area,
        })
    }

    /// Where on the desktop it belongs.
    pub fn area(&self) -> Rectangle {
        self.area
    }

    /// The colors of some pixels of a row: red, green, blue. Places are those of the desktop.
    pub(super) fn row(&self, left: u16, y: u16, width: u16) -> impl Iterator<Item = [u8; 3]> + 'a {
        let bytes = self.order.bytes();
        let row = usize::from(y.saturating_sub(self.area.top)) * self.stride;
        let start = row + usize::from(left.saturating_sub(self.area.left)) * bytes;
        let pixels = self
            .pixels
            .get(start..start + usize::from(width) * bytes)
            .unwrap_or(&[]);
        let order = self.order;
        pixels.chunks_exact(bytes).map(move |pixel| match order {
            PixelOrder::Rgb | PixelOrder::Rgbx => [pixel[0], pixel[1], pixel[2]],
            PixelOrder::Bgrx => [pixel[2], pixel[1], pixel[0]],
        })
    }
}

impl Canvas {
    /// All of it, to be painted with its upper left pixel at a place of the desktop.
    pub fn picture_at(&self, left: u16, top: u16) -> Picture<'_> {
        let area = Rectangle {
            left,
            top,
            ..self.area()
        };
        Picture {
            pixels: self.pixels(),
            stride: self.stride(),
            order: PixelOrder::Rgb,
            area,
        }
    }

    /// All of it, as a whole desktop.
    pub fn picture(&self) -> Picture<'_> {
        self.picture_at(0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_all_its_pixels() {
        let area = |width, height| Rectangle::new(0, 0, width, height);
        for (bytes, width, height, stride, order, fits) in [
            (12, 2, 2, 6, PixelOrder::Rgb, true),
            (11, 2, 2, 6, PixelOrder::Rgb, false),
            (14, 2, 2, 8, PixelOrder::Rgb, true),
            (16, 2, 2, 8, PixelOrder::Bgrx, true),
            (6, 2, 900, 0, PixelOrder::Rgb, true),
            (0, 0, 0, 6, PixelOrder::Rgb, true),
            (9, 3, 3, usize::MAX, PixelOrder::Rgb, false),
        ] {
            let pixels = vec![0; bytes];
            let picture = Picture::new(&pixels, area(width, height), stride, order);
            assert_eq!(picture.is_ok(), fits, "{bytes} bytes, {width}x{height}");
        }
    }

    #[test]
    fn colors_come_in_any_order() {
        let pixels = [1, 2, 3, 9, 4, 5, 6, 9];
        let area = Rectangle::new(10, 20, 2, 1);
        for (order, expected) in [
            (PixelOrder::Rgbx, [[1, 2, 3], [4, 5, 6]]),
            (PixelOrder::Bgrx, [[3, 2, 1], [6, 5, 4]]),
        ] {
            let picture = Picture::new(&pixels, area, 8, order).unwrap();
            let row: Vec<[u8; 3]> = picture.row(10, 20, 2).collect();
            assert_eq!(row, expected);
            assert_eq!(picture.row(11, 20, 5).count(), 0, "outside");
        }
    }
}
