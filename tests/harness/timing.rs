use std::fmt;
use std::time::Duration;

/// How much later than others one kind may be answered in the median, as a part of it.
const TOLERANCE: f64 = 0.04;
/// How many standard deviations from a coin's toss a guess must be, to be more than luck.
const SIGMAS: f64 = 4.0;

/// How long several kinds of the same thing take, measured in turns so that other load falls on all
/// of them alike: can somebody with a clock tell them apart?
pub struct Timings {
    rows: Vec<(String, Vec<Duration>)>,
}

impl Timings {
    /// Takes `rounds` turns of each kind; every round begins with another one.
    pub fn take(kinds: &[&str], rounds: usize, mut one: impl FnMut(usize) -> Duration) -> Self {
        let mut rows: Vec<_> = kinds
            .iter()
            .map(|kind| ((*kind).to_owned(), Vec::with_capacity(rounds)))
            .collect();
        for round in 0..rounds {
            for turn in 0..kinds.len() {
                let kind = (round + turn) % kinds.len();
                rows[kind].1.push(one(kind));
            }
        }
        for (_, times) in &mut rows {
            times.sort();
        }
        Self { rows }
    }

    /// The shortest of all.
    pub fn shortest(&self) -> Duration {
        let first = |(_, times): &(String, Vec<Duration>)| times.first().copied();
        self.rows.iter().filter_map(first).min().unwrap_or_default()
    }

    /// Fails the test if two kinds can be told apart: their medians differ, and by more than chance
    /// explains for so few tries.
    #[track_caller]
    pub fn assert_alike(&self) {
        for (n, (kind, times)) in self.rows.iter().enumerate() {
            for (other, others) in &self.rows[n + 1..] {
                let (here, there) = (quantile(times, 0.5), quantile(others, 0.5));
                let apart = here.abs_diff(there).as_secs_f64() / here.max(there).as_secs_f64();
                let count = (times.len() + others.len() + 1) as f64;
                let luck = (count / (12 * times.len() * others.len()) as f64).sqrt();
                let edge = (longer(times, others) - 0.5).abs();
                assert!(
                    apart <= TOLERANCE || edge <= SIGMAS * luck,
                    "`{kind}` and `{other}` can be told apart:\n{self}"
                );
            }
        }
    }
}

/// A quantile of sorted times.
fn quantile(times: &[Duration], part: f64) -> Duration {
    let last = times.len().saturating_sub(1);
    times[(last as f64 * part).round() as usize]
}

/// How often one of these takes longer than one of those: half the time, if they are alike.
fn longer(these: &[Duration], those: &[Duration]) -> f64 {
    let wins: f64 = these
        .iter()
        .map(|time| {
            let shorter = those.partition_point(|other| other < time);
            let equal = those.partition_point(|other| other <= time) - shorter;
            shorter as f64 + equal as f64 / 2.0
        })
        .sum();
    wins / (these.len() * those.len()) as f64
}

/// A table: quantiles in ms, and how often a guess by one try is right that it is this kind and not
/// one of the others.
impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:34} {:>6} {:>8} {:>8} {:>8} {:>7}",
            "ms", "tries", "p10", "median", "p90", "guess"
        )?;
        for (n, (kind, times)) in self.rows.iter().enumerate() {
            let others = self.rows.iter().enumerate().filter(|(m, _)| *m != n);
            let mut others: Vec<_> = others.flat_map(|(_, (_, times))| times.clone()).collect();
            others.sort();
            let [low, middle, high] =
                [0.1, 0.5, 0.9].map(|part| quantile(times, part).as_secs_f64() * 1000.0);
            let guess = 0.5 + (longer(times, &others) - 0.5).abs();
            writeln!(
                f,
                "{kind:34} {:6} {low:8.2} {middle:8.2} {high:8.2} {:6.1}%",
                times.len(),
                guess * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(slower: u64) -> Timings {
        Timings::take(&["a", "b"], 12, |kind| {
            Duration::from_millis(300 + kind as u64 * slower)
        })
    }

    #[test]
    fn what_takes_equally_long_is_alike() {
        kinds(0).assert_alike();
        kinds(5).assert_alike();
    }

    #[test]
    #[should_panic(expected = "can be told apart")]
    fn what_takes_longer_is_not() {
        kinds(20).assert_alike();
    }
}
