//! What a request may ask of the identity service. A page may make many calls, and so its address pays for each of them,
//! out of the bucket that bounds its requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use runtime::buckets::Buckets;
use runtime::network::network;

/// The calls of one request. Clones pay together.
#[derive(Clone)]
pub struct Allowance {
    addresses: Arc<Buckets<IpAddr>>,
    network: IpAddr,
    /// Calls that are paid for and still to come.
    paid: Arc<AtomicU32>,
}

impl Allowance {
    /// For a request of this address, which takes one out of the address's bucket.
    pub(super) fn new(addresses: &Arc<Buckets<IpAddr>>, ip: IpAddr) -> Self {
        // The request itself has paid for its first call.
        Self { addresses: Arc::clone(addresses), network: network(ip), paid: Arc::new(AtomicU32::new(1)) }
    }

    /// One call.
    ///
    /// # Errors
    /// When the address may make it.
    pub fn take(&self) -> Result<(), Duration> {
        let paid = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| paid.checked_sub(1)).is_ok();
        if paid { Ok(()) } else { self.addresses.take(&self.network) }
    }

    /// Pays for so many calls before they are made, or for none of them: what cannot be shown whole costs nothing.
    ///
    /// # Errors
    /// When the address may make them.
    pub fn pay(&self, calls: u32) -> Result<(), Duration> {
        self.addresses.take_many(&self.network, calls)?;
        self.paid.fetch_add(calls, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(most: u32) -> Arc<Buckets<IpAddr>> {
        Arc::new(Buckets::new(most, 1, Duration::from_secs(3600)))
    }

    #[test]
    fn the_first_call_is_the_requests_own_and_each_further_one_takes_from_its_address() {
        let addresses = addresses(3);
        let request = |ip: &str| Allowance::new(&addresses, ip.parse().unwrap());
        let page = request("2001:db8::1");
        assert!((0..4).all(|_| page.take().is_ok()));
        assert!(page.take().is_err(), "three are in the bucket");

        let next = request("2001:db8::2");
        assert!(next.take().is_ok());
        assert!(next.take().is_err(), "the same /64");
        let neighbour = request("2001:db8:0:1::1");
        assert!((0..4).all(|_| neighbour.take().is_ok()), "another /64");
    }

    #[test]
    fn many_are_paid_for_together_or_not_at_all() {
        let addresses = addresses(4);
        let page = Allowance::new(&addresses, "203.0.113.7".parse().unwrap());
        assert!(page.take().is_ok() && page.pay(5).is_err(), "four are in the bucket");
        assert!(page.pay(3).is_ok());
        assert!((0..4).all(|_| page.take().is_ok()), "three, and the one that is left");
        assert!(page.take().is_err());
    }

    #[test]
    fn clones_pay_together() {
        let page = Allowance::new(&addresses(1), "203.0.113.7".parse().unwrap());
        assert!(page.clone().take().is_ok() && page.clone().take().is_ok());
        assert!(page.take().is_err());
    }
}
