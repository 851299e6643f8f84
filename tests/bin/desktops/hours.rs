//! What an hour of use takes on disk, by what is done in it.

use std::thread;
use std::time::{Duration, Instant};

use sallyport_tests::harness::{NOTEPAD, RdpClient};

use super::film::{Film, Sizes};
use super::{Desktops, PATIENCE, Place};
use crate::rows::Row;
use crate::table::OURS;

/// Until the desktop stands still after the log-in, and until what was done is on the track.
const SETTLE: Duration = Duration::from_secs(3);
/// One line typed, which takes a moment, and then a pause to think.
const THOUGHT: Duration = Duration::from_millis(1500);
/// Keys for each line.
const LINE: &str = "the quick brown fox jumps over the lazy dog\n";

/// Lines of the notepad.
const PAGE: usize = 16;

/// What somebody does.
#[derive(Clone, Copy)]
enum Use {
    Nothing,
    /// Typing into a terminal that scrolls.
    Office,
    /// Looking at noise.
    Video,
}

impl Desktops {
    pub(super) fn tape(&mut self) {
        for (what, [stream, tape, track]) in [
            (
                Use::Nothing,
                [Row::StreamStill, Row::TapeStill, Row::TrackStill],
            ),
            (
                Use::Office,
                [Row::StreamOffice, Row::TapeOffice, Row::TrackOffice],
            ),
            (
                Use::Video,
                [Row::StreamVideo, Row::TapeVideo, Row::TrackVideo],
            ),
        ] {
            let hourly = self.hourly(what);
            self.table.add(stream, OURS, hourly.stream);
            self.table.add(tape, OURS, hourly.tape);
            self.table.add(track, OURS, hourly.track);
        }
    }

    /// Sizes in MB for an hour of that.
    fn hourly(&self, what: Use) -> Sizes {
        let client = self.desktop(Place::Xrdp, OURS);
        client.point_at(&self.screen(Place::Xrdp), NOTEPAD, PATIENCE);
        // Full, so that every line scrolls.
        client.display().type_text(&"\n".repeat(PAGE));
        thread::sleep(SETTLE);
        let film = Film::newest(&self.gateway);
        let before = film.sizes();
        let start = Instant::now();
        self.do_it(what, &client);
        let hours = start.elapsed().as_secs_f64() / 3600.0;
        // What is still on its way belongs to it.
        thread::sleep(SETTLE);
        let after = film.sizes();
        drop(client);
        film.wait_whole();
        film.remove();
        let an_hour = |before: f64, after: f64| (after - before) / 1e6 / hours;
        Sizes {
            stream: an_hour(before.stream, after.stream),
            tape: an_hour(before.tape, after.tape),
            track: an_hour(before.track, after.track),
        }
    }

    fn do_it(&self, what: Use, client: &RdpClient) {
        let start = Instant::now();
        match what {
            Use::Nothing => thread::sleep(self.plan.day),
            Use::Office => {
                while start.elapsed() < self.plan.day {
                    client.display().type_text(LINE);
                    thread::sleep(THOUGHT);
                }
            }
            Use::Video => {
                let _noise = self.paint(Place::Xrdp, "noise");
                // Gigabytes: no longer than need be.
                thread::sleep(self.plan.film);
            }
        }
    }
}
