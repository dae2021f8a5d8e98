//! Who is connected: how many in all, how many from one address, and who has to go when somebody else needs the
//! place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::domain::network::network;

/// Connections that may be on their way out before the next comes in.
pub const LEAVING_MAX: usize = 16;

/// How far a connection has come. Clones are of the same connection; requests carry one in their extensions.
#[derive(Clone, Default)]
pub struct Standing(Arc<Marks>);

#[derive(Default)]
struct Marks {
    called: AtomicBool,
    known: AtomicBool,
}

impl Standing {
    /// A call came.
    pub fn called(&self) {
        self.0.called.store(true, Relaxed);
    }

    /// A call of a known caller came.
    pub fn known(&self) {
        self.0.known.store(true, Relaxed);
    }

    /// Whether any call came yet.
    pub fn has_called(&self) -> bool {
        self.0.called.load(Relaxed)
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
    address: IpAddr,
    standing: Standing,
    leave: CancellationToken,
}

/// A connection's place, given back when dropped.
pub struct Place {
    /// How far its connection has come.
    pub standing: Standing,
    /// Tells connections apart, and which is older.
    pub number: u64,
    leave: CancellationToken,
    places: Arc<Places>,
}

impl Places {
    /// So many in all, and so many of them for one address (IPv6: one /64).
    pub fn new(most: usize, most_of_address: usize) -> Self {
        let meter = opentelemetry::global::meter("sandi");
        Self {
            most,
            most_of_address,
            guests: Mutex::default(),
            left: Notify::new(),
            open: meter.i64_up_down_counter("sandi.grpc.connections").with_description("Open connections.").build(),
            refused: meter
                .u64_counter("sandi.grpc.connections.refused")
                .with_description("Connections closed because there were too many, by which limit.")
                .build(),
        }
    }

    /// A place for a connection from there. When there is none left, the oldest connection goes on which no known
    /// caller has called yet; when there is none either, nobody gets in.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let address = network(from);
        let mut guests = self.lock();
        if guests.of_address.get(&address).copied().unwrap_or_default() >= self.most_of_address {
            self.refused.add(1, &[KeyValue::new("limit", "address")]);
            self.dismiss(&mut guests, Some(address))?;
        } else if guests.here.len() >= self.most {
            self.refused.add(1, &[KeyValue::new("limit", "all")]);
            self.dismiss(&mut guests, None)?;
        }
        let number = guests.next;
        let (standing, leave) = (Standing::default(), CancellationToken::new());
        guests.next += 1;
        *guests.of_address.entry(address).or_default() += 1;
        guests.here.insert(number, Guest { address, standing: standing.clone(), leave: leave.clone() });
        self.open.add(1, &[]);
        Some(Place { standing, number, leave, places: Arc::clone(self) })
    }

    /// Waits until few of those that were dismissed are still there.
    pub async fn settled(&self) {
        while self.lock().leaving > LEAVING_MAX {
            self.left.notified().await;
        }
    }

    fn dismiss(&self, guests: &mut Guests, of: Option<IpAddr>) -> Option<()> {
        let strangers = guests.here.iter().filter(|(_, guest)| !guest.standing.0.known.load(Relaxed));
        let number = *strangers.filter(|(_, guest)| of.is_none_or(|of| guest.address == of)).map(|it| it.0).next()?;
        self.remove(guests, number)?.leave.cancel();
        guests.leaving += 1;
        Some(())
    }

    fn remove(&self, guests: &mut Guests, number: u64) -> Option<Guest> {
        let guest = guests.here.remove(&number)?;
        self.open.add(-1, &[]);
        if let Some(count) = guests.of_address.get_mut(&guest.address) {
            *count -= 1;
            if *count == 0 {
                guests.of_address.remove(&guest.address);
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
        Arc::new(Places::new(most, most_of_address))
    }

    fn enter(places: &Arc<Places>, from: &str) -> Option<Place> {
        places.enter(from.parse().expect("an address"))
    }

    #[test]
    fn the_oldest_stranger_goes_and_known_callers_stay() {
        let places = places(3, 3);
        let known = enter(&places, "192.0.2.1").expect("empty");
        known.standing.known();
        let first = enter(&places, "192.0.2.2").expect("room");
        let second = enter(&places, "192.0.2.3").expect("room");
        let third = enter(&places, "192.0.2.4").expect("a stranger goes");
        assert!(first.leave.is_cancelled() && !second.leave.is_cancelled() && !known.leave.is_cancelled());
        for place in [&second, &third] {
            place.standing.known();
        }
        assert!(enter(&places, "192.0.2.5").is_none(), "all are known");
        drop(second);
        assert!(enter(&places, "192.0.2.5").is_some());
    }

    #[test]
    fn an_address_has_its_own_bound_and_takes_no_place_of_others() {
        let places = places(10, 2);
        let other = enter(&places, "192.0.2.1").expect("empty");
        let first = enter(&places, "2001:db8::1").expect("room");
        let second = enter(&places, "2001:db8::2").expect("room");
        let third = enter(&places, "2001:db8::3").expect("one of the same /64 goes");
        assert!(first.leave.is_cancelled() && !other.leave.is_cancelled());
        second.standing.known();
        third.standing.known();
        assert!(enter(&places, "2001:db8::4").is_none());
        assert!(enter(&places, "2001:db8:0:1::1").is_some(), "another /64");
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
