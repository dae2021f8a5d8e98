//! Who is connected to a port: how many in all, how many from one address, and who has to go when somebody else needs
//! the place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::network::network;

/// Connections that may be on their way out before the next comes in.
pub const LEAVING_MAX: usize = 16;

/// Whether a connection keeps its place when others need one. Clones are of the same connection.
#[derive(Clone, Default)]
pub struct Hold(Arc<AtomicBool>);

impl Hold {
    /// From now on it does, or does not.
    pub fn keep(&self, keep: bool) {
        self.0.store(keep, Relaxed);
    }

    fn is_kept(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The places there are.
pub struct Places {
    most: usize,
    most_of_address: usize,
    guests: Mutex<Guests>,
    left: Notify,
    open: UpDownCounter<i64>,
    refused: Counter<u64>,
}

/// By age: numbers only grow.
#[derive(Default)]
struct Guests {
    next: u64,
    here: BTreeMap<u64, Guest>,
    of_address: HashMap<IpAddr, usize>,
    /// Dismissed, and not gone yet: their descriptors are still open.
    leaving: usize,
}

struct Guest {
    /// None of one that speaks for many people.
    address: Option<IpAddr>,
    hold: Hold,
    leave: CancellationToken,
}

/// A connection's place, given back when dropped.
pub struct Place {
    /// Whether it is kept when others need one.
    pub hold: Hold,
    /// Tells connections apart, and which is older.
    pub number: u64,
    leave: CancellationToken,
    places: Arc<Places>,
}

impl Places {
    /// So many in all, and so many of them for one address (IPv6: one /64). The metrics `name` and `name.refused` tell
    /// of them.
    pub fn new(name: &'static str, most: usize, most_of_address: usize) -> Self {
        let meter = opentelemetry::global::meter("sandi");
        Self {
            most,
            most_of_address,
            guests: Mutex::default(),
            left: Notify::new(),
            open: meter.i64_up_down_counter(name).with_description("Open connections.").build(),
            refused: meter
                .u64_counter(format!("{name}.refused"))
                .with_description("Connections closed because there were too many, by which limit.")
                .build(),
        }
    }

    /// A place for a connection from there; `None` speaks for many people, and only the number of all is its limit. When
    /// there is none left, the oldest connection goes that does not keep its place; when all do, nobody gets in.
    pub fn enter(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Place> {
        let address = from.map(network);
        let mut guests = self.lock();
        let of_address = address.and_then(|address| guests.of_address.get(&address)).copied().unwrap_or_default();
        if of_address >= self.most_of_address {
            self.refused.add(1, &[KeyValue::new("limit", "address")]);
            self.dismiss(&mut guests, address)?;
        } else if guests.here.len() >= self.most {
            self.refused.add(1, &[KeyValue::new("limit", "all")]);
            self.dismiss(&mut guests, None)?;
        }
        let number = guests.next;
        let (hold, leave) = (Hold::default(), CancellationToken::new());
        guests.next += 1;
        if let Some(address) = address {
            *guests.of_address.entry(address).or_default() += 1;
        }
        guests.here.insert(number, Guest { address, hold: hold.clone(), leave: leave.clone() });
        self.open.add(1, &[]);
        Some(Place { hold, number, leave, places: Arc::clone(self) })
    }

    /// Waits until few of those that were dismissed are still there.
    pub async fn settled(&self) {
        while self.lock().leaving > LEAVING_MAX {
            self.left.notified().await;
        }
    }

    /// Those that speak for many people go last.
    fn dismiss(&self, guests: &mut Guests, of: Option<IpAddr>) -> Option<()> {
        let oldest = |meant: &dyn Fn(&Guest) -> bool| {
            let mut idle = guests.here.iter().filter(|(_, guest)| !guest.hold.is_kept());
            idle.find(|(_, guest)| meant(guest)).map(|(number, _)| *number)
        };
        let number = match of {
            Some(_) => oldest(&|guest| guest.address == of)?,
            None => oldest(&|guest| guest.address.is_some()).or_else(|| oldest(&|_| true))?,
        };
        self.remove(guests, number)?.leave.cancel();
        guests.leaving += 1;
        Some(())
    }

    fn remove(&self, guests: &mut Guests, number: u64) -> Option<Guest> {
        let guest = guests.here.remove(&number)?;
        self.open.add(-1, &[]);
        if let Some(address) = guest.address
            && let Some(count) = guests.of_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                guests.of_address.remove(&address);
            }
        }
        Some(guest)
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when the place is needed for somebody else.
    pub fn dismissed(&self) -> WaitForCancellationFuture<'_> {
        self.leave.cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.places.lock();
        if self.places.remove(&mut guests, self.number).is_none() {
            guests.leaving -= 1;
            self.places.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, most_of_address: usize) -> Arc<Places> {
        Arc::new(Places::new("test.connections", most, most_of_address))
    }

    fn enter(places: &Arc<Places>, from: &str) -> Option<Place> {
        places.enter(Some(from.parse().expect("an address")))
    }

    #[test]
    fn the_oldest_that_does_not_keep_its_place_goes() {
        let places = places(3, 3);
        let kept = enter(&places, "192.0.2.1").expect("empty");
        kept.hold.keep(true);
        let first = enter(&places, "192.0.2.2").expect("room");
        let second = enter(&places, "192.0.2.3").expect("room");
        let third = enter(&places, "192.0.2.4").expect("one goes");
        assert!(first.leave.is_cancelled() && !second.leave.is_cancelled() && !kept.leave.is_cancelled());
        for place in [&second, &third] {
            place.hold.keep(true);
        }
        assert!(enter(&places, "192.0.2.5").is_none(), "all are kept");
        kept.hold.keep(false);
        assert!(enter(&places, "192.0.2.5").is_some() && kept.leave.is_cancelled());
    }

    #[test]
    fn an_address_has_its_own_bound_and_takes_no_place_of_others() {
        let places = places(10, 2);
        let other = enter(&places, "192.0.2.1").expect("empty");
        let first = enter(&places, "2001:db8::1").expect("room");
        let second = enter(&places, "2001:db8::2").expect("room");
        let third = enter(&places, "2001:db8::3").expect("one of the same /64 goes");
        assert!(first.leave.is_cancelled() && !other.leave.is_cancelled());
        second.hold.keep(true);
        third.hold.keep(true);
        assert!(enter(&places, "2001:db8::4").is_none());
        assert!(enter(&places, "2001:db8:0:1::1").is_some(), "another /64");
    }

    #[test]
    fn who_speaks_for_many_has_no_bound_of_an_address_and_goes_last() {
        let places = places(4, 1);
        let proxies: Vec<_> = (0..3).map(|_| places.enter(None).expect("room")).collect();
        let stranger = enter(&places, "192.0.2.1").expect("room");
        let another = enter(&places, "192.0.2.2").expect("the stranger goes");
        assert!(stranger.leave.is_cancelled() && proxies.iter().all(|place| !place.leave.is_cancelled()));
        another.hold.keep(true);
        assert!(enter(&places, "192.0.2.3").is_some() && proxies[0].leave.is_cancelled());
    }

    /// Whether it is over without waiting.
    async fn now(future: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, future).await.is_ok()
    }

    #[tokio::test]
    async fn those_who_are_leaving_are_waited_for_when_they_are_many() {
        let places = places(1, 1);
        let mut leaving = Vec::new();
        for number in 0..=LEAVING_MAX {
            let first = places.enter(None).expect("the one before goes");
            assert!(now(places.settled()).await, "{number} are leaving");
            leaving.push(first);
        }
        let last = places.enter(None).expect("the one before goes");
        let mut settled = Box::pin(places.settled());
        assert!(!now(&mut settled).await);
        let gone = leaving.pop().expect("many");
        assert!(now(gone.dismissed()).await, "it has to go");
        drop(gone);
        assert!(now(&mut settled).await, "one has gone");
        assert!(!now(last.dismissed()).await);
    }

    #[test]
    fn what_was_given_back_is_there_again_once() {
        let places = places(2, 2);
        let stranger = enter(&places, "192.0.2.1").expect("empty");
        let _second = enter(&places, "192.0.2.1").expect("room");
        let _third = enter(&places, "192.0.2.1").expect("the stranger goes");
        assert_eq!(places.lock().leaving, 1);
        drop(stranger);
        assert_eq!(places.lock().leaving, 0);
        let guests = places.lock();
        assert_eq!((guests.here.len(), guests.of_address.values().sum::<usize>()), (2, 2));
    }
}
