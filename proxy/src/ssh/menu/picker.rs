//! The menu on a terminal that can move its cursor: a filter, a list, and a marked line in it.

use super::keys::Key;
use super::painter::{Frame, MARK};
use super::question::edit;
use super::rows::Rows;
use super::text::{columns, fit, paragraphs, wrap};

/// Fewest lines of the list; below that, the explanations go first.
const FEWEST: usize = 3;
/// What stands before the text typed.
const FILTER: &str = "Filter: ";

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// Nothing that ends the choosing.
    Nothing,
    /// This one.
    Row(usize),
    /// She leaves; interrupted, or in peace.
    Leave {
        /// By Ctrl+C?
        interrupted: bool,
    },
    /// The screen is to be painted anew.
    Repaint,
}

/// Where the choosing stands.
#[derive(Debug)]
pub struct Picker {
    user: String,
    filter: String,
    matches: Vec<usize>,
    /// Which of the matches is marked.
    selected: usize,
    /// Which of the matches is the first one shown.
    top: usize,
    /// The cursor stays at the list after moving in it, and at the filter after typing.
    in_list: bool,
    /// Why she is back here.
    notice: String,
    /// `q` leaves unless something begins with it.
    q_leaves: bool,
    height: usize,
}

impl Picker {
    /// For this user.
    pub fn new(user: &str, rows: &Rows) -> Self {
        Self {
            user: super::text::label(user),
            filter: String::new(),
            matches: rows.matching(""),
            selected: 0,
            top: 0,
            in_list: false,
            notice: String::new(),
            q_leaves: !rows.any_word_begins_with('q'),
            height: FEWEST,
        }
    }

    /// Says why she is back.
    pub fn notice(&mut self, text: &str) {
        self.notice = paragraphs(text);
    }

    /// One key.
    pub fn key(&mut self, key: Key, rows: &Rows) -> Picked {
        let page = self.height.saturating_sub(1).max(1);
        match key {
            Key::Char('q') if self.filter.is_empty() && self.q_leaves => {
                return Picked::Leave { interrupted: false };
            }
            Key::Ctrl('c') => return Picked::Leave { interrupted: true },
            Key::Ctrl('d') if self.filter.is_empty() => {
                return Picked::Leave { interrupted: false };
            }
            Key::Ctrl('l') => return Picked::Repaint,
            Key::Enter => {
                let chosen = self.matches.get(self.selected);
                return chosen.map_or(Picked::Nothing, |at| Picked::Row(*at));
            }
            Key::Up | Key::Ctrl('p') => self.select(self.selected.saturating_sub(1)),
            Key::Down | Key::Ctrl('n') => self.select(self.selected + 1),
            Key::PageUp => self.select(self.selected.saturating_sub(page)),
            Key::PageDown => self.select(self.selected + page),
            Key::Home => self.select(0),
            Key::End => self.select(usize::MAX),
            Key::Escape => self.narrow(rows, Key::Ctrl('u')),
            // Wherever somebody's hands expect a search to begin with it.
            Key::Char('/') if self.filter.is_empty() => {}
            Key::Char(_) | Key::Backspace | Key::Ctrl(_) => self.narrow(rows, key),
            Key::Other => {}
        }
        Picked::Nothing
    }

    fn select(&mut self, wanted: usize) {
        self.selected = wanted.min(self.matches.len().saturating_sub(1));
        self.in_list = true;
    }

    fn narrow(&mut self, rows: &Rows, key: Key) {
        let before = self.filter.clone();
        edit(&mut self.filter, key);
        self.in_list = false;
        if self.filter != before {
            self.matches = rows.matching(&self.filter);
            (self.selected, self.top) = (0, 0);
        }
    }

    /// What is to be seen on a terminal of that size.
    pub fn frame(&mut self, rows: &Rows, (wide, high): (usize, usize)) -> Frame {
        // The last column stays empty: what is written there makes some terminals wrap.
        let most = wide.saturating_sub(1).max(1);
        let mut lines = self.explanations(most, high);
        let filter_at = lines.len();
        let room = most.saturating_sub(columns(FILTER));
        lines.push(format!("{FILTER}{}", end_of(&self.filter, room)));
        self.height = high
            .saturating_sub(lines.len() + 1)
            .clamp(1, self.matches.len().max(1));
        self.scroll();
        let mut cursor = (filter_at, columns(&lines[filter_at]));
        for (place, at) in self
            .matches
            .iter()
            .enumerate()
            .skip(self.top)
            .take(self.height)
        {
            let marked = place == self.selected;
            if marked && self.in_list {
                cursor = (lines.len(), 0);
            }
            let line = rows.line(*at, most.saturating_sub(MARK.len()));
            lines.push(format!("{}{line}", if marked { MARK } else { "  " }));
        }
        lines.push(fit(&self.status(rows), most));
        Frame { lines, cursor }
    }

    /// Above the list: why she is back, and what keys do. What does not fit is left out.
    fn explanations(&self, most: usize, high: usize) -> Vec<String> {
        let room = high.saturating_sub(FEWEST + 2);
        let leave = if self.q_leaves {
            "q or Ctrl-C"
        } else {
            "Ctrl-C"
        };
        let keys = format!(
            "{}, choose where to go. Type to filter, move with the arrow keys, Enter connects, {leave} leaves.",
            self.user
        );
        let mut lines = wrap(&keys, most);
        if lines.len() > room {
            lines.clear();
        }
        let mut notice = wrap(&self.notice, most);
        notice.truncate(room.saturating_sub(lines.len()));
        notice.extend(lines);
        notice
    }

    fn status(&self, rows: &Rows) -> String {
        let (found, all) = (self.matches.len(), rows.len());
        if found == 0 {
            return "Nothing matches. Backspace widens the filter, Escape clears it.".to_owned();
        }
        let place = self.selected + 1;
        let more = found > self.height;
        let more = if more { "; Page Down shows more" } else { "" };
        if found == all {
            format!("{place} of {all}{more}")
        } else {
            format!("{place} of {found} that match, of {all}{more}")
        }
    }

    /// Brings the marked line into view.
    fn scroll(&mut self) {
        let last_top = self.matches.len().saturating_sub(self.height);
        let lowest = (self.selected + 1).saturating_sub(self.height);
        self.top = self
            .top
            .clamp(lowest, self.selected.max(lowest))
            .min(last_top);
    }
}

/// As much of the end as fits.
fn end_of(text: &str, most: usize) -> String {
    let mut end: Vec<char> = Vec::new();
    let mut used = 0;
    for c in text.chars().rev() {
        used += super::text::columns_of(c);
        if used > most {
            break;
        }
        end.push(c);
    }
    end.into_iter().rev().collect()
}
