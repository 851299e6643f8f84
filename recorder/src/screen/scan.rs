//! Cutting a terminal's output into text and whole control sequences.
//!
//! Output arrives in pieces of any size; what is incomplete at the end of one is kept, so that a
//! screen can be painted between any two bytes of the stream.

/// Kept of a control sequence or a title; longer ones are let pass and forgotten.
const LONGEST: usize = 4096;
const ESC: u8 = 0x1b;

/// A part of the output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Characters and simple controls (CR, LF, BS, …); never half a character.
    Text(&'a [u8]),
    /// SO (0x0e) or SI (0x0f): the other character set.
    Shift(u8),
    /// ESC, maybe intermediates, a final byte.
    Esc(&'a [u8]),
    /// ESC [ … final byte.
    Csi(&'a [u8]),
    /// What stands in an operating system command: `2;title`.
    Osc(&'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Esc,
    EscInter,
    Csi,
    Osc,
    /// DCS, SOS, PM, APC.
    Other,
    /// ESC inside a string, maybe the start of its end. The flag: of an OSC?
    StringEsc(bool),
}

/// The state between two pieces of output.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    pending: Vec<u8>,
    too_long: bool,
}

impl Scanner {
    /// Cuts up the next bytes.
    pub fn scan(&mut self, data: &[u8], on: &mut impl FnMut(Piece<'_>)) {
        let mut at = 0;
        while let Some(&byte) = data.get(at) {
            if self.state == State::Ground {
                at += self.ground(&data[at..], on);
            } else {
                at += usize::from(self.step(byte, on));
            }
        }
    }

    /// The bytes of what is incomplete: to be sent after a repaint, so that the rest of the
    /// stream makes sense behind it.
    pub fn pending(&self) -> Vec<u8> {
        let mut bytes = self.pending.clone();
        if self.too_long {
            bytes.truncate(2);
        }
        if let State::StringEsc(_) = self.state {
            bytes.push(ESC);
        }
        bytes
    }

    fn ground(&mut self, data: &[u8], on: &mut impl FnMut(Piece<'_>)) -> usize {
        if let Some(&first) = self.pending.first() {
            let missing = utf8_len(first).saturating_sub(self.pending.len());
            let more = data
                .iter()
                .take(missing)
                .take_while(|byte| is_continuation(**byte))
                .count();
            self.pending.extend_from_slice(&data[..more]);
            if more == missing || more < data.len() {
                on(Piece::Text(&self.pending));
                self.pending.clear();
            }
            return more;
        }
        let special = |byte: &u8| matches!(byte, 0x0e | 0x0f | &ESC);
        let Some(n) = data.iter().position(special) else {
            let whole = data.len() - incomplete_tail(data);
            if whole > 0 {
                on(Piece::Text(&data[..whole]));
            }
            self.pending.extend_from_slice(&data[whole..]);
            return data.len();
        };
        if n > 0 {
            on(Piece::Text(&data[..n]));
        }
        if data[n] == ESC {
            self.begin();
        } else {
            on(Piece::Shift(data[n]));
        }
        n + 1
    }

    fn begin(&mut self) {
        self.pending.clear();
        self.pending.push(ESC);
        self.too_long = false;
        self.state = State::Esc;
    }

    fn end(&mut self) {
        self.pending.clear();
        self.too_long = false;
        self.state = State::Ground;
    }

    fn push(&mut self, byte: u8) {
        if self.pending.len() < LONGEST {
            self.pending.push(byte);
        } else {
            self.too_long = true;
        }
    }

    /// Takes a byte inside a sequence; `false`: it belongs to what comes next.
    fn step(&mut self, byte: u8, on: &mut impl FnMut(Piece<'_>)) -> bool {
        match (self.state, byte) {
            (State::StringEsc(osc), _) => {
                if osc && !self.too_long {
                    on(Piece::Osc(self.pending.get(2..).unwrap_or_default()));
                }
                if byte == b'\\' {
                    self.end();
                    return true;
                }
                // The string was ended by the start of another sequence.
                self.begin();
                return false;
            }
            (_, 0x18 | 0x1a) => self.end(),
            (State::Osc, 0x07) => {
                if !self.too_long {
                    on(Piece::Osc(self.pending.get(2..).unwrap_or_default()));
                }
                self.end();
            }
            (State::Osc, ESC) => self.state = State::StringEsc(true),
            (State::Other, ESC) => self.state = State::StringEsc(false),
            (State::Osc, _) => self.push(byte),
            // Nobody asks what is in it.
            (State::Other, _) => {}
            (_, ESC) => self.begin(),
            (_, 0x80..) => {
                self.end();
                return false;
            }
            // Simple controls work inside sequences.
            (_, 0x00..=0x1f) => on(Piece::Text(&[byte])),
            (_, 0x7f) => {}
            (State::Esc, b'[') => self.go_on(byte, State::Csi),
            (State::Esc, b']') => self.go_on(byte, State::Osc),
            (State::Esc, b'P' | b'X' | b'^' | b'_') => self.go_on(byte, State::Other),
            (State::Esc | State::EscInter, 0x20..=0x2f) => self.go_on(byte, State::EscInter),
            (State::Csi, 0x20..=0x3f) => self.push(byte),
            (State::Ground | State::Esc | State::EscInter | State::Csi, _) => {
                self.push(byte);
                if !self.too_long {
                    match self.state {
                        State::Csi => on(Piece::Csi(&self.pending)),
                        State::Ground
                        | State::Esc
                        | State::EscInter
                        | State::Osc
                        | State::Other
                        | State::StringEsc(_) => on(Piece::Esc(&self.pending)),
                    }
                }
                self.end();
            }
        }
        true
    }

    fn go_on(&mut self, byte: u8, state: State) {
        self.push(byte);
        self.state = state;
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn utf8_len(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

/// How many bytes at the end are the start of a character, the rest of which is missing.
pub(crate) fn incomplete_tail(text: &[u8]) -> usize {
    let reach = text.len().min(3);
    for back in 1..=reach {
        let byte = text[text.len() - back];
        if !is_continuation(byte) {
            return if utf8_len(byte) > back { back } else { 0 };
        }
    }
    0
}

/// A CSI sequence, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Csi {
    /// `?`, `>`, `<` or `=` before the numbers; 0 for none.
    pub prefix: u8,
    /// A byte such as `!` or space before the final one; 0 for none.
    pub intermediate: u8,
    /// The final byte.
    pub last: u8,
    params: [u16; 16],
    count: usize,
}

impl Csi {
    /// Takes apart what [`Piece::Csi`] gave.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&last, rest) = bytes.get(2..)?.split_last()?;
        let mut csi = Self {
            prefix: 0,
            intermediate: 0,
            last,
            params: [0; 16],
            count: 0,
        };
        for &byte in rest {
            match byte {
                b'0'..=b'9' => {
                    csi.count = csi.count.max(1);
                    if let Some(param) = csi.params.get_mut(csi.count - 1) {
                        let digit = u16::from(byte - b'0');
                        *param = param.saturating_mul(10).saturating_add(digit);
                    }
                }
                b';' | b':' => csi.count = csi.count.max(1) + 1,
                b'<'..=b'?' => csi.prefix = byte,
                _ => csi.intermediate = byte,
            }
        }
        Some(csi)
    }

    /// The numbers given; an empty one is 0.
    pub fn params(&self) -> &[u16] {
        &self.params[..self.count.min(self.params.len())]
    }

    /// A number; 0 or none counts as `default`.
    pub fn param(&self, n: usize, default: u16) -> u16 {
        match self.params().get(n) {
            None | Some(0) => default,
            Some(&value) => value,
        }
    }
}
