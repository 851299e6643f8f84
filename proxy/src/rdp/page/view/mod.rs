//! Pages at work: each knows what a key or a click does to it, and how it is drawn.

mod choice;
mod form;
mod notice;

pub(super) use choice::ChoiceView;
pub(super) use form::FormView;
pub(super) use notice::NoticeView;

use super::canvas::{Canvas, Color};
use super::geometry::Rectangle;
use super::keyboard::Key;
use super::line::Line;
use super::look::{ACCENT, EDGE, Hot, Look, TEXT, Target, WELL, WRONG};
use super::pages::Outcome;

/// What a page is drawn with.
pub(super) struct Brush<'a> {
    pub canvas: &'a mut Canvas,
    pub hot: &'a mut Hot,
    pub look: Look,
    /// The client's keyboard layout, in words.
    pub layout: &'static str,
    /// Its Caps Lock is on.
    pub caps: bool,
}

impl Brush<'_> {
    /// Draws a line that is typed into, in its box; answers what of the box is left at the right.
    fn typed(&mut self, place: Rectangle, line: &Line, state: Typed) {
        let look = self.look;
        let edge = match state {
            Typed::Wrong => WRONG,
            Typed::Focused => ACCENT,
            Typed::Idle => EDGE,
        };
        let thickness = look.zoom * (1 + u16::from(state != Typed::Idle));
        self.canvas.fill(place, WELL);
        self.canvas.frame(place, thickness, edge);
        let inside = place.inset(look.side(), 0);
        let columns = look.body.columns_in(inside.width);
        let cursor = line.cursor_columns();
        // The cursor's own column stays free behind the text.
        let skipped = (cursor + 1).saturating_sub(columns.max(1));
        let skipped = self
            .canvas
            .text_from(inside, &line.shown(), skipped, look.body, TEXT);
        if state != Typed::Idle {
            let at = cursor
                .saturating_sub(skipped)
                .saturating_mul(look.body.cell_width());
            let mut bar = inside.centred(inside.width, look.body.line_height());
            bar.cut_left(at);
            let bar = bar.cut_left(2 * look.zoom);
            self.canvas.fill(bar, ACCENT);
        }
    }

    fn is_hovered(&self, target: Target) -> bool {
        self.hot.hovered == Some(target)
    }
}

/// How a line to type into is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    /// The keyboard is elsewhere.
    Idle,
    /// The keyboard is here.
    Focused,
    /// The keyboard is here, and what is here will not do.
    Wrong,
}

/// A page at work.
pub(super) trait View {
    /// In large letters, and the color of the bar above.
    fn heading(&self) -> (&str, Color);

    /// Pixels that it would like below its title.
    fn height(&self, look: &Look, width: u16) -> u16;

    /// Draws it into a place, which may be smaller than it would like.
    fn draw(&mut self, brush: &mut Brush, place: Rectangle);

    /// A key was pressed.
    fn key(&mut self, key: Key) -> Outcome;

    /// Something was clicked.
    fn click(&mut self, target: Target) -> Outcome;

    /// The mouse went onto something else.
    fn hover(&mut self, target: Option<Target>);

    /// The wheel was turned by so many rows, downwards where that is positive.
    fn scroll(&mut self, rows: isize);
}
