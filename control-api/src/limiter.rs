//! Slows down those who guess passwords, without locking out those who know theirs.
//!
//! Three counts, each forgiving with time:
//! - failures of one user from one source: after a few, refused for a while that doubles up to a bound;
//! - failures of one source whatever the user: the same, with more patience (a whole office may be behind it);
//! - failures of one user from all sources: only *delayed*, by at most [`LONGEST_DELAY`], so that nobody who
//!   guesses at a user's password from elsewhere can keep the user out.
//!
//! Attempts made while refused are not counted, so the wait never grows by knocking. Time is a value, and the
//! counts are bounded: the oldest are forgotten when there are too many.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest an attempt is delayed because others failed for the same user.
pub const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// The longest a source is told to stay away.
const LONGEST_REFUSAL: Duration = Duration::from_secs(60);
const SHORTEST_DELAY: Duration = Duration::from_millis(125);
/// Failures that cost nothing yet.
const FREE_FOR_PAIR: u32 = 5;
const FREE_FOR_SOURCE: u32 = 30;
const FREE_FOR_USER: u32 = 10;
/// After so long without a further failure, one failure is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Counts kept at most.
const CAPACITY: usize = 20_000;

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Check it after this delay (mostly zero).
    After(Duration),
    /// Refuse it without looking; worth trying again after this.
    Refused {
        /// How long to stay away.
        retry_after: Duration,
        /// The first refusal of this wait? Later ones need not be logged one by one.
        first: bool,
    },
}

/// The counts.
#[derive(Debug, Default)]
pub struct Limiter {
    counts: Mutex<HashMap<Key, Count>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(IpAddr, u64),
    Source(IpAddr),
    User(u64),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
    refused_until: Instant,
    refusal_told: bool,
}

impl Limiter {
    /// May this attempt be checked? One that may is counted as a failure at once, until
    /// [`Limiter::succeeded`] says otherwise: many attempts in parallel are no way around the count.
    pub fn admit(&self, source: IpAddr, user: &str, now: Instant) -> Admission {
        let (source, user) = (network(source), digest(user));
        let mut counts = self.lock();
        let waits = [Key::Pair(source, user), Key::Source(source)];
        let longest = waits
            .into_iter()
            .filter_map(|key| counts.get(&key).map(|count| (key, count.refused_until)))
            .max_by_key(|(_, until)| *until);
        if let Some((key, until)) = longest
            && until > now
        {
            let first = counts
                .get_mut(&key)
                .is_some_and(|count| !std::mem::replace(&mut count.refusal_told, true));
            return Admission::Refused {
                retry_after: until - now,
                first,
            };
        }
        let failures = counts
            .get(&Key::User(user))
            .map_or(0, |count| count.failures_at(now));
        count_failure(&mut counts, source, user, now);
        Admission::After(doubled(
            SHORTEST_DELAY,
            failures,
            FREE_FOR_USER,
            LONGEST_DELAY,
        ))
    }

    /// An attempt that was admitted was right. Of the source's and the user's own counts only this attempt
    /// is taken off: whoever has one valid password must not be able to wash himself clean with it between
    /// guesses at others.
    pub fn succeeded(&self, source: IpAddr, user: &str) {
        let (source, user) = (network(source), digest(user));
        let mut counts = self.lock();
        counts.remove(&Key::Pair(source, user));
        for key in [Key::Source(source), Key::User(user)] {
            if let Some(count) = counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        // The counts are valid after every statement, so a poisoned lock is as good as another.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_failure(counts: &mut HashMap<Key, Count>, source: IpAddr, user: u64, now: Instant) {
    if counts.len() >= CAPACITY {
        forget(counts, now);
    }
    for (key, free) in [
        (Key::Pair(source, user), Some(FREE_FOR_PAIR)),
        (Key::Source(source), Some(FREE_FOR_SOURCE)),
        (Key::User(user), None),
    ] {
        let count = counts.entry(key).or_insert_with(|| Count::new(now));
        count.failures = count.failures_at(now).saturating_add(1);
        count.last = now;
        if let Some(free) = free {
            count.refused_until = now
                + doubled(
                    Duration::from_secs(1),
                    count.failures,
                    free,
                    LONGEST_REFUSAL,
                );
            count.refusal_told = false;
        }
    }
}

impl Count {
    fn new(now: Instant) -> Self {
        Self {
            failures: 0,
            last: now,
            refused_until: now,
            refusal_told: false,
        }
    }

    /// What is left of the failures after the forgiving.
    fn failures_at(&self, now: Instant) -> u32 {
        let forgiven =
            now.saturating_duration_since(self.last).as_secs() / FORGIVEN_AFTER.as_secs();
        self.failures
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

/// Zero while `failures` are free, then `unit`, doubling up to `longest`.
fn doubled(unit: Duration, failures: u32, free: u32, longest: Duration) -> Duration {
    match failures.checked_sub(free) {
        None | Some(0) => Duration::ZERO,
        Some(over) => unit.saturating_mul(1 << (over - 1).min(16)).min(longest),
    }
}

/// Makes room: first what is forgiven anyway, then the older half.
fn forget(counts: &mut HashMap<Key, Count>, now: Instant) {
    counts.retain(|_, count| count.failures_at(now) > 0);
    if counts.len() >= CAPACITY {
        let mut times: Vec<Instant> = counts.values().map(|count| count.last).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        counts.retain(|_, count| count.last > median);
    }
}

/// One household has a whole /64 of IPv6 addresses: they count as one source.
pub fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

/// Names are kept as digests: a guess may be megabytes long, or a password typed into the wrong field.
fn digest(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.to_lowercase().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const VICTIM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
    const FREE: Admission = Admission::After(Duration::ZERO);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused(first: bool, wait: Duration) -> Admission {
        Admission::Refused {
            retry_after: wait,
            first,
        }
    }

    /// So many wrong attempts, all at one time; those refused on the way do not count.
    fn fail(limiter: &Limiter, times: u32, source: IpAddr, user: &str, now: Instant) {
        for _ in 0..times {
            let _ = limiter.admit(source, user, now);
        }
    }

    #[test]
    fn a_few_typos_cost_nothing_then_the_wait_doubles_up_to_a_bound() {
        let (limiter, mut now) = (Limiter::default(), Instant::now());
        for _ in 0..FREE_FOR_PAIR {
            assert_eq!(limiter.admit(ATTACKER, "alice", now), FREE);
        }
        for wait in [1, 2, 4, 8, 16, 32] {
            assert!(matches!(
                limiter.admit(ATTACKER, "alice", now),
                Admission::After(_)
            ));
            assert_eq!(
                limiter.admit(ATTACKER, "alice", now),
                refused(true, secs(wait))
            );
            now += secs(wait);
        }
        assert!(matches!(
            limiter.admit(ATTACKER, "alice", now),
            Admission::After(_)
        ));
        assert_eq!(
            limiter.admit(ATTACKER, "alice", now),
            refused(true, LONGEST_REFUSAL)
        );
    }

    #[test]
    fn knocking_while_refused_does_not_lengthen_the_wait_and_is_told_once() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        fail(&limiter, FREE_FOR_PAIR + 1, ATTACKER, "alice", now);
        assert_eq!(
            limiter.admit(ATTACKER, "alice", now),
            refused(true, secs(1))
        );
        let later = now + Duration::from_millis(400);
        assert_eq!(
            limiter.admit(ATTACKER, "alice", later),
            refused(false, Duration::from_millis(600))
        );
        assert!(matches!(
            limiter.admit(ATTACKER, "alice", now + secs(1)),
            Admission::After(_)
        ));
    }

    #[test]
    fn the_victim_elsewhere_is_delayed_a_little_and_never_refused() {
        let (limiter, mut now) = (Limiter::default(), Instant::now());
        for n in 0..9_000_u32 {
            fail(
                &limiter,
                1,
                IpAddr::from((0x0a00_0000 + n).to_be_bytes()),
                "alice",
                now,
            );
            now += Duration::from_millis(1);
        }
        assert_eq!(
            limiter.admit(VICTIM, "alice", now),
            Admission::After(LONGEST_DELAY)
        );
        assert_eq!(limiter.admit(VICTIM, "bob", now), FREE);
    }

    #[test]
    fn a_source_that_sprays_many_users_is_refused_for_all_of_them() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        (0..=FREE_FOR_SOURCE).for_each(|n| fail(&limiter, 1, ATTACKER, &format!("user{n}"), now));
        assert!(matches!(
            limiter.admit(ATTACKER, "fresh", now),
            Admission::Refused { .. }
        ));
        assert_eq!(limiter.admit(VICTIM, "fresh", now), FREE);
        limiter.succeeded(ATTACKER, "own-account");
        assert!(matches!(
            limiter.admit(ATTACKER, "fresh", now),
            Admission::Refused { .. }
        ));
    }

    #[test]
    fn those_who_know_their_password_are_never_slowed() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for _ in 0..1000 {
            assert_eq!(limiter.admit(VICTIM, "alice", now), FREE);
            limiter.succeeded(VICTIM, "alice");
        }
    }

    #[test]
    fn success_clears_the_pair_and_time_forgives() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        fail(&limiter, FREE_FOR_PAIR - 1, VICTIM, "alice", now);
        assert_eq!(limiter.admit(VICTIM, "alice", now), FREE);
        limiter.succeeded(VICTIM, "alice");
        for _ in 0..FREE_FOR_PAIR {
            assert_eq!(limiter.admit(VICTIM, "alice", now), FREE);
        }

        fail(&limiter, FREE_FOR_PAIR + 1, ATTACKER, "bob", now);
        assert_eq!(
            limiter.admit(ATTACKER, "bob", now + FORGIVEN_AFTER * 20),
            FREE
        );
    }

    #[test]
    fn addresses_of_one_network_and_spellings_of_one_name_are_the_same() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..=FREE_FOR_PAIR {
            let source: IpAddr = format!("2001:db8:1:2::{n:x}").parse().unwrap();
            fail(
                &limiter,
                1,
                source,
                if n % 2 == 0 { "Alice" } else { "alice" },
                now,
            );
        }
        let neighbour = "2001:db8:1:2:ffff::1".parse().unwrap();
        assert!(matches!(
            limiter.admit(neighbour, "ALICE", now),
            Admission::Refused { .. }
        ));
        assert_eq!(
            limiter.admit("2001:db8:1:3::1".parse().unwrap(), "carol", now),
            FREE
        );
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), ATTACKER);
    }

    #[test]
    fn the_counts_are_bounded() {
        let (limiter, mut now) = (Limiter::default(), Instant::now());
        for n in 0..30_000_u32 {
            fail(
                &limiter,
                1,
                IpAddr::from(n.to_be_bytes()),
                &format!("user{n}"),
                now,
            );
            now += Duration::from_micros(1);
        }
        assert!(limiter.lock().len() <= CAPACITY + 3);
    }
}
