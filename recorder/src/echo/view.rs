//! What the target printed, as one who looks for an echo sees it.

use crate::screen::modes::Modes;
use crate::screen::scan::{Csi, Piece, Scanner};

/// More of one piece of output is not looked at: an echo is short.
const MOST_TOKENS: usize = 4096;
/// So much of the line before the cursor is remembered.
const PROMPT: usize = 80;

/// A part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A character shown.
    Char(char),
    /// Backspace.
    Back,
    /// Carriage return.
    Cr,
    /// Line feed.
    Lf,
    /// The cursor moved, or something was erased or shifted.
    Move,
}

/// Follows the output.
#[derive(Default)]
pub(super) struct Output {
    scanner: Scanner,
    modes: Modes,
    /// The characters of the last line so far.
    line: Vec<u8>,
}

impl Output {
    /// Takes the next bytes; gives their tokens if they are `wanted`.
    pub fn take(&mut self, data: &[u8], wanted: bool) -> Vec<Token> {
        let mut tokens = Vec::new();
        let Self {
            scanner,
            modes,
            line,
        } = self;
        scanner.scan(data, &mut |piece| {
            modes.note(&piece);
            if let Piece::Text(text) = piece {
                remember(line, text);
            }
            if wanted && tokens.len() < MOST_TOKENS {
                tokenise(&piece, &mut tokens);
            }
        });
        tokens
    }

    /// Is a full-screen program on?
    pub fn alternate(&self) -> bool {
        self.modes.alternate
    }

    /// What stands before the cursor on its line.
    pub fn prompt(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }
}

fn remember(line: &mut Vec<u8>, text: &[u8]) {
    let begin = text.iter().rposition(|b| matches!(b, b'\n' | b'\r'));
    if let Some(begin) = begin {
        line.clear();
        line.extend_from_slice(&text[(begin + 1).max(text.len().saturating_sub(PROMPT))..]);
    } else {
        line.extend_from_slice(&text[text.len().saturating_sub(PROMPT)..]);
    }
    let surplus = line.len().saturating_sub(PROMPT);
    line.drain(..surplus);
}

fn tokenise(piece: &Piece<'_>, tokens: &mut Vec<Token>) {
    match piece {
        Piece::Text(text) => {
            let text = &text[..text.len().min(MOST_TOKENS * 4)];
            for c in String::from_utf8_lossy(text).chars() {
                match c {
                    '\u{8}' => tokens.push(Token::Back),
                    '\r' => tokens.push(Token::Cr),
                    '\n' => tokens.push(Token::Lf),
                    c if c.is_control() => {}
                    c => tokens.push(Token::Char(c)),
                }
            }
        }
        Piece::Csi(bytes) => {
            if Csi::parse(bytes).is_some_and(|csi| {
                csi.prefix == 0 && matches!(csi.last, b'@'..=b'P' | b'X' | b'`' | b'd' | b'f')
            }) {
                tokens.push(Token::Move);
            }
        }
        Piece::Shift(_) | Piece::Esc(_) | Piece::Osc(_) => {}
    }
}

/// Words that ask for something nobody should read.
const SECRET_WORDS: [&str; 16] = [
    "password",
    "passwort",
    "kennwort",
    "passphrase",
    "passcode",
    "contraseña",
    "mot de passe",
    "senha",
    "пароль",
    "密码",
    "パスワード",
    "secret",
    "token",
    "verification code",
    "otp",
    "pin",
];

/// Does the text before the cursor ask for a secret?
pub(super) fn asks_for_secret(prompt: &str) -> bool {
    let prompt = prompt.trim_end().to_lowercase();
    prompt.ends_with([':', '?', '>', '：']) && SECRET_WORDS.iter().any(|word| prompt.contains(word))
}

/// Would one use it to hide what is typed?
pub(super) fn is_mask(c: char) -> bool {
    matches!(c, '*' | '•' | '●' | '∙' | '·' | '○' | '■' | '█' | '▪')
}
