//! Bytes that bring a terminal into a screen's state.

use super::{Saved, Screen};

/// Undoes what a terminal may have been left in: soft reset, region, origin, insert, wrap,
/// character sets, attributes, mouse and focus reports, keys.
const CLEAN: &[u8] = b"\x1b[!p\x1b[r\x1b[?6l\x1b[4l\x1b[?7h\x1b(B\x1b)B\x0f\x1b[m\
    \x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[>4m";

impl Screen {
    /// Bytes that bring any xterm-like terminal of the same size into this state, whatever it
    /// showed before: both screens, cursor, attributes, modes, title. The bytes of an unfinished
    /// sequence come last, so that the output that follows joins on without a seam.
    pub fn repaint(&mut self) -> Vec<u8> {
        let mut out = CLEAN.to_vec();
        out.extend_from_slice(b"\x1b[?1049l");
        if self.alternate() {
            // What the program will give back when it ends.
            self.process(b"\x1b[?47l");
            let main = self.parser.screen().contents_formatted();
            self.process(b"\x1b[?47h");
            out.extend_from_slice(&main);
            self.saved[0].place(&mut out);
            out.extend_from_slice(b"\x1b[?1049h\x1b[m");
        }
        let screen = self.parser.screen();
        out.extend_from_slice(&screen.contents_formatted());
        self.saved[usize::from(self.alternate())].place(&mut out);
        out.extend_from_slice(b"\x1b7\x1b[m");
        out.extend_from_slice(&screen.cursor_state_formatted());
        if let Some((top, bottom)) = self.modes.region(self.size.1) {
            // Setting the region takes the cursor home.
            out.extend_from_slice(format!("\x1b[{top};{bottom}r").as_bytes());
            out.extend_from_slice(&screen.cursor_state_formatted());
            if self.modes.origin() {
                let (row, col) = screen.cursor_position();
                let row = (row + 1).saturating_sub(top - 1).max(1);
                out.extend_from_slice(format!("\x1b[?6h\x1b[{row};{}H", col + 1).as_bytes());
            }
        } else if self.modes.origin() {
            out.extend_from_slice(b"\x1b[?6h");
            out.extend_from_slice(&screen.cursor_state_formatted());
        }
        out.extend_from_slice(&screen.attributes_formatted());
        out.extend_from_slice(&screen.input_mode_formatted());
        out.extend_from_slice(&self.modes.beyond_model());
        if let Some(title) = self.modes.title() {
            out.extend_from_slice(format!("\x1b]2;{title}\x07").as_bytes());
        }
        out.extend_from_slice(&self.scanner.pending());
        out
    }
}

impl Saved {
    /// Brings the cursor to the saved place.
    fn place(&self, out: &mut Vec<u8>) {
        let place = format!("\x1b[m\x1b[{};{}H", self.row + 1, self.col + 1);
        out.extend_from_slice(place.as_bytes());
        out.extend_from_slice(&self.attributes);
    }
}
