//! The picture that pages are drawn on.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use super::font::{Face, Glyph};
use super::geometry::Rectangle;
use super::text::{Cell, cells, fit};

/// Pixels a desktop has at most across and down: what RDP servers allow since version 8.
pub const MAX_SIDE: u16 = 8192;
/// Pixels across and down of the tiles in which changes are found.
pub const TILE: u16 = 64;
/// Bytes of a pixel: red, green, blue.
const PIXEL: usize = 3;

/// A color: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(pub u8, pub u8, pub u8);

/// A picture of a desktop's size that knows which of its parts changed since it was last asked.
pub struct Canvas {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
    /// Everything that was drawn over since the last answer lies in here.
    touched: Rectangle,
    /// A hash of each tile as it was at the last answer; `None` before the first one.
    seen: Vec<Option<u64>>,
}

impl Canvas {
    /// A black picture; a size of nought or above [`MAX_SIDE`] is brought within bounds.
    pub fn new(width: u16, height: u16) -> Self {
        let width = width.clamp(1, MAX_SIDE);
        let height = height.clamp(1, MAX_SIDE);
        let tiles = usize::from(width.div_ceil(TILE)) * usize::from(height.div_ceil(TILE));
        Self {
            width,
            height,
            pixels: vec![0; usize::from(width) * usize::from(height) * PIXEL],
            touched: Rectangle::new(0, 0, width, height),
            seen: vec![None; tiles],
        }
    }

    /// All of it.
    pub fn area(&self) -> Rectangle {
        Rectangle::new(0, 0, self.width, self.height)
    }

    /// The pixels, from the top: three bytes each (red, green, blue), rows without gaps.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        usize::from(self.width) * PIXEL
    }

    /// Paints a rectangle over.
    pub fn fill(&mut self, rectangle: Rectangle, color: Color) {
        let rectangle = self.touch(rectangle);
        for y in rectangle.top..rectangle.bottom() {
            if let Some(row) = self.row(rectangle.left, y, rectangle.width) {
                for pixel in row.chunks_exact_mut(PIXEL) {
                    pixel.copy_from_slice(&[color.0, color.1, color.2]);
                }
            }
        }
    }

    /// Draws the edge of a rectangle, within it.
    pub fn frame(&mut self, rectangle: Rectangle, thickness: u16, color: Color) {
        let mut inner = rectangle;
        for edge in [inner.cut_top(thickness), inner.cut_bottom(thickness)] {
            self.fill(edge, color);
        }
        for edge in [inner.cut_left(thickness), inner.cut_right(thickness)] {
            self.fill(edge, color);
        }
    }

    /// Draws one line of text into a rectangle: from its left edge, in the middle of its height, with an ellipsis
    /// where it does not fit. Nothing goes outside the rectangle.
    pub fn text(&mut self, place: Rectangle, text: &str, face: Face, color: Color) {
        let line = fit(text, face.columns_in(place.width));
        self.line(place, &line, face, color);
    }

    /// Like [`Canvas::text`], in the middle of the rectangle's width.
    pub fn text_centred(&mut self, place: Rectangle, text: &str, face: Face, color: Color) {
        let line = fit(text, face.columns_in(place.width));
        let columns = line
            .iter()
            .fold(0, |sum: u16, cell| sum.saturating_add(cell.columns));
        let width = columns.saturating_mul(face.cell_width());
        self.line(place.centred(width, place.height), &line, face, color);
    }

    /// Draws one line of text without its first columns, for what is being typed in a place that is too narrow for it;
    /// no ellipsis. Answers how many columns were left out: one more than asked for, where that is half a character.
    pub fn text_from(
        &mut self,
        place: Rectangle,
        text: &str,
        skipped: u16,
        face: Face,
        color: Color,
    ) -> u16 {
        let mut line = cells(text);
        let mut left_out = 0_u16;
        let from = line
            .iter()
            .take_while(|cell| {
                let skip = left_out < skipped;
                left_out = left_out.saturating_add(if skip { cell.columns } else { 0 });
                skip
            })
            .count();
        line.drain(..from);
        self.line(place, &line, face, color);
        left_out
    }

    fn line(&mut self, place: Rectangle, line: &[Cell], face: Face, color: Color) {
        let clip = self.touch(place);
        let top = place.centred(place.width, face.line_height()).top;
        let mut left = place.left;
        for cell in line {
            if left >= clip.right() {
                break;
            }
            self.glyph(
                &Glyph::of(*cell, face),
                (left, top),
                *cell,
                face,
                clip,
                color,
            );
            left = left.saturating_add(face.cell_width().saturating_mul(cell.columns));
        }
    }

    fn glyph(
        &mut self,
        glyph: &Glyph,
        (left, top): (u16, u16),
        cell: Cell,
        face: Face,
        clip: Rectangle,
        color: Color,
    ) {
        let width = face.cell_width().saturating_mul(cell.columns);
        let area = Rectangle::new(left, top, width, face.line_height()).intersection(&clip);
        for y in area.top..area.bottom() {
            let Some(row) = self.row(area.left, y, area.width) else {
                continue;
            };
            for (pixel, x) in row.chunks_exact_mut(PIXEL).zip(area.left..) {
                let coverage = glyph.scaled(x - left, y - top, face.zoom());
                for (under, over) in pixel.iter_mut().zip([color.0, color.1, color.2]) {
                    *under = mixed(*under, over, coverage);
                }
            }
        }
    }

    /// What changed since the last answer, in tiles put together; all of it the first time.
    ///
    /// Drawing something over with the same is no change, so a page may be drawn anew whenever anything in it moves.
    pub fn take_damage(&mut self) -> Vec<Rectangle> {
        let touched = std::mem::take(&mut self.touched);
        let mut damage: Vec<Rectangle> = Vec::new();
        if touched.is_empty() {
            return damage;
        }
        for row in touched.top / TILE..touched.bottom().div_ceil(TILE) {
            let mut run = Rectangle::default();
            for column in touched.left / TILE..touched.right().div_ceil(TILE) {
                let tile = Rectangle::new(column * TILE, row * TILE, TILE, TILE);
                let tile = tile.intersection(&self.area());
                if self.has_changed(row, column, tile) {
                    run = run.union(&tile);
                } else {
                    add(&mut damage, std::mem::take(&mut run));
                }
            }
            add(&mut damage, run);
        }
        damage
    }

    /// Everything counts as changed: the client lost what it had, as after a reactivation or a Refresh Rect.
    pub fn forget_what_was_seen(&mut self) {
        self.touched = self.area();
        self.seen.fill(None);
    }

    fn has_changed(&mut self, row: u16, column: u16, tile: Rectangle) -> bool {
        let mut hasher = DefaultHasher::new();
        for y in tile.top..tile.bottom() {
            if let Some(row) = self.row(tile.left, y, tile.width) {
                hasher.write(row);
            }
        }
        let now = Some(hasher.finish());
        let index = usize::from(row) * usize::from(self.width.div_ceil(TILE)) + usize::from(column);
        match self.seen.get_mut(index) {
            Some(seen) => std::mem::replace(seen, now) != now,
            None => false,
        }
    }

    /// Notes that something is drawn there; answers the part of it that exists.
    fn touch(&mut self, rectangle: Rectangle) -> Rectangle {
        let rectangle = rectangle.intersection(&self.area());
        self.touched = self.touched.union(&rectangle);
        rectangle
    }

    fn row(&mut self, left: u16, y: u16, width: u16) -> Option<&mut [u8]> {
        let start = usize::from(y) * self.stride() + usize::from(left) * PIXEL;
        self.pixels
            .get_mut(start..start + usize::from(width) * PIXEL)
    }
}

/// Adds a run of tiles; one right below an equally wide one makes that higher.
fn add(damage: &mut Vec<Rectangle>, run: Rectangle) {
    if run.is_empty() {
        return;
    }
    let above = damage.iter_mut().find(|above| {
        above.bottom() == run.top && above.left == run.left && above.width == run.width
    });
    match above {
        Some(above) => above.height += run.height,
        None => damage.push(run),
    }
}

/// The color between two, `coverage` 255ths of the way to `over`.
fn mixed(under: u8, over: u8, coverage: u8) -> u8 {
    let coverage = u32::from(coverage);
    let sum = u32::from(under) * (255 - coverage) + u32::from(over) * coverage;
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
