//! What the gateway itself shows over the target's picture: the page of a lock, and notices that go away again.

use std::sync::Arc;
use std::time::Duration;

use sallyport_dissect::rdp::capabilities::Desktop;
use tokio::time::Instant;

use crate::gate::{GateState, LockPage};
use crate::rdp::page::{Depth, Format, Overlay, Rectangle, Tone};

/// How long a notice stays.
const STAYS: Duration = Duration::from_secs(10);
/// How often it is painted again while the target draws over it.
const AGAIN: Duration = Duration::from_millis(200);

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
    pub fn say(&mut self, text: &str, desktop: Desktop) {
        let (width, height) = (desktop.width, desktop.height);
        let now = Instant::now();
        self.notice = Some(Notice {
            overlay: Overlay::notice(width, height, Tone::Info, "Please note", text),
            until: now + STAYS,
            painted: now - AGAIN,
        });
    }

    /// When the notice goes away.
    pub fn until(&self) -> Option<Instant> {
        self.notice.as_ref().map(|notice| notice.until)
    }

    /// Takes the notice away; answers what it covered, unless a lock covers that.
    pub fn over(&mut self) -> Option<Rectangle> {
        let notice = self.notice.take()?;
        self.lock.is_none().then(|| notice.overlay.covered())
    }

    /// What is to be painted now: whole PDUs. Nothing, if all of it is there.
    pub fn paint(&mut self, desktop: Desktop, depth: u16) -> Vec<u8> {
        let Ok(depth) = Depth::from_bits(depth) else {
            self.due = false;
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
            Some(notice) if notice.painted.elapsed() >= AGAIN => {
                notice.painted = Instant::now();
                notice.overlay.fast_path(format).flatten().collect()
            }
            Some(_) | None => Vec::new(),
        }
    }
}
