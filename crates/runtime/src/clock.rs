//! The wall clock as a parameter, so that tests own it.
//!
//! It is for what is written down and shown. Intervals are measured with `std::time::Instant`,
//! and whether a link has ended is for the database's clock to say.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that stands still until it is moved. For tests.
#[derive(Debug)]
pub struct FixedClock(Mutex<OffsetDateTime>);

impl FixedClock {
    /// A clock that says `now`.
    pub fn new(now: OffsetDateTime) -> Self {
        Self(Mutex::new(now))
    }

    /// Sets it to another moment.
    pub fn set(&self, now: OffsetDateTime) {
        *self.lock() = now;
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OffsetDateTime> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        *self.lock()
    }
}

/// Clocks of two machines that differ by more are told of.
pub const SKEW: Duration = Duration::from_secs(5);
/// How often at most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Tells of messages that come from the future: the sender's clock is ahead of ours, or ours behind. One that seems old
/// may have waited somewhere, so each reader sees half of the differences, and the two sides together all.
#[derive(Debug, Default)]
pub struct SkewAlarm(Mutex<Option<Instant>>);

impl SkewAlarm {
    /// Compares when a message was sent, by its own word, with now. True when this was told.
    pub fn compare(&self, sent: OffsetDateTime, now: OffsetDateTime) -> bool {
        let ahead = sent - now;
        if ahead <= SKEW {
            return false;
        }
        let mut told = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            return false;
        }
        *told = Some(Instant::now());
        tracing::warn!(ahead_seconds = ahead.whole_seconds(), "a message comes from the future: a clock is wrong");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::new(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), OffsetDateTime::UNIX_EPOCH);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().unix_timestamp(), 90);
        clock.set(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.now().unix_timestamp(), 0);
    }

    #[test]
    fn the_system_clock_tells_utc() {
        assert!(SystemClock.now().offset().is_utc());
    }

    #[test]
    fn a_message_from_the_future_is_told_of_once_a_minute() {
        let (alarm, now) = (SkewAlarm::default(), OffsetDateTime::UNIX_EPOCH + Duration::from_secs(3_600));
        for seconds in [-3_600, 0, 5] {
            assert!(!alarm.compare(now + time::Duration::seconds(seconds), now), "{seconds}");
        }
        assert!(alarm.compare(now + Duration::from_secs(6), now));
        assert!(!alarm.compare(now + Duration::from_secs(6), now), "it was told just now");
    }
}
