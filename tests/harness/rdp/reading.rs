use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::Picture;

/// By how much a pixel may differ from what it should be: bitmaps of 16 bits round it.
const FUZZ: i32 = 9;
/// By how much letters are lighter or darker than what is behind them, at least.
const CONTRAST: u8 = 60;
/// A pixel that belongs wholly to a letter.
const WHOLLY: u8 = 250;

/// Letters in a row, as the gateway's pages have them.
struct Stencil {
    /// In pixels.
    width: usize,
    /// In pixels.
    height: usize,
    /// How much of each pixel the letters cover.
    coverage: Vec<u8>,
    /// A pixel that they cover wholly.
    ink: usize,
}

impl Stencil {
    fn new(text: &str, weight: FontWeight, height: RasterHeight) -> Self {
        let cell = get_raster_width(weight, height);
        let width = cell * text.chars().count();
        let mut coverage = vec![0; width * height.val()];
        for (n, letter) in text.chars().enumerate() {
            let raster = get_raster(letter, weight, height)
                .unwrap_or_else(|| panic!("the pages have no {letter:?}"));
            for (y, row) in raster.raster().iter().enumerate() {
                coverage[y * width + n * cell..][..cell].copy_from_slice(row);
            }
        }
        let ink = coverage.iter().position(|covered| *covered >= WHOLLY);
        Self {
            width,
            height: height.val(),
            ink: ink.unwrap_or_else(|| panic!("{text:?} has no letters")),
            coverage,
        }
    }

    /// Does the picture have them anywhere, in whatever colors?
    fn is_in(&self, picture: &Picture, grays: &Grays) -> bool {
        let across = picture.width.saturating_sub(self.width);
        let down = picture.height.saturating_sub(self.height);
        let (ink_down, ink_across) = (self.ink / self.width, self.ink % self.width);
        (0..down).any(|top| {
            // Most lines have no letters, and most places in the others are told by a single look.
            let (behind, inks) = (grays.line(top), grays.line(top + ink_down));
            if !grays.is_contrast(top, top + ink_down) {
                return false;
            }
            let places = behind[..across].iter().zip(&inks[ink_across..]);
            places
                .enumerate()
                .filter(|(_, (behind, ink))| behind.abs_diff(**ink) >= CONTRAST)
                .any(|(left, _)| self.fits(picture, left, top))
        })
    }

    fn fits(&self, picture: &Picture, left: usize, top: usize) -> bool {
        let pixel = |at: usize| picture.pixel(left + at % self.width, top + at / self.width);
        let (behind, ink) = (pixel(0), pixel(self.ink));
        self.coverage.iter().enumerate().all(|(at, covered)| {
            let covered = i32::from(*covered);
            let seen = pixel(at);
            (0..3).all(|n| {
                let mixed = i32::from(behind[n]) * (255 - covered) + i32::from(ink[n]) * covered;
                (mixed / 255 - i32::from(seen[n])).abs() <= FUZZ
            })
        })
    }
}

/// How light the pixels of a picture are.
struct Grays {
    width: usize,
    pixels: Vec<u8>,
    /// The darkest and the lightest of each line.
    ranges: Vec<(u8, u8)>,
}

impl Grays {
    fn of(picture: &Picture) -> Self {
        let mut pixels = Vec::with_capacity(picture.width * picture.height);
        for rgb in picture.rgb.chunks_exact(3) {
            let sum = u16::from(rgb[0]) + u16::from(rgb[1]) + u16::from(rgb[2]);
            pixels.push((sum / 3) as u8);
        }
        let lines = pixels.chunks_exact(picture.width);
        let range = |line: &[u8]| {
            let ends = (line.iter().min(), line.iter().max());
            (*ends.0.unwrap_or(&0), *ends.1.unwrap_or(&0))
        };
        Self {
            width: picture.width,
            ranges: lines.map(range).collect(),
            pixels,
        }
    }

    fn line(&self, line: usize) -> &[u8] {
        &self.pixels[line * self.width..][..self.width]
    }

    /// Can there be letters, of which these two lines have something?
    fn is_contrast(&self, one: usize, other: usize) -> bool {
        let ((dark, light), (other_dark, other_light)) = (self.ranges[one], self.ranges[other]);
        light.saturating_sub(other_dark) >= CONTRAST || other_light.saturating_sub(dark) >= CONTRAST
    }
}

impl Picture {
    /// Is this to be read in it, in the letters of the gateway's pages and without a line's end in it?
    /// They begin with something that leaves the upper left corner of its cell free: most do.
    pub fn says(&self, text: &str) -> bool {
        let grays = Grays::of(self);
        [
            (FontWeight::Regular, RasterHeight::Size24),
            (FontWeight::Bold, RasterHeight::Size24),
            (FontWeight::Regular, RasterHeight::Size16),
        ]
        .into_iter()
        .any(|(weight, height)| Stencil::new(text, weight, height).is_in(self, &grays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let (width, height) = (200, 60);
        let behind = [30, 41, 59];
        let mut picture = Picture {
            width,
            height,
            rgb: behind.repeat(width * height),
        };
        let stencil = Stencil::new("Gate-17", FontWeight::Bold, RasterHeight::Size24);
        for (at, covered) in stencil.coverage.iter().enumerate() {
            let (x, y) = (31 + at % stencil.width, 9 + at / stencil.width);
            for (n, color) in [241, 245, 249].into_iter().enumerate() {
                let (covered, under) = (u32::from(*covered), u32::from(behind[n]));
                let mixed = (under * (255 - covered) + color * covered) / 255;
                picture.rgb[(y * width + x) * 3 + n] = mixed as u8;
            }
        }
        assert!(picture.says("Gate-17") && picture.says("ate-1"));
        assert!(!picture.says("Gate-18") && !picture.says("gate-17") && !picture.says("Gate-17."));
    }
}
