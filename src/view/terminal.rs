//! This terminal in raw mode on its alternate screen, until dropped.

use std::io::Write as _;

use crossterm::cursor::{Hide, Show};
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, style::ResetColor};

use crate::failure::{Failure, OrFail as _};

/// The terminal while it shows something else.
pub struct Terminal {
    _private: (),
}

impl Terminal {
    /// Takes the terminal over; nothing is left of it when dropped, also in a panic.
    pub fn take() -> Result<Self, Failure> {
        enable_raw_mode().or_fail("switching the terminal to raw mode")?;
        let terminal = Self { _private: () };
        execute!(
            std::io::stdout(),
            EnterAlternateScreen,
            DisableLineWrap,
            Hide
        )
        .or_fail("writing to the terminal")?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        crossterm::terminal::size().unwrap_or((80, 24))
    }

    /// Writes a frame at once.
    pub fn paint(&mut self, frame: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(frame)
            .and_then(|()| out.flush())
            .or_fail("writing to the terminal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that went away needs nothing put back.
        let _ = execute!(
            std::io::stdout(),
            ResetColor,
            Show,
            EnableLineWrap,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
    }
}
