use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{BACKGROUND, Display, Picture, Screen, Window};
use crate::harness::{Daemon, wait_until};

/// For a client to end after it was asked to.
const DOWN: Duration = Duration::from_secs(10);
/// Between two looks at a client's window.
const LOOK: Duration = Duration::from_millis(100);

/// A client that runs, on a display of its own where it is the only window.
pub struct RdpClient {
    daemon: Daemon,
    display: Display,
    dir: TempDir,
}

impl RdpClient {
    /// A program that was started on this display, with its `log` in this folder.
    pub(super) fn new(daemon: Daemon, display: Display, dir: TempDir) -> Self {
        Self {
            daemon,
            display,
            dir,
        }
    }

    /// Its display: to type at, to click at. Its window is at the upper left.
    pub fn display(&self) -> &Display {
        &self.display
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Does it still run?
    pub fn alive(&mut self) -> bool {
        self.daemon.alive()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Its window, the largest on its display, when there is one.
    pub fn window(&self) -> Option<Window> {
        let windows = self.display.windows().into_iter();
        windows.max_by_key(|window| window.width * window.height)
    }

    /// What its window shows, without anything around it.
    #[track_caller]
    pub fn screenshot(&self) -> Picture {
        let picture = self
            .window()
            .and_then(|window| self.display.screenshot_of(&window));
        picture.unwrap_or_else(|| panic!("the client has no window:\n{}", self.log()))
    }

    /// Waits until its window shows a picture that `wanted` likes.
    #[track_caller]
    pub fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Picture) -> bool,
    ) -> Picture {
        let start = Instant::now();
        loop {
            let window = self.window();
            let picture = window.and_then(|window| self.display.screenshot_of(&window));
            if let Some(picture) = picture.filter(|picture| wanted(picture)) {
                return picture;
            }
            assert!(
                self.alive(),
                "the client ended, waiting for: {what}\n{}",
                self.log()
            );
            assert!(
                start.elapsed() < limit,
                "waited {limit:?} in vain: {what}; see {}\n{}",
                self.save().display(),
                self.log()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until its window shows something: more than one color.
    #[track_caller]
    pub fn wait_picture(&mut self, limit: Duration) -> Picture {
        self.wait_until("a picture", limit, |picture| !picture.is_uniform())
    }

    /// Waits until it shows a target's desktop with a notepad on it.
    #[track_caller]
    pub fn wait_desktop(&mut self, limit: Duration) -> Picture {
        self.wait_until("a desktop", limit, |picture| {
            picture.contains_color(BACKGROUND, 2.0) && picture.contains_color([255; 3], 2.0)
        })
    }

    /// Waits until it shows one of the gateway's pages with this text on it.
    #[track_caller]
    pub fn wait_says(&mut self, text: &str, limit: Duration) -> Picture {
        let what = format!("a page that says {text:?}");
        self.wait_until(&what, limit, |picture| picture.says(text))
    }

    /// Waits until its window shows what the target's screen does: no pixel whose color differs by
    /// more than `fuzz_percent`: 0 for bitmaps of 24 and 32 bits, 3 for 15 and 16 bits, 10 for RemoteFX
    /// and H.264 as AVC444, 40 for AVC420.
    #[track_caller]
    pub fn wait_same(&mut self, target: &Screen, fuzz_percent: f64, limit: Duration) -> Picture {
        let mut last = None;
        let what = format!(
            "the picture of the target, which is kept as {}",
            kept("target").display()
        );
        let start = Instant::now();
        self.wait_until(&what, limit, |picture| {
            let there = target.screenshot();
            let same = picture.differing(&there, fuzz_percent) == 0;
            // Only the last one is for a person to look at.
            if !same && start.elapsed() + Duration::from_secs(2) > limit && last.is_none() {
                there.save_png(&kept("target"));
                last = Some(there);
            }
            same
        })
    }

    /// Moves the pointer until the target's is at the same place: from then on the target hears what is
    /// typed. What comes before, while client and server still agree on their screens, may get lost.
    #[track_caller]
    pub fn point_at(&self, target: &Screen, (x, y): (u32, u32), limit: Duration) {
        wait_until("the target's pointer follows", limit, || {
            // Only a pointer that moves is told.
            self.display.move_to(x + 1, y);
            self.display.move_to(x, y);
            std::thread::sleep(LOOK);
            target.pointer() == (x, y)
        });
    }

    /// The words it was started with, as everybody on its machine can see them.
    pub fn command_line(&self) -> String {
        let words = fs::read(format!("/proc/{}/cmdline", self.pid())).unwrap();
        String::from_utf8_lossy(&words).replace('\0', " ")
    }

    /// Waits until it ended; its exit status, or -1 for a signal.
    #[track_caller]
    pub fn wait_exit(&mut self, limit: Duration) -> i32 {
        match self.daemon.wait(limit) {
            Some(status) => status.code().unwrap_or(-1),
            None => panic!(
                "the client still runs after {limit:?}; see {}\n{}",
                self.save().display(),
                self.log()
            ),
        }
    }

    /// Closes its window, as its user does: it takes its leave from the server. Answers its exit status.
    #[track_caller]
    pub fn close(mut self) -> i32 {
        match self.window() {
            Some(window) => self.display.ask_to_close(&window),
            None => panic!("the client has no window:\n{}", self.log()),
        }
        self.wait_exit(DOWN)
    }

    /// Saves its display for a person to look at, and says where.
    pub fn save(&self) -> PathBuf {
        let path = kept("client");
        self.display.screenshot().save_png(&path);
        path
    }
}

/// Where pictures of failures stay, one for each test (its thread has its name).
fn kept(whose: &str) -> PathBuf {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace("::", "-");
    let folder = std::env::temp_dir().join("sallyport-pictures");
    let _ = fs::create_dir_all(&folder);
    folder.join(format!("{test}-{whose}.png"))
}
