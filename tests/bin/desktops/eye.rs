//! A user with fast fingers and good eyes at a client's display.
//!
//! The display tells when something is drawn (X's DAMAGE extension), and only then one pixel is looked at: looking all
//! the time would take a core that what is measured needs.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{ConnectionExt as _, ReportLevel};
use x11rb::protocol::xproto::{
    ConnectionExt as _, ImageFormat, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::painter::SPOT;

/// The key that is pressed: an `a` on any keyboard that Xvfb knows.
const KEY: u8 = 38;
/// By how much a color has to change to be another one.
const FAR: u8 = 64;

/// Looks at [`SPOT`].
pub struct Eye {
    x11: RustConnection,
    root: Window,
    seen: Receiver<Instant>,
}

impl Eye {
    /// At this display.
    pub fn open(display: &str) -> Self {
        let (x11, screen) = x11rb::connect(Some(display)).expect("a display");
        let root = x11.setup().roots[screen].root;
        let (see, seen) = sync_channel(4096);
        let name = display.to_owned();
        let (ready, is_ready) = sync_channel(1);
        // Ends with the display, or with the first change that nobody wants to know.
        thread::spawn(move || watch(&name, &ready, &see));
        is_ready.recv().expect("the display has DAMAGE");
        Self { x11, root, seen }
    }

    /// Presses a key and lets it go; answers when.
    pub fn press(&self) -> Instant {
        let at = Instant::now();
        for kind in [KEY_PRESS_EVENT, KEY_RELEASE_EVENT] {
            self.x11
                .xtest_fake_input(kind, KEY, 0, self.root, 0, 0, 0)
                .expect("a key is pressed");
        }
        self.x11.flush().expect("the display is there");
        at
    }

    /// When the pixel changes next.
    pub fn next(&self, limit: Duration) -> Option<Instant> {
        self.seen.recv_timeout(limit).ok()
    }

    /// Forgets what was seen.
    pub fn blink(&self) {
        while self.seen.try_recv().is_ok() {}
    }

    /// How often the pixel changes a second, for so long.
    pub fn rate(&self, time: Duration) -> f64 {
        self.blink();
        let start = Instant::now();
        let mut count = 0;
        while let Some(left) = time.checked_sub(start.elapsed()) {
            if self.next(left).is_some() {
                count += 1;
            }
        }
        f64::from(count) / start.elapsed().as_secs_f64()
    }
}

fn watch(display: &str, ready: &SyncSender<()>, see: &SyncSender<Instant>) {
    let (x11, screen) = x11rb::connect(Some(display)).expect("a display");
    let root = x11.setup().roots[screen].root;
    let damage = x11.generate_id().expect("an id");
    let version = x11.damage_query_version(1, 1).expect("DAMAGE");
    version.reply().expect("DAMAGE");
    x11.damage_create(damage, root, ReportLevel::NON_EMPTY)
        .expect("DAMAGE");
    let mut last = look(&x11, root).expect("the display shows its pixels");
    ready.send(()).expect("somebody waits");
    while let Ok(event) = x11.wait_for_event() {
        let Event::DamageNotify(_) = event else {
            continue;
        };
        // What is drawn from here on is told anew.
        if x11
            .damage_subtract(damage, x11rb::NONE, x11rb::NONE)
            .is_err()
        {
            return;
        }
        let Some(now) = look(&x11, root) else { return };
        let at = Instant::now();
        let changed = now
            .iter()
            .zip(last)
            .any(|(now, last)| now.abs_diff(last) >= FAR);
        if changed {
            last = now;
            if see.send(at).is_err() {
                return;
            }
        }
    }
}

/// The pixel; `None` once the display is gone.
fn look(x11: &RustConnection, root: Window) -> Option<[u8; 3]> {
    let image = x11.get_image(ImageFormat::Z_PIXMAP, root, SPOT.0, SPOT.1, 1, 1, !0);
    let data = image.ok()?.reply().ok()?.data;
    data.get(..3)?.try_into().ok()
}
