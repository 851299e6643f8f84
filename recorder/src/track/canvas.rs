//! A picture that items are drawn on.

use std::sync::Arc;

use super::png::decode;
use super::{TrackError, What};
use crate::picture::{Desktop, Image, MAX_PIXELS, MAX_SIDE, Pointer, PointerShape, Rect};

/// The system's own arrow, as it is drawn where no shape is known: `#` black, `.` white.
const ARROW: [&str; 17] = [
    "#          ",
    "##         ",
    "#.#        ",
    "#..#       ",
    "#...#      ",
    "#....#     ",
    "#.....#    ",
    "#......#   ",
    "#.......#  ",
    "#........# ",
    "#.....#####",
    "#..#..#    ",
    "#.# #..#   ",
    "##  #..#   ",
    "#    #..#  ",
    "     #..#  ",
    "      ##   ",
];

/// A picture of its own, and what belongs to it: what a track shows at a time, or a copy of what a desktop shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Canvas {
    width: u16,
    height: u16,
    /// Four bytes a pixel, rows from the top, without gaps.
    data: Vec<u8>,
    /// The pointer, which is not in the picture.
    pub pointer: Pointer,
    /// Does the client see a cover instead?
    pub covered: bool,
    /// How many parts of the picture could not be decoded so far.
    pub faults: u64,
}

impl Canvas {
    /// A copy of what a desktop shows; `None` before it shows anything.
    pub(crate) fn of(desktop: &Desktop, covered: bool) -> Option<Self> {
        let image = desktop.image()?;
        Some(Self {
            width: image.width,
            height: image.height,
            data: image
                .rows(Rect::whole(image.width, image.height))
                .flatten()
                .copied()
                .collect(),
            pointer: desktop.pointer().clone(),
            covered,
            faults: desktop.faults(),
        })
    }

    /// The picture; `None` before the first item that has one.
    pub fn image(&self) -> Option<Image<'_>> {
        (!self.data.is_empty()).then(|| Image {
            width: self.width,
            height: self.height,
            stride: usize::from(self.width) * 4,
            data: &self.data,
        })
    }

    /// Draws an item. Answers which part of the picture it changed, if any. What does not fit changes nothing.
    pub fn apply(&mut self, what: &What) -> Result<Option<Rect>, TrackError> {
        match what {
            What::Resize { width, height } => return Ok(self.resize(*width, *height)),
            What::Keyframe { png } => {
                let (width, height, data) = decode(png)?;
                (self.width, self.height, self.data) = (width, height, data);
                // What holds beside it follows it.
                self.pointer = Pointer::default();
                self.covered = false;
                return Ok(Some(Rect::whole(width, height)));
            }
            What::Tile { rect, png } => {
                let (width, height, data) = decode(png)?;
                let fits = rect.within(self.width, self.height) == Some(*rect);
                if (width, height) != (rect.width, rect.height) || !fits {
                    return Ok(None);
                }
                self.put(*rect, &data);
                return Ok(Some(*rect));
            }
            What::PointerShape { hot_x, hot_y, png } => {
                self.pointer.shape = Some(Arc::new(shape(*hot_x, *hot_y, png)?));
                self.pointer.hidden = false;
            }
            What::PointerArrow => {
                self.pointer.shape = None;
                self.pointer.hidden = false;
            }
            What::PointerHidden => self.pointer.hidden = true,
            What::PointerPlace { x, y } => (self.pointer.x, self.pointer.y) = (*x, *y),
            What::Covered { shown } => self.covered = *shown,
            What::Gap { faults } => self.faults = *faults,
            What::End => {}
        }
        Ok(None)
    }

    fn resize(&mut self, width: u16, height: u16) -> Option<Rect> {
        let pixels = usize::from(width) * usize::from(height);
        if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
            return None;
        }
        (self.width, self.height) = (width, height);
        self.data = vec![0; pixels * 4];
        Some(Rect::whole(width, height))
    }

    fn put(&mut self, rect: Rect, data: &[u8]) {
        let row_bytes = usize::from(rect.width) * 4;
        let stride = usize::from(self.width) * 4;
        let from = usize::from(rect.x) * 4;
        let rows = self.data.chunks_exact_mut(stride);
        let rows = rows.skip(usize::from(rect.y));
        for (to, row) in rows.zip(data.chunks_exact(row_bytes)) {
            to[from..from + row_bytes].copy_from_slice(row);
        }
    }

    /// The same with the pointer drawn into it, as the person saw it.
    pub fn with_pointer(&self) -> Self {
        let mut drawn = self.clone();
        if self.pointer.hidden {
            return drawn;
        }
        let shape = self.shape();
        let left = i32::from(self.pointer.x) - i32::from(shape.hot_x);
        let top = i32::from(self.pointer.y) - i32::from(shape.hot_y);
        let width = usize::from(shape.width).max(1);
        for (at, pixel) in shape.rgba.chunks_exact(4).enumerate() {
            let place =
                |start: i32, step: usize| usize::try_from(start + i32::try_from(step).ok()?).ok();
            let (Some(x), Some(y)) = (place(left, at % width), place(top, at / width)) else {
                continue;
            };
            drawn.blend(x, y, pixel);
        }
        drawn
    }

    /// The part of the picture that the pointer is drawn on; `None`: it is not to be seen.
    pub(crate) fn pointer_part(&self) -> Option<Rect> {
        if self.pointer.hidden {
            return None;
        }
        let shape = self.shape();
        let (x, y) = (self.pointer.x, self.pointer.y);
        let part = Rect {
            x: x.saturating_sub(shape.hot_x),
            y: y.saturating_sub(shape.hot_y),
            width: shape.width,
            height: shape.height,
        };
        part.within(self.width, self.height)
    }

    /// What the pointer looks like.
    fn shape(&self) -> Arc<PointerShape> {
        let shape = self.pointer.shape.clone();
        shape.unwrap_or_else(|| Arc::new(arrow()))
    }

    fn blend(&mut self, x: usize, y: usize, pixel: &[u8]) {
        if x >= usize::from(self.width) || y >= usize::from(self.height) {
            return;
        }
        let opacity = u16::from(pixel[3]);
        let at = (y * usize::from(self.width) + x) * 4;
        for (below, above) in self.data[at..at + 3].iter_mut().zip(pixel) {
            let mixed = u16::from(*above) * opacity + u16::from(*below) * (255 - opacity);
            *below = u8::try_from(mixed / 255).unwrap_or(u8::MAX);
        }
    }
}

fn shape(hot_x: u16, hot_y: u16, png: &[u8]) -> Result<PointerShape, TrackError> {
    let (width, height, rgba) = match png {
        [] => (0, 0, Vec::new()),
        png => decode(png)?,
    };
    Ok(PointerShape {
        width,
        height,
        hot_x,
        hot_y,
        rgba,
    })
}

fn arrow() -> PointerShape {
    let pixel = |sign: u8| match sign {
        b'#' => [0, 0, 0, 255],
        b'.' => [255, 255, 255, 255],
        _ => [0; 4],
    };
    let rgba = ARROW.iter().flat_map(|row| row.bytes()).flat_map(pixel);
    PointerShape {
        width: 11,
        height: 17,
        hot_x: 0,
        hot_y: 0,
        rgba: rgba.collect(),
    }
}
