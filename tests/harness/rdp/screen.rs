use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Picture;
use crate::harness::{Daemon, Done, eventually, run, tool, wait_until};

/// For one small program to talk to an X server, on a machine that is busy.
const ONE_CALL: Duration = Duration::from_secs(30);
/// For the owner of a clipboard, who may be on the other side of a connection.
const ONE_PASTE: Duration = Duration::from_secs(5);
/// Between two keys, in ms: as fast as a client under load still keeps them in order.
const KEY_DELAY: &str = "12";

/// A way to an X server: to look at it and to use it as a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    name: String,
    authority: Option<PathBuf>,
}

/// A window without a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its id, as X programs take it.
    pub id: String,
    /// Its title, if it has one.
    pub title: String,
    /// From the left of the screen, in pixels.
    pub x: i32,
    /// From the top of the screen, in pixels.
    pub y: i32,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
}

impl Screen {
    /// The screen of this number; `authority` is the file with what the server asks for.
    pub fn new(number: u32, authority: Option<&Path>) -> Self {
        Self {
            name: format!(":{number}"),
            authority: authority.map(Path::to_owned),
        }
    }

    /// What goes into `DISPLAY`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program to be run on it; it dies with the test run.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = tool(program);
        self.environment(&mut command);
        command
    }

    /// The variables that point a command at it.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.name)
            .env_remove("WAYLAND_DISPLAY");
        match &self.authority {
            Some(file) => command.env("XAUTHORITY", file),
            None => command.env_remove("XAUTHORITY"),
        };
    }

    fn call(&self, words: &[&str]) -> Done {
        let mut command = self.program(words[0]);
        command.args(&words[1..]);
        run(command, ONE_CALL)
    }

    /// Does its X server answer?
    pub fn answers(&self) -> bool {
        self.call(&["xdpyinfo"]).code == 0
    }

    /// All of it, as its X server has it: without the pointer.
    pub fn screenshot(&self) -> Picture {
        Picture::from_xwd(&self.call(&["xwd", "-silent", "-root"]).ok().out)
    }

    /// What one window shows; `None` if it is not there or not shown.
    pub fn screenshot_of(&self, window: &Window) -> Option<Picture> {
        let done = self.call(&["xwd", "-silent", "-id", &window.id]);
        (done.code == 0).then(|| Picture::from_xwd(&done.out))
    }

    /// Waits until two pictures taken one after the other are alike, and answers the last.
    #[track_caller]
    pub fn settled(&self, limit: Duration) -> Picture {
        let mut last = self.screenshot();
        eventually("the screen stands still", limit, || {
            std::thread::sleep(Duration::from_millis(150));
            let now = self.screenshot();
            let still = now == last;
            last = now;
            still.then(|| last.clone())
        })
    }

    /// The windows without a parent, the topmost first.
    pub fn windows(&self) -> Vec<Window> {
        let list = self.call(&["xwininfo", "-root", "-children"]).ok().text();
        list.lines().filter_map(window).collect()
    }

    /// Types printable ASCII and line ends to the window that has the keyboard: without a window
    /// manager the one below the pointer.
    pub fn type_text(&self, text: &str) {
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                self.key("Return");
            }
            if !line.is_empty() {
                self.call(&["xdotool", "type", "--delay", KEY_DELAY, "--", line])
                    .ok();
            }
        }
    }

    /// Presses and releases a key or a combination, by its X name: `Return`, `ctrl+c`.
    pub fn key(&self, key: &str) {
        self.call(&["xdotool", "key", "--delay", KEY_DELAY, key])
            .ok();
    }

    /// Presses a key and holds it.
    pub fn hold(&self, key: &str) {
        self.call(&["xdotool", "keydown", key]).ok();
    }

    /// Lets a key go.
    pub fn release(&self, key: &str) {
        self.call(&["xdotool", "keyup", key]).ok();
    }

    /// Moves the pointer.
    pub fn move_to(&self, x: u32, y: u32) {
        self.call(&["xdotool", "mousemove", &x.to_string(), &y.to_string()])
            .ok();
    }

    /// Moves the pointer and clicks: button 1 is the left one, 4 and 5 are the wheel.
    pub fn click(&self, x: u32, y: u32, button: u32) {
        self.move_to(x, y);
        self.call(&["xdotool", "click", &button.to_string()]).ok();
    }

    /// Copies text to the clipboard. It is there as long as the program that is answered runs, which
    /// ends when somebody else copies something.
    pub fn copy(&self, text: &str) -> Daemon {
        let mut xclip = self.program("xclip");
        // In the foreground: what goes to the background would outlive the test.
        xclip
            .args(["-quiet", "-in", "-selection", "clipboard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut owner = Daemon::spawn(xclip);
        let mut input = owner.child().stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        wait_until("the clipboard has an owner", ONE_CALL, || {
            self.pasted().as_deref() == Some(text)
        });
        owner
    }

    /// The text in the clipboard, if its owner hands it out.
    pub fn pasted(&self) -> Option<String> {
        let mut xclip = self.program("xclip");
        xclip.args(["-out", "-selection", "clipboard", "-target", "UTF8_STRING"]);
        let done = run(xclip, ONE_PASTE);
        (done.code == 0).then(|| done.text())
    }

    /// Where the pointer is.
    pub fn pointer(&self) -> (u32, u32) {
        let text = self.call(&["xdotool", "getmouselocation"]).ok().text();
        let number = |name: &str| {
            let word = text
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name));
            word.and_then(|word| word.parse().ok())
                .unwrap_or_else(|| panic!("no {name} in {text:?}"))
        };
        (number("x:"), number("y:"))
    }
}

/// Reads `     0x200009 "title": ("name" "Class")  484x316+10+20  +10+20` of `xwininfo -children`.
fn window(line: &str) -> Option<Window> {
    let line = line.trim();
    let (id, rest) = line
        .split_once(' ')
        .filter(|(id, _)| id.starts_with("0x"))?;
    let title = match rest.strip_prefix('"') {
        Some(rest) => rest.split_once("\": (").map_or("", |(title, _)| title),
        None => "",
    };
    let (rest, place) = line.rsplit_once("  ")?;
    let (_, size) = rest.trim_end().rsplit_once("  ")?;
    let size = size.split(['+', '-']).next()?;
    let (width, height) = size.split_once('x')?;
    // `+10+20`, or `+-5+20` beyond the edge.
    let (x, y) = place.strip_prefix('+')?.split_once('+')?;
    Some(Window {
        id: id.to_owned(),
        title: title.to_owned(),
        x: x.parse().ok()?,
        y: y.parse().ok()?,
        width: width.parse().ok()?,
        height: height.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_with_and_without_a_title() {
        let titled =
            window("     0x20000a \"a: (b) \"c\"\": (\"xterm\" \"XTerm\")  484x316+10+20  +10+20");
        let titled = titled.unwrap();
        assert_eq!(
            (titled.id.as_str(), titled.title.as_str()),
            ("0x20000a", "a: (b) \"c\"")
        );
        assert_eq!((titled.width, titled.height), (484, 316));
        let bare = window("     0x400001 (has no name): ()  10x12+-5+3  +-5+3").unwrap();
        assert_eq!(
            (bare.title.as_str(), bare.x, bare.y, bare.height),
            ("", -5, 3, 12)
        );
        assert_eq!(window("     2 children:"), None);
        assert_eq!(
            window("  Root window id: 0x50d (the root window) (has no name)"),
            None
        );
    }
}
