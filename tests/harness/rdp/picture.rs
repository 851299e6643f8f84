use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use sallyport_recorder::track::{Canvas, What};

use crate::harness::{run_with_input, tool};

/// What a screen or a window shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Red, green and blue of each pixel, line by line from the top.
    pub rgb: Vec<u8>,
}

/// Without its pixels: a failed comparison must not print megabytes.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

impl Picture {
    /// Reads a dump in `xwd`'s format (X11's `XWDFile.h`, version 7, as pixels in one piece).
    pub fn from_xwd(dump: &[u8]) -> Self {
        const FIELDS: usize = 25;
        const PIXELS_IN_ONE_PIECE: usize = 2;
        assert!(
            dump.len() > FIELDS * 4,
            "{} bytes are no window dump",
            dump.len()
        );
        let field = |at: usize| {
            let bytes = dump[at * 4..][..4].try_into().unwrap();
            u32::from_be_bytes(bytes) as usize
        };
        assert_eq!(field(1), 7, "version of the window dump");
        assert_eq!(field(2), PIXELS_IN_ONE_PIECE, "format of the window dump");
        let (width, height) = (field(4), field(5));
        let (big_endian, pixel_len, line_len) = (field(7) == 1, field(11) / 8, field(12));
        let masks = [14, 15, 16].map(|at| field(at) as u32);
        let colors = field(19);
        let pixels = &dump[field(0) + colors * 12..];
        let mut rgb = Vec::with_capacity(width * height * 3);
        // What servers on this machine send: a shorter way, for tests are not made to be fast.
        let usual = !big_endian && pixel_len == 4 && masks == [0x00ff_0000, 0xff00, 0xff];
        for line in pixels.chunks(line_len).take(height) {
            if usual {
                for pixel in line.chunks_exact(4).take(width) {
                    rgb.extend_from_slice(&[pixel[2], pixel[1], pixel[0]]);
                }
                continue;
            }
            for pixel in line.chunks_exact(pixel_len).take(width) {
                let push = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
                let value = match big_endian {
                    true => pixel.iter().fold(0, push),
                    false => pixel.iter().rev().fold(0, push),
                };
                rgb.extend(masks.map(|mask| channel(value, mask)));
            }
        }
        assert_eq!(
            rgb.len(),
            width * height * 3,
            "the window dump is cut off at {} bytes",
            dump.len()
        );
        Self { width, height, rgb }
    }

    /// Reads a PNG; how opaque its pixels are does not count.
    pub fn from_png(png: &[u8]) -> Self {
        let mut canvas = Canvas::default();
        let png = png.to_vec();
        canvas.apply(&What::Keyframe { png }).unwrap();
        Self::from_canvas(&canvas)
    }

    /// What a track shows, without the pointer; nothing, as long as it shows nothing.
    pub fn from_canvas(canvas: &Canvas) -> Self {
        let Some(image) = canvas.image() else {
            return Self {
                width: 0,
                height: 0,
                rgb: Vec::new(),
            };
        };
        let pixels = image.data.chunks_exact(4);
        Self {
            width: image.width.into(),
            height: image.height.into(),
            rgb: pixels.flat_map(|pixel| pixel[..3].to_vec()).collect(),
        }
    }

    /// Red, green and blue of one pixel.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// A part of it; fails where it reaches beyond.
    #[track_caller]
    pub fn crop(&self, x: Range<usize>, y: Range<usize>) -> Self {
        assert!(
            x.end <= self.width && y.end <= self.height,
            "{x:?}, {y:?} is not in {self:?}"
        );
        let mut rgb = Vec::with_capacity(x.len() * y.len() * 3);
        for line in y.clone() {
            let start = line * self.width;
            rgb.extend_from_slice(&self.rgb[(start + x.start) * 3..(start + x.end) * 3]);
        }
        Self {
            width: x.len(),
            height: y.len(),
            rgb,
        }
    }

    /// How many pixels have a color that differs by more than `fuzz_percent` of its range; all of the
    /// larger picture if the sizes differ.
    pub fn differing(&self, other: &Self, fuzz_percent: f64) -> usize {
        if (self.width, self.height) != (other.width, other.height) {
            return (self.width * self.height).max(other.width * other.height);
        }
        if self.rgb == other.rgb {
            return 0;
        }
        let fuzz = 255.0 * fuzz_percent / 100.0;
        let pairs = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        pairs
            .filter(|(these, those)| these != those && differ(these, those) > fuzz)
            .count()
    }

    /// Is it of one color?
    pub fn is_uniform(&self) -> bool {
        let mut pixels = self.rgb.chunks_exact(3);
        let first = pixels.next();
        pixels.all(|pixel| Some(pixel) == first)
    }

    /// Has any pixel this color, give or take this part of its range?
    pub fn contains_color(&self, color: [u8; 3], fuzz_percent: f64) -> bool {
        let fuzz = 255.0 * fuzz_percent / 100.0;
        let mut pixels = self.rgb.chunks_exact(3);
        pixels.any(|pixel| differ(pixel, &color) <= fuzz)
    }

    /// Saves it for a person to look at.
    pub fn save_png(&self, path: &Path) {
        let mut plain = format!("P6 {} {} 255\n", self.width, self.height).into_bytes();
        plain.extend_from_slice(&self.rgb);
        let mut convert = tool("convert");
        convert
            .arg("ppm:-")
            .arg(format!("png:{}", path.to_string_lossy()));
        run_with_input(convert, plain, Duration::from_secs(60)).ok();
    }
}

/// By how much two colors differ where they do most.
fn differ(these: &[u8], those: &[u8]) -> f64 {
    let pairs = these.iter().zip(those);
    let most = pairs.map(|(this, that)| this.abs_diff(*that)).max();
    f64::from(most.unwrap_or_default())
}

/// The part of a pixel that `mask` selects, as 0 to 255.
fn channel(value: u32, mask: u32) -> u8 {
    let mask = if mask == 0 { 0xff } else { mask };
    let shift = mask.trailing_zeros();
    let most = mask >> shift;
    (((value & mask) >> shift) * 255 / most) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose pixels are given by their first color; the others are 0.
    fn picture(width: usize, reds: &[u8]) -> Picture {
        Picture {
            width,
            height: reds.len() / width,
            rgb: reds.iter().flat_map(|red| [*red, 0, 0]).collect(),
        }
    }

    #[test]
    fn a_window_dump_is_read_with_its_masks_and_its_padding() {
        let mut fields = [0u32; 25];
        // Header with a name of 4 bytes; 3x2 pixels of 16 bits, lines padded to 8 bytes; one color.
        (fields[0], fields[1], fields[2]) = (104, 7, 2);
        (fields[4], fields[5], fields[11], fields[12]) = (3, 2, 16, 8);
        (fields[14], fields[15], fields[16]) = (0xf800, 0x07e0, 0x001f);
        fields[19] = 1;
        let mut dump: Vec<u8> = fields
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        dump.extend([b'x'; 4 + 12]);
        for line in [[0xf800u16, 0x07e0, 0x001f], [0xffff, 0, 0x8410]] {
            dump.extend(line.iter().flat_map(|pixel| pixel.to_le_bytes()));
            dump.extend([0xee, 0xee]);
        }
        let picture = Picture::from_xwd(&dump);
        assert_eq!((picture.width, picture.height), (3, 2));
        assert_eq!(picture.pixel(0, 0), [255, 0, 0]);
        assert_eq!(picture.pixel(1, 0), [0, 255, 0]);
        assert_eq!(picture.pixel(2, 0), [0, 0, 255]);
        assert_eq!(picture.pixel(0, 1), [255, 255, 255]);
        assert_eq!(picture.pixel(2, 1), [131, 129, 131]);
    }

    #[test]
    fn differing_pixels_are_counted_beyond_the_fuzz() {
        let (one, other) = (
            picture(2, &[10, 10, 200, 0]),
            picture(2, &[10, 12, 100, 255]),
        );
        assert_eq!(one.differing(&one, 0.0), 0);
        assert_eq!(one.differing(&other, 0.0), 3);
        assert_eq!(one.differing(&other, 1.0), 2);
        assert_eq!(one.differing(&other, 100.0), 0);
        assert_eq!(one.differing(&picture(1, &[10, 10]), 0.0), 4);
    }

    #[test]
    fn a_part_is_cut_out_and_colors_are_found() {
        let whole = picture(3, &[1, 2, 3, 4, 5, 6]);
        let part = whole.crop(1..3, 1..2);
        assert_eq!(part, picture(2, &[5, 6]));
        assert!(part.contains_color([5, 0, 0], 0.0) && !part.contains_color([4, 0, 0], 0.0));
        assert!(part.contains_color([4, 0, 2], 1.0) && !part.contains_color([4, 0, 3], 1.0));
        assert!(!part.is_uniform() && picture(2, &[7, 7]).is_uniform());
    }
}
