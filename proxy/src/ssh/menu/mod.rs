//! The menu: what somebody sees who named no host. Keys go in, text to show comes out, and at the end a choice.
//!
//! Plain text throughout: no box is drawn and nothing depends on colour, so that a screen reader can read it. Where the
//! terminal can move its cursor there is a list with a marked line and a filter ([`picker`]); elsewhere, and without a
//! terminal at all, a numbered list and a line that is read ([`numbered`]). No sockets here, no clock.

mod keys;
pub mod listing;
mod numbered;
mod painter;
mod picker;
mod question;
mod rows;
mod text;

use keys::{Decoder, Key};
use numbered::{Answered, Numbered};
use painter::{Frame, Painter};
use picker::{Picked, Picker};
use question::{Order, Question, edit};
use rows::Rows;
use sallyport_domain::policy::Offer;
pub use text::label;

/// Terminals on which the cursor cannot be moved.
const DUMB: [&str; 5] = ["", "dumb", "unknown", "network", "emacs"];

/// The user's terminal, if she has one.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// TERM.
    pub term: String,
    /// Columns and rows; 0 means unknown (RFC 4254 section 6.2).
    pub size: (u32, u32),
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The host's name.
    pub host: String,
    /// The activity.
    pub activity: String,
    /// The access policy.
    pub policy: String,
    /// Why, if it was asked.
    pub notes: Option<String>,
    /// The ticket, if it was asked.
    pub ticket: Option<String>,
}

/// How the choosing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a choice.
    Chosen(Choice),
    /// She left.
    Left(Leaving),
}

/// How she left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// In peace.
    Quit,
    /// By Ctrl+C.
    Interrupted,
    /// Her input ended.
    EndOfInput,
}

/// What came of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To be shown.
    pub paint: String,
    /// Bytes used; what is left after a choice is the session's.
    pub taken: usize,
    /// The end of the choosing.
    pub outcome: Option<Outcome>,
}

/// A menu that is open.
#[derive(Debug)]
pub struct Menu {
    rows: Rows,
    decoder: Decoder,
    view: View,
    asking: Option<Asking>,
    size: (usize, usize),
}

#[derive(Debug)]
enum View {
    /// A cursor can be moved.
    Screen(Picker, Painter),
    /// Only lines.
    Lines(Lines),
}

#[derive(Debug)]
struct Lines {
    list: Numbered,
    typed: String,
    /// Is there a terminal that shows only what is sent to it?
    echo: bool,
}

/// A question that is open.
#[derive(Debug)]
struct Asking {
    order: Order,
    question: Question,
    answer: String,
    /// It has been answered with nothing.
    insist: bool,
}

impl Menu {
    /// Everything `user` may do; there must be something.
    pub fn new(user: &str, offers: Vec<Offer>, terminal: Option<&Terminal>) -> Self {
        let rows = Rows::new(offers);
        let moves = |terminal: &Terminal| !DUMB.contains(&terminal.term.as_str());
        let view = if terminal.is_some_and(moves) {
            View::Screen(Picker::new(user, &rows), Painter::default())
        } else {
            View::Lines(Lines {
                list: Numbered::new(&rows),
                typed: String::new(),
                echo: terminal.is_some(),
            })
        };
        // Who has no terminal gets everything at once.
        let size = terminal.map_or((200, usize::MAX), |terminal| usable(terminal.size));
        Self {
            rows,
            decoder: Decoder::default(),
            view,
            asking: None,
            size,
        }
    }

    /// What is seen first.
    pub fn open(&mut self) -> String {
        match &mut self.view {
            View::Screen(..) => self.repaint(),
            View::Lines(lines) => {
                let page = lines.list.next_page(&self.rows, page(self.size));
                let out = format!("Where you may go:\n{page}");
                lines.ended(&out)
            }
        }
    }

    /// Bytes from the user, up to and including the one that ends the choosing.
    pub fn typed(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        let without_terminal = matches!(&self.view, View::Lines(lines) if !lines.echo);
        for byte in bytes {
            step.taken += 1;
            // Without a terminal a line ends with LF, and may have a CR before it.
            if without_terminal && *byte == b'\r' {
                continue;
            }
            if let Some(key) = self.decoder.push(*byte) {
                step.outcome = self.key(key, &mut step.paint);
            }
            if step.outcome.is_some() {
                return step;
            }
        }
        step.paint.push_str(&self.repaint());
        step
    }

    /// Does an Escape wait for what may follow it? If nothing does, [`Menu::settle`].
    pub fn is_waiting(&self) -> bool {
        self.decoder.is_waiting()
    }

    /// Nothing followed an Escape.
    pub fn settle(&mut self) -> Step {
        let mut step = Step::default();
        if let Some(key) = self.decoder.settle() {
            step.outcome = self.key(key, &mut step.paint);
        }
        step.paint.push_str(&self.repaint());
        step
    }

    /// The user's input has ended. A last line without its end counts.
    pub fn ended(&mut self) -> Step {
        let mut step = Step::default();
        if matches!(&self.view, View::Lines(lines) if !lines.typed.is_empty()) {
            step.outcome = self.key(Key::Enter, &mut step.paint);
        }
        if let View::Screen(_, painter) = &mut self.view {
            step.paint.push_str(&painter.erase());
        }
        step.outcome = step.outcome.or(Some(Outcome::Left(Leaving::EndOfInput)));
        step
    }

    /// The terminal has another size.
    pub fn resized(&mut self, size: (u32, u32)) -> String {
        self.size = usable(size);
        match &mut self.view {
            View::Screen(_, painter) => painter.start_over() + &self.repaint(),
            View::Lines(_) => String::new(),
        }
    }

    /// The choice led nowhere, for this reason: she may choose again.
    pub fn refused(&mut self, reason: &str) -> String {
        self.decoder = Decoder::default();
        match &mut self.view {
            View::Screen(picker, _) => {
                picker.notice(reason);
                self.repaint()
            }
            View::Lines(lines) => {
                let out = lines.list.notice(reason);
                lines.ended(&out)
            }
        }
    }

    /// The menu goes away, with a last line.
    pub fn close(&mut self, last: &str) -> String {
        match &mut self.view {
            View::Screen(_, painter) => format!("{}{last}\r\n", painter.erase()),
            View::Lines(lines) => lines.ended(&format!("\n{last}\n")),
        }
    }

    fn key(&mut self, key: Key, out: &mut String) -> Option<Outcome> {
        if self.asking.is_some() {
            return self.answering(key, out);
        }
        match &mut self.view {
            View::Screen(picker, painter) => match picker.key(key, &self.rows) {
                Picked::Nothing => None,
                Picked::Row(at) => self.chosen(Order::new(at), out),
                Picked::Repaint => {
                    out.push_str(&painter.start_over());
                    None
                }
                Picked::Leave { interrupted } => {
                    out.push_str(&painter.erase());
                    Some(Outcome::Left(left(interrupted)))
                }
            },
            View::Lines(lines) => {
                let line = match lines.key(key, out) {
                    Typed::More => return None,
                    Typed::Line(line) => line,
                    Typed::Left(leaving) => return Some(Outcome::Left(leaving)),
                };
                let mut shown = String::new();
                let answered = lines
                    .list
                    .line(&line, &self.rows, page(self.size), &mut shown);
                out.push_str(&lines.ended(&shown));
                match answered {
                    Answered::Nothing => None,
                    Answered::Row(at) => self.chosen(Order::new(at), out),
                    Answered::Leave => Some(Outcome::Left(Leaving::Quit)),
                }
            }
        }
    }

    /// Asks what is still to be asked; without that, it is a choice.
    fn chosen(&mut self, order: Order, out: &mut String) -> Option<Outcome> {
        let offer = self.rows.offer(order.at)?.clone();
        let title = self.rows.title(order.at);
        let open = order.open(&offer);
        match (&mut self.view, open) {
            (View::Screen(_, painter), None) => {
                out.push_str(&painter.erase());
                out.push_str(&format!("Connecting: {title}\r\n"));
            }
            // The list goes, the question comes in its place.
            (View::Screen(_, painter), Some(_)) => out.push_str(&painter.erase()),
            (View::Lines(lines), None) if lines.echo => {
                out.push_str(&lines.ended(&format!("Connecting: {title}\n")));
            }
            // Without a terminal, what comes next may be read by a program.
            (View::Lines(_), None) => {}
            (View::Lines(_), Some(question)) => out.push_str(question.prompt()),
        }
        if let Some(question) = open {
            self.asking = Some(Asking {
                order,
                question,
                answer: String::new(),
                insist: false,
            });
            return None;
        }
        Some(Outcome::Chosen(Choice {
            host: offer.host,
            activity: offer.activity,
            policy: offer.policy,
            notes: order.notes,
            ticket: order.ticket,
        }))
    }

    fn answering(&mut self, key: Key, out: &mut String) -> Option<Outcome> {
        let mut asking = self.asking.take()?;
        match &mut self.view {
            View::Screen(_, painter) => match key {
                Key::Ctrl('c') | Key::Escape => out.push_str(&painter.erase()),
                Key::Ctrl('d') if asking.answer.is_empty() => out.push_str(&painter.erase()),
                Key::Ctrl('l') => {
                    out.push_str(&painter.start_over());
                    self.asking = Some(asking);
                }
                Key::Enter => {
                    let answer = std::mem::take(&mut asking.answer);
                    return self.answered(asking, &answer, out);
                }
                key => {
                    edit(&mut asking.answer, key);
                    self.asking = Some(asking);
                }
            },
            View::Lines(lines) => match lines.key(key, out) {
                Typed::More => self.asking = Some(asking),
                Typed::Line(answer) => return self.answered(asking, &answer, out),
                // Back to the list.
                Typed::Left(_) => {
                    lines.list.reset(&self.rows);
                    let list = lines.list.next_page(&self.rows, page(self.size));
                    out.push_str(&lines.ended(&list));
                }
            },
        }
        None
    }

    fn answered(&mut self, mut asking: Asking, answer: &str, out: &mut String) -> Option<Outcome> {
        if asking.order.answer(asking.question, answer) {
            return self.chosen(asking.order, out);
        }
        asking.insist = true;
        if let View::Lines(lines) = &self.view {
            let (insist, prompt) = (asking.question.insist(), asking.question.prompt());
            out.push_str(&lines.ended(&format!("{insist}\n{prompt}")));
        }
        self.asking = Some(asking);
        None
    }

    /// What has changed, on a terminal whose cursor can be moved.
    fn repaint(&mut self) -> String {
        match &mut self.view {
            View::Screen(picker, painter) => {
                let frame = match &self.asking {
                    None => picker.frame(&self.rows, self.size),
                    Some(asking) => asking.frame(&self.rows, self.size),
                };
                painter.paint(&frame)
            }
            View::Lines(_) => String::new(),
        }
    }
}

impl Asking {
    fn frame(&self, rows: &Rows, (wide, high): (usize, usize)) -> Frame {
        let most = wide.saturating_sub(1).max(1);
        let mut lines = text::wrap(&rows.title(self.order.at), most);
        if self.insist {
            lines.extend(text::wrap(self.question.insist(), most));
        }
        let answer = format!("{}{}", self.question.prompt(), self.answer);
        lines.extend(text::pieces(&answer, most));
        // Of a long answer the end is seen.
        lines.drain(..lines.len().saturating_sub(high));
        let last = lines.last().map_or(0, |line| text::columns(line));
        Frame {
            cursor: (lines.len().saturating_sub(1), last),
            lines,
        }
    }
}

/// What a key did to a line.
enum Typed {
    More,
    Line(String),
    Left(Leaving),
}

impl Lines {
    fn key(&mut self, key: Key, out: &mut String) -> Typed {
        let before = text::columns(&self.typed);
        match key {
            Key::Enter => {
                out.push_str(if self.echo { "\r\n" } else { "" });
                return Typed::Line(std::mem::take(&mut self.typed));
            }
            Key::Ctrl('c') => {
                out.push_str(&self.ended("\n"));
                self.typed.clear();
                return Typed::Left(Leaving::Interrupted);
            }
            Key::Ctrl('d') if self.typed.is_empty() => {
                out.push_str(&self.ended("\n"));
                return Typed::Left(Leaving::Quit);
            }
            key => edit(&mut self.typed, key),
        }
        let after = text::columns(&self.typed);
        if self.echo && after < before {
            out.push_str(&"\x08 \x08".repeat(before - after));
        }
        if let Key::Char(c) = key
            && self.echo
            && after > before
        {
            out.push(c);
        }
        Typed::More
    }

    /// Text with the line ends of whoever reads it.
    fn ended(&self, text: &str) -> String {
        if self.echo {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        }
    }
}

fn left(interrupted: bool) -> Leaving {
    if interrupted {
        Leaving::Interrupted
    } else {
        Leaving::Quit
    }
}

/// A size the menu can work with.
fn usable((cols, rows): (u32, u32)) -> (usize, usize) {
    let clamp = |size: u32, unknown: u32, least: u32| {
        let size = if size == 0 { unknown } else { size };
        usize::try_from(size.clamp(least, 1000)).unwrap_or(80)
    };
    (clamp(cols, 80, 10), clamp(rows, 24, 3))
}

/// Lines of a list that leave room for the prompt.
fn page((wide, high): (usize, usize)) -> (usize, usize) {
    (wide, high.saturating_sub(2).max(1))
}

#[cfg(test)]
mod tests;
