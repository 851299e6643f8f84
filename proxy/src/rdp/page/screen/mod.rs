//! A page on a client's desktop: drawn, driven by its keyboard and mouse, painted where it changed.

use std::time::Duration;

use super::canvas::Canvas;
use super::geometry::Rectangle;
use super::input::Input;
use super::keyboard::Keyboard;
use super::look::{ACCENT, BACKDROP, Hot, Look, TEXT, Target};
use super::pages::{Outcome, Page};
use super::paint::{self, Format};
use super::picture::Picture;
use super::view::{Brush, ChoiceView, FormView, NoticeView, View};

/// Above every title: who is speaking.
const PRODUCT: &str = "Sallyport";
/// Units of the wheel for one row: a notch of 120 is three.
const WHEEL_ROW: i32 = 40;

/// A page at work, of any kind.
enum Shown {
    Text(NoticeView),
    Choice(ChoiceView),
    Form(FormView),
}

impl From<Page> for Shown {
    fn from(page: Page) -> Self {
        match page {
            Page::Notice(notice) => Self::Text(notice.into()),
            Page::Progress(progress) => Self::Text(progress.into()),
            Page::Choice(choice) => Self::Choice(choice.into()),
            Page::Form(form) => Self::Form(form.into()),
        }
    }
}

impl Shown {
    fn view(&mut self) -> &mut dyn View {
        match self {
            Self::Text(view) => view,
            Self::Choice(view) => view,
            Self::Form(view) => view,
        }
    }
}

/// A desktop that shows one page after the other.
///
/// Give it every event of the client's, then send what [`Screen::take_damage`] names (or [`Screen::fast_path`] encodes).
pub struct Screen {
    canvas: Canvas,
    look: Look,
    keyboard: Keyboard,
    shown: Shown,
    hot: Hot,
    /// What the mouse button went down on: it is clicked if the button comes up there as well.
    armed: Option<Target>,
    /// Units of the wheel that do not make a row yet.
    wheel: i32,
    /// The card as it was drawn last; `None` if the backdrop is not drawn either.
    card: Option<Rectangle>,
    /// Something moved since it was drawn.
    is_stale: bool,
}

impl Screen {
    /// A desktop of this size with a page. `keyboard_layout` is `keyboardLayout` of the client's core data
    /// (MS-RDPBCGR 2.2.1.3.2); an unknown one is taken for US.
    pub fn new(width: u16, height: u16, keyboard_layout: u32, page: Page) -> Self {
        let canvas = Canvas::new(width, height);
        Self {
            look: Look::of(canvas.area()),
            canvas,
            keyboard: Keyboard::new(keyboard_layout),
            shown: page.into(),
            hot: Hot::default(),
            armed: None,
            wheel: 0,
            card: None,
            is_stale: true,
        }
    }

    /// Another page; keys and locks stay as they are.
    pub fn show(&mut self, page: Page) {
        self.shown = page.into();
        self.hot = Hot::default();
        self.armed = None;
        self.wheel = 0;
        self.is_stale = true;
    }

    /// The desktop has another size now; what was typed stays.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.canvas = Canvas::new(width, height);
        self.look = Look::of(self.canvas.area());
        self.hot = Hot::default();
        self.armed = None;
        self.card = None;
        self.is_stale = true;
    }

    /// How long a [`super::Progress`] has taken; other pages do not mind.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        if let Shown::Text(view) = &mut self.shown {
            self.is_stale |= view.set_elapsed(elapsed);
        }
    }

    /// An event of the client's. After anything but [`Outcome::None`] show another page.
    pub fn input(&mut self, input: Input) -> Outcome {
        match input {
            Input::Move { x, y } => {
                self.hover(x, y);
                Outcome::None
            }
            Input::Button { x, y, pressed } => self.button(x, y, pressed),
            Input::Wheel(units) => {
                self.turn(units);
                Outcome::None
            }
            Input::Scancode { .. } | Input::Unicode { .. } | Input::Locks { .. } => {
                self.keys(input)
            }
        }
    }

    fn keys(&mut self, input: Input) -> Outcome {
        let caps = self.keyboard.has_caps();
        let pressed = self.keyboard.take(input);
        self.is_stale |= caps != self.keyboard.has_caps();
        for key in pressed.into_iter().flatten() {
            self.has_moved();
            let outcome = self.shown.view().key(key);
            if outcome != Outcome::None {
                return outcome;
            }
        }
        Outcome::None
    }

    fn hover(&mut self, x: u16, y: u16) {
        let target = self.hot.at(x, y);
        if target != self.hot.hovered {
            self.hot.hovered = target;
            self.shown.view().hover(target);
            self.is_stale = true;
        }
    }

    fn button(&mut self, x: u16, y: u16, pressed: bool) -> Outcome {
        self.hover(x, y);
        let target = self.hot.hovered;
        if pressed {
            self.armed = target;
            return Outcome::None;
        }
        match self.armed.take() {
            Some(armed) if target == Some(armed) => {
                self.is_stale = true;
                self.shown.view().click(armed)
            }
            Some(_) | None => Outcome::None,
        }
    }

    /// Things are no longer where they were drawn: a click counts again once the user can have seen what it is on.
    fn has_moved(&mut self) {
        self.is_stale = true;
        self.armed = None;
        self.hot.clear();
    }

    fn turn(&mut self, units: i16) {
        self.wheel -= i32::from(units);
        let rows = self.wheel / WHEEL_ROW;
        self.wheel %= WHEEL_ROW;
        if rows != 0 {
            self.shown.view().scroll(isize::try_from(rows).unwrap_or(0));
            self.has_moved();
        }
    }

    /// What changed on the desktop since the last answer; all of it the first time.
    pub fn take_damage(&mut self) -> Vec<Rectangle> {
        self.draw();
        self.canvas.take_damage()
    }

    /// The client lost what it had, as after a reactivation or a Refresh Rect: everything counts as changed.
    pub fn forget_what_was_seen(&mut self) {
        self.canvas.forget_what_was_seen();
    }

    /// The desktop as it is.
    pub fn picture(&mut self) -> Picture<'_> {
        self.draw();
        self.canvas.picture()
    }

    /// What changed since the last answer, as fast-path PDUs; see [`paint::fast_path`].
    pub fn fast_path(&mut self, format: Format) -> impl Iterator<Item = Vec<u8>> {
        let damage = self.take_damage();
        let picture = self.canvas.picture();
        damage
            .into_iter()
            .flat_map(move |rectangle| paint::fast_path(picture, rectangle, format))
    }

    fn draw(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let look = self.look;
        let desktop = self.canvas.area();
        let width = look.inner_width(desktop);
        let view = self.shown.view();
        let (title, color) = view.heading();
        let title = look.title_lines(title, width);
        let is_roomy = desktop.height >= 360;
        let product = if is_roomy {
            look.small.line_height() + look.gap / 2
        } else {
            0
        };
        let header = Look::height(look.title, title.len()).saturating_add(product + look.gap);

        let card = look.card(desktop, header.saturating_add(view.height(&look, width)));
        if self.card != Some(card) {
            // Of a bigger card something would stay.
            self.canvas.fill(self.card.unwrap_or(desktop), BACKDROP);
            self.card = Some(card);
        }
        let mut rest = look.draw_card(&mut self.canvas, card, color);
        if product > 0 {
            let mut at = rest.cut_top(product);
            let at = at.cut_top(look.small.line_height());
            self.canvas.text(at, PRODUCT, look.small, ACCENT);
        }
        look.draw_lines(&mut self.canvas, &mut rest, &title, look.title, TEXT);
        rest.cut_top(look.gap);

        self.hot.clear();
        let mut brush = Brush {
            canvas: &mut self.canvas,
            hot: &mut self.hot,
            look,
            layout: self.keyboard.layout_name(),
            caps: self.keyboard.has_caps(),
        };
        view.draw(&mut brush, rest);
    }
}

#[cfg(test)]
mod tests;
