//! Which parts of a picture changed, in few rectangles.

use ironrdp_pdu::geometry::InclusiveRectangle;

/// The most rectangles that are kept apart.
const MAX_RECTS: usize = 32;

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Its left edge.
    pub x: u16,
    /// Its upper edge.
    pub y: u16,
    /// How wide it is.
    pub width: u16,
    /// How high it is.
    pub height: u16,
}

impl Rect {
    /// The whole of a picture.
    pub fn whole(width: u16, height: u16) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
        }
    }

    /// How many pixels it has.
    pub fn area(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// The part of it that lies in a picture of that size, if there is one.
    pub fn within(self, width: u16, height: u16) -> Option<Self> {
        let right = self.x.saturating_add(self.width).min(width);
        let bottom = self.y.saturating_add(self.height).min(height);
        let cut = Self {
            x: self.x,
            y: self.y,
            width: right.saturating_sub(self.x),
            height: bottom.saturating_sub(self.y),
        };
        (cut.area() > 0).then_some(cut)
    }

    /// The smallest that holds both.
    pub fn union(self, other: Self) -> Self {
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let right = (self.x.saturating_add(self.width)).max(other.x.saturating_add(other.width));
        let bottom = (self.y.saturating_add(self.height)).max(other.y.saturating_add(other.height));
        Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        }
    }
}

impl From<&InclusiveRectangle> for Rect {
    fn from(rect: &InclusiveRectangle) -> Self {
        Self {
            x: rect.left,
            y: rect.top,
            width: (rect.right.saturating_sub(rect.left)).saturating_add(1),
            height: (rect.bottom.saturating_sub(rect.top)).saturating_add(1),
        }
    }
}

/// Collects what changed.
#[derive(Debug, Default)]
pub(super) struct Damage {
    rects: Vec<Rect>,
    /// How often something was added.
    pub count: u64,
}

impl Damage {
    /// Adds a part. What it can be joined with at little cost, it is joined with.
    pub fn add(&mut self, rect: Rect) {
        self.count += 1;
        let mut rect = rect;
        // What grew may now be worth joining with another.
        while let Some(at) = self.rects.iter().position(|old| worth_joining(*old, rect)) {
            rect = rect.union(self.rects.swap_remove(at));
        }
        if self.rects.len() >= MAX_RECTS {
            let growth = |old: &Rect| old.union(rect).area() - old.area();
            let cheapest = (0..self.rects.len()).min_by_key(|at| growth(&self.rects[*at]));
            if let Some(at) = cheapest {
                rect = rect.union(self.rects.swap_remove(at));
            }
        }
        self.rects.push(rect);
    }

    /// What changed since the last call.
    pub fn take(&mut self) -> Vec<Rect> {
        std::mem::take(&mut self.rects)
    }

    /// Did anything change?
    pub fn is_empty(&self) -> bool {
        self.rects.is_empty()
    }
}

/// Is the joint rectangle at most a quarter larger than both of them?
fn worth_joining(one: Rect, other: Rect) -> bool {
    one.union(other).area() * 4 <= (one.area() + other.area()) * 5
}
