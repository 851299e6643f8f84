//! The keys that viewer and player know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

/// What was pressed, as far as it means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `q`, Ctrl-C, Ctrl-D or Escape.
    Quit,
    /// Space.
    Pause,
    /// Right arrow.
    Forward,
    /// Left arrow.
    Back,
    /// `+` or `=`.
    Faster,
    /// `-`.
    Slower,
    /// `i`.
    Idle,
    /// The window changed its size.
    Resized,
}

impl Key {
    /// Nothing for what means nothing.
    pub fn of(event: &Event) -> Option<Self> {
        let key = match event {
            Event::Resize(..) => return Some(Self::Resized),
            Event::Key(key) if key.kind != KeyEventKind::Release => key,
            _ => return None,
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other keys mean nothing"
        )]
        match key.code {
            KeyCode::Char('c' | 'd') if control => Some(Self::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Self::Quit),
            KeyCode::Char(' ') => Some(Self::Pause),
            KeyCode::Right => Some(Self::Forward),
            KeyCode::Left => Some(Self::Back),
            KeyCode::Char('+' | '=') => Some(Self::Faster),
            KeyCode::Char('-') => Some(Self::Slower),
            KeyCode::Char('i') => Some(Self::Idle),
            _ => None,
        }
    }

    /// Waits for a key, at most so long.
    pub fn wait(at_most: Duration) -> std::io::Result<Option<Self>> {
        if crossterm::event::poll(at_most)? {
            Ok(Self::of(&crossterm::event::read()?))
        } else {
            Ok(None)
        }
    }
}

/// Reads keys on a thread of its own, for a task that also waits for other things.
pub struct Keys {
    keys: mpsc::Receiver<Key>,
    stop: Arc<AtomicBool>,
}

impl Keys {
    /// Starts reading.
    pub fn start() -> Self {
        let (sender, keys) = mpsc::channel(16);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match Key::wait(Duration::from_millis(100)) {
                    Ok(Some(key)) if sender.blocking_send(key).is_err() => return,
                    Ok(_) => {}
                    // The terminal went away.
                    Err(_) => return,
                }
            }
        });
        Self { keys, stop }
    }

    /// The next key; nothing when the terminal went away.
    pub async fn next(&mut self) -> Option<Key> {
        self.keys.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn keys_mean_what_the_help_says() {
        for (code, modifiers, key) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, Some(Key::Quit)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Key::Quit)),
            (KeyCode::Char('c'), KeyModifiers::NONE, None),
            (KeyCode::Char(' '), KeyModifiers::NONE, Some(Key::Pause)),
            (KeyCode::Right, KeyModifiers::NONE, Some(Key::Forward)),
            (KeyCode::Left, KeyModifiers::NONE, Some(Key::Back)),
            (KeyCode::Char('+'), KeyModifiers::SHIFT, Some(Key::Faster)),
            (KeyCode::Char('-'), KeyModifiers::NONE, Some(Key::Slower)),
            (KeyCode::Char('i'), KeyModifiers::NONE, Some(Key::Idle)),
            (KeyCode::Char('x'), KeyModifiers::NONE, None),
        ] {
            assert_eq!(
                Key::of(&Event::Key(KeyEvent::new(code, modifiers))),
                key,
                "{code:?}"
            );
        }
    }
}
