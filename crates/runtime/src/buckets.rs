//! Token buckets in this process: how much somebody may do at once, and how fast more.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// The shortest wait that is told, also when the time has come meanwhile: nobody shall come back at once.
const WAIT_LEAST: Duration = Duration::from_millis(1);
/// No bucket fills up faster.
const INTERVAL_LEAST: Duration = Duration::from_nanos(1);

/// A bucket for each key, full at first.
pub struct Buckets<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Each holds `most`, and gets `count` of them back in that time.
    pub fn new(most: u32, count: u32, time: Duration) -> Self {
        let most = NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN);
        let interval = (time / count.max(1)).max(INTERVAL_LEAST);
        let quota = Quota::with_period(interval).expect("an interval is not nothing").allow_burst(most);
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Takes one out of a bucket.
    ///
    /// # Errors
    /// When the bucket will hold one again.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        self.limiter.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()).max(WAIT_LEAST))
    }

    /// Takes so many out of a bucket, or none of them.
    ///
    /// # Errors
    /// When the bucket will hold them; never, if it cannot hold as many ([`Duration::MAX`]).
    pub fn take_many(&self, key: &K, count: u32) -> Result<(), Duration> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match self.limiter.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now()).max(WAIT_LEAST)),
            Err(_) => Err(Duration::MAX),
        }
    }

    /// Forgets buckets that are full again.
    pub fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// How many are remembered.
    pub fn remembered(&self) -> usize {
        self.limiter.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_so_many_and_fills_up_by_and_by() {
        let buckets = Buckets::new(3, 2, Duration::from_secs(1));
        assert!((0..3).all(|_| buckets.take(&"a").is_ok()));
        let wait = buckets.take(&"a").expect_err("empty");
        assert!(wait >= WAIT_LEAST && wait <= Duration::from_millis(500), "{wait:?}");
        assert!(buckets.take(&"b").is_ok(), "another's");
        std::thread::sleep(wait);
        assert!(buckets.take(&"a").is_ok());
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let buckets = Buckets::new(5, 1, Duration::from_secs(10));
        assert!(buckets.take_many(&"a", 0).is_ok() && buckets.take_many(&"a", 3).is_ok());
        let wait = buckets.take_many(&"a", 4).expect_err("two are left");
        assert!(wait > Duration::from_secs(19) && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(buckets.take_many(&"a", 2).is_ok(), "nothing was taken");
        assert_eq!(buckets.take_many(&"a", 6), Err(Duration::MAX));
    }

    #[test]
    fn however_many_come_only_those_are_remembered_whose_buckets_are_not_full() {
        let buckets = Buckets::new(u32::MAX, u32::MAX, Duration::from_secs(1));
        for number in 0..100_000_u32 {
            buckets.take(&number).expect("full");
            if number % 10_000 == 9_999 {
                assert!(buckets.remembered() <= 11_000, "{number}");
                buckets.forget();
            }
        }
        let buckets = Buckets::new(1, 1, Duration::from_secs(60));
        buckets.take(&1).expect("full");
        buckets.forget();
        assert!(buckets.take(&1).is_err(), "that of an empty one is kept");
    }
}
