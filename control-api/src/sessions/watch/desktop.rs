//! A live desktop, as one viewer sees it: the pictures of its track, and the events of its tape.
//!
//! Binary messages are pictures, one each: kind u8, then x, y, width and height as u16 (little-endian), then a PNG.
//! Kind 1 is a keyframe, the whole picture: what was told of pointer and cover before it holds no more, and is told
//! again behind it. Kind 2 is a tile, a part of the picture. Kind 3 is the pointer's shape, with opacity; x and y say
//! which of its pixels is where it points.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sallyport_recorder::track::{self, Item, PictureTail, TrackError, What};
use sallyport_recorder::{Entry, TapeHeader, TapeTail, Timed};
use serde_json::json;

use super::feed::{Fault, Feed, Next, Over, blocking};

/// Most bytes of pictures read at a time, beside the last one; also what one slow viewer costs in memory.
const READ: usize = 256 * 1024;
/// Most bytes of tape looked through for events at a time. Few of them are kept.
const LOOK_THROUGH: usize = 4 << 20;
/// Pictures come late on a busy machine. So long after the tape's end they are not waited for any more.
const LAST_PICTURES: Duration = Duration::from_secs(5);

const KEYFRAME: u8 = 1;
const TILE: u8 = 2;
const POINTER_SHAPE: u8 = 3;

/// The desktop as one viewer sees it. Reading blocks, so the files wander to a blocking thread and back.
pub struct Desktop {
    files: Option<Files>,
    header: TapeHeader,
    size: Option<(u16, u16)>,
    /// Was the viewer told that the user sees a cover?
    is_covered: bool,
    /// Was the viewer told that he sees what there is?
    is_live: bool,
    /// Since when the tape has its end.
    ended: Option<Instant>,
}

struct Files {
    tape: TapeTail,
    track_path: PathBuf,
    /// `None`: nothing is painted yet.
    track: Option<PictureTail>,
}

/// What came since the last look.
struct News {
    events: Vec<Timed>,
    items: Vec<Item>,
    /// Is there a picture track, and was all that is on it given?
    caught_up: bool,
    /// Is all of the tape on the track, and was it given?
    finished: bool,
    tape_ended: bool,
}

impl Desktop {
    /// Opens a live tape at its present end. Its track need not be there yet.
    pub async fn open(path: PathBuf) -> Result<Self, Fault> {
        blocking(move || {
            let mut tape = TapeTail::open(&path)?;
            tape.skip()?;
            Ok(Self {
                header: tape.header().clone(),
                files: Some(Files {
                    tape,
                    track_path: track::path_of(&path),
                    track: None,
                }),
                size: None,
                is_covered: false,
                is_live: false,
                ended: None,
            })
        })
        .await
    }

    /// Shows what came since the last look.
    pub async fn step(&mut self, feed: &mut Feed) -> Result<Next, Over> {
        let news = self.look().await?;
        for Timed { at, entry } in &news.events {
            if let Entry::Marker(event) = entry {
                feed.event(self.header.started_at + *at, event).await?;
            }
        }
        let nothing = news.items.is_empty();
        for item in news.items {
            self.show(feed, item).await?;
        }
        if news.caught_up && self.size.is_some() && !self.is_live {
            self.is_live = true;
            feed.text(&json!({ "type": "live" })).await?;
        }
        if news.tape_ended && nothing {
            let ended = *self.ended.get_or_insert_with(Instant::now);
            if news.finished || ended.elapsed() >= LAST_PICTURES {
                return Ok(Next::Ended);
            }
        }
        Ok(match news.caught_up || nothing {
            true => Next::Later,
            false => Next::AtOnce,
        })
    }

    async fn look(&mut self) -> Result<News, Fault> {
        let Some(mut files) = self.files.take() else {
            return Err(Fault::Interrupted);
        };
        let (files, news) = blocking(move || {
            let news = files.look()?;
            Ok((files, news))
        })
        .await?;
        self.files = Some(files);
        Ok(news)
    }

    async fn show(&mut self, feed: &mut Feed, Item { at, what }: Item) -> Result<(), Over> {
        let at = self.header.started_at + at;
        match what {
            What::Keyframe { png } => {
                // It may be the first of a new size whose announcement was skipped.
                let Some((width, height)) = track::png_size(&png) else {
                    return Ok(());
                };
                if self.size != Some((width, height)) {
                    self.size = Some((width, height));
                    let desktop = json!({
                        "type": "desktop", "session": self.header.session, "connection": self.header.connection,
                        "width": width, "height": height,
                    });
                    feed.text(&desktop).await?;
                }
                feed.bytes(picture(KEYFRAME, [0, 0, width, height], &png))
                    .await?;
                // That it went may have been skipped. If it did not, that comes next.
                match self.is_covered {
                    true => self.cover(feed, at, false).await,
                    false => Ok(()),
                }
            }
            What::Tile { rect, png } => {
                let place = [rect.x, rect.y, rect.width, rect.height];
                feed.bytes(picture(TILE, place, &png)).await
            }
            What::PointerShape { hot_x, hot_y, png } => {
                let (width, height) = track::png_size(&png).unwrap_or_default();
                let place = [hot_x, hot_y, width, height];
                feed.bytes(picture(POINTER_SHAPE, place, &png)).await
            }
            What::PointerArrow => {
                feed.text(&json!({ "type": "pointer", "at": at, "shape": "arrow" }))
                    .await
            }
            What::PointerHidden => {
                feed.text(&json!({ "type": "pointer", "at": at, "shape": "hidden" }))
                    .await
            }
            What::PointerPlace { x, y } => {
                feed.text(&json!({ "type": "pointer", "at": at, "x": x, "y": y }))
                    .await
            }
            What::Covered { shown } => self.cover(feed, at, shown).await,
            What::Gap { faults } => {
                feed.text(&json!({ "type": "gap", "at": at, "faults": faults }))
                    .await
            }
            // The size comes with the keyframe that follows.
            What::Resize { .. } | What::End => Ok(()),
        }
    }

    async fn cover(&mut self, feed: &mut Feed, at: DateTime<Utc>, shown: bool) -> Result<(), Over> {
        self.is_covered = shown;
        feed.text(&json!({ "type": "cover", "at": at, "shown": shown }))
            .await
    }
}

impl Files {
    fn look(&mut self) -> Result<News, Fault> {
        let mut news = News {
            events: self.tape.poll_markers(LOOK_THROUGH)?,
            items: Vec::new(),
            caught_up: false,
            finished: false,
            tape_ended: self.tape.finished(),
        };
        if self.track.is_none() {
            self.track = open(&self.track_path, self.tape.header())?;
        }
        if let Some(track) = &mut self.track {
            // Who takes pictures slowly sees fewer of them, but none that is old.
            track.skip_to_newest()?;
            news.items = track.poll(READ)?;
            news.caught_up = track.caught_up();
            news.finished = track.finished();
        }
        Ok(news)
    }
}

/// `None`: it is not there yet, or is being made.
fn open(path: &std::path::Path, tape: &TapeHeader) -> Result<Option<PictureTail>, TrackError> {
    match PictureTail::open(path, tape) {
        Ok(track) => Ok(Some(track)),
        Err(TrackError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(TrackError::NotATrack { .. } | TrackError::OtherTape { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A picture's message.
fn picture(kind: u8, place: [u16; 4], png: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(9 + png.len());
    message.push(kind);
    for number in place {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.extend_from_slice(png);
    message
}
