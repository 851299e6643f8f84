//! The film's own picture, which those of the tape are put on: brightness for every pixel, colour for every four of them
//! (4:2:0), in the numbers of BT.709, narrow range.

use rusty_h264_common::YuvPlanes;

use super::caption::{self, Caption, Tone};
use crate::picture::{Image, Rect};
use crate::track::Canvas;

/// Rows of the strip below the pictures.
const STRIP: usize = 24;
/// Columns left free at both ends of the strip.
const MARGIN: usize = 8;
/// The darkest and the brightest.
const BLACK: u8 = 16;
const WHITE: u8 = 235;
/// No colour.
const GREY: u8 = 128;

/// What is filmed.
pub(super) struct Stage {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
    /// What is on it: how large, and where the pointer is drawn.
    size: Option<(u16, u16)>,
    pointer: Option<Rect>,
    caption: Option<Caption>,
}

impl Stage {
    /// With room for pictures of that size and for the strip.
    pub fn new(width: u16, height: u16) -> Self {
        let width = usize::from(width).next_multiple_of(2);
        let height = usize::from(height).next_multiple_of(2) + STRIP;
        Self {
            width,
            height,
            luma: vec![BLACK; width * height],
            blue: vec![GREY; width * height / 4],
            red: vec![GREY; width * height / 4],
            size: None,
            pointer: None,
            caption: None,
        }
    }

    /// Pixels in a row, and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// What the encoder takes.
    pub fn planes(&self) -> YuvPlanes<'_> {
        YuvPlanes {
            width: self.width,
            height: self.height,
            y: &self.luma,
            u: &self.blue,
            v: &self.red,
            stride_y: self.width,
            stride_c: self.width / 2,
        }
    }

    /// Puts a picture on it with its pointer, in the middle if it is smaller. `changed`: which part of the picture is
    /// another than when it was put there last.
    pub fn put(&mut self, canvas: &Canvas, changed: Option<Rect>) {
        let drawn = canvas.with_pointer();
        let Some(image) = drawn.image() else {
            return;
        };
        let size = (image.width, image.height);
        let whole = Rect::whole(image.width, image.height);
        let pointer = canvas.pointer_part();
        let before = std::mem::replace(&mut self.pointer, pointer);
        if self.size.replace(size) == Some(size) {
            let parts = [changed, before, pointer];
            for part in parts.into_iter().flatten() {
                self.convert(image, part);
            }
        } else {
            self.luma[..self.width * (self.height - STRIP)].fill(BLACK);
            self.blue[..self.width * (self.height - STRIP) / 4].fill(GREY);
            self.red[..self.width * (self.height - STRIP) / 4].fill(GREY);
            self.convert(image, whole);
        }
    }

    /// Converts the squares of four pixels that a part of the picture touches.
    fn convert(&mut self, image: Image<'_>, part: Rect) {
        let Some(part) = part.within(image.width, image.height) else {
            return;
        };
        let (columns, rows) = (usize::from(image.width), usize::from(image.height));
        let (left, top) = self.corner(columns, rows);
        // A picture that is larger than the stage is cut.
        let right_end = (usize::from(part.x + part.width)).min(self.width - left);
        let lower_end = (usize::from(part.y + part.height)).min(self.height - STRIP - top);
        for y in (usize::from(part.y) & !1..lower_end).step_by(2) {
            let row = |y: usize| &image.data[y.min(rows - 1) * image.stride..];
            let (upper, lower) = (row(y), row(y + 1));
            for x in (usize::from(part.x) & !1..right_end).step_by(2) {
                // Where a picture has an odd side, its last pixels are drawn twice.
                let (at, next) = (x * 4, (x + 1).min(columns - 1) * 4);
                let square = [&upper[at..], &upper[next..], &lower[at..], &lower[next..]];
                self.square(
                    left + x,
                    top + y,
                    square.map(|pixel| [pixel[0], pixel[1], pixel[2]]),
                );
            }
        }
    }

    /// Where the upper left pixel of a picture goes: to even places, so that its squares are those of the stage.
    fn corner(&self, columns: usize, rows: usize) -> (usize, usize) {
        let middle = |room: usize, size: usize| (room.saturating_sub(size) / 2) & !1;
        (
            middle(self.width, columns),
            middle(self.height - STRIP, rows),
        )
    }

    fn square(&mut self, x: usize, y: usize, pixels: [[u8; 3]; 4]) {
        let at = y * self.width + x;
        let [a, b, c, d] = pixels.map(luma);
        (self.luma[at], self.luma[at + 1]) = (a, b);
        (self.luma[at + self.width], self.luma[at + self.width + 1]) = (c, d);
        let mut sum = [0; 3];
        for pixel in pixels {
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += i32::from(value);
            }
        }
        let at = y / 2 * (self.width / 2) + x / 2;
        (self.blue[at], self.red[at]) = colour(sum);
    }

    /// Writes a caption into the strip.
    pub fn write(&mut self, caption: Caption) {
        if self.caption.as_ref() == Some(&caption) {
            return;
        }
        let back = match caption.tone {
            Tone::Plain => [0, 0, 0],
            Tone::Covered => [130, 70, 0],
            Tone::Faulty => [130, 0, 0],
        };
        let start = self.width * (self.height - STRIP);
        let (blue, red) = colour(back.map(|value: u8| i32::from(value) * 4));
        self.luma[start..].fill(luma(back));
        self.blue[start / 4..].fill(blue);
        self.red[start / 4..].fill(red);
        let right = self
            .width
            .saturating_sub(caption::width(&caption.note) + MARGIN);
        self.line(MARGIN, &caption.text, luma(back));
        // A note is more than a name: where there is no room for both, it is written over it.
        let free = MARGIN + caption::width(&caption.text);
        if !caption.note.is_empty() && right < free + MARGIN {
            self.blank(right.saturating_sub(MARGIN), luma(back));
        }
        self.line(right.max(MARGIN), &caption.note, luma(back));
        self.caption = Some(caption);
    }

    /// Empties the strip from that column on.
    fn blank(&mut self, from: usize, back: u8) {
        for row in self.luma[self.width * (self.height - STRIP)..].chunks_exact_mut(self.width) {
            row[from..].fill(back);
        }
    }

    fn line(&mut self, left: usize, text: &str, back: u8) {
        let top = self.height - STRIP + (STRIP - caption::LINE) / 2;
        for (x, y, ink) in caption::ink(text) {
            if left + x < self.width {
                let (ink, back) = (u16::from(ink), u16::from(back));
                let mixed = (u16::from(WHITE) * ink + back * (255 - ink)) / 255;
                let at = (top + y) * self.width + left + x;
                self.luma[at] = u8::try_from(mixed).unwrap_or(WHITE);
            }
        }
    }
}

/// The brightness of red, green and blue, in parts of 2^16.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let (red, green, blue) = (i32::from(red), i32::from(green), i32::from(blue));
    narrow(BLACK, 11_966 * red + 40_254 * green + 4_064 * blue, 16)
}

/// How blue and how red four pixels are, from the sums of their red, green and blue.
fn colour([red, green, blue]: [i32; 3]) -> (u8, u8) {
    (
        narrow(GREY, -6_596 * red - 22_189 * green + 28_785 * blue, 18),
        narrow(GREY, 28_785 * red - 26_145 * green - 2_640 * blue, 18),
    )
}

/// Rounds parts of 2^`bits` to whole ones.
fn narrow(zero: u8, parts: i32, bits: u32) -> u8 {
    let whole = (parts + (1 << (bits - 1))) >> bits;
    u8::try_from(i32::from(zero) + whole).unwrap_or(zero)
}

#[cfg(test)]
mod tests;
