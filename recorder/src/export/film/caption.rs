//! The strip below the pictures: when it was, who it was, and what the picture does not tell.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::TapeHeader;

const WEIGHT: FontWeight = FontWeight::Regular;
const HEIGHT: RasterHeight = RasterHeight::Size16;
/// What stands for a sign that the font lacks.
const MISSING: char = '?';

/// Rows of a line.
pub(super) const LINE: usize = HEIGHT.val();

/// What there is to be said beside a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caption {
    /// At the left: when, and who.
    pub text: String,
    /// At the right: what the picture does not tell.
    pub note: String,
    /// What lies behind both.
    pub tone: Tone,
}

/// How alarming a caption is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// The user saw the picture.
    Plain,
    /// The user saw something else.
    Covered,
    /// The picture may be wrong.
    Faulty,
}

/// What a picture does not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// The user saw a cover instead.
    pub covered: bool,
    /// How many parts could not be decoded.
    pub faults: u64,
}

impl Caption {
    /// For what was to be seen at `at` on that tape; `left_out`: how much time without changes the film leaves out here.
    pub fn of(tape: &TapeHeader, at: Duration, state: State, left_out: Duration) -> Self {
        let when = TimeDelta::from_std(at).ok();
        let when = when.and_then(|at| tape.started_at.checked_add_signed(at));
        let when = when.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut notes = Vec::new();
        if state.covered {
            notes.push("the user sees a cover instead".to_owned());
        }
        match state.faults {
            0 => {}
            1 => notes.push("1 update could not be decoded".to_owned()),
            faults => notes.push(format!("{faults} updates could not be decoded")),
        }
        if left_out >= Duration::from_secs(1) {
            notes.push(format!("{} without changes left out", span(left_out)));
        }
        Self {
            text: format!(
                "{} UTC  {} as {} on {}",
                when.format("%Y-%m-%d %H:%M:%S"),
                tape.user,
                tape.account,
                tape.host
            ),
            note: notes.join(", "),
            tone: match state {
                State { covered: true, .. } => Tone::Covered,
                State { faults: 0, .. } => Tone::Plain,
                State { .. } => Tone::Faulty,
            },
        }
    }
}

/// `9 min 58 s`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    told.join(" ")
}

/// Pixels that a line of text is wide.
pub(super) fn width(text: &str) -> usize {
    text.chars().count() * get_raster_width(WEIGHT, HEIGHT)
}

/// Where a line of text covers anything, and how much of it (255: all): columns and rows from its left upper corner.
pub(super) fn ink(text: &str) -> impl Iterator<Item = (usize, usize, u8)> {
    let advance = get_raster_width(WEIGHT, HEIGHT);
    text.chars().enumerate().flat_map(move |(place, sign)| {
        let raster = get_raster(sign, WEIGHT, HEIGHT);
        let raster = raster.or_else(|| get_raster(MISSING, WEIGHT, HEIGHT));
        let rows = raster.map_or(&[][..], |raster| raster.raster());
        rows.iter().enumerate().flat_map(move |(y, row)| {
            let pixels = row.iter().enumerate();
            pixels.filter_map(move |(x, ink)| (*ink > 0).then_some((place * advance + x, y, *ink)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{header, ms};

    #[test]
    fn a_caption_says_when_who_and_what_is_not_to_be_seen() {
        let of = |covered, faults, left_out| {
            let state = State { covered, faults };
            Caption::of(&header(), ms(3500), state, Duration::from_secs(left_out))
        };
        let plain = of(false, 0, 0);
        assert_eq!(plain.text, "2025-03-10 00:00:01 UTC  alice as root on db1");
        assert_eq!((plain.note.as_str(), plain.tone), ("", Tone::Plain));
        let faulty = of(false, 2, 3605);
        let note = "2 updates could not be decoded, 1 h 5 s without changes left out";
        assert_eq!((faulty.note.as_str(), faulty.tone), (note, Tone::Faulty));
        let covered = of(true, 1, 0);
        assert!(covered.note.contains("cover instead, 1 update could"));
        assert_eq!(covered.tone, Tone::Covered);
    }

    #[test]
    fn signs_are_drawn_also_those_the_font_lacks() {
        assert_eq!(ink(" ").count(), 0);
        let (a, missing) = (ink("a").count(), ink("日").count());
        assert!(a > 10 && missing > 10, "{a} {missing}");
        assert!(ink("aa").all(|(x, y, _)| x < width("aa") && y < LINE));
        assert!(ink("aa").any(|(x, _, _)| x >= width("a")));
    }
}
