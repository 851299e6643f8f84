//! Lines to fill in.

use super::{Brush, Typed, View};
use crate::rdp::page::canvas::Color;
use crate::rdp::page::geometry::Rectangle;
use crate::rdp::page::keyboard::Key;
use crate::rdp::page::line::Line;
use crate::rdp::page::look::{ACCENT, Button, Look, MUTED, Scroll, TEXT, Target, WRONG};
use crate::rdp::page::pages::{Field, Form, Outcome};

/// What the button says that leaves.
const LEAVE: &str = "Cancel";

/// A line to fill in.
struct Entry {
    label: String,
    line: Line,
    is_required: bool,
}

impl Entry {
    fn is_missing(&self) -> bool {
        self.is_required && self.line.text().trim().is_empty()
    }
}

/// A form at work.
pub(in crate::rdp::page) struct FormView {
    title: String,
    explanation: String,
    complaint: String,
    entries: Vec<Entry>,
    button: String,
    /// Where the keyboard is: an entry, then the button that submits, then the one that leaves.
    focus: usize,
    /// An entry that has to be filled in and was not, when it was tried to submit.
    missing: Option<usize>,
    /// The first entry that is seen.
    first: usize,
}

impl From<Form> for FormView {
    fn from(form: Form) -> Self {
        let entry = |field: Field| Entry {
            line: Line::new(&field.value, field.is_secret),
            label: field.label,
            is_required: field.is_required,
        };
        let entries: Vec<Entry> = form.fields.into_iter().map(entry).collect();
        Self {
            title: form.title,
            explanation: form.explanation,
            complaint: form.complaint,
            // The first thing that is left to do.
            focus: entries
                .iter()
                .position(|entry| entry.line.text().is_empty())
                .unwrap_or(0),
            entries,
            button: form.button,
            missing: None,
            first: 0,
        }
    }
}

impl FormView {
    fn accept(&self) -> usize {
        self.entries.len()
    }

    fn cancel(&self) -> usize {
        self.entries.len() + 1
    }

    fn submit(&mut self) -> Outcome {
        self.missing = self.entries.iter().position(Entry::is_missing);
        if let Some(missing) = self.missing {
            self.focus = missing;
            return Outcome::None;
        }
        Outcome::Submitted(
            self.entries
                .iter()
                .map(|entry| entry.line.value())
                .collect(),
        )
    }

    fn entry_height(look: &Look) -> u16 {
        look.small.line_height() + 4 * look.zoom + look.box_height() + look.gap
    }

    fn draw_entry(&self, brush: &mut Brush, mut place: Rectangle, at: usize) {
        let look = brush.look;
        let Some(entry) = self.entries.get(at) else {
            return;
        };
        brush.hot.add(place, Target::Field(at));
        let is_missing = self.missing == Some(at);
        let note = match (is_missing, entry.is_required) {
            (true, _) => ": please fill this in",
            (false, true) => "",
            (false, false) => " (optional)",
        };
        let color = if is_missing { WRONG } else { MUTED };
        let label = format!("{}{note}", entry.label);
        brush.canvas.text(
            place.cut_top(look.small.line_height()),
            &label,
            look.small,
            color,
        );
        place.cut_top(4 * look.zoom);
        let state = match (self.focus == at, is_missing) {
            (true, true) => Typed::Wrong,
            (true, false) => Typed::Focused,
            (false, _) => Typed::Idle,
        };
        brush.typed(place.cut_top(look.box_height()), &entry.line, state);
    }

    fn draw_entries(&mut self, brush: &mut Brush, place: Rectangle) {
        let look = brush.look;
        // The last one's gap may be cut.
        let room = place.height.saturating_add(look.gap);
        let scroll = Scroll {
            first: self.first,
            shown: usize::from(room / Self::entry_height(&look)).max(1),
            all: self.entries.len(),
        };
        self.first = match self.focus < self.entries.len() {
            true => scroll.showing(self.focus),
            false => scroll.moved(0),
        };
        let scroll = Scroll {
            first: self.first,
            ..scroll
        };
        let mut rest = look.draw_scroll_bar(brush.canvas, place, scroll);
        for at in (self.first..self.entries.len()).take(scroll.shown) {
            let place = rest.cut_top(Self::entry_height(&look));
            self.draw_entry(brush, place, at);
        }
    }

    fn draw_footer(&self, brush: &mut Brush, mut row: Rectangle) {
        let look = brush.look;
        for (target, label, at) in [
            (Target::Accept, self.button.as_str(), self.accept()),
            (Target::Cancel, LEAVE, self.cancel()),
        ] {
            let button = Button {
                is_primary: target == Target::Accept,
                is_focused: self.focus == at,
                is_hovered: brush.is_hovered(target),
            };
            let place = look.draw_button(brush.canvas, &mut row, label, button);
            brush.hot.add(place, target);
        }
        let focused = self.entries.get(self.focus);
        let is_secret = focused.is_some_and(|entry| entry.line.is_secret());
        if is_secret && brush.caps {
            brush.canvas.text(row, "Caps Lock is on", look.small, WRONG);
        } else {
            let hint = format!("Keyboard: {}", brush.layout);
            brush.canvas.text(row, &hint, look.small, MUTED);
        }
    }
}

impl View for FormView {
    fn heading(&self) -> (&str, Color) {
        (&self.title, ACCENT)
    }

    fn height(&self, look: &Look, width: u16) -> u16 {
        let entries = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        let mut height = Self::entry_height(look).saturating_mul(entries);
        for text in [&self.explanation, &self.complaint] {
            let lines = look.wrapped(text, width).len();
            let gap = if lines > 0 { look.gap } else { 0 };
            height = height
                .saturating_add(Look::height(look.body, lines))
                .saturating_add(gap);
        }
        height.saturating_add(look.box_height())
    }

    fn draw(&mut self, brush: &mut Brush, mut place: Rectangle) {
        let look = brush.look;
        let footer = place.cut_bottom(look.box_height());
        self.draw_footer(brush, footer);
        place.cut_bottom(look.gap.min(place.height / 8));
        // There is always room for one line to fill in.
        let mut above = place.height.saturating_sub(Self::entry_height(&look));
        for (text, color) in [(&self.explanation, TEXT), (&self.complaint, WRONG)] {
            let lines = look.wrapped(text, place.width);
            let height = Look::height(look.body, lines.len());
            if lines.is_empty() || above == 0 {
                continue;
            }
            let mut at = place.cut_top(height.min(above));
            above = above.saturating_sub(height + look.gap);
            look.draw_lines(brush.canvas, &mut at, &lines, look.body, color);
            place.cut_top(look.gap);
        }
        self.draw_entries(brush, place);
    }

    fn key(&mut self, key: Key) -> Outcome {
        let stops = self.entries.len() + 2;
        match key {
            Key::Escape => return Outcome::Cancelled,
            Key::Tab | Key::Down => self.focus = (self.focus + 1) % stops,
            Key::BackTab | Key::Up => self.focus = (self.focus + stops - 1) % stops,
            Key::Enter | Key::Character(' ') if self.focus == self.cancel() => {
                return Outcome::Cancelled;
            }
            Key::Character(' ') if self.focus == self.accept() => return self.submit(),
            Key::Enter => return self.submit(),
            Key::Character(_)
            | Key::Backspace
            | Key::Delete
            | Key::End
            | Key::EraseAll
            | Key::Home
            | Key::Left
            | Key::PageDown
            | Key::PageUp
            | Key::Right => {
                if let Some(entry) = self.entries.get_mut(self.focus) {
                    entry.line.take(key);
                    self.missing = self.missing.filter(|&at| at != self.focus);
                }
            }
        }
        Outcome::None
    }

    fn click(&mut self, target: Target) -> Outcome {
        match target {
            Target::Accept => return self.submit(),
            Target::Cancel => return Outcome::Cancelled,
            Target::Field(at) => self.focus = at,
            Target::Row(_) => {}
        }
        Outcome::None
    }

    fn hover(&mut self, _: Option<Target>) {}

    fn scroll(&mut self, rows: isize) {
        let last = self.entries.len().saturating_sub(1);
        self.focus = self.focus.saturating_add_signed(rows.signum()).min(last);
    }
}
