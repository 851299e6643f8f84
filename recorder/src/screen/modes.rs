//! What a terminal remembers beside its cells, read off the control sequences alone.
//!
//! Cheap enough to follow output that the screen itself is not fed with; and the screen model
//! does not know all of it.

use super::scan::{Csi, Piece};

/// The private modes followed, with the state a terminal starts in.
const PRIVATE: [(u16, bool); 17] = [
    (1, false),
    (5, false),
    (6, false),
    (7, true),
    (9, false),
    (12, false),
    (25, true),
    (45, false),
    (1000, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1005, false),
    (1006, false),
    (1007, false),
    (1015, false),
    (2004, false),
];
/// Those that the screen model paints itself.
const OF_MODEL: [u16; 10] = [1, 6, 9, 25, 1000, 1002, 1003, 1005, 1006, 2004];
/// No title is longer.
const LONGEST_TITLE: usize = 512;

/// The modes of a terminal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modes {
    /// Bit n: mode `PRIVATE[n]` is not in the state it starts in.
    changed: u32,
    /// Is the alternate screen shown?
    pub alternate: bool,
    keypad: bool,
    insert: bool,
    /// Are G0 and G1 the line-drawing set?
    graphic: [bool; 2],
    /// Is G1 in use?
    shifted: bool,
    /// Scrolling region of the main and the alternate screen: top and bottom row, from 1.
    region: [Option<(u16, u16)>; 2],
    cursor_style: u16,
    modify_other_keys: u16,
    title: Option<String>,
}

impl Modes {
    /// Notes what a piece of output changes.
    pub fn note(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Text(_) => {}
            Piece::Shift(byte) => self.shifted = *byte == 0x0e,
            Piece::Esc(bytes) => self.note_esc(bytes),
            Piece::Csi(bytes) => {
                if let Some(csi) = Csi::parse(bytes) {
                    self.note_csi(&csi);
                }
            }
            Piece::Osc(bytes) => self.note_title(bytes),
        }
    }

    fn note_esc(&mut self, bytes: &[u8]) {
        match bytes {
            [_, b'c'] => {
                *self = Self {
                    title: self.title.take(),
                    ..Self::default()
                }
            }
            [_, b'='] => self.keypad = true,
            [_, b'>'] => self.keypad = false,
            [_, b'(', set] => self.graphic[0] = *set == b'0',
            [_, b')', set] => self.graphic[1] = *set == b'0',
            _ => {}
        }
    }

    fn note_csi(&mut self, csi: &Csi) {
        match (csi.prefix, csi.intermediate, csi.last) {
            (b'?', 0, b'h' | b'l') => {
                for &mode in csi.params() {
                    self.set_private(mode, csi.last == b'h');
                }
            }
            (0, 0, b'h' | b'l') if csi.params().contains(&4) => self.insert = csi.last == b'h',
            (0, 0, b'r') => {
                let region = (csi.param(0, 1), csi.param(1, 0));
                self.region[usize::from(self.alternate)] = (region != (1, 0)).then_some(region);
            }
            (0, b'!', b'p') => self.soft_reset(),
            (0, b' ', b'q') => self.cursor_style = csi.param(0, 0),
            (b'>', 0, b'm') if csi.param(0, 0) == 4 => self.modify_other_keys = csi.param(1, 0),
            _ => {}
        }
    }

    fn soft_reset(&mut self) {
        self.insert = false;
        self.keypad = false;
        self.graphic = [false; 2];
        self.shifted = false;
        self.region[usize::from(self.alternate)] = None;
        for (mode, on) in [(1, false), (6, false), (7, true), (25, true)] {
            self.set_private(mode, on);
        }
    }

    fn set_private(&mut self, mode: u16, on: bool) {
        if let 47 | 1047 | 1049 = mode {
            if on && mode == 1049 {
                self.region[1] = None;
            }
            self.alternate = on;
        } else if let Some(n) = PRIVATE.iter().position(|(known, _)| *known == mode) {
            let bit = 1 << n;
            if on == PRIVATE[n].1 {
                self.changed &= !bit;
            } else {
                self.changed |= bit;
            }
        }
    }

    fn private(&self, mode: u16) -> bool {
        PRIVATE
            .iter()
            .position(|(known, _)| *known == mode)
            .is_some_and(|n| (self.changed & (1 << n) != 0) != PRIVATE[n].1)
    }

    fn note_title(&mut self, bytes: &[u8]) {
        if let [b'0' | b'2', b';', title @ ..] = bytes {
            let text = String::from_utf8_lossy(title);
            let clean = text.chars().filter(|c| !c.is_control());
            self.title = Some(clean.take(LONGEST_TITLE).collect());
        }
    }

    /// Are printable bytes drawn as lines now?
    pub fn draws_lines(&self) -> bool {
        self.graphic[usize::from(self.shifted)]
    }

    /// Are positions counted from the scrolling region's top?
    pub fn origin(&self) -> bool {
        self.private(6)
    }

    /// The scrolling region of the screen shown, if it is smaller than `rows`: rows from 1.
    pub fn region(&self, rows: u16) -> Option<(u16, u16)> {
        let (top, bottom) = self.region[usize::from(self.alternate)]?;
        let bottom = if bottom == 0 { rows } else { bottom.min(rows) };
        (top < bottom && (top, bottom) != (1, rows)).then_some((top, bottom))
    }

    /// The title last set.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Sequences for a new screen model that missed the output so far.
    pub fn for_model(&self, rows: u16) -> Vec<u8> {
        let mut out = Vec::new();
        if self.alternate {
            out.extend_from_slice(b"\x1b[?1049h");
        }
        if let Some((top, bottom)) = self.region(rows) {
            out.extend_from_slice(format!("\x1b[{top};{bottom}r").as_bytes());
        }
        out.extend_from_slice(if self.keypad { b"\x1b=" } else { b"\x1b>" });
        for mode in OF_MODEL {
            self.write_private(mode, &mut out);
        }
        out
    }

    /// Sequences for a terminal just reset: the modes that the screen model does not know.
    pub fn beyond_model(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (mode, _) in PRIVATE {
            if !OF_MODEL.contains(&mode) {
                self.write_private(mode, &mut out);
            }
        }
        out.extend_from_slice(if self.insert { b"\x1b[4h" } else { b"\x1b[4l" });
        for (intro, graphic) in [(b'(', self.graphic[0]), (b')', self.graphic[1])] {
            out.extend_from_slice(&[0x1b, intro, if graphic { b'0' } else { b'B' }]);
        }
        out.push(if self.shifted { 0x0e } else { 0x0f });
        if self.cursor_style != 0 {
            out.extend_from_slice(format!("\x1b[{} q", self.cursor_style).as_bytes());
        }
        if self.modify_other_keys != 0 {
            out.extend_from_slice(format!("\x1b[>4;{}m", self.modify_other_keys).as_bytes());
        }
        out
    }

    fn write_private(&self, mode: u16, out: &mut Vec<u8>) {
        let last = if self.private(mode) { 'h' } else { 'l' };
        out.extend_from_slice(format!("\x1b[?{mode}{last}").as_bytes());
    }
}
