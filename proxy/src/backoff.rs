//! Who guesses passwords waits longer and longer; nobody is ever shut out.
//!
//! A wait belongs to a source, or to a source *and* a user, never to a user alone: whoever fails on
//! purpose with another's name slows down himself. Guesses from many sources are held back by what
//! is limited in total: places for clients that have not authenticated, and password checks at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sallyport_domain::network::source;

/// Sources and users remembered. An attacker with more sources makes us forget, not grow.
const REMEMBERED: usize = 16 * 1024;
/// After so long without one, half of the failures are forgiven.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// Failures of one source with one user that cost nothing: people mistype.
const FREE_WITH_USER: u32 = 3;
/// The same over all users of a source, which may be a whole office.
const FREE_FROM_SOURCE: u32 = 20;
/// The first wait; it doubles with each failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait of a source with one user.
const LONGEST_WITH_USER: Duration = Duration::from_secs(15);
/// The longest wait of others from the same source: a nuisance, not a lock.
const LONGEST_FROM_SOURCE: Duration = Duration::from_secs(2);

type Key = (IpAddr, Option<String>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// How many still count.
    fn now(self, now: Instant) -> u32 {
        let halvings = now.saturating_duration_since(self.last).as_secs() / HALF_LIFE.as_secs();
        self.count
            .checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX))
            .unwrap_or(0)
    }
}

/// What is remembered of failed log-ins.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<Key, Failures>>);

impl Backoff {
    fn map(&self) -> MutexGuard<'_, HashMap<Key, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as earlier failures demand.
    pub async fn wait(&self, from: IpAddr, user: &str) {
        let wait = self.due(from, user, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// A log-in failed.
    pub fn failed(&self, from: IpAddr, user: &str) {
        self.note(from, user, Instant::now());
    }

    /// A user proved who she is. Her source's own count stays: else whoever has one account could
    /// guess at others for ever.
    pub fn succeeded(&self, from: IpAddr, user: &str) {
        self.map().remove(&with_user(from, user));
    }

    /// Did so many log-ins from there fail lately that it deserves no more than a few places?
    pub fn is_suspicious(&self, from: IpAddr) -> bool {
        let failures = self.map().get(&(source(from), None)).copied();
        failures.is_some_and(|failures| failures.now(Instant::now()) > FREE_FROM_SOURCE)
    }

    fn due(&self, from: IpAddr, user: &str, now: Instant) -> Duration {
        let map = self.map();
        let wait = |key: &Key, free: u32, longest: Duration| {
            let failures = map.get(key).map_or(0, |failures| failures.now(now));
            match failures.checked_sub(free) {
                None | Some(0) => Duration::ZERO,
                Some(over) => FIRST.saturating_mul(1 << (over - 1).min(16)).min(longest),
            }
        };
        let with_user = wait(&with_user(from, user), FREE_WITH_USER, LONGEST_WITH_USER);
        let from_source = wait(&(source(from), None), FREE_FROM_SOURCE, LONGEST_FROM_SOURCE);
        with_user.max(from_source)
    }

    fn note(&self, from: IpAddr, user: &str, now: Instant) {
        let mut map = self.map();
        for key in [(source(from), None), with_user(from, user)] {
            if map.len() >= REMEMBERED && !map.contains_key(&key) {
                make_room(&mut map, now);
            }
            let failures = map.entry(key).or_insert(Failures {
                count: 0,
                last: now,
            });
            failures.count = failures.now(now).saturating_add(1);
            failures.last = now;
        }
    }
}

fn with_user(from: IpAddr, user: &str) -> Key {
    // Names are bounded by the packet, not by us.
    (source(from), Some(user.chars().take(64).collect()))
}

/// Forgets who is forgiven; if that is nobody, the older half.
fn make_room(map: &mut HashMap<Key, Failures>, now: Instant) {
    map.retain(|_, failures| failures.now(now) > 0);
    if map.len() >= REMEMBERED {
        let mut times: Vec<Instant> = map.values().map(|failures| failures.last).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        map.retain(|_, failures| failures.last > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1";
    const THERE: &str = "198.51.100.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_guesser_waits_and_the_victim_does_not() {
        let (backoff, now) = (Backoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            waits.push(backoff.due(ip(HERE), "alice", now).as_millis());
            backoff.note(ip(HERE), "alice", now);
        }
        assert_eq!(
            waits,
            [0, 0, 0, 0, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]
        );
        assert_eq!(
            backoff.due(ip(THERE), "alice", now),
            Duration::ZERO,
            "from elsewhere"
        );
        assert_eq!(
            backoff.due(ip(HERE), "bob", now),
            Duration::ZERO,
            "another user, from the same office"
        );
    }

    #[test]
    fn whoever_tries_many_names_waits_as_a_source_but_shuts_nobody_out() {
        let (backoff, now) = (Backoff::default(), Instant::now());
        for n in 0..100 {
            backoff.note(ip(HERE), &format!("user{n}"), now);
        }
        assert_eq!(backoff.due(ip(HERE), "alice", now), LONGEST_FROM_SOURCE);
        assert!(backoff.is_suspicious(ip(HERE)));
        backoff.succeeded(ip(HERE), "alice");
        assert!(
            backoff.is_suspicious(ip(HERE)),
            "one good log-in is no pardon"
        );
        assert!(!backoff.is_suspicious(ip(THERE)));
    }

    #[test]
    fn time_and_success_forgive() {
        let (backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..8 {
            backoff.note(ip(HERE), "alice", now);
        }
        assert!(backoff.due(ip(HERE), "alice", now) > Duration::ZERO);
        let later = now + 2 * HALF_LIFE;
        assert_eq!(backoff.due(ip(HERE), "alice", later), Duration::ZERO);
        backoff.succeeded(ip(HERE), "alice");
        assert_eq!(backoff.due(ip(HERE), "alice", now), Duration::ZERO);
    }

    #[test]
    fn a_flood_of_sources_does_not_grow_the_table() {
        let (backoff, now) = (Backoff::default(), Instant::now());
        for n in 0..3 * REMEMBERED as u32 {
            let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
            backoff.note(from, "alice", now + Duration::from_micros(u64::from(n)));
        }
        assert!(backoff.map().len() <= REMEMBERED);
        let last = IpAddr::V4(std::net::Ipv4Addr::from_bits(3 * REMEMBERED as u32 - 1));
        assert!(
            backoff.map().contains_key(&(last, None)),
            "the latest are remembered"
        );
    }
}
