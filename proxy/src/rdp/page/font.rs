//! Faces of Noto Sans Mono, and the few signs that are drawn because the font has none.

use noto_sans_mono_bitmap::{
    FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width,
};

use super::text::{Cell, DOT, ELLIPSIS};

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// For text.
    Regular,
    /// For titles and what is chosen.
    Bold,
}

/// How big letters are, before scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// A line is 16 pixels high, a cell 7 wide.
    Small,
    /// A line is 24 pixels high, a cell 11 wide.
    Large,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Face {
    /// How heavy.
    pub weight: Weight,
    /// How big.
    pub size: Size,
    /// Pixels of the desktop for one of the font, across and down: more than one on very big desktops. Nought is taken as one.
    pub scale: u8,
}

impl Face {
    /// Of this weight and size, unscaled.
    pub const fn new(weight: Weight, size: Size) -> Self {
        Self {
            weight,
            size,
            scale: 1,
        }
    }

    /// Pixels of the desktop for one of the font.
    pub(super) fn zoom(self) -> u16 {
        u16::from(self.scale.max(1))
    }

    /// Pixels that one column is wide.
    pub fn cell_width(self) -> u16 {
        self.raster_width() * self.zoom()
    }

    /// Pixels that a line is high.
    pub fn line_height(self) -> u16 {
        self.raster_height() * self.zoom()
    }

    /// Columns that fit in so many pixels.
    pub fn columns_in(self, width: u16) -> u16 {
        width / self.cell_width().max(1)
    }

    fn weight(self) -> FontWeight {
        match self.weight {
            Weight::Regular => FontWeight::Regular,
            Weight::Bold => FontWeight::Bold,
        }
    }

    fn height(self) -> RasterHeight {
        match self.size {
            Size::Small => RasterHeight::Size16,
            Size::Large => RasterHeight::Size24,
        }
    }

    /// Columns of the font's own pixels in a cell.
    pub(super) fn raster_width(self) -> u16 {
        u16::try_from(get_raster_width(self.weight(), self.height())).unwrap_or(u16::MAX)
    }

    /// Rows of the font's own pixels in a line.
    pub(super) fn raster_height(self) -> u16 {
        match self.size {
            Size::Small => 16,
            Size::Large => 24,
        }
    }
}

/// A sign ready to be drawn: how much of each pixel it covers.
pub(super) enum Glyph {
    /// From the font.
    Raster(RasterizedChar),
    /// A disc in the middle.
    Disc { width: u16, height: u16 },
    /// Three dots on the line.
    Ellipsis { width: u16, height: u16 },
    /// A hollow box.
    Missing { width: u16, height: u16 },
}

impl Glyph {
    /// What stands for a cell in a face.
    pub fn of(cell: Cell, face: Face) -> Self {
        let width = face.raster_width();
        let height = face.raster_height();
        match cell.sign {
            DOT => Self::Disc { width, height },
            ELLIPSIS => Self::Ellipsis { width, height },
            sign => match get_raster(sign, face.weight(), face.height()) {
                // The font squeezes its own replacement sign into a cell: ours is clearer.
                Some(raster) if sign != char::REPLACEMENT_CHARACTER => Self::Raster(raster),
                Some(_) | None => Self::Missing {
                    width: width * cell.columns,
                    height,
                },
            },
        }
    }

    /// How much of the pixel is covered: 0 not at all, 255 wholly. Outside the sign: 0.
    pub fn coverage(&self, x: u16, y: u16) -> u8 {
        match *self {
            Self::Raster(ref raster) => {
                let row = raster.raster().get(usize::from(y));
                row.and_then(|row| row.get(usize::from(x)))
                    .copied()
                    .unwrap_or(0)
            }
            Self::Disc { width, height } => disc(x, y, width, height),
            Self::Ellipsis { width, height } => {
                let thick = 1 + u16::from(height > 20);
                let base = height * 3 / 4;
                let on_line = y < base && y + thick >= base;
                // Three dots, evenly spaced from the first column on.
                let step = width / 3;
                let dot = step > 0 && x / step < 3 && x % step < thick;
                u8::from(on_line && dot) * 255
            }
            Self::Missing { width, height } => {
                let across = x >= 1 && x + 1 < width;
                let top = height / 5;
                let bottom = height * 4 / 5;
                let down = y >= top && y <= bottom;
                let edge = x == 1 || x + 2 == width || y == top || y == bottom;
                u8::from(across && down && edge) * 255
            }
        }
    }

    /// Like [`Glyph::coverage`] for the glyph made `zoom` times as big: between the font's pixels, with crisper edges than
    /// those would give.
    pub fn scaled(&self, x: u16, y: u16, zoom: u16) -> u8 {
        if zoom <= 1 {
            return self.coverage(x, y);
        }
        let zoom = i32::from(zoom);
        let (column, right) = between(x, zoom);
        let (row, below) = between(y, zoom);
        let (left, above) = (2 * zoom - right, 2 * zoom - below);
        let at = |x: i32, y: i32| match (u16::try_from(x), u16::try_from(y)) {
            (Ok(x), Ok(y)) => i32::from(self.coverage(x, y)),
            _ => 0,
        };
        let sum = at(column, row) * left * above
            + at(column + 1, row) * right * above
            + at(column, row + 1) * left * below
            + at(column + 1, row + 1) * right * below;
        let smooth = sum / (4 * zoom * zoom);
        u8::try_from(((smooth - 128) * 2 + 128).clamp(0, 255)).unwrap_or(u8::MAX)
    }
}

/// The pixel of the font whose middle is at or before that of a pixel of the desktop, and how far after, in parts of which
/// twice `zoom` make a pixel.
fn between(at: u16, zoom: i32) -> (i32, i32) {
    let place = 2 * i32::from(at) + 1 - zoom;
    (place.div_euclid(2 * zoom), place.rem_euclid(2 * zoom))
}

/// A disc of about half the cell's width, its edge smoothed by sixteen samples a pixel.
fn disc(x: u16, y: u16, width: u16, height: u16) -> u8 {
    const SAMPLES: i32 = 4;
    // In eighths of a pixel, so that the middles of samples are whole numbers.
    let centre_x = i32::from(width) * 4;
    let centre_y = i32::from(height) * 4 + 4;
    let radius = i32::from(width) * 8 * 36 / 100;
    let mut inside = 0;
    for sample in 0..SAMPLES * SAMPLES {
        let across = i32::from(x) * 8 + (sample % SAMPLES) * 2 + 1 - centre_x;
        let down = i32::from(y) * 8 + (sample / SAMPLES) * 2 + 1 - centre_y;
        inside += i32::from(across * across + down * down <= radius * radius);
    }
    u8::try_from(inside * 255 / (SAMPLES * SAMPLES)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdp::page::text::cells;

    fn ink(text: &str, face: Face) -> u32 {
        let cell = cells(text)[0];
        let glyph = Glyph::of(cell, face);
        let mut sum = 0;
        for y in 0..face.raster_height() {
            for x in 0..face.raster_width() * cell.columns {
                sum += u32::from(glyph.coverage(x, y));
            }
        }
        sum
    }

    #[test]
    fn every_sign_but_a_blank_is_visible() {
        for size in [Size::Small, Size::Large] {
            for weight in [Weight::Regular, Weight::Bold] {
                let face = Face::new(weight, size);
                for text in [
                    "a", "Ž", "ß", "…", "●", "日", "\u{fffd}", "€", "\u{202e}", "–",
                ] {
                    assert!(ink(text, face) > 255, "{text:?} in {face:?}");
                }
                assert_eq!(ink(" ", face), 0);
            }
        }
    }

    #[test]
    fn bold_is_heavier() {
        for size in [Size::Small, Size::Large] {
            let regular = ink("m", Face::new(Weight::Regular, size));
            assert!(ink("m", Face::new(Weight::Bold, size)) > regular);
        }
    }

    #[test]
    fn cells_are_as_wide_as_promised() {
        let face = Face {
            scale: 2,
            ..Face::new(Weight::Bold, Size::Large)
        };
        assert_eq!((face.cell_width(), face.line_height()), (22, 48));
        assert_eq!(face.columns_in(221), 10);
        let glyph = Glyph::of(cells("a")[0], face);
        assert_eq!(glyph.coverage(u16::MAX, u16::MAX), 0);
    }
}
