//! A list to choose from, filtered by what is typed.

use super::{Brush, Typed, View};
use crate::rdp::page::canvas::Color;
use crate::rdp::page::geometry::Rectangle;
use crate::rdp::page::keyboard::Key;
use crate::rdp::page::line::Line;
use crate::rdp::page::look::{ACCENT, Button, CHOSEN, Look, MUTED, Scroll, TEXT, Target};
use crate::rdp::page::pages::{Choice, Outcome};
use crate::rdp::page::text::columns;

/// Rows that a list would like to show at most.
const MOST_ROWS: usize = 12;
/// What the buttons say.
const LEAVE: &str = "Cancel";
/// What the keys do.
const HINT: &str = "Type to filter, Enter to choose";

/// One row, ready to be searched.
struct Row {
    label: String,
    detail: String,
    /// Label and detail in small letters.
    searched: String,
}

/// A list at work.
pub(in crate::rdp::page) struct ChoiceView {
    title: String,
    prompt: String,
    rows: Vec<Row>,
    /// Columns of the longest label.
    label_columns: u16,
    filter: Line,
    /// The rows that the filter leaves.
    matches: Vec<usize>,
    /// Which of those is chosen by Enter.
    selected: usize,
    scroll: Scroll,
    /// The selected row was moved by keys: it has to be seen.
    follows: bool,
}

impl From<Choice> for ChoiceView {
    fn from(choice: Choice) -> Self {
        let row = |item: crate::rdp::page::pages::Item| Row {
            searched: format!("{}\n{}", item.label, item.detail).to_lowercase(),
            label: item.label,
            detail: item.detail,
        };
        let rows: Vec<Row> = choice.items.into_iter().map(row).collect();
        let mut view = Self {
            title: choice.title,
            prompt: choice.prompt,
            label_columns: rows
                .iter()
                .map(|row| columns(&row.label))
                .max()
                .unwrap_or(0),
            filter: Line::new(&choice.filter, false),
            matches: Vec::new(),
            selected: 0,
            scroll: Scroll {
                first: 0,
                shown: 1,
                all: rows.len(),
            },
            rows,
            follows: true,
        };
        view.search();
        view
    }
}

impl ChoiceView {
    /// Leaves the rows in which every word of the filter occurs.
    fn search(&mut self) {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let rows = self.rows.iter().enumerate();
        self.matches = rows
            .filter(|(_, row)| words.iter().all(|word| row.searched.contains(word)))
            .map(|(index, _)| index)
            .collect();
        // What is called so comes before what is only described so; a stable sort keeps the rest.
        if let Some(first) = words.first() {
            let label = |index: &usize| self.rows.get(*index).map(|row| row.label.to_lowercase());
            self.matches
                .sort_by_key(|index| !label(index).is_some_and(|label| label.contains(first)));
        }
        self.selected = 0;
        self.scroll.first = 0;
        self.scroll.all = self.matches.len();
    }

    fn choose(&self) -> Outcome {
        match self.matches.get(self.selected) {
            Some(index) => Outcome::Chosen(*index),
            None => Outcome::None,
        }
    }

    fn select(&mut self, by: isize) {
        let last = self.matches.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.follows = true;
    }

    fn page(&self) -> isize {
        isize::try_from(self.scroll.shown).unwrap_or(1).max(2) - 1
    }

    fn draw_filter(&self, brush: &mut Brush, place: Rectangle) {
        let look = brush.look;
        let state = if self.rows.is_empty() {
            Typed::Idle
        } else {
            Typed::Focused
        };
        brush.typed(place, &self.filter, state);
        if self.rows.is_empty() {
            return;
        }
        let mut inside = place.inset(look.side(), 0);
        let count = match self.matches.len() == self.rows.len() {
            true => self.rows.len().to_string(),
            false => format!("{} of {}", self.matches.len(), self.rows.len()),
        };
        let width = columns(&count).saturating_mul(look.small.cell_width());
        // Not over what is being typed.
        let typed = (self.filter.cursor_columns() + 2).saturating_mul(look.body.cell_width());
        if typed.saturating_add(width) < inside.width {
            let right = inside.cut_right(width);
            brush.canvas.text(right, &count, look.small, MUTED);
        }
    }

    fn draw_rows(&mut self, brush: &mut Brush, place: Rectangle) {
        let look = brush.look;
        self.scroll.shown = usize::from(place.height / look.row_height().max(1));
        self.scroll.first = if std::mem::take(&mut self.follows) {
            self.scroll.showing(self.selected)
        } else {
            self.scroll.moved(0)
        };
        let mut rest = look.draw_scroll_bar(brush.canvas, place, self.scroll);
        if self.matches.is_empty() {
            let text = if self.rows.is_empty() {
                "There is nothing to choose from."
            } else {
                "Nothing matches."
            };
            brush
                .canvas
                .text(rest.cut_top(look.row_height()), text, look.body, MUTED);
        }
        let seen = self.matches.iter().enumerate().skip(self.scroll.first);
        for (at, index) in seen.take(self.scroll.shown) {
            let place = rest.cut_top(look.row_height());
            brush.hot.add(place, Target::Row(at));
            if let Some(row) = self.rows.get(*index) {
                self.draw_row(brush, place, row, at == self.selected);
            }
        }
    }

    fn draw_row(&self, brush: &mut Brush, place: Rectangle, row: &Row, is_selected: bool) {
        let look = brush.look;
        if is_selected {
            brush.canvas.fill(place, CHOSEN);
            let mut mark = place;
            brush.canvas.fill(mark.cut_left(3 * look.zoom), ACCENT);
        }
        let face = if is_selected { look.strong } else { look.body };
        let mut inside = place.inset(look.side(), 0);
        let wanted = self.label_columns.saturating_mul(look.body.cell_width());
        let most = if row.detail.is_empty() {
            inside.width
        } else {
            inside.width / 2
        };
        let label = inside.cut_left(wanted.min(most));
        brush.canvas.text(label, &row.label, face, TEXT);
        inside.cut_left(2 * look.body.cell_width());
        let color = if is_selected { TEXT } else { MUTED };
        brush.canvas.text(inside, &row.detail, look.body, color);
    }

    fn draw_footer(&self, brush: &mut Brush, mut row: Rectangle) {
        let look = brush.look;
        let button = Button {
            is_hovered: brush.is_hovered(Target::Cancel),
            ..Button::default()
        };
        let at = look.draw_button(brush.canvas, &mut row, LEAVE, button);
        brush.hot.add(at, Target::Cancel);
        if !self.rows.is_empty() {
            brush.canvas.text(row, HINT, look.small, MUTED);
        }
    }
}

impl View for ChoiceView {
    fn heading(&self) -> (&str, Color) {
        (&self.title, ACCENT)
    }

    fn height(&self, look: &Look, width: u16) -> u16 {
        let prompt = look.wrapped(&self.prompt, width).len();
        let rows = u16::try_from(self.rows.len().clamp(1, MOST_ROWS)).unwrap_or(1);
        let gaps = look.gap * (2 + u16::from(prompt > 0));
        Look::height(look.body, prompt)
            .saturating_add(2 * look.box_height() + gaps)
            .saturating_add(rows * look.row_height())
    }

    fn draw(&mut self, brush: &mut Brush, mut place: Rectangle) {
        let look = brush.look;
        let footer = place.cut_bottom(look.box_height());
        self.draw_footer(brush, footer);
        place.cut_bottom(look.gap);
        let prompt = look.wrapped(&self.prompt, place.width);
        // The list matters more than the words above it.
        let height = Look::height(look.body, prompt.len());
        if !prompt.is_empty() && height < place.height / 2 {
            let mut above = place.cut_top(height);
            look.draw_lines(brush.canvas, &mut above, &prompt, look.body, MUTED);
            place.cut_top(look.gap);
        }
        let filter = place.cut_top(look.box_height());
        self.draw_filter(brush, filter);
        place.cut_top(look.gap);
        self.draw_rows(brush, place);
    }

    fn key(&mut self, key: Key) -> Outcome {
        match key {
            Key::Enter => return self.choose(),
            Key::Escape => return Outcome::Cancelled,
            Key::Up | Key::BackTab => self.select(-1),
            Key::Down | Key::Tab => self.select(1),
            Key::PageUp => self.select(-self.page()),
            Key::PageDown => self.select(self.page()),
            Key::Home => self.select(isize::MIN),
            Key::End => self.select(isize::MAX),
            // Its cursor stays at its end: Home and End are the list's.
            Key::Left | Key::Right | Key::Delete => {}
            Key::Character(_) | Key::Backspace | Key::EraseAll => {
                self.filter.take(key);
                self.search();
                self.follows = true;
            }
        }
        Outcome::None
    }

    fn click(&mut self, target: Target) -> Outcome {
        match target {
            Target::Row(at) => {
                self.selected = at;
                self.choose()
            }
            Target::Cancel => Outcome::Cancelled,
            Target::Accept | Target::Field(_) => Outcome::None,
        }
    }

    fn hover(&mut self, target: Option<Target>) {
        if let Some(Target::Row(at)) = target {
            self.selected = at;
        }
    }

    fn scroll(&mut self, rows: isize) {
        self.scroll.first = self.scroll.moved(rows);
    }
}
