//! From a tape's entries to a track's items.

use std::time::Duration;

use super::png::{encode, encode_shape};
use super::{Canvas, Item, PictureWriter, TrackError, What};
use crate::picture::{Desktop, Image, Pointer, Rect};
use crate::{Entry, Timed};

/// Changes are gathered for so long: at most ten pictures a second.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// After so long, what changes next is written as a whole picture.
const KEYFRAME_AFTER: Duration = Duration::from_secs(30);
/// After so many bytes of tiles, what changes next is written as a whole picture.
const KEYFRAME_BYTES: usize = 4 << 20;

/// Draws entries and writes what is to be seen. Entries must come in their order, from the tape's start.
pub struct Brush {
    desktop: Option<Desktop>,
    writer: PictureWriter,
    written: Written,
    /// Since when something is not written, and when it changed last.
    pending: Option<(Duration, Duration)>,
    covered: bool,
    position: Duration,
}

/// What the track shows.
#[derive(Default)]
struct Written {
    size: Option<(u16, u16)>,
    pointer: Pointer,
    covered: bool,
    faults: u64,
    keyframe: Duration,
    tile_bytes: usize,
}

impl Brush {
    /// Begins with an empty track.
    pub fn new(writer: PictureWriter) -> Self {
        Self {
            desktop: None,
            writer,
            written: Written::default(),
            pending: None,
            covered: false,
            position: Duration::ZERO,
        }
    }

    /// Takes the next entry.
    pub fn take(&mut self, timed: &Timed) -> Result<(), TrackError> {
        let due = |(since, _): (Duration, Duration)| timed.at.saturating_sub(since) >= INTERVAL;
        if self.pending.is_some_and(due) {
            self.write()?;
        }
        self.position = timed.at;
        match &timed.entry {
            Entry::DesktopBegun(begun) => self.desktop = Some(Desktop::new(begun)),
            Entry::FromTarget { pdus } => {
                if let Some(desktop) = &mut self.desktop {
                    desktop.from_target(pdus, timed.at);
                }
            }
            Entry::FromClient { pdus } | Entry::FromViewer { pdus, .. } => {
                if let Some(desktop) = &mut self.desktop {
                    desktop.from_client(pdus, timed.at);
                }
            }
            Entry::Covered { shown } => {
                // What was seen before the cover is seen before the cover.
                self.write()?;
                self.covered = *shown;
            }
            Entry::Output { .. }
            | Entry::Input { .. }
            | Entry::InputMasked { .. }
            | Entry::InputRevealed { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::ChannelOpened { .. }
            | Entry::Resize { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Marker(_)
            | Entry::Bulk { .. }
            | Entry::BulkDigest { .. }
            | Entry::Gap { .. }
            | Entry::Unknown { .. } => return Ok(()),
        }
        if self.differs() {
            let since = self.pending.map_or(timed.at, |(since, _)| since);
            let drawn = self.desktop.as_ref().map_or(since, Desktop::changed);
            let covered = matches!(timed.entry, Entry::Covered { .. });
            let changed = if covered { timed.at } else { drawn.max(since) };
            self.pending = Some((since, changed));
        }
        Ok(())
    }

    /// Is there something that the track does not show?
    fn differs(&self) -> bool {
        let of_desktop = |desktop: &Desktop| {
            desktop.is_damaged()
                || *desktop.pointer() != self.written.pointer
                || desktop.faults() != self.written.faults
        };
        self.covered != self.written.covered || self.desktop.as_ref().is_some_and(of_desktop)
    }

    /// Writes what changed and is not written, without waiting for more.
    pub fn write(&mut self) -> Result<(), TrackError> {
        let Some((_, changed)) = self.pending.take() else {
            return Ok(());
        };
        let mut items = Vec::new();
        let what = |what| Item { at: changed, what };
        if self.covered != self.written.covered {
            self.written.covered = self.covered;
            let shown = self.covered;
            items.push(what(What::Covered { shown }));
        }
        if let Some(desktop) = &mut self.desktop {
            let mut drawn = Vec::new();
            self.written.draw(desktop, changed, &mut drawn)?;
            items.extend(drawn.into_iter().map(what));
        }
        self.writer.append(&items)
    }

    /// The tape ends here, and all of it was taken.
    pub fn finish(&mut self, at: Duration) -> Result<(), TrackError> {
        self.write()?;
        let end = Item {
            at,
            what: What::End,
        };
        self.writer.append(&[end])
    }

    /// A copy of the picture as it is after the last entry taken; `None` before there is one.
    pub fn screen(&self) -> Option<Canvas> {
        Canvas::of(self.desktop.as_ref()?, self.covered)
    }

    /// The time of the last entry taken.
    pub fn position(&self) -> Duration {
        self.position
    }

    /// Bytes of the track.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// Is something not written yet?
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }
}

impl Written {
    fn draw(
        &mut self,
        desktop: &mut Desktop,
        at: Duration,
        items: &mut Vec<What>,
    ) -> Result<(), TrackError> {
        if desktop.faults() != self.faults {
            self.faults = desktop.faults();
            items.push(What::Gap {
                faults: self.faults,
            });
        }
        let damage = desktop.take_damage();
        let mut keyframe = false;
        if let Some(image) = desktop.image()
            && !damage.is_empty()
        {
            keyframe = self.wants_keyframe(image, &damage, at);
            if keyframe {
                self.keyframe(image, at, items)?;
            } else {
                self.tiles(image, damage, items)?;
            }
        }
        self.pointer(desktop.pointer(), keyframe, items)
    }

    fn wants_keyframe(&self, image: Image<'_>, damage: &[Rect], at: Duration) -> bool {
        let changed: usize = damage.iter().map(|rect| rect.area()).sum();
        let whole = Rect::whole(image.width, image.height).area();
        self.size != Some((image.width, image.height))
            || at.saturating_sub(self.keyframe) >= KEYFRAME_AFTER
            || self.tile_bytes >= KEYFRAME_BYTES
            || changed * 4 >= whole * 3
    }

    fn keyframe(
        &mut self,
        image: Image<'_>,
        at: Duration,
        items: &mut Vec<What>,
    ) -> Result<(), TrackError> {
        let (width, height) = (image.width, image.height);
        if self.size != Some((width, height)) {
            self.size = Some((width, height));
            items.push(What::Resize { width, height });
        }
        let png = encode(image, Rect::whole(width, height))?;
        items.push(What::Keyframe { png });
        self.keyframe = at;
        self.tile_bytes = 0;
        // Who begins here knows nothing of before.
        if self.covered {
            items.push(What::Covered { shown: true });
        }
        if self.faults > 0 {
            items.push(What::Gap {
                faults: self.faults,
            });
        }
        Ok(())
    }

    fn tiles(
        &mut self,
        image: Image<'_>,
        damage: Vec<Rect>,
        items: &mut Vec<What>,
    ) -> Result<(), TrackError> {
        for rect in damage {
            // Damage of a picture that was larger then.
            let Some(rect) = rect.within(image.width, image.height) else {
                continue;
            };
            let png = encode(image, rect)?;
            self.tile_bytes += png.len();
            items.push(What::Tile { rect, png });
        }
        Ok(())
    }

    fn pointer(
        &mut self,
        now: &Pointer,
        all: bool,
        items: &mut Vec<What>,
    ) -> Result<(), TrackError> {
        let before = std::mem::replace(&mut self.pointer, now.clone());
        let place_moved = (now.x, now.y) != (before.x, before.y);
        if all || now.shape != before.shape || before.hidden && !now.hidden {
            items.push(match &now.shape {
                None => What::PointerArrow,
                Some(shape) => What::PointerShape {
                    hot_x: shape.hot_x,
                    hot_y: shape.hot_y,
                    png: encode_shape(shape)?,
                },
            });
        }
        if now.hidden && (all || !before.hidden || now.shape != before.shape) {
            items.push(What::PointerHidden);
        }
        if all || place_moved {
            items.push(What::PointerPlace { x: now.x, y: now.y });
        }
        Ok(())
    }
}
