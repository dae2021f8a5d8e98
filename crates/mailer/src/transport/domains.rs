//! How many mails may be under way to one recipient domain, so that a slow one leaves connections for
//! the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// A domain is slow while all its places are taken for longer than this. Who would wait for one
/// then is deferred, because whoever waits here keeps a message from being taken from the broker.
const SLOW: Duration = Duration::from_secs(10);

/// The domains that mails are under way to.
pub(super) struct Domains {
    limit: usize,
    busy: Mutex<HashMap<String, Arc<Domain>>>,
}

struct Domain {
    places: Arc<Semaphore>,
    /// When the last place was taken.
    latest: Mutex<Instant>,
}

/// The right to send one mail to a domain.
pub(super) struct Place<'a> {
    domains: &'a Domains,
    name: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl Domains {
    /// At most `limit` mails to a domain at once.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, busy: Mutex::default() }
    }

    /// Waits for a place. None when the domain is slow, or at the deadline.
    pub(super) async fn enter(&self, domain: &str, deadline: Instant) -> Option<Place<'_>> {
        let mut place = Place { domains: self, name: domain.to_lowercase(), permit: None };
        let domain = self.domain(&place.name);
        loop {
            let slow = *lock(&domain.latest) + SLOW;
            let free = domain.places.clone().acquire_owned();
            match timeout_at(slow.min(deadline), free).await {
                Ok(permit) => {
                    *lock(&domain.latest) = Instant::now();
                    place.permit = permit.ok();
                    return Some(place);
                }
                Err(_) if *lock(&domain.latest) + SLOW <= Instant::now() => return None,
                Err(_) if deadline <= Instant::now() => return None,
                Err(_) => {}
            }
        }
    }

    fn domain(&self, name: &str) -> Arc<Domain> {
        let mut busy = lock(&self.busy);
        let new = || {
            let places = Arc::new(Semaphore::new(self.limit));
            Arc::new(Domain { places, latest: Mutex::new(Instant::now()) })
        };
        busy.entry(name.to_owned()).or_insert_with(new).clone()
    }
}

impl Drop for Place<'_> {
    /// The last one to leave switches off the light.
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut busy = lock(&self.domains.busy);
        // One is the map's; who waits, or is on his way in or out, has one of his own.
        if busy.get(&self.name).is_some_and(|domain| {
            Arc::strong_count(domain) == 1 && domain.places.available_permits() == self.domains.limit
        }) {
            busy.remove(&self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_domain_has_its_share_and_others_are_not_kept() {
        let domains = Domains::new(2);
        let first = domains.enter("kopi.example", soon()).await;
        let _second = domains.enter("Kopi.Example", soon()).await.unwrap();
        let third = domains.enter("kopi.example", soon());
        tokio::pin!(third);
        assert!(futures::poll!(third.as_mut()).is_pending());
        assert!(domains.enter("teh.example", soon()).await.is_some());
        drop(first);
        assert!(third.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_slow_domain() {
        let domains = Domains::new(1);
        let _hanging = domains.enter("kopi.example", soon()).await.unwrap();
        let began = Instant::now();
        assert!(domains.enter("kopi.example", soon()).await.is_none());
        assert_eq!(began.elapsed().as_secs(), SLOW.as_secs());
        let began = Instant::now();
        assert!(domains.enter("kopi.example", soon()).await.is_none());
        assert_eq!(began.elapsed().as_secs(), 0, "it is known by now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_domain_that_moves_is_waited_for_to_the_deadline() {
        let domains = Domains::new(1);
        let mut held = domains.enter("kopi.example", soon()).await;
        let end = Instant::now() + Duration::from_secs(25);
        let waiting = domains.enter("kopi.example", end);
        tokio::pin!(waiting);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(7)).await;
            drop(held.take());
            held = Some(domains.enter("kopi.example", soon()).await.unwrap());
        }
        drop(held);
        assert!(waiting.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_a_domain_that_is_done_with() {
        let domains = Domains::new(1);
        drop(domains.enter("kopi.example", soon()).await);
        assert!(lock(&domains.busy).is_empty());
    }
}
