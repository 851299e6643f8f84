//! What the gateway lays over a target's picture: a page that hides it while a session is locked, and notices at its top.
//!
//! An overlay keeps no copy of what is below it: whoever takes it away paints that anew from the decoder's picture.

use super::canvas::{Canvas, Color};
use super::geometry::Rectangle;
use super::look::{ACCENT, BACKDROP, CARD, EDGE, Look, TEXT, color_of};
use super::pages::Tone;
use super::paint::{self, Format};
use super::picture::{Picture, PixelOrder};
use super::share::ShareAddress;
use super::text::wrap;

/// Above the title: who is speaking.
const PRODUCT: &str = "Sallyport";
/// Lines of text that a notice at the top has at most: it must not hide the work.
const MOST_LINES: usize = 8;

/// Something that covers a part of a client's desktop, or all of it.
///
/// To cover, send [`Overlay::fast_path`]; when the target drew over it, [`Overlay::fast_path_within`] where it did; to take
/// it away, paint what [`Overlay::uncovered`] names.
pub struct Overlay {
    /// The box with the text.
    canvas: Canvas,
    /// Where on the desktop the box is.
    place: Rectangle,
    /// All that is covered.
    covered: Rectangle,
    /// A row of the color around the box.
    around: Vec<u8>,
}

impl Overlay {
    /// Hides a desktop of this size behind a page with a title and paragraphs; the box has what of them fits.
    pub fn lock(width: u16, height: u16, title: &str, paragraphs: &[String]) -> Self {
        let desktop = Rectangle::new(0, 0, width, height);
        let look = Look::of(desktop);
        let across = look.inner_width(desktop);
        let words = Words::new(&look, across, title, &paragraphs.join("\n"), usize::MAX);
        let place = look.card(desktop, words.height(&look));
        let mut canvas = Canvas::new(place.width, place.height);
        let card = canvas.area();
        let inner = look.draw_card(&mut canvas, card, color_of(Tone::Wait));
        words.draw(&look, &mut canvas, inner);
        Self {
            canvas,
            place,
            covered: desktop,
            around: row(BACKDROP, width),
        }
    }

    /// A notice in the middle of the top of a desktop of this size, such as a message or a warning before the deadline.
    /// A text of more than eight lines is cut.
    pub fn notice(width: u16, height: u16, tone: Tone, title: &str, text: &str) -> Self {
        let desktop = Rectangle::new(0, 0, width, height);
        let look = Look::of(desktop);
        let padding = look.padding / 2;
        let across = look.inner_width(desktop);
        let words = Words::new(&look, across, title, text, MOST_LINES);
        let mut room = desktop.inset(padding, 0);
        room.cut_top(padding);
        let size = (
            across + 2 * padding,
            words.height(&look).saturating_add(2 * padding),
        );
        let place = Rectangle {
            top: room.top,
            ..room.centred(size.0, size.1)
        };
        let mut canvas = Canvas::new(place.width, place.height);
        let card = canvas.area();
        canvas.fill(card, CARD);
        canvas.frame(card, look.zoom, EDGE);
        let mut mark = card;
        canvas.fill(mark.cut_left(4 * look.zoom), color_of(tone));
        words.draw(&look, &mut canvas, card.inset(padding, padding));
        Self {
            canvas,
            place,
            covered: place,
            around: Vec::new(),
        }
    }

    /// What of the desktop it covers.
    pub fn covered(&self) -> Rectangle {
        self.covered
    }

    /// What has to be painted from the picture below once this one is gone and `next` is there instead.
    pub fn uncovered(&self, next: Option<&Self>) -> Vec<Rectangle> {
        match next {
            Some(next) => self.covered.without(&next.covered),
            None => self.covered.without(&Rectangle::default()),
        }
    }

    /// All of it as fast-path PDUs; see [`paint::fast_path`].
    pub fn fast_path(&self, format: Format) -> impl Iterator<Item = Vec<u8>> {
        self.fast_path_within(self.covered, format)
    }

    /// What of it lies in a part of the desktop, because the target drew there.
    pub fn fast_path_within(
        &self,
        part: Rectangle,
        format: Format,
    ) -> impl Iterator<Item = Vec<u8>> {
        self.pieces(part)
            .into_iter()
            .flat_map(move |(picture, piece)| paint::fast_path(picture, piece, format))
    }

    /// All of it for a client without fast-path output; see [`paint::slow_path`].
    pub fn slow_path(
        &self,
        format: Format,
        address: ShareAddress,
    ) -> impl Iterator<Item = Vec<u8>> {
        self.pieces(self.covered)
            .into_iter()
            .flat_map(move |(picture, piece)| paint::slow_path(picture, piece, format, address))
    }

    /// The box, then what is around it.
    fn pieces(&self, part: Rectangle) -> Vec<(Picture<'_>, Rectangle)> {
        let part = part.intersection(&self.covered);
        let card = self.canvas.picture_at(self.place.left, self.place.top);
        let mut pieces = vec![(card, part.intersection(&self.place))];
        // Without a row there is nothing around.
        if let Ok(around) = Picture::new(&self.around, self.covered, 0, PixelOrder::Rgb) {
            let rest = part.without(&self.place).into_iter();
            pieces.extend(rest.map(|piece| (around, piece)));
        }
        pieces
    }
}

/// Pixels of one color.
fn row(color: Color, width: u16) -> Vec<u8> {
    [color.0, color.1, color.2].repeat(usize::from(width))
}

/// The text of an overlay, in lines.
struct Words {
    title: Vec<String>,
    text: Vec<String>,
}

impl Words {
    fn new(look: &Look, width: u16, title: &str, text: &str, most: usize) -> Self {
        let mut text = wrap(text, look.body.columns_in(width));
        if text.len() > most {
            // What is left over goes on the last line and ends in an ellipsis there.
            let rest = text.split_off(most.saturating_sub(1)).join(" ");
            text.push(rest);
        }
        Self {
            title: look.title_lines(title, width),
            text,
        }
    }

    fn height(&self, look: &Look) -> u16 {
        let gaps = look.gap / 2 * (1 + u16::from(!self.text.is_empty()));
        Look::height(look.small, 1)
            .saturating_add(Look::height(look.title, self.title.len()))
            .saturating_add(Look::height(look.body, self.text.len()))
            .saturating_add(gaps)
    }

    fn draw(&self, look: &Look, canvas: &mut Canvas, mut place: Rectangle) {
        let product = place.cut_top(look.small.line_height());
        canvas.text(product, PRODUCT, look.small, ACCENT);
        place.cut_top(look.gap / 2);
        look.draw_lines(canvas, &mut place, &self.title, look.title, TEXT);
        place.cut_top(look.gap / 2);
        look.draw_lines(canvas, &mut place, &self.text, look.body, TEXT);
    }
}

#[cfg(test)]
mod tests;
