//! Token buckets of this process: calls of a caller, and password calls of an end-user's address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use runtime::network::network;
use std::sync::Arc;

use crate::settings::LimitSettings;

/// The shortest wait that is told.
const WAIT_LEAST: Duration = Duration::from_millis(1);

/// The buckets.
pub struct Limits {
    callers: DefaultKeyedRateLimiter<Arc<str>>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Limits {
    /// Buckets as set; each holds one second's, or one minute's, worth.
    pub fn new(settings: &LimitSettings) -> Self {
        let number = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        Self {
            callers: RateLimiter::keyed(Quota::per_second(number(settings.caller_per_second))),
            addresses: RateLimiter::keyed(Quota::per_minute(number(settings.address_per_minute))),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one call from a caller's bucket.
    ///
    /// # Errors
    /// When the bucket will hold one again.
    pub fn caller(&self, name: &Arc<str>) -> Result<(), Duration> {
        self.callers.check_key(name).map_err(|until| self.wait(&until))
    }

    /// Takes one call from the bucket of an address; IPv6 by /64, because one person has a whole one.
    ///
    /// # Errors
    /// When the bucket will hold one again.
    pub fn address(&self, ip: IpAddr) -> Result<(), Duration> {
        self.addresses.check_key(&network(ip)).map_err(|until| self.wait(&until))
    }

    /// Never nothing, also when the time has come meanwhile: nobody shall come back at once.
    fn wait(&self, until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
        until.wait_time_from(self.clock.now()).max(WAIT_LEAST)
    }

    /// Forgets buckets that are full again.
    pub fn forget(&self) {
        self.callers.retain_recent();
        self.addresses.retain_recent();
        self.addresses.shrink_to_fit();
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
        assert!(wait >= WAIT_LEAST && wait <= Duration::from_millis(500), "{wait:?}");
        assert!(take("cms").is_ok(), "another caller");
    }

    #[test]
    fn however_many_come_only_those_are_remembered_whose_buckets_are_not_full() {
        let settings =
            LimitSettings { caller_per_second: 1_000_000, address_per_minute: u32::MAX, ..Default::default() };
        let limits = Limits::new(&settings);
        for number in 0..100_000_u32 {
            limits.caller(&number.to_string().into()).expect("full");
            limits.address(IpAddr::from(number.to_be_bytes())).expect("full");
            if number % 10_000 == 9_999 {
                assert!(limits.callers.len() <= 11_000 && limits.addresses.len() <= 11_000, "{number}");
                limits.forget();
            }
        }
        let limits = Limits::new(&LimitSettings { address_per_minute: 1, ..settings });
        limits.address(IpAddr::from([192, 0, 2, 1])).expect("full");
        limits.forget();
        assert!(limits.address(IpAddr::from([192, 0, 2, 1])).is_err(), "that of an empty one is kept");
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
