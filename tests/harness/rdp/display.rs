use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rand::Rng;
use rustix::process::Signal;

use super::manager::ask_to_close;
use super::{Screen, Window};
use crate::harness::{Daemon, tool, wait_until};

/// Numbers that people and their servers do not use.
const NUMBERS: std::ops::Range<u32> = 200..30_000;
/// For an X server to come up on a machine that is busy.
const UP: Duration = Duration::from_secs(30);
/// For an X server to go by itself.
const DOWN: Duration = Duration::from_secs(3);

/// An X server of its own in memory (Xvfb), without a window manager: the keyboard belongs to the
/// window below the pointer.
pub struct Display {
    screen: Screen,
    number: u32,
    daemon: Daemon,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
}

impl Display {
    /// One of this size with 24 bits for a pixel.
    pub fn start(width: usize, height: usize) -> Self {
        Self::with_depth(width, height, 24)
    }

    /// One of this size and depth (8, 16 or 24).
    pub fn with_depth(width: usize, height: usize, depth: u8) -> Self {
        // A number can be taken between the look at it and the start of the server, which then ends.
        for _ in 0..20 {
            let number = free_number();
            let mut xvfb = tool("Xvfb");
            xvfb.arg(format!(":{number}"))
                .args(["-screen", "0", &format!("{width}x{height}x{depth}")])
                .args(["-nolisten", "tcp", "-noreset"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut display = Self {
                screen: Screen::new(number, None),
                number,
                daemon: Daemon::spawn(xvfb),
                width,
                height,
            };
            let mut running = true;
            wait_until("Xvfb answers or ends", UP, || {
                running = display.daemon.alive();
                // Not somebody else's of the same number: only an answer of our own counts.
                !running || (holds(number, display.daemon.pid()) && display.screen.answers())
            });
            if running {
                return display;
            }
        }
        panic!("Xvfb does not start: is it installed (`scripts/deps.sh test`)?");
    }

    /// Asks a window to close, as its user does by its cross.
    pub fn ask_to_close(&self, window: &Window) {
        let id = window.id.trim_start_matches("0x");
        let id = u32::from_str_radix(id, 16).expect("ids of windows are hexadecimal");
        ask_to_close(&socket(self.number), id).expect("Xvfb lets everybody in");
    }

    /// The way to it, to be kept apart.
    pub fn screen(&self) -> Screen {
        self.screen.clone()
    }
}

impl Deref for Display {
    type Target = Screen;

    fn deref(&self) -> &Screen {
        &self.screen
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let ours = holds(self.number, self.daemon.pid());
        self.daemon.signal(Signal::TERM);
        if self.daemon.wait(DOWN).is_none() && ours {
            forget(self.number);
        }
    }
}

/// A number that no X server of this machine has.
pub(super) fn free_number() -> u32 {
    loop {
        let number = rand::rng().random_range(NUMBERS);
        if !lock(number).exists() && !socket(number).exists() {
            return number;
        }
    }
}

/// Removes what an X server leaves behind when it is killed.
pub(super) fn forget(number: u32) {
    let _ = fs::remove_file(lock(number));
    let _ = fs::remove_file(socket(number));
}

/// Does this process hold the number?
fn holds(number: u32, process: u32) -> bool {
    fs::read_to_string(lock(number)).is_ok_and(|text| text.trim() == process.to_string())
}

fn lock(number: u32) -> PathBuf {
    format!("/tmp/.X{number}-lock").into()
}

/// Where the X server of this number listens.
pub(super) fn socket(number: u32) -> PathBuf {
    format!("/tmp/.X11-unix/X{number}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_display_shows_what_is_typed_and_leaves_nothing_behind() {
        let display = Display::start(640, 480);
        assert!(display.screenshot().is_uniform());
        let mut xterm = display.program("xterm");
        xterm.args(["-T", "here", "-geometry", "60x10+10+20", "-e", "cat"]);
        let _xterm = Daemon::spawn(xterm);
        wait_until("xterm is shown", SOON, || {
            display
                .windows()
                .iter()
                .any(|window| window.title == "here")
                && !display.screenshot().is_uniform()
        });
        let window = display.windows().remove(0);
        assert_eq!((window.x, window.y), (10, 20));
        display.move_to(100, 100);
        assert_eq!(display.pointer(), (100, 100));
        let before = display.settled(SOON);
        display.type_text("Wren? No: -robin\n");
        wait_until("the text is shown", SOON, || {
            display.screenshot().differing(&before, 0.0) > 200
        });
        let whole = display.settled(SOON);
        let part = display.screenshot_of(&window).unwrap();
        let (right, bottom) = (10 + part.width, 20 + part.height);
        assert_eq!(whole.crop(10..right, 20..bottom).differing(&part, 0.0), 0);
        let number = display.number;
        drop(display);
        assert!(!lock(number).exists() && !socket(number).exists());
    }

    #[test]
    fn sixteen_bits_are_a_depth_too() {
        let display = Display::with_depth(320, 200, 16);
        let mut color = display.program("xsetroot");
        color.args(["-solid", "#ff0000"]);
        crate::harness::run(color, SOON).ok();
        assert!(display.screenshot().contains_color([255, 0, 0], 0.0));
        assert!(display.screenshot().is_uniform());
    }
}
