//! One connection's meters: what passed in every second, folded into least, average and most.
//!
//! Pure: who uses it brings the time and the readings.

use std::time::{Duration, Instant};

use sallyport_domain::meters::{Meters, Spread};

use crate::round_trip::Reading;

/// Over how long is measured.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// How often what changed is to be kept.
const KEEP: Duration = Duration::from_secs(15);

/// What a connection has counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Writes of what the target shows to the client.
    pub updates: u64,
}

impl Counts {
    fn bytes(self) -> u64 {
        self.bytes_in.saturating_add(self.bytes_out)
    }
}

/// The last round trips that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readings {
    /// To the client.
    pub client: Option<Reading>,
    /// To the target.
    pub target: Option<Reading>,
}

/// The meters of one connection.
#[derive(Debug)]
pub struct Meter {
    since: Instant,
    counts: Counts,
    /// Numbers of the last readings.
    heard: (u32, u32),
    meters: Option<Meters>,
    kept: (Instant, Counts),
}

impl Meter {
    /// Of a connection that begins.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            counts: Counts::default(),
            heard: (0, 0),
            meters: None,
            kept: (now, Counts::default()),
        }
    }

    /// Takes what there is, if an interval is over.
    pub fn sample(&mut self, now: Instant, counts: Counts, readings: Readings) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= INTERVAL {
            self.fold(passed, counts, readings);
            self.since = now;
        }
    }

    /// The connection is over: what is left counts as a whole interval, however short it was.
    pub fn end(mut self, now: Instant, counts: Counts, readings: Readings) -> Option<Meters> {
        let passed = now.saturating_duration_since(self.since);
        if self.meters.is_none() || counts != self.counts {
            self.fold(passed.max(INTERVAL), counts, readings);
        }
        self.meters.map(Meters::rounded)
    }

    /// What is to be kept now, if it is time and something has passed since the last time.
    pub fn due(&mut self, now: Instant) -> Option<Meters> {
        let (at, counts) = self.kept;
        if counts == self.counts || now.saturating_duration_since(at) < KEEP {
            return None;
        }
        self.kept = (now, self.counts);
        self.meters.map(Meters::rounded)
    }

    /// What had been counted at the last interval's end.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn fold(&mut self, passed: Duration, counts: Counts, readings: Readings) {
        let seconds = passed.as_secs_f64();
        let rate = |now: u64, before: u64| {
            let more = now.saturating_sub(before);
            Spread::of(more as f64 / seconds, seconds)
        };
        let round_trip = |reading: Option<Reading>, heard: &mut u32| {
            // What nobody measured again is not known to be so still.
            let reading = reading.filter(|reading| reading.number != *heard)?;
            *heard = reading.number;
            Some(Spread::of(f64::from(reading.micros) / 1000.0, seconds))
        };
        let measured = Meters {
            bandwidth: rate(counts.bytes(), self.counts.bytes()),
            updates: rate(counts.updates, self.counts.updates),
            client_round_trip: round_trip(readings.client, &mut self.heard.0),
            target_round_trip: round_trip(readings.target, &mut self.heard.1),
        };
        self.counts = counts;
        self.meters = Some(match self.meters {
            Some(before) => before.and(measured),
            None => measured,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bytes_in: u64, bytes_out: u64, updates: u64) -> Counts {
        Counts {
            bytes_in,
            bytes_out,
            updates,
        }
    }

    fn client(number: u32, micros: u32) -> Readings {
        Readings {
            client: Some(Reading { number, micros }),
            target: None,
        }
    }

    fn spread(min: f64, avg: f64, max: f64, seconds: f64) -> Spread {
        Spread {
            min,
            avg,
            max,
            seconds,
        }
    }

    /// Samples at so many milliseconds.
    fn run(samples: &[(u64, Counts, Readings)], end: u64) -> Meters {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut meter = Meter::new(start);
        let mut last = (Counts::default(), Readings::default());
        for (millis, counts, readings) in samples {
            meter.sample(at(*millis), *counts, *readings);
            last = (*counts, *readings);
        }
        meter.end(at(end), last.0, last.1).unwrap()
    }

    #[test]
    fn both_directions_and_every_second_count() {
        let nobody = Readings::default();
        let meters = run(
            &[
                (1000, counts(100, 900, 3), nobody),
                (2000, counts(100, 900, 3), nobody),
                (4000, counts(200, 4800, 43), nobody),
            ],
            4300,
        );
        assert_eq!(meters.bandwidth, spread(0.0, 1250.0, 2000.0, 4.0));
        assert_eq!(meters.updates, spread(0.0, 10.75, 20.0, 4.0));
        assert_eq!(meters.client_round_trip, None);
    }

    #[test]
    fn an_interval_is_a_second_at_least() {
        let nobody = Readings::default();
        let meters = run(
            &[
                (400, counts(0, 7, 1), nobody),
                (999, counts(0, 8, 2), nobody),
                (1250, counts(0, 1000, 5), nobody),
            ],
            1251,
        );
        assert_eq!(meters.bandwidth, spread(800.0, 800.0, 800.0, 1.25));
        let short = run(&[(10, counts(50, 50, 1), nobody)], 20);
        assert_eq!(short.bandwidth, spread(100.0, 100.0, 100.0, 1.0));
    }

    #[test]
    fn what_is_left_at_the_end_counts_as_a_second() {
        let nobody = Readings::default();
        let meters = run(
            &[
                (1000, counts(0, 10, 0), nobody),
                (1200, counts(0, 40, 0), nobody),
            ],
            1200,
        );
        assert_eq!(meters.bandwidth, spread(10.0, 20.0, 30.0, 2.0));
    }

    #[test]
    fn a_round_trip_counts_once() {
        let silent = counts(0, 0, 0);
        let meters = run(
            &[
                (1000, silent, client(1, 20_000)),
                (2000, silent, client(1, 20_000)),
                (3000, silent, client(1, 20_000)),
                (4000, silent, client(2, 100_000)),
            ],
            4000,
        );
        assert_eq!(
            meters.client_round_trip,
            Some(spread(20.0, 60.0, 100.0, 2.0))
        );
        assert_eq!(meters.target_round_trip, None);
        assert_eq!(meters.updates, spread(0.0, 0.0, 0.0, 4.0));
    }

    #[test]
    fn it_is_kept_now_and_then_and_only_when_something_passed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(start);
        let mut kept = Vec::new();
        for second in 1..=60 {
            // It is used for twenty seconds, and then no more.
            let passed = counts(second.min(20), 0, 0);
            meter.sample(at(second), passed, Readings::default());
            if meter.due(at(second)).is_some() {
                kept.push((second, meter.counts().bytes_in));
            }
        }
        assert_eq!(kept, [(15, 15), (30, 20)]);
    }
}
