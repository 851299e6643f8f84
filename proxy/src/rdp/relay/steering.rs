//! Who steers the desktop besides its user, as the pump to the target sees it.

use std::sync::Arc;

use sallyport_dissect::rdp::capabilities::Desktop;
use sallyport_dissect::rdp::input::{Button, Character, Event, Key, Mouse};
use sallyport_domain::control::ControlInput;
use sallyport_domain::id::SeatId;
use tokio::sync::{mpsc, watch};

use super::held::Held;
use super::share::Share;
use crate::control::Control;

/// Scancodes of the two keys that stand for what is no character on a keyboard.
const ENTER: u8 = 0x1c;
const TAB: u8 = 0x0f;

/// Who has control, and what he holds down.
pub struct Steering {
    changes: watch::Receiver<Option<Arc<Control>>>,
    now: Option<Arc<Control>>,
    inputs: Option<mpsc::Receiver<ControlInput>>,
    held: Held,
}

/// What comes next.
pub enum Next {
    /// Control was given to somebody, or taken away.
    Turned,
    /// Whoever has it did something.
    Input(ControlInput),
    /// Whoever had it is gone.
    Gone(SeatId),
}

impl Steering {
    /// Of a connection, by what its driver says.
    pub fn new(mut changes: watch::Receiver<Option<Arc<Control>>>) -> Self {
        // It may have been given before the first look.
        changes.mark_changed();
        Self {
            changes,
            now: None,
            inputs: None,
            held: Held::default(),
        }
    }

    /// Waits for it. Nothing is lost if that is given up.
    pub async fn next(&mut self) -> Next {
        let input = match &mut self.inputs {
            Some(inputs) => tokio::select! {
                biased;
                Ok(()) = self.changes.changed() => {
                    self.changes.mark_changed();
                    return Next::Turned;
                }
                input = inputs.recv() => input,
            },
            None => {
                if self.changes.changed().await.is_err() {
                    // The connection is over, and with it this.
                    return std::future::pending().await;
                }
                self.changes.mark_changed();
                return Next::Turned;
            }
        };
        match (input, &self.now) {
            (Some(input), _) => Next::Input(input),
            (None, Some(control)) => {
                self.inputs = None;
                Next::Gone(control.seat)
            }
            (None, None) => {
                self.inputs = None;
                Next::Turned
            }
        }
    }

    /// Takes note of who has control now. If that is another than before: what the target has to be told, because who
    /// held something may hold it no longer, and the user's lock keys are as they were.
    pub fn turn(&mut self, user: &Share) -> Option<Vec<Event>> {
        // Who sends into this lives as long as the pump.
        if !self.changes.has_changed().unwrap_or(false) {
            return None;
        }
        let had_it = self.now.is_some();
        self.now.clone_from(&self.changes.borrow_and_update());
        let mut released = self.held.let_go();
        if had_it {
            // Whoever had it may have switched them.
            released.extend(user.locks());
        }
        self.inputs = self.now.as_ref().and_then(|control| control.take_inputs());
        if self.excludes_user() {
            released.extend(user.let_go());
        }
        Some(released)
    }

    /// Is the user's own input dropped?
    pub fn excludes_user(&self) -> bool {
        self.now.as_ref().is_some_and(|control| control.exclusive)
    }

    /// Whose input it is.
    pub fn viewer(&self) -> Option<String> {
        self.now.as_ref().map(|control| control.viewer.clone())
    }

    /// What the target is told of it. Nothing, if it takes no such thing.
    pub fn events(&mut self, input: ControlInput, desktop: &Desktop) -> Vec<Event> {
        let events = match input {
            ControlInput::Key {
                scancode,
                extended,
                down,
            } => vec![Event::Key(Key {
                code: scancode,
                extended,
                down,
            })],
            ControlInput::Text(text) => typed(&text, desktop),
            ControlInput::Mouse {
                x,
                y,
                buttons,
                wheel,
            } => self.mouse((x, y), buttons, wheel, desktop),
        };
        for event in &events {
            self.held.see(event);
        }
        events
    }

    fn mouse(&self, (x, y): (u16, u16), buttons: u8, wheel: i16, desktop: &Desktop) -> Vec<Event> {
        let place = (
            x.min(desktop.width.saturating_sub(1)),
            y.min(desktop.height.saturating_sub(1)),
        );
        let mut events = Vec::new();
        if place != self.held.place() {
            events.push(Mouse::moved(place));
        }
        for (bit, button) in Button::ALL.into_iter().enumerate() {
            let down = buttons >> bit & 1 != 0;
            let has_it = match button {
                Button::Left | Button::Right | Button::Middle => true,
                Button::Back | Button::Forward => desktop.takes.side_buttons,
            };
            if has_it && down != self.held.holds(button) {
                events.push(Mouse::button(button, down, place));
            }
        }
        if wheel != 0 {
            events.push(Mouse::wheel(wheel, place));
        }
        events.into_iter().map(Event::Mouse).collect()
    }
}

/// Characters, each pressed and released. Line ends and tabs are keys to most programs.
fn typed(text: &str, desktop: &Desktop) -> Vec<Event> {
    let key = |code, down| {
        Event::Key(Key {
            code,
            extended: false,
            down,
        })
    };
    let unit = |code: u16, down| match u8::try_from(code) {
        Ok(b'\n') => Some(key(ENTER, down)),
        Ok(b'\t') => Some(key(TAB, down)),
        Ok(_) | Err(_) if desktop.takes.characters => {
            Some(Event::Character(Character { code, down }))
        }
        Ok(_) | Err(_) => None,
    };
    text.encode_utf16()
        .flat_map(|code| [unit(code, true), unit(code, false)])
        .flatten()
        .collect()
}

/// The same events with nothing in them that was typed, for the tape.
pub fn masked(events: &[Event]) -> Vec<Event> {
    let mask = |event: &Event| match *event {
        Event::Key(key) => Event::Key(Key { code: 0, ..key }),
        Event::Character(character) => Event::Character(Character {
            code: 0,
            ..character
        }),
        other @ (Event::Mouse(_) | Event::Locks(_) | Event::Timing) => other,
    };
    events.iter().map(mask).collect()
}

#[cfg(test)]
mod tests;
