//! What a player needs to know of a track before it shows any of it.

use std::time::Duration;

use super::TrackError;
use super::file::Items;
use super::item::{ItemHead, KEYFRAME, RESIZE, TILE};

/// The most intervals that activity is counted in.
const MAX_INTERVALS: usize = 480;
/// The most keyframes that are told.
const MAX_KEYFRAMES: usize = 4096;

/// What a player needs to know of a track before it shows any of it. However long the track is, this is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// How long the tape is; of one that goes on, how far the track is.
    pub length: Duration,
    /// Is all of its tape on it?
    pub finished: bool,
    /// The most pixels that a row of its pictures has.
    pub width: u16,
    /// The most rows.
    pub height: u16,
    /// When its keyframes are: where it is entered most quickly. Of very many, some are left out.
    pub keyframes: Vec<Duration>,
    /// How much changed when.
    pub activity: Activity,
}

/// How much changed when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// How long each interval is.
    pub interval: Duration,
    /// How often the picture changed in each, from the start on; behind the last one it did not change any more.
    pub changes: Vec<u32>,
    last: Option<Duration>,
}

impl Index {
    pub(super) fn of(items: &Items) -> Result<Self, TrackError> {
        let mut index = Self {
            length: Duration::ZERO,
            finished: false,
            width: 0,
            height: 0,
            keyframes: Vec::new(),
            activity: Activity::default(),
        };
        let mut spacing = Duration::ZERO;
        let mut resized: Vec<(ItemHead, u64)> = Vec::new();
        let mut failed = None;
        items.heads(items.new_scan().offset(), |head, offset| {
            index.length = head.at;
            match head.kind {
                RESIZE => resized.push((head, offset)),
                KEYFRAME => {
                    index.keyframe(head.at, &mut spacing);
                    index.activity.add(head.at);
                }
                TILE => index.activity.add(head.at),
                _ => {}
            }
            // A few at a time: a desktop may be resized all day.
            if resized.len() >= MAX_INTERVALS {
                failed = index.sizes(items, &mut resized).err();
            }
            failed.is_none()
        })?;
        index.sizes(items, &mut resized)?;
        index.finished = items.closed()?.is_some();
        failed.map_or(Ok(index), Err)
    }

    fn keyframe(&mut self, at: Duration, spacing: &mut Duration) {
        let last = self.keyframes.last();
        if last.is_some_and(|last| at.saturating_sub(*last) < *spacing) {
            return;
        }
        if self.keyframes.len() >= MAX_KEYFRAMES {
            *spacing = (*spacing * 2).max(Duration::from_secs(1));
            let mut is_odd = true;
            self.keyframes.retain(|_| {
                is_odd = !is_odd;
                !is_odd
            });
        }
        self.keyframes.push(at);
    }

    fn sizes(
        &mut self,
        items: &Items,
        resized: &mut Vec<(ItemHead, u64)>,
    ) -> Result<(), TrackError> {
        for (head, offset) in resized.drain(..) {
            if let Some([w0, w1, h0, h1]) = items.payload(&head, offset)? {
                self.width = self.width.max(u16::from_le_bytes([w0, w1]));
                self.height = self.height.max(u16::from_le_bytes([h0, h1]));
            }
        }
        Ok(())
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            changes: Vec::new(),
            last: None,
        }
    }
}

impl Activity {
    /// Counts a change. What changes at one time is one change.
    fn add(&mut self, at: Duration) {
        if self.last == Some(at) {
            return;
        }
        self.last = Some(at);
        let slot = loop {
            let slot = at.as_micros() / self.interval.as_micros().max(1);
            match usize::try_from(slot) {
                Ok(slot) if slot < MAX_INTERVALS => break slot,
                Ok(_) | Err(_) => self.widen(),
            }
        };
        if self.changes.len() <= slot {
            self.changes.resize(slot + 1, 0);
        }
        if let Some(count) = self.changes.get_mut(slot) {
            *count = count.saturating_add(1);
        }
    }

    /// Makes one interval of every two.
    fn widen(&mut self) {
        self.interval *= 2;
        let pairs = self.changes.chunks(2);
        let sum = |pair: &[u32]| pair.iter().fold(0, |sum: u32, n| sum.saturating_add(*n));
        self.changes = pairs.map(sum).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_counted_in_few_intervals_however_long_it_takes() {
        let mut activity = Activity::default();
        for second in [0, 0, 1, 5, 479] {
            activity.add(Duration::from_secs(second));
        }
        assert_eq!(activity.interval, Duration::from_secs(1));
        assert_eq!((activity.changes.len(), activity.changes[0]), (480, 1));
        activity.add(Duration::from_secs(480));
        assert_eq!(activity.interval, Duration::from_secs(2));
        assert_eq!((activity.changes[0], activity.changes[240]), (2, 1));
        activity.add(Duration::from_micros(u64::MAX));
        assert!(activity.changes.len() <= MAX_INTERVALS);
        assert_eq!(activity.changes.iter().sum::<u32>(), 6);
    }

    #[test]
    fn of_very_many_keyframes_some_are_told() {
        let mut index = Index {
            length: Duration::ZERO,
            finished: false,
            width: 0,
            height: 0,
            keyframes: Vec::new(),
            activity: Activity::default(),
        };
        let mut spacing = Duration::ZERO;
        for n in 0..1_000_000 {
            index.keyframe(Duration::from_millis(n * 100), &mut spacing);
        }
        let told = &index.keyframes;
        assert!(told.len() > MAX_KEYFRAMES / 4 && told.len() <= MAX_KEYFRAMES);
        assert!(told.is_sorted() && told[0] == Duration::ZERO);
    }
}
