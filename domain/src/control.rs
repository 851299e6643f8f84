//! What somebody who has taken control of a desktop does there, and why he has it no more.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What he does. May be part of a secret: never stored, never logged, never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum ControlInput {
    /// A key goes down or up.
    Key {
        /// Its scancode: its place on the keyboard (set 1, without the prefix).
        scancode: u8,
        /// With the prefix E0?
        extended: bool,
        /// Down, as opposed to up?
        down: bool,
    },
    /// Characters are typed, whatever keys they are on.
    Text(String),
    /// The mouse, as it is now.
    Mouse {
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
        /// Which buttons are down: 1 left, 2 right, 4 middle, 8 back, 16 forward.
        buttons: u8,
        /// By how much the wheel was turned away from the user; 120 is one notch.
        wheel: i16,
    },
}

impl fmt::Debug for ControlInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key",
            Self::Text(_) => "Text",
            Self::Mouse { .. } => "Mouse",
        })
    }
}

/// Why somebody has control no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlOver {
    /// He gave it back.
    HandedBack,
    /// He stopped watching, or may not any more.
    Left,
    /// The session was locked.
    Locked,
    /// The connection or the session ended.
    Ended,
}

impl fmt::Display for ControlOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandedBack => "given back",
            Self::Left => "the viewer left",
            Self::Locked => "the session was locked",
            Self::Ended => "the connection ended",
        })
    }
}
