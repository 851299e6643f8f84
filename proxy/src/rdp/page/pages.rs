//! What a page says and asks.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something to know.
    Info,
    /// Something was refused or failed.
    Refusal,
    /// Somebody else has to do something first.
    Wait,
}

/// A page that tells something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In large letters.
    pub title: String,
    /// Paragraphs; an empty one is a gap. They scroll if they are too long.
    pub lines: Vec<String>,
    /// How it is meant.
    pub tone: Tone,
    /// Small, at the bottom: what happens next, or which key does what. May be empty.
    pub hint: String,
    /// A button that answers like Enter; none if it is `None`.
    pub button: Option<String>,
}

/// One of the things to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub label: String,
    /// What else there is to say, in a second column. May be empty.
    pub detail: String,
}

/// A page to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// In large letters.
    pub title: String,
    /// What is to be chosen. May be empty.
    pub prompt: String,
    /// What there is, in the order shown.
    pub items: Vec<Item>,
    /// What the list is filtered by at first; every word has to occur in the label or the detail.
    pub filter: String,
}

/// A line to fill in.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// What belongs there.
    pub label: String,
    /// What is there at first.
    pub value: Zeroizing<String>,
    /// Shown as dots.
    pub is_secret: bool,
    /// Has to be filled in.
    pub is_required: bool,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the value: it may be a password.
        f.debug_struct("Field")
            .field("label", &self.label)
            .field("is_secret", &self.is_secret)
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}

/// A page with lines to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// In large letters.
    pub title: String,
    /// Why it is asked. May be empty.
    pub explanation: String,
    /// What was wrong with the last answer. May be empty.
    pub complaint: String,
    /// The lines, from the top.
    pub fields: Vec<Field>,
    /// What the button says that submits it.
    pub button: String,
}

/// A page that is shown while something takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// In large letters, such as “Connecting to web-01…”.
    pub title: String,
    /// Paragraphs. They scroll if they are too long.
    pub lines: Vec<String>,
    /// How long it has taken so far.
    pub elapsed: Duration,
    /// Small, at the bottom. May be empty.
    pub hint: String,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Tells something. Enter answers [`Outcome::Submitted`] with no values, Escape [`Outcome::Cancelled`].
    Notice(Notice),
    /// Something is to be chosen.
    Choice(Choice),
    /// Something is to be filled in.
    Form(Form),
    /// Something takes time; Escape answers [`Outcome::Cancelled`].
    Progress(Progress),
}

/// What an event led to.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The page goes on.
    None,
    /// This item of a [`Choice`], by its place in `items`.
    Chosen(usize),
    /// The values of a [`Form`], field by field; none for a [`Notice`].
    Submitted(Vec<Zeroizing<String>>),
    /// The user wants to leave.
    Cancelled,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Chosen(index) => write!(f, "Chosen({index})"),
            // Without the values: there may be a password among them.
            Self::Submitted(values) => write!(f, "Submitted({} values)", values.len()),
            Self::Cancelled => f.write_str("Cancelled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_in_debug_texts() {
        let field = Field {
            label: "Code".to_owned(),
            value: Zeroizing::new("hunter2".to_owned()),
            is_secret: true,
            is_required: true,
        };
        let submitted = Outcome::Submitted(vec![field.value.clone()]);
        let texts = format!("{field:?} {submitted:?}");
        assert!(!texts.contains("hunter2"), "{texts}");
    }
}
