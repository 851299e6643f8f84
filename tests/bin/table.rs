//! The table: the numbers under each way, and whether the goals are met.

use std::collections::BTreeMap;

use crate::rows::{Line, Row};

/// What of many numbers stands in the table.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum Pick {
    Median,
    P95,
    P99,
    Most,
}

/// What Sallyport is to reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// So much, or less.
    AtMost(f64),
    /// So many times the number of another way, or less.
    BelowTimes(&'static str, f64),
    /// So many times the number of another way, or more.
    AboveTimes(&'static str, f64),
    /// So much more than the number of another way, or less.
    WithinOf(&'static str, f64),
}

use Goal::{AboveTimes, AtMost, BelowTimes, WithinOf};

/// The name of the way without a gateway.
pub const DIRECT: &str = "direct";
/// The name of the way the goals are for.
pub const OURS: &str = "sallyport";
/// The stock client's own way over a gateway.
pub const JUMP: &str = "ProxyJump";
/// Two legs of the same library, and nothing between them.
pub const RELAY: &str = "plain relay";

/// All numbers, by row and way.
#[derive(Default)]
pub struct Table(BTreeMap<(Row, &'static str), Vec<f64>>);

impl Table {
    /// One more number.
    pub fn add(&mut self, row: Row, way: &'static str, number: f64) {
        self.0.entry((row, way)).or_default().push(number);
    }

    fn number(&self, row: Row, pick: Pick, way: &str) -> Option<f64> {
        let (_, numbers) = self.0.iter().find(|((r, w), _)| *r == row && *w == way)?;
        let mut numbers = numbers.clone();
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len().checked_sub(1)?;
        let at = match pick {
            Pick::Median => numbers.len() / 2,
            Pick::P95 => numbers.len() * 95 / 100,
            Pick::P99 => numbers.len() * 99 / 100,
            Pick::Most => last,
        };
        numbers.get(at.min(last)).copied()
    }

    /// The goal in words, and whether it is met; `None` where something was not measured.
    fn judge(&self, row: Row, pick: Pick, goal: Goal) -> (String, Option<bool>) {
        let ours = self.number(row, pick, OURS);
        let of = |way| self.number(row, pick, way);
        match goal {
            AtMost(most) => (format!("≤ {most}"), ours.map(|ours| ours <= most)),
            BelowTimes(way, factor) => {
                let met = ours
                    .zip(of(way))
                    .map(|(ours, theirs)| ours <= theirs * factor);
                (format!("≤ {factor} × {way}"), met)
            }
            AboveTimes(way, factor) => {
                let met = ours
                    .zip(of(way))
                    .map(|(ours, theirs)| ours >= theirs * factor);
                (format!("≥ {factor} × {way}"), met)
            }
            WithinOf(way, more) => {
                let met = ours
                    .zip(of(way))
                    .map(|(ours, theirs)| ours <= theirs + more);
                (format!("≤ {way} + {more}"), met)
            }
        }
    }

    /// How far we are from another way: 1.00 is even, and so is +0.00.
    fn distance(&self, row: Row, pick: Pick, goal: Goal) -> Option<String> {
        let ours = self.number(row, pick, OURS)?;
        match goal {
            AtMost(_) => None,
            BelowTimes(way, _) | AboveTimes(way, _) => {
                Some(format!("{:.2}", ours / self.number(row, pick, way)?))
            }
            WithinOf(way, _) => Some(format!("{:+.2}", ours - self.number(row, pick, way)?)),
        }
    }

    /// Prints these lines for these ways, those without any number left out.
    pub fn print(&self, lines: &[Line], ways: &[&'static str], cipher: &str) {
        println!(
            "| measure | {} | goal for {OURS} | met | cipher |",
            ways.join(" | ")
        );
        println!("|---|{}---|---|---|", "---:|".repeat(ways.len()));
        for (row, name, pick, goals) in lines {
            let cells: Vec<Option<f64>> = ways
                .iter()
                .map(|way| self.number(*row, *pick, way))
                .collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = cells.into_iter().map(show).collect();
            let (mut words, mut marks) = (Vec::new(), Vec::new());
            for goal in *goals {
                let (word, met) = self.judge(*row, *pick, *goal);
                words.push(match self.distance(*row, *pick, *goal) {
                    Some(distance) => format!("{word} (is {distance})"),
                    None => word,
                });
                marks.push(match met {
                    Some(true) => "yes",
                    Some(false) => "NO",
                    None => "–",
                });
            }
            println!(
                "| {name} | {} | {} | {} | {cipher} |",
                cells.join(" | "),
                words.join("; "),
                marks.join("; ")
            );
        }
    }
}

fn show(number: Option<f64>) -> String {
    match number {
        None => "–".to_owned(),
        Some(number) if number == number.trunc() && number < 10.0 => format!("{number:.0}"),
        Some(number) if number < 10.0 => format!("{number:.2}"),
        Some(number) if number < 100.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.0}"),
    }
}
