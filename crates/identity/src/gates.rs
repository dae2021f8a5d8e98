//! Lets only so many attempts at one password be under way at a time in this process; the others wait their turn.
//!
//! The database counts exactly, over all replicas. The gate spares it from being asked over and over by attempts that
//! can only wait for the end of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::guesses::Origin;

type Open = HashMap<Origin, (Arc<Semaphore>, usize)>;

/// The gates at which somebody stands; never more than there are calls.
#[derive(Clone)]
pub struct Gates {
    permits: usize,
    open: Arc<Mutex<Open>>,
}

/// A place at a gate, which is given back when it is dropped.
pub struct Place {
    gates: Gates,
    origin: Origin,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gates {
    /// Gates for so many at a time.
    pub fn new(permits: u32) -> Self {
        Self { permits: permits.try_into().unwrap_or(Semaphore::MAX_PERMITS), open: Arc::default() }
    }

    /// Takes a place if one is free.
    pub fn try_enter(&self, origin: Origin) -> Option<Place> {
        let (gate, mut place) = self.step_up(origin);
        place.permit = Some(gate.try_acquire_owned().ok()?);
        Some(place)
    }

    /// Waits for a place, for `bound` at most, in the order of arrival.
    pub async fn enter(&self, origin: Origin, bound: Duration) -> Option<Place> {
        let (gate, mut place) = self.step_up(origin);
        place.permit = Some(tokio::time::timeout(bound, gate.acquire_owned()).await.ok()?.ok()?);
        Some(place)
    }

    fn step_up(&self, origin: Origin) -> (Arc<Semaphore>, Place) {
        let mut open = self.lock();
        let (gate, users) = open.entry(origin).or_insert_with(|| (Arc::new(Semaphore::new(self.permits)), 0));
        *users += 1;
        (Arc::clone(gate), Place { gates: self.clone(), origin, permit: None })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut open = self.gates.lock();
        if let Some((_, users)) = open.get_mut(&self.origin) {
            *users -= 1;
            if *users == 0 {
                open.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn origin(source: u128) -> Origin {
        Origin { subject: Uuid::from_u128(1), source: Uuid::from_u128(source) }
    }

    #[tokio::test]
    async fn a_gate_holds_so_many_and_is_gone_with_the_last() {
        const AT_ONCE: Duration = Duration::from_millis(1);
        let gates = Gates::new(2);
        let first = gates.enter(origin(1), AT_ONCE).await.expect("a place");
        let second = gates.enter(origin(1), AT_ONCE).await.expect("another");
        assert!(gates.enter(origin(1), AT_ONCE).await.is_none(), "full");
        assert!(gates.try_enter(origin(1)).is_none(), "full");
        let other = gates.try_enter(origin(2)).expect("a gate of its own");
        drop(first);
        let third = gates.enter(origin(1), AT_ONCE).await.expect("the place of the first");
        drop((second, third, other));
        assert!(gates.lock().is_empty(), "nothing is kept");
    }
}
