//! Judges a captured conversation: lines `MILLISECONDS i|o HEX` on standard input, what becomes of
//! the input on standard output (masked bytes as dots).

use std::io::BufRead;
use std::time::Duration;

use sallyport_recorder::{EchoTracker, Verdict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tracker = EchoTracker::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut fields = line.split_whitespace();
        let (Some(at), Some(direction), Some(data)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let now = Duration::from_millis(at.parse()?);
        let data = hex::decode(data)?;
        if tracker.flush_at().is_some_and(|at| at <= now) {
            print(tracker.flush());
        }
        match direction {
            "i" => tracker.typed(now, &data),
            _ => print(tracker.shown(now, &data)),
        }
    }
    print(tracker.flush());
    println!();
    Ok(())
}

fn print(verdicts: Vec<Verdict>) {
    for verdict in verdicts {
        match verdict {
            Verdict::Reveal(bytes) => print!("{}", bytes.escape_ascii()),
            Verdict::KeepMasked(n) => print!("{}", ".".repeat(n as usize)),
        }
    }
}
