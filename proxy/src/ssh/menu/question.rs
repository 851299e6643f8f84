//! What has to be said before a session: notes and ticket.

use sallyport_domain::policy::Offer;

use super::keys::Key;

/// Longest answer, in characters.
const LONGEST: usize = 1000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Why the session is needed.
    Notes,
    /// The number of a ticket.
    Ticket,
}

impl Question {
    /// In words, before the answer.
    pub fn prompt(self) -> &'static str {
        match self {
            Self::Notes => "Notes (why you need this session): ",
            Self::Ticket => "Ticket number: ",
        }
    }

    /// When nothing was answered.
    pub fn insist(self) -> &'static str {
        match self {
            Self::Notes => "Notes are required here. Ctrl-C goes back.",
            Self::Ticket => "A ticket number is required here. Ctrl-C goes back.",
        }
    }
}

/// An offer that was chosen, and what has been answered so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its place among the offers.
    pub at: usize,
    /// Why.
    pub notes: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
}

impl Order {
    /// Nothing answered yet.
    pub fn new(at: usize) -> Self {
        Self {
            at,
            notes: None,
            ticket: None,
        }
    }

    /// What is still to be asked.
    pub fn open(&self, offer: &Offer) -> Option<Question> {
        if offer.needs_notes && self.notes.is_none() {
            Some(Question::Notes)
        } else if offer.needs_ticket && self.ticket.is_none() {
            Some(Question::Ticket)
        } else {
            None
        }
    }

    /// Takes an answer; false if it says nothing.
    pub fn answer(&mut self, question: Question, answer: &str) -> bool {
        let answer = answer.trim();
        if answer.is_empty() {
            return false;
        }
        let slot = match question {
            Question::Notes => &mut self.notes,
            Question::Ticket => &mut self.ticket,
        };
        *slot = Some(answer.to_owned());
        true
    }
}

/// What a key does to a line that is typed.
pub fn edit(line: &mut String, key: Key) {
    match key {
        Key::Char(c) if line.chars().count() < LONGEST => line.push(c),
        Key::Backspace => drop(line.pop()),
        Key::Ctrl('u') => line.clear(),
        Key::Ctrl('w') => {
            let kept = line.trim_end();
            let kept = kept.rfind(' ').map_or(0, |space| space + 1);
            line.truncate(kept);
        }
        Key::Char(_)
        | Key::Enter
        | Key::Ctrl(_)
        | Key::Up
        | Key::Down
        | Key::Home
        | Key::End
        | Key::PageUp
        | Key::PageDown
        | Key::Escape
        | Key::Other => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_at_its_end() {
        let mut line = "one two ".to_owned();
        for (key, after) in [
            (Key::Char('ü'), "one two ü"),
            (Key::Backspace, "one two "),
            (Key::Ctrl('w'), "one "),
            (Key::Ctrl('w'), ""),
            (Key::Backspace, ""),
            (Key::Char('x'), "x"),
            (Key::Up, "x"),
            (Key::Ctrl('u'), ""),
        ] {
            edit(&mut line, key);
            assert_eq!(line, after, "{key:?}");
        }
        for _ in 0..2 * LONGEST {
            edit(&mut line, Key::Char('日'));
        }
        assert_eq!(line.chars().count(), LONGEST);
    }
}
