//! Which typed input did the terminal echo? Only that may be kept in clear.
//!
//! What a terminal does not echo is a password until proven otherwise. So every key typed is
//! withheld; a line is given free when each of its characters was answered by its own echo
//! ([`explain`]), and stays masked for good when it was not: at its end, two seconds later at the
//! latest. In full-screen programs, where keys are commands and not echoed, an answer right after
//! each key counts as well, unless it looks as if something were being hidden.
//!
//! When in doubt, masked: a command that is masked can still be read in the output, a password
//! that is not can never be taken back.

mod explain;
mod keys;
mod view;

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroize;

use explain::Line;
use keys::{Evidence, Key, Kind};
use view::{Output, Token};

/// An echo later than this is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// In a full-screen program, a key's answer comes within this.
const PROMPT_ANSWER: Duration = Duration::from_millis(200);
/// An answer may come in several pieces, one right after the other.
const ONE_ANSWER: Duration = Duration::from_millis(60);
/// Pieces of one key's bytes come within this.
const ONE_KEY: Duration = Duration::from_millis(50);
/// Output that nobody asked for makes answers worthless for so long.
const NOISE: Duration = Duration::from_secs(1);
/// A line without end is given free in parts of this size, once echoed.
const PART: usize = 256;
/// No more is withheld.
const MOST_WITHHELD: usize = 64 << 10;
/// So many keys are compared with a piece of output.
const MOST_COMPARED: usize = 2048;
/// So many lines are compared with a piece of output.
const MOST_TRIES: usize = 32;
/// So many different characters may be commands of a full-screen program; more may be a password.
const MOST_COMMANDS: usize = 4;
/// So much of the echoed line is remembered.
const LINE: usize = 256;

/// What became of the oldest withheld bytes.
#[derive(PartialEq, Eq, Clone)]
pub enum Verdict {
    /// They were echoed: write them to the tape.
    Reveal(Vec<u8>),
    /// So many stay masked for good.
    KeepMasked(u32),
}

/// Verdicts, in typing order.
pub type Verdicts = Vec<Verdict>;

/// Follows one terminal channel.
#[derive(Default)]
pub struct EchoTracker {
    output: Output,
    keys: VecDeque<Key>,
    /// The bytes of `keys`, then those of a character not yet whole.
    bytes: Withheld,
    /// Bytes masked because there were too many, before those of `keys`.
    overflow: u32,
    /// Characters echoed on the line at the cursor.
    line: Vec<char>,
    /// What stood before the cursor when the line was begun.
    prompt: String,
    last_typed: Duration,
    last_answer: Option<Duration>,
    last_noise: Option<Duration>,
}

impl EchoTracker {
    /// Nothing typed, nothing shown.
    pub fn new() -> Self {
        Self::default()
    }

    /// The user typed. `now`: on any clock that does not go back, the same in every call.
    pub fn typed(&mut self, now: Duration, data: &[u8]) {
        if self.keys.is_empty() && self.line.is_empty() {
            self.prompt = self.output.prompt();
        }
        self.last_typed = now;
        for part in data.chunks(MOST_WITHHELD / 2) {
            self.bytes.0.extend(part);
            self.cut_keys(now);
            while self.bytes.0.len() > MOST_WITHHELD {
                let n = self.first_line().unwrap_or(self.keys.len()).max(1);
                self.overflow = self.overflow.saturating_add(self.forget(n));
            }
        }
    }

    fn cut_keys(&mut self, now: Duration) {
        self.rejoin_escape(now);
        let known: usize = self.keys.iter().map(|key| usize::from(key.len)).sum();
        let mut rest: Vec<u8> = self.bytes.0.iter().skip(known).copied().collect();
        let mut at = 0;
        while let Some((kind, len)) = keys::first_key(&rest[at..]) {
            at += len;
            self.keys.push_back(Key {
                kind,
                len: u16::try_from(len).unwrap_or(u16::MAX),
                at: now,
                evidence: Evidence::None,
            });
        }
        rest.zeroize();
    }

    /// An arrow key's bytes may come in two pieces: takes the first one back, to be cut anew.
    fn rejoin_escape(&mut self, now: Duration) {
        let Some(key) = self.keys.back().filter(|key| key.kind == Kind::Free) else {
            return;
        };
        let known: usize = self.keys.iter().map(|key| usize::from(key.len)).sum();
        let begin = known - usize::from(key.len);
        let soon = now.saturating_sub(key.at) <= ONE_KEY;
        let mut bytes: Vec<u8> = self.bytes.0.iter().skip(begin).take(40).copied().collect();
        if soon && keys::is_cut_escape(&bytes, usize::from(key.len)) {
            self.keys.pop_back();
        }
        bytes.zeroize();
    }

    /// The target printed. Costs little while nothing is withheld.
    pub fn shown(&mut self, now: Duration, data: &[u8]) -> Verdicts {
        let wanted = !self.keys.is_empty();
        let before = self.output.alternate();
        let tokens = self.output.take(data, wanted);
        if wanted {
            self.match_echo(&tokens);
        } else if tokens_break_line(data) {
            self.line.clear();
        }
        let after = self.output.alternate();
        if before || after {
            self.match_answer(now, &tokens, before != after);
        }
        self.settle(now)
    }

    /// Tries the output against the keys that wait, line by line: when a later line was echoed,
    /// those before it never will be.
    fn match_echo(&mut self, mut tokens: &[Token]) {
        let mut begin = self.first_waiting();
        let mut tries = 0;
        while let Some(from) = begin.filter(|_| tries < MOST_TRIES) {
            tries += 1;
            let waiting = self.waiting(from);
            let line = Line {
                echoed: &self.line,
                prompt: &self.prompt,
            };
            if let Some(found) = explain::explain(&waiting, tokens, &line) {
                let keys = &waiting[..found.keys];
                self.echoed(from, keys);
                // Behind an echoed Enter the next line's echo may follow.
                if !keys.last().is_some_and(|(kind, _)| *kind == Kind::Enter) {
                    return;
                }
                tokens = tokens.get(found.tokens..).unwrap_or_default();
                begin = self.first_waiting().filter(|_| !tokens.is_empty());
                continue;
            }
            let mut later = self.keys.iter().enumerate().skip(from);
            begin = later
                .find(|(_, key)| key.ends_line())
                .map(|(at, _)| at + 1)
                .filter(|at| *at < self.keys.len());
        }
    }

    fn first_waiting(&self) -> Option<usize> {
        let waits = |key: &Key| {
            key.evidence == Evidence::None && matches!(key.kind, Kind::Char | Kind::Enter)
        };
        let at = self.keys.iter().position(waits)?;
        // Keys without an echo of their own, right before it, explain output as well.
        let mut from = at;
        while from > 0 && self.keys[from - 1].evidence == Evidence::None {
            from -= 1;
        }
        Some(from)
    }

    fn waiting(&self, from: usize) -> Vec<explain::Waiting> {
        let mut at: usize = self
            .keys
            .iter()
            .take(from)
            .map(|k| usize::from(k.len))
            .sum();
        let keys = self.keys.iter().skip(from).take(MOST_COMPARED);
        keys.map(|key| {
            let c = self.bytes.char_at(at, usize::from(key.len));
            at += usize::from(key.len);
            (key.kind, c)
        })
        .collect()
    }

    fn echoed(&mut self, from: usize, waiting: &[explain::Waiting]) {
        if from > 0 && self.keys.get(from - 1).is_some_and(Key::ends_line) {
            self.line.clear();
        }
        for (key, (kind, c)) in self.keys.iter_mut().skip(from).zip(waiting) {
            key.evidence = Evidence::Echoed;
            match kind {
                Kind::Char => self.line.push(*c),
                Kind::Enter | Kind::End | Kind::EraseLine => self.line.clear(),
                Kind::Erase => {
                    self.line.pop();
                }
                Kind::EraseWord => {
                    let keep = self.line.iter().rposition(|c| c.is_whitespace());
                    self.line.truncate(keep.unwrap_or(0));
                }
                Kind::Free => {}
            }
        }
        let surplus = self.line.len().saturating_sub(LINE);
        self.line.drain(..surplus);
    }

    /// A full-screen program printed: was it the answer to a key?
    /// `switched`: it took the screen, or gave it back.
    fn match_answer(&mut self, now: Duration, tokens: &[Token], switched: bool) {
        let next = self
            .keys
            .iter()
            .position(|key| key.evidence == Evidence::None);
        let in_time = |key: &Key| now.saturating_sub(key.at) <= PROMPT_ANSWER;
        let Some(at) = next.filter(|at| in_time(&self.keys[*at])) else {
            let belongs = |last: Duration| now.saturating_sub(last) <= ONE_ANSWER;
            let echoed_now = now.saturating_sub(self.last_typed) <= ONE_ANSWER;
            if !self.last_answer.is_some_and(belongs) && !echoed_now {
                self.last_noise = Some(now);
            }
            return;
        };
        let quiet = self
            .last_noise
            .is_none_or(|noise| now.saturating_sub(noise) > NOISE);
        let shows = |c: &dyn Fn(char) -> bool| {
            tokens
                .iter()
                .any(|t| matches!(t, Token::Char(shown) if c(*shown)))
        };
        let seen = switched || shows(&|c| !c.is_whitespace());
        let hides = shows(&view::is_mask);
        if quiet && !hides && (seen || self.keys[at].kind != Kind::Char) {
            self.keys[at].evidence = Evidence::Answered;
            self.last_answer = Some(now);
        }
    }

    /// Decides what can be decided.
    fn settle(&mut self, now: Duration) -> Verdicts {
        let mut verdicts = self.overflowed();
        while let Some(n) = self.first_line() {
            let ended = self.keys[n - 1].at;
            let good = self.is_good(n);
            let passed = self
                .keys
                .iter()
                .skip(n)
                .any(|k| k.evidence == Evidence::Echoed);
            if !good && !passed && now.saturating_sub(ended) < PATIENCE {
                return verdicts;
            }
            self.decide(n, good, &mut verdicts);
        }
        if self.bytes.0.len() > PART && self.is_good(self.keys.len()) {
            self.decide(self.keys.len(), true, &mut verdicts);
        }
        verdicts
    }

    fn overflowed(&mut self) -> Verdicts {
        match std::mem::take(&mut self.overflow) {
            0 => Vec::new(),
            n => vec![Verdict::KeepMasked(n)],
        }
    }

    /// How many keys the first line has, if it is complete.
    fn first_line(&self) -> Option<usize> {
        self.keys.iter().position(Key::ends_line).map(|at| at + 1)
    }

    /// May the first `n` keys be given free?
    fn is_good(&self, n: usize) -> bool {
        let mut commands = Vec::new();
        let mut at = 0;
        for key in self.keys.iter().take(n) {
            let len = usize::from(key.len);
            if key.kind == Kind::Char {
                match key.evidence {
                    Evidence::None => return false,
                    Evidence::Echoed => {}
                    Evidence::Answered => commands.push(self.bytes.char_at(at, len)),
                }
            }
            at += len;
        }
        commands.sort_unstable();
        commands.dedup();
        let asked = !commands.is_empty() && view::asks_for_secret(&self.prompt);
        let few = commands.len() <= MOST_COMMANDS;
        commands.zeroize();
        few && !asked
    }

    fn decide(&mut self, n: usize, good: bool, verdicts: &mut Verdicts) {
        if good {
            let len: usize = self.keys.iter().take(n).map(|k| usize::from(k.len)).sum();
            verdicts.push(Verdict::Reveal(
                self.bytes.0.iter().take(len).copied().collect(),
            ));
            self.forget(n);
        } else {
            let masked = self.forget(n);
            verdicts.push(Verdict::KeepMasked(masked));
        }
    }

    /// Drops the first `n` keys and their bytes; answers how many bytes those were.
    fn forget(&mut self, n: usize) -> u32 {
        let n = n.min(self.keys.len());
        let ended = n > 0 && self.keys[n - 1].ends_line();
        let len: usize = self.keys.drain(..n).map(|key| usize::from(key.len)).sum();
        self.bytes.wipe(len);
        if ended {
            if !self.keys.iter().any(|key| key.evidence == Evidence::Echoed) {
                self.line.clear();
            }
            self.prompt = self.output.prompt();
        }
        u32::try_from(len).unwrap_or(u32::MAX)
    }

    /// Decides all that is withheld: at the channel's end, or when [`EchoTracker::flush_at`] is past.
    pub fn flush(&mut self) -> Verdicts {
        let mut verdicts = self.overflowed();
        while !self.keys.is_empty() {
            let n = self.first_line().unwrap_or(self.keys.len());
            let good = self.is_good(n);
            self.decide(n, good, &mut verdicts);
        }
        // Bytes of a character that never became whole.
        let rest = self.bytes.0.len();
        if rest > 0 {
            self.bytes.wipe(rest);
            verdicts.push(Verdict::KeepMasked(u32::try_from(rest).unwrap_or(u32::MAX)));
        }
        verdicts
    }

    /// How many bytes are withheld.
    pub fn withheld(&self) -> usize {
        self.bytes.0.len() + self.overflow as usize
    }

    /// When [`EchoTracker::flush`] is to be called if nothing is typed until then, on the callers'
    /// clock.
    pub fn flush_at(&self) -> Option<Duration> {
        (self.withheld() > 0).then(|| self.last_typed + PATIENCE)
    }
}

fn tokens_break_line(data: &[u8]) -> bool {
    data.contains(&b'\n')
}

/// Typed bytes; wiped when they are let go.
#[derive(Default)]
struct Withheld(VecDeque<u8>);

impl Withheld {
    fn char_at(&self, at: usize, len: usize) -> char {
        let mut bytes = [0; 4];
        let taken = self.0.iter().skip(at).take(len.min(4));
        let n = taken.zip(&mut bytes).map(|(from, to)| *to = *from).count();
        let text = String::from_utf8_lossy(&bytes[..n]);
        text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn wipe(&mut self, len: usize) {
        self.0.iter_mut().take(len).for_each(|byte| byte.zeroize());
        self.0.drain(..len.min(self.0.len()));
    }
}

impl Drop for Withheld {
    fn drop(&mut self) {
        self.wipe(self.0.len());
    }
}

#[cfg(test)]
mod tests;
