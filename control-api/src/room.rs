//! How many connections there may be: in all, and from one source, so that no one source takes all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limiter::network;

/// The places.
pub struct Room {
    places: Arc<Semaphore>,
    taken: Mutex<HashMap<IpAddr, usize>>,
    per_source: usize,
}

/// One taken place; given back when dropped.
pub struct Place {
    room: Arc<Room>,
    source: IpAddr,
    _place: OwnedSemaphorePermit,
}

impl Room {
    /// Room for so many, and for so many from one source.
    pub fn new(places: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            taken: Mutex::default(),
            per_source,
        })
    }

    /// Waits until there is room for one more.
    pub async fn vacancy(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Takes the place, unless its source has its share already.
    pub fn take(self: &Arc<Self>, place: OwnedSemaphorePermit, source: IpAddr) -> Option<Place> {
        let source = network(source);
        let mut taken = self.lock();
        let count = taken.entry(source).or_default();
        if *count >= self.per_source {
            return None;
        }
        *count += 1;
        Some(Place {
            room: Arc::clone(self),
            source,
            _place: place,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.lock();
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_source_gets_its_share_and_no_more() {
        let room = Room::new(3, 2);
        let (greedy, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = room.take(room.vacancy().await.unwrap(), greedy).unwrap();
        let _second = room.take(room.vacancy().await.unwrap(), greedy).unwrap();
        assert!(room.take(room.vacancy().await.unwrap(), greedy).is_none());
        let third = room.take(room.vacancy().await.unwrap(), other).unwrap();
        assert_eq!(room.places.available_permits(), 0);
        drop((first, third));
        assert!(room.take(room.vacancy().await.unwrap(), greedy).is_some());
        assert_eq!(
            room.lock().len(),
            1,
            "sources without connections are forgotten"
        );
    }
}
