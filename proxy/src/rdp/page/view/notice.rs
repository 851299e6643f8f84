//! A notice, and progress: text to read.

use std::time::Duration;

use super::{Brush, View};
use crate::rdp::page::canvas::Color;
use crate::rdp::page::geometry::Rectangle;
use crate::rdp::page::keyboard::Key;
use crate::rdp::page::look::{
    ACCENT, Button, EDGE, Look, MUTED, Scroll, TEXT, Target, WELL, color_of,
};
use crate::rdp::page::pages::{Notice, Outcome, Progress};
use crate::rdp::page::text::{columns, wrap};

/// Parts that the bar of a progress page is divided into; one lights up each second.
const PARTS: u16 = 8;

/// A page of text that scrolls.
pub(in crate::rdp::page) struct NoticeView {
    title: String,
    paragraphs: String,
    color: Color,
    hint: String,
    button: Option<String>,
    /// On a progress page.
    elapsed: Option<Duration>,
    scroll: Scroll,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self {
            title: notice.title,
            paragraphs: notice.lines.join("\n"),
            color: color_of(notice.tone),
            hint: notice.hint,
            button: notice.button,
            elapsed: None,
            scroll: TOP,
        }
    }
}

impl From<Progress> for NoticeView {
    fn from(progress: Progress) -> Self {
        Self {
            title: progress.title,
            paragraphs: progress.lines.join("\n"),
            color: ACCENT,
            hint: progress.hint,
            button: None,
            elapsed: Some(progress.elapsed),
            scroll: TOP,
        }
    }
}

const TOP: Scroll = Scroll {
    first: 0,
    shown: 1,
    all: 0,
};

impl NoticeView {
    /// True if that can be seen.
    pub fn set_elapsed(&mut self, elapsed: Duration) -> bool {
        let before = self.elapsed;
        if let Some(shown) = &mut self.elapsed {
            *shown = elapsed;
        }
        before.is_some_and(|before| before.as_secs() != elapsed.as_secs())
    }

    /// The hint in lines, and whether it is beside the button rather than above it.
    fn hint_lines(&self, look: &Look, width: u16) -> (Vec<String>, bool) {
        let label = self.button.as_deref().map_or(0, columns);
        let button = label.saturating_mul(look.body.cell_width()) + 2 * look.side() + look.gap;
        let beside = look.small.columns_in(width.saturating_sub(button));
        let lines = wrap(&self.hint, look.small.columns_in(width));
        let is_beside = self.button.is_some() && columns(&self.hint) <= beside && lines.len() == 1;
        (lines, is_beside)
    }

    /// Pixels of the button and the hint, with the gap above them.
    fn footer(&self, look: &Look, width: u16) -> u16 {
        let (hint, is_beside) = self.hint_lines(look, width);
        let above = match hint.len() {
            0 => 0,
            _ if is_beside => 0,
            lines => Look::height(look.small, lines).saturating_add(look.gap),
        };
        let button = match self.button {
            Some(_) => look.box_height() + look.gap,
            None => 0,
        };
        above.saturating_add(button)
    }

    /// Pixels of the bar and the seconds, with the gap above them.
    fn progress(&self, look: &Look) -> u16 {
        match self.elapsed {
            Some(_) => look.gap + 6 * look.zoom + look.gap / 2 + look.small.line_height(),
            None => 0,
        }
    }

    fn draw_progress(&self, brush: &mut Brush, mut place: Rectangle) {
        let Some(elapsed) = self.elapsed else {
            return;
        };
        let look = brush.look;
        place.cut_top(look.gap);
        let mut bar = place.cut_top(6 * look.zoom);
        brush.canvas.fill(bar, WELL);
        // To and fro: nobody knows how long it takes.
        let turn = u64::from(2 * (PARTS - 1));
        let at = elapsed.as_secs() % turn;
        let part = u16::try_from(at.min(turn - at)).unwrap_or(0);
        let width = bar.width / PARTS;
        bar.cut_left(width * part);
        brush.canvas.fill(bar.cut_left(width), ACCENT);
        place.cut_top(look.gap / 2);
        let seconds = place.cut_top(look.small.line_height());
        brush
            .canvas
            .text(seconds, &in_words(elapsed), look.small, MUTED);
    }

    fn draw_footer(&self, brush: &mut Brush, mut place: Rectangle) {
        let look = brush.look;
        place.cut_top(look.gap);
        let (hint, is_beside) = self.hint_lines(&look, place.width);
        let mut row = match self.button {
            Some(_) => place.cut_bottom(look.box_height()),
            None => Rectangle::default(),
        };
        if let Some(label) = &self.button {
            let button = Button {
                is_primary: true,
                is_focused: true,
                is_hovered: brush.is_hovered(Target::Accept),
            };
            let at = look.draw_button(brush.canvas, &mut row, label, button);
            brush.hot.add(at, Target::Accept);
        }
        if is_beside {
            brush.canvas.text(row, &self.hint, look.small, MUTED);
        } else {
            look.draw_lines(brush.canvas, &mut place, &hint, look.small, MUTED);
        }
    }
}

impl View for NoticeView {
    fn heading(&self) -> (&str, Color) {
        (&self.title, self.color)
    }

    fn height(&self, look: &Look, width: u16) -> u16 {
        let lines = look.wrapped(&self.paragraphs, width).len();
        Look::height(look.body, lines)
            .saturating_add(self.footer(look, width))
            .saturating_add(self.progress(look))
    }

    fn draw(&mut self, brush: &mut Brush, mut place: Rectangle) {
        let look = brush.look;
        let footer = place.cut_bottom(self.footer(&look, place.width));
        self.draw_footer(brush, footer);
        let progress = place.cut_bottom(self.progress(&look));
        self.draw_progress(brush, progress);

        let height = look.body.line_height();
        let shown = usize::from(place.height / height);
        let mut lines = look.wrapped(&self.paragraphs, place.width);
        if lines.len() > shown {
            // Narrower, for the scroll bar.
            lines = look.wrapped(
                &self.paragraphs,
                place.width.saturating_sub(4 * look.zoom + look.gap / 2),
            );
        }
        self.scroll = Scroll {
            first: self.scroll.first,
            shown,
            all: lines.len(),
        };
        self.scroll.first = self.scroll.moved(0);
        let seen = lines.get(self.scroll.first..).unwrap_or(&[]);
        let mut text = look.draw_scroll_bar(brush.canvas, place, self.scroll);
        look.draw_lines(brush.canvas, &mut text, seen, look.body, TEXT);
        if self.elapsed.is_none() && self.scroll.shown < self.scroll.all {
            let line = Rectangle::new(place.left, place.bottom(), place.width, look.zoom);
            brush.canvas.fill(line, EDGE);
        }
    }

    fn key(&mut self, key: Key) -> Outcome {
        match key {
            Key::Escape => return Outcome::Cancelled,
            Key::Enter if self.elapsed.is_none() => return Outcome::Submitted(Vec::new()),
            Key::Up => self.scroll(-1),
            Key::Down => self.scroll(1),
            Key::PageUp => self.scroll(-self.page()),
            Key::PageDown | Key::Character(' ') => self.scroll(self.page()),
            Key::Home => self.scroll.first = 0,
            Key::End => self.scroll(isize::MAX),
            Key::Character(_)
            | Key::Backspace
            | Key::BackTab
            | Key::Delete
            | Key::Enter
            | Key::EraseAll
            | Key::Left
            | Key::Right
            | Key::Tab => {}
        }
        Outcome::None
    }

    fn click(&mut self, target: Target) -> Outcome {
        match target {
            Target::Accept => Outcome::Submitted(Vec::new()),
            Target::Cancel | Target::Row(_) | Target::Field(_) => Outcome::None,
        }
    }

    fn hover(&mut self, _: Option<Target>) {}

    fn scroll(&mut self, rows: isize) {
        self.scroll.first = self.scroll.moved(rows);
    }
}

impl NoticeView {
    /// Lines that one page down goes: one is seen on both.
    fn page(&self) -> isize {
        isize::try_from(self.scroll.shown).unwrap_or(1).max(2) - 1
    }
}

/// “5 s”, “1 min 5 s”.
fn in_words(elapsed: Duration) -> String {
    match (elapsed.as_secs() / 60, elapsed.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
