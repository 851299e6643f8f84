//! Places for clients that have not proven who they are: some for each source, so many in total.
//!
//! The fewer are left, the fewer a single source may hold: whoever takes all he can get leaves room
//! for everybody else. The first place is anybody's while there is one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sallyport_domain::network::source;

/// Places one source may hold at most.
const PER_SOURCE: usize = 50;
/// The same for one that has failed to log in too often lately.
const PER_SUSPICIOUS_SOURCE: usize = 4;
/// A source may hold this part of what is still free.
const SHARE: usize = 4;

/// Clients that have not proven who they are.
#[derive(Debug)]
pub struct Admission {
    places: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Admission>, IpAddr);

impl Admission {
    /// So many places in total.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            taken: Mutex::default(),
        })
    }

    /// A place for a client from there, if there is one.
    pub fn admit(self: &Arc<Self>, from: IpAddr, suspicious: bool) -> Option<Place> {
        let from = source(from);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.places.saturating_sub(taken.total);
        let most = if suspicious {
            PER_SUSPICIOUS_SOURCE
        } else {
            PER_SOURCE
        };
        let held = taken.by_source.get(&from).copied().unwrap_or_default();
        let share = most.min(free / SHARE).max(1);
        if free == 0 || held >= share {
            drop(taken);
            tracing::warn!(source = %from, held, free, "too many clients that have not authenticated; one turned away");
            return None;
        }
        taken.total += 1;
        *taken.by_source.entry(from).or_default() += 1;
        Some(Place(self.clone(), from))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(admission, from) = self;
        let mut taken = admission
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(count) = taken.by_source.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                taken.by_source.remove(from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(n))
    }

    #[test]
    fn a_greedy_source_leaves_room_for_others() {
        let admission = Admission::new(200);
        let mut held = Vec::new();
        for greedy in 0..20 {
            while let Some(place) = admission.admit(ip(greedy), false) {
                held.push(place);
            }
        }
        assert!(held.len() < 200, "{} of 200", held.len());
        assert!(admission.admit(ip(99), false).is_some(), "a newcomer");
        held.clear();
        assert_eq!(admission.taken.lock().unwrap().total, 0);
        assert!(admission.taken.lock().unwrap().by_source.is_empty());
    }

    #[test]
    fn one_source_gets_its_share_and_a_suspicious_one_less() {
        let admission = Admission::new(1000);
        let count = |from, suspicious| {
            std::iter::from_fn(|| admission.admit(from, suspicious))
                .take(1000)
                .collect::<Vec<_>>()
        };
        assert_eq!(count(ip(1), false).len(), PER_SOURCE);
        assert_eq!(count(ip(2), true).len(), PER_SUSPICIOUS_SOURCE);
        // A /64 is one source.
        let mut held = count("2001:db8::1".parse().unwrap(), false);
        assert!(
            admission
                .admit("2001:db8::2".parse().unwrap(), false)
                .is_none()
        );
        held.pop();
        assert!(
            admission
                .admit("2001:db8::2".parse().unwrap(), false)
                .is_some()
        );
    }
}
