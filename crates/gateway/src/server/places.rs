//! Who is connected: how many in all, how many from one address, and who has to go when somebody else needs the place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::Ipv6Net;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// What one household or server has of the IPv6 addresses.
const HOUSEHOLD_BITS: u8 = 64;

/// The places there are.
pub(super) struct Places {
    most: usize,
    most_of_address: usize,
    guests: Mutex<Guests>,
    open: UpDownCounter<i64>,
    refused: Counter<u64>,
}

/// By age: numbers only grow.
#[derive(Default)]
struct Guests {
    next: u64,
    here: BTreeMap<u64, Guest>,
    of_address: HashMap<IpAddr, usize>,
}

struct Guest {
    /// None of a proxy of ours, which speaks for many people.
    address: Option<IpAddr>,
    /// A request of this connection is being answered.
    busy: bool,
    leave: CancellationToken,
}

/// A connection's place, given back when dropped.
pub(super) struct Place {
    number: u64,
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
            open: meter
                .i64_up_down_counter("sandi.web.connections")
                .with_description("Open connections of people.")
                .build(),
            refused: meter
                .u64_counter("sandi.web.connections.refused")
                .with_description("Connections closed because there were too many, by which limit.")
                .build(),
        }
    }

    /// A place for a connection from there; `None` is a proxy of ours. When there is none left, the oldest connection
    /// that has nothing to be answered goes; when all have, nobody gets in.
    pub fn enter(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Place> {
        let address = from.map(household);
        let mut guests = self.lock();
        let of_address = address.and_then(|address| guests.of_address.get(&address)).copied().unwrap_or_default();
        if of_address >= self.most_of_address {
            self.refused.add(1, &[KeyValue::new("limit", "address")]);
            self.dismiss(&mut guests, address)?;
        } else if guests.here.len() >= self.most {
            self.refused.add(1, &[KeyValue::new("limit", "all")]);
            self.dismiss(&mut guests, None)?;
        }
        let (number, leave) = (guests.next, CancellationToken::new());
        guests.next += 1;
        if let Some(address) = address {
            *guests.of_address.entry(address).or_default() += 1;
        }
        guests.here.insert(number, Guest { address, busy: false, leave: leave.clone() });
        self.open.add(1, &[]);
        Some(Place { number, leave, places: Arc::clone(self) })
    }

    /// Our proxies' connections go last: each is many people's.
    fn dismiss(&self, guests: &mut Guests, of: Option<IpAddr>) -> Option<()> {
        let idle = guests.here.iter().filter(|(_, guest)| !guest.busy && (of.is_none() || guest.address == of));
        let number = *idle.min_by_key(|(number, guest)| (guest.address.is_none(), **number))?.0;
        self.remove(guests, number)?.leave.cancel();
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
    /// Notes whether a request is being answered: then the place is not given to others.
    pub fn busy(&self, busy: bool) {
        if let Some(guest) = self.places.lock().here.get_mut(&self.number) {
            guest.busy = busy;
        }
    }

    /// Returns when the place is needed for somebody else.
    pub fn dismissed(&self) -> WaitForCancellationFuture<'_> {
        self.leave.cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.places.lock();
        self.places.remove(&mut guests, self.number);
    }
}

fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Net::new(ip, HOUSEHOLD_BITS).map_or(ip, |network| network.network()).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(places: &Arc<Places>, from: &str) -> Option<Place> {
        places.enter(Some(from.parse().expect("an address")))
    }

    #[test]
    fn the_oldest_that_asks_nothing_goes_and_who_is_being_answered_stays() {
        let places = Arc::new(Places::new(2, 2));
        let asking = enter(&places, "192.0.2.1").expect("empty");
        asking.busy(true);
        let silent = enter(&places, "192.0.2.2").expect("room");
        let third = enter(&places, "192.0.2.3").expect("the silent one goes");
        assert!(silent.leave.is_cancelled() && !asking.leave.is_cancelled());
        third.busy(true);
        assert!(enter(&places, "192.0.2.4").is_none(), "all are being answered");
        asking.busy(false);
        assert!(enter(&places, "192.0.2.4").is_some() && asking.leave.is_cancelled());
    }

    #[test]
    fn an_address_has_its_own_bound_and_takes_no_place_of_others() {
        let places = Arc::new(Places::new(10, 2));
        let other = enter(&places, "192.0.2.1").expect("empty");
        let first = enter(&places, "2001:db8::1").expect("room");
        let second = enter(&places, "2001:db8::2").expect("room");
        let third = enter(&places, "2001:db8::3").expect("one of the same /64 goes");
        assert!(first.leave.is_cancelled() && !other.leave.is_cancelled());
        second.busy(true);
        third.busy(true);
        assert!(enter(&places, "2001:db8::4").is_none());
        assert!(enter(&places, "2001:db8:0:1::1").is_some(), "another /64");
    }

    #[test]
    fn our_proxies_have_no_bound_of_an_address_and_go_last() {
        let places = Arc::new(Places::new(4, 1));
        let proxies: Vec<_> = (0..3).map(|_| places.enter(None).expect("room")).collect();
        let stranger = enter(&places, "192.0.2.1").expect("room");
        let _another = enter(&places, "192.0.2.2").expect("the stranger goes");
        assert!(stranger.leave.is_cancelled() && proxies.iter().all(|place| !place.leave.is_cancelled()));
        drop(proxies);
        drop(stranger);
        let guests = places.lock();
        assert_eq!((guests.here.len(), guests.of_address.values().sum::<usize>()), (1, 1));
    }
}
