//! What somebody holds down: keys and buttons. They are let go for him when he may hold them no longer. And which lock keys
//! are on by what he knows.

use std::collections::BTreeSet;

use sallyport_dissect::rdp::input::{Button, Event, Key, Locks, Mouse};

/// What one hand holds.
#[derive(Debug, Default)]
pub struct Held {
    keys: BTreeSet<(u8, bool)>,
    buttons: BTreeSet<Button>,
    /// Where the mouse was last.
    place: (u16, u16),
    locks: Option<Locks>,
}

impl Held {
    /// Something was pressed, released or moved.
    pub fn see(&mut self, event: &Event) {
        self.see_locks(event);
        match event {
            Event::Key(key) => {
                let place = (key.code, key.extended);
                match key.down {
                    true => self.keys.insert(place),
                    false => self.keys.remove(&place),
                };
            }
            Event::Mouse(mouse) => {
                for (button, down) in mouse.buttons() {
                    match down {
                        true => self.buttons.insert(button),
                        false => self.buttons.remove(&button),
                    };
                }
                self.place = mouse.place().unwrap_or(self.place);
            }
            // A character is not held: targets type it when it goes down.
            Event::Character(_) | Event::Locks(_) | Event::Timing => {}
        }
    }

    /// The same of lock keys alone: they switch on her own keyboard even when nothing of it reaches the target.
    pub fn see_locks(&mut self, event: &Event) {
        match event {
            Event::Locks(locks) => self.locks = Some(*locks),
            Event::Key(key) if key.down && !self.keys.contains(&(key.code, key.extended)) => {
                self.locks = self.locks.map(|locks| locks.after(*key));
            }
            Event::Key(_) | Event::Character(_) | Event::Mouse(_) | Event::Timing => {}
        }
    }

    /// Which lock keys are on, if that was ever told.
    pub fn locks(&self) -> Option<Locks> {
        self.locks
    }

    /// Is that button down?
    pub fn holds(&self, button: Button) -> bool {
        self.buttons.contains(&button)
    }

    /// Where the mouse was last.
    pub fn place(&self) -> (u16, u16) {
        self.place
    }

    /// Lets everything go; answers what the target has to be told.
    pub fn let_go(&mut self) -> Vec<Event> {
        let keys = std::mem::take(&mut self.keys).into_iter();
        let keys = keys.map(|(code, extended)| {
            Event::Key(Key {
                code,
                extended,
                down: false,
            })
        });
        let buttons = std::mem::take(&mut self.buttons).into_iter();
        let buttons = buttons.map(|button| Event::Mouse(Mouse::button(button, false, self.place)));
        keys.chain(buttons).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_keys_are_followed_but_not_their_repetition() {
        let caps = |down| {
            Event::Key(Key {
                code: 0x3a,
                extended: false,
                down,
            })
        };
        let mut held = Held::default();
        held.see(&caps(true));
        assert_eq!(held.locks(), None, "nobody knows what it was before");
        held.see(&caps(false));
        held.see(&Event::Locks(Locks::of(0x02)));
        for _ in 0..3 {
            held.see(&caps(true));
        }
        assert_eq!(held.locks(), Some(Locks::of(0x06)));
        held.see(&caps(false));
        held.see_locks(&caps(true));
        assert_eq!(held.locks(), Some(Locks::of(0x02)));
        assert_eq!(held.let_go(), []);
    }

    #[test]
    fn what_is_held_is_let_go_once_where_the_mouse_is() {
        let key = |code, down| {
            Event::Key(Key {
                code,
                extended: false,
                down,
            })
        };
        let button = |button, down| Event::Mouse(Mouse::button(button, down, (7, 8)));
        let mut held = Held::default();
        for event in [
            key(0x1d, true),
            key(0x1e, true),
            key(0x1e, false),
            button(Button::Left, true),
            button(Button::Right, true),
            button(Button::Right, false),
            Event::Mouse(Mouse::moved((9, 10))),
            Event::Mouse(Mouse::wheel(120, (0, 0))),
        ] {
            held.see(&event);
        }
        assert!(held.holds(Button::Left) && !held.holds(Button::Right));
        let left = Event::Mouse(Mouse::button(Button::Left, false, (9, 10)));
        assert_eq!(held.let_go(), [key(0x1d, false), left]);
        assert_eq!(held.let_go(), []);
    }
}
