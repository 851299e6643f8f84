//! How much of a channel that carries files has passed, and what the tape says of it.

use std::sync::atomic::{AtomicU64, Ordering};

use sallyport_recorder::Stream;

/// Both streams of a channel.
#[derive(Default)]
pub struct Counts {
    input: Count,
    output: Count,
}

#[derive(Default)]
struct Count {
    /// Bytes that passed, or are just about to.
    passed: AtomicU64,
    /// The count on the tape: never behind.
    taped: AtomicU64,
}

impl Counts {
    fn of(&self, stream: Stream) -> &Count {
        match stream {
            Stream::In => &self.input,
            Stream::Out | Stream::Err => &self.output,
        }
    }

    /// So many bytes are about to pass, and `behind` more of the stream are here already: counted with them, so
    /// that one record goes before many packets. Answers the count that the tape must have before.
    pub fn passing(&self, stream: Stream, bytes: usize, behind: usize) -> Option<u64> {
        let count = self.of(stream);
        let passed = count.passed.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if passed <= count.taped.load(Ordering::Relaxed) {
            return None;
        }
        let ahead = passed + behind as u64;
        count.taped.store(ahead, Ordering::Relaxed);
        Some(ahead)
    }

    /// At the end: the counts that are too high, because not all that was here passed, as they should be.
    pub fn corrections(&self) -> impl Iterator<Item = (Stream, u64)> {
        [Stream::In, Stream::Out].into_iter().filter_map(|stream| {
            let count = self.of(stream);
            let passed = count.passed.load(Ordering::Relaxed);
            (passed < count.taped.load(Ordering::Relaxed)).then_some((stream, passed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tape_is_never_behind_and_right_at_the_end() {
        let counts = Counts::default();
        assert_eq!(counts.passing(Stream::In, 0, 50), None, "nothing passes");
        assert_eq!(counts.passing(Stream::In, 100, 250), Some(350));
        assert_eq!(counts.passing(Stream::In, 200, 50), None, "counted before");
        assert_eq!(counts.passing(Stream::Out, 7, 0), Some(7));
        assert_eq!(
            counts.corrections().collect::<Vec<_>>(),
            [(Stream::In, 300)]
        );
        assert_eq!(counts.passing(Stream::In, 60, 0), Some(360));
        assert_eq!(counts.corrections().count(), 0);
    }
}
