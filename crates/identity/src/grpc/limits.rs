//! Token buckets of this process: calls of a caller, and password calls of an end-user's address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::buckets::Buckets;
use runtime::network::network;

use crate::settings::LimitSettings;

/// The buckets.
pub struct Limits {
    callers: Buckets<Arc<str>>,
    addresses: Buckets<IpAddr>,
}

impl Limits {
    /// Buckets as set; each holds one second's, or one minute's, worth.
    pub fn new(settings: &LimitSettings) -> Self {
        let (second, minute) = (settings.caller_per_second, settings.address_per_minute);
        Self {
            callers: Buckets::new(second, second, Duration::from_secs(1)),
            addresses: Buckets::new(minute, minute, Duration::from_secs(60)),
        }
    }

    /// Takes one call from a caller's bucket.
    ///
    /// # Errors
    /// When the bucket will hold one again.
    pub fn caller(&self, name: &Arc<str>) -> Result<(), Duration> {
        self.callers.take(name)
    }

    /// Takes one call from the bucket of an address; IPv6 by /64, because one person has a whole one.
    ///
    /// # Errors
    /// When the bucket will hold one again.
    pub fn address(&self, ip: IpAddr) -> Result<(), Duration> {
        self.addresses.take(&network(ip))
    }

    /// Forgets buckets that are full again.
    pub fn forget(&self) {
        self.callers.forget();
        self.addresses.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_a_bucket_of_its_own_and_is_told_when_to_come_back() {
        let limits = Limits::new(&LimitSettings { caller_per_second: 2, ..LimitSettings::default() });
        let take = |name: &str| limits.caller(&name.into());
        assert!(take("crm").is_ok() && take("crm").is_ok());
        let wait = take("crm").expect_err("empty");
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
        assert!(take("cms").is_ok(), "another caller");
    }

    #[test]
    fn a_bucket_belongs_to_one_person_only() {
        let limits = Limits::new(&LimitSettings { address_per_minute: 2, ..LimitSettings::default() });
        let take = |ip: &str| limits.address(ip.parse().expect("an address"));
        assert!(take("203.0.113.1").is_ok());
        assert!(take("203.0.113.1").is_ok());
        let wait = take("203.0.113.1").expect_err("empty");
        assert!(wait <= Duration::from_secs(30), "{wait:?}");
        assert!(take("203.0.113.2").is_ok(), "a neighbour");
        assert!(take("2001:db8::1").is_ok());
        assert!(take("2001:db8::2").is_ok());
        assert!(take("2001:db8::3").is_err(), "the same /64");
        assert!(take("2001:db8:0:1::1").is_ok(), "another /64");
    }
}
