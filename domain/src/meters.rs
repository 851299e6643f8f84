//! What a connection's user had of it: how much passed, how often the picture changed, how far away both peers were.

use serde::{Deserialize, Serialize};

/// The least, the average and the most of something that was measured again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The average; every value counts for as long as it held.
    pub avg: f64,
    /// The most.
    pub max: f64,
    /// For how many seconds it was measured.
    pub seconds: f64,
}

impl Spread {
    /// Of one value that held for so many seconds.
    pub fn of(value: f64, seconds: f64) -> Self {
        Self {
            min: value,
            avg: value,
            max: value,
            seconds,
        }
    }

    /// Of this and another one together.
    pub fn and(self, other: Self) -> Self {
        let seconds = self.seconds + other.seconds;
        let (min, max) = (self.min.min(other.min), self.max.max(other.max));
        let avg = match seconds > 0.0 {
            true => (self.avg * self.seconds + other.avg * other.seconds) / seconds,
            false => self.avg,
        };
        Self {
            min,
            // Rounding must not carry it out of what it is the average of.
            avg: avg.max(min).min(max),
            max,
            seconds,
        }
    }

    /// With three places behind the point: more was not measured.
    pub fn rounded(self) -> Self {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        Self {
            min: round(self.min),
            avg: round(self.avg),
            max: round(self.max),
            seconds: round(self.seconds),
        }
    }
}

/// What was measured of a connection, or of all connections of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Meters {
    /// Bytes a second that passed, both directions together.
    pub bandwidth: Spread,
    /// How often a second the target changed what is seen: writes of terminal output, or of pictures, to the client.
    pub updates: Spread,
    /// Milliseconds to the client and back; `None` if that cannot be known.
    pub client_round_trip: Option<Spread>,
    /// Milliseconds to the target and back.
    pub target_round_trip: Option<Spread>,
}

impl Meters {
    /// Of this and another one together.
    pub fn and(self, other: Self) -> Self {
        Self {
            bandwidth: self.bandwidth.and(other.bandwidth),
            updates: self.updates.and(other.updates),
            client_round_trip: both(self.client_round_trip, other.client_round_trip),
            target_round_trip: both(self.target_round_trip, other.target_round_trip),
        }
    }

    /// As it is stored and shown.
    pub fn rounded(self) -> Self {
        Self {
            bandwidth: self.bandwidth.rounded(),
            updates: self.updates.rounded(),
            client_round_trip: self.client_round_trip.map(Spread::rounded),
            target_round_trip: self.target_round_trip.map(Spread::rounded),
        }
    }
}

fn both(one: Option<Spread>, other: Option<Spread>) -> Option<Spread> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(min: f64, avg: f64, max: f64, seconds: f64) -> Spread {
        Spread {
            min,
            avg,
            max,
            seconds,
        }
    }

    #[test]
    fn every_value_counts_for_as_long_as_it_held() {
        let folded = Spread::of(10.0, 1.0)
            .and(Spread::of(0.0, 1.0))
            .and(Spread::of(40.0, 2.0));
        assert_eq!(folded, spread(0.0, 22.5, 40.0, 4.0));
        let nothing = Spread::of(3.0, 0.0).and(Spread::of(5.0, 0.0));
        assert_eq!(nothing, spread(3.0, 3.0, 5.0, 0.0));
    }

    #[test]
    fn what_was_not_measured_takes_no_part() {
        let meters = |client| Meters {
            bandwidth: Spread::of(1.0, 1.0),
            updates: Spread::of(0.0, 1.0),
            client_round_trip: client,
            target_round_trip: None,
        };
        let far = Some(Spread::of(80.0, 1.0));
        for (one, other, expected) in [
            (None, None, None),
            (far, None, far),
            (None, far, far),
            (
                far,
                Some(Spread::of(20.0, 3.0)),
                Some(spread(20.0, 35.0, 80.0, 4.0)),
            ),
        ] {
            let together = meters(one).and(meters(other));
            assert_eq!(together.client_round_trip, expected);
            assert_eq!(together.target_round_trip, None);
            assert_eq!(together.bandwidth, spread(1.0, 1.0, 1.0, 2.0));
        }
    }

    #[test]
    fn three_places_are_shown() {
        let rounded = spread(0.000_04, 1.234_567, 2.0, 1.000_6).rounded();
        assert_eq!(rounded, spread(0.0, 1.235, 2.0, 1.001));
    }

    proptest! {
        #[test]
        fn the_average_is_between_the_ends(
            values in prop::collection::vec((0.0..1e12_f64, 0.0..5.0_f64), 1..50)
        ) {
            let folded = values
                .iter()
                .map(|(value, seconds)| Spread::of(*value, *seconds))
                .reduce(Spread::and);
            let folded = folded.unwrap().rounded();
            prop_assert!(folded.min <= folded.avg && folded.avg <= folded.max, "{folded:?}");
        }
    }
}
