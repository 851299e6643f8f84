//! Rectangles of a desktop.

/// A rectangle in pixels of the desktop; its right and bottom edges are outside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rectangle {
    /// The first column.
    pub left: u16,
    /// The first row.
    pub top: u16,
    /// Columns; nought for nothing.
    pub width: u16,
    /// Rows; nought for nothing.
    pub height: u16,
}

impl Rectangle {
    /// From its first column and row and its size.
    pub const fn new(left: u16, top: u16, width: u16, height: u16) -> Self {
        Self {
            left,
            top,
            width,
            height,
        }
    }

    /// The first column that is not part of it any more.
    pub const fn right(&self) -> u16 {
        self.left.saturating_add(self.width)
    }

    /// The first row that is not part of it any more.
    pub const fn bottom(&self) -> u16 {
        self.top.saturating_add(self.height)
    }

    /// Without a single pixel?
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Is this pixel inside?
    pub const fn contains(&self, x: u16, y: u16) -> bool {
        x >= self.left && x < self.right() && y >= self.top && y < self.bottom()
    }

    /// What both have; empty if they do not meet.
    pub fn intersection(&self, other: &Self) -> Self {
        let left = self.left.max(other.left);
        let top = self.top.max(other.top);
        Self {
            left,
            top,
            width: self.right().min(other.right()).saturating_sub(left),
            height: self.bottom().min(other.bottom()).saturating_sub(top),
        }
    }

    /// The smallest rectangle around both.
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        let left = self.left.min(other.left);
        let top = self.top.min(other.top);
        Self {
            left,
            top,
            width: self.right().max(other.right()) - left,
            height: self.bottom().max(other.bottom()) - top,
        }
    }

    /// What is left of it without another one: at most four rectangles that do not meet.
    pub fn without(&self, other: &Self) -> Vec<Self> {
        let hole = self.intersection(other);
        if hole.is_empty() {
            return if self.is_empty() {
                Vec::new()
            } else {
                vec![*self]
            };
        }
        let mut rest = *self;
        let above = rest.cut_top(hole.top - self.top);
        let below = rest.cut_bottom(self.bottom() - hole.bottom());
        let before = rest.cut_left(hole.left - self.left);
        let behind = rest.cut_right(self.right() - hole.right());
        [above, below, before, behind]
            .into_iter()
            .filter(|rectangle| !rectangle.is_empty())
            .collect()
    }

    /// Smaller by `across` on the left and right and by `down` above and below.
    pub fn inset(&self, across: u16, down: u16) -> Self {
        let across = across.min(self.width / 2);
        let down = down.min(self.height / 2);
        Self {
            left: self.left.saturating_add(across),
            top: self.top.saturating_add(down),
            width: self.width - 2 * across,
            height: self.height - 2 * down,
        }
    }

    /// A rectangle of at most this size in the middle of this one.
    pub fn centred(&self, width: u16, height: u16) -> Self {
        let width = width.min(self.width);
        let height = height.min(self.height);
        Self {
            left: self.left.saturating_add((self.width - width) / 2),
            top: self.top.saturating_add((self.height - height) / 2),
            width,
            height,
        }
    }

    /// Takes at most `height` rows from the top.
    pub fn cut_top(&mut self, height: u16) -> Self {
        let height = height.min(self.height);
        let cut = Self { height, ..*self };
        self.top = self.top.saturating_add(height);
        self.height -= height;
        cut
    }

    /// Takes at most `height` rows from the bottom.
    pub fn cut_bottom(&mut self, height: u16) -> Self {
        let height = height.min(self.height);
        self.height -= height;
        Self {
            top: self.bottom(),
            height,
            ..*self
        }
    }

    /// Takes at most `width` columns from the left.
    pub fn cut_left(&mut self, width: u16) -> Self {
        let width = width.min(self.width);
        let cut = Self { width, ..*self };
        self.left = self.left.saturating_add(width);
        self.width -= width;
        cut
    }

    /// Takes at most `width` columns from the right.
    pub fn cut_right(&mut self, width: u16) -> Self {
        let width = width.min(self.width);
        self.width -= width;
        Self {
            left: self.right(),
            width,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_meet() {
        let one = Rectangle::new(0, 0, 10, 10);
        let two = Rectangle::new(5, 8, 10, 10);
        assert_eq!(one.intersection(&two), Rectangle::new(5, 8, 5, 2));
        assert_eq!(one.union(&two), Rectangle::new(0, 0, 15, 18));
        let apart = Rectangle::new(30, 30, 2, 2);
        assert!(one.intersection(&apart).is_empty());
        assert_eq!(one.union(&Rectangle::default()), one);
        assert!(one.contains(9, 9) && !one.contains(10, 9));
    }

    #[test]
    fn pieces_are_cut_off_and_never_more_than_there_is() {
        let mut rest = Rectangle::new(10, 10, 100, 50);
        assert_eq!(rest.cut_top(20), Rectangle::new(10, 10, 100, 20));
        assert_eq!(rest.cut_bottom(10), Rectangle::new(10, 50, 100, 10));
        assert_eq!(rest.cut_left(30), Rectangle::new(10, 30, 30, 20));
        assert_eq!(rest.cut_right(30), Rectangle::new(80, 30, 30, 20));
        assert_eq!(rest, Rectangle::new(40, 30, 40, 20));
        assert_eq!(rest.cut_top(99).height, 20);
        assert!(rest.is_empty());
    }

    #[test]
    fn a_hole_leaves_a_frame() {
        let all = Rectangle::new(0, 0, 9, 9);
        for (hole, pieces) in [
            (Rectangle::new(3, 3, 3, 3), 4),
            (Rectangle::new(0, 0, 9, 4), 1),
            (Rectangle::new(5, 5, 99, 99), 2),
            (Rectangle::new(20, 0, 5, 5), 1),
            (all, 0),
        ] {
            let rest = all.without(&hole);
            assert_eq!(rest.len(), pieces, "{hole:?}");
            for (x, y) in (0..81).map(|n| (n % 9, n / 9)) {
                let found = rest.iter().filter(|piece| piece.contains(x, y)).count();
                assert_eq!(
                    found,
                    usize::from(!hole.contains(x, y)),
                    "{x} {y} without {hole:?}"
                );
            }
        }
        assert!(Rectangle::default().without(&all).is_empty());
    }

    #[test]
    fn the_far_corner_does_not_overflow() {
        let far = Rectangle::new(u16::MAX, u16::MAX, u16::MAX, u16::MAX);
        assert_eq!(far.right(), u16::MAX);
        let _ = far
            .inset(9, 9)
            .centred(3, 3)
            .union(&Rectangle::new(0, 0, 1, 1));
    }
}
