//! Full-screen noise: what arrives, and what it costs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::eye::Eye;
use super::film::Film;
use super::threads::Threads;
use super::{Desktops, ONE_KEY, Place, WAYS};
use crate::rows::Row;
use crate::table::OURS;

/// Until everybody has found his pace.
const BEGINNING: Duration = Duration::from_secs(2);
/// The rate that the costs are told for, in MB/s.
const RATE: f64 = 35.0;

/// What came of one showing.
struct Showing {
    /// Frames a second, at the client.
    frames: f64,
    /// What it cost, if it went through the gateway.
    cost: Option<Cost>,
}

struct Cost {
    /// MB a second.
    stream: f64,
    /// % of a core, without the painters.
    live: f64,
    /// % of a core, the painters alone.
    track: f64,
    /// Seconds that the track was behind.
    lag: f64,
    /// Seconds that it took to the end afterwards.
    whole: f64,
}

impl Desktops {
    pub(super) fn video(&mut self) {
        for _ in 0..self.plan.rounds {
            for way in WAYS {
                let there = self.showing(Place::Xrdp, way, false);
                self.table.add(Row::FramesXrdp, way, there.frames);
                if let Some(cost) = there.cost {
                    self.add(&[
                        (Row::VideoRate, cost.stream),
                        (Row::VideoCpu, cost.live),
                        (Row::LiveCpu, cost.live / cost.stream * RATE),
                        (Row::TrackCpu, cost.track),
                        (Row::TrackLag, cost.lag),
                        (Row::TrackWhole, cost.whole),
                    ]);
                }
                let there = self.showing(Place::Shadow, way, false);
                self.table.add(Row::FramesShadow, way, there.frames);
                if let Some(cost) = there.cost {
                    self.add(&[
                        (Row::VideoRateShadow, cost.stream),
                        (Row::TrackCpuShadow, cost.track),
                        (Row::TrackLagShadow, cost.lag),
                        (Row::TrackWholeShadow, cost.whole),
                    ]);
                }
            }
            for way in WAYS {
                let there = self.showing(Place::Xrdp, way, true);
                self.table.add(Row::FramesBusy, way, there.frames);
                if let Some(cost) = there.cost {
                    self.add(&[
                        (Row::TrackCpuBusy, cost.track),
                        (Row::TrackLagBusy, cost.lag),
                        (Row::TrackWholeBusy, cost.whole),
                    ]);
                }
            }
        }
    }

    /// Numbers of ours.
    fn add(&mut self, numbers: &[(Row, f64)]) {
        for (row, number) in numbers {
            self.table.add(*row, OURS, *number);
        }
    }

    /// A client looks at noise for a while; `busy`: and somebody else wants every core.
    fn showing(&self, place: Place, way: &str, busy: bool) -> Showing {
        let client = self.desktop(place, way);
        let noise = self.paint(place, "noise");
        let eye = Eye::open(client.display().name());
        let first = eye.next(10 * ONE_KEY);
        assert!(first.is_some(), "{way}: no noise:\n{}", client.log());
        let load = busy.then(Load::start);
        thread::sleep(BEGINNING);
        let film = (way == OURS).then(|| {
            let film = Film::newest(&self.gateway);
            (film.bytes(), film, Threads::start(self.gateway.pid()))
        });
        let frames = eye.rate(self.plan.film);
        let cost = film.map(|(before, film, threads)| {
            let used = threads.stop();
            // But for some heads, the tape is the stream.
            let grown = film.bytes() - before;
            let lag = film.lag();
            drop((noise, client, load));
            let cost = Cost {
                stream: grown / 1e6 / self.plan.film.as_secs_f64(),
                live: used.live * 100.0,
                track: used.track * 100.0,
                lag,
                whole: film.wait_whole(),
            };
            film.remove();
            cost
        });
        Showing { frames, cost }
    }
}

/// Somebody who wants every core; gone when dropped.
struct Load {
    enough: std::sync::Arc<AtomicBool>,
}

impl Load {
    fn start() -> Self {
        let enough = std::sync::Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let enough = enough.clone();
            thread::spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self { enough }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}
