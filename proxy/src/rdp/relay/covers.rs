//! What the gateway itself shows over the target's picture: the page of a lock, and notices that go away again.

use std::sync::Arc;
use std::time::Duration;

use sallyport_dissect::rdp::capabilities::Desktop;
use tokio::time::Instant;

use crate::gate::{GateState, LockPage};
use crate::rdp::page::{Depth, Format, Overlay, Rectangle, Tone};

/// How long a notice stays.
const STAYS: Duration = Duration::from_secs(10);
/// How often it is painted again while the target draws over it: some targets draw all of the desktop thirty times a second.
const AGAIN: Duration = Duration::from_millis(20);

/// What is shown.
#[derive(Default)]
pub struct Covers {
    lock: Option<Arc<LockPage>>,
    /// The lock's page is to be painted as soon as that can be.
    due: bool,
    notice: Option<Notice>,
}

struct Notice {
    overlay: Overlay,
    until: Instant,
    painted: Instant,
    /// The target has drawn since then, perhaps over it.
    drawn_over: bool,
}

/// What has become of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It hides the picture now.
    Shut,
    /// The picture is to be seen again.
    Open,
    /// As before.
    Same,
}

impl Covers {
    /// Takes note of the gate.
    pub fn turn(&mut self, gate: &GateState) -> Turn {
        let was = self.lock.is_some();
        self.lock = match gate {
            GateState::Open => None,
            GateState::Shut(page) => Some(page.clone()),
        };
        self.due = self.lock.is_some();
        match (was, self.lock.is_some()) {
            (false, true) => Turn::Shut,
            (true, false) => Turn::Open,
            (true, true) | (false, false) => Turn::Same,
        }
    }

    /// The client has a new desktop, with nothing on it.
    pub fn begins(&mut self) {
        self.due = self.lock.is_some();
        self.notice = None;
    }

    /// Something is to be said.
    pub fn say(&mut self, text: &str, desktop: Desktop, now: Instant) {
        let (width, height) = (desktop.width, desktop.height);
        self.notice = Some(Notice {
            overlay: Overlay::notice(width, height, Tone::Info, "Please note", text),
            until: now + STAYS,
            painted: now - AGAIN,
            drawn_over: true,
        });
    }

    /// The target has drawn something.
    pub fn drawn(&mut self) {
        if let Some(notice) = &mut self.notice {
            notice.drawn_over = true;
        }
    }

    /// When there is something to do about the notice: it goes away, or has to be painted again, if that can be.
    pub fn due(&self, can_paint: impl FnOnce() -> bool) -> Option<Instant> {
        let notice = self.notice.as_ref()?;
        let again = notice.drawn_over && self.lock.is_none() && can_paint();
        Some(match again {
            true => notice.until.min(notice.painted + AGAIN),
            false => notice.until,
        })
    }

    /// Takes the notice away once its time is over; answers what it covered, unless a lock covers that.
    pub fn over(&mut self, now: Instant) -> Option<Rectangle> {
        let notice = self.notice.take_if(|notice| notice.until <= now)?;
        self.lock.is_none().then(|| notice.overlay.covered())
    }

    /// What is to be painted now: whole PDUs. Nothing, if all of it is there.
    pub fn paint(&mut self, desktop: Desktop, depth: u16, now: Instant) -> Vec<u8> {
        let Ok(depth) = Depth::from_bits(depth) else {
            (self.due, self.notice) = (false, None);
            return Vec::new();
        };
        let format = Format::new(depth);
        if let Some(page) = &self.lock {
            if !std::mem::take(&mut self.due) {
                return Vec::new();
            }
            let paragraphs: Vec<String> = page.message.lines().map(str::to_owned).collect();
            let overlay = Overlay::lock(desktop.width, desktop.height, &page.title, &paragraphs);
            return overlay.fast_path(format).flatten().collect();
        }
        match &mut self.notice {
            Some(notice) if notice.drawn_over && notice.painted + AGAIN <= now => {
                notice.painted = now;
                notice.drawn_over = false;
                notice.overlay.fast_path(format).flatten().collect()
            }
            Some(_) | None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_dissect::rdp::capabilities::Takes;

    const DESKTOP: Desktop = Desktop {
        share: 1,
        width: 800,
        height: 600,
        depth: 32,
        takes: Takes {
            fast_path: true,
            characters: true,
            side_buttons: true,
        },
        counts_frames: false,
    };

    #[test]
    fn a_notice_is_painted_again_after_the_target_has_drawn() {
        let mut covers = Covers::default();
        assert_eq!(covers.due(|| true), None);
        let now = Instant::now();
        covers.say("The backup begins at noon.", DESKTOP, now);
        let over = now + STAYS;
        assert_eq!(covers.due(|| true), Some(now), "at once");
        assert_eq!(covers.due(|| false), Some(over), "not before it can be");
        assert!(!covers.paint(DESKTOP, 32, now).is_empty());
        assert_eq!(covers.due(|| true), Some(over));
        let later = now + AGAIN;
        assert!(covers.paint(DESKTOP, 32, later).is_empty(), "it is there");
        covers.drawn();
        assert_eq!(covers.due(|| true), Some(later));
        assert!(covers.paint(DESKTOP, 32, now).is_empty(), "not that often");
        assert!(!covers.paint(DESKTOP, 32, later).is_empty());
        assert_eq!(covers.over(later), None, "it stays for a while");
        assert!(covers.over(over).is_some());
        assert_eq!(covers.due(|| true), None);
    }

    #[test]
    fn what_cannot_be_painted_is_not_due_for_ever() {
        let mut covers = Covers::default();
        let now = Instant::now();
        covers.say("The backup begins at noon.", DESKTOP, now);
        assert!(covers.paint(DESKTOP, 4, now).is_empty());
        assert_eq!(covers.due(|| true), None);
    }
}
