//! How pages look: colors, sizes and the parts that they are put together from.

use super::canvas::{Canvas, Color};
use super::font::{Face, Size, Weight};
use super::geometry::Rectangle;
use super::pages::Tone;
use super::text::wrap;

/// Behind the card.
pub(super) const BACKDROP: Color = Color(15, 23, 42);
/// The card.
pub(super) const CARD: Color = Color(30, 41, 59);
/// Edges of the card and of what is on it.
pub(super) const EDGE: Color = Color(71, 85, 105);
/// What is typed into.
pub(super) const WELL: Color = Color(15, 23, 42);
/// Text.
pub(super) const TEXT: Color = Color(241, 245, 249);
/// Text that matters less.
pub(super) const MUTED: Color = Color(160, 174, 192);
/// What is chosen, focused or pressed next.
pub(super) const ACCENT: Color = Color(56, 189, 248);
/// Behind what is chosen.
pub(super) const CHOSEN: Color = Color(7, 89, 133);
/// What is not over yet.
pub(super) const WAITING: Color = Color(250, 204, 84);
/// What went wrong.
pub(super) const WRONG: Color = Color(252, 129, 129);

/// The color that goes with a tone.
pub(super) const fn color_of(tone: Tone) -> Color {
    match tone {
        Tone::Info => ACCENT,
        Tone::Refusal => WRONG,
        Tone::Wait => WAITING,
    }
}

/// Columns of text on a card.
const COLUMNS: u16 = 64;

/// What a part of a page is for: where the mouse can act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A row of a list, by its place among the rows that the filter leaves.
    Row(usize),
    /// A field of a form.
    Field(usize),
    /// The button that goes on.
    Accept,
    /// The button that leaves.
    Cancel,
}

/// Where the mouse can act on the page as it was drawn last, and where it is.
#[derive(Default)]
pub(super) struct Hot {
    targets: Vec<(Rectangle, Target)>,
    /// What the mouse is on.
    pub hovered: Option<Target>,
}

impl Hot {
    pub fn clear(&mut self) {
        self.targets.clear();
    }

    pub fn add(&mut self, place: Rectangle, target: Target) {
        self.targets.push((place, target));
    }

    pub fn at(&self, x: u16, y: u16) -> Option<Target> {
        let found = self.targets.iter().find(|(place, _)| place.contains(x, y));
        found.map(|(_, target)| *target)
    }

    #[cfg(test)]
    pub fn places(&self) -> &[(Rectangle, Target)] {
        &self.targets
    }
}

/// Sizes that go with a desktop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub body: Face,
    pub strong: Face,
    pub title: Face,
    pub small: Face,
    /// Around what is on the card.
    pub padding: u16,
    /// Between things that belong together.
    pub gap: u16,
    /// Pixels for one.
    pub zoom: u16,
}

impl Look {
    /// For a desktop of this size.
    pub fn of(desktop: Rectangle) -> Self {
        let scale = 1 + u8::from(desktop.width >= 2800 && desktop.height >= 1500);
        let zoom = u16::from(scale);
        let (width, height) = (desktop.width / zoom, desktop.height / zoom);
        let is_roomy = width >= 1000 && height >= 700;
        // Nobody sits near enough to a big desktop for the small letters.
        let is_big = width >= 1600 && height >= 900;
        let is_tiny = width < 480 || height < 360;
        let face = |weight, size| Face {
            weight,
            size,
            scale,
        };
        let body = if is_roomy { Size::Large } else { Size::Small };
        let title = if is_tiny { Size::Small } else { Size::Large };
        let (padding, gap) = match (is_roomy, is_tiny) {
            (true, _) => (36, 16),
            (false, false) => (24, 12),
            (false, true) => (8, 6),
        };
        Self {
            body: face(Weight::Regular, body),
            strong: face(Weight::Bold, body),
            title: face(Weight::Bold, title),
            small: face(
                Weight::Regular,
                if is_big { Size::Large } else { Size::Small },
            ),
            padding: padding * zoom,
            gap: gap * zoom,
            zoom,
        }
    }

    /// Pixels of text across, on the card of this desktop.
    pub fn inner_width(&self, desktop: Rectangle) -> u16 {
        let most = desktop
            .width
            .saturating_sub(2 * self.margin() + 2 * self.padding);
        most.min(COLUMNS * self.body.cell_width())
    }

    /// The card for content of this height, in the middle of the desktop.
    pub fn card(&self, desktop: Rectangle, content: u16) -> Rectangle {
        let room = desktop.inset(self.margin(), self.margin());
        let height = content.saturating_add(2 * self.padding + self.bar());
        let width = self.inner_width(desktop) + 2 * self.padding;
        room.centred(width, height)
    }

    /// Draws an empty card with a bar of this color; answers what is inside.
    pub fn draw_card(&self, canvas: &mut Canvas, card: Rectangle, color: Color) -> Rectangle {
        canvas.fill(card, CARD);
        canvas.frame(card, self.zoom, EDGE);
        let mut inner = card;
        canvas.fill(inner.cut_top(self.bar()), color);
        inner.inset(self.padding, self.padding)
    }

    /// At the top of the card.
    fn bar(&self) -> u16 {
        4 * self.zoom
    }

    fn margin(&self) -> u16 {
        self.padding / 2
    }

    /// A title in lines.
    pub fn title_lines(&self, title: &str, width: u16) -> Vec<String> {
        let mut lines = wrap(title, self.title.columns_in(width));
        // The rest of a title that does not fit in two lines follows as an ellipsis.
        if lines.len() > 2 {
            let rest = lines.split_off(1).join(" ");
            lines.push(rest);
        }
        lines
    }

    /// Paragraphs in lines.
    pub fn wrapped(&self, text: &str, width: u16) -> Vec<String> {
        wrap(text, self.body.columns_in(width))
    }

    /// Pixels that lines take down.
    pub fn height(face: Face, lines: usize) -> u16 {
        let lines = u16::try_from(lines).unwrap_or(u16::MAX);
        face.line_height().saturating_mul(lines)
    }

    /// Pixels from one row of a list to the next.
    pub fn row_height(&self) -> u16 {
        self.body.line_height() + 8 * self.zoom
    }

    /// Pixels of a line to type into or of a button, down.
    pub fn box_height(&self) -> u16 {
        self.body.line_height() + 12 * self.zoom
    }

    /// A button at the right of a row, as wide as its text; what is left of the row stays in `row`.
    pub fn draw_button(
        &self,
        canvas: &mut Canvas,
        row: &mut Rectangle,
        label: &str,
        button: Button,
    ) -> Rectangle {
        let text = super::text::columns(label).saturating_mul(self.body.cell_width());
        let place = row.cut_right(text.saturating_add(2 * self.side()));
        row.cut_right(self.gap);
        let (inside, edge, ink) = match (button.is_primary, button.is_hovered) {
            (true, false) => (CHOSEN, CHOSEN, TEXT),
            (true, true) => (ACCENT, ACCENT, BACKDROP),
            (false, false) => (CARD, EDGE, TEXT),
            (false, true) => (EDGE, EDGE, TEXT),
        };
        canvas.fill(place, inside);
        let edge = if button.is_focused { TEXT } else { edge };
        let thickness = self.zoom * (1 + u16::from(button.is_focused));
        canvas.frame(place, thickness, edge);
        let face = if button.is_primary {
            self.strong
        } else {
            self.body
        };
        canvas.text_centred(place.inset(self.zoom, 0), label, face, ink);
        place
    }

    /// Pixels on each side of a text in a box.
    pub fn side(&self) -> u16 {
        (self.gap).max(2)
    }

    /// Draws lines from the top of a place; what does not fit is left out.
    pub fn draw_lines(
        &self,
        canvas: &mut Canvas,
        place: &mut Rectangle,
        lines: &[String],
        face: Face,
        color: Color,
    ) {
        for line in lines {
            let at = place.cut_top(face.line_height());
            if at.height < face.line_height() {
                return;
            }
            canvas.text(at, line, face, color);
        }
    }

    /// A bar at the right of a list that says where in it one is; answers what is left of the place.
    pub fn draw_scroll_bar(
        &self,
        canvas: &mut Canvas,
        mut place: Rectangle,
        scroll: Scroll,
    ) -> Rectangle {
        if scroll.shown >= scroll.all {
            return place;
        }
        let track = place.cut_right(4 * self.zoom);
        place.cut_right(self.gap / 2);
        canvas.fill(track, EDGE);
        let share = |part: usize| {
            let pixels = usize::from(track.height) * part / scroll.all.max(1);
            u16::try_from(pixels).unwrap_or(track.height)
        };
        let height = share(scroll.shown).max(8 * self.zoom).min(track.height);
        // The last part is at the very bottom, however small the handle would be.
        let way = usize::from(track.height - height) * scroll.first / (scroll.all - scroll.shown);
        let top = track.top + u16::try_from(way).unwrap_or(0).min(track.height - height);
        let handle = Rectangle {
            top,
            height,
            ..track
        };
        canvas.fill(handle, ACCENT);
        place
    }
}

/// How a button is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Button {
    /// Goes on, rather than leaving.
    pub is_primary: bool,
    /// The keyboard is on it.
    pub is_focused: bool,
    /// The mouse is on it.
    pub is_hovered: bool,
}

/// What of a list is seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scroll {
    /// The first row that is seen.
    pub first: usize,
    /// Rows that are seen.
    pub shown: usize,
    /// Rows that there are.
    pub all: usize,
}

impl Scroll {
    /// Moved by so many rows, downwards where that is positive.
    pub fn moved(self, rows: isize) -> usize {
        let last = self.all.saturating_sub(self.shown);
        self.first.saturating_add_signed(rows).min(last)
    }

    /// Moved as little as possible so that a row is seen.
    pub fn showing(self, row: usize) -> usize {
        let last = self.all.saturating_sub(self.shown);
        let lowest = (row + 1).saturating_sub(self.shown);
        self.first.clamp(lowest.min(row), row).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_scrolls_as_little_as_needed() {
        let scroll = |first| Scroll {
            first,
            shown: 5,
            all: 20,
        };
        for (first, row, expected) in [
            (0, 0, 0),
            (0, 4, 0),
            (0, 5, 1),
            (7, 3, 3),
            (7, 19, 15),
            (0, 99, 15),
        ] {
            assert_eq!(scroll(first).showing(row), expected, "{row} from {first}");
        }
        assert_eq!(scroll(3).moved(-9), 0);
        assert_eq!(scroll(3).moved(99), 15);
        let short = Scroll {
            first: 0,
            shown: 5,
            all: 2,
        };
        assert_eq!((short.moved(3), short.showing(1)), (0, 0));
    }

    #[test]
    fn cards_fit_on_every_desktop() {
        for (width, height) in [
            (1, 1),
            (200, 200),
            (640, 480),
            (1024, 768),
            (4096, 2160),
            (8192, 8192),
        ] {
            let desktop = Rectangle::new(0, 0, width, height);
            let look = Look::of(desktop);
            for content in [0, 100, u16::MAX] {
                let card = look.card(desktop, content);
                assert_eq!(card.intersection(&desktop), card, "{desktop:?} {content}");
            }
        }
    }
}
