//! The menu without a cursor to move: a numbered list, and a line that is read.

use std::fmt::Write;

use super::rows::Rows;
use super::text::paragraphs;

/// What a line did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// Nothing that ends the choosing.
    Nothing,
    /// This one.
    Row(usize),
    /// She leaves.
    Leave,
}

/// Where the choosing stands.
#[derive(Debug)]
pub struct Numbered {
    matches: Vec<usize>,
    /// How many of the matches have been shown.
    shown: usize,
}

impl Numbered {
    /// Nothing shown yet.
    pub fn new(rows: &Rows) -> Self {
        Self {
            matches: rows.matching(""),
            shown: 0,
        }
    }

    /// The next lines of the list, `height` at most, and what to do with it. The prompt is last, without a line end.
    pub fn next_page(&mut self, rows: &Rows, (wide, height): (usize, usize)) -> String {
        let digits = self.matches.len().to_string().len();
        let most = wide.saturating_sub(digits + 3).max(1);
        let mut page = String::new();
        let until = self
            .shown
            .saturating_add(height.max(1))
            .min(self.matches.len());
        for place in self.shown..until {
            let line = rows.line(self.matches[place], most);
            // Writing to a string cannot fail.
            let _ = writeln!(page, "{:>digits$}. {line}", place + 1);
        }
        self.shown = until;
        page + &self.prompt()
    }

    fn prompt(&self) -> String {
        let left = self.matches.len() - self.shown;
        let more = match left {
            0 => String::new(),
            left => format!("; Enter shows more ({left})"),
        };
        format!("Number, or text to filter{more}; q leaves: ")
    }

    /// The prompt again, after a notice.
    pub fn notice(&self, text: &str) -> String {
        format!("{}\n{}", paragraphs(text), self.prompt())
    }

    /// A line that was typed. What is to be written goes into `out`.
    pub fn line(
        &mut self,
        line: &str,
        rows: &Rows,
        size: (usize, usize),
        out: &mut String,
    ) -> Answered {
        let line = line.trim();
        if line.is_empty() {
            if self.shown >= self.matches.len() {
                self.shown = 0;
            }
            out.push_str(&self.next_page(rows, size));
            return Answered::Nothing;
        }
        if line == "q" || line == "quit" || line == "exit" {
            return Answered::Leave;
        }
        if let Ok(number) = line.parse::<usize>() {
            let chosen = number.checked_sub(1).and_then(|at| self.matches.get(at));
            if let Some(at) = chosen {
                return Answered::Row(*at);
            }
            let last = self.matches.len();
            out.push_str(&self.notice(&format!("There is no number {number}, only 1 to {last}.")));
            return Answered::Nothing;
        }
        // Somebody who knows where she goes need not count.
        if let Some(at) = rows.only_on(line) {
            return Answered::Row(at);
        }
        let found = rows.matching(line.strip_prefix('/').unwrap_or(line));
        if found.is_empty() {
            out.push_str(&self.notice("Nothing matches; the list is as before."));
            return Answered::Nothing;
        }
        (self.matches, self.shown) = (found, 0);
        out.push_str(&self.next_page(rows, size));
        Answered::Nothing
    }

    /// From the beginning again, with everything.
    pub fn reset(&mut self, rows: &Rows) {
        *self = Self::new(rows);
    }
}
