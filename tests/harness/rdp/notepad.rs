use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::eventually;

/// A point inside of it, for the pointer: it has the keyboard while the pointer is there.
pub const NOTEPAD: (u32, u32) = (200, 120);
/// The color of every desktop's background, which nothing else on it has.
pub const BACKGROUND: [u8; 3] = [0x20, 0x30, 0x40];

/// A terminal on a remote desktop, always at the same place, that shows what is typed and keeps it
/// in a file, key by key.
#[derive(Debug, Clone)]
pub struct Notepad {
    file: PathBuf,
}

impl Notepad {
    /// The one that writes to this file.
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Shell lines that paint the background and become the terminal; `file` is shell text.
    pub(super) fn script(file: &str) -> String {
        format!(
            "xsetroot -solid '#203040'\n\
             exec xterm -T notepad -fa 'DejaVu Sans Mono' -fs 12 -geometry 60x16+40+40 \
             -e sh -c \"stty -icanon -isig -ixon; exec cat >>{file}\"\n"
        )
    }

    /// Everything typed so far as the terminal sends it: a line end is `\n`, control and function
    /// keys are their codes.
    pub fn typed(&self) -> String {
        let bytes = fs::read(&self.file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until this was typed, and nothing else since it was cleared.
    #[track_caller]
    pub fn wait_typed(&self, text: &str, limit: Duration) {
        let mut typed = String::new();
        let what = format!("{text:?} is typed");
        let start = std::time::Instant::now();
        eventually(&what, limit + Duration::from_secs(5), || {
            typed = self.typed();
            assert!(
                typed == text || start.elapsed() < limit,
                "{text:?} was to be typed, {typed:?} was"
            );
            (typed == text).then_some(())
        });
    }

    /// Forgets what was typed; the terminal still shows it.
    pub fn clear(&self) {
        fs::write(&self.file, "").unwrap();
    }

    /// Where it keeps what was typed.
    pub fn file(&self) -> &Path {
        &self.file
    }
}
